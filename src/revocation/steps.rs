//! The single steps of an isolate, for the model in `tests/model.rs`, which schedules them itself.

use super::authority;
use super::freshness::Freshness;
use super::key::Digest;
use super::ledger::{Answer, Segment};
use super::matching::{Confirmed, Matchable};
use super::record::{Logout, Scope};
pub use super::replica::{Confirmation, Lookup, Pages, Replica, Required, Shared, Snapshot, SyncError, take_filter};
use super::status::{CheckedStatus, Status};
use crate::ports::LedgerError;
use crate::time::Timestamp;

/// Looks a token up; `None` if the replica is not recent enough.
#[must_use]
pub fn look(replica: &Replica, token: &Matchable, required: Required, now: Timestamp) -> Option<Lookup> {
    replica.lookup_if_fresh(token, required, now)
}

/// A token's status from memory alone; `None` if I/O is needed.
#[must_use]
pub fn from_memory(
    replica: &Replica,
    token: &Matchable,
    freshness: Freshness,
    now: Timestamp,
) -> Option<CheckedStatus> {
    replica.status_from_memory(token, freshness, now)
}

/// Applies a shard's confirmation: the token's status, or `None` if it must be looked up again.
#[must_use]
pub fn judge(token: &Matchable, confirmation: &Confirmation, answer: &Answer) -> Option<Result<Status, LedgerError>> {
    let asked: Vec<Digest> = confirmation.digests.iter().map(|(_, digest)| *digest).collect();
    let answers = [(confirmation.shard, asked, Ok(answer.clone()))];
    let judged = authority::combine_confirmations(token, std::slice::from_ref(confirmation), &answers)?;
    Some(judged.map_err(|_| LedgerError::Failed))
}

/// Starts a shard's replica over, unless its generation has already changed.
pub fn begin_anew(replica: &Replica, shard: u32, generation: u64) {
    replica.start_over(shard, generation);
}

/// Remembers a logout that this isolate has answered.
pub fn note_own(replica: &Replica, logout: &Logout, now: Timestamp) {
    replica.note_own(logout, now);
}

/// The next segment to load.
#[must_use]
pub fn next_to_load(replica: &Replica, now: Timestamp) -> Option<(u32, Segment)> {
    replica.next_to_load(now)
}

/// Detects that the clock was set back.
pub fn look_at_clock(replica: &Replica, now: Timestamp) {
    replica.detect_clock_rollback(now);
}

/// The cached lookups of a token: the version of the segments in which it was absent, and the confirmations as tuples
/// of shard, generation and version.
pub type Remembered = (Option<u64>, Vec<(u32, u64, u64)>);

/// Reads the cached lookups of a token.
#[must_use]
pub fn remembered(token: &Matchable) -> Remembered {
    let confirmed = token.confirmed.borrow();
    (
        token.absent_in_segments.get(),
        confirmed.iter().map(|known| (known.shard, known.generation, known.upto)).collect(),
    )
}

/// Writes the cached lookups of a token.
pub fn remember(token: &Matchable, (absent_in_segments, confirmed): &Remembered) {
    let known = |&(shard, generation, upto): &(u32, u64, u64)| Confirmed { shard, generation, upto };
    token.absent_in_segments.set(*absent_in_segments);
    *token.confirmed.borrow_mut() = confirmed.iter().map(known).collect();
}

/// A token that revocations with these digests match.
#[must_use]
pub fn matchable(digests: &[(Scope, Digest)], issued_at: Option<Timestamp>) -> Matchable {
    Matchable::with_digests("i", digests, issued_at)
}
