//! Syncing with a shard, and loading its segments: one request does it for all that wait.

use std::cell::Cell;
use std::time::Duration;

use futures_util::FutureExt;

use super::Replica;
use super::shard::{Applied, Asked, Required};
use crate::ports::{Clock, Index, LedgerError, LedgerShards, SharedMemory};
use crate::wait::{all, within};
use crate::revocation::ledger::{
    Answer, CALL_LIMIT, Purpose, Segment, SegmentFilter, ShardClient, SyncQuestion, Synced,
};
use crate::time::Timestamp;

/// The most pages of one sync: more than an isolate holds.
const MAX_PAGES: usize = 32;
/// The most entries of an answer that is shared with the location: those who need more ask for themselves.
const MAX_SHARED_ENTRIES: usize = 500;
/// How many entries that are known already a shared answer repeats, for isolates that are a few behind.
const OVERLAP: u32 = 16;
/// How long an answer is shared, in seconds: longer than the default bound. What counts is the time in the answer.
const SHARED_SECONDS: u32 = 3;
/// By how much clocks of a location may differ: a shared answer counts as that much older.
const CLOCKS_APART: Duration = Duration::from_millis(250);
/// How long the Cache API may take. Nothing depends on it.
const SHARING_LIMIT: Duration = Duration::from_millis(100);
/// How long a sync that another isolate of the location has begun is waited for.
const CLAIM_LIMIT: Duration = Duration::from_millis(400);
/// When it is looked for first whether that sync has ended; every pause is twice the one before, since a request has
/// only so many calls.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// How long a sync in the background may take.
const REFRESH_LIMIT: Duration = Duration::from_secs(10);
/// How long loading a segment may take.
const LOAD_LIMIT: Duration = Duration::from_secs(5);
/// The most segments that are loaded behind one request.
const MOST_LOADED: usize = 64;

/// Why a replica could not be brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncError {
    /// The ledger did not answer.
    Ledger(LedgerError),
    /// The breaker has refused the call. A logout may call all the same.
    Refused(LedgerError),
    /// The ledger has another number of shards: the replica begins anew with that.
    OtherLayout,
    /// The log has more entries than an isolate holds.
    TooLarge,
}

