//! Syncs with a shard and loads its segments. One request of the isolate does this for all others.

use std::cell::Cell;
use std::time::Duration;

use futures_util::FutureExt;

use super::Replica;
use super::shard::{Applied, Required, SentQuestion};
use crate::ports::{Clock, Index, LedgerError, LedgerShards, SharedMemory};
use crate::revocation::ledger::{
    Answer, CALL_LIMIT, Purpose, Segment, SegmentFilter, SegmentName, ShardClient, SyncQuestion, Synced,
};
use crate::time::Timestamp;
use crate::wait::{all, within};

/// The maximum number of pages of one sync. More than an isolate can hold.
const MAX_PAGES: usize = 32;
/// The maximum number of entries of an answer that is shared within the location.
const MAX_SHARED_ENTRIES: usize = 500;
/// How many known entries a shared answer repeats, for isolates that are slightly behind.
const SHARED_OVERLAP: u32 = 16;
/// The cache lifetime of a shared answer, in seconds: longer than the default bound. Its own timestamp decides its age.
const SHARED_SECONDS: u32 = 3;
/// The assumed maximum difference between clocks of a location. A shared answer counts as this much older.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_millis(250);
/// Timeout of a Cache API operation.
const CACHE_TIMEOUT: Duration = Duration::from_millis(100);
/// How long to wait for a sync that another isolate of the location has started.
const CLAIM_LIMIT: Duration = Duration::from_millis(400);
/// The delay before the first look for the end of that sync. It doubles each time, because a request is limited in its
/// number of subrequests.
const FIRST_POLL_DELAY: Duration = Duration::from_millis(20);
/// Timeout of a background sync.
const REFRESH_LIMIT: Duration = Duration::from_secs(10);
/// Timeout of loading a segment.
const LOAD_LIMIT: Duration = Duration::from_secs(5);
/// The maximum number of segments that one request loads in the background.
const MAX_LOADS: usize = 64;

/// Why a sync failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncError {
    /// The ledger did not answer.
    Ledger(LedgerError),
    /// The circuit breaker is open. A logout may still call the shard.
    Refused(LedgerError),
    /// The ledger has another number of shards. The replica has adopted it.
    OtherLayout,
    /// The log has more entries than an isolate holds.
    TooLarge,
}

/// Waits until a shard's replica is as fresh as required, by its own sync or by that of another request. `check_number`
/// is the sequence number of the check.
pub(crate) async fn ensure_fresh<P: Clock + LedgerShards + SharedMemory>(
    client: &ShardClient<'_, P>,
    required: Required,
    check_number: u64,
    deadline: Timestamp,
) -> Result<(), SyncError> {
    let ShardClient { platform, replica, setup, purpose } = *client;
    let first_page_deadline = match purpose {
        Purpose::Check => deadline.min(platform.now().plus(CALL_LIMIT)),
        Purpose::Logout => deadline,
    };
    loop {
        let now = platform.now();
        if replica.is_fresh(setup.shard, required, now) {
            return Ok(());
        }
        if let Some(error) = replica.with(setup.shard, |shard| shard.failure_after(check_number)).flatten() {
            return Err(SyncError::Ledger(error));
        }
        if replica.with(setup.shard, |shard| shard.is_too_large(now)).unwrap_or(false) {
            return Err(SyncError::TooLarge);
        }
        if now >= first_page_deadline {
            return Err(SyncError::Ledger(LedgerError::TimedOut));
        }
        // Fail fast while the circuit breaker is open, instead of waiting for the probe of another request.
        if purpose == Purpose::Check
            && let Some(error) = replica.refuses(setup.shard, now)
        {
            return Err(SyncError::Refused(error));
        }
        match SyncPermit::begin(replica, setup.shard, now) {
            Some(permit) => match sync(
                client,
                required,
                &permit,
                Deadlines { first_page: first_page_deadline, all_pages: deadline },
            )
            .await
            {
                // The loop reads the recorded result, which also applies to other requests.
                Err(SyncError::Ledger(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            },
            // Poll: a Worker must not await a promise that belongs to another request.
            None => P::sleep(replica.sync_poll_delay(setup.shard, now).min(first_page_deadline.since(now))).await,
        }
    }
}

/// The deadlines of a sync.
#[derive(Clone, Copy)]
struct Deadlines {
    first_page: Timestamp,
    all_pages: Timestamp,
}

/// Permission to sync a shard. Released on drop, so also when the request is canceled.
struct SyncPermit<'a> {
    replica: &'a Replica,
    shard: u32,
    number: u64,
}

impl<'a> SyncPermit<'a> {
    fn begin(replica: &'a Replica, shard: u32, now: Timestamp) -> Option<Self> {
        let number = replica.next_number();
        let may_begin = replica.with(shard, |shard| shard.begin_sync(number, now)).unwrap_or(false);
        may_begin.then(|| Self { replica, shard, number })
    }
}

impl Drop for SyncPermit<'_> {
    fn drop(&mut self) {
        let jitter = self.replica.random_byte();
        self.replica.with(self.shard, |shard| {
            shard.end_sync(self.number);
            shard.jitter = jitter;
        });
    }
}

