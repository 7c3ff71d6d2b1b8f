//! Following the feed: from what another isolate of the location shares, or by a poll of one's own.

use std::cell::Cell;
use std::time::Duration;

use super::client::ShardClient;
use super::feed::{Applied, Changes};
use super::memory::Memory;
use crate::ports::{Clock, LedgerError, LedgerShards, SharedMemory, within};
use crate::time::Timestamp;

/// A feed of 100,000 revocations has fifty pages; more than that is never read in one go.
const MAX_PAGES: usize = 64;
/// The most entries in an answer that is shared: those who need more than the newest ask for themselves.
const MAX_SHARED_ENTRIES: usize = 500;
/// How much longer than the bound an answer is shared: lifetimes of the Cache API have whole seconds. What counts is the
/// time in the answer.
const SHARED_LONGER_SECONDS: u64 = 2;
/// How long the Cache API may take. Nothing depends on it.
const SHARING_LIMIT: Duration = Duration::from_millis(100);
/// How long a poll that another isolate of the location has begun is waited for.
const CLAIM_LIMIT: Duration = Duration::from_millis(400);
/// When it is looked for first whether that poll has ended; every pause is twice the one before, since a request has
/// only so many calls.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// How often a request looks whether another one of its isolate has heard the feed.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// An answer of the feed as it is shared: when it was asked for, a space, and the answer. So its age is known before
/// anybody reads all of it.
struct Shared<'a> {
    asked_at: Timestamp,
    answer: &'a str,
}

impl<'a> Shared<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (asked_at, answer) = text.split_once(' ')?;
        Some(Self { asked_at: Timestamp::from_millis(asked_at.parse().ok()?), answer })
    }

    fn write(&self) -> String {
        format!("{} {}", self.asked_at.as_millis(), self.answer)
    }
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
    client: &ShardClient<'_, P>,
    bound: Duration,
    begin: Timestamp,
) -> Result<(), Unheard> {
    let ShardClient { platform, memory, shard, .. } = *client;
    memory.since(shard, begin).ok_or(Unheard::TooLarge)?;
    // No future of another request may be waited for: it would be woken outside of its own request.
    while !memory.begin_hearing(shard, platform.now()) {
        P::sleep(LOOK_AGAIN).await;
        if memory.is_synced(shard, begin.minus(bound), platform.now()) {
            return Ok(());
        }
        if let Some(unheard) = memory.unheard_since(shard, begin) {
            return Err(unheard);
        }
        if let Some(cause) = memory.refuses(shard, platform.now()) {
            return Err(Unheard::Ledger(cause));
        }
    }
    let _turn = Turn { memory, shard };
    let heard = sync(client, bound).await;
    memory.note_unheard(shard, heard.err().map(|unheard| (platform.now(), unheard)));
    heard
}

/// An isolate's turn at hearing a feed; it ends also when whoever has it is dropped.
pub(super) struct Turn<'a> {
    pub memory: &'a Memory,
    pub shard: u32,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.memory.end_hearing(self.shard);
    }
}

/// Hears a shard's feed to its end, as it was within the last `bound` or later: by what an isolate of this location has
/// asked for, is asking for, or by a poll of its own. So a shard mostly hears of a location one poll at a time.
pub(super) async fn sync<P: Clock + LedgerShards + SharedMemory>(
    client: &ShardClient<'_, P>,
    bound: Duration,
) -> Result<(), Unheard> {
    let ShardClient { platform, memory, shard, .. } = *client;
    let (feed, claim) = (format!("feed-{shard}"), format!("claim-{shard}"));
    let location = Location { platform, feed, claim, is_slow: Cell::new(false) };
    let (begin, mut pause) = (platform.now(), FIRST_LOOK);
    loop {
        let heard = location.recall(&location.feed).await;
        let heard = heard.as_deref().and_then(Shared::read);
        if heard.as_ref().is_some_and(|heard| take_shared(platform, memory, shard, begin.minus(bound), heard)) {
            return Ok(());
        }
        // Checked first: a poll that is claimed must be made.
        if let Some(cause) = memory.refuses(shard, platform.now()) {
            return Err(Unheard::Ledger(cause));
        }
        let waited = platform.now().since(begin);
        if waited >= CLAIM_LIMIT || !location.is_claimed(heard.map(|heard| heard.asked_at)).await {
            break;
        }
        P::sleep(pause).await;
        pause = pause.saturating_mul(2);
    }
    let now = platform.now();
    location.share(&location.claim, &now.as_millis().to_string(), 1).await;
    let polled = poll(client, bound, &location).await;
    if polled != Ok(IsShared::Yes) {
        // Nobody need wait for it.
        location.share(&location.claim, "0", 1).await;
    }
    polled.map(|_| ())
}

