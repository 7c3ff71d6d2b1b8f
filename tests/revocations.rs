//! Revocations: what is written, how long, in which order, and through which faults.

#![allow(
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod support;

use std::cell::RefCell;
use std::time::Duration;

use edge_logout::config::{Config, Tokens};
use edge_logout::ports::{Clock, IndexError};
use edge_logout::revocation::{
    Ended, KvLifetime, Revocation, RevocationRules, Scope, Status, revocations_for, status, write,
};
use edge_logout::service::Service;
use edge_logout::time::Timestamp;
use edge_logout::token::{OpaqueToken, VerifiedToken, verify};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::platform::{Fault, TestPlatform};
use support::request::TestRequest;
use support::run;
use support::shipped::{self, service, service_with};
use support::tokens::{NOW, TestToken, now};

const LIMIT: Duration = Duration::from_secs(3);
const MONTH: i64 = 30 * 24 * 3600;

fn rules() -> RevocationRules {
    let leeway = Duration::from_secs(5);
    RevocationRules { issuer: "pos".to_owned(), leeway, longest_lifetime: Duration::from_secs(MONTH.unsigned_abs()) }
}

fn verified(token: &TestToken) -> VerifiedToken {
    let config = shipped::parse(&shipped::table()).unwrap();
    let issuer = config.issuers.iter().find(|issuer| issuer.name == "commerce-engine-pos").unwrap();
    let Tokens::Jwt(rules) = &issuer.tokens else { panic!("JWTs") };
    run(verify(&token.sign(), rules, NOW, &TestPlatform::default())).unwrap()
}

fn pos() -> TestToken {
    TestToken::of("commerce-engine-pos")
}

fn scopes(token: &TestToken, wanted: &[Scope]) -> Vec<Scope> {
    let token = verified(token);
    revocations_for(Ended::Jwt(&token), wanted, &rules(), NOW).iter().map(|revocation| revocation.scope).collect()
}

#[test]
fn a_token_without_what_is_wanted_is_ended_by_what_it_has() {
    use Scope::{Session, Subject, Token};
    let without = |names: &[&str]| names.iter().fold(pos(), |token, name| token.claim(name, Value::Null));
    assert_eq!(scopes(&pos(), &[Token, Session]), [Session, Token], "the broad one is written first");
    assert_eq!(scopes(&pos(), &[Session]), [Session]);
    assert_eq!(scopes(&without(&["sid"]), &[Token, Session]), [Token]);
    assert_eq!(scopes(&without(&["sid"]), &[Session]), [Subject], "every token of the user issued up to now");
    assert_eq!(scopes(&without(&["sid", "ulid"]), &[Session]), [Token]);
    assert_eq!(scopes(&without(&["ulid"]), &[Subject]), [Token]);
    assert_eq!(scopes(&without(&["jti"]), &[Token]), [Token]);
}

#[test]
fn revocations_live_as_long_as_what_they_end() {
    let token = verified(&pos());
    let all = revocations_for(Ended::Jwt(&token), &[Scope::Token, Scope::Session, Scope::Subject], &rules(), NOW);
    let expiry: Vec<_> = all.iter().map(|revocation| (revocation.scope, revocation.expires_at)).collect();
    // A cut-off: a clock that is ahead by the leeway, a check that is behind by it, and a double click.
    let cut_off = Timestamp::from_seconds(now() + MONTH + 13);
    let of_token = Timestamp::from_seconds(now() + 3600 + 5);
    assert_eq!(expiry, [(Scope::Subject, cut_off), (Scope::Session, cut_off), (Scope::Token, of_token)]);
    assert_eq!(all[2].entry(NOW).lifetime, KvLifetime::Until(u32::try_from(now() + 3605).unwrap()));
    let opaque = revocations_for(Ended::Opaque(OpaqueToken("x")), &[Scope::Token], &rules(), NOW);
    assert_eq!(opaque[0].expires_at, cut_off);
}

#[test]
fn a_cut_off_ends_what_was_issued_up_to_it() {
    let platform = TestPlatform::at(NOW);
    let ended = verified(&pos().claim("sid", Value::Null));
    run(write(&platform, &revocations_for(Ended::Jwt(&ended), &[Scope::Session], &rules(), NOW), LIMIT)).unwrap();
    let active = |token: TestToken| {
        let token = verified(&token);
        run(status(&platform, Ended::Jwt(&token), "pos", token.issued_at(), LIMIT)).unwrap() == Status::Active
    };
    assert!(!active(pos()), "issued at that second");
    assert!(!active(pos().claim("iat", json!(now() - 100)).claim("jti", json!("token-2"))), "issued before");
    assert!(!active(pos().claim("iat", Value::Null)), "nobody knows when it was issued");
    assert!(active(pos().claim("iat", json!(now() + 1))), "a new log-in");
    assert!(active(pos().claim("ulid", json!("user-2"))), "another user");
}

