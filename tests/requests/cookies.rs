//! Tokens in cookies, as browsers send them to `/check` and guards.

use edge_logout::service::Answer;
use serde_json::{Value, json};

use crate::support::asking::{Asking, refusal};
use crate::support::request::TestRequest;
use crate::support::shipped::{add_guard, issuer, refused, service_with};
use crate::support::tokens::TestToken;

/// The service whose customers' tokens are in a cookie, with a guard in front of `/api/*`.
fn asking() -> Asking {
    with(json!({ "name": "__Host-token", "origins": ["https://app.example"] }))
}

fn with(cookie: Value) -> Asking {
    Asking::of(service_with(|table| {
        issuer(table, "worth")["cookie"] = cookie;
        add_guard(table, &json!({ "upstream": { "url": "https://internal.example/v2" } }));
    }))
}

fn token() -> String {
    TestToken::of("worth").sign()
}

fn with_cookie(method: &str, url: &str, cookie: &str) -> TestRequest {
    TestRequest::new(method, url).header("cookie", cookie)
}

/// A request with the cookie and, where it has one, an origin.
fn from(method: &str, url: &str, origin: Option<&str>) -> TestRequest {
    let request = with_cookie(method, url, &format!("a=b; __Host-token={}", token()));
    origin.map_or(request.clone(), |origin| request.header("origin", origin))
}

fn passes(answer: &Answer) -> bool {
    answer.forward.is_some() || answer.reply.status == 200
}

fn reason(answer: &Answer) -> String {
    refusal(answer).2
}

#[test]
fn a_guard_takes_the_token_from_the_cookie_and_takes_the_cookie_away() {
    let answer = asking().send(&from("GET", "/api/orders", None));
    let forward = answer.forward.unwrap();
    assert!(forward.headers.contains(&("Cookie", "a=b".into())), "{:?}", forward.headers);
    assert!(forward.headers.contains(&("X-Auth-Issuer", "worth".into())));
    let alone = asking().send(&with_cookie("GET", "/api/orders", &format!("__Host-token={}", token())));
    let forward = alone.forward.unwrap();
    assert!(!forward.kept_headers.keeps("cookie"));
    assert!(forward.headers.iter().all(|(name, _)| *name != "Cookie"));
    // Also beside a bearer token of the same guard, where it was expired or empty.
    let stale = asking().send(&with_cookie("GET", "/api/orders", "other=1; a=2").bearer(&token()));
    assert!(stale.forward.unwrap().headers.contains(&("Cookie", "other=1; a=2".into())));
}

#[test]
fn the_table_may_pass_the_cookie_on() {
    let asking = with(json!({ "name": "__Host-token", "pass_on": true }));
    let forward = asking.send(&from("GET", "/api/orders", None)).forward.unwrap();
    assert!(forward.kept_headers.keeps("cookie"));
    assert!(forward.headers.iter().all(|(name, _)| *name != "Cookie"));
}

#[test]
fn two_credentials_are_refused() {
    let token = token();
    for cookie in [
        format!("__Host-token={token}; __Host-token={token}"),
        format!("__Host-token={token}; __host-token=x"),
        format!("__Host-token={token}; __Host.token=x"),
        format!("__Host-token={token}; __Host-token[0]=x"),
        format!("__Host%2Dtoken=x; __Host-token={token}"),
        format!("a=1, __Host_token=x; __Host-token={token}"),
        format!("__Host-token={token}; __Host-token"),
    ] {
        for url in ["/api/orders", "/check?issuer=worth"] {
            let answer = asking().send(&with_cookie("GET", url, &cookie).header("origin", "https://app.example"));
            assert_eq!((passes(&answer), reason(&answer).as_str()), (false, "two_credentials"), "{url} {cookie}");
        }
    }
    for authorization in [format!("Bearer {token}"), "Basic dTpw".to_owned(), "x".to_owned()] {
        let answer = asking().send(&from("GET", "/api/orders", None).header("authorization", &authorization));
        assert_eq!((passes(&answer), reason(&answer).as_str()), (false, "two_credentials"), "{authorization}");
    }
}

#[test]
fn a_cookie_that_is_nearly_ours_is_no_credential() {
    let token = token();
    for cookie in [format!("__host-token={token}"), format!("__Host_token={token}"), "__Host-token=a b".to_owned()] {
        let answer = asking().send(&with_cookie("GET", "/api/orders", &cookie));
        assert_eq!(reason(&answer), "credential_malformed", "{cookie}");
    }
    for cookie in ["", "a=b", "token=x", "__Host-tokens=x"] {
        let answer = asking().send(&with_cookie("GET", "/api/orders", cookie));
        assert_eq!(reason(&answer), "no_credential", "{cookie}");
    }
    let hidden = asking().send(&with_cookie("GET", "/api/orders", "a=1, __Host_token=x; b=2").bearer(&token));
    assert!(!passes(&hidden), "a server that takes a comma for a separator would find it");
}

