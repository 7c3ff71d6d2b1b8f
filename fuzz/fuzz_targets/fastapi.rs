//! The body of a request as FastAPI reads it.
//!
//! An input begins with a line that has the `Content-Type`; an empty line stands for JSON. The rest is the body.

#![no_main]

use edge_logout::contracts::fastapi::{Refusal, StringField, read_string_field};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

const FIELD: StringField = StringField { name: "sessionToken", min_length: 1, max_length: 128 };
const JSON: &str = "application/json";

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (first, body) = data.split_at(end);
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    let content_type = match first {
        b"" => Some(JSON),
        b"-" => None,
        other => str::from_utf8(other).ok(),
    };
    let read = read_string_field(body, content_type, &FIELD);
    assert_well_formed(&read);
    if content_type == Some(JSON)
        && let Ok(document) = serde_json::from_slice(body)
    {
        assert_like_others(&read, &document);
    }
});

/// A good field, or JSON of the form that FastAPI's schema publishes for a 422.
fn assert_well_formed(read: &Result<String, Refusal>) {
    match read {
        Ok(token) => assert!((1..=128).contains(&token.chars().count())),
        Err(Refusal::Unreadable { status: 400, body }) => {
            assert_eq!(body, r#"{"detail":"There was an error parsing the body"}"#);
        }
        Err(Refusal::Unreadable { status, body }) => {
            assert_eq!(*status, 422);
            assert_fault(body);
        }
        Err(Refusal::Invalid { body }) => assert_fault(body),
    }
}

fn assert_fault(body: &str) {
    serde_json::from_str::<IgnoredAny>(body).expect("JSON");
    // The answer repeats the input, which may be deeper, and have larger numbers, than serde_json keeps.
    let Ok(answer) = serde_json::from_str::<Value>(body) else { return };
    let [fault] = answer["detail"].as_array().expect("a list").as_slice() else { panic!("one fault") };
    assert!(fault["type"].is_string() && fault["msg"].is_string() && fault["loc"][0] == "body");
    assert!(fault.get("input").is_some());
}

/// What another reader takes for JSON is read here as well, and as the same.
fn assert_like_others(read: &Result<String, Refusal>, document: &Value) {
    let field = document.as_object().and_then(|members| members.get(FIELD.name));
    let good = field.and_then(Value::as_str).filter(|text| (1..=128).contains(&text.chars().count()));
    match read {
        Ok(token) => assert_eq!(Some(token.as_str()), good),
        Err(Refusal::Invalid { body }) => {
            assert_eq!(good, None);
            let expected = match field {
                None if document.is_object() => "missing",
                None => "model_attributes_type",
                Some(Value::String(text)) if text.is_empty() => "string_too_short",
                Some(Value::String(_)) => "string_too_long",
                Some(_) => "string_type",
            };
            assert!(body.starts_with(&format!(r#"{{"detail":[{{"type":"{expected}","loc":["body""#)), "{body}");
        }
        Err(refusal) => panic!("{refusal:?}"),
    }
}
