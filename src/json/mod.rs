//! A JSON reader and writer.
//!
//! Derived serde code is compiled separately for every type, which would be a large part of the binary that a cold
//! isolate loads. So this crate reads members from a [`Value`], and writes JSON with [`Object`] and [`Array`].

pub(crate) mod float;
mod strict;
mod value;
mod whole;
mod write;

use serde_json::{Map, Value};

pub use strict::StrictObject;
pub(crate) use value::text;
pub(crate) use write::push_character;
pub use write::{Array, Object, quoted};

/// Parses a JSON text; `None` if it is malformed or has an object with duplicate members.
#[must_use]
pub fn read(text: &str) -> Option<Value> {
    strict::read(text).ok()
}

/// Parses a JSON object; `None` if the text is not an object or has duplicate members.
#[must_use]
pub fn read_object(text: &str) -> Option<Map<String, Value>> {
    match read(text)? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// Removes a string from an object.
pub fn take_text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
    match object.remove(name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}
