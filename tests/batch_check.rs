//! `POST /batch-check`: a hundred verdicts for one call.

#![allow(
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use crate::support::asking::{Asking, body, refusal};
use crate::support::platform::LedgerFault;
use crate::support::request::TestRequest;
use crate::support::shipped::{self, CLIENT_SECRET, service_with};
use crate::support::tokens::{TestToken, now};
use edge_logout::ports::LedgerError;
use edge_logout::service::Answer;
use serde_json::{Value, json};

fn post(batch: &Value) -> TestRequest {
    TestRequest::post("/batch-check").bearer(CLIENT_SECRET).json(&batch.to_string())
}

fn verdicts(asking: &Asking, batch: &Value) -> Vec<Value> {
    let answer = asking.send(&post(batch));
    assert_eq!(answer.reply.status, 200, "{:?}", answer.reply);
    body(&answer)["verdicts"].as_array().unwrap().clone()
}

fn statuses(asking: &Asking, batch: &Value) -> Vec<String> {
    verdicts(asking, batch).iter().map(|verdict| verdict["status"].as_str().unwrap().to_owned()).collect()
}

/// A token that takes no asymmetric signature.
fn shopper(number: usize) -> TestToken {
    let token = TestToken::of("commerce-engine-storefront");
    let (id, session, user) = (format!("token-{number}"), format!("session-{number}"), format!("user-{number}"));
    token.claim("jti", json!(id)).claim("sid", json!(session)).claim("ulid", json!(user))
}

fn challenge(answer: &Answer) -> Option<&str> {
    answer.reply.header("WWW-Authenticate")
}

