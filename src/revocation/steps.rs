//! What an isolate does between two waits, for the model in `tests/model.rs`, which decides itself what happens next.

use super::authority;
use super::freshness::Freshness;
use super::key::Digest;
use super::ledger::{Answer, Segment};
use super::matching::{Confirmed, Matchable};
use super::record::{Logout, Scope};
pub use super::replica::{Confirmation, Lookup, Pages, Replica, Required, Shared, Snapshot, SyncError, take_filter};
use super::status::{Known, Status};
use crate::ports::LedgerError;
use crate::time::Timestamp;

/// What a replica says of a token, `None` when it is not as recent as required.
#[must_use]
pub fn look(replica: &Replica, token: &Matchable, required: Required, now: Timestamp) -> Option<Lookup> {
    replica.look(token, required, now)
}

/// What memory alone says of a token, `None` when others have to be asked.
#[must_use]
pub fn from_memory(replica: &Replica, token: &Matchable, freshness: Freshness, now: Timestamp) -> Option<Known> {
    replica.remembered(token, freshness, now)
}

/// What a shard has confirmed of a token: its verdict, or `None` when the replica has to be looked at again.
#[must_use]
pub fn judge(token: &Matchable, confirmation: &Confirmation, answer: &Answer) -> Option<Result<Status, LedgerError>> {
    let asked: Vec<Digest> = confirmation.digests.iter().map(|(_, digest)| *digest).collect();
    let answers = [(confirmation.shard, asked, Ok(answer.clone()))];
    let judged = authority::judge(token, std::slice::from_ref(confirmation), &answers)?;
    Some(judged.map_err(|_| LedgerError::Failed))
}

/// Begins a replica of a shard anew, unless that has happened since.
pub fn begin_anew(replica: &Replica, shard: u32, generation: u64) {
    replica.begin_anew(shard, generation);
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

/// Notes the time.
pub fn look_at_clock(replica: &Replica, now: Timestamp) {
    replica.look_at_clock(now);
}

/// What is remembered of a token: in which state of the segments nothing was found, and what shards have confirmed, as
/// shard, generation and version.
pub type Remembered = (Option<u64>, Vec<(u32, u64, u64)>);

/// What is remembered of a token.
#[must_use]
pub fn remembered(token: &Matchable) -> Remembered {
    let confirmed = token.confirmed.borrow();
    (token.clean_in.get(), confirmed.iter().map(|known| (known.shard, known.generation, known.upto)).collect())
}

/// Remembers that of a token.
pub fn remember(token: &Matchable, (clean_in, confirmed): &Remembered) {
    let known = |&(shard, generation, upto): &(u32, u64, u64)| Confirmed { shard, generation, upto };
    token.clean_in.set(*clean_in);
    *token.confirmed.borrow_mut() = confirmed.iter().map(known).collect();
}

/// A token that revocations with these digests end.
#[must_use]
pub fn matchable(digests: &[(Scope, Digest)], issued_at: Option<Timestamp>) -> Matchable {
    Matchable::with_digests("i", digests, issued_at)
}
