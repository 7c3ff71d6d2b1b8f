//! HTTP as people expect it: what is nobody's business but the wire's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::platform::TestPlatform;
use crate::support::request::TestRequest;
use crate::support::run;
use crate::support::shipped::{self, service, service_with};
use crate::support::tokens::{NOW, TestToken};
use edge_logout::http::Reply;
use edge_logout::service::{Service, answer_misconfigured};
use serde_json::{Value, json};

fn send(service: &Service, request: &TestRequest) -> Reply {
    run(service.answer(request, &TestPlatform::at(NOW))).reply
}

fn body(reply: &Reply) -> Value {
    serde_json::from_str(reply.body.as_deref().unwrap()).unwrap()
}

#[test]
fn nothing_else_answers() {
    let service = service();
    for path in [
        "/",
        "/customer/logout/",
        "/customer",
        "/Customer/Logout",
        "/customer/logout/x",
        "//customer/logout",
        "/api/v1//storefront/auth/logout",
        "/api/v1/a/b/storefront/auth/logout",
    ] {
        let reply = send(&service, &TestRequest::post(path));
        assert_eq!((reply.status, body(&reply)["error"].clone()), (404, json!("not_found")), "{path}");
    }
}

#[test]
fn a_route_of_a_host_answers_there_alone() {
    let service = service_with(|table| shipped::route(table, "worth")["host"] = json!("Worth.example"));
    let status = |url: &str| send(&service, &TestRequest::post(url)).status;
    assert_eq!(status("https://worth.example/customer/logout"), 401);
    assert_eq!(status("https://WORTH.example:8443/customer/logout"), 401);
    assert_eq!(status("https://edge.example/customer/logout"), 404);
    assert_eq!(status("https://worth.example/account/logout"), 401, "what answers everywhere answers there, too");
}

fn with_cors(cors: &Value) -> Service {
    service_with(|table| shipped::route(table, "worth")["cors"] = cors.clone())
}

fn preflight(origin: &str) -> TestRequest {
    TestRequest::new("OPTIONS", "/customer/logout")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,x-api-key")
}