#[test]
fn a_later_logout_takes_nothing_back() {
    let platform = TestPlatform::at(NOW);
    let log_out = |iat: i64| {
        let token = verified(&pos().claim("sid", Value::Null).claim("iat", json!(iat)));
        run(write(&platform, &revocations_for(Ended::Jwt(&token), &[Scope::Session], &rules(), NOW), LIMIT)).unwrap();
        token
    };
    let from_a_clock_ahead = log_out(now() + 4);
    log_out(now());
    let known = run(status(&platform, Ended::Jwt(&from_a_clock_ahead), "pos", from_a_clock_ahead.issued_at(), LIMIT));
    assert_eq!(known, Ok(Status::Revoked(Scope::Subject)));
}

#[test]
fn a_value_that_cannot_be_read_revokes() {
    let platform = TestPlatform::at(NOW);
    let token = verified(&pos());
    run(write(&platform, &revocations_for(Ended::Jwt(&token), &[Scope::Session], &rules(), NOW), LIMIT)).unwrap();
    platform.index.borrow_mut().values_mut().for_each(|entry| "?".clone_into(&mut entry.value));
    let known = run(status(&platform, Ended::Jwt(&token), "pos", token.issued_at(), LIMIT));
    assert_eq!(known, Ok(Status::Revoked(Scope::Session)));
}

fn two() -> Vec<Revocation> {
    let token = verified(&pos());
    revocations_for(Ended::Jwt(&token), &[Scope::Token, Scope::Session], &rules(), NOW)
}

/// Writes two revocations with these faults in the way: what came of it, how many puts, how long.
fn write_through(faults: &[Fault]) -> (Result<(), IndexError>, usize, Duration, Vec<String>) {
    let platform = TestPlatform::at(NOW);
    platform.put_faults.borrow_mut().extend(faults.iter().copied());
    let written = run(write(&platform, &two(), LIMIT));
    let puts = platform.puts.borrow().len();
    (written, puts, platform.now().since(NOW), platform.scopes())
}

#[test]
fn faults_that_pass_are_retried() {
    use IndexError::{RateLimited, Transient};
    for faults in [
        vec![Fault::Error(Transient)],
        vec![Fault::Error(RateLimited)],
        vec![Fault::Error(Transient), Fault::Error(RateLimited), Fault::Error(Transient)],
        vec![Fault::WrittenBut(Transient)],
    ] {
        let (written, puts, took, scopes) = write_through(&faults);
        assert_eq!((written, puts), (Ok(()), 2 + faults.len()), "{faults:?}");
        assert_eq!(scopes, ["session", "token"], "{faults:?}");
        assert!(took <= LIMIT, "{faults:?} took {took:?}");
    }
}

#[test]
fn faults_that_do_not_pass_are_told() {
    use IndexError::{Permanent, TimedOut, Transient};
    assert_eq!(write_through(&[Fault::Error(Permanent)]).0, Err(Permanent));
    assert_eq!(write_through(&[Fault::Hangs]).0, Err(TimedOut));
    let (written, puts, _, scopes) = write_through(&[Fault::Error(Transient); 20]);
    assert_eq!((written, puts, scopes.len()), (Err(Transient), 5, 0));
}

#[test]
fn the_narrow_revocation_is_never_there_without_the_broad_one() {
    let (written, _, _, scopes) = write_through(&[Fault::Error(IndexError::Permanent)]);
    assert_eq!((written.is_err(), scopes.len()), (true, 0), "the token may not be written where its session is not");
}

#[test]
fn too_many_writes_of_what_is_there_already_count_as_done() {
    let platform = TestPlatform::at(NOW);
    run(write(&platform, &two(), LIMIT)).unwrap();
    platform.pass(Duration::from_millis(20));
    platform.put_faults.borrow_mut().extend([Fault::Error(IndexError::RateLimited); 2]);
    let again =
        revocations_for(Ended::Jwt(&verified(&pos())), &[Scope::Token, Scope::Session], &rules(), platform.now());
    assert_eq!(run(write(&platform, &again, LIMIT)), Ok(()));
    assert_eq!(platform.puts.borrow().len(), 4, "neither was tried twice");
    // What is there but ends sooner does not count.
    platform.put_faults.borrow_mut().push_back(Fault::Error(IndexError::RateLimited));
    let longer = revocations_for(
        Ended::Jwt(&verified(&pos().claim("exp", json!(now() + 7200)))),
        &[Scope::Token],
        &rules(),
        NOW,
    );
    assert_eq!(run(write(&platform, &longer, LIMIT)), Ok(()));
    assert_eq!(platform.puts.borrow().len(), 6);
}

