//! A ledger that is promised to be the sole writer of the index: whose feed is whole, and who then need not ask the index.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::asking::Asking;
use crate::support::authority::{BOUNDED, Isolate, revocation, token};
use crate::support::fragile::FragileRows;
use crate::support::platform::{LedgerFault, TestPlatform};
use crate::support::request::TestRequest;
use crate::support::rows::MemoryRows;
use crate::support::shards::SETTLING;
use crate::support::shipped::service_with;
use crate::support::tokens::TestToken;
use edge_logout::ports::LedgerError;
use edge_logout::revocation::Freshness::{Eventual, Strong};
use edge_logout::revocation::feed::Changes;
use edge_logout::revocation::ledger::{Ledger, Rows, Since, SoleWriter, Untold};
use edge_logout::revocation::{Freshness, Revocation, Scope};
use edge_logout::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const HOUR: Duration = Duration::from_hours(1);

/// Of one shard, that knows that nothing was revoked before.
fn sole(kept: usize) -> SoleWriter {
    SoleWriter { shards: 1, kept, history: Duration::ZERO }
}

fn platform(sole_writer: SoleWriter) -> TestPlatform {
    let platform = TestPlatform::at(NOW);
    platform.sole_writer.set(Some(sole_writer));
    platform
}

/// How many reads of the index a check of a token makes that the isolate has never seen.
fn reads(platform: &TestPlatform, isolate: &Isolate, name: &str, freshness: Freshness) -> usize {
    let before = platform.finds.borrow().len();
    assert!(isolate.is_active(platform, &token(name), freshness), "{name}");
    platform.finds.borrow().len() - before
}

fn next_second(platform: &TestPlatform) {
    platform.pass(Duration::from_millis(1_001));
}

#[test]
fn a_token_that_was_never_seen_needs_no_read_of_the_index() {
    let (platform, isolate) = (platform(sole(10)), Isolate::trusting(1));
    assert_eq!(reads(&platform, &isolate, "a", BOUNDED), 0);
    assert_eq!(platform.asked("Changes"), 1);
    assert_eq!((reads(&platform, &isolate, "b", BOUNDED), platform.asked("Changes")), (0, 1), "nor anything else");
    assert_eq!((reads(&platform, &isolate, "c", Strong), platform.asked("Contains")), (0, 1), "the ledger alone");
    assert_eq!(reads(&platform, &isolate, "d", Eventual), 1, "which is what KV alone says");
}

#[test]
fn what_settled_long_ago_is_refused_without_the_index_by_who_has_never_seen_it() {
    let platform = platform(sole(10));
    Isolate::trusting(1).log_out(&platform, "a").unwrap();
    platform.live_on(HOUR / 2);
    platform.index.borrow_mut().clear();
    for freshness in [BOUNDED, Strong] {
        assert!(!Isolate::trusting(1).is_active(&platform, &token("a"), freshness));
    }
    let isolate = Isolate::trusting(1);
    assert_eq!(reads(&platform, &isolate, "b", BOUNDED), 0);
    assert!(isolate.on(&platform).remembered(&token("a"), BOUNDED).is_some(), "from memory");
    assert_eq!(platform.with_shard(0, |ledger| ledger.next_alarm().unwrap().map(|at| at > NOW.plus(HOUR))), Some(true));
}

#[test]
fn a_logout_needs_no_read_of_the_index_either() {
    let service = |is_sole: bool| service_with(|table| table["ledger"] = serde_json::json!({ "sole_writer": is_sole }));
    for (is_sole, reads) in [(true, 0), (false, 1)] {
        let asking = Asking::of(service(is_sole));
        asking.platform.sole_writer.set(Some(sole(10)));
        let logout = TestRequest::post("/customer/logout").bearer(&TestToken::of("worth").sign());
        let status = asking.send(&logout).reply.status;
        assert_eq!((status, asking.platform.finds.borrow().len()), (200, reads), "{is_sole}");
    }
}

