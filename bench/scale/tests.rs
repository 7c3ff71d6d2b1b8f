//! The same seed gives the same run, and the small shop keeps its promises.

use edge_logout::revocation::Freshness;

use super::clock::SECOND;
use super::run::{self, Polling};
use super::scenario::{Promise, Scenario};

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