#[test]
fn nothing_that_names_anybody_is_stored_or_logged() {
    let service = service();
    for contract in ["loyaltydog", "worth", "marzipan", "commerce-engine-pos", "commerce-engine-storefront"] {
        let platform = TestPlatform::at(NOW);
        let token = TestToken::of(contract).claim("email", json!("jane@shop.example"));
        let path = edge_logout::contracts::ALL.iter().find(|own| own.name() == contract).unwrap().paths()[0];
        let request = TestRequest::post(path).bearer(&token.sign()).json(r#"{"sessionToken":"opaque-session"}"#);
        let answer = run(service.answer(&request, &platform));
        assert_eq!(answer.reply.status, 200, "{contract}");
        let left = format!("{:?} {}", platform.index.borrow(), serde_json::to_string(&answer.log).unwrap());
        for name in ["session-1", "user-1", "token-1", "jane", "opaque-session", &token.sign()[..40]] {
            assert!(!left.contains(name), "{contract} leaves {name} behind: {left}");
        }
    }
}

#[test]
fn a_storefronts_shopper_goes_on_as_a_visitor() {
    let platform = TestPlatform::at(NOW);
    let service = service();
    let token = TestToken::of("commerce-engine-storefront")
        .claim("store_id", json!("store-1"))
        .claim("channel", json!({ "id": "web" }))
        .claim("email", json!("jane@shop.example"));
    let post = |token: &str| run(service.answer(&TestRequest::post("/auth/logout").bearer(token), &platform));
    let body: Value = serde_json::from_str(&post(&token.sign()).reply.body.unwrap()).unwrap();
    let user = &body["content"]["user"];
    assert_eq!(
        (&user["id"], &user["email"], &user["is_logged_in"]),
        (&json!("user-1"), &json!("jane@shop.example"), &json!(false))
    );
    assert_eq!(
        (&user["phone"], &user["is_phone_verified"], &user["login_methods"]),
        (&Value::Null, &json!(false), &json!([]))
    );
    let claims_of = |token: &Value| -> Value {
        use base64ct::{Base64UrlUnpadded, Encoding};
        let claims = token.as_str().unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&Base64UrlUnpadded::decode_vec(claims).unwrap()).unwrap()
    };
    let (access, refresh) = (claims_of(&body["content"]["access_token"]), claims_of(&body["content"]["refresh_token"]));
    assert_eq!((&access["store_id"], &access["channel"]), (&json!("store-1"), &json!({ "id": "web" })));
    assert_eq!((&access["is_anonymous"], &access["is_logged_in"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&access["iat"], &access["exp"], &refresh["exp"]),
        (&json!(now()), &json!(now() + 3600), &json!(now() + MONTH))
    );
    assert_eq!((&access["sid"], &access["ulid"]), (&refresh["sid"], &refresh["ulid"]));
    assert_ne!(access["jti"], refresh["jti"]);
    assert_eq!(access["ulid"].as_str().unwrap().len(), 26);
    assert_eq!(post(body["content"]["refresh_token"].as_str().unwrap()).reply.status, 401, "no access token");
    assert_eq!(post(body["content"]["access_token"].as_str().unwrap()).reply.status, 200, "the visitor can go, too");
}

#[test]
fn a_visitors_session_ends_by_the_issuers_own_names() {
    let service = service_with(|table| {
        shipped::issuer(table, "commerce-engine-storefront")["claims"] =
            json!({ "subject": "user_id", "session": "session_id" });
    });
    let platform = TestPlatform::at(NOW);
    let post = |token: &str| run(service.answer(&TestRequest::post("/auth/logout").bearer(token), &platform));
    let body: Value =
        serde_json::from_str(&post(&TestToken::of("commerce-engine-storefront").sign()).reply.body.unwrap()).unwrap();
    platform.index.borrow_mut().clear();
    assert_eq!(post(body["content"]["access_token"].as_str().unwrap()).reply.status, 200);
    assert_eq!(platform.scopes(), ["session", "token"]);
}

#[test]
fn a_user_directory_decides_who_is_known() {
    let service =
        service_with(|table| shipped::route(table, "commerce-engine-storefront")["user_directory"] = json!("USERS"));
    let logout = |platform: &TestPlatform| {
        let token = TestToken::of("commerce-engine-storefront").claim("email", json!("old@shop.example")).sign();
        let answer = run(service.answer(&TestRequest::post("/auth/logout").bearer(&token), platform));
        let body: Value = serde_json::from_str(&answer.reply.body.unwrap()).unwrap();
        (answer.reply.status, body, answer.log.outcome, platform.index.borrow().len())
    };
    let with = |users: Option<&[(&str, &str)]>| {
        let mut platform = TestPlatform::at(NOW);
        platform.directory =
            users.map(|users| users.iter().map(|(id, user)| ((*id).to_owned(), (*user).to_owned())).collect());
        logout(&platform)
    };
    let (status, body, outcome, written) =
        with(Some(&[("user-1", r#"{"email":"new@shop.example","is_email_verified":true}"#)]));
    let user = &body["content"]["user"];
    assert_eq!((status, outcome, written), (200, "revoked", 2));
    assert_eq!(
        (&user["email"], &user["is_email_verified"], &user["id"]),
        (&json!("new@shop.example"), &json!(true), &json!("user-1"))
    );
    let (status, body, outcome, written) = with(Some(&[]));
    assert_eq!(
        (status, &body["code"], outcome, written),
        (404, &json!("not_found"), "revoked", 2),
        "revoked all the same"
    );
    for failing in [None, Some([("user-1", "no JSON")].as_slice())] {
        let (status, body, _, written) = with(failing);
        assert_eq!((status, written), (200, 2), "the session has ended, whatever the directory does");
        assert_eq!(body["content"]["user"]["email"], "old@shop.example");
    }
}

#[test]
fn a_session_is_deleted_from_the_vendors_store_as_well() {
    let mut table = shipped::table();
    shipped::route(&mut table, "loyaltydog")["session_store"] =
        json!({ "url_secret": "REDIS", "key_prefix": "session:" });
    let mut environment = shipped::environment();
    environment.secrets.insert("REDIS".to_owned(), "redis://127.0.0.1".to_owned());
    let service = Service::new(Config::parse(&table.to_string(), &environment).unwrap());
    let request = TestRequest::post("/v2/giftcards/customers/logout")
        .bearer(&TestToken::of("loyaltydog").sign())
        .json(r#"{"sessionToken":"abc"}"#);
    let mut platform = TestPlatform::at(NOW);
    let failed = run(service.answer(&request, &platform));
    assert_eq!(
        (failed.reply.status, failed.log.reason),
        (503, Some("session_store_unavailable")),
        "{:?}",
        failed.reply
    );
    assert_eq!(platform.scopes(), ["token"], "revoked here all the same");
    platform.sessions = Some(RefCell::new(vec!["session:abc".to_owned(), "session:abcd".to_owned()]));
    assert_eq!(run(service.answer(&request, &platform)).reply.status, 200, "trying again is safe");
    assert_eq!(platform.sessions.unwrap().into_inner(), ["session:abcd"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// The law of both sides: whatever a logout ends, the token itself is revoked from then on, until it expires.
    #[test]
    fn what_is_logged_out_is_revoked_until_it_expires(
        names in proptest::sample::subsequence(vec!["jti", "sid", "ulid", "iat"], 0..=4),
        scopes in proptest::sample::subsequence(vec![Scope::Token, Scope::Session, Scope::Subject], 1..=3),
        iat in now() - 1000..=now() + 5,
        life in 1i64..=3600,
    ) {
        let token = names.iter().fold(pos().claim("iat", json!(iat)), |token, name| token.claim(name, Value::Null));
        let token = verified(&token.claim("exp", json!(now() + life)));
        let platform = TestPlatform::at(NOW);
        let revocations = revocations_for(Ended::Jwt(&token), &scopes, &rules(), NOW);
        prop_assert!(!revocations.is_empty());
        run(write(&platform, &revocations, LIMIT)).unwrap();
        let last = (Duration::from_secs(life.unsigned_abs()) + rules().leeway).saturating_sub(Duration::from_millis(1));
        for later in [Duration::ZERO, last] {
            platform.pass(later);
            let known = run(status(&platform, Ended::Jwt(&token), "pos", token.issued_at(), LIMIT)).unwrap();
            prop_assert!(known != Status::Active, "{later:?} later");
        }
    }
}
