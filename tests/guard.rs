//! Guards: what is passed on, with what, and what is not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::asking::{Asking, refusal};
use crate::support::platform::LedgerFault;
use crate::support::request::TestRequest;
use crate::support::shipped::{add_guard, service_with};
use crate::support::tokens::TestToken;
use edge_logout::config::Upstream;
use edge_logout::ports::LedgerError;
use serde_json::{Value, json};

const FAILED: LedgerFault = LedgerFault::Error(LedgerError::Failed);

/// The service with a guard before ORDERS that has these settings besides.
fn guarded(settings: Value) -> Asking {
    let mut settings = settings;
    settings["upstream"] = json!({ "service": "ORDERS" });
    Asking::with_guard(&settings)
}

fn plain() -> Asking {
    guarded(json!({}))
}

fn get(path: &str) -> TestRequest {
    TestRequest::new("GET", path)
}

fn worth() -> TestToken {
    TestToken::of("worth")
}

#[test]
fn only_checks_and_guarded_requests_end_with_their_client() {
    let service = service_with(|table| add_guard(table, &json!({ "upstream": { "service": "ORDERS" } })));
    let must_finish = |method: &str, path: &str| service.must_finish(&TestRequest::new(method, path));
    for path in ["/customer/logout", "/batch-check", "/nowhere"] {
        assert!(must_finish("POST", path), "{path}");
    }
    for (method, path) in [("POST", "/check"), ("POST", "/check/x"), ("POST", "/api/orders"), ("GET", "/api/orders")] {
        assert!(!must_finish(method, path), "{method} {path}");
    }
}

/// Whether a request is passed on, and what is answered otherwise.
fn passes(asking: &Asking, request: &TestRequest) -> Result<(), u16> {
    let answer = asking.send(request);
    answer.forward.map(|_| ()).ok_or(answer.reply.status)
}

#[test]
fn a_good_token_is_passed_on_with_what_is_known_of_it() {
    let answer = plain().send(&get("/api/orders").bearer(&worth().sign()));
    let forward = answer.forward.unwrap();
    assert_eq!(forward.upstream, Upstream::Service("ORDERS".to_owned()));
    let headers: Vec<_> = forward.headers.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    assert_eq!(
        headers,
        [
            ("X-Auth-Issuer", "worth"),
            ("X-Auth-Verified", "true"),
            ("X-Auth-Freshness", "bounded"),
            ("X-Auth-Subject", "user-1"),
            ("X-Auth-Session", "session-1"),
            ("X-Auth-Token-Id", "token-1"),
            ("X-Auth-Expires", "1800003600"),
        ]
    );
    assert_eq!(answer.reply.status, 502, "what is answered when nobody answers there");
}

#[test]
fn what_a_client_says_of_itself_is_taken_away() {
    let kept = plain().send(&get("/api/orders").bearer(&worth().sign())).forward.unwrap().kept_headers;
    for name in [
        "x-auth-subject",
        "x-auth-anything",
        "x_auth_subject",
        "x.auth.subject",
        "x!auth~subject",
        "x-auth_subject",
        "expect",
        "x-original-query",
        "x-script-name",
        "proxy-authorization",
        "x-edge-logout-client",
        "x-http-method-override",
        "x_http_method_override",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
        "forwarded",
        "x-forwarded-for",
        "x.forwarded.host",
    ] {
        assert!(!kept.keeps(name), "{name}");
    }
    for name in ["authorization", "x-authentic", "x-author", "cookie", "content-type", "cf-connecting-ip"] {
        assert!(kept.keeps(name), "{name}");
    }
    let spoofed = get("/api/orders").bearer(&worth().sign()).header("X-Auth-Subject", "somebody-else");
    let headers = plain().send(&spoofed).forward.unwrap().headers;
    assert!(headers.iter().all(|(_, value)| value != "somebody-else"));
}

