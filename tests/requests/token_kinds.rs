//! Tokens of another kind are no access tokens.

use serde_json::{Value, json};

use crate::support::asking::{Asking, body, refusal};
use crate::support::request::TestRequest;
use crate::support::shipped::{CLIENT_SECRET, add_guard, issuer, refused, service_with};
use crate::support::tokens::TestToken;

const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn worth() -> TestToken {
    TestToken::of("worth")
}

/// Why a check refuses a token.
fn problem(token: &str) -> (u16, String) {
    let answer = Asking::shipped().send(&TestRequest::new("GET", "/check").bearer(token));
    (answer.reply.status, refusal(&answer).2)
}

/// The service whose customers' tokens may be bound to keys.
fn passing_on() -> Asking {
    Asking::of(service_with(|table| {
        issuer(table, "worth")["confirmation"] = json!("pass_on");
        add_guard(table, &json!({ "upstream": { "service": "ORDERS" } }));
    }))
}

#[test]
fn a_bound_token_is_no_bearer_token() {
    for bound_to in [
        json!({ "jkt": THUMBPRINT }),
        json!({ "x5t#S256": THUMBPRINT }),
        json!({ "jwk": {} }),
        json!({}),
        json!("x"),
        json!([1]),
        json!(false),
    ] {
        let token = worth().claim("cnf", bound_to.clone()).sign();
        assert_eq!(problem(&token), (401, "bound_token".to_owned()), "{bound_to}");
        let logout = Asking::shipped().send(&TestRequest::post("/customer/logout").bearer(&token));
        assert_eq!((logout.reply.status, logout.log.reason), (401, Some("bound_token")), "{bound_to}");
        let asked =
            TestRequest::post("/batch-check").bearer(CLIENT_SECRET).json(&json!({ "tokens": [token] }).to_string());
        assert_eq!(body(&Asking::shipped().send(&asked))["verdicts"][0]["reason"], json!("bound_token"), "{bound_to}");
    }
    let mut unbound = worth();
    unbound.claims["cnf"] = Value::Null;
    assert_eq!(problem(&unbound.sign()).0, 200, "null is none");
}

#[test]
fn the_api_is_told_the_key_where_the_issuer_says_so() {
    for method in ["jkt", "x5t#S256"] {
        let token = worth().claim("cnf", json!({ method: THUMBPRINT })).sign();
        let answer = passing_on().send(&TestRequest::new("GET", "/check").bearer(&token));
        assert_eq!(answer.reply.header("X-Auth-Confirmation"), Some(THUMBPRINT));
        assert_eq!(answer.reply.header("X-Auth-Confirmation-Method"), Some(method));
        let forward = passing_on().send(&TestRequest::new("GET", "/api/x").bearer(&token)).forward.unwrap();
        assert!(forward.headers.contains(&("X-Auth-Confirmation", THUMBPRINT.into())));
    }
    let plain = passing_on().send(&TestRequest::new("GET", "/check").bearer(&worth().sign()));
    assert_eq!((plain.reply.status, plain.reply.header("X-Auth-Confirmation")), (200, None));
    for bound_to in [
        json!({}),
        json!({ "jkt": THUMBPRINT, "x5t#S256": THUMBPRINT }),
        json!({ "jkt": "short" }),
        json!({ "jkt": 5 }),
        json!({ "kid": "x" }),
        json!({ "jkt": format!("{}\n", THUMBPRINT.trim_start_matches('0')) }),
        json!("x"),
    ] {
        let token = worth().claim("cnf", bound_to.clone()).sign();
        let answer = passing_on().send(&TestRequest::new("GET", "/check").bearer(&token));
        assert_eq!(refusal(&answer).2, "claims_malformed", "{bound_to}");
    }
    let wrong = refused(|table| issuer(table, "worth")["confirmation"] = json!("yes"));
    assert!(wrong.len() == 1 && wrong[0].contains("confirmation"), "{wrong:?}");
}

#[test]
fn a_token_that_tells_of_events_grants_nothing() {
    let logout = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    for events in [logout, json!({}), json!("x"), Value::Null] {
        let mut token = worth();
        token.claims["events"] = events.clone();
        assert_eq!(problem(&token.sign()), (401, "not_an_access_token".to_owned()), "{events}");
    }
}

#[test]
fn typ_and_kid_that_are_there_are_texts() {
    for name in ["typ", "kid"] {
        for value in [Value::Null, json!(5), json!(true), json!({}), json!(["JWT"])] {
            let mut token = worth();
            token.header[name] = value.clone();
            assert_eq!(problem(&token.sign()), (401, "token_malformed".to_owned()), "{name} {value}");
        }
        let mut token = worth();
        token.header.as_object_mut().unwrap().remove(name);
        assert_eq!(problem(&token.sign()).0, 200, "without {name}");
    }
}
