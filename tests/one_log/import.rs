//! Taking over what Workers KV holds from before there was a ledger, and after a restore.

use std::time::Duration;

use edge_logout::ports::KvEntry;
use edge_logout::revocation::ledger::{
    Answer, Call, KvListEntry, KvListPage, Ledger, Position, Question, Setup, Step, SyncQuestion,
};
use edge_logout::revocation::{Revocation, Scope, StoredRevocation, shard_of};
use edge_logout::time::Timestamp;

use super::{SETTLING, SMALL, at, confirm, digest, record, revocation, session, settle, setup, sync, write_all};
use crate::support::rows::MemoryRows;

fn listed(revocations: &[Revocation], cursor: Option<&str>) -> KvListPage {
    let entry = |revocation: &Revocation| {
        let stored = StoredRevocation::parse(&KvEntry::of(revocation, at(0)).value);
        KvListEntry { key: revocation.key(), stored, expires_at: None }
    };
    KvListPage { entries: revocations.iter().map(entry).collect(), cursor: cursor.map(str::to_owned) }
}

fn is_importing(ledger: &mut Ledger<MemoryRows>, now: Timestamp) -> bool {
    match sync(ledger, Position::default(), 0, now) {
        Answer::Synced(synced) => synced.is_importing,
        other => panic!("{other:?}"),
    }
}

fn ledger() -> Ledger<MemoryRows> {
    let mut ledger = Ledger::new(MemoryRows::default(), SMALL);
    assert!(is_importing(&mut ledger, at(0)));
    ledger
}

fn old(number: u64, scope: Scope, expires_at: Timestamp) -> Revocation {
    revocation(digest(number), scope, (scope <= Scope::Subject).then(|| at(0)), expires_at)
}

/// Imports from an empty Workers KV.
fn import_nothing(ledger: &mut Ledger<MemoryRows>, now: Timestamp) {
    let import = ledger.take_import(now).unwrap().unwrap();
    assert!(ledger.note_import(&import, listed(&[], None), now).unwrap());
}

#[test]
fn a_listing_counts_when_it_began_after_everything_had_settled() {
    let mut ledger = ledger();
    let due = at(60);
    assert_eq!(ledger.take_import(at(59)).unwrap(), None);
    assert_eq!(ledger.step(at(0)).unwrap(), Step::Idle(Some(due)));
    let import = ledger.take_import(due).unwrap().unwrap();
    assert_eq!((import.began_at, import.cursor.clone()), (due, None));
    assert!(is_importing(&mut ledger, due));
    assert!(ledger.note_import(&import, listed(&[old(1, Scope::Token, at(1_000))], None), at(61)).unwrap());
    assert!(!is_importing(&mut ledger, at(61)));
    assert_eq!(ledger.take_import(at(62)).unwrap(), None);
    assert_eq!(confirm(&mut ledger, digest(1), at(62)), Some(Timestamp::END));
    // It is in Workers KV already.
    assert!(ledger.take_batch(at(62)).unwrap().is_empty());
}

#[test]
fn what_the_operator_says_of_earlier_versions_counts() {
    let mut ledger = Ledger::new(MemoryRows::default(), SMALL);
    let until = |seconds: i64| Setup { kv_written_until: Some(at(seconds)), ..setup() };
    let question = Question::Sync(SyncQuestion { at: Position::default(), directory: 0, overlap: 0 });
    let is_importing = |ledger: &mut Ledger<MemoryRows>, setup: Setup, now: i64| match ledger
        .answer(&Call { setup, question: question.clone() }, at(now))
        .unwrap()
    {
        Answer::Synced(synced) => synced.is_importing,
        other => panic!("{other:?}"),
    };
    assert!(is_importing(&mut ledger, until(500), 0));
    assert_eq!(ledger.take_import(at(559)).unwrap(), None);
    import_nothing(&mut ledger, at(560));
    assert!(!is_importing(&mut ledger, until(500), 561));
    // One that was earlier than the ledger adds nothing; a later one does.
    assert!(!is_importing(&mut ledger, until(-500), 561));
    assert!(is_importing(&mut ledger, until(600), 700));
    import_nothing(&mut ledger, at(700));
    assert!(!is_importing(&mut ledger, until(600), 700));
}

#[test]
fn pages_are_read_one_by_one_and_resumed_after_restarts() {
    let mut ledger = ledger();
    for page in 0..20_u64 {
        // Each page by another start of the object, and one that is lost is read again.
        for try_number in 0..2 {
            ledger = Ledger::new(ledger.rows.clone(), SMALL);
            let now = at(60 + i64::try_from(page).unwrap());
            let import = ledger.take_import(now).unwrap().unwrap();
            assert_eq!(import.began_at, at(60));
            assert_eq!(import.cursor, (page > 0).then(|| page.to_string()));
            if try_number == 1 {
                let entries: Vec<_> = (0..7).map(|place| old(page * 7 + place, Scope::Session, at(9_000))).collect();
                let cursor = (page < 19).then(|| (page + 1).to_string());
                let is_last = ledger.note_import(&import, listed(&entries, cursor.as_deref()), now).unwrap();
                assert_eq!(is_last, page == 19);
            }
        }
        write_all(&mut ledger, at(90)).unwrap();
        for _ in 0..page {
            ledger.step(at(90)).unwrap();
        }
    }
    assert!(!is_importing(&mut ledger, at(100)));
    settle(&mut ledger, at(100)).unwrap();
    for number in 0..140 {
        assert_eq!(confirm(&mut ledger, digest(number), at(100)), Some(Timestamp::END), "{number}");
    }
}

