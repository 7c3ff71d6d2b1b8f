//! The ledger: what is recorded, what its feed tells, and what becomes of it when the database fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashSet;

use crate::support::authority::revocation;
use crate::support::fragile::{Broken, FragileRows};
use crate::support::rows::MemoryRows;
use crate::support::shards::SETTLING;
use edge_logout::revocation::feed::Changes;
use edge_logout::revocation::ledger::{Ledger, PAGE, Rows, Since};
use edge_logout::revocation::{Limits, Revocation, Scope};
use edge_logout::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn ledger() -> Ledger<MemoryRows> {
    Ledger { rows: MemoryRows::default(), settling: SETTLING, sole_writer: None }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + seconds * 1000)
}

/// A cut-off of a user at one moment, until another, both so many seconds from now.
fn cut_off(user: &str, upto: i64, until: i64) -> Revocation {
    revocation(Scope::Subject, user, Some(at(upto)), at(until))
}

fn session(name: &str) -> Revocation {
    revocation(Scope::Session, name, None, at(3600))
}

fn record(ledger: &mut Ledger<MemoryRows>, batch: &[Revocation], seconds: i64) {
    let Ok(()) = ledger.record(batch, at(seconds));
}

fn many(ledger: &mut Ledger<MemoryRows>, count: usize) {
    let batch: Vec<_> = (0..count).map(|number| session(&format!("session-{number}"))).collect();
    record(ledger, &batch, 0);
}

fn changes(ledger: &Ledger<MemoryRows>, since: &Since) -> Changes {
    ledger.changes(since, NOW).unwrap()
}

fn since(version: u64) -> Since {
    Since::Version("first".to_owned(), version)
}

fn versions(changes: &Changes) -> Vec<u64> {
    changes.entries.iter().map(|entry| entry.1).collect()
}

fn settle(ledger: &mut Ledger<MemoryRows>, key: &str, seconds: i64) {
    let version = ledger.rows.rows[key].version;
    let Ok(()) = ledger.indexed(key, version, at(seconds), at(seconds));
    let Ok(()) = ledger.tidy(at(seconds).plus(SETTLING));
}

#[test]
fn recording_twice_is_recording_once() {
    let mut ledger = ledger();
    let batch = [session("a"), cut_off("u", 0, 3600)];
    record(&mut ledger, &batch, 0);
    let before = ledger.rows.rows.clone();
    record(&mut ledger, &batch, 7);
    assert_eq!(ledger.rows.rows, before, "no row has changed, not even its version");
    let told = changes(&ledger, &since(2));
    assert_eq!((versions(&told), told.upto), (vec![1, 2], 4), "versions that nobody uses are no gap");
}

#[test]
fn the_same_logout_sent_twice_changes_nothing_within_what_it_can_spare() {
    let mut ledger = ledger();
    let with = |until: i64| Revocation { spare: std::time::Duration::from_secs(3), ..cut_off("u", 0, until) };
    record(&mut ledger, &[with(3600)], 0);
    record(&mut ledger, &[with(3603)], 3);
    assert_eq!(ledger.rows.rows.values().next().unwrap().version, 1);
    record(&mut ledger, &[with(3604)], 4);
    assert_eq!(ledger.rows.rows.values().next().unwrap().version, 3);
}

#[test]
fn the_later_cut_off_and_the_later_expiry_of_both_stay() {
    for (first, second) in [((0, 100), (9, 50)), ((9, 50), (0, 100)), ((0, 50), (9, 100)), ((9, 100), (0, 50))] {
        let mut ledger = ledger();
        record(&mut ledger, &[cut_off("u", first.0, first.1)], 0);
        record(&mut ledger, &[cut_off("u", second.0, second.1)], 1);
        let key = cut_off("u", 0, 0).key;
        let limits = Limits { cut_off: Some(at(9)), expires_at: at(100) };
        assert_eq!(ledger.contains(&[key]), Ok(vec![Some(limits)]), "{first:?} and {second:?}");
    }
}

#[test]
fn keys_are_answered_in_their_order() {
    let mut ledger = ledger();
    record(&mut ledger, &[session("a"), session("b")], 0);
    let keys = ["b", "x", "a"].map(|name| session(name).key);
    let told: Vec<_> = ledger.contains(&keys).unwrap().iter().map(Option::is_some).collect();
    assert_eq!((told, ledger.contains(&[])), (vec![true, false, true], Ok(vec![])));
}

#[test]
fn the_feed_has_the_order_of_recording_and_a_wider_one_comes_again() {
    let mut ledger = ledger();
    record(&mut ledger, &[session("a"), cut_off("u", 0, 100)], 0);
    record(&mut ledger, &[session("b"), cut_off("u", 5, 100)], 5);
    let told = changes(&ledger, &Since::Start(0));
    assert_eq!((versions(&told), told.oldest, told.upto, told.is_complete), (vec![1, 3, 4], 1, 4, true));
    assert_eq!(told.entries[2].2, Some(at(5)));
    assert!(!format!("{told:?}").contains("sessions"), "a digest says all, so the feed has no more");
}