#[test]
fn a_preflight_of_an_allowed_origin_is_answered() {
    let service = with_cors(&json!({
        "allowed_origins": ["https://shop.example", "https://b.example:8443"], "allow_credentials": true, "max_age_seconds": 60,
    }));
    let reply = send(&service, &preflight("https://shop.example"));
    assert_eq!((reply.status, &reply.body), (204, &None));
    for (name, value) in [
        ("Access-Control-Allow-Origin", "https://shop.example"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Methods", "POST, OPTIONS"),
        ("Access-Control-Allow-Headers", "authorization,x-api-key"),
        ("Access-Control-Max-Age", "60"),
        ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    for origin in ["https://shop.example.evil.example", "http://shop.example", "https://SHOP.example", "null", ""] {
        let reply = send(&service, &preflight(origin));
        assert_eq!((reply.status, reply.header("Access-Control-Allow-Origin")), (204, None), "{origin}");
        assert!(reply.header("Vary").is_some());
    }
}

#[test]
fn header_names_are_sent_back_only_as_such() {
    let service = with_cors(&json!({ "allowed_origins": "*" }));
    for hostile in ["x\r\nset-cookie: a=b", "x;y", &"x".repeat(1025)] {
        let request = TestRequest::new("OPTIONS", "/customer/logout")
            .header("origin", "https://a.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", hostile);
        let reply = send(&service, &request);
        assert_eq!(reply.header("Access-Control-Allow-Headers"), Some("authorization, content-type"));
    }
}

#[test]
fn any_origin_only_where_configured_and_without_credentials() {
    let service = with_cors(&json!({ "allowed_origins": "*" }));
    let reply = send(&service, &preflight("https://anybody.example"));
    assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(reply.header("Access-Control-Allow-Credentials"), None);
    let unconfigured = send(&self::service(), &preflight("https://shop.example"));
    assert_eq!((unconfigured.status, unconfigured.header("Access-Control-Allow-Origin")), (204, None));
    assert_eq!(unconfigured.header("Allow"), Some("POST, OPTIONS"));
}

const EXPOSED: &str = "X-Request-Id, WWW-Authenticate, Retry-After, Revocation-Effective";

#[test]
fn answers_and_refusals_alike_can_be_read_by_an_allowed_page() {
    let service = with_cors(&json!({ "allowed_origins": "https://shop.example" }));
    let request = TestRequest::post("/customer/logout").header("origin", "https://shop.example");
    let good = request.clone().bearer(&TestToken::of("worth").sign());
    let wrong_method = TestRequest::new("GET", "/customer/logout").header("origin", "https://shop.example");
    for (request, status) in [(good, 200), (request, 401), (wrong_method, 405)] {
        let reply = send(&service, &request);
        assert_eq!((reply.status, reply.header("Access-Control-Allow-Origin")), (status, Some("https://shop.example")));
        assert_eq!(reply.header("Access-Control-Expose-Headers"), Some(EXPOSED));
        assert_eq!(reply.header("Vary"), Some("Origin"));
    }
}

#[test]
fn bodies_are_read_as_their_contracts_say() {
    let status = |contract: &str, content_type: Option<&str>, body: &str| {
        let path = edge_logout::contracts::ALL.iter().find(|own| own.name() == contract).unwrap().paths()[0];
        let request = TestRequest::post(path).bearer(&TestToken::of(contract).sign()).body(body.as_bytes());
        let request = content_type.into_iter().fold(request, |request, value| request.header("content-type", value));
        send(&service(), &request).status
    };
    for contract in ["worth", "commerce-engine-pos", "commerce-engine-storefront"] {
        assert_eq!(status(contract, None, "{"), 200, "{contract}: announced as nothing");
        assert_eq!(status(contract, Some("text/plain"), "{"), 200, "{contract}: announced as something else");
        assert_eq!(
            status(contract, Some("application/json"), ""),
            200,
            "{contract}: many clients announce and send nothing"
        );
        assert_eq!(status(contract, Some("application/json"), "{}"), 200, "{contract}");
        assert_eq!(status(contract, Some("Application/JSON; charset=utf-8"), "{"), 400, "{contract}");
        assert_eq!(status(contract, Some("application/vnd.x+json"), "{"), 400, "{contract}");
    }
    assert_eq!(status("worth", Some("application/json"), "1e400"), 200, "JSON knows no largest number");
    assert_eq!(status("marzipan", None, ""), 200);
    assert_eq!(status("marzipan", Some("application/json"), "{\"a\":1}"), 200);
    assert_eq!(status("marzipan", Some("application/json"), "[]"), 400);
    assert_eq!(status("marzipan", Some("application/json"), "{"), 400);
    assert_eq!(status("marzipan", Some("text/plain"), "{}"), 415);
    assert_eq!(status("marzipan", None, "{}"), 415);
    assert_eq!(status("loyaltydog", Some("application/json"), "{}"), 422);
}

#[test]
fn a_body_that_is_announced_too_large_is_not_even_ignored() {
    let request = TestRequest::post("/customer/logout").bearer(&TestToken::of("worth").sign());
    let announced = |length: &str| send(&service(), &request.clone().header("content-length", length)).status;
    assert_eq!((announced("16385"), announced("16384")), (413, 200));
}

#[test]
fn syntax_is_refused_before_the_credential_and_meaning_after_it() {
    let service = service();
    let status = |body: &str| send(&service, &TestRequest::post("/v2/giftcards/customers/logout").json(body)).status;
    assert_eq!((status("{"), status("{}"), status(r#"{"sessionToken":"x"}"#)), (422, 401, 401));
}

#[test]
fn request_ids_are_cloudflares_or_made_up() {
    let service = service();
    let id = |ray: &str| {
        send(&service, &TestRequest::new("GET", "/healthz").header("cf-ray", ray))
            .header("X-Request-Id")
            .unwrap()
            .to_owned()
    };
    assert_eq!(id("8d9b2f0c1a2b3c4d-AMS"), "8d9b2f0c1a2b3c4d-AMS");
    for hostile in ["", "a b", "a\"b", &"a".repeat(65)] {
        let made_up = id(hostile);
        assert!(made_up.len() == 16 && made_up != hostile, "{made_up}");
    }
    assert_ne!(id(""), id(""));
}

#[test]
fn misconfigured_says_no_more_than_that() {
    let answer = answer_misconfigured(&TestRequest::post("/customer/logout"));
    let expected = json!({ "error": "misconfigured", "message": "The service is misconfigured" });
    assert_eq!((answer.reply.status, body(&answer.reply)), (500, expected));
    assert_eq!(answer.reply.header("Cache-Control"), Some("no-store"));
    let health = answer_misconfigured(&TestRequest::new("GET", "/healthz"));
    let expected =
        json!({ "status": "misconfigured", "version": env!("CARGO_PKG_VERSION"), "configuration": "refused" });
    assert_eq!((health.reply.status, body(&health.reply)), (500, expected));
}

#[test]
fn openapi_has_every_path_that_routes() {
    let document = body(&send(&service(), &TestRequest::new("GET", "/openapi.json")));
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let mut expected: Vec<&str> = edge_logout::contracts::ALL.iter().flat_map(|own| own.paths()).copied().collect();
    expected.extend(["/healthz", "/readyz", "/openapi.json", "/check", "/batch-check"]);
    expected.sort_unstable();
    assert_eq!(paths, expected);
    let post = &document["paths"]["/api/v1/{store_id}/storefront/auth/logout"]["post"];
    assert_eq!(post["parameters"][0]["name"], "store_id");
    for status in ["200", "400", "401", "404", "405", "413", "500"] {
        assert!(post["responses"][status]["description"].is_string(), "{status}");
    }
}

#[test]
fn one_log_line_tells_what_happened() {
    let service = service();
    let request = TestRequest::post("/api/v1/my-store/storefront/pos/auth/logout")
        .bearer(&TestToken::of("commerce-engine-pos").sign())
        .header("cf-ray", "ray-1");
    let log = run(service.answer(&request, &TestPlatform::at(NOW))).log;
    let expected = json!({
        "event": "request", "request_id": "ray-1", "method": "POST",
        "route": "/api/v1/{store_id}/storefront/pos/auth/logout", "contract": "commerce-engine-pos",
        "issuer": "commerce-engine-pos", "status": 200, "outcome": "revoked",
        "key_id": "development-commerce-engine-pos", "milliseconds": 0,
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&log.text()).unwrap(), expected);
}