#[test]
fn only_clients_are_answered() {
    let (asking, batch) = (Asking::shipped(), json!({ "tokens": [] }).to_string());
    let send = |secret: Option<&str>| {
        let request = TestRequest::post("/batch-check").json(&batch);
        asking.send(&secret.map_or(request.clone(), |secret| request.bearer(secret)))
    };
    let missing = send(None);
    assert_eq!(refusal(&missing), (401, "unauthorized".to_owned(), "no_credential".to_owned()));
    assert!(!challenge(&missing).unwrap().contains("error"));
    for wrong in ["x", &CLIENT_SECRET[1..], &format!("{CLIENT_SECRET}x"), &TestToken::of("worth").sign()] {
        let answer = send(Some(wrong));
        assert_eq!(refusal(&answer), (401, "invalid_token".to_owned(), "unknown_client".to_owned()));
        assert!(challenge(&answer).unwrap().starts_with(r#"Bearer error="invalid_token""#));
    }
    let good = send(Some(CLIENT_SECRET));
    assert_eq!(
        (good.reply.status, body(&good), good.log.client.as_deref()),
        (200, json!({ "verdicts": [] }), Some("backend"))
    );
}

#[test]
fn where_nobody_is_a_client_there_is_no_such_thing() {
    let asking = Asking::of(service_with(|table| drop(table.as_object_mut().unwrap().remove("clients"))));
    for method in ["POST", "GET", "OPTIONS"] {
        assert_eq!(asking.send(&TestRequest::new(method, "/batch-check")).reply.status, 404, "{method}");
    }
    let asking = Asking::shipped();
    let get = asking.send(&TestRequest::new("GET", "/batch-check").bearer(CLIENT_SECRET));
    assert_eq!((get.reply.status, get.reply.header("Allow")), (405, Some("POST, OPTIONS")));
}

#[test]
fn each_token_has_its_verdict_in_its_place() {
    let asking = Asking::shipped();
    let [active, ended, expired] = [shopper(1), shopper(2), shopper(3).claim("exp", json!(now() - 60))];
    let other_kind = TestToken::of("worth").claim("role", json!("x"));
    let logout = TestRequest::post("/auth/logout").bearer(&ended.sign());
    assert_eq!(asking.send(&logout).reply.status, 200);
    let tokens = [active.sign(), ended.sign(), expired.sign(), other_kind.sign(), "x".to_owned(), active.sign()];
    let told = verdicts(&asking, &json!({ "tokens": tokens }));
    let of_active = json!({
        "status": "active", "issuer": "commerce-engine-storefront", "subject": "user-1", "session": "session-1",
        "token_id": "token-1", "expires": now() + 3600, "verified": true, "freshness": "bounded",
    });
    assert_eq!(
        told,
        [
            of_active.clone(),
            json!({ "status": "revoked", "ended_by": "session" }),
            json!({ "status": "invalid", "reason": "token_expired" }),
            json!({ "status": "invalid", "reason": "wrong_kind_of_token" }),
            json!({ "status": "invalid", "reason": "token_malformed" }),
            of_active,
        ]
    );
}

#[test]
fn a_hundred_tokens_are_asked_for_together_and_one_more_is_refused() {
    let asking = Asking::shipped();
    asking.platform.imported.set(true);
    let tokens: Vec<_> = (0..100).map(|number| shopper(number).sign()).collect();
    assert_eq!(statuses(&asking, &json!({ "tokens": tokens })), vec!["active"; 100]);
    assert_eq!(asking.platform.asked.borrow().len(), 1);
    assert!(asking.platform.finds.borrow().is_empty());
    let before = asking.platform.calls();
    assert_eq!(statuses(&asking, &json!({ "tokens": tokens })).len(), 100);
    assert_eq!(asking.platform.calls(), before, "the second time it is all in memory");
    let more = asking.send(&post(&json!({ "tokens": vec!["x"; 101] })));
    assert_eq!(refusal(&more), (400, "invalid_request".to_owned(), "a batch has at most 100 tokens".to_owned()));
}

#[test]
fn a_body_that_is_none_is_refused() {
    let asking = Asking::shipped();
    let send = |request: TestRequest| asking.send(&request.bearer(CLIENT_SECRET)).reply.status;
    let raw = |text: &str| TestRequest::post("/batch-check").json(text);
    for text in ["", "{", "[]", "null", "{}", r#"{"tokens":"x"}"#, r#"{"tokens":[1]}"#, r#"{"tokens":[],"x":1}"#] {
        assert_eq!(send(raw(text)), 400, "{text}");
    }
    assert_eq!(send(TestRequest::post("/batch-check").body(br#"{"tokens":[]}"#)), 415);
    assert_eq!(send(TestRequest::post("/batch-check").header("content-type", "text/plain").body(b"{}")), 415);
    assert_eq!(send(raw("{}").header("content-length", "10000000")), 413, "announced");
    let largest = vec!["x".repeat(8 * 1024); 100];
    assert_eq!(send(raw(&json!({ "tokens": largest }).to_string())), 200);
    assert_eq!(send(raw(&" ".repeat(900_000))), 413);
}

#[test]
fn issuer_and_freshness_can_be_asked_for() {
    let asking = Asking::shipped();
    let token = shopper(1).sign();
    for (asked, freshness) in [
        (json!({ "freshness": "strong" }), "strong"),
        (json!({ "freshness": "eventual" }), "eventual"),
        (json!({ "bound_milliseconds": 100 }), "bounded"),
        (json!({ "issuer": "commerce-engine-storefront" }), "bounded"),
    ] {
        let mut batch = asked;
        batch["tokens"] = json!([token]);
        assert_eq!(verdicts(&asking, &batch)[0]["freshness"], freshness);
    }
    let of_another = statuses(&asking, &json!({ "tokens": [token], "issuer": "worth" }));
    assert_eq!(of_another, ["invalid"]);
    let opaque = verdicts(&asking, &json!({ "tokens": ["a", "b"], "issuer": "loyaltydog-sessions" }));
    assert!(opaque.iter().all(|verdict| verdict["status"] == "active" && verdict["verified"] == false));
    for wrong in [
        json!({ "tokens": [], "issuer": "nobody" }),
        json!({ "tokens": [], "freshness": "soon" }),
        json!({ "tokens": [], "bound_milliseconds": 99 }),
        json!({ "tokens": [], "freshness": "strong", "bound_milliseconds": 100 }),
    ] {
        assert_eq!(asking.send(&post(&wrong)).reply.status, 400, "{wrong}");
    }
}

#[test]
fn tokens_of_several_issuers_are_judged_as_each_issuer_says() {
    let asking = Asking::of(service_with(|table| {
        shipped::issuer(table, "worth")["freshness"] = json!("strong");
        shipped::issuer(table, "marzipan")["freshness"] = json!("eventual");
    }));
    let tokens = ["worth", "marzipan", "commerce-engine-storefront", "worth"].map(|name| TestToken::of(name).sign());
    let told = verdicts(&asking, &json!({ "tokens": tokens }));
    let kept: Vec<_> = told.iter().map(|verdict| verdict["freshness"].as_str().unwrap()).collect();
    assert_eq!(kept, ["strong", "eventual", "bounded", "strong"]);
    asking.platform.ledger_down.set(Some(LedgerFault::Error(LedgerError::Failed)));
    asking.platform.pass(std::time::Duration::from_secs(2));
    let told = verdicts(&asking, &json!({ "tokens": tokens }));
    let status: Vec<_> = told.iter().map(|verdict| verdict["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["unknown", "active", "unknown", "unknown"], "only those that need it are in doubt");
    assert_eq!(told[0], json!({ "status": "unknown", "reason": "ledger_failed" }));
}

#[test]
fn a_log_line_names_the_client_and_nobody_else() {
    let asking = Asking::shipped();
    let answer = asking.send(&post(&json!({ "tokens": [shopper(1).sign()] })).header("cf-ray", "ray-1"));
    assert!(answer.is_worth_logging());
    let expected = json!({
        "event": "request", "request_id": "ray-1", "method": "POST", "route": "/batch-check", "status": 200,
        "outcome": "answered", "client": "backend", "milliseconds": 0,
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&answer.log.text()).unwrap(), expected);
}