#[test]
fn without_the_promise_nothing_changes() {
    for (sole_writer, isolate) in
        [(None, Isolate::trusting(1)), (Some(sole(10)), Isolate::new(1)), (None, Isolate::new(1))]
    {
        let platform = TestPlatform::at(NOW);
        platform.sole_writer.set(sole_writer);
        for freshness in [BOUNDED, Strong] {
            assert_eq!(reads(&platform, &isolate, freshness.name(), freshness), 1);
        }
    }
}

#[test]
fn a_feed_that_is_not_whole_falls_back_at_once_and_recovers_when_what_left_it_is_gone() {
    let (platform, isolate) = (platform(sole(1)), Isolate::trusting(1));
    assert_eq!(reads(&platform, &isolate, "x", BOUNDED), 0);
    for name in ["a", "b"] {
        Isolate::new(1).log_out(&platform, name).unwrap();
        platform.live_on(Duration::from_secs(5));
    }
    assert_eq!(reads(&platform, &isolate, "y", BOUNDED), 0, "both are in the feed");
    platform.live_on(SETTLING);
    assert_eq!(platform.with_shard(0, |ledger| ledger.rows.rows.values().filter(|row| row.in_feed).count()), 1);
    assert_eq!(reads(&platform, &isolate, "z", BOUNDED), 1, "now the oldest has left it");
    next_second(&platform);
    assert!(!isolate.is_active(&platform, &token("a"), BOUNDED) && !isolate.is_active(&platform, &token("b"), BOUNDED));
    assert!(!Isolate::trusting(1).is_active(&platform, &token("a"), BOUNDED), "which the index tells");
    platform.live_on(2 * HOUR);
    assert_eq!(reads(&platform, &isolate, "w", BOUNDED), 0);
}

#[test]
fn a_feed_that_cannot_be_heard_says_nothing() {
    let (platform, isolate) = (platform(sole(10)), Isolate::trusting(1));
    assert_eq!(reads(&platform, &isolate, "a", BOUNDED), 0);
    platform.pass(Duration::from_mins(4));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Error(LedgerError::Failed));
    assert_eq!(reads(&platform, &isolate, "b", BOUNDED), 0, "the ledger itself does, and what was heard not long ago");
    platform.pass(Duration::from_mins(2));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Error(LedgerError::Failed));
    assert_eq!(reads(&platform, &isolate, "c", BOUNDED), 1);
}

#[test]
fn of_another_number_of_shards_no_feed_is_whole() {
    let platform = platform(sole(10));
    let isolate = Isolate::trusting(2);
    assert_eq!(reads(&platform, &isolate, "a", BOUNDED), 1);
}

fn changes(ledger: &Ledger<MemoryRows>, now: Timestamp) -> Changes {
    ledger.changes(&Since::Start(0), now).unwrap()
}

fn ledger(sole_writer: Option<SoleWriter>, now: Timestamp) -> Ledger<MemoryRows> {
    let mut ledger = Ledger { rows: MemoryRows::default(), settling: SETTLING, sole_writer };
    let Ok(()) = ledger.begin(now);
    ledger
}

#[test]
fn what_may_have_been_revoked_before_the_promise_is_waited_out() {
    let promised = SoleWriter::of(2, 24 * HOUR);
    let mut ledger = ledger(Some(promised), NOW);
    let gone = NOW.plus(25 * HOUR);
    let whole_of = |ledger: &Ledger<MemoryRows>, now: Timestamp| changes(ledger, now).whole_of;
    assert_eq!((whole_of(&ledger, gone.minus(Duration::from_millis(1))), whole_of(&ledger, gone)), (0, 2));
    let Ok(()) = ledger.begin(gone);
    assert_eq!(whole_of(&ledger, gone), 2, "an object that wakes goes on");
    for change in [
        |ledger: &mut Ledger<MemoryRows>| ledger.sole_writer = Some(SoleWriter::of(3, HOUR)),
        |ledger: &mut Ledger<MemoryRows>| ledger.rows.head.trimmed += 1,
        |ledger: &mut Ledger<MemoryRows>| {
            let Ok(()) = Ledger { sole_writer: None, ..ledger.clone() }.begin(NOW);
            ledger.rows.untold = None;
        },
    ] {
        let mut ledger = ledger.clone();
        change(&mut ledger);
        assert_eq!(whole_of(&ledger, gone), 0, "{ledger:?}");
        let Ok(()) = ledger.begin(gone);
        assert_eq!(whole_of(&ledger, gone), 0);
        let shards = ledger.sole_writer.unwrap().shards;
        assert_eq!(whole_of(&ledger, gone.plus(25 * HOUR)), shards);
    }
}

