//! Sealing and merging at the sizes of a real ledger, and digests that are made to be hard.

use std::cell::Cell;

use edge_logout::revocation::ledger::{Answer, Ledger, Position, Question, Rows, Sizes, Step};
use edge_logout::revocation::{Digest, Logout};

use super::watched::Watched;
use super::{Model, SMALL, ask, at, confirm, digest, issuer, record, session, session_of, settle, subject, write_all};
use crate::support::rows::MemoryRows;

/// The largest slices that were seen.
#[derive(Debug, Default)]
struct Slices {
    blocks_read: usize,
    blocks_written: usize,
    rows_written: u64,
    steps: usize,
}

impl Slices {
    fn step(&mut self, ledger: &mut Ledger<Watched>, now: i64) -> Step {
        let before = (ledger.rows.blocks_read.get(), ledger.rows.blocks_written, ledger.rows.rows.written);
        let step = ledger.step(at(now)).unwrap();
        self.blocks_read = self.blocks_read.max(ledger.rows.blocks_read.get() - before.0);
        self.blocks_written = self.blocks_written.max(ledger.rows.blocks_written - before.1);
        self.rows_written = self.rows_written.max(ledger.rows.rows.written - before.2);
        self.steps += 1;
        step
    }

    fn settle(&mut self, ledger: &mut Ledger<Watched>, now: i64) {
        while !matches!(self.step(ledger, now), Step::Idle(_)) {}
    }
}

fn record_many(ledger: &mut Ledger<Watched>, numbers: std::ops::Range<u64>, lifetime: i64, slices: &mut Slices) {
    let numbers: Vec<u64> = numbers.collect();
    for part in numbers.chunks(2_000) {
        let logouts: Vec<Logout> = part.iter().map(|number| session(*number, at(lifetime))).collect();
        record(ledger, &logouts, at(0)).unwrap();
        write_all(ledger, at(0)).unwrap();
        slices.settle(ledger, 0);
    }
}

#[test]
fn two_hundred_thousand_revocations_are_sealed_in_small_slices_and_rarely_confirmed() {
    let mut ledger = Ledger::new(Watched::default(), Sizes::DEFAULT);
    let mut slices = Slices::default();
    record_many(&mut ledger, 0..200_000, 50_000, &mut slices);
    println!("largest slices: {slices:?}");
    // A block is 32 KB, a filter's 64 KB: far below 50 ms of SQLite.
    assert!(slices.blocks_read <= 24 && slices.blocks_written <= 24, "{slices:?}");
    // One statement removes what is sealed from the log.
    assert!(slices.rows_written <= 8_300, "{slices:?}");
    assert!(slices.steps > 200);

    let model = Model::of(&mut ledger, at(0));
    for number in 0..200_000 {
        let (known, may_be) = model.find(&digest(number));
        assert!(known.is_some() || may_be, "{number}");
    }
    let confirmed = (1_000_000..1_200_000).filter(|number| model.find(&digest(*number)).1).count();
    println!("to confirm of 200,000 cold keys: {confirmed}, segments {}", model.directory.segments.len());
    // A token has four keys: one cold token in a hundred would be one key in four hundred.
    assert!(confirmed * 4 * 100 < 200_000, "{confirmed}");
    let size: usize = model.filters.iter().map(|(_, filter)| filter.size()).sum();
    let entries: u32 = model.directory.segments.iter().map(|segment| segment.entries).sum();
    println!("{:.2} bytes a revocation in segments", f64::from(u32::try_from(size).unwrap()) / f64::from(entries));
    assert!(size <= 3 * usize::try_from(entries).unwrap());

    // A confirmation reads a few blocks.
    let mut most = 0;
    for number in (0..200_000).step_by(97).chain(1_000_000..1_002_000) {
        let before = ledger.rows.blocks_read.get();
        assert_eq!(confirm(&mut ledger, digest(number), at(0)).is_some(), number < 200_000, "{number}");
        most = most.max(ledger.rows.blocks_read.get() - before);
    }
    println!("blocks read by one confirmation: {most}");
    assert!(most <= 16, "{most}");

    // When they are over they go, in slices as well.
    slices = Slices::default();
    slices.settle(&mut ledger, 50_000 + 600);
    write_all(&mut ledger, at(60_000)).unwrap();
    slices.settle(&mut ledger, 60_000);
    println!("largest slices of removing: {slices:?}");
    assert!(slices.rows_written <= 8_300, "{slices:?}");
    let rows = &ledger.rows.rows;
    assert!(rows.runs.is_empty() && rows.blocks.is_empty() && rows.log.is_empty(), "{}", rows.log.len());
}

