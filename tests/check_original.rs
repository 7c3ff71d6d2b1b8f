//! `/check` judged by the rule for the original request, as proxies tell of it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::asking::{Asking, refusal};
use crate::support::request::TestRequest;
use crate::support::shipped::{add_guard, service_with};
use crate::support::tokens::TestToken;
use serde_json::json;

/// Orders are for worth's customers, whatever the host; reports of one host for marzipan's, and changes are strong.
fn asking() -> Asking {
    Asking::of(service_with(|table| {
        add_guard(table, &json!({ "paths": ["/orders/*"], "strong_for": ["DELETE"] }));
        add_guard(table, &json!({ "paths": ["/orders/reports"], "host": "shop.example", "issuers": ["marzipan"] }));
    }))
}

fn worth() -> String {
    TestToken::of("worth").sign()
}

fn marzipan() -> String {
    TestToken::of("marzipan").sign()
}

/// The request of a proxy that tells of the original one by these headers.
fn told(family: &str, headers: &[(&str, &str)]) -> TestRequest {
    let url = format!("/check?original={family}");
    headers.iter().fold(TestRequest::new("GET", &url), |request, (name, value)| request.header(name, value))
}

fn forwarded(method: &str, host: &str, uri: &str) -> TestRequest {
    let headers = [("X-Forwarded-Method", method), ("X-Forwarded-Host", host), ("X-Forwarded-Uri", uri)];
    told("x-forwarded", &headers)
}

fn status(request: TestRequest, token: &str) -> u16 {
    asking().send(&request.bearer(token)).reply.status
}

#[test]
fn every_family_finds_the_rule() {
    let original = |uri| {
        let headers = [("X-Original-Method", "GET"), ("X-Original-Host", "any.example"), ("X-Original-URI", uri)];
        told("x-original", &headers)
    };
    let url = |url| told("x-original-url", &[("X-Original-Method", "GET"), ("X-Original-URL", url)]);
    for (what, request) in [
        ("forwarded", forwarded("GET", "any.example", "/orders/1?x=/y")),
        ("original", original("/orders/1?x=/y")),
        ("original with a port", forwarded("GET", "any.example:8443", "/orders/1")),
        ("url", url("https://any.example:8443/orders/1?x")),
        ("url without TLS", url("http://any.example/orders/1")),
        ("appended", TestRequest::new("GET", "/check/orders/1")),
    ] {
        assert_eq!(status(request.clone(), &worth()), 200, "{what}");
        assert_eq!(status(request, &marzipan()), 401, "{what}: good, but not of the rule's issuer");
    }
}

#[test]
fn a_hosts_own_rule_goes_first() {
    let of_host = || forwarded("GET", "Shop.example", "/orders/reports");
    assert_eq!((status(of_host(), &marzipan()), status(of_host(), &worth())), (200, 401));
    let of_url = || {
        told(
            "x-original-url",
            &[("X-Original-Method", "GET"), ("X-Original-URL", "https://shop.example/orders/reports")],
        )
    };
    assert_eq!((status(of_url(), &marzipan()), status(of_url(), &worth())), (200, 401));
    assert_eq!(status(forwarded("GET", "other.example", "/orders/reports"), &worth()), 200);
}

#[test]
fn headers_of_another_family_are_not_looked_at() {
    let spoofed = forwarded("GET", "shop.example", "/orders/reports")
        .header("X-Original-Method", "GET")
        .header("X-Original-Host", "other.example")
        .header("X-Original-URI", "/orders/1")
        .header("X-Original-URL", "https://other.example/orders/1");
    assert_eq!((status(spoofed.clone(), &worth()), status(spoofed, &marzipan())), (401, 200));
    let only_others = told(
        "x-original",
        &[("X-Forwarded-Method", "GET"), ("X-Forwarded-Host", "any.example"), ("X-Forwarded-Uri", "/orders/1")],
    );
    assert_eq!(status(only_others, &worth()), 403);
    let plain = TestRequest::new("GET", "/check").header("X-Original-URI", "/nowhere");
    assert_eq!(status(plain, &worth()), 200, "nobody has said that a proxy tells of anything");
}

