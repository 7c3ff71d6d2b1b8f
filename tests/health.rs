//! How the service says that it is well, and what it logs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use edge_logout::http::Reply;
use serde_json::{Value, json};
use support::platform::TestPlatform;
use support::request::TestRequest;
use support::run;
use support::shipped::{self, add_guard, service, service_on_kv_alone, service_with};
use support::tokens::{NOW, TestToken};

fn body(reply: &Reply) -> Value {
    serde_json::from_str(reply.body.as_deref().unwrap()).unwrap()
}

#[test]
fn health_tells_what_is_missing() {
    let service = service();
    let health = |method: &str, unbound: bool| {
        let mut platform = TestPlatform::at(NOW);
        platform.unbound = unbound;
        run(service.answer(&TestRequest::new(method, "/healthz"), &platform)).reply
    };
    let good = health("GET", false);
    let expected = json!({
        "status": "ok", "version": env!("CARGO_PKG_VERSION"), "configuration": "ok", "bindings": { "LEDGER": "ok", "REVOCATIONS": "ok" },
    });
    assert_eq!((good.status, body(&good)), (200, expected));
    let bad = health("GET", true);
    assert_eq!((bad.status, body(&bad)["bindings"]["REVOCATIONS"].clone()), (503, json!("missing")));
    assert_eq!((health("HEAD", false).status, health("HEAD", false).body), (200, None));
    assert_eq!(health("POST", false).header("Allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn a_service_without_a_ledger_is_well_and_says_so() {
    let (platform, request) = (TestPlatform::at(NOW), TestRequest::new("GET", "/healthz"));
    let reply = run(service_on_kv_alone().answer(&request, &platform)).reply;
    assert_eq!((reply.status, body(&reply)["bindings"]["LEDGER"].clone()), (200, json!("absent")));
}

#[test]
fn what_guards_and_directories_need_is_told_as_well() {
    let service = service_with(|table| {
        add_guard(table, &json!({ "upstream": { "service": "ORDERS" } }));
        add_guard(table, &json!({ "paths": ["/b/*"], "upstream": { "service": "ORDERS" } }));
        shipped::route(table, "commerce-engine-storefront")["user_directory"] = json!("USERS");
    });
    let reply = run(service.answer(&TestRequest::new("GET", "/healthz"), &TestPlatform::at(NOW))).reply;
    let expected = json!({ "LEDGER": "ok", "ORDERS": "ok", "REVOCATIONS": "ok", "USERS": "ok" });
    assert_eq!(body(&reply)["bindings"], expected);
}

#[test]
fn a_feed_is_heard_behind_an_answer_once_about_half_the_shortest_bound_has_passed() {
    let platform = TestPlatform::at(NOW);
    let service = service_with(|table| shipped::issuer(table, "worth")["bound_milliseconds"] = json!(400));
    let check = TestRequest::new("GET", "/check").bearer(&TestToken::of("worth").sign());
    assert!(!service.wants_refresh(&platform));
    assert_eq!(run(service.answer(&check, &platform)).reply.status, 200);
    platform.pass(std::time::Duration::from_millis(241)); // 0.4 to 0.6 of it, by chance
    assert!(service.wants_refresh(&platform));
    run(service.refresh(&platform));
    assert!(!service.wants_refresh(&platform) && platform.asked("Changes") == 2);
    let without = service_on_kv_alone();
    run(without.answer(&check, &platform));
    platform.pass(std::time::Duration::from_mins(1));
    assert!(!without.wants_refresh(&platform), "nothing is bounded there");
}