async fn sync<P: Clock + LedgerShards + SharedMemory>(
    client: &ShardClient<'_, P>,
    required: Required,
    permit: &SyncPermit<'_>,
    deadlines: Deadlines,
) -> Result<(), SyncError> {
    let cache = LocationCache::new(client.platform, permit.shard);
    if let Required::Since(since, _) = required
        && can_use_shared(since, client.platform.now())
        && use_shared_sync(client, &cache, since).await
    {
        return Ok(());
    }
    let is_shared = matches!(required, Required::Since(..));
    let synced = sync_with_shard(client, is_shared.then_some(&cache), deadlines).await;
    let now = client.platform.now();
    match synced {
        // Only a failure before the deadline is the shard's.
        Err(SyncError::Ledger(error)) if now < deadlines.first_page => {
            client.replica.with(permit.shard, |shard| shard.note_failure(permit.number, error));
        }
        Err(SyncError::TooLarge) => {
            client.replica.with(permit.shard, |shard| shard.note_too_large(now));
        }
        _ => {}
    }
    synced
}

/// Syncs with the shard itself, page by page, until the end of the log.
async fn sync_with_shard<P: Clock + LedgerShards + SharedMemory>(
    client: &ShardClient<'_, P>,
    cache: Option<&LocationCache<'_, P>>,
    deadlines: Deadlines,
) -> Result<(), SyncError> {
    let ShardClient { platform, replica, setup, .. } = *client;
    let mut pages = Pages::new(setup.shard, if cache.is_some() { SHARED_OVERLAP } else { 0 });
    for _ in 0..MAX_PAGES {
        let Some(question) = pages.ask(replica, platform.now()) else { return Err(SyncError::OtherLayout) };
        let deadline = if pages.has_begun { deadlines.all_pages } else { deadlines.first_page };
        let pass = client.admit(deadline.since(platform.now())).await.map_err(SyncError::Refused)?;
        pages.has_begun = true;
        let (answer, bytes) = client.sync(pass, question, deadline).await.map_err(SyncError::Ledger)?;
        if let Some(started_at) = pages.take(replica, &answer)? {
            replica.last_sync_duration.set(platform.now().since(started_at));
            if let (Some(cache), Answer::Synced(synced)) = (cache, &answer) {
                replica.with(setup.shard, |shard| shard.is_followed = true);
                cache.share_answer(synced, started_at, &bytes).await;
            }
            return Ok(());
        }
    }
    Err(SyncError::Ledger(LedgerError::Failed))
}

/// The state machine of a sync. It does no I/O: send [`Self::ask`]'s question, and pass the answer to [`Self::take`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pages {
    shard: u32,
    overlap: u32,
    /// The sequence number and the time of the first page's request, which determine the age of the sync.
    first: Option<(u64, Timestamp)>,
    asked: Option<SentQuestion>,
    has_begun: bool,
}

impl Pages {
    /// A sync of a shard. `overlap` is the number of known entries to repeat.
    #[must_use]
    pub const fn new(shard: u32, overlap: u32) -> Self {
        Self { shard, overlap, first: None, asked: None, has_begun: false }
    }

    /// The next question; `None` if the shard no longer exists.
    pub fn ask(&mut self, replica: &Replica, now: Timestamp) -> Option<SyncQuestion> {
        let asked = replica.ask(self.shard, self.overlap)?;
        self.first.get_or_insert((asked.number, now));
        self.asked = Some(asked);
        Some(asked.question)
    }

    /// Applies an answer. Returns the time of the first page's request when the sync is complete; `None` if more pages
    /// follow.
    ///
    /// # Errors
    /// The reason for which the sync cannot continue.
    pub fn take(&mut self, replica: &Replica, answer: &Answer) -> Result<Option<Timestamp>, SyncError> {
        let failed = SyncError::Ledger(LedgerError::Failed);
        let (Some((number, started_at)), Some(asked)) = (self.first, self.asked) else { return Err(failed) };
        let synced = match answer {
            Answer::Synced(synced) => synced,
            Answer::OtherHistory => {
                replica.start_over(self.shard, asked.generation);
                self.first = None;
                return Ok(None);
            }
            Answer::OtherLayout(shards) if self.shard == 0 => {
                replica.note_layout(*shards);
                return Err(SyncError::OtherLayout);
            }
            _ => return Err(failed),
        };
        if self.shard == 0 {
            replica.note_layout(synced.shards);
        }
        match replica.apply(self.shard, synced, &asked) {
            Applied::Fully => {
                replica.with(self.shard, |shard| shard.note_synced(number, started_at));
                return Ok(Some(started_at));
            }
            Applied::Partly => {}
            // Another request has changed the replica, so the time of this sync's first page no longer applies.
            Applied::Late | Applied::Gap => self.first = None,
            Applied::TooLarge => return Err(SyncError::TooLarge),
        }
        Ok(None)
    }
}

