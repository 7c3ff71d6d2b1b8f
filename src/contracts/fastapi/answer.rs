//! The JSON answers, as FastAPI's exception handlers and Starlette's `JSONResponse` write them.

use super::Refusal;
use super::value::Value;
use crate::json::quoted;

/// What pydantic finds wrong with a value. Types and messages are those of pydantic-core's
/// `ErrorType`.
pub enum Fault {
    Missing,
    NotAnObject,
    NotAString,
    NotUnicode,
    TooShort(usize),
    TooLong(usize),
}

impl Fault {
    /// pydantic's `type`, which clients tell the faults apart by.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotAnObject => "model_attributes_type",
            Self::NotAString => "string_type",
            Self::NotUnicode => "string_unicode",
            Self::TooShort(_) => "string_too_short",
            Self::TooLong(_) => "string_too_long",
        }
    }

    /// pydantic's `msg`, which people read.
    fn message(&self) -> String {
        match self {
            Self::Missing => "Field required".to_owned(),
            Self::NotAnObject => "Input should be a valid dictionary or object to extract fields from".to_owned(),
            Self::NotAString => "Input should be a valid string".to_owned(),
            Self::NotUnicode => "Input should be a valid string, unable to parse raw data as a \
                                 unicode string"
                .to_owned(),
            Self::TooShort(least) => ["String should have at least ", &characters(*least)].concat(),
            Self::TooLong(most) => ["String should have at most ", &characters(*most)].concat(),
        }
    }

    /// pydantic's `ctx`, the limit that was not kept, ready to follow `input`.
    fn context(&self) -> String {
        match self {
            Self::TooShort(least) => [r#","ctx":{"min_length":"#, &least.to_string(), "}"].concat(),
            Self::TooLong(most) => [r#","ctx":{"max_length":"#, &most.to_string(), "}"].concat(),
            _ => String::new(),
        }
    }
}

/// A number of characters, in pydantic's English.
fn characters(count: usize) -> String {
    [count.to_string().as_str(), if count == 1 { " character" } else { " characters" }].concat()
}

/// The 422 to a body at fault: in the member `field`, or as a whole.
pub fn invalid(fault: &Fault, field: Option<&str>, input: &Value) -> Refusal {
    let mut body = [r#"{"detail":[{"type":""#, fault.kind(), r#"","loc":["body""#].concat();
    if let Some(name) = field {
        body.push(',');
        body.push_str(&quoted(name));
    }
    body.push_str(r#"],"msg":""#);
    body.push_str(&fault.message());
    body.push_str(r#"","input":"#);
    input.render(&mut body);
    body.push_str(&fault.context());
    body.push_str("}]}");
    Refusal::Invalid { body }
}

/// The 422 to a syntax error at a character of the text, counted from zero.
pub fn json_invalid(message: &str, position: usize) -> Refusal {
    let body = [
        r#"{"detail":[{"type":"json_invalid","loc":["body","#,
        &position.to_string(),
        r#"],"msg":"JSON decode error","input":{},"ctx":{"error":"#,
        &quoted(message),
        "}}]}",
    ]
    .concat();
    Refusal::Unreadable { status: 422, body }
}

/// The 400 to a body that Python's json module gives up on without a syntax error.
pub fn unparsable() -> Refusal {
    Refusal::Unreadable { status: 400, body: r#"{"detail":"There was an error parsing the body"}"#.to_owned() }
}
