//! What holds of every logout: what it leaves behind names nobody, and what it ends stays ended.

#![allow(
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::rc::Rc;
use std::time::Duration;

use crate::support::authority::{Isolate, LIMIT};
use crate::support::platform::TestPlatform;
use crate::support::request::TestRequest;
use crate::support::run;
use crate::support::shipped::{self, both_services};
use crate::support::tokens::{NOW, TestToken, now};
use edge_logout::config::{Config, Issuer, Tokens};
use edge_logout::ports::Clock;
use edge_logout::revocation::{Freshness, Logout, Matchable, RevocableToken, RevocationRules, Scope, logout_of};
use edge_logout::token::{JwtRules, VerifiedToken, verify};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn nothing_that_names_anybody_is_stored_or_logged() {
    for contract in ["loyaltydog", "worth", "marzipan", "commerce-engine-pos", "commerce-engine-storefront"] {
        for (storage, service) in both_services() {
            let platform = TestPlatform::at(NOW);
            let token = TestToken::of(contract).claim("email", json!("jane@shop.example"));
            let path = edge_logout::contracts::ALL.iter().find(|own| own.name() == contract).unwrap().paths()[0];
            let request = TestRequest::post(path).bearer(&token.sign()).json(r#"{"sessionToken":"opaque-session"}"#);
            let answer = run(service.answer(&request, &platform));
            assert_eq!(answer.reply.status, 200, "{contract} {storage}");
            let check = TestRequest::new("GET", "/check").bearer(&token.sign());
            let checked = run(service.answer(&check, &platform));
            platform.live_on(Duration::from_secs(2));
            let logs = [&answer.log, &checked.log].map(edge_logout::log::LogLine::text);
            let shards: Vec<_> =
                platform.ledger.borrow().values().map(|shard| format!("{:?}", shard.borrow().rows)).collect();
            assert_eq!(shards.is_empty(), storage == "on KV alone");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let asked: Vec<_> = platform.asked.borrow().iter().map(|(_, call)| text(&call.write())).collect();
            let shared: Vec<_> =
                platform.shared.borrow().iter().map(|(name, bytes)| name.clone() + &text(bytes)).collect();
            let index = &platform.index;
            let left = format!("{index:?} {shards:?} {asked:?} {shared:?} {logs:?}");
            for name in ["session-1", "user-1", "token-1", "jane", "opaque-session", &token.sign()[..40]] {
                assert!(!left.contains(name), "{contract} leaves {name} behind {storage}: {left}");
            }
        }
    }
}

fn pos_rules() -> (JwtRules, RevocationRules) {
    let Config { issuers, routes, .. } = shipped::parse(&shipped::table()).unwrap();
    drop(routes);
    let issuer = issuers.into_iter().find(|issuer| issuer.name == "commerce-engine-pos").unwrap();
    let Issuer { tokens, revocation, .. } = Rc::into_inner(issuer).unwrap();
    match tokens {
        Tokens::Jwt(rules) => (*rules, revocation),
        Tokens::Opaque => panic!("JWTs"),
    }
}

/// Logs a token out on one isolate; gives whether another one ever says that it is active, from then on until it expires.
fn lives_on(
    isolates: [Isolate; 2],
    freshness: Freshness,
    token: &VerifiedToken,
    logout: &Logout,
    rules: &RevocationRules,
) -> bool {
    let platform = TestPlatform::at(NOW);
    let [answering, other] = isolates;
    let matchable = Matchable::new(RevocableToken::Jwt(token), rules);
    if freshness != Freshness::Eventual {
        other.is_active(&platform, &matchable, freshness);
    }
    run(answering.on(&platform).revoke(logout, LIMIT)).unwrap();
    let at_once = answering.is_active(&platform, &matchable, freshness);
    platform.live_on(Duration::from_millis(1_001));
    let life = token.expires_at().plus(Duration::from_secs(5)).since(platform.now());
    let soon = other.is_active(&platform, &matchable, freshness);
    platform.live_on(life.saturating_sub(Duration::from_millis(1)));
    at_once || soon || other.is_active(&platform, &matchable, freshness)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// The law of both sides: whatever a logout ends, the token itself is revoked from then on, until it expires.
    #[test]
    fn what_is_logged_out_is_revoked_until_it_expires(
        names in proptest::sample::subsequence(vec!["jti", "sid", "ulid", "iat"], 0..=4),
        scopes in proptest::sample::subsequence(vec![Scope::Token, Scope::Session, Scope::Subject], 1..=3),
        iat in now() - 1000..=now() + 5,
        life in 1i64..=3600,
    ) {
        let (rules, revocation) = pos_rules();
        let without = |token: TestToken, name: &&str| token.claim(name, Value::Null);
        let token = names.iter().fold(TestToken::of("commerce-engine-pos").claim("iat", json!(iat)), without);
        let token = token.claim("exp", json!(now() + life)).sign();
        let token = run(verify(&token, &rules, NOW, &TestPlatform::at(NOW))).unwrap();
        let logout = logout_of(RevocableToken::Jwt(&token), &scopes, &revocation, NOW);
        for freshness in [Freshness::Strong, Freshness::DEFAULT, Freshness::Eventual] {
            let isolates = [Isolate::new(2), Isolate::new(2)];
            prop_assert!(!lives_on(isolates, freshness, &token, &logout, &revocation), "{freshness:?} with the ledger");
        }
        let isolates = [Isolate::on_kv_alone(), Isolate::on_kv_alone()];
        prop_assert!(!lives_on(isolates, Freshness::Eventual, &token, &logout, &revocation), "on KV alone");
    }
}
