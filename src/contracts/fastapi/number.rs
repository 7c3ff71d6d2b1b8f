//! JSON numbers as Python keeps and prints them.

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
            Self::Float(literal) => return literal.parse().ok().map(Value::Float),
        };
        match literal.trim_start_matches('-') {
            "0" => Some(Value::Integer("0".to_owned())),
            digits if digits.len() > MOST_DIGITS => None,
            _ => Some(Value::Integer(literal)),
        }
    }
}

/// Python's `repr` of a float, as `json.dumps` writes it; `null` for what JSON cannot say.
pub fn render_float(number: f64, out: &mut String) {
    if !number.is_finite() {
        out.push_str("null");
        return;
    }
    let digits = fewest_digits(number);
    let Some((mantissa, exponent)) = digits.split_once('e') else {
        out.push_str(&digits);
        return;
    };
    // Python's exponent has a sign, and two digits or more.
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(magnitude) => ("e-", magnitude),
        None => ("e+", exponent),
    };
    out.push_str(mantissa);
    out.push_str(sign);
    if exponent.len() < 2 {
        out.push('0');
    }
    out.push_str(exponent);
}

/// The fewest digits that read back as this number.
///
/// Rust's `Debug` finds them, with an exponent at the same magnitudes as Python (`1e16`, `1e-4`).
/// But where two are as near, as for 2^-25, it takes the greater and Python the even one. So does
/// Rust when it is told how many digits to write; these are then read back, since above a power
/// of two the nearest so many digits may be too far.
fn fewest_digits(number: f64) -> String {
    let fewest = format!("{number:?}");
    let mantissa = fewest.split('e').next().unwrap_or_default();
    let decimals = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len());
    let even =
        if mantissa.len() == fewest.len() { format!("{number:.decimals$}") } else { format!("{number:.decimals$e}") };
    let reads_back = even.parse().is_ok_and(|read: f64| read.to_bits() == number.to_bits());
    if reads_back { even } else { fewest }
}
