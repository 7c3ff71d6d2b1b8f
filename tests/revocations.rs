//! Revocations: what is written, how long, in which order, and through which faults.

#![allow(
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::rc::Rc;
use std::time::Duration;

use crate::support::platform::{Fault, TestPlatform};
use crate::support::run;
use crate::support::shards::SETTLING;
use crate::support::shipped;
use crate::support::tokens::{NOW, TestToken, now};
use edge_logout::config::Tokens;
use edge_logout::ports::{Clock, IndexError};
use edge_logout::ports::{KvEntry, KvLifetime};
use edge_logout::revocation::{
    Authority, Freshness, Logout, Matchable, Replica, RevocableToken, RevocationRules, Scope, Status, logout_of, write,
};
use edge_logout::time::Timestamp;
use edge_logout::token::{OpaqueToken, VerifiedToken, verify};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(3);
const MONTH: i64 = 30 * 24 * 3600;

fn rules() -> RevocationRules {
    let leeway = Duration::from_secs(5);
    let longest_lifetime = Duration::from_secs(MONTH.unsigned_abs());
    RevocationRules { issuer: "pos".to_owned(), leeway, longest_lifetime, digests: Rc::default() }
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

/// Whether KV alone says of a token that it is revoked.
fn status(platform: &TestPlatform, token: &VerifiedToken) -> Status {
    let replica = Replica::new(0);
    let authority = Authority { platform, replica: &replica, ledger: None, settling: SETTLING };
    let matchable = Matchable::new(RevocableToken::Jwt(token), &rules());
    run(authority.status(&matchable, Freshness::Eventual, LIMIT)).unwrap().status
}

fn scopes(token: &TestToken, wanted: &[Scope]) -> Vec<Scope> {
    let token = verified(token);
    let logout = logout_of(RevocableToken::Jwt(&token), wanted, &rules(), NOW);
    let token_revocation = logout.token_revocation();
    [Some(logout.widest), token_revocation].into_iter().flatten().map(|revocation| revocation.scope).collect()
}

#[test]
fn a_token_without_what_is_wanted_is_ended_by_what_it_has() {
    use Scope::{Session, Subject, Token};
    let without = |names: &[&str]| names.iter().fold(pos(), |token, name| token.claim(name, Value::Null));
    assert_eq!(scopes(&pos(), &[Token, Session]), [Session, Token], "the widest one, and the token's own");
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
    let of = |scopes: &[Scope]| logout_of(RevocableToken::Jwt(&token), scopes, &rules(), NOW);
    // A cut-off: a clock that is ahead by the leeway, a check that is behind by it, and a double click.
    let cut_off = Timestamp::from_seconds(now() + MONTH + 13);
    let token_revocation = Timestamp::from_seconds(now() + 3600 + 5);
    let expiry = |scopes: &[Scope]| (of(scopes).widest.scope, of(scopes).widest.expires_at);
    assert_eq!(expiry(&[Scope::Token, Scope::Session, Scope::Subject]), (Scope::Subject, cut_off));
    assert_eq!(expiry(&[Scope::Session, Scope::Token]), (Scope::Session, cut_off));
    assert_eq!(expiry(&[Scope::Token]), (Scope::Token, token_revocation));
    let own = of(&[Scope::Token, Scope::Session]).token_revocation().unwrap();
    assert_eq!(
        (own.scope, own.expires_at, own.digest),
        (Scope::Token, token_revocation, of(&[Scope::Token]).widest.digest)
    );
    assert_eq!(KvEntry::of(&own, NOW).lifetime, KvLifetime::Until(u32::try_from(now() + 3605).unwrap()));
    assert_eq!(of(&[Scope::Session]).token_revocation(), None, "nobody asked for it");
    let opaque = logout_of(RevocableToken::Opaque(OpaqueToken("x")), &[Scope::Token], &rules(), NOW);
    assert_eq!((opaque.widest.expires_at, opaque.token), (cut_off, None));
}

#[test]
fn a_cut_off_ends_what_was_issued_up_to_it() {
    let platform = TestPlatform::at(NOW);
    let ended = verified(&pos().claim("sid", Value::Null));
    run(write(&platform, &logout_of(RevocableToken::Jwt(&ended), &[Scope::Session], &rules(), NOW), LIMIT)).unwrap();
    let active = |token: TestToken| {
        let token = verified(&token);
        status(&platform, &token) == Status::Active
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
        run(write(&platform, &logout_of(RevocableToken::Jwt(&token), &[Scope::Session], &rules(), NOW), LIMIT))
            .unwrap();
        token
    };
    let from_a_clock_ahead = log_out(now() + 4);
    log_out(now());
    assert_eq!(status(&platform, &from_a_clock_ahead), Status::Revoked(Scope::Subject));
}

#[test]
fn a_value_that_cannot_be_read_revokes() {
    let platform = TestPlatform::at(NOW);
    let token = verified(&pos());
    run(write(&platform, &logout_of(RevocableToken::Jwt(&token), &[Scope::Session], &rules(), NOW), LIMIT)).unwrap();
    platform.index.borrow_mut().values_mut().for_each(|entry| "?".clone_into(&mut entry.value));
    assert_eq!(status(&platform, &token), Status::Revoked(Scope::Session));
}

fn two() -> Logout {
    let token = verified(&pos());
    logout_of(RevocableToken::Jwt(&token), &[Scope::Token, Scope::Session], &rules(), NOW)
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
    let (written, puts, took, scopes) = write_through(&[Fault::Error(Transient); 20]);
    assert!(matches!(written, Err(Transient | TimedOut)) && scopes.is_empty(), "{written:?} {scopes:?}");
    assert!((4..=5).contains(&puts) && took <= LIMIT, "{puts} tries in {took:?}");
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
        logout_of(RevocableToken::Jwt(&verified(&pos())), &[Scope::Token, Scope::Session], &rules(), platform.now());
    assert_eq!(run(write(&platform, &again, LIMIT)), Ok(()));
    assert_eq!(platform.puts.borrow().len(), 4, "neither was tried twice");
    // What is there but ends sooner does not count.
    platform.put_faults.borrow_mut().push_back(Fault::Error(IndexError::RateLimited));
    let longer = logout_of(
        RevocableToken::Jwt(&verified(&pos().claim("exp", json!(now() + 7200)))),
        &[Scope::Token],
        &rules(),
        NOW,
    );
    assert_eq!(run(write(&platform, &longer, LIMIT)), Ok(()));
    assert_eq!(platform.puts.borrow().len(), 6);
}