/// Waits until a check may rely on what is known of a shard: by a sync of its own, or by one that another request of the
/// isolate makes.
pub(crate) async fn freshen<P: Clock + LedgerShards + SharedMemory>(
    client: &ShardClient<'_, P>,
    required: Required,
    number: u64,
    by: Timestamp,
) -> Result<(), SyncError> {
    let ShardClient { platform, replica, setup, purpose } = *client;
    let patience = match purpose {
        Purpose::Check => by.min(platform.now().plus(CALL_LIMIT)),
        Purpose::Logout => by,
    };
    loop {
        let now = platform.now();
        if replica.is_fresh(setup.shard, required, now) {
            return Ok(());
        }
        if let Some(error) = replica.with(setup.shard, |shard| shard.failure_after(number)).flatten() {
            return Err(SyncError::Ledger(error));
        }
        if replica.with(setup.shard, |shard| shard.is_too_large(now)).unwrap_or(false) {
            return Err(SyncError::TooLarge);
        }
        if now >= patience {
            return Err(SyncError::Ledger(LedgerError::TimedOut));
        }
        // While the shard is known to fail nobody waits for the request that tries whether it still does.
        if purpose == Purpose::Check
            && let Some(error) = replica.refuses(setup.shard, now)
        {
            return Err(SyncError::Refused(error));
        }
        match Turn::begin(replica, setup.shard, now) {
            Some(turn) => match sync(client, required, &turn, Limits { first: patience, all: by }).await {
                // It is noted when it counts for others too; then it counts here.
                Err(SyncError::Ledger(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            },
            // Nothing of another request can be waited for: what follows would run outside of its own request.
            None => P::sleep(replica.until_synced(setup.shard, now).min(patience.since(now))).await,
        }
    }
}

/// Until when a sync may take: for its first page, after which others may have synced, and for all of them.
#[derive(Clone, Copy)]
struct Limits {
    first: Timestamp,
    all: Timestamp,
}

/// The turn of one request at syncing a shard, which ends also when the request is dropped.
struct Turn<'a> {
    replica: &'a Replica,
    shard: u32,
    number: u64,
}

impl<'a> Turn<'a> {
    fn begin(replica: &'a Replica, shard: u32, now: Timestamp) -> Option<Self> {
        let number = replica.number();
        let may_begin = replica.with(shard, |shard| shard.begin_sync(number, now)).unwrap_or(false);
        may_begin.then(|| Self { replica, shard, number })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let chance = self.replica.chance();
        self.replica.with(self.shard, |shard| {
            shard.end_sync(self.number);
            shard.jitter = chance;
        });
    }
}

async fn sync<P: Clock + LedgerShards + SharedMemory>(
    client: &ShardClient<'_, P>,
    required: Required,
    turn: &Turn<'_>,
    limits: Limits,
) -> Result<(), SyncError> {
    let location = Location::new(client.platform, turn.shard);
    if let Required::Since(since, _) = required
        && can_follow(since, client.platform.now())
        && follow_others(client, &location, since).await
    {
        return Ok(());
    }
    let is_shared = matches!(required, Required::Since(..));
    let synced = sync_alone(client, is_shared.then_some(&location), limits).await;
    let now = client.platform.now();
    match synced {
        // A request that is out of time says nothing of the shard.
        Err(SyncError::Ledger(error)) if now < limits.first => {
            client.replica.with(turn.shard, |shard| shard.note_failure(turn.number, error));
        }
        Err(SyncError::TooLarge) => {
            client.replica.with(turn.shard, |shard| shard.note_too_large(now));
        }
        _ => {}
    }
    synced
}

/// Reads the log to its end, page by page.
async fn sync_alone<P: Clock + LedgerShards + SharedMemory>(
    client: &ShardClient<'_, P>,
    location: Option<&Location<'_, P>>,
    limits: Limits,
) -> Result<(), SyncError> {
    let ShardClient { platform, replica, setup, .. } = *client;
    let mut pages = Pages::new(setup.shard, if location.is_some() { OVERLAP } else { 0 });
    for _ in 0..MAX_PAGES {
        let Some(question) = pages.ask(replica, platform.now()) else { return Err(SyncError::OtherLayout) };
        let by = if pages.has_begun { limits.all } else { limits.first };
        let pass = client.admit(by.since(platform.now())).await.map_err(SyncError::Refused)?;
        pages.has_begun = true;
        let (answer, bytes) = client.sync(pass, question, by).await.map_err(SyncError::Ledger)?;
        if let Some(begun_at) = pages.take(replica, &answer)? {
            replica.sync_takes.set(platform.now().since(begun_at));
            if let (Some(location), Answer::Synced(synced)) = (location, &answer) {
                replica.with(setup.shard, |shard| shard.is_followed = true);
                location.share_answer(synced, begun_at, &bytes).await;
            }
            return Ok(());
        }
    }
    Err(SyncError::Ledger(LedgerError::Failed))
}

/// A sync, page by page: everything that it does between two waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pages {
    shard: u32,
    overlap: u32,
    /// What was asked first, and when: from then on the sync counts.
    first: Option<(u64, Timestamp)>,
    asked: Option<Asked>,
    has_begun: bool,
}

impl Pages {
    /// A sync of a shard that asks for so many entries again.
    #[must_use]
    pub const fn new(shard: u32, overlap: u32) -> Self {
        Self { shard, overlap, first: None, asked: None, has_begun: false }
    }

    /// What is asked next, `None` when the ledger has no such shard any more.
    pub fn ask(&mut self, replica: &Replica, now: Timestamp) -> Option<SyncQuestion> {
        let asked = replica.ask(self.shard, self.overlap)?;
        self.first.get_or_insert((asked.number, now));
        self.asked = Some(asked);
        Some(asked.question)
    }