#[test]
fn what_is_not_told_clearly_is_let_in_by_no_rule() {
    for path in ["//orders/1", "/orders/../admin", "/orders/%2e%2e/x", "/orders%2f1", "/orders\\1", "orders/1", ""] {
        let answer = asking().send(&forwarded("GET", "any.example", path).bearer(&worth()));
        assert_eq!(refusal(&answer), (403, "forbidden".to_owned(), "ambiguous_path".to_owned()), "{path}");
    }
    for missing in ["X-Forwarded-Method", "X-Forwarded-Host", "X-Forwarded-Uri"] {
        let all = [("X-Forwarded-Method", "GET"), ("X-Forwarded-Host", "a.example"), ("X-Forwarded-Uri", "/orders/1")];
        let headers: Vec<_> = all.into_iter().filter(|(name, _)| *name != missing).collect();
        assert_eq!(status(told("x-forwarded", &headers), &worth()), 403, "without {missing}");
    }
    let twice = forwarded("GET", "any.example", "/orders/1").header("X-Forwarded-Uri", "/orders/2");
    assert_eq!(status(twice, &worth()), 403);
    for url in ["/orders/1", "any.example/orders/1", "ftp://any.example/orders/1"] {
        let request = told("x-original-url", &[("X-Original-Method", "GET"), ("X-Original-URL", url)]);
        assert_eq!(status(request, &worth()), 403, "{url}");
    }
}

#[test]
fn what_no_rule_names_is_forbidden() {
    for uri in ["/", "/ordersx", "/Orders/1", "/customer/logout", "/healthz"] {
        let answer = asking().send(&forwarded("GET", "any.example", uri).bearer(&worth()));
        assert_eq!(refusal(&answer), (403, "forbidden".to_owned(), "no_rule".to_owned()), "{uri}");
    }
    assert_eq!(status(TestRequest::new("GET", "/check/admin"), &worth()), 403);
    assert_eq!(status(TestRequest::new("GET", "/check//orders/1"), &worth()), 403);
    let no_guards = Asking::shipped();
    assert_eq!(no_guards.check("/check/admin//x", &worth()), 200, "where nothing is guarded there is no rule to miss");
}

#[test]
fn rule_and_query_restrict_each_other() {
    let with = |query: &str| {
        let url = format!("/check?original=x-forwarded{query}");
        let headers =
            [("X-Forwarded-Method", "GET"), ("X-Forwarded-Host", "a.example"), ("X-Forwarded-Uri", "/orders/1")];
        headers.iter().fold(TestRequest::new("GET", &url), |request, (name, value)| request.header(name, value))
    };
    assert_eq!(status(with("&issuer=worth"), &worth()), 200);
    assert_eq!(status(with("&issuer=worth&issuer=marzipan"), &worth()), 200);
    assert_eq!(status(with("&issuer=worth&issuer=marzipan"), &marzipan()), 401);
    for token in [worth(), marzipan()] {
        let answer = asking().send(&with("&issuer=marzipan").bearer(&token));
        assert_eq!(refusal(&answer).2, "unknown_issuer", "both have no issuer in common");
    }
    let opaque = asking().send(&with("&issuer=loyaltydog-sessions").bearer("made-up"));
    assert_eq!(opaque.reply.status, 401);
}

#[test]
fn the_original_method_decides_what_is_strong() {
    let freshness = |request: TestRequest| {
        let answer = asking().send(&request.bearer(&worth()));
        answer.reply.header("X-Auth-Freshness").map(str::to_owned)
    };
    assert_eq!(freshness(forwarded("GET", "a.example", "/orders/1")).as_deref(), Some("bounded"));
    assert_eq!(freshness(forwarded("DELETE", "a.example", "/orders/1")).as_deref(), Some("strong"));
    assert_eq!(freshness(forwarded("delete", "a.example", "/orders/1")).as_deref(), Some("strong"));
    assert_eq!(freshness(TestRequest::new("DELETE", "/check/orders/1")).as_deref(), Some("strong"));
}