#[test]
fn what_is_over_known_or_of_another_shard_is_left_and_what_is_unreadable_ends_everything() {
    let mut ledger = ledger();
    record(&mut ledger, &[session(1, at(5_000))], at(1)).unwrap();
    let import = ledger.take_import(at(2_000)).unwrap().unwrap();
    let mut page = listed(
        &[
            old(1, Scope::Session, at(5_000)),
            old(2, Scope::Session, at(1_300)),
            old(3, Scope::Issuer, at(9_000)),
            old(4, Scope::Subject, at(9_000)),
        ],
        None,
    );
    for key in [old(5, Scope::Subject, at(0)).key(), "segment:v1:00".to_owned(), "v1:nothing".to_owned()] {
        page.entries.push(KvListEntry { key, stored: None, expires_at: None });
    }
    assert!(ledger.note_import(&import, page.clone(), at(2_000)).unwrap());
    assert_eq!(ledger.rows.log.len(), 4);
    let mut found = |number: u64| confirm(&mut ledger, digest(number), at(2_000));
    assert_eq!((found(1), found(2)), (Some(Timestamp::END), None));
    assert_eq!((found(3), found(4), found(5)), (Some(at(0)), Some(at(0)), Some(Timestamp::END)));
    // Once more it adds nothing.
    assert!(ledger.note_import(&import, page, at(2_000)).unwrap());
    assert_eq!(ledger.rows.log.len(), 4);
}

#[test]
fn every_entry_is_imported_by_its_own_shard() {
    let entries: Vec<_> =
        (0..60).map(|number| old(number, Scope::ALL[usize::try_from(number % 4).unwrap()], at(9_000))).collect();
    let mut count = 0;
    for shard in 0..3 {
        let mut ledger = Ledger::new(MemoryRows::default(), SMALL);
        let setup = Setup { shard, shards: 3, ..setup() };
        let question = Question::Record(Vec::new());
        ledger.answer(&Call { setup, question }, at(0)).unwrap();
        let import = ledger.take_import(at(100)).unwrap().unwrap();
        ledger.note_import(&import, listed(&entries, None), at(100)).unwrap();
        count += ledger.rows.log.len();
        let ours = |row: &&edge_logout::revocation::ledger::LogRow| {
            shard_of(row.logout.widest.scope, &row.logout.widest.digest, 3) == shard
        };
        assert!(ledger.rows.log.values().all(|row| ours(&row)));
    }
    assert_eq!(count, 60);
}

#[test]
fn a_restore_that_is_noticed_imports_again_also_in_the_middle_of_an_import() {
    let mut ledger = ledger();
    record(&mut ledger, &[session(1, at(90_000))], at(1)).unwrap();
    let early = ledger.rows.clone();
    record(&mut ledger, &[session(2, at(90_000))], at(2)).unwrap();
    import_nothing(&mut ledger, at(60));
    let Answer::Synced(ahead) = sync(&mut ledger, Position::default(), 0, at(61)) else { panic!() };
    let ahead = Position { lineage: ahead.lineage, version: ahead.upto };

    let mut ledger = Ledger::new(early, SMALL);
    import_nothing(&mut ledger, at(100));
    assert!(!is_importing(&mut ledger, at(100)));
    // One that knows less notices nothing.
    let level = Position { version: 1, ..ahead };
    assert!(matches!(sync(&mut ledger, level, 0, at(100)), Answer::Synced(_)));
    assert_eq!(sync(&mut ledger, ahead, 0, at(101)), Answer::OtherHistory);
    assert!(is_importing(&mut ledger, at(101)));
    assert_eq!(ledger.take_import(at(101 + 59)).unwrap(), None);
    let import = ledger.take_import(at(170)).unwrap().unwrap();
    assert_eq!(import.began_at, at(170));
    assert!(!ledger.note_import(&import, listed(&[], Some("next")), at(170)).unwrap());
    // The same once more changes nothing; one that was further ahead begins it anew.
    assert_eq!(sync(&mut ledger, ahead, 0, at(171)), Answer::OtherHistory);
    let import = ledger.take_import(at(172)).unwrap().unwrap();
    assert_eq!(import.cursor.as_deref(), Some("next"));
    let further = Position { version: 9, ..ahead };
    assert_eq!(sync(&mut ledger, further, 0, at(173)), Answer::OtherHistory);
    assert!(ledger.note_import(&import, listed(&[old(2, Scope::Session, at(90_000))], None), at(174)).unwrap());
    assert!(is_importing(&mut ledger, at(174)), "it began too early");
    let import = ledger.take_import(at(173).plus(SETTLING)).unwrap().unwrap();
    assert_eq!((import.began_at, import.cursor.as_deref()), (at(173).plus(SETTLING), None));
    assert!(ledger.note_import(&import, listed(&[], None), at(250)).unwrap());
    assert!(!is_importing(&mut ledger, at(250)));
    assert_eq!(confirm(&mut ledger, digest(2), at(250)), Some(Timestamp::END));
    let _ = Duration::ZERO;
}
