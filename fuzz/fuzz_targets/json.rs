//! The strict reader of JSON against serde_json's, and how values, texts and numbers are written.

#![no_main]

use base64ct::{Base64UrlUnpadded, Encoding};
use edge_logout::contracts::fastapi::{Refusal, StringField, read_string_field};
use edge_logout::json;
use edge_logout::token::{TokenProblem, explain_shape};
use edge_logout_fuzz::{assert_shortest, is_number, text};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let text = text(data);
    assert_read(text);
    if let Some(bits) = data.first_chunk().filter(|_| data.len() == 8) {
        let number = f64::from_bits(u64::from_le_bytes(*bits));
        if number.is_finite() {
            assert_written(&format!("{number:e}"));
        }
        return;
    }
    assert_written(text);
    if is_number(text) {
        assert_number(text);
    }
    assert_eq!(serde_json::from_str::<String>(&json::quoted(text)).expect("a JSON text"), text);
});

/// What is read is what serde_json reads, and only what has a member twice is refused besides.
fn assert_read(text: &str) {
    let lenient = serde_json::from_str::<Value>(text).ok();
    match (json::read(text), lenient) {
        (Some(strict), lenient) => {
            assert_eq!(Some(&strict), lenient.as_ref());
            assert_eq!(count_members(&strict), count_colons(text), "a member that is there twice");
        }
        (None, Some(lenient)) => assert!(count_members(&lenient) < count_colons(text), "nothing is there twice"),
        (None, None) => {}
    }
}

fn count_members(value: &Value) -> usize {
    match value {
        Value::Array(elements) => elements.iter().map(count_members).sum(),
        Value::Object(members) => members.len() + members.values().map(count_members).sum::<usize>(),
        _ => 0,
    }
}

/// How many members a JSON text has: colons outside of texts.
fn count_colons(json: &str) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b':' if !is_text => count += 1,
            _ => {}
        }
    }
    count
}

/// What is written of a value reads as the value, doubles to the bit. An explanation shows a header's `typ` as JSON.
fn assert_written(value: &str) {
    let header = ["{\"typ\":", value, "}"].concat();
    let Some(read) = json::read(&header) else { return };
    let token = [&Base64UrlUnpadded::encode_string(header.as_bytes()), ".e30.AA"].concat();
    let found = explain_shape(TokenProblem::NotAnAccessToken, &token).found.expect("what the token has");
    let mut written = found.strip_prefix("`typ` ").expect("the member's name");
    assert_same(&read["typ"], &mut written);
    assert_eq!(written, "");
}

/// Takes the text of a value from what was written.
fn assert_same(value: &Value, written: &mut &str) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let end = written.find(|byte: char| !"+-.0123456789e".contains(byte)).unwrap_or(written.len());
            let (own, rest) = written.split_at(end);
            assert_shortest(own, number.as_f64().expect("a double"));
            *written = rest;
        }
        Value::Array(elements) => {
            for (place, element) in elements.iter().enumerate() {
                take(if place == 0 { "[" } else { "," }, written);
                assert_same(element, written);
            }
            take(if elements.is_empty() { "[]" } else { "]" }, written);
        }
        Value::Object(members) => {
            for (place, (name, member)) in members.iter().enumerate() {
                take(if place == 0 { "{" } else { "," }, written);
                take(&serde_json::to_string(name).expect("a text"), written);
                take(":", written);
                assert_same(member, written);
            }
            take(if members.is_empty() { "{}" } else { "}" }, written);
        }
        scalar => take(&scalar.to_string(), written),
    }
}

fn take(expected: &str, written: &mut &str) {
    *written = written.strip_prefix(expected).unwrap_or_else(|| panic!("{expected} is missing before {written}"));
}

/// A number is repeated as Python repeats it: a whole one in all its digits, a double in the fewest.
fn assert_number(literal: &str) {
    const MOST_DIGITS: usize = 4300;
    let field = StringField { name: "a", min_length: 1, max_length: 1 };
    let body = [r#"{"a":"#, literal, "}"].concat();
    let whole = !literal.contains(['.', 'e', 'E']);
    let answer = match read_string_field(body.as_bytes(), Some("application/json"), &field) {
        Err(Refusal::Invalid { body }) => body,
        other => {
            assert!(whole && literal.len() > MOST_DIGITS, "{other:?}");
            return;
        }
    };
    let written = answer.split_once(r#""input":"#).and_then(|(_, rest)| rest.strip_suffix("}]}")).expect("the input");
    let number: f64 = literal.parse().expect("a double");
    match written {
        "null" => assert!(number.is_infinite() && !whole),
        _ if whole => assert_eq!(written, if literal == "-0" { "0" } else { literal }),
        _ => assert_shortest(written, number),
    }
}
