//! Everything about revocations that a use case asks for: is a token revoked, revoke it, and sync in the background.

use std::time::Duration;

use futures_util::FutureExt;

use super::freshness::Freshness;
use super::key::Digest;
use super::kv::{StoredRevocation, write};
use super::ledger::{Answer, LedgerRules, Position, Purpose, Setup, ShardClient};
use super::matching::{MatchKey, Matchable};
use super::record::{Logout, Revocation, Scope, shard_of};
use super::replica::{Confirmation, Lookup, Replica, Required, SyncError, covers, freshen, load_segments, refresh};
use super::status::{Known, Status};
use crate::ports::{Clock, Index, IndexError, LedgerError, LedgerShards, SharedMemory, all, within};
use crate::time::Timestamp;

/// The most keys that Workers KV reads at once.
const KV_BULK: usize = 100;
/// How much of the time is kept for judging what has been answered.
const JUDGING: Duration = Duration::from_millis(100);
/// The most digests that a shard confirms in one call: each may take it some reads.
const CONFIRMED_AT_ONCE: usize = 64;
/// How long Workers KV may take to say that a token was logged out before, when it is being logged out.
const KV_BEFORE_LOGOUT: Duration = Duration::from_secs(1);
/// How long a check waits for filters before it asks the shards instead, and how often it looks for them.
const FILTER_PATIENCE: Duration = Duration::from_secs(1);
const FILTER_PAUSE: Duration = Duration::from_millis(20);
/// How often a check begins anew because the replica has changed while it waited.
const MOST_LOOKUPS: usize = 8;
/// The generation of a confirmation that no replica has asked for.
const BY_SHARDS: u64 = u64::MAX;

/// Why it cannot be told, or could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The index did not answer.
    Index(IndexError),
    /// The ledger did not.
    Ledger(LedgerError),
}

impl Doubt {
    /// The word that the log has for it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Index(error) => error.reason(),
            Self::Ledger(error) => error.reason(),
        }
    }
}

/// Ledger, Workers KV and the isolate's replica.
pub struct Authority<'a, P> {
    /// Where the ledger and Workers KV are.
    pub platform: &'a P,
    /// What the isolate knows of the ledger.
    pub replica: &'a Replica,
    /// The ledger's rules; Workers KV alone keeps everything when there is none.
    pub ledger: Option<LedgerRules>,
    /// How long Workers KV takes until every location sees a write.
    pub settling: Duration,
}