#[test]
fn an_empty_ledger_tells_that_it_is_empty() {
    let told = changes(&ledger(), &Since::Start(0));
    assert_eq!((told.after, told.upto, told.oldest, told.is_complete, told.entries.len()), (0, 0, 1, true, 0));
}

#[test]
fn the_feed_has_pages_without_gaps_and_without_repeats() {
    let mut ledger = ledger();
    many(&mut ledger, 2 * PAGE + 1);
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = changes(&ledger, &Since::Start(after));
        assert_eq!(page.after, after);
        seen.extend(versions(&page));
        after = page.upto;
        if page.is_complete {
            break;
        }
        assert_eq!(page.entries.len(), PAGE);
    }
    assert_eq!(seen, (1..=2 * PAGE as u64 + 1).collect::<Vec<_>>());
}

#[test]
fn a_page_that_is_exactly_full_is_followed_by_an_empty_one() {
    let mut ledger = ledger();
    many(&mut ledger, PAGE);
    let page = changes(&ledger, &Since::Start(0));
    assert_eq!((page.is_complete, page.upto), (false, PAGE as u64));
    let last = changes(&ledger, &Since::Start(page.upto));
    assert_eq!((last.is_complete, last.upto, last.entries.len()), (true, PAGE as u64, 0));
}

#[test]
fn the_newest_are_told_again_for_those_who_are_a_few_behind() {
    let mut ledger = ledger();
    many(&mut ledger, 100);
    assert_eq!(versions(&changes(&ledger, &since(100))), (85..=100).collect::<Vec<_>>());
    assert_eq!(versions(&changes(&ledger, &since(90))), (85..=100).collect::<Vec<_>>());
    assert_eq!(versions(&changes(&ledger, &since(9))), (10..=100).collect::<Vec<_>>(), "no more than it needs");
    settle(&mut ledger, &session("session-89").key, 0);
    let told = changes(&ledger, &since(100));
    assert_eq!((told.after, told.trimmed), (90, 90), "what has left the feed is never told as if it were all");
}

#[test]
fn who_has_missed_what_left_the_feed_gets_its_start_and_sees_that() {
    let mut ledger = ledger();
    many(&mut ledger, 10);
    settle(&mut ledger, &session("session-4").key, 0);
    let told = changes(&ledger, &since(4));
    assert_eq!((told.after, told.trimmed), (0, 5), "4 has not heard of 5, which is gone");
    assert_eq!(versions(&told), [1, 2, 3, 4, 6, 7, 8, 9, 10]);
    assert_eq!(changes(&ledger, &since(5)).after, 5);
}

#[test]
fn another_epoch_and_a_version_of_the_future_get_the_start() {
    let mut ledger = ledger();
    many(&mut ledger, 3);
    assert_eq!(changes(&ledger, &Since::Version("another".to_owned(), 3)).after, 0);
    let future = changes(&ledger, &since(4));
    assert_eq!((future.after, future.entries.len()), (0, 3));
}

/// Records a batch of three while only so many writes succeed, and then again without a fault.
fn interrupted(writes: usize) -> (Result<(), Broken>, Ledger<FragileRows>) {
    let mut ledger = Ledger { rows: FragileRows::default(), settling: SETTLING, sole_writer: None };
    ledger.rows.writes_left.set(writes);
    let failed = ledger.record(&[session("a"), session("b"), session("c")], NOW);
    (failed, ledger)
}

#[test]
fn no_version_is_given_twice_when_the_database_fails_in_the_middle() {
    for writes in 0..4 {
        let (failed, mut ledger) = interrupted(writes);
        assert_eq!(failed, Err(Broken), "{writes} writes");
        let heard = ledger.changes(&Since::Start(0), NOW).unwrap();
        ledger.rows.writes_left.set(usize::MAX);
        ledger.record(&[session("x"), session("a"), session("b"), session("c")], NOW).unwrap();
        let told = ledger.changes(&since(heard.upto), NOW).unwrap();
        let (before, after) = (versions(&heard), versions(&told));
        let distinct: HashSet<_> = after.iter().collect();
        assert_eq!((after.len(), distinct.len()), (4, 4), "{writes} writes: {before:?} then {after:?}");
        assert!(after.iter().all(|version| before.contains(version) || *version > heard.upto), "{writes} writes");
    }
    assert_eq!(interrupted(4).0, Ok(()));
}

#[test]
fn a_tidying_that_fails_in_the_middle_tells_a_gap_too_many_and_none_too_few() {
    for writes in 0..4 {
        let (_, mut ledger) = interrupted(4);
        ledger.rows.writes_left.set(usize::MAX);
        ledger.indexed(&session("b").key, 2, NOW, NOW).unwrap();
        ledger.rows.writes_left.set(writes);
        let _ = ledger.tidy(NOW.plus(SETTLING));
        let (feed, head) = (ledger.rows.feed_after(0, 10).unwrap(), ledger.rows.head().unwrap());
        assert!(feed.len() == 3 || head.trimmed == 2, "{writes} writes: {feed:?} {head:?}");
    }
}