/// Whether an answer was shared with the location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IsShared {
    Yes,
    No,
}

async fn poll<P: Clock + LedgerShards + SharedMemory>(
    client: &ShardClient<'_, P>,
    bound: Duration,
    location: &Location<'_, P>,
) -> Result<IsShared, Unheard> {
    let ShardClient { platform, memory, shard, .. } = *client;
    let mut gaps = 0_u8;
    for _ in 0..MAX_PAGES {
        let asked_at = platform.now();
        let since = memory.since(shard, asked_at).ok_or(Unheard::TooLarge)?;
        let (changes, answer) = client.changes(since).await.map_err(Unheard::Ledger)?;
        match memory.take(shard, &changes, asked_at, platform.now()) {
            Applied::Fully => {
                if changes.entries.len() > MAX_SHARED_ENTRIES {
                    return Ok(IsShared::No);
                }
                let text = Shared { asked_at, answer: &answer }.write();
                let seconds = bound.as_secs().saturating_add(SHARED_LONGER_SECONDS);
                location.share(&location.feed, &text, u32::try_from(seconds).unwrap_or(u32::MAX)).await;
                return Ok(IsShared::Yes);
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
fn take_shared(platform: &impl Clock, memory: &Memory, shard: u32, since: Timestamp, heard: &Shared) -> bool {
    let (asked_at, now) = (heard.asked_at, platform.now());
    // Asked for in the future: a clock of this location is wrong, and nobody knows which.
    let is_recent = asked_at >= since && asked_at <= now;
    let changes = if is_recent { Changes::read(heard.answer) } else { None };
    changes.is_some_and(|changes| memory.take_shared(shard, &changes, asked_at, now))
}

/// What the isolates of a location share of one shard. Where that fails, each polls for itself.
struct Location<'a, P> {
    platform: &'a P,
    /// The name of the latest answer of the feed.
    feed: String,
    /// The name of the moment at which a poll began.
    claim: String,
    is_slow: Cell<bool>,
}

impl<P: Clock + SharedMemory> Location<'_, P> {
    async fn recall(&self, name: &str) -> Option<String> {
        self.in_time(self.platform.recall(name)).await.flatten()
    }

    async fn share(&self, name: &str, text: &str, seconds: u32) {
        // Who shares nothing costs the others a poll.
        let _ = self.in_time(self.platform.share(name, text, seconds)).await;
    }

    /// Once it has taken too long it is not asked again.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if self.is_slow.get() {
            return None;
        }
        let done = within::<P, _>(SHARING_LIMIT, work).await;
        self.is_slow.set(done.is_none());
        done
    }

    /// Whether a poll has begun lately whose answer is not shared yet.
    async fn is_claimed(&self, heard: Option<Timestamp>) -> bool {
        let Some(claimed_at) = self.recall(&self.claim).await.and_then(|text| text.parse().ok()) else { return false };
        let claimed_at = Timestamp::from_millis(claimed_at);
        let now = self.platform.now();
        claimed_at <= now && now.since(claimed_at) < CLAIM_LIMIT && heard.is_none_or(|heard| heard < claimed_at)
    }
}
