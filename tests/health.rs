//! How the service says that it is well, and what it logs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use crate::support::keys::{self, JWKS};
use crate::support::platform::{Fault, LedgerFault, TestPlatform};
use crate::support::request::TestRequest;
use crate::support::run;
use crate::support::shipped::{self, CLIENT_SECRET, add_guard, service, service_on_kv_alone, service_with};
use crate::support::tokens::{NOW, TestToken};
use crate::support::web::Served;
use edge_logout::http::Reply;
use edge_logout::ports::{Clock, IndexError, LedgerError, WebError};
use edge_logout::service::Service;
use edge_logout::wait::within;
use futures_util::future::join_all;
use serde_json::{Value, json};

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
fn the_ledger_is_synced_behind_an_answer_once_about_half_the_shortest_bound_has_passed() {
    let platform = TestPlatform::at(NOW);
    let service = service_with(|table| shipped::issuer(table, "worth")["bound_milliseconds"] = json!(400));
    let check = TestRequest::new("GET", "/check").bearer(&TestToken::of("worth").sign());
    assert!(!service.wants_refresh(&platform));
    assert_eq!(run(service.answer(&check, &platform)).reply.status, 200);
    platform.pass(std::time::Duration::from_millis(241)); // 0.4 to 0.5 of it, by chance
    assert!(service.wants_refresh(&platform));
    run(service.refresh(&platform));
    assert!(!service.wants_refresh(&platform) && platform.asked("Sync") == 2);
    let without = service_on_kv_alone();
    run(without.answer(&check, &platform));
    platform.pass(std::time::Duration::from_mins(1));
    assert!(!without.wants_refresh(&platform), "nothing is bounded there");
}

fn ready() -> TestRequest {
    TestRequest::new("GET", "/readyz")
}

/// The shipped service with two shards, and with an issuer whose keys are fetched.
fn needing_all() -> (Service, TestPlatform) {
    let service = service_with(|table| {
        table["ledger"]["shards"] = json!(2);
        let worth = shipped::issuer(table, "worth");
        worth.as_object_mut().unwrap().remove("jwks");
        worth["algorithms"] = json!(["ES256"]);
        worth["jwks_url"] = json!(JWKS);
    });
    let platform = TestPlatform::at(NOW);
    platform.web.serve_json(JWKS, &keys::set(&[&keys::key("one", 1)]), None);
    (service, platform)
}

fn ask(service: &Service, platform: &TestPlatform, request: &TestRequest) -> (u16, Value) {
    let reply = run(service.answer(request, platform)).reply;
    assert_eq!(reply.header("Retry-After"), (reply.status == 503).then_some("1"));
    (reply.status, body(&reply))
}

fn ask_as_client(service: &Service, platform: &TestPlatform) -> (u16, Value) {
    ask(service, platform, &ready().header("X-Edge-Logout-Client", CLIENT_SECRET))
}

#[test]
fn a_service_that_has_all_it_needs_is_ready() {
    let (service, platform) = needing_all();
    assert_eq!(ask(&service, &platform, &ready()), (200, json!({ "status": "ok" })));
    let all = json!({ "status": "ok", "ledger": { "0": "ok", "1": "ok" }, "kv": "ok", "keys": { "worth": "ok" } });
    assert_eq!(ask_as_client(&service, &platform), (200, all));
    for secret in ["", "wrong", "Bearer development-secret-of-a-client-of-batch-check"] {
        let request = ready().header("x-edge-logout-client", secret).bearer(CLIENT_SECRET);
        assert_eq!(ask(&service, &platform, &request), (200, json!({ "status": "ok" })), "{secret:?}");
    }
    let (alone, platform) = (service_on_kv_alone(), TestPlatform::at(NOW));
    let told = json!({ "status": "ok", "ledger": {}, "kv": "ok", "keys": {} });
    assert_eq!(ask_as_client(&alone, &platform), (200, told));
}

