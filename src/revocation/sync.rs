//! Following the feed: from what another isolate of the location shares, or by a poll of one's own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client;
use super::feed::{Applied, Changes};
use super::memory::Memory;
use crate::ports::{Clock, LedgerError, LedgerShards, SharedMemory, within};
use crate::time::Timestamp;

/// A feed of 100,000 revocations has fifty pages; more than that is never read in one go.
const MAX_PAGES: usize = 64;
/// The most entries in an answer that is shared: those who need more than the newest ask for themselves.
const MAX_SHARED_ENTRIES: usize = 500;
/// The Cache API's lifetimes have whole seconds. What counts is the time in the answer.
const SHARED_SECONDS: u32 = 2;
/// How long the Cache API may take. Nothing depends on it.
const SHARING_LIMIT: Duration = Duration::from_millis(100);
/// How often a request looks whether another one of its isolate has heard the feed.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// An answer of the feed, and when it was asked for.
#[derive(Serialize, Deserialize)]
struct Shared {
    asked_at: Timestamp,
    changes: Changes,
}

/// Why a feed was not heard to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unheard {
    /// The ledger did not answer.
    Ledger(LedgerError),
    /// There is more than an isolate remembers.
    TooLarge,
    /// It tells what is not understood: the feed of a newer version of this service.
    Unreadable,
}

/// Hears a shard's feed to its end as it was within `bound` of `begin`, or waits for another request of the isolate that
/// is doing so: one poll does for all of them.
pub(super) async fn hear<P: Clock + LedgerShards + SharedMemory>(
    platform: &P,
    memory: &Memory,
    shard: u32,
    bound: Duration,
    begin: Timestamp,
) -> Result<(), Unheard> {
    // No future of another request may be waited for: it would be woken outside of its own request.
    while !memory.begin_hearing(shard, platform.now()) {
        P::sleep(LOOK_AGAIN).await;
        if memory.is_synced(shard, begin.minus(bound), platform.now()) {
            return Ok(());
        }
    }
    let heard = sync(platform, memory, shard, bound).await;
    memory.end_hearing(shard);
    heard
}

/// Hears a shard's feed to its end, as it was within the last `bound` or later.
pub(super) async fn sync<P: Clock + LedgerShards + SharedMemory>(
    platform: &P,
    memory: &Memory,
    shard: u32,
    bound: Duration,
) -> Result<(), Unheard> {
    if take_shared(platform, memory, shard, bound).await {
        return Ok(());
    }
    let mut gaps = 0_u8;
    for _ in 0..MAX_PAGES {
        let asked_at = platform.now();
        let since = memory.since(shard, asked_at).ok_or(Unheard::TooLarge)?;
        let changes = client::changes(platform, shard, since).await.map_err(Unheard::Ledger)?;
        match memory.take(shard, &changes, asked_at, platform.now()) {
            Applied::Fully => {
                if changes.entries.len() <= MAX_SHARED_ENTRIES {
                    share(platform, shard, Shared { asked_at, changes }).await;
                }
                return Ok(());
            }
            Applied::Partly => gaps = 0,
            // The feed is read from its start then. Where that is a gap as well it cannot be read at all.
            Applied::Gap if gaps > 1 => return Err(Unheard::Unreadable),
            Applied::Gap => gaps = gaps.saturating_add(1),
            Applied::TooLarge => return Err(Unheard::TooLarge),
        }
    }
    Err(Unheard::TooLarge)
}

/// Takes in what another isolate of this location has asked for, when it is recent enough.
async fn take_shared<P: Clock + SharedMemory>(platform: &P, memory: &Memory, shard: u32, bound: Duration) -> bool {
    let heard = platform.now().minus(bound);
    let Some(Some(text)) = within::<P, _>(SHARING_LIMIT, platform.recall(shard)).await else { return false };
    let Ok(Shared { asked_at, changes }) = serde_json::from_str::<Shared>(&text) else { return false };
    let now = platform.now();
    // Asked for in the future: a clock of this location is wrong, and nobody knows which.
    asked_at >= heard && asked_at <= now && memory.take_shared(shard, &changes, asked_at, now)
}

async fn share<P: Clock + SharedMemory>(platform: &P, shard: u32, heard: Shared) {
    if let Ok(text) = serde_json::to_string(&heard) {
        let _ = within::<P, _>(SHARING_LIMIT, platform.share(shard, &text, SHARED_SECONDS)).await;
    }
}
