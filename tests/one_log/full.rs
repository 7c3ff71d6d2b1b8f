//! Refusals: a full database, another number of shards, other formats, positions that are too old.

use edge_logout::revocation::Limits;
use edge_logout::revocation::ledger::{Answer, Call, Ledger, Position, Question, Setup, Sizes};

use super::watched::Watched;
use super::{SMALL, ask, at, confirm, digest, record, session, settle, setup, sync, write_all};
use crate::support::rows::MemoryRows;

#[test]
fn a_full_shard_takes_no_logouts_and_answers_everything_else() {
    let mut ledger = Ledger::new(Watched::default(), SMALL);
    assert_eq!(record(&mut ledger, &[session(1, at(100))], at(0)), Ok(Answer::Recorded));
    ledger.rows.size = Some(8_999_999_999);
    assert_eq!(record(&mut ledger, &[session(2, at(100))], at(0)), Ok(Answer::Recorded));
    ledger.rows.size = Some(9_000_000_000);
    // The size is looked at once in 64 versions; from then on it stays full.
    let mut number = 3;
    while record(&mut ledger, &[session(number, at(100))], at(0)) == Ok(Answer::Recorded) {
        number += 1;
    }
    for _ in 0..3 {
        assert_eq!(record(&mut ledger, &[session(number, at(100))], at(0)), Ok(Answer::Full));
    }
    assert_eq!(ledger.rows.rows.log.len(), 64);
    assert!(confirm(&mut ledger, digest(1), at(0)).is_some());
    assert!(matches!(sync(&mut ledger, Position::default(), 0, at(0)), Answer::Synced(_)));
    write_all(&mut ledger, at(0)).unwrap();
    settle(&mut ledger, at(10_000)).unwrap();
    // What is over makes room.
    assert!(ledger.rows.rows.log.is_empty());
    ledger.rows.size = None;
    assert_eq!(record(&mut ledger, &[session(3, at(10_100))], at(10_000)), Ok(Answer::Recorded));
}

#[test]
fn another_number_of_shards_is_refused_by_every_question() {
    let mut ledger = Ledger::new(MemoryRows::default(), SMALL);
    record(&mut ledger, &[session(1, at(100))], at(0)).unwrap();
    let before = ledger.rows.clone();
    for question in [
        Question::Record(vec![session(2, at(100))]),
        Question::Confirm(Position::default(), vec![digest(1)]),
        Question::Segment(edge_logout::revocation::ledger::SegmentName([0; 16])),
        Question::Sync(edge_logout::revocation::ledger::SyncQuestion {
            at: Position::default(),
            directory: 0,
            overlap: 0,
        }),
    ] {
        for shards in [0, 2, 64] {
            let call = Call { setup: Setup { shards, ..setup() }, question: question.clone() };
            assert_eq!(ledger.answer(&call, at(1)), Ok(Answer::OtherLayout(1)));
        }
    }
    assert_eq!(ledger.rows, before);
}

#[test]
fn calls_and_answers_of_another_format_are_not_read() {
    let call = Call { setup: setup(), question: Question::Confirm(Position::default(), vec![digest(1)]) };
    let (mut call, mut answer) = (call.write(), Answer::OtherHistory.write());
    assert!(Call::read(&call).is_some() && Answer::read(&answer).is_some());
    for format in [0, 2, 255] {
        (call[0], answer[0]) = (format, format);
        assert!(Call::read(&call).is_none() && Answer::read(&answer).is_none());
    }
}

#[test]
fn runs_of_another_format_are_an_error_and_never_taken_as_empty() {
    let mut ledger = Ledger::new(MemoryRows::default(), SMALL);
    for number in 0..20 {
        record(&mut ledger, &[session(number, at(9_000))], at(0)).unwrap();
    }
    write_all(&mut ledger, at(0)).unwrap();
    settle(&mut ledger, at(0)).unwrap();
    let mut rows = ledger.rows.clone();
    rows.runs.values_mut().for_each(|(_, about)| about[0] = 9);
    let mut other = Ledger::new(rows, SMALL);
    assert!(ask(&mut other, Question::Confirm(Position::default(), vec![digest(1)]), at(0)).is_err());
    assert!(other.step(at(0)).is_err());
    // A block that is gone is an error as well.
    let mut rows = ledger.rows.clone();
    rows.blocks.clear();
    let mut other = Ledger::new(rows, SMALL);
    let found = (0..20)
        .filter(|number| ask(&mut other, Question::Confirm(Position::default(), vec![digest(*number)]), at(0)).is_ok());
    assert!(found.count() < 8);
}

#[test]
fn of_many_lineages_the_latest_are_remembered_and_the_oldest_import_nothing() {
    let mut ledger = Ledger::new(MemoryRows::default(), Sizes::DEFAULT);
    let mut positions = Vec::new();
    for start in 0..100_u64 {
        ledger.forget_instance();
        record(&mut ledger, &[session(start, at(90_000))], at(0)).unwrap();
        let Answer::Synced(synced) = sync(&mut ledger, Position::default(), 0, at(0)) else { panic!() };
        assert_eq!(synced.upto, start + 1);
        positions.push(Position { lineage: synced.lineage, version: synced.upto });
    }
    assert_eq!(ledger.rows.lineages.len(), 64);
    let import = ledger.take_import(at(100)).unwrap().unwrap();
    ledger
        .note_import(
            &import,
            edge_logout::revocation::ledger::KvListPage { entries: Vec::new(), cursor: None },
            at(100),
        )
        .unwrap();
    for (start, position) in positions.iter().enumerate() {
        let answer = sync(&mut ledger, *position, 0, at(200));
        assert_eq!(matches!(answer, Answer::Synced(_)), start >= 100 - 64, "{start}");
        assert!(matches!(answer, Answer::Synced(_) | Answer::OtherHistory));
    }
    // They were forgotten, which is no restore.
    let Answer::Synced(synced) = sync(&mut ledger, Position::default(), 0, at(201)) else { panic!() };
    assert!(!synced.is_importing);
    let _ = Limits { cut_off: None, expires_at: at(0) };
}
