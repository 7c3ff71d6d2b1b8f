//! Whether tokens are revoked, as fresh as is promised.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join;

use super::authority::{Authority, Doubt};
use super::breaker::Purpose;
use super::client::CALL_LIMIT;
use super::digests::{Digests, Entry};
use super::evidence::{Evidence, Part};
use super::freshness::Freshness;
use super::plan::{MatchKey, Matchable};
use super::record::Scope;
use super::sync::{Unheard, hear};
use crate::ports::{Clock, Index, IndexError, LedgerError, LedgerShards, SharedMemory, all, within};
use crate::time::Timestamp;

/// The most keys that Workers KV reads at once.
const KV_BULK: usize = 100;

/// How much of the time is kept for judging what has been answered.
const JUDGING: Duration = Duration::from_millis(100);

/// What is known of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing revokes it.
    Active,
    /// A revocation of this scope ends it.
    Revoked(Scope),
}

/// What is known of a token, and how fresh that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What is known of it.
    pub status: Status,
    /// The promise that was kept: the one asked for, or a stronger one.
    pub freshness: Freshness,
}

impl<P: Clock + Index + LedgerShards + SharedMemory> Authority<'_, P> {
    /// Asks others about tokens: the feeds that were not heard lately, or one call a shard, and one bulk read of the index
    /// for every hundred keys.
    ///
    /// A promise that cannot be kept falls back to the stronger and slower way, and then to a doubt.
    pub(super) async fn ask(
        &self,
        purpose: Purpose,
        tokens: &[&Matchable],
        freshness: Freshness,
        limit: Duration,
    ) -> Vec<Result<Known, Doubt>> {
        let begin = self.platform.now();
        let freshness = match self.keep(purpose, freshness, tokens, limit).await {
            Ok(kept) => kept,
            Err(doubt) => return vec![Err(doubt); tokens.len()],
        };
        // After the feed was heard: what has left the feed by now is in the answer of the index.
        let asked_at = self.platform.now();
        let asking = self.memory.asking_at(asked_at);
        let freshness = self.still_kept(freshness, tokens, begin, asked_at);
        // Judged before anything else is waited for, since memory may forget meanwhile what the index was not asked for.
        let ended: Vec<_> = tokens.iter().map(|token| self.memory.ends(token)).collect();
        let unknown: Vec<_> = tokens.iter().map(|token| self.needs_index(token, freshness, asked_at)).collect();
        let asked: Vec<_> =
            tokens.iter().zip(&unknown).filter(|(_, unknown)| **unknown).map(|(token, _)| *token).collect();
        // Each for itself, and a little earlier than the whole: the word of one counts when the other one hangs.
        let left = limit.saturating_sub(asked_at.since(begin)).saturating_sub(JUDGING);
        let (of_ledger, of_index) = match freshness {
            Freshness::Strong => {
                join(self.ask_ledger(purpose, tokens, begin, left), self.ask_index(&asked, left)).await
            }
            Freshness::Bounded(_) | Freshness::Eventual => (None, self.ask_index(&asked, left).await),
        };
        let judge = |((token, ended), unknown): ((&&Matchable, Option<Scope>), bool)| {
            let evidence = [of_ledger.as_ref(), of_index.as_ref().filter(|_| unknown)];
            let status = match ended.or_else(|| self.memory.ends(token)) {
                Some(scope) => Status::Revoked(scope),
                None => judge(token, evidence)?,
            };
            // For the next minutes this isolate refuses it under every freshness.
            for (digest, cut_off) in evidence.into_iter().flatten().flat_map(|evidence| evidence.endings(token)) {
                self.memory.note_found(digest, cut_off, self.platform.now());
            }
            if unknown && status == Status::Active {
                token.asked.set(Some(asking));
            }
            Ok(Known { status, freshness })
        };
        tokens.iter().zip(ended).zip(unknown).map(judge).collect()
    }

    /// The promise that can be kept: the one asked for, once the feeds were heard, or the stronger one.
    async fn keep(
        &self,
        purpose: Purpose,
        freshness: Freshness,
        tokens: &[&Matchable],
        limit: Duration,
    ) -> Result<Freshness, Doubt> {
        let Freshness::Bounded(bound) = freshness else { return Ok(freshness) };
        // Half the time, so that the stronger way has the other half.
        let limit = limit.checked_div(2).unwrap_or(limit);
        match within::<P, _>(limit, self.hear(tokens, bound)).await {
            Some(Ok(())) => Ok(freshness),
            // Another call would add load. A logout calls nevertheless, at the breaker's rate.
            Some(Err(Unheard::Ledger(LedgerError::Overloaded))) if purpose == Purpose::Check => {
                Err(Doubt::Ledger(LedgerError::Overloaded))
            }
            Some(Err(_)) | None => Ok(Freshness::Strong),
        }
    }

    /// Since a feed was heard, another request may have found a gap in it, or that there is too much of it.
    fn still_kept(&self, kept: Freshness, tokens: &[&Matchable], begin: Timestamp, now: Timestamp) -> Freshness {
        let Freshness::Bounded(bound) = kept else { return kept };
        let is_synced = |shard: u32| self.memory.is_synced(shard, begin.minus(bound), now);
        if self.memory.shards_of(tokens).into_iter().all(is_synced) { kept } else { Freshness::Strong }
    }

    fn needs_index(&self, token: &Matchable, freshness: Freshness, now: Timestamp) -> bool {
        match freshness {
            Freshness::Eventual => true,
            Freshness::Bounded(_) => !self.memory.vouches_for(token, now),
            // The ledger knows all that was recorded in it; the index, what was there before or was written by hand.
            Freshness::Strong => !self.memory.index_tells_no_more(token, now),
        }
    }

    /// Hears the feeds that the tokens need, so that all are known as recently as the bound says.
    async fn hear(&self, tokens: &[&Matchable], bound: Duration) -> Result<(), Unheard> {
        let now = self.platform.now();
        let shards = self.memory.shards_of(tokens);
        let old = shards.into_iter().filter(|shard| !self.memory.is_synced(*shard, now.minus(bound), now));
        let hear = |shard| async move { hear(&self.client(shard, Purpose::Check), bound, now).await }.boxed_local();
        all(old.map(hear).collect()).await.into_iter().collect()
    }

    async fn ask_ledger(
        &self,
        purpose: Purpose,
        tokens: &[&Matchable],
        begin: Timestamp,
        limit: Duration,
    ) -> Option<Evidence> {
        let keys = distinct(tokens);
        let now = self.platform.now();
        let ask = |shard: u32| {
            let of_shard = |key: &&MatchKey<'_>| self.memory.shard_of(key.digest) == shard;
            let keys: Vec<_> = keys.iter().filter(of_shard).copied().collect();
            // While a shard fails, hearing its feed and this call share one limit.
            let is_short = purpose == Purpose::Check && self.memory.is_failing(shard, now);
            let deadline = if is_short { begin.plus(CALL_LIMIT) } else { now.plus(limit) };
            async move {
                let found = self.client(shard, purpose).contains(texts(&keys), deadline).await;
                Part::of_ledger(keys, found)
            }
            .boxed_local()
        };
        let shards = self.memory.shards_of(tokens);
        Some(Evidence::of(all(shards.into_iter().map(ask).collect()).await))
    }

    async fn ask_index(&self, tokens: &[&Matchable], limit: Duration) -> Option<Evidence> {
        let keys = distinct(tokens);
        let chunks = keys.chunks(KV_BULK).map(<[_]>::to_vec);
        let ask = |keys: Vec<_>| {
            async move {
                let found = within::<P, _>(limit, self.platform.find(&texts(&keys))).await;
                Part::of_index(keys, found.unwrap_or(Err(IndexError::TimedOut)))
            }
            .boxed_local()
        };
        let answers = all(chunks.map(ask).collect()).await;
        (!answers.is_empty()).then(|| Evidence::of(answers))
    }
}

/// The first word that a token is revoked; that it is active only when nobody is in doubt.
fn judge(token: &Matchable, evidence: [Option<&Evidence>; 2]) -> Result<Status, Doubt> {
    let judged = evidence.into_iter().flatten().map(|evidence| evidence.judge(token));
    let worst = |one: Result<Status, Doubt>, other| match (one, other) {
        (Ok(Status::Revoked(scope)), _) | (_, Ok(Status::Revoked(scope))) => Ok(Status::Revoked(scope)),
        (Err(doubt), _) | (_, Err(doubt)) => Err(doubt),
        (Ok(Status::Active), Ok(Status::Active)) => Ok(Status::Active),
    };
    judged.fold(Ok(Status::Active), worst)
}

/// The keys of tokens, each once.
fn distinct<'a>(tokens: &[&'a Matchable]) -> Vec<MatchKey<'a>> {
    let mut seen = Digests::default();
    let mut is_new = |key: &MatchKey<'_>| seen.insert(Entry::new(*key.digest, 0, None));
    tokens.iter().flat_map(|token| token.keys()).filter(|key| is_new(key)).collect()
}

fn texts(keys: &[MatchKey<'_>]) -> Vec<String> {
    keys.iter().map(MatchKey::text).collect()
}
