//! Following the feed: from what another isolate of the location shares, or by a poll of one's own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client;
use super::feed::{Applied, Changes};
use super::memory::Memory;
use crate::ports::{Clock, LedgerError, LedgerShards, SharedMemory};
use crate::time::Timestamp;

/// A feed of 100,000 revocations has fifty pages; more than that is never read in one go.
const MAX_PAGES: usize = 64;
/// The most entries in an answer that is shared: those who need more than the newest ask for themselves.
const MAX_SHARED_ENTRIES: usize = 500;
/// The Cache API's lifetimes have whole seconds. What counts is the time in the answer.
const SHARED_SECONDS: u32 = 2;

/// An answer of the feed, and when it was asked for.
#[derive(Serialize, Deserialize)]
struct Shared {
    asked_at: Timestamp,
    changes: Changes,
}

/// Hears a shard's feed to its end, as it was within the last `bound` or later.
///
/// # Errors
/// The ledger's; or [`LedgerError::Overloaded`] when the feed is more than an isolate remembers.
pub(super) async fn sync<P: Clock + LedgerShards + SharedMemory>(
    platform: &P,
    memory: &Memory,
    shard: u32,
    bound: Duration,
) -> Result<(), LedgerError> {
    if take_shared(platform, memory, shard, bound).await {
        return Ok(());
    }
    for _ in 0..MAX_PAGES {
        let asked_at = platform.now();
        let since = memory.since(shard, asked_at).ok_or(LedgerError::Overloaded)?;
        let changes = client::changes(platform, shard, since).await?;
        match memory.take(shard, &changes, asked_at, platform.now()) {
            Applied::Fully => {
                if changes.entries.len() <= MAX_SHARED_ENTRIES {
                    share(platform, shard, Shared { asked_at, changes }).await;
                }
                return Ok(());
            }
            Applied::Partly | Applied::Gap => {}
            Applied::TooLarge => return Err(LedgerError::Overloaded),
        }
    }
    Err(LedgerError::Failed)
}

/// Takes in what another isolate of this location has asked for, when it is recent enough.
async fn take_shared<P: Clock + SharedMemory>(platform: &P, memory: &Memory, shard: u32, bound: Duration) -> bool {
    let heard = platform.now().minus(bound);
    let Some(text) = platform.recall(shard).await else { return false };
    let Ok(Shared { asked_at, changes }) = serde_json::from_str::<Shared>(&text) else { return false };
    let now = platform.now();
    // Asked for in the future: a clock of this location is wrong, and nobody knows which.
    asked_at >= heard && asked_at <= now && memory.take_shared(shard, &changes, asked_at, now)
}

async fn share<P: SharedMemory>(platform: &P, shard: u32, heard: Shared) {
    if let Ok(text) = serde_json::to_string(&heard) {
        platform.share(shard, &text, SHARED_SECONDS).await;
    }
}
