//! Recording: once is enough, widening keeps the later of each, versions follow each other.

use edge_logout::revocation::ledger::{Answer, Ledger, Position};
use edge_logout::revocation::{Limits, Logout};
use edge_logout::time::Timestamp;
use proptest::prelude::*;

use super::watched::{Watched, transaction};
use super::{SMALL, at, confirm, digest, issuer, record, session, session_of, settle, subject, sync, write_all};
use crate::support::rows::MemoryRows;

fn logouts() -> impl Strategy<Value = Vec<Logout>> {
    let logout = (0..8_u64, 0..30_i64, 100..200_i64, 0..3_u8).prop_map(|(key, cut_off, expiry, kind)| match kind {
        0 => subject(key, at(cut_off), at(expiry)),
        1 => session_of(10 + key, 20 + key, at(expiry)),
        _ => issuer(30 + key % 2, at(cut_off), at(expiry)),
    });
    proptest::collection::vec(logout, 1..6)
}

proptest! {
    #[test]
    fn recording_twice_is_recording_once(batches in proptest::collection::vec((logouts(), any::<bool>()), 1..12)) {
        let mut ledger = Ledger::new(MemoryRows::default(), SMALL);
        for (batch, restarts) in batches {
            record(&mut ledger, &batch, at(0)).unwrap();
            let once = ledger.rows.log.clone();
            if restarts {
                ledger.forget_instance();
            }
            record(&mut ledger, &batch, at(0)).unwrap();
            prop_assert_eq!(&ledger.rows.log, &once);
            let versions: Vec<u64> = once.keys().copied().collect();
            prop_assert!(versions.iter().copied().eq(1..=u64::try_from(versions.len()).unwrap()));
        }
        // Each entry ends at least what those before it do.
        let mut known = std::collections::BTreeMap::<_, Limits>::new();
        for row in ledger.rows.log.values() {
            let limits = row.logout.widest.limits();
            if let Some(before) = known.insert(row.logout.widest.digest, limits) {
                prop_assert!(limits.cover(&before, std::time::Duration::ZERO) && limits != before);
            }
        }
    }

    /// A call that fails at any point has done nothing, and then it can be made again.
    #[test]
    fn a_call_is_done_or_not_done(
        first in logouts(), second in logouts(), fails_after in 0..40_u32, fails_late in any::<bool>(), seal in any::<bool>(),
    ) {
        let mut ledger = Ledger::new(Watched::default(), SMALL);
        record(&mut ledger, &first, at(0)).unwrap();
        if seal {
            write_all(&mut ledger, at(0)).unwrap();
            settle(&mut ledger, at(0)).unwrap();
        }
        let before = ledger.rows.rows.clone();
        let mut unhurt = Ledger::new(before.clone(), SMALL);
        ledger.rows.fails_after.set(Some(fails_after));
        ledger.rows.fails_late = fails_late;
        if transaction(&mut ledger, |ledger| record(ledger, &second, at(1))).is_err() {
            prop_assert_eq!(&ledger.rows.rows, &before);
            for logout in &second {
                let digest = logout.widest.digest;
                prop_assert_eq!(confirm(&mut ledger, digest, at(1)), confirm(&mut unhurt, digest, at(1)));
            }
            record(&mut ledger, &second, at(1)).unwrap();
        }
        ledger.rows.fails_after.set(None);
        record(&mut unhurt, &second, at(1)).unwrap();
        for logout in first.iter().chain(&second) {
            let digest = logout.widest.digest;
            prop_assert_eq!(confirm(&mut ledger, digest, at(1)), confirm(&mut unhurt, digest, at(1)));
        }
        prop_assert_eq!(ledger.rows.rows.log.len(), unhurt.rows.log.len());
    }
}

#[test]
fn widening_keeps_the_later_cut_off_and_the_later_expiry_also_over_runs() {
    for seal in [false, true] {
        let mut ledger = Ledger::new(MemoryRows::default(), SMALL);
        let between = |ledger: &mut Ledger<MemoryRows>| {
            if seal {
                for number in 100..112 {
                    record(ledger, &[session(number, at(9_000))], at(0)).unwrap();
                }
                write_all(ledger, at(0)).unwrap();
                settle(ledger, at(0)).unwrap();
            }
        };
        record(&mut ledger, &[subject(1, at(20), at(500)), issuer(2, at(20), at(500))], at(0)).unwrap();
        between(&mut ledger);
        record(&mut ledger, &[subject(1, at(10), at(9_000)), issuer(2, at(10), at(9_000))], at(0)).unwrap();
        between(&mut ledger);
        // What the first ones ended ends until the second ones do.
        for number in [1, 2] {
            assert_eq!(confirm(&mut ledger, digest(number), at(0)), Some(at(20)), "{seal}");
        }
        write_all(&mut ledger, at(3_000)).unwrap();
        settle(&mut ledger, at(3_000)).unwrap();
        for number in [1, 2] {
            assert_eq!(confirm(&mut ledger, digest(number), at(3_000)), Some(at(20)), "{seal}");
        }
        // What is covered appends nothing, wherever it is.
        let latest = |ledger: &mut Ledger<MemoryRows>| match sync(ledger, Position::default(), 0, at(0)) {
            Answer::Synced(synced) => (synced.lineage, synced.upto),
            other => panic!("{other:?}"),
        };
        let before = latest(&mut ledger);
        record(&mut ledger, &[subject(1, at(15), at(9_002)), issuer(2, at(15), at(9_002))], at(0)).unwrap();
        assert_eq!(latest(&mut ledger), before);
    }
    let _ = Timestamp::END;
}