#[test]
fn methods_that_change_something_need_a_page_of_ours() {
    for (method, origin, good) in [
        ("GET", None, true),
        ("HEAD", None, true),
        ("POST", None, false),
        ("DELETE", None, false),
        ("get", None, false),
        ("TRACE", None, false),
        ("POST", Some("https://edge.example"), true),
        ("POST", Some("https://edge.example:443"), true),
        ("POST", Some("https://app.example"), true),
        ("POST", Some("http://edge.example"), false),
        ("POST", Some("https://edge.example:8443"), false),
        ("POST", Some("https://edge.example.evil.example"), false),
        ("POST", Some("https://app.example:8443"), false),
        ("POST", Some("null"), false),
        ("POST", Some(""), false),
        ("POST", Some("https://edge.example, https://evil.example"), false),
        ("GET", Some("https://evil.example"), false),
        ("GET", Some("https://edge.example"), true),
    ] {
        let answer = asking().send(&from(method, "/api/orders", origin));
        assert_eq!(passes(&answer), good, "{method} {origin:?}");
        if !good {
            assert_eq!(refusal(&answer), (403, "forbidden".to_owned(), "origin_mismatch".to_owned()));
        }
    }
    let socket = |origin| from("GET", "/api/socket", origin).header("upgrade", "websocket");
    assert!(!passes(&asking().send(&socket(None))), "any page may open a WebSocket");
    assert!(passes(&asking().send(&socket(Some("https://edge.example")))));
}

#[test]
fn a_check_believes_in_a_safe_method_only_where_a_proxy_tells_of_it() {
    let check = |method: &str, origin: Option<&str>| {
        [("X-Forwarded-Method", method), ("X-Forwarded-Host", "shop.example"), ("X-Forwarded-Uri", "/api/1")]
            .iter()
            .fold(from("GET", "/check?original=x-forwarded", origin), |request, (name, value)| {
                request.header(name, value)
            })
    };
    for (method, origin, good) in [
        ("GET", None, true),
        ("POST", None, false),
        ("POST", Some("https://shop.example"), true),
        ("POST", Some("http://shop.example"), false),
        ("POST", Some("https://app.example"), true),
        ("POST", Some("https://edge.example"), false),
    ] {
        assert_eq!(passes(&asking().send(&check(method, origin))), good, "{method} {origin:?}");
    }
    // The method of a plain check is the proxy's own: what the browser has sent is not known.
    for url in ["/check", "/check?issuer=worth"] {
        assert!(!passes(&asking().send(&from("GET", url, None))), "{url}");
        assert!(passes(&asking().send(&from("GET", url, Some("https://app.example")))), "{url}");
    }
    assert!(passes(&asking().send(&from("GET", "/check/api/1", None))));
    assert!(!passes(&asking().send(&from("PUT", "/check/api/1", None))));
}

#[test]
fn the_cookie_of_an_issuer_holds_its_tokens_alone() {
    let marzipan = TestToken::of("marzipan").sign();
    let request = with_cookie("GET", "/check", &format!("__Host-token={marzipan}"));
    let answer = asking().send(&request.header("origin", "https://app.example"));
    assert_eq!(answer.reply.status, 401, "good as a bearer token, but not in this cookie");
    let other = asking().send(&with_cookie("GET", "/check?issuer=marzipan", &format!("__Host-token={marzipan}")));
    assert_eq!(reason(&other), "no_credential", "an issuer without a cookie has none read");
}

#[test]
fn a_preflight_carries_no_cookie() {
    let asking = Asking::of(service_with(|table| {
        issuer(table, "worth")["cookie"] = json!({ "name": "t" });
        add_guard(table, &json!({ "upstream": { "service": "ORDERS" }, "pass_preflights": true }));
    }));
    let preflight = with_cookie("OPTIONS", "/api/x", "t=1; a=2")
        .header("origin", "https://any.example")
        .header("access-control-request-method", "POST")
        .header("authorization", "Bearer x");
    let forward = asking.send(&preflight).forward.unwrap();
    assert!(forward.headers.is_empty());
    assert!(forward.kept_headers.is_preflight);
    for name in ["cookie", "authorization", "x-eposn-customer-token", "x-api-key", "content-type"] {
        assert!(!forward.kept_headers.keeps(name), "{name}");
    }
    for name in ["origin", "access-control-request-method", "access-control-request-headers", "user-agent"] {
        assert!(forward.kept_headers.keeps(name), "{name}");
    }
}

#[test]
fn settings_of_a_cookie_are_judged() {
    for (cookie, setting) in [
        (json!({}), "cookie.name"),
        (json!({ "name": "a b" }), "cookie.name"),
        (json!({ "name": "a;b" }), "cookie.name"),
        (json!({ "name": "a", "origins": ["https://a.example/"] }), "cookie.origins"),
        (json!({ "name": "a", "origins": ["*"] }), "cookie.origins"),
        (json!({ "name": "a", "secure": true }), "cookie.secure"),
    ] {
        let found = refused(|table| issuer(table, "worth")["cookie"] = cookie.clone());
        assert!(found.len() == 1 && found[0].contains(setting), "{cookie}: {found:?}");
    }
}