#[test]
fn the_table_passes_on_what_would_override_and_nothing_that_is_ours() {
    let asking = guarded(json!({ "pass_headers": ["X-Forwarded-For"] }));
    let kept = asking.send(&get("/api/orders").bearer(&worth().sign())).forward.unwrap().kept_headers;
    assert!(kept.keeps("x-forwarded-for"));
    for name in ["x_forwarded_for", "x-forwarded-host", "x-auth-subject"] {
        assert!(!kept.keeps(name), "{name}");
    }
}

#[test]
fn everything_else_is_answered_here() {
    let asking = plain();
    let cases = [
        (get("/api/x"), 401),
        (get("/api/x").bearer("x"), 401),
        (get("/api/x").bearer(&worth().claim("exp", json!(1)).sign()), 401),
        (get("/api/x").bearer(&TestToken::of("marzipan").sign()), 401),
        (get("/api/x").bearer(&worth().claim("role", json!("x")).sign()), 403),
        (TestRequest::new("OPTIONS", "/api/x").header("origin", "https://a.example"), 401),
    ];
    for (request, status) in cases {
        assert_eq!(passes(&asking, &request), Err(status), "{request:?}");
    }
    let token = worth().sign();
    assert_eq!(asking.send(&TestRequest::post("/customer/logout").bearer(&token)).reply.status, 200);
    let revoked = asking.send(&get("/api/x").bearer(&token));
    assert_eq!((revoked.forward, revoked.log.reason), (None, Some("revoked")));
}

#[test]
fn a_guards_paths_are_its_own_and_below() {
    let (asking, token) = (plain(), worth().sign());
    let status = |path: &str| passes(&asking, &get(path).bearer(&token));
    for path in ["/api", "/api/", "/api/orders", "/api/orders/1/lines?x=//y", "/api/a%20b"] {
        assert_eq!(status(path), Ok(()), "{path}");
    }
    for path in ["/apix", "/Api/orders", "/", "/x/api/orders"] {
        assert_eq!(status(path), Err(404), "{path}");
    }
    for path in ["/api//orders", "/api/%2e%2e/admin", "/api/a%2fb", "/api/%6frders"] {
        assert_eq!(refusal(&asking.send(&get(path).bearer(&token))).2, "ambiguous_path", "{path}");
    }
    let lenient = guarded(json!({ "pass_ambiguous_paths": true }));
    assert_eq!(passes(&lenient, &get("/api//orders").bearer(&token)), Ok(()));
    assert_eq!(passes(&lenient, &get("/api//orders")), Err(401));
}

#[test]
fn any_method_is_judged() {
    let asking = plain();
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert_eq!(passes(&asking, &TestRequest::new(method, "/api/x").bearer(&worth().sign())), Ok(()), "{method}");
        assert_eq!(passes(&asking, &TestRequest::new(method, "/api/x")), Err(401), "{method}");
    }
}

#[test]
fn doubt_is_no_pass_unless_that_is_configured() {
    let closed = plain();
    closed.platform.ledger_down.set(Some(FAILED));
    let answer = closed.send(&get("/api/x").bearer(&worth().sign()));
    assert_eq!(refusal(&answer), (503, "temporarily_unavailable".to_owned(), "ledger_failed".to_owned()));
    let open = guarded(json!({ "fail_open": true }));
    open.platform.ledger_down.set(Some(FAILED));
    let answer = open.send(&get("/api/x").bearer(&worth().sign()));
    let headers = answer.forward.clone().unwrap().headers;
    assert!(headers.contains(&("X-Auth-Freshness", "none".into())), "and whoever is behind is told: {headers:?}");
    assert_eq!((answer.log.reason, answer.is_worth_logging()), (Some("ledger_failed"), true));
}

