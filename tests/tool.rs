//! The Worker's code for `npm run check`: refusals, published keys, and sample tokens.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::support::asking::{Asking, refusal};
use crate::support::keys::{DISCOVERY, JWKS, key, public, set};
use crate::support::platform::TestPlatform;
use crate::support::request::TestRequest;
use crate::support::tokens::{NOW, TestToken, encode, now, sign_parts};
use crate::support::web::{Served, answer};
use crate::support::{run, shipped};
use edge_logout::config::Config;
use edge_logout::ports::WebError;
use edge_logout::tool::{findings, judge, warnings};
use serde_json::{Value, json};

/// A question about a table, as on a development machine.
fn question(table: &Value, more: &Value) -> Value {
    let environment = shipped::environment();
    let mut question = json!({ "parts": { "EDGE_LOGOUT": table }, "secrets": environment.secrets, "development": true, "ledger": environment.ledger });
    question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    question
}

fn judged_at(question: &Value, platform: &TestPlatform) -> Value {
    serde_json::from_str(&run(judge(&question.to_string(), platform)).unwrap()).unwrap()
}

/// The verdicts on a token under the shipped table after some changes.
fn verdicts(token: &str, change: impl FnOnce(&mut Value)) -> Vec<Value> {
    let mut table = shipped::table();
    change(&mut table);
    let judged = judged_at(&question(&table, &json!({ "token": token })), &TestPlatform::at(NOW));
    judged["token"].as_array().unwrap().clone()
}

/// The only verdict on a token: outcome, reason, what was expected and what was found.
fn refused(token: &str) -> [String; 3] {
    let verdicts = verdicts(token, |_| ());
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
    assert_eq!(verdicts[0]["outcome"], "refused", "{verdicts:?}");
    ["reason", "expected", "found"].map(|name| verdicts[0][name].as_str().unwrap_or_default().to_owned())
}