#[test]
fn readiness_takes_the_methods_that_health_takes() {
    let (service, platform) = needing_all();
    let send = |method: &str| run(service.answer(&TestRequest::new(method, "/readyz"), &platform));
    assert_eq!((send("HEAD").reply.status, send("HEAD").reply.body), (200, None));
    assert_eq!((send("POST").reply.status, send("POST").reply.header("Allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert_eq!(
        (send("OPTIONS").reply.status, send("OPTIONS").reply.header("Allow")),
        (204, Some("GET, HEAD, OPTIONS"))
    );
    assert_eq!(send("GET").log.route.as_deref(), Some("/readyz"));
}

type Break = fn(&TestPlatform);

#[test]
fn what_is_not_well_is_told_to_clients_and_in_time() {
    let faults: [(Break, &str, &str); 8] = [
        (|platform| platform.ledger_down.set(Some(LedgerFault::Hangs)), "/ledger/0", "ledger_timed_out"),
        (
            |platform| platform.ledger_faults.borrow_mut().push_back(LedgerFault::Error(LedgerError::Overloaded)),
            "/ledger/0",
            "ledger_overloaded",
        ),
        (
            |platform| {
                let faults = [LedgerFault::Takes(Duration::ZERO), LedgerFault::Error(LedgerError::Retryable)];
                platform.ledger_faults.borrow_mut().extend(faults);
            },
            "/ledger/1",
            "ledger_unreachable",
        ),
        (|platform| platform.ledger_down.set(Some(LedgerFault::Says(b"[]"))), "/ledger/1", "ledger_failed"),
        (|platform| platform.find_faults.borrow_mut().push_back(Fault::Hangs), "/kv", "index_timed_out"),
        (
            |platform| platform.find_faults.borrow_mut().push_back(Fault::Error(IndexError::Transient)),
            "/kv",
            "index_transient",
        ),
        (|platform| platform.web.serve(JWKS, Served::Hangs), "/keys/worth", "keys_unavailable"),
        (|platform| platform.web.serve(JWKS, Served::Error(WebError::Unreachable)), "/keys/worth", "keys_unavailable"),
    ];
    for (fault, part, reason) in faults {
        let (service, platform) = needing_all();
        fault(&platform);
        let (status, told) = ask_as_client(&service, &platform);
        assert_eq!((status, &told["status"]), (503, &json!("unavailable")), "{reason}");
        assert_eq!(told.pointer(part), Some(&json!(reason)), "{told}");
        assert!(platform.now().since(NOW) <= Duration::from_millis(2_200), "{reason}: {:?}", platform.now());
        assert_eq!(ask(&service, &platform, &ready()), (503, json!({ "status": "unavailable" })));
        let answer = run(service.answer(&ready(), &platform));
        assert_eq!((answer.log.outcome.name(), answer.log.reason), ("failed", Some("not_ready")));
    }
}

#[test]
fn keys_that_still_serve_while_the_provider_fails_are_ready_and_stale() {
    let (service, platform) = needing_all();
    assert_eq!(ask(&service, &platform, &ready()).0, 200);
    platform.web.serve(JWKS, Served::Error(WebError::Unreachable));
    platform.pass(Duration::from_secs(3_601));
    let (status, told) = ask_as_client(&service, &platform);
    assert_eq!((status, &told["keys"]["worth"]), (200, &json!("keys_stale")));
}

/// How often the ledger (two shards) and KV were asked.
fn rounds(platform: &TestPlatform) -> [usize; 2] {
    [platform.asked.borrow().len() / 2, platform.finds.borrow().len()]
}

#[test]
fn whoever_asks_an_isolate_looks_at_most_once_a_second() {
    let (service, platform) = needing_all();
    platform.ledger_down.set(Some(LedgerFault::Takes(Duration::from_millis(300))));
    let asked = run(join_all((0..100).map(|_| async { service.answer(&ready(), &platform).await.reply.status })));
    assert!(asked.iter().all(|status| *status == 200));
    assert_eq!(rounds(&platform), [1, 1]);
    platform.pass(Duration::from_millis(999));
    ask_as_client(&service, &platform);
    assert_eq!(rounds(&platform), [1, 1], "shared for a second, also with clients");
    platform.pass(Duration::from_millis(1));
    ask(&service, &platform, &ready());
    assert_eq!(rounds(&platform), [2, 2]);
}

#[test]
fn requests_that_are_broken_off_cause_no_more_looks_and_hold_nobody_for_long() {
    let (service, platform) = needing_all();
    platform.ledger_down.set(Some(LedgerFault::Hangs));
    for _ in 0..50 {
        let request = ready();
        let asking = service.answer(&request, &platform);
        assert!(run(within::<TestPlatform, _>(Duration::from_millis(20), asking)).is_none());
    }
    assert_eq!(rounds(&platform), [1, 1]);
    let (service, platform) = needing_all();
    platform.ledger_down.set(Some(LedgerFault::Hangs));
    let request = ready();
    let mut frozen = Box::pin(service.answer(&request, &platform));
    assert!(run(within::<TestPlatform, _>(Duration::from_millis(20), &mut frozen)).is_none());
    platform.ledger_down.set(None);
    let begin = platform.now();
    let told = json!({ "status": "unavailable", "reason": "timed_out" });
    assert_eq!(ask_as_client(&service, &platform), (503, told));
    assert!(platform.now().since(begin) <= Duration::from_millis(2_250));
    platform.pass(Duration::from_secs(1));
    assert_eq!(ask(&service, &platform, &ready()).0, 200, "and then somebody else looks");
}
