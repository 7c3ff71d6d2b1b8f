//! JSON as it is read and written here: one reader and one writer for everything.
//!
//! Code that serde derives is made anew for every type, some 2 KB each: for three dozen types that was a third of the
//! wasm, which every cold isolate loads before its first answer. So what is ours is read member by member from a
//! [`Value`], and written by [`Object`] and [`Array`].

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

/// Reads a JSON text in which no object has two members of one name, `None` when it is none.
#[must_use]
pub fn read(text: &str) -> Option<Value> {
    strict::read(text).ok()
}

/// Reads a JSON object, `None` when it is none.
#[must_use]
pub fn read_object(text: &str) -> Option<Map<String, Value>> {
    match read(text)? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// Takes a text out of an object.
pub fn take_text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
    match object.remove(name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}
