//! Tests of the ledger by itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod full;
mod import;
mod law;
mod outbox;
mod recording;
mod sealing;
mod watched;
mod work;
mod world;

use std::time::Duration;

use edge_logout::revocation::ledger::{
    Answer, Call, Directory, Entry, Ledger, Position, Question, Rows, SegmentFilter, SegmentName, Setup, Sizes, Step,
    SyncQuestion, Synced,
};
use edge_logout::revocation::{Digest, Logout, Revocation, Scope, TokenEntry};
use edge_logout::time::Timestamp;

/// So small that a few records reach every level.
pub const SMALL: Sizes = Sizes { sealed: 4, run: 6, slice: 3, page: 3 };
/// How long Workers KV takes to settle.
pub const SETTLING: Duration = Duration::from_mins(1);
/// When these tests begin.
pub const BEGIN: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// Two logouts within so long are one.
pub const SPARE: Duration = Duration::from_secs(3);

/// So many seconds after the beginning.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

/// A digest like a hash's.
pub fn digest(number: u64) -> Digest {
    let mut bytes = [0; 32];
    for (place, part) in (0_u64..).zip(bytes.as_chunks_mut::<8>().0) {
        *part = mixed(number.wrapping_mul(4).wrapping_add(place)).to_be_bytes();
    }
    Digest::from_bytes(bytes)
}

