//! Contracts x outcomes, from one table: what each vendor's client gets for each thing that can happen.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use crate::support::platform::{Fault, LedgerFault, TestPlatform};
use crate::support::request::TestRequest;
use crate::support::run;
use crate::support::shipped::{self, both_services, service, service_on_kv_alone, service_with};
use crate::support::tokens::{NOW, TestToken, now};
use edge_logout::ports::{Clock, IndexError, LedgerError};
use edge_logout::service::{Answer, Service};
use serde_json::{Value, json};

/// What a contract answers, by outcome.
struct Expected {
    contract: &'static str,
    paths: [&'static str; 2],
    success: Value,
    missing: (u16, Value),
    malformed: (u16, Value),
    bad: (u16, Value),
    expired: (u16, Value),
    revoked: (u16, Value),
    other_kind: (u16, Value),
    unavailable: (u16, Value),
    too_large: (u16, Value),
    method: (u16, Value),
}

fn commerce_engine(status: u16, message: &str, code: &str) -> (u16, Value) {
    (status, json!({ "message": message, "success": false, "code": code }))
}

fn worth(status: u16, message: &str, code: &str) -> (u16, Value) {
    (status, json!({ "message": message, "errorCode": code }))
}

fn table() -> Vec<Expected> {
    let unauthorized = || worth(401, "Unauthorized", "ERR_UNAUTHORIZED");
    let unauthenticated = || (401, json!({ "message": "Unauthenticated." }));
    let invalid = || (401, json!({ "detail": "Invalid token" }));
    let pos = |malformed: (u16, Value), contract, paths, success| Expected {
        contract,
        paths,
        success,
        missing: commerce_engine(401, "Authentication is required", "unauthorized"),
        malformed,
        bad: commerce_engine(401, "The access token is invalid", "unauthorized"),
        expired: commerce_engine(401, "The access token expired", "unauthorized"),
        revoked: commerce_engine(401, "The access token was revoked", "unauthorized"),
        other_kind: commerce_engine(401, "The access token is invalid", "unauthorized"),
        unavailable: commerce_engine(500, "Logout failed. Please try again.", "internal_error"),
        too_large: commerce_engine(413, "The body is too large", "bad_request"),
        method: commerce_engine(405, "Method not allowed", "bad_request"),
    };
    vec![
        Expected {
            contract: "loyaltydog",
            paths: ["/v2/giftcards/customers/logout"; 2],
            success: json!({ "success": true, "message": "Logged out successfully" }),
            missing: (401, json!({ "detail": "Not authenticated" })),
            malformed: (401, json!({ "detail": "Not authenticated" })),
            bad: invalid(),
            expired: invalid(),
            revoked: invalid(),
            other_kind: invalid(),
            unavailable: (503, json!({ "detail": "Service Unavailable" })),
            too_large: (413, json!({ "detail": "Request Entity Too Large" })),
            method: (405, json!({ "detail": "Method Not Allowed" })),
        },
        Expected {
            contract: "worth",
            paths: ["/customer/logout", "/auth/api/v1/customer/logout"],
            success: json!({ "status": "success", "message": "Logout successful" }),
            missing: unauthorized(),
            malformed: worth(400, "The Authorization header is no bearer header", "ERR_BAD_REQUEST"),
            bad: unauthorized(),
            expired: unauthorized(),
            revoked: unauthorized(),
            other_kind: worth(403, "Forbidden", "ERR_FORBIDDEN"),
            unavailable: worth(500, "Internal Server Error", "ERR_INTERNAL_SERVER"),
            too_large: worth(413, "The body is too large", "ERR_BAD_REQUEST"),
            method: worth(405, "Method not allowed", "ERR_BAD_REQUEST"),
        },
        Expected {
            contract: "marzipan",
            paths: ["/account/logout", "/v1/account/logout"],
            success: json!({ "message": "Logged out." }),
            missing: unauthenticated(),
            malformed: unauthenticated(),
            bad: unauthenticated(),
            expired: unauthenticated(),
            revoked: unauthenticated(),
            other_kind: unauthenticated(),
            unavailable: (503, json!({ "message": "Service unavailable. Please try again." })),
            too_large: (413, json!({ "message": "The body is too large." })),
            method: (405, json!({ "message": "Method not allowed." })),
        },
        pos(
            commerce_engine(401, "Authentication is required", "unauthorized"),
            "commerce-engine-pos",
            ["/pos/auth/logout", "/api/v1/my-store/storefront/pos/auth/logout"],
            json!({ "message": "Logged out successfully", "success": true }),
        ),
        pos(
            commerce_engine(400, "The Authorization header is no bearer header", "bad_request"),
            "commerce-engine-storefront",
            ["/auth/logout", "/api/v1/my-store/storefront/auth/logout"],
            json!({ "message": "Logged out successfully", "success": true }),
        ),
    ]
}

fn logout(path: &str) -> TestRequest {
    TestRequest::post(path).json(r#"{"sessionToken":"opaque-session"}"#)
}

fn answer(service: &Service, request: &TestRequest, platform: &TestPlatform) -> Answer {
    run(service.answer(request, platform))
}

fn body(answer: &Answer) -> Value {
    serde_json::from_str(answer.reply.body.as_deref().unwrap()).unwrap()
}

fn expect(answer: &Answer, expected: &(u16, Value), what: &str) {
    assert_eq!((answer.reply.status, body(answer)), *expected, "{what}");
    for (name, value) in
        [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Content-Type", "application/json")]
    {
        assert_eq!(answer.reply.header(name), Some(value), "{what}: {name}");
    }
    assert_eq!(answer.reply.header("X-Request-Id"), Some(answer.log.request_id.as_str()), "{what}");
    // RFC 6750 section 3.1 has a challenge for a malformed credential, too, which two of the vendors answer with 400.
    let is_challenged = matches!(expected.0, 401 | 403) || answer.log.reason == Some("credential_malformed");
    let challenge = answer.reply.header("WWW-Authenticate");
    assert_eq!(challenge.is_some(), is_challenged, "{what}");
    for (error, status) in [("invalid_request", 400), ("insufficient_scope", 403), ("invalid_token", 401)] {
        // RFC 6750 section 3.1 has a status for each.
        assert!(!challenge.unwrap_or_default().contains(error) || expected.0 == status, "{what}: {challenge:?}");
    }
    assert_eq!(answer.reply.header("Retry-After").is_some(), expected.0 == 503, "{what}");
    assert_eq!(answer.log.status, Some(expected.0), "{what}");
}

#[test]
fn success_ends_the_session_and_the_second_call_is_refused() {
    for expected in table() {
        for (path, (storage, service)) in
            expected.paths.iter().flat_map(|path| both_services().map(|with| (path, with)))
        {
            let what = format!("{} at {path} {storage}", expected.contract);
            let platform = TestPlatform::at(NOW);
            let request = logout(path).bearer(&TestToken::of(expected.contract).sign());
            let first = answer(&service, &request, &platform);
            assert_eq!(first.reply.status, 200, "{what}: {:?}", first.reply);
            assert_eq!((first.log.outcome.name(), first.log.contract), ("revoked", Some(expected.contract)), "{what}");
            let success = body(&first);
            for (name, value) in expected.success.as_object().unwrap() {
                assert_eq!(&success[name], value, "{what}");
            }
            platform.live_on(Duration::from_secs(1));
            assert!(!platform.index.borrow().is_empty(), "{what}");
            let second = answer(&service, &request, &platform);
            if expected.contract == "loyaltydog" {
                assert_eq!(second.reply.status, 200, "{what}: the merchant's token is good for the next customer");
            } else {
                expect(&second, &expected.revoked, &what);
            }
        }
    }
}

#[test]
fn every_failure_has_the_contracts_own_shape() {
    let service = service();
    for expected in table() {
        let path = expected.paths[0];
        let token = TestToken::of(expected.contract);
        let send = |request: TestRequest, outcome: &(u16, Value), what: &str| {
            let platform = TestPlatform::at(NOW);
            let answer = answer(&service, &request, &platform);
            expect(&answer, outcome, &format!("{}: {what}", expected.contract));
            assert!(platform.puts.borrow().is_empty(), "{}: {what}: nothing is written", expected.contract);
        };
        send(logout(path), &expected.missing, "no credential");
        send(logout(path).header("authorization", "Basic dTpw"), &expected.malformed, "another scheme");
        let twice = logout(path).bearer(&token.sign()).bearer(&token.sign());
        send(twice, &expected.malformed, "two credentials");
        let in_query = logout(&format!("{path}?access_token={0}&token={0}", token.sign()));
        send(in_query, &expected.missing, "a token in the query string");
        send(logout(path).bearer("not.a.jwt"), &expected.bad, "no JWT");
        send(logout(path).bearer(&token.clone().claim("aud", json!("others")).sign()), &expected.bad, "audience");
        send(logout(path).bearer(&token.clone().claim("exp", json!(now() - 6)).sign()), &expected.expired, "expired");
        let large = TestRequest::post(path).json(&" ".repeat(16 * 1024 + 1)).bearer(&token.sign());
        send(large, &expected.too_large, "a body that is too large");
    }
}

#[test]
fn a_good_token_of_another_kind_is_forbidden_only_where_that_is_published() {
    for expected in table() {
        let service = || {
            service_with(|table| {
                shipped::issuer(table, expected.contract)["required_claims"] =
                    json!({ "role": ["customer"], "scope": "a" });
            })
        };
        let token = TestToken::of(expected.contract);
        let kept = service();
        let send = |token: TestToken, platform: &TestPlatform| {
            answer(&kept, &logout(expected.paths[0]).bearer(&token.sign()), platform)
        };
        let platform = TestPlatform::at(NOW);
        expect(&send(token.clone(), &platform), &expected.other_kind, expected.contract);
        let good = token.clone().claim("role", json!(["guest", "customer"])).claim("scope", json!("x a"));
        assert_eq!(send(good, &platform).reply.status, 200, "{}", expected.contract);
        if expected.contract != "loyaltydog" {
            // Revoked by its session: that goes before its kind.
            expect(&send(token, &platform), &expected.revoked, expected.contract);
        }
    }
}

type MakeFault = fn(&TestPlatform);

/// What can go wrong with the ledger and, where that is all there is, with Workers KV.
const OF_LEDGER: [MakeFault; 6] = [
    |platform| platform.ledger_down.set(Some(LedgerFault::Error(LedgerError::Failed))),
    |platform| platform.ledger_down.set(Some(LedgerFault::Error(LedgerError::Retryable))),
    |platform| platform.ledger_down.set(Some(LedgerFault::Error(LedgerError::Overloaded))),
    |platform| platform.ledger_down.set(Some(LedgerFault::Hangs)),
    |platform| platform.ledger_down.set(Some(LedgerFault::Says(b"{}"))),
    // Its storage is full: whoever syncs does not notice.
    |platform| {
        platform.ledger_faults.borrow_mut().extend([LedgerFault::Takes(Duration::ZERO), LedgerFault::Says(FULL)]);
    },
];
/// What a shard answers to a logout when its storage is full.
const FULL: &[u8] = &[1, 7];
const OF_INDEX: [MakeFault; 4] = [
    |platform| platform.find_faults.borrow_mut().push_back(Fault::Error(IndexError::Transient)),
    |platform| platform.find_faults.borrow_mut().push_back(Fault::Hangs),
    |platform| platform.put_faults.borrow_mut().extend([Fault::Error(IndexError::Permanent)]),
    |platform| platform.put_faults.borrow_mut().push_back(Fault::Hangs),
];

#[test]
fn no_false_success() {
    for expected in table() {
        let request = logout(expected.paths[0]).bearer(&TestToken::of(expected.contract).sign());
        let faults = OF_LEDGER.map(|fault| (fault, shipped::service as fn() -> Service));
        let faults = faults.into_iter().chain(OF_INDEX.map(|fault| (fault, service_on_kv_alone as fn() -> Service)));
        for (index, (fault, service)) in faults.enumerate() {
            let (platform, service) = (TestPlatform::at(NOW), service());
            fault(&platform);
            let begin = platform.now();
            let failed = answer(&service, &request, &platform);
            expect(&failed, &expected.unavailable, &format!("{} with fault {index}", expected.contract));
            assert_eq!(failed.log.outcome.name(), "failed");
            assert_eq!(failed.reply.header("Revocation-Effective"), None);
            assert!(platform.now().since(begin) <= Duration::from_secs(3), "{} with fault {index}", expected.contract);
            platform.ledger_down.set(None);
            let again = answer(&service, &request, &platform);
            assert_eq!(again.reply.status, 200, "{} with fault {index}: trying again is safe", expected.contract);
        }
        let platform = TestPlatform::at(NOW);
        platform.crypto_fails.set(1);
        if expected.contract != "commerce-engine-storefront" {
            expect(&answer(&service(), &request, &platform), &expected.unavailable, "crypto fails");
        }
    }
}

#[test]
fn other_methods_are_told_which_one() {
    let service = service();
    let platform = TestPlatform::at(NOW);
    for expected in table() {
        for path in expected.paths {
            for method in ["GET", "PUT", "PATCH", "DELETE", "TRACE", "BREW"] {
                let answer = answer(&service, &TestRequest::new(method, path), &platform);
                assert_eq!((answer.reply.status, body(&answer)), expected.method, "{method} {path}");
                assert_eq!(answer.reply.header("Allow"), Some("POST, OPTIONS"));
            }
            let head = answer(&service, &TestRequest::new("HEAD", path), &platform);
            assert_eq!((head.reply.status, head.reply.body), (405, None), "HEAD {path}");
        }
    }
}
