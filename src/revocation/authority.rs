//! The operations on revocations that endpoints use: check a token's status, revoke, and sync in the background.

use std::time::Duration;

use futures_util::FutureExt;

use super::freshness::Freshness;
use super::key::Digest;
use super::kv::{StoredRevocation, write};
use super::ledger::{Answer, LedgerRules, Position, Purpose, Setup, ShardClient};
use super::matching::{MatchKey, Matchable};
use super::record::{Logout, Revocation, Scope, shard_of};
use super::replica::{
    Confirmation, Lookup, Replica, Required, SyncError, covers, ensure_fresh, load_segments, refresh,
};
use super::status::{CheckedStatus, Status};
use crate::ports::{Clock, Index, IndexError, LedgerError, LedgerShards, SharedMemory};
use crate::time::Timestamp;
use crate::wait::{all, within};

/// The maximum number of keys of a bulk read from Workers KV.
const KV_BULK: usize = 100;
/// The part of a check's time limit that is reserved for computing the verdict.
const VERDICT_RESERVE: Duration = Duration::from_millis(100);
/// The maximum number of digests in one confirmation call. A shard may read several blocks for each.
const MAX_CONFIRMED_DIGESTS: usize = 64;
/// How long a logout waits for Workers KV to answer whether the token was already revoked.
const LOGOUT_KV_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a check waits for filters before it asks the shards to confirm, and how often it polls.
const FILTER_WAIT: Duration = Duration::from_secs(1);
const FILTER_POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How often a check repeats its lookup because the replica has changed during an await.
const MAX_LOOKUPS: usize = 8;
/// The generation of confirmations that do not originate from a replica.
const NO_GENERATION: u64 = u64::MAX;

/// Why a status is unknown, or a logout failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityError {
    /// Workers KV failed.
    Index(IndexError),
    /// The ledger failed.
    Ledger(LedgerError),
}

impl AuthorityError {
    /// The reason in the log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Index(error) => error.reason(),
            Self::Ledger(error) => error.reason(),
        }
    }
}

/// Access to the ledger, Workers KV and the isolate's replica.
pub struct Authority<'a, P> {
    /// The platform that reaches the ledger and Workers KV.
    pub platform: &'a P,
    /// The isolate's copy of the ledger.
    pub replica: &'a Replica,
    /// The ledger's configuration. `None` without a ledger: revocations are then stored in Workers KV alone.
    pub ledger: Option<LedgerRules>,
    /// How long a Workers KV write takes to be visible in every location.
    pub settling: Duration,
}