/// `SplitMix64` (Steele, Lea and Flood, 2014).
pub fn mixed(number: u64) -> u64 {
    let mut value = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A revocation.
pub fn revocation(digest: Digest, scope: Scope, cut_off: Option<Timestamp>, expires_at: Timestamp) -> Revocation {
    let duplicate_window = if scope == Scope::Token { Duration::ZERO } else { SPARE };
    Revocation { digest, issuer: "shop".to_owned(), scope, revoked_at: BEGIN, cut_off, expires_at, duplicate_window }
}

/// The end of a session.
pub fn session(number: u64, expires_at: Timestamp) -> Logout {
    Logout { widest: revocation(digest(number), Scope::Session, None, expires_at), token: None }
}

/// The end of a session by one of its tokens.
pub fn session_of(number: u64, token: u64, expires_at: Timestamp) -> Logout {
    let token = TokenEntry { digest: digest(token), expires_at: expires_at.minus(Duration::from_secs(10)) };
    Logout { token: Some(token), ..session(number, expires_at) }
}

/// The end of a subject's tokens.
pub fn subject(number: u64, cut_off: Timestamp, expires_at: Timestamp) -> Logout {
    Logout { widest: revocation(digest(number), Scope::Subject, Some(cut_off), expires_at), token: None }
}

/// The end of an issuer's tokens.
pub fn issuer(number: u64, cut_off: Timestamp, expires_at: Timestamp) -> Logout {
    Logout { widest: revocation(digest(number), Scope::Issuer, Some(cut_off), expires_at), token: None }
}

/// The only shard of a ledger.
pub const fn setup() -> Setup {
    Setup { shard: 0, shards: 1, settling: SETTLING, kv_written_until: None }
}

pub fn ask<R: Rows>(ledger: &mut Ledger<R>, question: Question, now: Timestamp) -> Result<Answer, R::Error> {
    // By way of bytes, as it comes from afar.
    let call = Call { setup: setup(), question };
    let answer = ledger.answer(&Call::read(&call.write()).unwrap(), now)?;
    assert_eq!(Answer::read(&answer.write()).as_ref(), Some(&answer));
    Ok(answer)
}

pub fn record<R: Rows>(ledger: &mut Ledger<R>, logouts: &[Logout], now: Timestamp) -> Result<Answer, R::Error> {
    ask(ledger, Question::Record(logouts.to_vec()), now)
}

pub fn confirm<R: Rows>(ledger: &mut Ledger<R>, digest: Digest, now: Timestamp) -> Option<Timestamp>
where
    R::Error: std::fmt::Debug,
{
    match ask(ledger, Question::Confirm(Position::default(), vec![digest]), now).unwrap() {
        Answer::Confirmed(found) => found[0],
        other => panic!("{other:?}"),
    }
}

pub fn sync<R: Rows>(ledger: &mut Ledger<R>, at: Position, directory: u64, now: Timestamp) -> Answer
where
    R::Error: std::fmt::Debug,
{
    ask(ledger, Question::Sync(SyncQuestion { at, directory, overlap: 0 }), now).unwrap()
}

/// Steps until nothing is left to do, and answers when there is more.
pub fn settle<R: Rows>(ledger: &mut Ledger<R>, now: Timestamp) -> Result<Option<Timestamp>, R::Error> {
    for _ in 0..100_000 {
        if let Step::Idle(next) = ledger.step(now)? {
            return Ok(next);
        }
    }
    panic!("it never ends");
}

/// Writes everything that is due, which succeeds.
pub fn write_all<R: Rows>(ledger: &mut Ledger<R>, now: Timestamp) -> Result<usize, R::Error> {
    let mut count = 0;
    loop {
        let batch = ledger.take_batch(now)?;
        // What is over is removed a few at a time.
        let is_more = ledger.rows.pending_due(now, 1)?.first().is_some_and(|entry| entry.revocation.expires_at <= now);
        if batch.is_empty() && !is_more {
            return Ok(count);
        }
        count += batch.len();
        ledger.note_batch(batch.into_iter().map(|write| (write, Ok(()))).collect(), now)?;
    }
}

/// What a replica makes of sync answers: the simplest one that can be right.
#[derive(Default)]
pub struct Model {
    pub position: Position,
    pub directory_id: u64,
    pub directory: Directory,
    pub filters: Vec<(SegmentName, SegmentFilter)>,
    /// Entries with their versions.
    pub entries: Vec<(u64, Entry)>,
}

impl Model {
    /// Everything that a shard knows.
    pub fn of<R: Rows>(ledger: &mut Ledger<R>, now: Timestamp) -> Self
    where
        R::Error: std::fmt::Debug,
    {
        let mut model = Self::default();
        while !model.take(ledger, now) {}
        for segment in model.directory.segments.clone() {
            let filter = match ask(ledger, Question::Segment(segment.name), now).unwrap() {
                Answer::Segment(Some(filter)) => filter,
                other => panic!("{other:?}"),
            };
            assert!(segment.matches_checksum(&filter));
            model.filters.push((segment.name, SegmentFilter::read(&filter).unwrap()));
        }
        model
    }

    fn take<R: Rows>(&mut self, ledger: &mut Ledger<R>, now: Timestamp) -> bool
    where
        R::Error: std::fmt::Debug,
    {
        let Answer::Synced(synced) = sync(ledger, self.position, self.directory_id, now) else { panic!("foreign") };
        let Synced { lineage, after, upto, is_complete, directory_id, directory, entries, .. } = synced;
        if let Some(directory) = directory {
            assert_ne!(self.directory_id, directory_id);
            self.directory = directory;
            self.directory_id = directory_id;
        }
        let sealed = self.directory.sealed;
        assert!(after <= self.position.version.max(sealed), "a gap");
        self.entries.retain(|(version, _)| *version <= after && *version > sealed);
        self.entries.extend((after + 1..).zip(entries));
        assert!(self.entries.iter().map(|(version, _)| *version).eq(sealed + 1..=upto), "{sealed} {upto}");
        self.position = Position { lineage, version: upto };
        is_complete
    }

    /// Up to when tokens were issued that it knows to be revoked, or whether the shard has to confirm it.
    pub fn find(&self, digest: &Digest) -> (Option<Timestamp>, bool) {
        let prefix = digest.prefix();
        let entries = self.entries.iter().map(|(_, entry)| entry).chain(&self.directory.cut_offs);
        let known = entries.filter(|entry| entry.prefix == prefix).map(|entry| entry.revokes_upto).max();
        let key = prefix.filter_key();
        let may_be = self.directory.segments.iter().zip(&self.filters).any(|(segment, (name, filter))| {
            assert_eq!(segment.name, *name);
            segment.spans(key) && filter.may_contain(key)
        });
        (known, may_be)
    }
}
