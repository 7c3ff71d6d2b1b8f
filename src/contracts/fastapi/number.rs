//! JSON numbers as Python keeps them.

use super::value::Value;

/// `sys.int_info.default_max_str_digits`: the longest integer that Python's `int()` takes, so
/// that hostile input cannot make it convert for ever.
const MOST_DIGITS: usize = 4300;

/// A number as it is written in the document.
pub enum Literal {
    Integer(String),
    /// With a fraction or an exponent.
    Float(String),
}

impl Literal {
    /// The number that is meant; nothing where Python refuses to convert it.
    ///
    /// Python's integers have no bounds. JSON has no leading zeros, so the literal is also what
    /// Python prints, but for the negative zero that integers lack.
    pub fn into_value(self) -> Option<Value> {
        let literal = match self {
            Self::Integer(literal) => literal,
            Self::Float(literal) => return Some(Value::Float(literal)),
        };
        match literal.trim_start_matches('-') {
            "0" => Some(Value::Integer("0".to_owned())),
            digits if digits.len() > MOST_DIGITS => None,
            _ => Some(Value::Integer(literal)),
        }
    }
}
