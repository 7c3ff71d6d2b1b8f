//! `contracts::fastapi` against what the real FastAPI answers, as recorded in
//! `fastapi/corpus.json` by `fastapi/record.py`.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use base64ct::{Base64, Encoding};
use edge_logout::contracts::fastapi::{Refusal, StringField, read_string_field};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

const SESSION_TOKEN: StringField = StringField { name: "sessionToken", min_length: 1, max_length: 128 };

const NOT_AUTHENTICATED: &str = r#"{"detail":"Not authenticated"}"#;

#[derive(Deserialize)]
struct Corpus {
    cases: Vec<Case>,
}

/// One body, and the answers to it with a good bearer and without one.
#[derive(Deserialize)]
struct Case {
    name: String,
    body: Option<String>,
    body_base64: Option<String>,
    content_type: Option<String>,
    /// FastAPI failed with a 500, so any 422 of ours will do.
    #[serde(default)]
    crash: bool,
    authenticated: Answer,
    anonymous: Answer,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Answer {
    status: u16,
    body: String,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        match (&self.body, &self.body_base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(encoded)) => Base64::decode_vec(encoded).expect("base64"),
            _ => panic!("{}: one body", self.name),
        }
    }
}

fn answer(status: u16, body: &str) -> Answer {
    let body = body.to_owned();
    Answer { status, body }
}

/// The answers that a result leads to: with a good bearer, and without one.
fn answers(result: &Result<String, Refusal>) -> (Answer, Answer) {
    let anonymous = answer(401, NOT_AUTHENTICATED);
    match result {
        Ok(token) => {
            let token = serde_json::to_string(token).expect("a string");
            let body = format!(r#"{{"success":true,"message":{token}}}"#);
            (answer(200, &body), anonymous)
        }
        Err(Refusal::Unreadable { status, body }) => (answer(*status, body), answer(*status, body)),
        Err(Refusal::Invalid { body }) => (answer(422, body), anonymous),
    }
}

/// Whether this is JSON of the form that FastAPI's schema publishes for a 422.
fn is_validation_error(body: &str) -> bool {
    let Ok(answer) = serde_json::from_str::<Value>(body) else {
        return false;
    };
    answer["detail"].as_array().is_some_and(|faults| {
        faults.len() == 1
            && faults.iter().all(|fault| {
                fault["type"].is_string()
                    && fault["loc"][0] == "body"
                    && fault["msg"].is_string()
                    && fault.get("input").is_some()
            })
    })
}

fn is_well_formed(result: &Result<String, Refusal>) -> bool {
    match result {
        Ok(token) => (1..=128).contains(&token.chars().count()),
        Err(Refusal::Unreadable { status: 400, body }) => body == r#"{"detail":"There was an error parsing the body"}"#,
        Err(Refusal::Unreadable { status, body }) => *status == 422 && is_validation_error(body),
        Err(Refusal::Invalid { body }) => is_validation_error(body),
    }
}

#[test]
fn answers_what_fastapi_answers() {
    let corpus = include_str!("fastapi/corpus.json");
    let corpus: Corpus = serde_json::from_str(corpus).expect("the corpus");
    assert!(corpus.cases.len() > 1000);
    for case in &corpus.cases {
        let result = read_string_field(&case.bytes(), case.content_type.as_deref(), &SESSION_TOKEN);
        let (authenticated, anonymous) = answers(&result);
        let name = &case.name;
        assert_eq!(anonymous, case.anonymous, "{name}, without a bearer");
        if case.crash {
            assert_eq!(authenticated.status, 422, "{name}");
            assert!(is_validation_error(&authenticated.body), "{name}");
        } else {
            assert_eq!(authenticated, case.authenticated, "{name}");
        }
    }
}

/// What the answer says where FastAPI has none.
#[test]
fn replaces_what_json_and_utf8_cannot_say() {
    let input = |body: &[u8], content_type| {
        let result = read_string_field(body, Some(content_type), &SESSION_TOKEN);
        let Err(Refusal::Invalid { body }) = result else {
            panic!("{result:?}");
        };
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        (answer["detail"][0]["type"].clone(), answer["detail"][0]["input"].clone())
    };
    let json = "application/json";
    let number = input(br#"{"sessionToken":[NaN,-Infinity,1e999]}"#, json);
    assert_eq!(number, ("string_type".into(), serde_json::json!([null, null, null])));
    let surrogate = input(br#"{"sessionToken":"a\ud800"}"#, json);
    assert_eq!(surrogate, ("string_unicode".into(), "a\u{FFFD}".into()));
    let bytes = input(b"a\xFF", "text/plain");
    assert_eq!(bytes, ("model_attributes_type".into(), "a\u{FFFD}".into()));
}

/// The deepest document that is read is also answered and dropped on a stack as small as wasm's.
#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let read = move |depth| {
        let body = nested(depth);
        read_string_field(body.as_bytes(), Some("application/json"), &SESSION_TOKEN)
    };
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let check = small.spawn(move || {
        assert!(matches!(read(960), Err(Refusal::Invalid { body }) if body.contains(&nested(960))));
        assert!(matches!(read(961), Err(Refusal::Unreadable { status: 400, .. })));
    });
    check.expect("a thread").join().expect("no overflow");
}

/// Bodies that are nearly JSON, which reach further than arbitrary bytes do.
fn near_json() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        " ",
        "\"",
        "\\",
        "\\u",
        "d83d",
        "\\ude00",
        "\"sessionToken\"",
        "\"a\"",
        "null",
        "true",
        "NaN",
        "-",
        "0",
        "1",
        ".5",
        "e",
        "+9",
        "é",
        "😀",
        "\n",
        "\u{0}",
    ]);
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat().into_bytes())
}

fn content_type() -> impl Strategy<Value = Option<String>> {
    let json = Just("application/json".to_owned());
    prop::option::weighted(0.9, prop_oneof![4 => json, 1 => ".*"])
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body: Vec<u8>, content_type in content_type()) {
        let result = read_string_field(&body, content_type.as_deref(), &SESSION_TOKEN);
        prop_assert!(is_well_formed(&result), "{:?}", result);
    }

    #[test]
    fn near_json_is_answered(body in near_json(), content_type in content_type()) {
        let result = read_string_field(&body, content_type.as_deref(), &SESSION_TOKEN);
        prop_assert!(is_well_formed(&result), "{:?}", result);
    }

    #[test]
    fn any_token_of_a_good_length_is_read(token in "\\PC{0,140}", escaped: bool) {
        let mut body = serde_json::json!({ "sessionToken": token }).to_string();
        if escaped {
            let units = token.encode_utf16();
            let escapes: Vec<String> = units.map(|unit| format!("\\u{unit:04x}")).collect();
            let escapes = escapes.concat();
            body = format!(r#"{{"sessionToken":"{escapes}"}}"#);
        }
        let result = read_string_field(body.as_bytes(), Some("application/json"), &SESSION_TOKEN);
        if (1..=128).contains(&token.chars().count()) {
            prop_assert_eq!(result, Ok(token));
        } else {
            let refused = matches!(result, Err(Refusal::Invalid { .. }));
            prop_assert!(refused);
        }
    }
}