/// Bad tokens, with the reason, and parts of what was expected and what was found.
fn bad_tokens() -> Vec<(String, &'static str, &'static str, &'static str)> {
    let of = || TestToken::of("worth");
    let other = TestToken::of("loyaltydog");
    let foreign = TestToken { key: other.key, algorithm: of().algorithm, ..of() };
    let claim = |name: &str, value: Value| of().claim(name, value).sign();
    let large = format!("{}.{}.{}", encode("{}"), "A".repeat(9_000), encode("s"));
    let es256 = TestToken { algorithm: other.algorithm, ..of() }.header("alg", json!("RS256"));
    vec![
        (claim("cnf", json!({ "jkt": "x" })), "bound_token", "no `cnf`", r#"`cnf` {"jkt":"x"}"#),
        (claim("events", json!({})), "not_an_access_token", "without `events`", "`events`"),
        (large, "token_too_large", "8192 bytes", "9007 bytes"),
        ("one.two".to_owned(), "token_malformed", "a JWT", "2 part(s)"),
        ("a.b.c.d.e".to_owned(), "token_malformed", "a JWT", "5 part(s), as an encrypted token"),
        (format!("{}!", of().sign()), "token_malformed", "a JWT", "a signature that is not base64url"),
        (format!("{}.e30.AAAA", encode("[]")), "token_malformed", "a JWT", "a header that is no JSON object"),
        (format!("{}.e30.AAAA", encode("{}")), "token_malformed", "a JWT", "a header without a text `alg`"),
        (of().header("typ", json!("rt+jwt")).sign(), "not_an_access_token", "`typ` \"JWT\"", "`typ` \"rt+jwt\""),
        (of().header("crit", json!(["b64"])).sign(), "critical_header", "no `crit`", "`crit` [\"b64\"]"),
        (es256.sign(), "algorithm_not_allowed", "`alg` \"PS256\"", "`alg` \"RS256\""),
        (of().header("kid", json!("x")).sign(), "unknown_key", "\"development-worth\" (PS256)", "`kid` \"x\""),
        (foreign.sign(), "bad_signature", "\"development-worth\" (PS256)", "does not verify"),
        (of().sign_claims_text("[]"), "unknown_issuer", "https://auth.worth.example", "`iss` absent"),
        (claim("iss", json!("https://x.example")), "unknown_issuer", "https://auth.worth.example", "https://x.example"),
        (claim("aud", json!(["a", "b"])), "wrong_audience", "`aud` \"worth-customers\"", "`aud` [\"a\",\"b\"]"),
        (claim("aud", json!(null)), "wrong_audience", "`aud` \"worth-customers\"", "`aud` absent"),
        (claim("aud", json!(7)), "claims_malformed", "`aud` as a text or a list", "`aud` 7"),
        (claim("jti", json!({})), "claims_malformed", "`jti` as a text", "`jti` {}"),
        (claim("sid", json!("")), "claims_malformed", "`sid` as a text", "`sid` \"\""),
        (claim("sub", json!(1.5)), "claims_malformed", "`sub` as a text", "`sub` 1.5"),
        (claim("exp", json!(null)), "no_expiry", "`exp`", "none"),
        (claim("exp", json!(now() - 5)), "token_expired", "2027-01-15 08:00:00 UTC", "2027-01-15 07:59:55 UTC"),
        (claim("nbf", json!(now() + 6)), "not_yet_valid", "2027-01-15 08:00:00 UTC", "`nbf` 2027-01-15 08:00:06 UTC"),
        (claim("iat", json!(now() + 6)), "not_yet_valid", "5 s of leeway", "`iat` 2027-01-15 08:00:06 UTC"),
        (claim("exp", json!(now() + 2_592_001)), "lives_too_long", "at most 2592000 s", "2592001 s from `iat`"),
        (claim("role", json!("admin")), "wrong_kind_of_token", "`role` with \"customer\"", "`role` \"admin\""),
        (claim("role", json!(null)), "wrong_kind_of_token", "`role` with \"customer\"", "`role` absent"),
    ]
}

#[test]
fn the_first_thing_that_fails_is_named_with_what_was_expected_and_what_is_there() {
    for (token, reason, expected, found) in bad_tokens() {
        let [own_reason, own_expected, own_found] = refused(&token);
        assert_eq!(own_reason, reason, "{own_expected}; {own_found}");
        assert!(own_expected.contains(expected), "{reason}: {own_expected}");
        assert!(own_found.contains(found), "{reason}: {own_found}");
    }
}

#[test]
fn a_sample_is_judged_as_the_worker_judges_it() {
    let asking = Asking { service: shipped::service(), platform: TestPlatform::at(NOW) };
    let good = (TestToken::of("worth").sign(), "", "", "");
    for (token, reason, ..) in bad_tokens().into_iter().chain([good]) {
        let answer = asking.send(&TestRequest::new("GET", "/check").bearer(&token));
        if reason.is_empty() {
            assert!(answer.reply.status < 300);
            assert_eq!(verdicts(&token, |_| ())[0]["outcome"], "good");
        } else {
            assert_eq!(refusal(&answer).2, reason);
        }
    }
}

#[test]
fn neither_the_token_nor_its_signature_is_shown() {
    for token in bad_tokens().into_iter().map(|(token, ..)| token).chain([TestToken::of("worth").sign()]) {
        let shown = Value::from(verdicts(&token, |_| ())).to_string();
        for part in token.split('.').filter(|part| part.len() > 10) {
            assert!(!shown.contains(part), "{shown}");
        }
    }
}

#[test]
fn a_good_token_says_what_it_is_revoked_by() {
    let token = TestToken::of("commerce-engine-pos").claim("sid", Value::Null).sign();
    for given in [token.clone(), format!("Bearer {token}\n"), format!("  {token}\n")] {
        let verdicts = verdicts(&given, |_| ());
        let expected = json!([{
            "outcome": "good", "issuer": "commerce-engine-pos", "key_id": "development-commerce-engine-pos",
            "expires": "2027-01-15 09:00:00 UTC", "session_claim": "sid",
            "subject_claim": "ulid", "subject": "user-1", "token_id_claim": "jti", "token_id": "token-1",
        }]);
        assert_eq!(Value::from(verdicts), expected);
    }
    assert_eq!(refused(&format!("Bearer {token} {token}"))[0], "credential_malformed");
}

#[test]
fn a_token_of_one_of_several_issuers_with_one_iss_has_a_verdict_of_each() {
    let verdicts = verdicts(&TestToken::of("worth").sign(), |table| {
        let iss = shipped::issuer(table, "worth")["iss"].clone();
        shipped::issuer(table, "marzipan")["iss"] = iss;
    });
    let outcomes: Vec<_> = verdicts.iter().map(|verdict| (&verdict["issuer"], &verdict["outcome"])).collect();
    assert_eq!(outcomes, [(&json!("worth"), &json!("good")), (&json!("marzipan"), &json!("refused"))]);
}

#[test]
fn a_token_without_iss_is_judged_for_the_issuers_whose_tokens_carry_none() {
    let token = TestToken::of("worth").claim("iss", Value::Null).sign();
    let verdicts = verdicts(&token, |table| shipped::issuer(table, "worth")["iss"] = json!([]));
    assert_eq!((verdicts.len(), &verdicts[0]["outcome"]), (1, &json!("good")));
}

#[test]
fn keys_in_a_secret_that_is_not_known_here_are_named() {
    let token = TestToken::of("commerce-engine-storefront").sign();
    let mut question = question(&shipped::table(), &json!({ "token": token }));
    question["secrets"]["COMMERCE_ENGINE_STOREFRONT_KEY"] = Value::Null;
    let judged = judged_at(&question, &TestPlatform::at(NOW));
    assert_eq!(judged["token"][0]["reason"], "algorithm_not_allowed");
    assert!(judged["token"][0]["expected"].as_str().unwrap().contains("COMMERCE_ENGINE_STOREFRONT_KEY"));
}

/// The shipped table, with the keys of `worth` somewhere else.
fn published(settings: &Value) -> Value {
    let mut table = shipped::table();
    let worth = shipped::issuer(&mut table, "worth").as_object_mut().unwrap();
    worth.remove("jwks");
    worth.insert("algorithms".to_owned(), json!(["ES256"]));
    worth.extend(settings.as_object().unwrap().clone());
    table
}

#[test]
fn published_keys_are_reported_one_by_one() {
    let platform = TestPlatform::at(NOW);
    let enc = json!({ "kty": "EC", "crv": "P-256", "kid": "enc", "use": "enc", "x": "AA", "y": "AA" });
    let keys = json!({ "keys": [public(&key("one", 1)), enc, "text"] });
    platform.web.serve_json(JWKS, &keys, None);
    let judged = judged_at(&question(&published(&json!({ "jwks_url": JWKS })), &json!({ "online": true })), &platform);
    let expected = json!([{
        "issuer": "worth", "requests": [{ "url": JWKS, "status": 200 }], "iss": [],
        "taken": [{ "kid": "one", "alg": "ES256", "usable": true }],
        "refused": [{ "kid": "enc", "reason": "other_use" }, { "reason": "no_jwk" }],
    }]);
    assert_eq!(judged["keys"], expected);
}

#[test]
fn a_key_that_the_runtime_cannot_use_is_told() {
    let platform = TestPlatform::at(NOW);
    platform.web.serve_json(JWKS, &set(&[&key("one", 1)]), None);
    platform.crypto_fails.set(10);
    let mut token = TestToken::of("worth");
    (token.key, token.algorithm) = (key("one", 1), edge_logout::token::Algorithm::Es256);
    let token = token.header("alg", json!("ES256")).header("kid", json!("one")).sign();
    let more = json!({ "online": true, "token": token });
    let judged = judged_at(&question(&published(&json!({ "jwks_url": JWKS })), &more), &platform);
    assert_eq!(judged["keys"][0]["taken"], json!([{ "kid": "one", "alg": "ES256", "usable": false }]));
    let verdict = &judged["token"][0];
    assert_eq!((&verdict["outcome"], &verdict["reason"]), (&json!("cannot_tell"), &json!("cannot_verify")));
    assert!(verdict["found"].as_str().unwrap().contains("\"one\""), "{verdict}");
}

#[test]
fn why_there_are_no_keys_is_told_with_url_and_status() {
    let iss = "https://id.example";
    let document = |issuer: &str, url: &str| json!({ "issuer": issuer, "jwks_uri": url }).to_string();
    let says = |status, body: &str| Served::Answer(answer(status, body, None));
    let cases = [
        (says(404, "{}"), "bad_status", Some(404), None),
        (says(302, ""), "redirected", Some(302), None),
        (says(200, "<!doctype html>"), "html", Some(200), None),
        (says(200, "nothing"), "unreadable", Some(200), None),
        (says(200, &"x".repeat(70_000)), "too_large", Some(200), None),
        (Served::Error(WebError::Unreachable), "unreachable", None, None),
        (Served::Hangs, "timed_out", None, None),
        (says(200, &document("https://x.example", JWKS)), "issuer_mismatch", Some(200), Some("https://x.example")),
        (says(200, &document(iss, "http://x.example")), "bad_jwks_uri", Some(200), Some("http://x.example")),
    ];
    for (served, problem, status, found) in cases {
        let platform = TestPlatform::at(NOW);
        platform.web.serve(DISCOVERY, served);
        let table = published(&json!({ "discovery_url": DISCOVERY, "iss": iss }));
        let token = TestToken::of("worth").claim("iss", json!(iss)).header("alg", json!("ES256")).sign();
        let judged = judged_at(&question(&table, &json!({ "online": true, "token": token })), &platform);
        let mut expected = json!([{
            "issuer": "worth", "requests": [{ "url": DISCOVERY, "status": status }], "problem": problem, "iss": [iss],
            "taken": [], "refused": [],
        }]);
        if let Some(found) = found {
            expected[0]["found"] = json!(found);
        }
        assert_eq!(judged["keys"], expected);
        assert_eq!(judged["token"][0]["reason"], "keys_fetch_failed", "{problem}");
        assert_eq!(platform.web.asked.borrow().len(), 1, "{problem}: the token does not make it ask once more");
    }
}

#[test]
fn without_online_it_says_that_keys_would_have_to_be_fetched() {
    let platform = TestPlatform::at(NOW);
    let mut token = TestToken::of("worth");
    (token.key, token.algorithm) = (key("one", 1), edge_logout::token::Algorithm::Es256);
    let token = token.header("alg", json!("ES256")).header("kid", json!("one")).sign();
    let table = published(&json!({ "jwks_url": format!("{JWKS}?key=secret") }));
    let judged = judged_at(&question(&table, &json!({ "token": token })), &platform);
    assert_eq!(judged["keys"], Value::Null);
    let verdict = &judged["token"][0];
    assert_eq!((&verdict["outcome"], &verdict["reason"]), (&json!("cannot_tell"), &json!("keys_not_fetched")));
    assert_eq!(verdict["expected"], format!("keys from {JWKS}"), "without the query, which may hold a secret");
    let wrong = sign_parts(
        r#"{"alg":"PS256"}"#,
        &TestToken::of("worth").claims.to_string(),
        token_algorithm(),
        &shipped::key("worth"),
    );
    let judged = judged_at(&question(&table, &json!({ "token": wrong })), &platform);
    assert_eq!(judged["token"][0]["reason"], "algorithm_not_allowed", "what fails without any key is told");
}

fn token_algorithm() -> edge_logout::token::Algorithm {
    TestToken::of("worth").algorithm
}

#[test]
fn refusals_are_the_workers_own() {
    let found =
        |question: &Value| -> Vec<String> { serde_json::from_str(&findings(&question.to_string()).unwrap()).unwrap() };
    assert_eq!(found(&question(&shipped::table(), &json!({}))), Vec::<String>::new());
    assert_eq!(found(&question(&Value::Null, &json!({}))), ["vars.EDGE_LOGOUT: must be a table; got nothing"]);
    let none = found(&question(&Value::Null, &json!({ "parts": {} })));
    assert!(none.len() == 1 && none[0].starts_with("vars.EDGE_LOGOUT"), "{none:?}");
    let mut table = shipped::table();
    shipped::issuer(&mut table, "worth")["algorithms"] = json!(["none"]);
    let refused = found(&question(&table, &json!({})));
    let of_worker = Config::parse(&table.to_string(), &shipped::environment()).unwrap_err();
    assert_eq!(refused, of_worker.0.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert!(!refused.is_empty());
    let deployed =
        found(&question(&published(&json!({ "jwks_url": "http://localhost/jwks" })), &json!({ "deployment": true })));
    assert_eq!(deployed.len(), 1, "what is too weak where it is deployed: {deployed:?}");
    let judged = judged_at(&question(&table, &json!({ "token": "a.b.c", "online": true })), &TestPlatform::at(NOW));
    assert_eq!(judged, json!({ "refused": true }));
    for nonsense in ["", "[]", "{\"secrets\":{\"A\":1}}"] {
        assert!(findings(nonsense).is_err(), "{nonsense}");
    }
}

#[test]
fn a_rule_that_a_laxer_one_undermines_is_told_by_both_names() {
    let of = |settings: Value| -> Vec<String> {
        let mut table = shipped::table();
        shipped::add_guard(&mut table, &json!({ "paths": ["/pub/*"] }));
        shipped::add_guard(&mut table, &settings);
        serde_json::from_str(&warnings(&question(&table, &json!({})).to_string()).unwrap()).unwrap()
    };
    let exact = json!({ "paths": ["/pub/admin"], "issuers": ["marzipan"] });
    let found = of(exact.clone());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("\"/pub/admin\"") && found[0].contains("\"/pub/*\""), "{found:?}");
    let mut closed = exact;
    closed["subtree"] = json!(true);
    assert!(of(closed).is_empty());
}