    /// Takes in an answer. Gives when the sync was asked for, once it is complete; `None` when it goes on.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub fn take(&mut self, replica: &Replica, answer: &Answer) -> Result<Option<Timestamp>, SyncError> {
        let failed = SyncError::Ledger(LedgerError::Failed);
        let (Some((number, begun_at)), Some(asked)) = (self.first, self.asked) else { return Err(failed) };
        let synced = match answer {
            Answer::Synced(synced) => synced,
            Answer::OtherHistory => {
                replica.begin_anew(self.shard, asked.generation);
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
                replica.with(self.shard, |shard| shard.note_synced(number, begun_at));
                return Ok(Some(begun_at));
            }
            Applied::Partly => {}
            // Another request has applied a later answer, or has begun anew: what was asked first still counts only for
            // the replica that it was asked for.
            Applied::Late | Applied::Gap => self.first = None,
            Applied::TooLarge => return Err(SyncError::TooLarge),
        }
        Ok(None)
    }
}

/// Whether what another isolate asks for now could be recent enough, as much older as it counts.
fn can_follow(since: Timestamp, now: Timestamp) -> bool {
    now.since(since) > CLOCKS_APART
}

/// Takes what another isolate of the location has asked for since, or waits for a sync that it has begun. Whether that
/// was enough.
async fn follow_others<P: Clock + LedgerShards + SharedMemory>(
    client: &ShardClient<'_, P>,
    location: &Location<'_, P>,
    since: Timestamp,
) -> bool {
    let ShardClient { platform, replica, setup, .. } = *client;
    // A new replica has nothing that an answer could lead on from.
    if replica.with(setup.shard, |shard| shard.position().version).unwrap_or(0) == 0 {
        return false;
    }
    let mut pause = FIRST_LOOK;
    loop {
        let heard = location.recall(&location.answer).await;
        let shared = heard.as_deref().and_then(Shared::read);
        let asked_at = shared.as_ref().map(|shared| shared.asked_at);
        if shared.is_some_and(|shared| shared.apply(replica, setup.shard, since, platform.now())) {
            return true;
        }
        if !location.is_claimed(asked_at).await {
            return false;
        }
        P::sleep(pause).await;
        pause = pause.saturating_mul(2);
    }
}

/// An answer as it is shared: the moment at which it was asked for, in milliseconds, and the answer.
pub struct Shared<'a> {
    asked_at: Timestamp,
    answer: &'a [u8],
}

impl<'a> Shared<'a> {
    /// Reads what was shared.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (asked_at, answer) = bytes.split_first_chunk::<8>()?;
        Some(Self { asked_at: Timestamp::from_millis(i64::from_be_bytes(*asked_at)), answer })
    }

    /// An answer to share, `None` when it would not lead on for others.
    #[must_use]
    pub fn write(synced: &Synced, asked_at: Timestamp, answer: &[u8]) -> Option<Vec<u8>> {
        let leads_on = synced.directory.is_none() && synced.entries.len() <= MAX_SHARED_ENTRIES;
        leads_on.then(|| [&asked_at.as_millis().to_be_bytes(), answer].concat())
    }

    /// Takes it in, if it is recent enough and leads on from what is known here. Whether it did.
    #[must_use]
    pub fn apply(&self, replica: &Replica, shard: u32, since: Timestamp, now: Timestamp) -> bool {
        let at = self.asked_at.minus(CLOCKS_APART);
        if at < since || self.asked_at > now {
            return false;
        }
        let Some(Answer::Synced(synced)) = Answer::read(self.answer) else { return false };
        let most = replica.most_entries();
        replica.with(shard, |shard| shard.apply_shared(&synced, at, most)).unwrap_or(false)
    }
}

/// What the isolates of a location share of one shard. Where that fails, each syncs for itself.
struct Location<'a, P> {
    platform: &'a P,
    /// The name of the latest answer.
    answer: String,
    /// The name of the moment at which a sync began.
    claim: String,
    is_slow: Cell<bool>,
}

