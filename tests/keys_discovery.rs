//! Keys by way of an OpenID discovery document, good and hostile.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::asking::Asking;
use crate::support::keys::{DISCOVERY, JWKS, asked, check, good, key, noted, publish, signed, unknown, untold};
use crate::support::web::{Served, answer};
use serde_json::{Value, json};

/// An isolate whose issuer has this `iss`.
fn asking(iss: &Value) -> Asking {
    crate::support::keys::asking(|worth| {
        worth.as_object_mut().unwrap().remove("jwks_url");
        worth["discovery_url"] = json!(DISCOVERY);
        worth["iss"] = iss.clone();
    })
}

fn document(issuer: &Value, jwks_uri: &Value) -> Value {
    json!({ "issuer": issuer, "jwks_uri": jwks_uri, "authorization_endpoint": "https://id.example/authorize" })
}

fn token(key: &Value, id: &str) -> crate::support::tokens::TestToken {
    signed(key, id).claim("iss", json!("https://id.example"))
}

#[test]
fn the_document_says_where_the_keys_are() {
    let (asking, one, two) = (asking(&json!("https://id.example")), key("one", 1), key("two", 2));
    let elsewhere = "https://keys.example/v2?tenant=1";
    asking.platform.web.serve_json(DISCOVERY, &document(&json!("https://id.example"), &json!(JWKS)), None);
    publish(&asking, &[&one]);
    assert_eq!(check(&asking, &token(&one, "a")), good());
    assert_eq!(asking.platform.web.asked.borrow().as_slice(), [DISCOVERY, JWKS]);
    asking.platform.web.serve_json(DISCOVERY, &document(&json!("https://id.example"), &json!(elsewhere)), None);
    asking.platform.web.serve_json(elsewhere, &crate::support::keys::set(&[&two]), None);
    assert_eq!(check(&asking, &token(&two, "b")), good(), "and may say so anew");
    assert_eq!(check(&asking, &token(&one, "a")), unknown());
}

#[test]
fn a_hostile_document_leads_nowhere() {
    let own = json!("https://id.example");
    let cases = [
        (document(&json!("https://evil.example"), &json!(JWKS)), "issuer_mismatch"),
        (document(&json!("https://id.example/"), &json!(JWKS)), "issuer_mismatch"),
        (document(&json!(["https://id.example"]), &json!(JWKS)), "issuer_mismatch"),
        (document(&Value::Null, &json!(JWKS)), "issuer_mismatch"),
        (json!({ "jwks_uri": JWKS }), "issuer_mismatch"),
        (document(&own, &json!("http://id.example/jwks")), "bad_jwks_uri"),
        (document(&own, &json!("http://169.254.169.254/jwks")), "bad_jwks_uri"),
        (document(&own, &json!("https://user@id.example/jwks")), "bad_jwks_uri"),
        (document(&own, &json!("file:///etc/passwd")), "bad_jwks_uri"),
        (document(&own, &json!("/jwks")), "bad_jwks_uri"),
        (document(&own, &json!([JWKS])), "bad_jwks_uri"),
        (json!({ "issuer": own }), "bad_jwks_uri"),
        (json!([]), "unreadable"),
    ];
    for (document, reason) in cases {
        let (asking, one) = (asking(&own), key("one", 1));
        asking.platform.web.serve_json(DISCOVERY, &document, None);
        publish(&asking, &[&one]);
        assert_eq!(check(&asking, &token(&one, "a")), untold(), "{document}");
        assert_eq!(noted(&asking.platform, "keys_fetch_failed"), [(reason.to_owned(), None)], "{document}");
        assert_eq!(asked(&asking.platform), [(DISCOVERY.to_owned(), Some(200))], "{document}");
        assert_eq!(asking.platform.web.count(JWKS), 0, "{document}");
    }
}

#[test]
fn the_document_is_limited_like_a_set() {
    let large = document(&json!("https://id.example"), &json!(JWKS)).to_string() + &" ".repeat(65_536);
    let cases = [
        (Served::Answer(answer(302, "", None)), "redirected"),
        (Served::Answer(answer(200, &large, None)), "too_large"),
        (Served::Hangs, "timed_out"),
    ];
    for (served, reason) in cases {
        let (asking, one) = (asking(&json!("https://id.example")), key("one", 1));
        asking.platform.web.serve(DISCOVERY, served);
        assert_eq!(check(&asking, &token(&one, "a")), untold());
        assert_eq!(noted(&asking.platform, "keys_fetch_failed"), [(reason.to_owned(), None)]);
    }
}

#[test]
fn document_and_set_together_have_their_time() {
    let (asking, one) = (asking(&json!("https://id.example")), key("one", 1));
    let document = document(&json!("https://id.example"), &json!(JWKS)).to_string();
    let set = crate::support::keys::set(&[&one]).to_string();
    asking.platform.web.serve(DISCOVERY, Served::After(Duration::from_millis(1_200), answer(200, &document, None)));
    asking.platform.web.serve(JWKS, Served::After(Duration::from_millis(1_200), answer(200, &set, None)));
    assert_eq!(check(&asking, &token(&one, "a")), untold());
    assert_eq!(noted(&asking.platform, "keys_fetch_failed"), [("timed_out".to_owned(), None)]);
    assert_eq!(asked(&asking.platform), [(JWKS.to_owned(), None)], "the one that did not answer in time");
}

#[test]
fn the_log_names_what_was_asked_without_its_query() {
    let (own, secret) = (json!("https://id.example"), "https://keys.example/v2?api_key=secret");
    let asking = asking(&own);
    asking.platform.web.serve_json(DISCOVERY, &document(&own, &json!(secret)), None);
    asking.platform.web.serve(secret, Served::Answer(answer(403, "", None)));
    assert_eq!(check(&asking, &token(&key("one", 1), "a")), untold());
    assert_eq!(noted(&asking.platform, "keys_fetch_failed"), [("bad_status".to_owned(), None)]);
    assert_eq!(asked(&asking.platform), [("https://keys.example/v2".to_owned(), Some(403))]);
}

#[test]
fn a_document_that_others_take_is_shared_with_none_but_them() {
    let one = key("one", 1);
    let mut first = asking(&json!(["https://id.example", "https://other.example"]));
    first.platform.web.serve_json(DISCOVERY, &document(&json!("https://other.example"), &json!(JWKS)), None);
    publish(&first, &[&one]);
    assert_eq!(check(&first, &token(&one, "a")), good());
    first.service = asking(&json!("https://id.example")).service;
    assert_eq!(check(&first, &token(&one, "a")), untold());
}
