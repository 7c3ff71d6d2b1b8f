//! Checks over several shards, and of many tokens at once: nobody is asked more often than needed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::authority::{BOUNDED, Isolate, LIMIT, token};
use crate::support::platform::{LedgerFault, TestPlatform};
use crate::support::run;
use edge_logout::ports::LedgerError;
use edge_logout::revocation::Freshness::{Eventual, Strong};
use edge_logout::revocation::{Doubt, Freshness, Matchable, Status};
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
) -> Vec<Result<Status, Doubt>> {
    let tokens: Vec<_> = tokens.iter().collect();
    let known = run(isolate.on(platform).statuses(&tokens, freshness, LIMIT));
    known.into_iter().map(|known| known.map(|known| known.status)).collect()
}

/// How often each shard was asked.
fn by_shard(platform: &TestPlatform, kind: &str) -> Vec<usize> {
    let mut counts = (0..SHARDS).map(|shard| (shard, 0)).collect::<BTreeMap<_, _>>();
    for (shard, question) in platform.asked.borrow().iter() {
        *counts.get_mut(shard).unwrap() += usize::from(question.contains(kind));
    }
    counts.into_values().collect()
}

#[test]
fn a_hundred_tokens_ask_every_shard_once_and_the_index_a_hundred_keys_at_a_time() {
    for (freshness, polls, questions) in [(BOUNDED, 1, 0), (Strong, 0, 1), (Eventual, 0, 0)] {
        let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(SHARDS));
        let verdicts = check(&platform, &isolate, &tokens(100), freshness);
        assert_eq!(verdicts, vec![Ok(Status::Active); 100]);
        assert_eq!(by_shard(&platform, "Changes"), [polls; SHARDS as usize], "{freshness:?}");
        assert_eq!(by_shard(&platform, "Contains"), [questions; SHARDS as usize], "{freshness:?}");
        let reads: Vec<_> = platform.finds.borrow().iter().map(Vec::len).collect();
        // The tokens' own keys, and the one of their issuer.
        assert_eq!(reads, [100, 1], "{freshness:?}");
    }
}

#[test]
fn a_shard_is_asked_only_for_keys_of_its_own() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(SHARDS));
    check(&platform, &isolate, &tokens(100), Strong);
    let all = tokens(100);
    let shard_of: BTreeMap<_, _> =
        all.iter().flat_map(Matchable::keys).map(|key| (key.text(), key.digest.shard(SHARDS))).collect();
    let mut asked = 0;
    for (shard, question) in platform.asked.borrow().iter() {
        let question: BTreeMap<String, Vec<String>> = serde_json::from_str(question).unwrap();
        for key in &question["Contains"] {
            assert_eq!(shard_of[key], *shard);
            asked += 1;
        }
    }
    assert_eq!(asked, 101, "each key once");
}

#[test]
fn one_token_asks_the_shards_of_its_keys_and_no_other() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(64));
    isolate.is_active(&platform, &token("a"), BOUNDED);
    isolate.is_active(&platform, &token("a"), Strong);
    assert_eq!((platform.asked("Changes"), platform.asked("Contains")), (2, 2));
}

#[test]
fn a_second_batch_within_the_bound_asks_nobody() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(SHARDS));
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
    let of_issuer = all[0].keys().next().unwrap().digest.shard(SHARDS);
    let bad = (0..SHARDS).find(|shard| *shard != of_issuer).unwrap();
    let faults = (0..SHARDS).map(|shard| {
        if shard == bad { LedgerFault::Error(LedgerError::Overloaded) } else { LedgerFault::Takes(Duration::ZERO) }
    });
    platform.ledger_faults.borrow_mut().extend(faults);
    for (token, verdict) in all.iter().zip(check(&platform, &isolate, &all, Strong)) {
        let is_kept = token.keys().any(|key| key.digest.shard(SHARDS) == bad);
        assert_eq!(verdict.is_err(), is_kept, "{token:?}");
    }
}

#[test]
fn shards_are_asked_at_the_same_time() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(SHARDS));
    platform.ledger_down.set(Some(LedgerFault::Takes(Duration::from_millis(500))));
    for (freshness, took) in [(BOUNDED, 500), (Strong, 500)] {
        let begin = edge_logout::ports::Clock::now(&platform);
        check(&platform, &isolate, &tokens(100), freshness);
        assert_eq!(edge_logout::ports::Clock::now(&platform).since(begin), Duration::from_millis(took));
    }
}