#[test]
fn while_workers_kv_takes_nothing_the_log_is_sealed_all_the_same_in_small_slices() {
    let mut ledger = Ledger::new(Watched::default(), Sizes::DEFAULT);
    let mut slices = Slices::default();
    for part in 0..15_u64 {
        let logouts: Vec<_> = (0..2_000)
            .map(|place| session_of(2 * (part * 2_000 + place), 2 * (part * 2_000 + place) + 1, at(90_000)))
            .collect();
        record(&mut ledger, &logouts, at(0)).unwrap();
        slices.settle(&mut ledger, 0);
    }
    println!("largest slices while nothing is written: {slices:?}");
    assert!(slices.rows_written <= 8_300, "{slices:?}");
    assert!(ledger.rows.rows.log.len() < 2 * 4_096);
    // Everything that left the log is pending.
    assert_eq!(ledger.rows.rows.pending.len(), 2 * (30_000 - ledger.rows.rows.log.len()));
    assert_eq!(write_all(&mut ledger, at(1)).unwrap(), 60_000);
}

#[test]
fn a_burst_is_sealed_in_small_slices() {
    let mut ledger = Ledger::new(Watched::default(), Sizes::DEFAULT);
    let logouts: Vec<_> = (0..30_000).map(|number| session(number, at(90_000))).collect();
    record(&mut ledger, &logouts, at(0)).unwrap();
    write_all(&mut ledger, at(0)).unwrap();
    let mut slices = Slices::default();
    slices.settle(&mut ledger, 0);
    assert!(slices.rows_written <= 8_300, "{slices:?}");
    assert!(ledger.rows.rows.log.len() < 4_096);
}

#[test]
fn what_expires_earlier_is_left_out_when_runs_are_merged() {
    let mut ledger = Ledger::new(Watched::default(), Sizes::DEFAULT);
    let mut slices = Slices::default();
    record_many(&mut ledger, 0..20_000, 1_000, &mut slices);
    for part in 0..10 {
        let logouts: Vec<_> = (0..2_000).map(|place| session(50_000 + part * 2_000 + place, at(90_000))).collect();
        record(&mut ledger, &logouts, at(5_000)).unwrap();
        write_all(&mut ledger, at(5_000)).unwrap();
        slices.settle(&mut ledger, 5_000);
    }
    let model = Model::of(&mut ledger, at(5_000));
    let kept: u32 = model.directory.segments.iter().map(|segment| segment.entries).sum();
    assert!(kept <= 20_000, "{kept}");
}

/// Each digest ends with a number, and begins as many others do.
fn alike(beginning: u64, number: u64) -> Digest {
    let mut bytes = *digest(beginning).bytes();
    bytes[8..16].copy_from_slice(&super::mixed(number).to_be_bytes());
    Digest::from_bytes(bytes)
}

#[test]
fn digests_that_begin_alike_are_all_kept_and_told_apart() {
    let mut ledger = Ledger::new(MemoryRows::default(), Sizes { sealed: 64, run: 40, slice: 16, page: 50 });
    let revoked = |number: u64| alike(number % 3, number);
    for part in 0..20 {
        let logouts: Vec<_> = (0..100)
            .map(|place| {
                let mut logout = session(0, at(9_000));
                logout.widest.digest = revoked(part * 100 + place);
                logout
            })
            .collect();
        record(&mut ledger, &logouts, at(0)).unwrap();
        write_all(&mut ledger, at(0)).unwrap();
        settle(&mut ledger, at(0)).unwrap();
    }
    let model = Model::of(&mut ledger, at(0));
    for number in 0..2_000 {
        assert!(confirm(&mut ledger, revoked(number), at(0)).is_some(), "{number}");
        let (known, may_be) = model.find(&revoked(number));
        assert!(known.is_some() || may_be);
        assert_eq!(confirm(&mut ledger, revoked(10_000 + number), at(0)), None);
    }
}

