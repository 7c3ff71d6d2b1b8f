//! `/check`: what is told of a token, and how.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::asking::{Asking, refusal};
use crate::support::platform::{Fault, LedgerFault};
use crate::support::request::TestRequest;
use crate::support::shipped::{self, CLIENT_SECRET, service_on_kv_alone, service_with};
use crate::support::tokens::{TestToken, now};
use edge_logout::endpoints::client_credential::CLIENT_HEADER;
use edge_logout::ports::{IndexError, LedgerError};
use edge_logout::service::Answer;
use serde_json::{Value, json};

fn get(url: &str) -> TestRequest {
    TestRequest::new("GET", url)
}

/// What is told of a token at a URL of its own service.
fn told(url: &str, token: &TestToken) -> (u16, String, String) {
    refusal(&Asking::shipped().send(&get(url).bearer(&token.sign())))
}

fn header(answer: &Answer, name: &str) -> Option<String> {
    answer.reply.header(name).map(str::to_owned)
}

#[test]
fn a_good_token_is_described() {
    let token = TestToken::of("worth").claim("scope", json!("read write")).claim("sub", json!("Jürgen\r\nX-Auth: 1"));
    let answer = Asking::shipped().send(&get("/check").bearer(&token.sign()));
    assert_eq!((answer.reply.status, &answer.reply.body), (200, &None));
    for (name, value) in [
        ("X-Auth-Issuer", "worth"),
        ("X-Auth-Subject", "J%C3%BCrgen%0D%0AX-Auth: 1"),
        ("X-Auth-Session", "session-1"),
        ("X-Auth-Token-Id", "token-1"),
        ("X-Auth-Expires", "1800003600"),
        ("X-Auth-Scope", "read write"),
        ("X-Auth-Verified", "true"),
        ("X-Auth-Freshness", "bounded"),
        ("Cache-Control", "no-store"),
    ] {
        assert_eq!(header(&answer, name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn what_a_token_does_not_say_is_not_told() {
    let bare = ["sub", "sid", "jti"].iter().fold(TestToken::of("worth"), |token, name| token.claim(name, Value::Null));
    let answer = Asking::shipped().send(&get("/check").bearer(&bare.sign()));
    assert_eq!(answer.reply.status, 200);
    for name in ["X-Auth-Subject", "X-Auth-Session", "X-Auth-Token-Id", "X-Auth-Scope"] {
        assert_eq!(header(&answer, name), None, "{name}");
    }
}

#[test]
fn any_method_is_answered_and_the_body_is_not_read() {
    let (asking, token) = (Asking::shipped(), TestToken::of("worth").sign());
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        for path in ["/check", "/check/", "/check/api/orders"] {
            let body = vec![b'{'; 1_000_000];
            let good = asking.send(&TestRequest::new(method, path).bearer(&token).body(&body));
            assert_eq!(good.reply.status, 200, "{method} {path}");
            assert_eq!(asking.send(&TestRequest::new(method, path)).reply.status, 401, "{method} {path}");
        }
    }
}

#[test]
fn without_a_credential_there_is_a_bare_challenge() {
    for (request, reason) in [
        (get("/check"), "no_credential"),
        (get("/check").header("authorization", "Basic dTpw"), "credential_malformed"),
        (get("/check").bearer("a").bearer("b"), "credential_malformed"),
        (get("/check").header("x-eposn-customer-token", "x"), "no_credential"),
    ] {
        let answer = Asking::shipped().send(&request);
        assert_eq!(refusal(&answer), (401, "unauthorized".to_owned(), reason.to_owned()));
        assert_eq!(header(&answer, "WWW-Authenticate").as_deref(), Some(r#"Bearer realm="edge-logout""#));
    }
}

#[test]
fn a_bad_token_is_challenged_with_what_helps_an_honest_client() {
    let cases = [
        (TestToken::of("worth").claim("exp", json!(now() - 6)), "token_expired", "The access token expired"),
        (TestToken::of("worth").claim("nbf", json!(now() + 6)), "not_yet_valid", "The access token is not valid yet"),
        (TestToken::of("worth").claim("aud", json!("x")), "wrong_audience", "The access token is invalid"),
        (TestToken::of("worth").claim("iss", json!("x")), "unknown_issuer", "The access token is invalid"),
        (TestToken::of("worth").claim("iss", Value::Null), "unknown_issuer", "The access token is invalid"),
    ];
    for (token, reason, description) in cases {
        let answer = Asking::shipped().send(&get("/check").bearer(&token.sign()));
        assert_eq!(refusal(&answer), (401, "invalid_token".to_owned(), reason.to_owned()));
        let challenge = format!(r#"Bearer error="invalid_token", error_description="{description}""#);
        assert_eq!(header(&answer, "WWW-Authenticate"), Some(challenge));
        assert_eq!(header(&answer, "X-Auth-Issuer"), None);
    }
    for (token, reason) in [("not a jwt".replace(' ', "."), "token_malformed"), ("x".repeat(9_000), "token_too_large")]
    {
        assert_eq!(refusal(&Asking::shipped().send(&get("/check").bearer(&token))).2, reason);
    }
}

#[test]
fn a_token_that_was_logged_out_is_told_as_such() {
    for asking in [Asking::shipped(), Asking::of(service_on_kv_alone())] {
        let token = TestToken::of("worth").sign();
        assert_eq!(asking.check("/check", &token), 200);
        assert_eq!(asking.send(&TestRequest::post("/customer/logout").bearer(&token)).reply.status, 200);
        let answer = asking.send(&get("/check").bearer(&token));
        assert_eq!(refusal(&answer), (401, "invalid_token".to_owned(), "revoked".to_owned()));
        let challenge = r#"Bearer error="invalid_token", error_description="The access token was revoked""#;
        assert_eq!(header(&answer, "WWW-Authenticate").as_deref(), Some(challenge));
    }
}

#[test]
fn a_good_token_of_another_kind_is_forbidden() {
    let answer =
        Asking::shipped().send(&get("/check").bearer(&TestToken::of("worth").claim("role", json!("x")).sign()));
    assert_eq!(refusal(&answer), (403, "insufficient_scope".to_owned(), "wrong_kind_of_token".to_owned()));
    assert!(header(&answer, "WWW-Authenticate").unwrap().starts_with(r#"Bearer error="insufficient_scope""#));
}

#[test]
fn a_token_that_is_remembered_expires_all_the_same() {
    let (asking, token) = (Asking::shipped(), TestToken::of("worth").claim("exp", json!(now() + 10)).sign());
    assert_eq!(asking.check("/check", &token), 200);
    let verified = asking.platform.verified.get();
    asking.platform.pass(Duration::from_millis(14_999));
    assert_eq!(asking.check("/check", &token), 200);
    asking.platform.pass(Duration::from_millis(1));
    assert_eq!(refusal(&asking.send(&get("/check").bearer(&token))).2, "token_expired");
    assert_eq!(asking.platform.verified.get(), verified, "verified once");
}

type Break = fn(&Asking);

#[test]
fn when_it_cannot_be_told_that_is_told() {
    let token = TestToken::of("worth").sign();
    let faults: [(Break, &str); 4] = [
        (|asking| asking.platform.crypto_fails.set(1), "cannot_verify"),
        (|asking| asking.platform.ledger_down.set(Some(LedgerFault::Hangs)), "ledger_timed_out"),
        (|asking| asking.platform.ledger_down.set(Some(LedgerFault::Error(LedgerError::Failed))), "ledger_failed"),
        (
            |asking| asking.platform.find_faults.borrow_mut().push_back(Fault::Error(IndexError::Transient)),
            "index_transient",
        ),
    ];
    for (fault, reason) in faults {
        let asking = Asking::shipped();
        fault(&asking);
        let answer = asking.send(&get("/check").bearer(&token));
        assert_eq!(refusal(&answer), (503, "temporarily_unavailable".to_owned(), reason.to_owned()));
        assert_eq!(header(&answer, "Retry-After").as_deref(), Some("1"));
        assert_eq!((answer.log.outcome.name(), answer.log.reason), ("failed", Some(reason)));
        asking.platform.ledger_down.set(None);
        asking.platform.pass(std::time::Duration::from_secs(2)); // until the breaker lets a probe through
        assert_eq!(asking.check("/check", &token), 200, "the next one is judged again");
    }
}

#[test]
fn a_query_chooses_issuer_and_freshness() {
    let token = TestToken::of("worth");
    for (query, freshness) in [
        ("", "bounded"),
        ("?issuer=worth", "bounded"),
        ("?issuer=marzipan&issuer=worth&", "bounded"),
        ("?freshness=strong", "strong"),
        ("?freshness=eventual", "eventual"),
        ("?bound_milliseconds=5000", "bounded"),
        ("?freshness=bounded&bound_milliseconds=100", "bounded"),
    ] {
        let asked = get(&format!("/check{query}")).header(CLIENT_HEADER, CLIENT_SECRET);
        let answer = Asking::shipped().send(&asked.bearer(&token.sign()));
        assert_eq!((answer.reply.status, header(&answer, "X-Auth-Freshness").as_deref()), (200, Some(freshness)));
    }
    assert_eq!(told("/check?issuer=marzipan", &token).0, 401, "good, but not of the one that is asked for");
    let strong = get("/check?freshness=strong").header(CLIENT_HEADER, CLIENT_SECRET);
    let absent = Asking::of(service_on_kv_alone()).send(&strong.bearer(&token.sign()));
    assert_eq!(refusal(&absent), (503, "temporarily_unavailable".to_owned(), "ledger_absent".to_owned()));
}

#[test]
fn a_query_that_is_not_understood_is_refused() {
    for query in [
        "x",
        "x=1",
        "issuer=nobody",
        "freshness=soon",
        "freshness=strong&freshness=strong",
        "freshness=strong&bound_milliseconds=100",
        "bound_milliseconds=99",
        "bound_milliseconds=60001",
        "bound_milliseconds=x",
        "bound_milliseconds=100&bound_milliseconds=100",
        "original=true",
        "original=x-original&original=x-original",
        "credential=cookie",
        "issuer=loyaltydog-sessions&issuer=worth",
        "issuer=worth&issuer=loyaltydog-sessions",
    ] {
        let (status, error, _) = told(&format!("/check?{query}"), &TestToken::of("worth"));
        assert_eq!((status, error.as_str()), (400, "invalid_request"), "{query}");
    }
}

#[test]
fn below_check_the_query_is_the_clients_own() {
    let token = TestToken::of("worth");
    for path in ["/check/?freshness=eventual", "/check/orders?x&issuer=nobody", "/check/a/b?freshness=eventual"] {
        let answer = Asking::shipped().send(&get(path).bearer(&token.sign()));
        assert_eq!(
            (answer.reply.status, header(&answer, "X-Auth-Freshness").as_deref()),
            (200, Some("bounded")),
            "{path}"
        );
    }
    let made_up = Asking::shipped().send(&get("/check/?issuer=loyaltydog-sessions").bearer("made-up"));
    assert_eq!(made_up.reply.status, 401);
}

#[test]
fn issuers_with_one_iss_are_told_apart_by_audience() {
    let service = || {
        service_with(|table| {
            let mut twin = shipped::issuer(table, "worth").clone();
            twin["name"] = json!("worth-admin");
            twin["audiences"] = json!("worth-admin");
            table["issuers"].as_array_mut().unwrap().insert(0, twin);
        })
    };
    let asking = Asking::of(service());
    for (audience, issuer) in [("worth-customers", "worth"), ("worth-admin", "worth-admin")] {
        let token = TestToken::of("worth").claim("aud", json!(audience)).sign();
        let answer = asking.send(&get("/check").bearer(&token));
        assert_eq!(header(&answer, "X-Auth-Issuer").as_deref(), Some(issuer));
        assert_eq!(asking.check(&format!("/check?issuer={issuer}"), &token), 200);
        let other = if issuer == "worth" { "worth-admin" } else { "worth" };
        assert_eq!(asking.check(&format!("/check?issuer={other}"), &token), 401);
    }
}

#[test]
fn the_issuer_whose_key_could_not_be_used_is_not_outvoted() {
    let asking = Asking::shipped();
    asking.platform.crypto_fails.set(1);
    assert_eq!(asking.check("/check?issuer=worth&issuer=marzipan", &TestToken::of("worth").sign()), 503);
}