#[test]
fn only_a_verified_token_of_the_right_kind_passes_in_doubt() {
    let asking = guarded(json!({ "fail_open": true, "strong_for": ["DELETE"] }));
    asking.platform.ledger_down.set(Some(FAILED));
    let status = |request: TestRequest| passes(&asking, &request);
    assert_eq!(status(get("/api/x").bearer("x")), Err(401));
    assert_eq!(status(get("/api/x").bearer(&worth().claim("role", json!("x")).sign())), Err(503));
    assert_eq!(status(TestRequest::new("DELETE", "/api/x").bearer(&worth().sign())), Err(503), "strong is strong");
    asking.platform.crypto_fails.set(1);
    assert_eq!(status(get("/api/x").bearer(&worth().claim("jti", json!("new")).sign())), Err(503), "not verified");
    asking.platform.ledger_down.set(None);
    assert_eq!(asking.send(&TestRequest::post("/customer/logout").bearer(&worth().sign())).reply.status, 200);
    asking.platform.ledger_down.set(Some(FAILED));
    assert_eq!(status(get("/api/x").bearer(&worth().sign())), Err(401), "what is known to have ended has");
}

#[test]
fn a_preflight_passes_where_configured_and_nothing_that_only_looks_like_one() {
    let preflight = || {
        TestRequest::new("OPTIONS", "/api/x")
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST")
    };
    assert_eq!(passes(&plain(), &preflight()), Err(401));
    let asking = guarded(json!({ "pass_preflights": true }));
    assert_eq!(asking.send(&preflight()).forward.unwrap().headers, []);
    assert_eq!(passes(&asking, &TestRequest::new("OPTIONS", "/api/x").header("origin", "https://a.example")), Err(401));
    let post = TestRequest::post("/api/x").header("origin", "a").header("access-control-request-method", "POST");
    assert_eq!(passes(&asking, &post), Err(401));
}

#[test]
fn freshness_is_the_guards_then_the_issuers_and_strong_for_what_changes_something() {
    let asking = guarded(json!({ "freshness": "eventual", "strong_for": ["POST"] }));
    let kept = |asking: &Asking, method: &str| {
        asking.send(&TestRequest::new(method, "/api/x").bearer(&worth().sign())).log.freshness
    };
    assert_eq!((kept(&asking, "GET"), kept(&asking, "POST")), (Some("eventual"), Some("strong")));
    assert_eq!(kept(&plain(), "GET"), Some("bounded"));
}

#[test]
fn a_guard_without_an_upstream_is_a_rule_for_check_alone() {
    let asking = Asking::with_guard(&json!({}));
    let answer = asking.send(&get("/api/x").bearer(&worth().sign()));
    assert_eq!((answer.forward, answer.reply.status, answer.log.reason), (None, 404, Some("no_upstream")));
    assert_eq!(asking.check("/check/api/x", &worth().sign()), 200);
}

#[test]
fn a_guard_of_a_host_guards_that_host() {
    let asking = Asking::of(service_with(|table| {
        add_guard(
            table,
            &json!({ "paths": ["/*"], "host": "Api.example", "upstream": { "url": "https://o.example/" } }),
        );
    }));
    let token = worth().sign();
    for url in ["https://api.example/", "https://API.example:8443/healthz", "https://api.example./x/y"] {
        let forward = asking.send(&get(url).bearer(&token)).forward;
        assert_eq!(
            forward.map(|forward| forward.upstream),
            Some(Upstream::Url("https://o.example".to_owned())),
            "{url}"
        );
    }
    assert_eq!(passes(&asking, &get("/x").bearer(&token)), Err(404));
    assert_eq!(asking.send(&get("/healthz")).reply.status, 200);
}

#[test]
fn what_passes_is_not_logged_and_what_does_not_is_with_its_reason_and_its_pattern() {
    let (asking, token) = (plain(), worth().sign());
    let passed = asking.send(&get("/api/orders/jane").bearer(&token));
    assert_eq!((passed.is_worth_logging(), passed.log.status, passed.log.outcome.name()), (false, None, "passed"));
    let refused = asking.send(&get("/api/orders/jane?who=jane"));
    assert!(refused.is_worth_logging());
    assert_eq!((refused.log.route.as_deref(), refused.log.reason), (Some("/api/*"), Some("no_credential")));
    assert!(!refused.log.text().contains("jane"));
    let check = asking.send(&get("/check/api/jane").bearer(&token));
    assert_eq!((check.is_worth_logging(), check.log.route.as_deref()), (false, Some("/check")));
}