/// Whether another isolate's sync could be recent enough despite [`MAX_CLOCK_DIFFERENCE`].
fn can_use_shared(since: Timestamp, now: Timestamp) -> bool {
    now.since(since) > MAX_CLOCK_DIFFERENCE
}

/// Uses the sync of another isolate of the location, and waits for one in progress. Returns whether it was recent
/// enough.
async fn use_shared_sync<P: Clock + LedgerShards + SharedMemory>(
    client: &ShardClient<'_, P>,
    cache: &LocationCache<'_, P>,
    since: Timestamp,
) -> bool {
    let ShardClient { platform, replica, setup, .. } = *client;
    // A shared answer only has the latest entries, so it cannot fill an empty replica.
    if replica.with(setup.shard, |shard| shard.position().version).unwrap_or(0) == 0 {
        return false;
    }
    let mut pause = FIRST_POLL_DELAY;
    loop {
        let shared_bytes = cache.recall(&cache.answer).await;
        let shared = shared_bytes.as_deref().and_then(Shared::read);
        let asked_at = shared.as_ref().map(|shared| shared.asked_at);
        if shared.is_some_and(|shared| shared.apply(replica, setup.shard, since, platform.now())) {
            return true;
        }
        if !cache.is_claimed(asked_at).await {
            return false;
        }
        P::sleep(pause).await;
        pause = pause.saturating_mul(2);
    }
}

/// A shared answer: the time of its request (8 bytes, milliseconds, big-endian), then the encoded answer.
pub struct Shared<'a> {
    asked_at: Timestamp,
    answer: &'a [u8],
}

impl<'a> Shared<'a> {
    /// Decodes a shared answer.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (asked_at, answer) = bytes.split_first_chunk::<8>()?;
        Some(Self { asked_at: Timestamp::from_millis(i64::from_be_bytes(*asked_at)), answer })
    }

    /// Encodes an answer to share; `None` if other isolates could not use it.
    #[must_use]
    pub fn write(synced: &Synced, asked_at: Timestamp, answer: &[u8]) -> Option<Vec<u8>> {
        let is_usable = synced.directory.is_none() && synced.entries.len() <= MAX_SHARED_ENTRIES;
        is_usable.then(|| [&asked_at.as_millis().to_be_bytes(), answer].concat())
    }

    /// Applies the answer if it is recent enough and continues the replica's entries. Returns whether it did.
    #[must_use]
    pub fn apply(&self, replica: &Replica, shard: u32, since: Timestamp, now: Timestamp) -> bool {
        let at = self.asked_at.minus(MAX_CLOCK_DIFFERENCE);
        if at < since || self.asked_at > now {
            return false;
        }
        let Some(Answer::Synced(synced)) = Answer::read(self.answer) else { return false };
        let max_entries = replica.max_entries();
        replica.with(shard, |shard| shard.apply_shared(&synced, at, max_entries)).unwrap_or(false)
    }
}

/// What the isolates of a location share about one shard through the Cache API. If it fails, each syncs for itself.
struct LocationCache<'a, P> {
    platform: &'a P,
    /// The cache key of the latest answer.
    answer: String,
    /// The cache key of the time at which a sync started.
    claim: String,
    is_slow: Cell<bool>,
}

impl<'a, P: Clock + SharedMemory> LocationCache<'a, P> {
    fn new(platform: &'a P, shard: u32) -> Self {
        let (answer, claim) = (format!("sync-{shard}"), format!("claim-{shard}"));
        Self { platform, answer, claim, is_slow: Cell::new(false) }
    }

    async fn recall(&self, name: &str) -> Option<Vec<u8>> {
        self.with_timeout(self.platform.recall(name)).await.flatten()
    }

    async fn share(&self, name: &str, bytes: &[u8], seconds: u32) {
        // Best effort: if this fails, other isolates sync for themselves.
        let _ = self.with_timeout(self.platform.share(name, bytes, seconds)).await;
    }