impl<P: Clock + Index + LedgerShards + SharedMemory> Authority<'_, P> {
    /// What is known of a token, as fresh as `freshness` promises, within `limit`.
    ///
    /// # Errors
    /// Who did not answer. A token of which nothing is known is not active.
    pub async fn status(&self, token: &Matchable, freshness: Freshness, limit: Duration) -> Result<Known, Doubt> {
        self.status_for(Purpose::Check, token, freshness, limit).await
    }

    /// [`Self::status`] for a logout, which asks the ledger even while that fails: its user may not come back. Where
    /// Workers KV alone cannot be read, the logout goes on: to be logged out twice does no harm.
    ///
    /// # Errors
    /// Those of [`Self::status`].
    pub async fn status_before_logout(
        &self,
        token: &Matchable,
        freshness: Freshness,
        limit: Duration,
    ) -> Result<Known, Doubt> {
        let known = self.status_for(Purpose::Logout, token, freshness, limit).await;
        match known {
            Err(Doubt::Index(_)) if self.ledger.is_some() => Ok(Known { status: Status::Active, freshness }),
            known => known,
        }
    }

    async fn status_for(
        &self,
        purpose: Purpose,
        token: &Matchable,
        freshness: Freshness,
        limit: Duration,
    ) -> Result<Known, Doubt> {
        match self.remembered(token, freshness) {
            Some(known) => Ok(known),
            None => {
                let answered = Box::pin(self.statuses_for(purpose, &[token], freshness, limit)).await.pop();
                answered.unwrap_or(Err(Doubt::Index(IndexError::Permanent)))
            }
        }
    }

    /// What memory alone says of a token, at once.
    #[must_use]
    pub fn remembered(&self, token: &Matchable, freshness: Freshness) -> Option<Known> {
        self.replica.remembered(token, freshness, self.platform.now())
    }

    /// What is known of several tokens, in their order.
    pub async fn statuses(
        &self,
        tokens: &[&Matchable],
        freshness: Freshness,
        limit: Duration,
    ) -> Vec<Result<Known, Doubt>> {
        self.statuses_for(Purpose::Check, tokens, freshness, limit).await
    }

    async fn statuses_for(
        &self,
        purpose: Purpose,
        tokens: &[&Matchable],
        freshness: Freshness,
        limit: Duration,
    ) -> Vec<Result<Known, Doubt>> {
        let now = self.platform.now();
        self.replica.look_at_clock(now);
        let by = now.plus(limit.saturating_sub(JUDGING));
        let found = match (freshness, self.ledger) {
            (Freshness::Eventual, _) => self.in_kv(tokens, by).await,
            (_, None) => vec![Err(Doubt::Ledger(LedgerError::Absent)); tokens.len()],
            (_, Some(_)) => self.in_ledger(purpose, tokens, freshness, by).await,
        };
        let known = |(token, found): (&&Matchable, Result<Status, Doubt>)| match self.replica.known_revoked(token) {
            Some(scope) => Ok(Known { status: Status::Revoked(scope), freshness }),
            None => found.map(|status| Known { status, freshness }),
        };
        tokens.iter().zip(found).map(known).collect()
    }

    /// What the ledger says of tokens; while it imports, Workers KV as well.
    async fn in_ledger(
        &self,
        purpose: Purpose,
        tokens: &[&Matchable],
        freshness: Freshness,
        by: Timestamp,
    ) -> Vec<Result<Status, Doubt>> {
        let begun = self.replica.number();
        let required = match freshness.bound() {
            Some(bound) => Required::Since(self.platform.now().minus(bound), begun),
            None => Required::After(begun),
        };
        let mut found = self.by_replica(purpose, tokens, required, begun, by).await;
        let now = self.platform.now();
        for (token, found) in tokens.iter().zip(&mut found) {
            if *found == Ok(None) && self.replica.is_absent_from_kv(token, required, now) {
                *found = Ok(Some(Status::Active));
            }
        }
        let number = self.replica.number();
        let asked = tokens.iter().zip(&found).filter(|(_, found)| **found == Ok(None)).map(|(token, _)| *token);
        let asked: Vec<_> = asked.collect();
        // A logout is recorded also when Workers KV does not answer, and needs time for that.
        let by = if purpose == Purpose::Logout { by.min(self.platform.now().plus(KV_BEFORE_LOGOUT)) } else { by };
        let in_kv = if asked.is_empty() { Vec::new() } else { self.in_kv(&asked, by).await };
        for (token, _) in asked.iter().zip(&in_kv).filter(|(_, found)| **found == Ok(Status::Active)) {
            token.absent_from_kv.set(Some((now, number)));
        }
        let mut in_kv = in_kv.into_iter();
        let unread = Err(Doubt::Index(IndexError::Permanent));
        let mut known = |found: Option<Status>| found.map_or_else(|| in_kv.next().unwrap_or(unread), Ok);
        found.into_iter().map(|found| found.and_then(&mut known)).collect()
    }

    /// Every verdict comes from one state of the replica that is fresh enough; after any wait the lookup starts again.
    /// `None` of a token means that the ledger has nothing, and Workers KV has to be asked as well: the ledger was still
    /// importing when it was looked at.
    async fn by_replica(
        &self,
        purpose: Purpose,
        tokens: &[&Matchable],
        required: Required,
        begun: u64,
        by: Timestamp,
    ) -> Vec<Result<Option<Status>, Doubt>> {
        let mut found: Vec<Option<Result<Option<Status>, Doubt>>> = vec![None; tokens.len()];
        let mut has_waited = false;
        for _ in 0..MOST_LOOKUPS {
            let open: Vec<usize> = (0..).zip(&found).filter(|(_, found)| found.is_none()).map(|(at, _)| at).collect();
            let asked: Vec<&Matchable> = open.iter().filter_map(|at| tokens.get(*at).copied()).collect();
            if asked.is_empty() {
                break;
            }
            let failed = self.freshen(purpose, &asked, required, begun, by).await;
            if failed.iter().any(|(_, error)| *error == SyncError::OtherLayout) {
                continue;
            }
            let (mut unconfirmed, mut unheld) = (Vec::new(), Vec::new());
            let now = self.platform.now();
            for (at, token) in open.into_iter().zip(asked) {
                match self.failure(token, &failed) {
                    Some(SyncError::Ledger(error) | SyncError::Refused(error)) => {
                        set(&mut found, at, Err(Doubt::Ledger(error)));
                    }
                    // The import may end while the shards are asked.
                    Some(SyncError::TooLarge | SyncError::OtherLayout) => {
                        let is_importing = self.replica.is_importing(&self.replica.shards_of(&[token]));
                        unheld.push((at, token, is_importing));
                    }
                    None => match self.replica.look(token, required, now) {
                        Some(Lookup::Is(status)) => set(&mut found, at, Ok(Some(status))),
                        Some(Lookup::AskIndex) => set(&mut found, at, Ok(None)),
                        Some(Lookup::Confirm(confirmations)) => unconfirmed.push((at, token, confirmations)),
                        // While one shard was waited for another one has begun anew.
                        None => {}
                    },
                }
            }
            for (at, status, is_importing) in self.by_shards(purpose, &unheld, by).await {
                let known = |status| Some(status).filter(|known| !is_importing || *known != Status::Active);
                set(&mut found, at, status.map(known));
            }
            if !unconfirmed.is_empty() && !has_waited && self.wait_for_filters(by).await {
                has_waited = true;
                continue;
            }
            for (at, status) in self.confirm(purpose, &unconfirmed, by).await {
                set(&mut found, at, status.map(Some));
            }
        }
        let in_doubt = Err(Doubt::Ledger(LedgerError::TimedOut));
        found.into_iter().map(|found| found.unwrap_or(in_doubt)).collect()
    }

    /// Waits until every shard that may know of the tokens is known as recently as required. Gives those that are not.
    async fn freshen(
        &self,
        purpose: Purpose,
        tokens: &[&Matchable],
        required: Required,
        begun: u64,
        by: Timestamp,
    ) -> Vec<(u32, SyncError)> {
        if !self.replica.is_layout_known()
            && let Err(error) = freshen(&self.client(0, purpose), required, begun, by).await
        {
            return vec![(0, error)];
        }
        let now = self.platform.now();
        let shards = self.replica.shards_of(tokens);
        let old = shards.iter().filter(|shard| !self.replica.is_fresh(**shard, required, now));
        let freshen = |shard: &u32| {
            let (shard, client) = (*shard, self.client(*shard, purpose));
            async move { (shard, freshen(&client, required, begun, by).await) }.boxed_local()
        };
        let error = |(shard, freshened): (u32, Result<(), SyncError>)| Some((shard, freshened.err()?));
        all(old.map(freshen).collect()).await.into_iter().filter_map(error).collect()
    }

    /// Why a shard that may know of a token could not be synced: that it did not answer goes first.
    fn failure(&self, token: &Matchable, failed: &[(u32, SyncError)]) -> Option<SyncError> {
        if failed.is_empty() {
            return None;
        }
        let shards = self.replica.shards_of(&[token]);
        let errors = || failed.iter().filter(|(shard, _)| shards.contains(shard)).map(|(_, error)| *error);
        errors().find(|error| *error != SyncError::TooLarge).or_else(|| errors().next())
    }

    /// Loads filters that a new isolate lacks, or waits for those that other requests load: were every check to ask the
    /// shards meanwhile, they would have too much to do. Whether there were any.
    async fn wait_for_filters(&self, by: Timestamp) -> bool {
        let mut now = self.platform.now();
        let until = by.min(now.plus(FILTER_PATIENCE));
        let has_to_wait = self.replica.awaits_filter(now);
        while now < until && self.replica.awaits_filter(now) {
            within::<P, _>(until.since(now), self.load_segments()).await;
            now = self.platform.now();
            if now < until && self.replica.awaits_filter(now) {
                P::sleep(FILTER_PAUSE.min(until.since(now))).await;
                now = self.platform.now();
            }
        }
        has_to_wait
    }

    /// Has shards confirm what segments leave open: mostly one call for each shard. Gives what is certain by that.
    async fn confirm(
        &self,
        purpose: Purpose,
        open: &[(usize, &Matchable, Vec<Confirmation>)],
        by: Timestamp,
    ) -> Vec<(usize, Result<Status, Doubt>)> {
        let mut by_shard: Vec<(u32, u64, Position, Vec<Digest>)> = Vec::new();
        for confirmation in open.iter().flat_map(|(_, _, confirmations)| confirmations) {
            let Confirmation { shard, generation, at, digests } = confirmation;
            let digests = digests.iter().map(|(_, digest)| *digest);
            let has_room = |all: &[Digest]| all.len().saturating_add(confirmation.digests.len()) <= CONFIRMED_AT_ONCE;
            match by_shard.iter_mut().find(|(asked, .., all)| asked == shard && has_room(all)) {
                Some((.., all)) => all.extend(digests),
                None => by_shard.push((*shard, *generation, *at, digests.collect())),
            }
        }
        let ask = |(shard, generation, at, digests): (u32, u64, Position, Vec<Digest>)| {
            let client = self.client(shard, purpose);
            async move {
                let answer = client.confirm(at, digests.clone(), by).await;
                if matches!(answer, Ok(Answer::OtherHistory)) {
                    self.replica.begin_anew(shard, generation);
                }
                (shard, digests, answer)
            }
            .boxed_local()
        };
        let answers = all(by_shard.into_iter().map(ask).collect()).await;
        let found = |(at, token, confirmations): &(usize, &Matchable, Vec<Confirmation>)| {
            judge(token, confirmations, &answers).map(|status| (*at, status))
        };
        open.iter().filter_map(found).collect()
    }

    /// What shards say of tokens when their logs are more than an isolate holds.
    async fn by_shards(
        &self,
        purpose: Purpose,
        tokens: &[(usize, &Matchable, bool)],
        by: Timestamp,
    ) -> Vec<(usize, Result<Status, Doubt>, bool)> {
        if tokens.is_empty() {
            return Vec::new();
        }
        let count = self.replica.shards();
        let confirmation = |shard: u32, token: &Matchable| {
            let is_there = |key: &MatchKey<'_>| shard_of(key.scope, key.digest, count) == shard;
            let digests = token.keys().filter(is_there).map(|key| (key.scope, *key.digest)).collect();
            Confirmation { shard, generation: BY_SHARDS, at: Position::default(), digests }
        };
        let confirmations = |token: &Matchable| {
            let shards = self.replica.shards_of(&[token]);
            shards.into_iter().map(|shard| confirmation(shard, token)).collect::<Vec<_>>()
        };
        let open: Vec<_> = tokens.iter().map(|(at, token, _)| (*at, *token, confirmations(token))).collect();
        let told = self.confirm(purpose, &open, by).await;
        let status = |(at, _, is_importing): &(usize, &Matchable, bool)| {
            // Whatever is not told otherwise was confirmed.
            let told = told.iter().find(|(other, _)| other == at).map(|(_, status)| *status);
            (*at, told.unwrap_or(Ok(Status::Active)), *is_importing)
        };
        tokens.iter().map(status).collect()
    }

    /// What Workers KV alone says of tokens: one bulk read for every hundred keys.
    async fn in_kv(&self, tokens: &[&Matchable], by: Timestamp) -> Vec<Result<Status, Doubt>> {
        let mut keys: Vec<MatchKey<'_>> = tokens.iter().flat_map(|token| token.keys()).collect();
        keys.sort_unstable_by_key(|key| *key.digest);
        keys.dedup_by_key(|key| *key.digest);
        let limit = by.since(self.platform.now());
        let find = |keys: &[MatchKey<'_>]| {
            let texts: Vec<String> = keys.iter().map(MatchKey::text).collect();
            async move {
                let found = within::<P, _>(limit, self.platform.find(&texts)).await;
                let found = found.unwrap_or(Err(IndexError::TimedOut));
                // An answer about other than what was asked tells nothing.
                found.and_then(|found| if found.len() == texts.len() { Ok(found) } else { Err(IndexError::Permanent) })
            }
            .boxed_local()
        };
        let answers = all(keys.chunks(KV_BULK).map(find).collect()).await;
        let revoked = |key: &MatchKey<'_>, issued_at: Option<Timestamp>| {
            let at = keys.binary_search_by_key(&key.digest, |key| key.digest).unwrap_or(usize::MAX);
            let answer = match answers.get(at.wrapping_div(KV_BULK)) {
                Some(Ok(answer)) => answer,
                Some(Err(error)) => return Err(*error),
                None => return Err(IndexError::Permanent),
            };
            let value = answer.get(at.wrapping_rem(KV_BULK)).and_then(Option::as_deref);
            // What cannot be read was written under a key that only a revocation has: it ends every token.
            let is_revoked =
                |text: &str| StoredRevocation::parse(text).is_none_or(|stored| stored.limits().match_token(issued_at));
            Ok(value.is_some_and(is_revoked))
        };
        tokens.iter().map(|token| in_kv(token, &revoked)).collect()
    }

    /// Makes a logout durable: in the ledger, which writes it to Workers KV, or in Workers KV where there is no ledger.
    /// From then on this isolate refuses what it ends.
    ///
    /// # Errors
    /// Who did not answer. The logout may be durable all the same; revoking again is safe.
    pub async fn revoke(&self, logout: &Logout, limit: Duration) -> Result<(), Doubt> {
        match self.ledger {
            None => write(self.platform, logout, limit).await.map_err(Doubt::Index)?,
            Some(_) => self.record(logout, limit).await.map_err(Doubt::Ledger)?,
        }
        self.replica.note_own(logout, self.platform.now());
        Ok(())
    }

    /// Ends every token of an issuer or of a subject that was issued up to a time; see [`super::cut_off`]. One call of the
    /// ledger.
    ///
    /// # Errors
    /// Those of [`Self::revoke`].
    pub async fn revoke_all(&self, cut_off: Revocation, limit: Duration) -> Result<(), Doubt> {
        self.revoke(&Logout { widest: cut_off, token: None }, limit).await
    }

    async fn record(&self, logout: &Logout, limit: Duration) -> Result<(), LedgerError> {
        let by = self.platform.now().plus(limit);
        // The ledger may have another number of shards than is configured, and says so once.
        for _ in 0..2 {
            let shard = shard_of(logout.widest.scope, &logout.widest.digest, self.replica.shards());
            if shard != 0 && !self.replica.is_layout_known() {
                let number = self.replica.number();
                match freshen(&self.client(0, Purpose::Logout), Required::After(number), number, by).await {
                    Err(SyncError::Ledger(error) | SyncError::Refused(error)) => return Err(error),
                    Ok(()) | Err(SyncError::OtherLayout | SyncError::TooLarge) => {}
                }
                continue;
            }
            match self.client(shard, Purpose::Logout).record(logout, by).await? {
                Answer::Recorded => return Ok(()),
                Answer::OtherLayout(shards) if shard == 0 => self.replica.note_layout(shards),
                Answer::Full => return Err(LedgerError::Full),
                _ => return Err(LedgerError::Failed),
            }
        }
        Err(LedgerError::Failed)
    }

    /// Asks a shard for nothing. Bypasses the breaker, which only knows how the shard was a moment ago, so callers must
    /// limit how often they ask.
    ///
    /// # Errors
    /// Why the shard does not answer.
    pub async fn ask_shard(&self, shard: u32, limit: Duration) -> Result<(), LedgerError> {
        let call = super::ledger::Call {
            setup: self.setup(shard),
            question: super::ledger::Question::Confirm(Position::default(), Vec::new()),
        };
        let answer = self.platform.ask(shard, &call.write(), limit).await?;
        match Answer::read(&answer) {
            Some(Answer::Confirmed(_) | Answer::OtherLayout(_)) => Ok(()),
            _ => Err(LedgerError::Failed),
        }
    }

    fn setup(&self, shard: u32) -> Setup {
        let kv_written_until = self.ledger.and_then(|rules| rules.kv_written_until);
        Setup { shard, shards: self.replica.shards(), settling: self.settling, kv_written_until }
    }

    fn client(&self, shard: u32, purpose: Purpose) -> ShardClient<'_, P> {
        ShardClient { platform: self.platform, replica: self.replica, setup: self.setup(shard), purpose }
    }

    /// Syncs the shards that were synced longer ago than about half of what the issuers' bounds allow, so that no check
    /// has to wait for that, and loads segments. To be done when the request has been answered.
    pub async fn refresh(&self, bound: Duration) {
        let now = self.platform.now();
        let clients = self.replica.due(bound, now).map(|shard| self.client(shard, Purpose::Check)).collect();
        refresh(clients, bound, now).await;
        self.load_segments().await;
    }

    /// Loads segments that the replica lacks. To be done when the request has been answered.
    pub async fn load_segments(&self) {
        load_segments(self.replica, self.platform, |shard| self.client(shard, Purpose::Check)).await;
    }
}

