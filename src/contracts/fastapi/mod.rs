//! A JSON request body as FastAPI reads it, refused in FastAPI's own words.
//!
//! The published `LoyaltyDog` service is a FastAPI service and its clients read the 422 answers,
//! so these are reproduced to the byte. `tests/fastapi/corpus.json` holds what the real FastAPI
//! answers (see `recorded_with` there) and `tests/fastapi/record.py` records it anew.
//!
//! FastAPI works in this order (`get_request_handler` in `fastapi/routing.py`), which a caller
//! has to keep: it reads the body ([`Refusal::Unreadable`]), then checks the credential, and
//! only then looks at the fields ([`Refusal::Invalid`]).
//!
//! Where FastAPI itself fails with a 500, since its answer would repeat something that JSON or
//! UTF-8 cannot say, the same 422 is given here with that something replaced: a number that is
//! not finite by `null`, half a surrogate pair and an undecodable byte by U+FFFD. The corpus
//! marks these cases `crash`.

mod answer;
mod encoding;
mod failure;
mod number;
mod reader;
mod scanner;
mod value;

use crate::http::is_json;
use answer::Fault;
use failure::Failure;
use value::{Text, Value};

/// FastAPI's refusal of a body: the status, and the JSON text of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The body is not JSON. Answered before the credential is looked at.
    Unreadable {
        /// 422 where the syntax is wrong, 400 where Python could not even try.
        status: u16,
        /// The JSON text to answer with.
        body: String,
    },
    /// The body is not what the route takes: 422, for an authenticated caller only.
    Invalid {
        /// The JSON text to answer with.
        body: String,
    },
}

/// The one required string of a request model: pydantic's `Field(..., min_length, max_length)`.
#[derive(Debug, Clone, Copy)]
pub struct StringField {
    /// The member of the JSON object.
    pub name: &'static str,
    /// The least number of Unicode code points.
    pub min_length: usize,
    /// The greatest number of Unicode code points.
    pub max_length: usize,
}

/// Reads the field from the body of a request with this `Content-Type`, if it has one.
///
/// # Errors
///
/// What FastAPI answers to a body that does not carry the field.
pub fn read_string_field(body: &[u8], content_type: Option<&str>, field: &StringField) -> Result<String, Refusal> {
    if body.is_empty() {
        return Err(answer::invalid(&Fault::Missing, None, &Value::Null));
    }
    if !content_type.is_some_and(is_json) {
        // `strict_content_type` is on by default. FastAPI hands the bytes themselves to pydantic, which wants an object.
        let input = Value::Text(Text::from(&*String::from_utf8_lossy(body)));
        return Err(answer::invalid(&Fault::NotAnObject, None, &input));
    }
    let text = encoding::decode(body).ok_or_else(answer::unparsable)?;
    let value = reader::read(&text).map_err(|failure| match failure {
        Failure::Syntax { message, position } => answer::json_invalid(message, position),
        Failure::Unsupported => answer::unparsable(),
    })?;
    validate(&value, field)
}

/// What pydantic makes of the document: the field's text, or the first fault it finds.
fn validate(document: &Value, field: &StringField) -> Result<String, Refusal> {
    let Value::Object(members) = document else {
        return Err(answer::invalid(&Fault::NotAnObject, None, document));
    };
    let refuse = |fault, input| Err(answer::invalid(&fault, Some(field.name), input));
    let Some(value) = members.get(field.name) else {
        return refuse(Fault::Missing, document);
    };
    let Value::Text(text) = value else {
        return refuse(Fault::NotAString, value);
    };
    let Some(string) = text.to_unicode() else {
        return refuse(Fault::NotUnicode, value);
    };
    if text.code_points() < field.min_length {
        return refuse(Fault::TooShort(field.min_length), value);
    }
    if text.code_points() > field.max_length {
        return refuse(Fault::TooLong(field.max_length), value);
    }
    Ok(string)
}
