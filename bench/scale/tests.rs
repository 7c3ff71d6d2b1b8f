//! The same seed gives the same run, and the small shop keeps its promises.

use std::sync::Arc;
use std::time::Duration;

use edge_logout::revocation::ledger::{Answer, Call, Ledger, Position, Question, Setup, Sizes};
use edge_logout::revocation::{Digest, Freshness};
use edge_logout::time::Timestamp;

use super::archive::Archive;
use super::clock::SECOND;
use super::index::Lanes;
use super::outbox;
use super::rows::Table;
use super::run::{self, Polling};
use super::scenario::{Promise, Scenario};
use super::tokens::BEGINNING;

/// The small shop, for some minutes and with more logouts than it has.
fn small() -> Scenario {
    Scenario { measured: 100 * SECOND, logouts_per_second: 0.1, watched_per_second: 1.0, ..Scenario::small() }
}

#[test]
fn is_deterministic() {
    let promise = Promise::ALL[2];
    let once = || {
        format!(
            "{:?}{:?}",
            run::costs(&small(), promise, Polling::Shipped),
            run::staleness(&small(), promise, Polling::Shipped)
        )
    };
    assert_eq!(once(), once());
}

#[test]
fn small_shop_keeps_its_promises() {
    for promise in Promise::ALL {
        let mut counts = run::staleness(&small(), promise, Polling::Shipped);
        let longest = counts.staleness.percentile(100.0);
        let promised = match promise.0 {
            Freshness::Strong => 0.0,
            Freshness::Bounded(bound) => bound.as_secs_f64() * 1_000.0,
            Freshness::Eventual => 120_000.0,
        };
        assert!(longest <= promised, "{}: {longest} ms", promise.name());
        assert_eq!((counts.broken_promises, counts.doubts), (0, 0.0), "{}", promise.name());
        assert!(counts.staleness.len() > 100 && counts.checks > 1_000.0, "{}", promise.name());
    }
}

#[test]
fn shipped_ledger_reads_the_archive() {
    let lifetime = Duration::from_hours(12);
    let archive = Archive::of(300_000, lifetime);
    let mut ledger = Ledger::new(Table::long_in_use(Arc::clone(&archive), (0, 1), Vec::new()), Sizes::DEFAULT);
    let setup = Setup { shard: 0, shards: 1, settling: Duration::from_mins(2), kv_written_until: None };
    let mut ask = |question| ledger.answer(&Call { setup, question }, BEGINNING).expect("memory does not fail");
    let digests: Vec<Digest> =
        archive.runs.iter().flat_map(|run| [0, 679, 680, 1_000].map(|n| run.digest(n))).collect();
    let found = ask(Question::Confirm(Position::default(), digests.clone()));
    assert_eq!(found, Answer::Confirmed(vec![Some(Timestamp::END); digests.len()]));
    let others = vec![Digest::from_bytes([7; 32])];
    assert_eq!(ask(Question::Confirm(Position::default(), others)), Answer::Confirmed(vec![None]));
    for run in &archive.runs {
        assert_eq!(ask(Question::Segment(run.name)), Answer::Segment(Some(run.filter.clone())));
    }
}

#[test]
fn outbox_of_a_shard_writes_a_hundred_entries_a_second() {
    assert!(outbox::throughput(Lanes::Own) >= 100.0);
}