    /// Runs an operation with a timeout. After a timeout, further operations are skipped.
    async fn with_timeout<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if self.is_slow.get() {
            return None;
        }
        let done = within::<P, _>(CACHE_TIMEOUT, work).await;
        self.is_slow.set(done.is_none());
        done
    }

    /// Whether another isolate has recently started a sync and not shared its answer yet. If not, claims the next sync.
    async fn is_claimed(&self, shared: Option<Timestamp>) -> bool {
        let claim = self.recall(&self.claim).await;
        let claimed_at = claim.as_deref().and_then(Shared::read).map(|claim| claim.asked_at);
        let now = self.platform.now();
        let is_claimed = claimed_at.is_some_and(|claimed_at| {
            claimed_at <= now && now.since(claimed_at) < CLAIM_LIMIT && shared.is_none_or(|shared| shared < claimed_at)
        });
        if !is_claimed {
            self.share(&self.claim, &now.as_millis().to_be_bytes(), 1).await;
        }
        is_claimed
    }

    /// Shares an answer if other isolates can use it.
    async fn share_answer(&self, synced: &Synced, asked_at: Timestamp, answer: &[u8]) {
        match Shared::write(synced, asked_at, answer) {
            Some(bytes) => self.share(&self.answer, &bytes, SHARED_SECONDS).await,
            // Remove the claim, so that no isolate waits for an answer.
            None => self.share(&self.claim, &0_i64.to_be_bytes(), 1).await,
        }
    }
}

/// Syncs shards in the background. Call it with `waitUntil`, after the response.
pub(crate) async fn refresh<'a, P: Clock + Index + LedgerShards + SharedMemory>(
    clients: Vec<ShardClient<'a, P>>,
    bound: Duration,
    now: Timestamp,
) {
    // More recent than the last sync of any shard that is due, so that this isolate's own shared answer is not reused.
    let since = now.minus(bound.checked_div(5).unwrap_or(bound).saturating_mul(2));
    let refresh = |client: ShardClient<'a, P>| {
        async move {
            let ShardClient { replica, setup, platform, .. } = client;
            if let Some(permit) = SyncPermit::begin(replica, setup.shard, platform.now()) {
                // Failures are ignored: the next check that needs a sync retries.
                let deadline = platform.now().plus(REFRESH_LIMIT);
                let _ = sync(
                    &client,
                    Required::Since(since, u64::MAX),
                    &permit,
                    Deadlines { first_page: deadline, all_pages: deadline },
                )
                .await;
            }
        }
        .boxed_local()
    };
    all(clients.into_iter().map(refresh).collect()).await;
}

/// Loads missing segments, the newest first.
pub(crate) async fn load_segments<'a, P: Clock + Index + LedgerShards>(
    replica: &'a Replica,
    platform: &'a P,
    client: impl Fn(u32) -> ShardClient<'a, P>,
) {
    for _ in 0..MAX_LOADS {
        let Some((shard, segment)) = replica.next_to_load(platform.now()) else { return };
        let mut attempt = LoadAttempt { replica, shard, name: segment.name, has_ended: false };
        let stored = within::<P, _>(LOAD_LIMIT, platform.segment(&segment.name.key())).await;
        let stored = stored.and_then(Result::ok).flatten();
        if stored.is_some_and(|filter| take_filter(replica, shard, &segment, &filter)) {
            attempt.has_ended = true;
            continue;
        }
        // Not visible in KV yet, or expired: the shard has every current segment.
        let answer = client(shard).segment(segment.name, platform.now().plus(LOAD_LIMIT)).await;
        if let Ok(Answer::Segment(Some(filter))) = answer {
            take_filter(replica, shard, &segment, &filter);
        }
        attempt.has_ended = true;
    }
}

/// An attempt to load a segment. If the request stops waiting before it ends, another request can load the segment at
/// once: otherwise the attempt would count as in progress until the retry delay has passed.
struct LoadAttempt<'a> {
    replica: &'a Replica,
    shard: u32,
    name: SegmentName,
    has_ended: bool,
}

impl Drop for LoadAttempt<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.replica.with(self.shard, |shard| shard.segments.forget_load_attempt(self.name));
        }
    }
}

/// Verifies and stores the filter of a segment. Returns whether it was valid.
pub fn take_filter(replica: &Replica, shard: u32, segment: &Segment, filter: &[u8]) -> bool {
    let filter = segment.matches_checksum(filter).then(|| SegmentFilter::read(filter)).flatten();
    let is_valid = filter.is_some();
    if let Some(filter) = filter {
        replica.store_filter(shard, segment, filter);
    }
    is_valid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_followed_only_where_that_helps() {
        let now = Timestamp::from_seconds(1);
        assert!(can_use_shared(now.minus(Duration::from_millis(400)), now));
        assert!(!can_use_shared(now.minus(Duration::from_millis(250)), now));
        assert!(!can_use_shared(now.minus(Duration::from_millis(100)), now));
    }
}
