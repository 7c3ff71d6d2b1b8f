//! Credentials of requests to `/check`, guards and logouts: header, cookie, and the request that a proxy tells of.
//!
//! The first line of an input is method and URL, the others are headers. `$` in a header stands for a good token.

#![no_main]

use edge_logout::http::{is_override, is_reserved};
use edge_logout::log::Outcome;
use edge_logout::service::Service;
use edge_logout::token::{bearer_token, is_token};
use edge_logout_fuzz::support::platform::TestPlatform;
use edge_logout_fuzz::support::request::TestRequest;
use edge_logout_fuzz::support::tokens::{NOW, TestToken};
use edge_logout_fuzz::support::{run, shipped};
use edge_logout_fuzz::text;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const COOKIE: &str = "__Host-token";

thread_local! {
    static SERVICE: Service = shipped::service_on_kv_alone_with(|table| {
        let cookie = json!({ "name": COOKIE, "origins": ["https://app.example"] });
        shipped::issuer(table, "commerce-engine-storefront")["cookie"] = cookie;
        let upstream = json!({ "url": "https://internal.example/v2" });
        let issuers = json!(["commerce-engine-storefront"]);
        shipped::add_guard(table, &json!({ "issuers": issuers, "upstream": upstream }));
        shipped::add_guard(table, &json!({ "issuers": issuers, "paths": ["/admin"], "subtree": true }));
    });
    static TOKEN: String = TestToken::of("commerce-engine-storefront").sign();
}

fuzz_target!(|data: &[u8]| {
    let mut lines = text(data).lines();
    let first = lines.next().unwrap_or_default();
    let (method, url) = first.split_once(' ').unwrap_or(("GET", first));
    let token = TOKEN.with(Clone::clone);
    let headers: Vec<(&str, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.replacen('$', &token, 2)))
        .collect();
    for (name, value) in &headers {
        assert_bearer(value);
        let _ = (is_reserved(name), is_override(name));
    }
    let request =
        headers.iter().fold(TestRequest::new(method, url), |request, (name, value)| request.header(name, value));
    let answer = SERVICE.with(|service| run(service.answer(&request, &TestPlatform::at(NOW))));
    let is_passed = answer.forward.is_some() || answer.log.outcome == Outcome::Passed;
    // Any text may be an opaque token; its issuer has to be named.
    if is_passed && !first.contains("issuer=loyaltydog-sessions") {
        assert_one_credential(&headers, &token, first.contains("credential="));
    }
    if let Some(forward) = &answer.forward {
        assert!(!forward.kept_headers.is_preflight);
        assert!(forward.url.as_ref().is_some_and(|url| url.starts_with("https://internal.example/v2/api")));
        let cookies = forward.headers.iter().filter(|(name, _)| *name == "Cookie");
        assert!(cookies.flat_map(|(_, value)| named(value)).next().is_none(), "the token's cookie is passed on");
    }
});

/// What is read as a bearer token is one, and ends the header.
fn assert_bearer(value: &str) {
    if let Ok(token) = bearer_token(Some(value)) {
        assert!(is_token(token) && token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','));
        assert!(value.trim().ends_with(token) && value.trim().len() > token.len() + "Bearer".len());
    }
}

/// Several headers of one name arrive as one.
fn joined(headers: &[(&str, String)], name: &str) -> Option<String> {
    let of_name = headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
    let values: Vec<&str> = of_name.map(|(_, value)| value.as_str()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// The values of the token's cookie.
fn named(cookies: &str) -> impl Iterator<Item = &str> {
    let pairs = cookies.split(';').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| name.trim() == COOKIE).map(|(_, value)| value.trim())
}

/// The good token was the one credential: alone in the header, or alone in the cookie.
fn assert_one_credential(headers: &[(&str, String)], token: &str, is_header_named: bool) {
    let authorization = joined(headers, "authorization").filter(|value| !value.trim().is_empty());
    let cookies = joined(headers, "cookie").unwrap_or_default();
    let in_cookies: Vec<&str> = named(&cookies).collect();
    match (authorization, in_cookies.as_slice()) {
        (Some(header), others) => {
            assert_eq!(bearer_token(Some(&header)), Ok(token));
            assert!(others.is_empty() || is_header_named, "two credentials");
        }
        (None, [value]) => assert_eq!(*value, token),
        (None, others) => panic!("passed with {} cookies and no header", others.len()),
    }
}