#[test]
fn without_the_promise_it_is_forgotten() {
    let mut ledger = ledger(Some(sole(10)), NOW);
    ledger.sole_writer = None;
    assert_eq!(changes(&ledger, NOW).whole_of, 0);
    let Ok(()) = ledger.begin(NOW);
    assert_eq!(ledger.rows.untold, None);
}

#[test]
fn what_is_kept_fits_into_half_of_what_an_isolate_remembers() {
    for shards in 1..=64 {
        let kept = SoleWriter::of(shards, HOUR).kept;
        assert!(kept * shards as usize <= 50_000 && (kept == 5_000 || shards > 10), "{shards}: {kept}");
    }
}

fn session(name: &str, hours: u32) -> Revocation {
    revocation(Scope::Session, name, None, NOW.plus(HOUR * hours))
}

/// A shard whose database fails after so many writes, while two of three are to leave the feed.
fn interrupted(writes: usize) -> Ledger<FragileRows> {
    let mut ledger = Ledger { rows: FragileRows::default(), settling: SETTLING, sole_writer: Some(sole(1)) };
    ledger.rows.writes_left.set(usize::MAX);
    ledger.begin(NOW).unwrap();
    ledger.record(&[session("a", 3), session("b", 2), session("c", 1)], NOW).unwrap();
    for row in ledger.due(NOW.plus(SETTLING), 10).unwrap() {
        ledger.indexed(&row.revocation.key, row.version, NOW, NOW).unwrap();
    }
    ledger.rows.writes_left.set(writes);
    let _ = ledger.tidy(NOW.plus(SETTLING));
    ledger
}

#[test]
fn a_tidying_that_fails_in_the_middle_never_calls_a_feed_whole_that_is_not() {
    for writes in 0..6 {
        let mut ledger = interrupted(writes);
        for again in [false, true] {
            let now = NOW.plus(SETTLING);
            let told = ledger.changes(&Since::Start(0), now).unwrap();
            assert!(told.whole_of == 0 || told.entries.len() == 3, "{writes} writes, {again}: {told:?}");
            ledger.rows.writes_left.set(usize::MAX);
            ledger.begin(now).unwrap();
            ledger.tidy(now).unwrap();
        }
    }
    let ledger = interrupted(4);
    assert_eq!(ledger.rows.feed_after(0, 10).unwrap().len(), 1);
    let untold = Untold { shards: 1, trimmed: 2, until: NOW.plus(3 * HOUR).plus(SETTLING) };
    assert_eq!(ledger.rows.untold().unwrap(), Some(untold));
}

#[test]
fn the_answer_of_a_version_that_does_not_know_of_it_is_not_whole() {
    let whole = changes(&ledger(Some(sole(1)), NOW), NOW);
    let text = whole.write();
    assert_eq!((whole.whole_of, Changes::read(&text)), (1, Some(whole.clone())));
    for said in ["", ",\"whole_of\":-1", ",\"whole_of\":true", ",\"whole_of\":4294967296"] {
        let read = Changes::read(&text.replace(",\"whole_of\":1", said)).unwrap();
        assert_eq!(read, Changes { whole_of: 0, ..whole.clone() }, "{said}");
    }
}