#[test]
fn digests_of_one_narrow_range_are_found_without_reading_every_block() {
    // What somebody could make who chooses ids: all but one of the digests lie together.
    let mut ledger = Ledger::new(Watched::default(), Sizes::DEFAULT);
    let narrow = |number: u64| {
        let mut bytes = *digest(number).bytes();
        bytes[..4].copy_from_slice(if number == 0 { &[0xff; 4] } else { &[0x20, 0, 0, 1] });
        Digest::from_bytes(bytes)
    };
    for part in 0..45 {
        let logouts: Vec<_> = (0..2_000)
            .map(|place| {
                let mut logout = session(0, at(9_000));
                logout.widest.digest = narrow(part * 2_000 + place);
                logout
            })
            .collect();
        record(&mut ledger, &logouts, at(0)).unwrap();
        write_all(&mut ledger, at(0)).unwrap();
        settle(&mut ledger, at(0)).unwrap();
    }
    let mut most = 0;
    for number in (0..90_000).step_by(101) {
        let before = ledger.rows.blocks_read.get();
        assert!(confirm(&mut ledger, narrow(number), at(0)).is_some(), "{number}");
        most = most.max(ledger.rows.blocks_read.get() - before);
    }
    println!("blocks read by one confirmation of a narrow range: {most}");
    assert!(most <= 40, "{most}");
}

#[test]
fn cut_offs_of_issuers_are_listed_while_they_live_and_each_change_names_another_directory() {
    let mut ledger = Ledger::new(MemoryRows::default(), SMALL);
    let mut directories = Vec::new();
    let mut listed = |ledger: &mut Ledger<MemoryRows>, now: i64| {
        let model = Model::of(ledger, at(now));
        directories.push(model.directory_id);
        (model.directory.cut_offs.len(), model.find(&digest(7)).0)
    };
    record(&mut ledger, &[issuer(7, at(5), at(2_000)), issuer(8, at(5), at(500))], at(0)).unwrap();
    assert_eq!(listed(&mut ledger, 0), (0, Some(at(5))));
    for number in 100..110 {
        record(&mut ledger, &[session(number, at(90_000))], at(0)).unwrap();
    }
    write_all(&mut ledger, at(0)).unwrap();
    settle(&mut ledger, at(0)).unwrap();
    assert_eq!(listed(&mut ledger, 0), (2, Some(at(5))));
    assert!(!ledger.rows.runs.is_empty());
    // One of them ends, the other is widened.
    settle(&mut ledger, at(1_100)).unwrap();
    assert_eq!(listed(&mut ledger, 1_100), (1, Some(at(5))));
    record(&mut ledger, &[issuer(7, at(1_000), at(5_000))], at(1_100)).unwrap();
    assert_eq!(listed(&mut ledger, 1_100), (1, Some(at(1_000))));
    for number in 110..120 {
        record(&mut ledger, &[session(number, at(90_000))], at(1_100)).unwrap();
    }
    write_all(&mut ledger, at(1_100)).unwrap();
    settle(&mut ledger, at(1_100)).unwrap();
    assert_eq!(listed(&mut ledger, 1_100), (1, Some(at(1_000))));
    settle(&mut ledger, at(5_599)).unwrap();
    assert_eq!(listed(&mut ledger, 5_599), (1, Some(at(1_000))));
    settle(&mut ledger, at(5_600)).unwrap();
    assert_eq!(listed(&mut ledger, 5_600), (0, None));
    directories.dedup();
    assert_eq!(directories.len(), 5, "{directories:?}");
}

#[test]
fn what_is_kept_lives_until_ten_minutes_after_its_expiry() {
    let mut ledger = Ledger::new(MemoryRows::default(), SMALL);
    let logouts: Vec<_> = (0..40).map(|number| subject(number, at(3), at(1_000))).collect();
    record(&mut ledger, &logouts, at(0)).unwrap();
    write_all(&mut ledger, at(0)).unwrap();
    for now in [0, 999, 1_000, 1_599] {
        settle(&mut ledger, at(now)).unwrap();
        assert!((0..40).all(|number| confirm(&mut ledger, digest(number), at(now)) == Some(at(3))), "{now}");
    }
    settle(&mut ledger, at(1_600 + 3_600)).unwrap();
    assert!((0..40).all(|number| confirm(&mut ledger, digest(number), at(6_000)).is_none()));
    let question = Question::Confirm(Position::default(), vec![digest(1), digest(2)]);
    assert_eq!(ask(&mut ledger, question, at(6_000)), Ok(Answer::Confirmed(vec![None, None])));
    let _ = (Cell::new(0), Watched::of(ledger.rows).head());
}