impl<P: Clock + Index + LedgerShards + SharedMemory> Authority<'_, P> {
    /// The status of a token, as fresh as `freshness` promises, within `limit`.
    ///
    /// # Errors
    /// The part that did not answer. Then the status is unknown: do not treat the token as active.
    pub async fn status(
        &self,
        token: &Matchable,
        freshness: Freshness,
        limit: Duration,
    ) -> Result<CheckedStatus, AuthorityError> {
        self.status_for(Purpose::Check, token, freshness, limit).await
    }

    /// [`Self::status`] for a logout. It calls the ledger even while its circuit breaker is open. If only Workers KV
    /// fails, the token counts as active and the logout continues: revoking it again is harmless.
    ///
    /// # Errors
    /// Those of [`Self::status`].
    pub async fn status_before_logout(
        &self,
        token: &Matchable,
        freshness: Freshness,
        limit: Duration,
    ) -> Result<CheckedStatus, AuthorityError> {
        let known = self.status_for(Purpose::Logout, token, freshness, limit).await;
        match known {
            Err(AuthorityError::Index(_)) if self.ledger.is_some() => {
                Ok(CheckedStatus { status: Status::Active, freshness })
            }
            known => known,
        }
    }

    async fn status_for(
        &self,
        purpose: Purpose,
        token: &Matchable,
        freshness: Freshness,
        limit: Duration,
    ) -> Result<CheckedStatus, AuthorityError> {
        match self.status_from_memory(token, freshness) {
            Some(known) => Ok(known),
            None => {
                let answered = Box::pin(self.statuses_for(purpose, &[token], freshness, limit)).await.pop();
                answered.unwrap_or(Err(AuthorityError::Index(IndexError::Permanent)))
            }
        }
    }

    /// The status of a token from memory alone; `None` if I/O is needed.
    #[must_use]
    pub fn status_from_memory(&self, token: &Matchable, freshness: Freshness) -> Option<CheckedStatus> {
        self.replica.status_from_memory(token, freshness, self.platform.now())
    }

    /// The statuses of several tokens, in their order. See [`Self::status`].
    pub async fn statuses(
        &self,
        tokens: &[&Matchable],
        freshness: Freshness,
        limit: Duration,
    ) -> Vec<Result<CheckedStatus, AuthorityError>> {
        self.statuses_for(Purpose::Check, tokens, freshness, limit).await
    }

    async fn statuses_for(
        &self,
        purpose: Purpose,
        tokens: &[&Matchable],
        freshness: Freshness,
        limit: Duration,
    ) -> Vec<Result<CheckedStatus, AuthorityError>> {
        let now = self.platform.now();
        self.replica.detect_clock_rollback(now);
        let deadline = now.plus(limit.saturating_sub(VERDICT_RESERVE));
        let found = match (freshness, self.ledger) {
            (Freshness::Eventual, _) => self.statuses_from_kv(tokens, deadline).await,
            (_, None) => vec![Err(AuthorityError::Ledger(LedgerError::Absent)); tokens.len()],
            (_, Some(_)) => self.statuses_from_ledger(purpose, tokens, freshness, deadline).await,
        };
        let known = |(token, found): (&&Matchable, Result<Status, AuthorityError>)| match self
            .replica
            .known_revocation(token)
        {
            Some(scope) => Ok(CheckedStatus { status: Status::Revoked(scope), freshness }),
            None => found.map(|status| CheckedStatus { status, freshness }),
        };
        tokens.iter().zip(found).map(known).collect()
    }

    /// The statuses according to the ledger and, while it imports, Workers KV.
    async fn statuses_from_ledger(
        &self,
        purpose: Purpose,
        tokens: &[&Matchable],
        freshness: Freshness,
        deadline: Timestamp,
    ) -> Vec<Result<Status, AuthorityError>> {
        let check_number = self.replica.next_number();
        let required = match freshness.bound() {
            Some(bound) => Required::Since(self.platform.now().minus(bound), check_number),
            None => Required::After(check_number),
        };
        let mut found = self.statuses_from_replica(purpose, tokens, required, check_number, deadline).await;
        let now = self.platform.now();
        for (token, found) in tokens.iter().zip(&mut found) {
            if *found == Ok(None) && self.replica.is_absent_from_kv(token, required, now) {
                *found = Ok(Some(Status::Active));
            }
        }
        let number = self.replica.next_number();
        let asked = tokens.iter().zip(&found).filter(|(_, found)| **found == Ok(None)).map(|(token, _)| *token);
        let asked: Vec<_> = asked.collect();
        // Leave time to record the logout, which happens even if Workers KV does not answer.
        let deadline = if purpose == Purpose::Logout {
            deadline.min(self.platform.now().plus(LOGOUT_KV_TIMEOUT))
        } else {
            deadline
        };
        let in_kv = if asked.is_empty() { Vec::new() } else { self.statuses_from_kv(&asked, deadline).await };
        for (token, _) in asked.iter().zip(&in_kv).filter(|(_, found)| **found == Ok(Status::Active)) {
            token.absent_from_kv.set(Some((now, number)));
        }
        let mut in_kv = in_kv.into_iter();
        let unread = Err(AuthorityError::Index(IndexError::Permanent));
        let mut known = |found: Option<Status>| found.map_or_else(|| in_kv.next().unwrap_or(unread), Ok);
        found.into_iter().map(|found| found.and_then(&mut known)).collect()
    }

    /// The statuses according to the replica. Each comes from one state of the replica that is fresh enough; after any
    /// await the lookup is repeated. `None`: the ledger has no revocation but is importing, so Workers KV must be read
    /// as well.
    async fn statuses_from_replica(
        &self,
        purpose: Purpose,
        tokens: &[&Matchable],
        required: Required,
        check_number: u64,
        deadline: Timestamp,
    ) -> Vec<Result<Option<Status>, AuthorityError>> {
        let mut found: Vec<Option<Result<Option<Status>, AuthorityError>>> = vec![None; tokens.len()];
        let mut has_waited = false;
        for _ in 0..MAX_LOOKUPS {
            let unresolved: Vec<usize> =
                (0..).zip(&found).filter(|(_, found)| found.is_none()).map(|(at, _)| at).collect();
            let asked: Vec<&Matchable> = unresolved.iter().filter_map(|at| tokens.get(*at).copied()).collect();
            if asked.is_empty() {
                break;
            }
            let failed = self.sync_shards(purpose, &asked, required, check_number, deadline).await;
            if failed.iter().any(|(_, error)| *error == SyncError::OtherLayout) {
                continue;
            }
            let (mut unconfirmed, mut too_large) = (Vec::new(), Vec::new());
            let now = self.platform.now();
            for (at, token) in unresolved.into_iter().zip(asked) {
                match self.sync_error(token, &failed) {
                    Some(SyncError::Ledger(error) | SyncError::Refused(error)) => {
                        set(&mut found, at, Err(AuthorityError::Ledger(error)));
                    }
                    // Read this before the calls: the import may end during them.
                    Some(SyncError::TooLarge | SyncError::OtherLayout) => {
                        let is_importing = self.replica.is_importing(&self.replica.shards_of(&[token]));
                        too_large.push((at, token, is_importing));
                    }
                    None => match self.replica.lookup_if_fresh(token, required, now) {
                        Some(Lookup::Known(status)) => set(&mut found, at, Ok(Some(status))),
                        Some(Lookup::ReadKv) => set(&mut found, at, Ok(None)),
                        Some(Lookup::Confirm(confirmations)) => unconfirmed.push((at, token, confirmations)),
                        // Another shard has started over during an await.
                        None => {}
                    },
                }
            }
            for (at, status, is_importing) in self.statuses_from_shards(purpose, &too_large, deadline).await {
                let known = |status| Some(status).filter(|known| !is_importing || *known != Status::Active);
                set(&mut found, at, status.map(known));
            }
            if !unconfirmed.is_empty() && !has_waited && self.wait_for_filters(deadline).await {
                has_waited = true;
                continue;
            }
            for (at, status) in self.confirm(purpose, &unconfirmed, deadline).await {
                set(&mut found, at, status.map(Some));
            }
        }
        let timed_out = Err(AuthorityError::Ledger(LedgerError::TimedOut));
        found.into_iter().map(|found| found.unwrap_or(timed_out)).collect()
    }

    /// Waits until every shard that may have revocations of the tokens is fresh. Returns the shards that failed.
    async fn sync_shards(
        &self,
        purpose: Purpose,
        tokens: &[&Matchable],
        required: Required,
        check_number: u64,
        deadline: Timestamp,
    ) -> Vec<(u32, SyncError)> {
        if !self.replica.is_layout_known()
            && let Err(error) = ensure_fresh(&self.client(0, purpose), required, check_number, deadline).await
        {
            return vec![(0, error)];
        }
        let now = self.platform.now();
        let shards = self.replica.shards_of(tokens);
        let stale = shards.iter().filter(|shard| !self.replica.is_fresh(**shard, required, now));
        let sync_shard = |shard: &u32| {
            let (shard, client) = (*shard, self.client(*shard, purpose));
            async move { (shard, ensure_fresh(&client, required, check_number, deadline).await) }.boxed_local()
        };
        let error = |(shard, result): (u32, Result<(), SyncError>)| Some((shard, result.err()?));
        all(stale.map(sync_shard).collect()).await.into_iter().filter_map(error).collect()
    }

    /// The error of the shards that may have revocations of a token. Errors other than `TooLarge` take precedence.
    fn sync_error(&self, token: &Matchable, failed: &[(u32, SyncError)]) -> Option<SyncError> {
        if failed.is_empty() {
            return None;
        }
        let shards = self.replica.shards_of(&[token]);
        let errors = || failed.iter().filter(|(shard, _)| shards.contains(shard)).map(|(_, error)| *error);
        errors().find(|error| *error != SyncError::TooLarge).or_else(|| errors().next())
    }

    /// Loads missing filters of a new isolate, or waits for other requests to load them. Otherwise every check would
    /// call the shards and overload them. Returns whether any filter was missing.
    async fn wait_for_filters(&self, deadline: Timestamp) -> bool {
        let mut now = self.platform.now();
        let until = deadline.min(now.plus(FILTER_WAIT));
        let has_to_wait = self.replica.awaits_filter(now);
        while now < until && self.replica.awaits_filter(now) {
            within::<P, _>(until.since(now), self.load_segments()).await;
            now = self.platform.now();
            if now < until && self.replica.awaits_filter(now) {
                P::sleep(FILTER_POLL_INTERVAL.min(until.since(now))).await;
                now = self.platform.now();
            }
        }
        has_to_wait
    }

    /// Requests confirmations, usually with one call per shard. Returns the statuses that follow from them.
    async fn confirm(
        &self,
        purpose: Purpose,
        unresolved: &[(usize, &Matchable, Vec<Confirmation>)],
        deadline: Timestamp,
    ) -> Vec<(usize, Result<Status, AuthorityError>)> {
        let mut calls: Vec<(u32, u64, Position, Vec<Digest>)> = Vec::new();
        for confirmation in unresolved.iter().flat_map(|(_, _, confirmations)| confirmations) {
            let Confirmation { shard, generation, at, digests } = confirmation;
            let digests = digests.iter().map(|(_, digest)| *digest);
            let has_room =
                |all: &[Digest]| all.len().saturating_add(confirmation.digests.len()) <= MAX_CONFIRMED_DIGESTS;
            match calls.iter_mut().find(|(asked, .., all)| asked == shard && has_room(all)) {
                Some((.., all)) => all.extend(digests),
                None => calls.push((*shard, *generation, *at, digests.collect())),
            }
        }
        let ask = |(shard, generation, at, digests): (u32, u64, Position, Vec<Digest>)| {
            let client = self.client(shard, purpose);
            async move {
                let answer = client.confirm(at, digests.clone(), deadline).await;
                if matches!(answer, Ok(Answer::OtherHistory)) {
                    self.replica.start_over(shard, generation);
                }
                (shard, digests, answer)
            }
            .boxed_local()
        };
        let answers = all(calls.into_iter().map(ask).collect()).await;
        let found = |(at, token, confirmations): &(usize, &Matchable, Vec<Confirmation>)| {
            combine_confirmations(token, confirmations, &answers).map(|status| (*at, status))
        };
        unresolved.iter().filter_map(found).collect()
    }

    /// The statuses according to the shards, for logs that are too large for an isolate. Also returns whether the
    /// shards are importing.
    async fn statuses_from_shards(
        &self,
        purpose: Purpose,
        tokens: &[(usize, &Matchable, bool)],
        deadline: Timestamp,
    ) -> Vec<(usize, Result<Status, AuthorityError>, bool)> {
        if tokens.is_empty() {
            return Vec::new();
        }
        let count = self.replica.shards();
        let confirmation = |shard: u32, token: &Matchable| {
            let is_there = |key: &MatchKey<'_>| shard_of(key.scope, key.digest, count) == shard;
            let digests = token.keys().filter(is_there).map(|key| (key.scope, *key.digest)).collect();
            Confirmation { shard, generation: NO_GENERATION, at: Position::default(), digests }
        };
        let confirmations = |token: &Matchable| {
            let shards = self.replica.shards_of(&[token]);
            shards.into_iter().map(|shard| confirmation(shard, token)).collect::<Vec<_>>()
        };
        let unresolved: Vec<_> = tokens.iter().map(|(at, token, _)| (*at, *token, confirmations(token))).collect();
        let confirmed = self.confirm(purpose, &unresolved, deadline).await;
        let status = |(at, _, is_importing): &(usize, &Matchable, bool)| {
            // Confirmed as not revoked.
            let confirmed = confirmed.iter().find(|(other, _)| other == at).map(|(_, status)| *status);
            (*at, confirmed.unwrap_or(Ok(Status::Active)), *is_importing)
        };
        tokens.iter().map(status).collect()
    }

    /// The statuses according to Workers KV alone, with bulk reads.
    async fn statuses_from_kv(
        &self,
        tokens: &[&Matchable],
        deadline: Timestamp,
    ) -> Vec<Result<Status, AuthorityError>> {
        let mut keys: Vec<MatchKey<'_>> = tokens.iter().flat_map(|token| token.keys()).collect();
        keys.sort_unstable_by_key(|key| *key.digest);
        keys.dedup_by_key(|key| *key.digest);
        let limit = deadline.since(self.platform.now());
        let find = |keys: &[MatchKey<'_>]| {
            let texts: Vec<String> = keys.iter().map(MatchKey::text).collect();
            async move {
                let found = within::<P, _>(limit, self.platform.find(&texts)).await;
                let found = found.unwrap_or(Err(IndexError::TimedOut));
                // The answer does not match the request.
                found.and_then(|found| if found.len() == texts.len() { Ok(found) } else { Err(IndexError::Permanent) })
            }
            .boxed_local()
        };
        let answers = all(keys.chunks(KV_BULK).map(find).collect()).await;
        let is_revoked_by = |key: &MatchKey<'_>, issued_at: Option<Timestamp>| {
            let at = keys.binary_search_by_key(&key.digest, |key| key.digest).unwrap_or(usize::MAX);
            let answer = match answers.get(at.wrapping_div(KV_BULK)) {
                Some(Ok(answer)) => answer,
                Some(Err(error)) => return Err(*error),
                None => return Err(IndexError::Permanent),
            };
            let value = answer.get(at.wrapping_rem(KV_BULK)).and_then(Option::as_deref);
            // Fail closed: only revocations have such keys, so an unreadable value revokes every token.
            let is_revoked =
                |text: &str| StoredRevocation::parse(text).is_none_or(|stored| stored.limits().match_token(issued_at));
            Ok(value.is_some_and(is_revoked))
        };
        tokens.iter().map(|token| status_from_kv(token, &is_revoked_by)).collect()
    }

    /// Records a logout durably: in the ledger, which writes it to Workers KV, or in Workers KV without a ledger.
    /// Afterwards this isolate rejects the revoked tokens at once.
    ///
    /// # Errors
    /// The part that did not answer. The logout may be durable nevertheless. Retrying is safe.
    pub async fn revoke(&self, logout: &Logout, limit: Duration) -> Result<(), AuthorityError> {
        match self.ledger {
            None => write(self.platform, logout, limit).await.map_err(AuthorityError::Index)?,
            Some(_) => self.record(logout, limit).await.map_err(AuthorityError::Ledger)?,
        }
        self.replica.note_own(logout, self.platform.now());
        Ok(())
    }

    /// Revokes every token of an issuer or a subject that was issued up to a time; see [`super::cut_off`].
    ///
    /// # Errors
    /// Those of [`Self::revoke`].
    pub async fn revoke_all(&self, cut_off: Revocation, limit: Duration) -> Result<(), AuthorityError> {
        self.revoke(&Logout { widest: cut_off, token: None }, limit).await
    }

    async fn record(&self, logout: &Logout, limit: Duration) -> Result<(), LedgerError> {
        let deadline = self.platform.now().plus(limit);
        // The first answer may correct the number of shards.
        for _ in 0..2 {
            let shard = shard_of(logout.widest.scope, &logout.widest.digest, self.replica.shards());
            if shard != 0 && !self.replica.is_layout_known() {
                let number = self.replica.next_number();
                match ensure_fresh(&self.client(0, Purpose::Logout), Required::After(number), number, deadline).await {
                    Err(SyncError::Ledger(error) | SyncError::Refused(error)) => return Err(error),
                    Ok(()) | Err(SyncError::OtherLayout | SyncError::TooLarge) => {}
                }
                continue;
            }
            match self.client(shard, Purpose::Logout).record(logout, deadline).await? {
                Answer::Recorded => return Ok(()),
                Answer::OtherLayout(shards) if shard == 0 => self.replica.note_layout(shards),
                Answer::Full => return Err(LedgerError::Full),
                _ => return Err(LedgerError::Failed),
            }
        }
        Err(LedgerError::Failed)
    }

    /// A health check of a shard: an empty call. It bypasses the circuit breaker, so callers must limit its rate.
    ///
    /// # Errors
    /// The error of the call.
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

    /// Background work: syncs the shards whose last sync is older than about half of `bound`, so that no check has to
    /// wait for a sync, and loads segments. Call it with `waitUntil`, after the response.
    pub async fn refresh(&self, bound: Duration) {
        let now = self.platform.now();
        let clients = self.replica.due(bound, now).map(|shard| self.client(shard, Purpose::Check)).collect();
        refresh(clients, bound, now).await;
        self.load_segments().await;
    }

    /// Background work: loads missing segments. Call it with `waitUntil`, after the response.
    pub async fn load_segments(&self) {
        load_segments(self.replica, self.platform, |shard| self.client(shard, Purpose::Check)).await;
    }
}

