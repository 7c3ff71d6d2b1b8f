//! Serializes any JSON value.

use serde_json::Value;

use super::float;
use super::{Array, Object, quoted};

/// The JSON text of a value.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(true) => "true".to_owned(),
        Value::Bool(false) => "false".to_owned(),
        Value::String(text) => quoted(text),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => whole.to_string(),
            (_, Some(whole), _) => whole.to_string(),
            (.., Some(number)) => float::text(number),
            _ => "null".to_owned(),
        },
        Value::Array(elements) => {
            let mut array = Array::new();
            for element in elements {
                array.raw(&text(element));
            }
            array.finish()
        }
        Value::Object(members) => {
            let object = Object::new();
            members.iter().fold(object, |object, (name, value)| object.raw(name, &text(value))).finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_was_read() {
        let cases = [
            r#"{"a":[1,-2,18446744073709551615,1.5,-0.0,null,true,false],"b":{},"c":[],"d":"\"\\\u0001é"}"#,
            "0.1",
            "123456789.123",
            "1e+300",
            "5e-324",
            "1.7976931348623157e+308",
        ];
        for case in cases {
            assert_eq!(text(&serde_json::from_str(case).unwrap()), case);
        }
    }
}