fn set<T>(found: &mut [Option<T>], at: usize, status: T) {
    if let Some(found) = found.get_mut(at) {
        *found = Some(status);
    }
}

/// What confirmations say of a token: that it is revoked, or who is in doubt; `None` when the replica has to be looked at
/// again, which now knows that the token is not in those segments.
pub(super) fn judge(
    token: &Matchable,
    confirmations: &[Confirmation],
    answers: &[(u32, Vec<Digest>, Result<Answer, LedgerError>)],
) -> Option<Result<Status, Doubt>> {
    let mut doubt = None;
    for confirmation in confirmations {
        let is_of = |(shard, asked, _): &&(u32, Vec<Digest>, _)| {
            *shard == confirmation.shard && confirmation.digests.iter().all(|(_, digest)| asked.contains(digest))
        };
        let answer = answers.iter().find(is_of);
        let Some((_, asked, answer)) = answer else { continue };
        match answer {
            Ok(Answer::Confirmed(found)) if found.len() == asked.len() => {
                let revoked = |(scope, digest): &(Scope, Digest)| {
                    let at = asked.iter().position(|asked| asked == digest)?;
                    let upto = found.get(at).copied().flatten()?;
                    covers(upto, token.issued_at).then_some(*scope)
                };
                if let Some(scope) = confirmation.digests.iter().find_map(revoked) {
                    return Some(Ok(Status::Revoked(scope)));
                }
                Replica::note_confirmed(token, confirmation);
            }
            // The replica has begun anew, or will.
            Ok(Answer::OtherHistory) if confirmation.generation != BY_SHARDS => {}
            Ok(_) => doubt = Some(Err(Doubt::Ledger(LedgerError::Failed))),
            Err(error) => doubt = Some(Err(Doubt::Ledger(*error))),
        }
    }
    doubt
}

/// The first word that a token is revoked; that it is active only when nothing is in doubt.
fn in_kv(
    token: &Matchable,
    revoked: &impl Fn(&MatchKey<'_>, Option<Timestamp>) -> Result<bool, IndexError>,
) -> Result<Status, Doubt> {
    let mut status = Ok(Status::Active);
    for key in token.keys() {
        match revoked(&key, token.issued_at) {
            Ok(true) => return Ok(Status::Revoked(key.scope)),
            Ok(false) => {}
            Err(error) => status = Err(Doubt::Index(error)),
        }
    }
    status
}