fn set<T>(found: &mut [Option<T>], at: usize, status: T) {
    if let Some(found) = found.get_mut(at) {
        *found = Some(status);
    }
}

/// Combines the confirmations of a token: revoked, or an error. `None` if no shard has a revocation: the caller repeats
/// the lookup, which now skips the confirmed segments.
pub(super) fn combine_confirmations(
    token: &Matchable,
    confirmations: &[Confirmation],
    answers: &[(u32, Vec<Digest>, Result<Answer, LedgerError>)],
) -> Option<Result<Status, AuthorityError>> {
    let mut failure = None;
    for confirmation in confirmations {
        let is_of = |(shard, asked, _): &&(u32, Vec<Digest>, _)| {
            *shard == confirmation.shard && confirmation.digests.iter().all(|(_, digest)| asked.contains(digest))
        };
        let answer = answers.iter().find(is_of);
        let Some((_, asked, answer)) = answer else { continue };
        match answer {
            Ok(Answer::Confirmed(found)) if found.len() == asked.len() => {
                let revoked_scope = |(scope, digest): &(Scope, Digest)| {
                    let at = asked.iter().position(|asked| asked == digest)?;
                    let upto = found.get(at).copied().flatten()?;
                    covers(upto, token.issued_at).then_some(*scope)
                };
                if let Some(scope) = confirmation.digests.iter().find_map(revoked_scope) {
                    return Some(Ok(Status::Revoked(scope)));
                }
                Replica::note_confirmed(token, confirmation);
            }
            // The replica has started over, so the lookup is repeated.
            Ok(Answer::OtherHistory) if confirmation.generation != NO_GENERATION => {}
            Ok(_) => failure = Some(Err(AuthorityError::Ledger(LedgerError::Failed))),
            Err(error) => failure = Some(Err(AuthorityError::Ledger(*error))),
        }
    }
    failure
}

/// Revoked if any key is. Active only if every key was read and none revokes the token.
fn status_from_kv(
    token: &Matchable,
    is_revoked_by: &impl Fn(&MatchKey<'_>, Option<Timestamp>) -> Result<bool, IndexError>,
) -> Result<Status, AuthorityError> {
    let mut status = Ok(Status::Active);
    for key in token.keys() {
        match is_revoked_by(&key, token.issued_at) {
            Ok(true) => return Ok(Status::Revoked(key.scope)),
            Ok(false) => {}
            Err(error) => status = Err(AuthorityError::Index(error)),
        }
    }
    status
}