impl<'a, P: Clock + SharedMemory> Location<'a, P> {
    fn new(platform: &'a P, shard: u32) -> Self {
        let (answer, claim) = (format!("sync-{shard}"), format!("claim-{shard}"));
        Self { platform, answer, claim, is_slow: Cell::new(false) }
    }

    async fn recall(&self, name: &str) -> Option<Vec<u8>> {
        self.in_time(self.platform.recall(name)).await.flatten()
    }

    async fn share(&self, name: &str, bytes: &[u8], seconds: u32) {
        // Best effort: if this fails, other isolates sync for themselves.
        let _ = self.in_time(self.platform.share(name, bytes, seconds)).await;
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

    /// Whether a sync has begun lately whose answer is not shared yet.
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

    /// Shares an answer that leads on for others.
    async fn share_answer(&self, synced: &Synced, asked_at: Timestamp, answer: &[u8]) {
        match Shared::write(synced, asked_at, answer) {
            Some(bytes) => self.share(&self.answer, &bytes, SHARED_SECONDS).await,
            // Nobody need wait for it.
            None => self.share(&self.claim, &0_i64.to_be_bytes(), 1).await,
        }
    }
}

/// Syncs the shards that are due, and loads segments. To be done when the request has been answered.
pub(crate) async fn refresh<'a, P: Clock + Index + LedgerShards + SharedMemory>(
    clients: Vec<ShardClient<'a, P>>,
    bound: Duration,
    now: Timestamp,
) {
    // As recent as no replica is that is due: what this isolate has asked itself is no news.
    let since = now.minus(bound.checked_div(5).unwrap_or(bound).saturating_mul(2));
    let refresh = |client: ShardClient<'a, P>| {
        async move {
            let ShardClient { replica, setup, platform, .. } = client;
            if let Some(turn) = Turn::begin(replica, setup.shard, platform.now()) {
                // What fails here is tried again by the check that needs it.
                let by = platform.now().plus(REFRESH_LIMIT);
                let _ = sync(&client, Required::Since(since, u64::MAX), &turn, Limits { first: by, all: by }).await;
            }
        }
        .boxed_local()
    };
    all(clients.into_iter().map(refresh).collect()).await;
}

/// Loads segments that the replica lacks, the newest first.
pub(crate) async fn load_segments<'a, P: Clock + Index + LedgerShards>(
    replica: &'a Replica,
    platform: &'a P,
    client: impl Fn(u32) -> ShardClient<'a, P>,
) {
    for _ in 0..MOST_LOADED {
        let Some((shard, segment)) = replica.next_to_load(platform.now()) else { return };
        let stored = within::<P, _>(LOAD_LIMIT, platform.segment(&segment.name.key())).await;
        let stored = stored.and_then(Result::ok).flatten();
        if stored.is_some_and(|filter| take_filter(replica, shard, &segment, &filter)) {
            continue;
        }
        // Not there yet, or not there any more: the shard has it for as long as it counts.
        let answer = client(shard).segment(segment.name, platform.now().plus(LOAD_LIMIT)).await;
        if let Ok(Answer::Segment(Some(filter))) = answer {
            take_filter(replica, shard, &segment, &filter);
        }
    }
}

/// Takes in the filter of a segment, if it is that. Whether it was.
pub fn take_filter(replica: &Replica, shard: u32, segment: &Segment, filter: &[u8]) -> bool {
    let filter = segment.is_of(filter).then(|| SegmentFilter::read(filter)).flatten();
    let is_its = filter.is_some();
    if let Some(filter) = filter {
        replica.load(shard, segment, filter);
    }
    is_its
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_followed_only_where_that_helps() {
        let now = Timestamp::from_seconds(1);
        assert!(can_follow(now.minus(Duration::from_millis(400)), now));
        assert!(!can_follow(now.minus(Duration::from_millis(250)), now));
        assert!(!can_follow(now.minus(Duration::from_millis(100)), now));
    }
}
