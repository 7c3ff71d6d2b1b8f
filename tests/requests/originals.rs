//! The original request in a proxy's headers is read in one way or refused.

use serde_json::json;

use crate::support::asking::{Asking, refusal};
use crate::support::request::TestRequest;
use crate::support::shipped::{add_guard, service_with};
use crate::support::tokens::TestToken;

/// Everything but administration is for customers.
fn asking() -> Asking {
    Asking::of(service_with(|table| {
        add_guard(table, &json!({ "paths": ["/", "/pub/*"] }));
        add_guard(table, &json!({ "paths": ["/pub/admin"], "issuers": ["marzipan"] }));
    }))
}

fn told(family: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let request = TestRequest::new("GET", &format!("/check?original={family}")).bearer(&TestToken::of("worth").sign());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let answer = asking().send(&request);
    (answer.reply.status, refusal(&answer).2)
}

fn by_url(url: &str) -> (u16, String) {
    told("x-original-url", &[("X-Original-Method", "GET"), ("X-Original-URL", url)])
}

fn by_uri(uri: &str) -> (u16, String) {
    told("x-original", &[("X-Original-Method", "GET"), ("X-Original-Host", "api.example"), ("X-Original-URI", uri)])
}

fn by_host(host: &str) -> (u16, String) {
    told("x-forwarded", &[("X-Forwarded-Method", "GET"), ("X-Forwarded-Host", host), ("X-Forwarded-Uri", "/pub/x")])
}

fn refused() -> (u16, String) {
    (403, "ambiguous_path".to_owned())
}

#[test]
fn an_authority_ends_at_the_path_and_nowhere_else() {
    for url in [
        "http://api.example:80#/pub/admin",
        "http://api.example:80?/pub/admin",
        "http://api.example#/pub/admin",
        "http://api.example?/pub/admin",
        "http://api.example\\/pub/admin",
        "http://x@api.example/pub/x",
        "http://api.example:/pub/x",
        "http://api.example:80:80/pub/x",
        "http://api.example",
        "http://api.example?",
        "http:///pub/x",
        "http://api.example/pub/x#",
        "http://api.example/pub/x?a#b",
        "//api.example/pub/x",
    ] {
        assert_eq!(by_url(url), refused(), "{url}");
    }
    assert_eq!(by_url("http://api.example:80/pub/x?y").0, 200);
    assert_eq!(by_url("https://api.example/?x=/y").0, 200);
    assert_eq!(by_url("http://api.example/pub/admin").0, 401);
}

#[test]
fn a_fragment_is_no_part_of_a_request() {
    for uri in ["/pub/x#/../admin", "/pub/x#", "/pub/x?a#b", "/#/pub/admin", "#", "/pub/x\t", "/pub/ x", ""] {
        assert_eq!(by_uri(uri), refused(), "{uri}");
    }
    assert_eq!(by_uri("/pub/x?a=/../admin").0, 200);
}

#[test]
fn a_host_is_one_host() {
    for host in [
        "api.example:80#",
        "api.example:80?",
        "api.example/",
        "a, b",
        "api.example, other.example",
        "user@api.example",
        "api.example:99999",
        "api.example:",
        "",
        "api example",
        "127.1",
        "a..b",
    ] {
        assert_eq!(by_host(host), refused(), "{host}");
    }
    for host in ["api.example", "API.example.:8443", "127.0.0.1", "[::1]:8080"] {
        assert_eq!(by_host(host).0, 200, "{host}");
    }
}

#[test]
fn a_method_is_one_method() {
    let of_method = |method: &str| {
        let headers =
            [("X-Forwarded-Method", method), ("X-Forwarded-Host", "a.example"), ("X-Forwarded-Uri", "/pub/x")];
        told("x-forwarded", &headers)
    };
    for method in ["GET, DELETE", "", "GET DELETE", "G\u{e9}T", &"A".repeat(33)] {
        assert_eq!(of_method(method), refused(), "{method}");
    }
    assert_eq!(of_method("PROPFIND").0, 200);
}
