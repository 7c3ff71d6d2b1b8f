//! Checks over several shards, and of many tokens at once: nobody is asked more often than needed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::authority::{BOUNDED, Isolate, LIMIT, rules, token};
use crate::support::platform::{LedgerFault, TestPlatform};
use crate::support::run;
use edge_logout::revocation::Freshness::{Eventual, Strong};
use edge_logout::revocation::{AuthorityError, Freshness, Matchable, Scope, Status, cut_off};
use edge_logout::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const SHARDS: u32 = 4;

fn tokens(count: usize) -> Vec<Matchable> {
    (0..count).map(|number| token(&format!("session-{number}"))).collect()
}

fn check(
    platform: &TestPlatform,
    isolate: &Isolate,
    tokens: &[Matchable],
    freshness: Freshness,
) -> Vec<Result<Status, AuthorityError>> {
    let tokens: Vec<_> = tokens.iter().collect();
    let known = run(isolate.on(platform).statuses(&tokens, freshness, LIMIT));
    known.into_iter().map(|known| known.map(|known| known.status)).collect()
}

#[test]
fn a_hundred_tokens_ask_every_shard_once_and_while_it_imports_the_index_a_hundred_keys_at_a_time() {
    for (freshness, syncs) in [(BOUNDED, 1), (Strong, 1), (Eventual, 0)] {
        let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(SHARDS));
        let verdicts = check(&platform, &isolate, &tokens(100), freshness);
        assert_eq!(verdicts, vec![Ok(Status::Active); 100]);
        assert_eq!(platform.asked_by_shard(SHARDS, "Sync"), [syncs; SHARDS as usize], "{freshness:?}");
        assert_eq!(platform.asked("Confirm"), 0);
        let reads: Vec<_> = platform.finds.borrow().iter().map(Vec::len).collect();
        // The tokens' own keys, and the one of their issuer.
        assert_eq!(reads, [100, 1], "{freshness:?}");
    }
    for freshness in [BOUNDED, Strong] {
        let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(SHARDS));
        assert_eq!(check(&platform, &isolate, &tokens(100), freshness), vec![Ok(Status::Active); 100]);
        assert!(platform.finds.borrow().is_empty());
    }
}

/// The first shard has the cut-offs of issuers, and decides how many shards there are.
#[test]
fn one_token_asks_the_shards_of_its_keys_and_no_other() {
    let (platform, isolate, a) = (TestPlatform::at(NOW), Isolate::new(64), token("a"));
    let own = a.keys().find(|key| key.scope == Scope::Token).unwrap().digest.shard(64);
    assert_ne!(own, 0);
    isolate.is_active(&platform, &a, BOUNDED);
    isolate.is_active(&platform, &a, Strong);
    let asked: Vec<_> = platform.asked.borrow().iter().map(|(shard, _)| *shard).collect();
    assert_eq!(asked, [0, own, 0, own]);
}

#[test]
fn issuer_cut_offs_are_known_to_whoever_asks_about_any_token() {
    for freshness in [BOUNDED, Strong] {
        let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(SHARDS));
        run(Isolate::new(SHARDS).on(&platform).revoke_all(cut_off(&rules(), None, NOW, NOW), LIMIT)).unwrap();
        assert_eq!(platform.asked("Record"), 1, "one call");
        let revoked = vec![Ok(Status::Revoked(Scope::Issuer)); 50];
        assert_eq!(check(&platform, &isolate, &tokens(50), freshness), revoked, "{freshness:?}");
    }
}

#[test]
fn a_second_batch_within_the_bound_asks_nobody() {
    let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(SHARDS));
    let tokens = tokens(100);
    check(&platform, &isolate, &tokens, BOUNDED);
    let before = platform.calls();
    platform.pass(Duration::from_secs(1));
    assert_eq!(check(&platform, &isolate, &tokens, BOUNDED), vec![Ok(Status::Active); 100]);
    assert_eq!(platform.calls(), before);
}

#[test]
fn verdicts_have_the_order_of_the_tokens() {
    for freshness in [BOUNDED, Strong] {
        let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(SHARDS));
        let tokens = tokens(50);
        for number in (0..50).step_by(7) {
            Isolate::new(SHARDS).log_out(&platform, &format!("session-{number}")).unwrap();
        }
        let verdicts = check(&platform, &isolate, &tokens, freshness);
        let revoked: Vec<_> = (0..50).filter(|number| verdicts[*number] != Ok(Status::Active)).collect();
        assert_eq!(revoked, (0..50).step_by(7).collect::<Vec<_>>(), "{freshness:?}");
    }
}

#[test]
fn a_shard_that_fails_leaves_in_doubt_only_what_it_keeps() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(SHARDS));
    let all = tokens(100);
    isolate.is_active(&platform, &all[0], BOUNDED);
    let bad = 2;
    platform.failing_shard.set(Some(bad));
    for token in &all {
        let is_kept = token.keys().any(|key| key.scope == Scope::Token && key.digest.shard(SHARDS) == bad);
        assert_eq!(isolate.check(&platform, token, Strong).is_err(), is_kept, "{token:?}");
    }
}

/// Which of them a shard keeps that fails is no reason to say less of the others.
#[test]
fn in_a_batch_too() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(SHARDS));
    let (all, bad) = (tokens(100), 2);
    platform.failing_shard.set(Some(bad));
    for (token, verdict) in all.iter().zip(check(&platform, &isolate, &all, Strong)) {
        let is_kept = token.keys().any(|key| key.scope == Scope::Token && key.digest.shard(SHARDS) == bad);
        assert_eq!(verdict.is_err(), is_kept, "{token:?}");
    }
}

/// But for the first one, which has to say first how many there are.
#[test]
fn shards_are_asked_at_the_same_time() {
    let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(SHARDS));
    platform.ledger_down.set(Some(LedgerFault::Takes(Duration::from_millis(500))));
    for (freshness, took) in [(BOUNDED, 1_000), (Strong, 500)] {
        let begin = edge_logout::ports::Clock::now(&platform);
        check(&platform, &isolate, &tokens(100), freshness);
        assert_eq!(edge_logout::ports::Clock::now(&platform).since(begin), Duration::from_millis(took));
    }
}

/// The number of shards is decided when the ledger is new; the configuration only asks for it.
#[test]
fn another_number_of_shards_than_is_configured_is_followed() {
    let name = |shard: u32| {
        (0..10_000)
            .map(|n: usize| n.to_string())
            .find(|n| token(n).keys().last().unwrap().digest.shard(8) == shard)
            .unwrap()
    };
    for configured in [1, 2, 5, 8] {
        let platform = TestPlatform::at(NOW);
        Isolate::new(SHARDS).log_out(&platform, "before").unwrap();
        let isolate = Isolate::new(configured);
        assert!(!isolate.is_active(&platform, &token("before"), BOUNDED), "{configured}");
        for number in 0..8 {
            let (here, elsewhere) = (Isolate::new(configured), Isolate::new(SHARDS));
            let name = name(number);
            assert_eq!(here.log_out(&platform, &name), Ok(()), "{configured}, {number}");
            assert!(!elsewhere.is_active(&platform, &token(&name), Strong), "{configured}, {number}");
            assert!(!Isolate::new(configured).is_active(&platform, &token(&name), Strong), "{configured}, {number}");
        }
        assert!(platform.ledger.borrow().keys().all(|shard| *shard < SHARDS), "no other shard was begun");
        assert!(isolate.is_active(&platform, &token("good"), Strong));
    }
}
