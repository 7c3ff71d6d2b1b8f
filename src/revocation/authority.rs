//! Everything about revocations that a use case asks for: is it revoked, revoke it, and from when that holds.

use std::time::Duration;

use futures_util::FutureExt;

use super::breaker::Purpose;
use super::check::Known;
use super::client::{LedgerQuestion, ShardClient};
use super::digest::Digest;
use super::freshness::Freshness;
use super::ledger::LedgerRules;
use super::memory::Memory;
use super::plan::Matchable;
use super::record::Revocation;
use super::sync::{Turn, sync};
use super::write::write;
use crate::ports::{Clock, Index, IndexError, LedgerError, LedgerShards, SharedMemory, all, within};
use crate::time::Timestamp;

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

/// Ledger, index and the isolate's memory of both.
pub struct Authority<'a, P> {
    /// Where the ledger and the index are.
    pub platform: &'a P,
    /// What the isolate remembers.
    pub memory: &'a Memory,
    /// The ledger's rules; the index alone keeps everything when there is none.
    pub ledger: Option<LedgerRules>,
}

impl<P: Clock + Index + LedgerShards + SharedMemory> Authority<'_, P> {
    /// What is known of a token, as fresh as `freshness` promises or more, within `limit`.
    ///
    /// # Errors
    /// Who did not answer. A token of which nothing is known is not active.
    pub async fn status(&self, token: &Matchable, freshness: Freshness, limit: Duration) -> Result<Known, Doubt> {
        self.status_for(Purpose::Check, token, freshness, limit).await
    }

    /// [`Self::status`] for a logout, which asks the ledger even while that fails: its user may not come back.
    ///
    /// # Errors
    /// Those of [`Self::status`].
    pub async fn status_before_logout(
        &self,
        token: &Matchable,
        freshness: Freshness,
        limit: Duration,
    ) -> Result<Known, Doubt> {
        self.status_for(Purpose::Logout, token, freshness, limit).await
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
        self.memory.remembered(token, freshness, self.platform.now())
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
        if self.ledger.is_none() && freshness != Freshness::Eventual {
            return vec![Err(Doubt::Ledger(LedgerError::Absent)); tokens.len()];
        }
        let known: Vec<_> = tokens.iter().map(|token| self.remembered(token, freshness)).collect();
        let open: Vec<&Matchable> =
            tokens.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(token, _)| *token).collect();
        // Whatever it waits for has a limit of its own: every timer that a check sets is paid for by every check.
        let mut asked = self.ask(purpose, &open, freshness, limit).await.into_iter();
        let mut next = || asked.next().unwrap_or(Err(Doubt::Index(IndexError::Permanent)));
        known.into_iter().map(|known| known.map_or_else(&mut next, Ok)).collect()
    }

    /// Makes revocations durable, in their order: in the ledger, which sees to the index, or in the index where there is
    /// no ledger. From then on this isolate refuses what they end.
    ///
    /// # Errors
    /// Who did not answer. Some of them, the broad ones first, may be durable all the same; revoking again is safe.
    pub async fn revoke(&self, revocations: &[Revocation], limit: Duration) -> Result<(), Doubt> {
        match self.ledger {
            None => write(self.platform, revocations, limit).await.map_err(Doubt::Index)?,
            Some(rules) => {
                self.record(revocations, rules, limit).await.map_err(Doubt::Ledger)?;
            }
        }
        self.memory.note(revocations, self.platform.now());
        Ok(())
    }

    /// Asks a shard for a key that is never recorded. Bypasses the breaker, which only knows how the shard was a moment
    /// ago, so callers must limit how often they ask.
    ///
    /// # Errors
    /// Why the shard does not answer.
    pub async fn ask_shard(&self, shard: u32, limit: Duration) -> Result<(), LedgerError> {
        let question = LedgerQuestion::Contains(vec!["readyz".to_owned()]).write();
        let asked = within::<P, _>(limit, self.platform.ask(shard, &question)).await;
        let answer = asked.unwrap_or(Err(LedgerError::TimedOut))?;
        if answer.trim() == "[null]" { Ok(()) } else { Err(LedgerError::Failed) }
    }

    /// Each shard takes its part in one transaction; parts that follow each other in different shards wait for each
    /// other, so that the narrow one is never there without the broad one.
    async fn record(&self, revocations: &[Revocation], rules: LedgerRules, limit: Duration) -> Result<(), LedgerError> {
        let deadline = self.platform.now().plus(limit);
        let shard = |revocation: &Revocation| Digest::of_key(&revocation.key).map(|digest| digest.shard(rules.shards));
        for part in revocations.chunk_by(|one, next| shard(one) == shard(next)) {
            let of_part = part.first().and_then(shard).ok_or(LedgerError::Failed)?;
            self.client(of_part, Purpose::Logout).record(part.to_vec(), deadline).await?;
        }
        Ok(())
    }

    pub(super) fn client(&self, shard: u32, purpose: Purpose) -> ShardClient<'_, P> {
        ShardClient { platform: self.platform, memory: self.memory, shard, purpose }
    }

    /// Hears the feeds that were heard of longer ago than about half of what the issuers' bounds allow, so that no check has
    /// to wait for them. To be done when the request has been answered.
    pub async fn refresh(&self, bound: Duration) {
        // As recent as no feed is that is due: what this isolate has heard itself is no news.
        let recent = bound.checked_div(5).unwrap_or(bound).saturating_mul(2);
        let refresh = |shard| {
            let turn = Turn { memory: self.memory, shard };
            async move {
                let _turn = turn;
                sync(&self.client(shard, Purpose::Check), recent).await
            }
            .boxed_local()
        };
        let due = self.memory.begin_refresh(bound, self.platform.now());
        // What fails here is tried again by the check that needs it.
        all(due.into_iter().map(refresh).collect()).await;
    }
}

/// From when on a check no longer says that what was revoked is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Under `strong`, and under `bounded`; neither is promised without a ledger.
    pub with_ledger: Option<(Timestamp, Timestamp)>,
    /// Under `eventual`: once Workers KV has settled, when it takes the write at once.
    pub eventual: Timestamp,
}

impl Effective {
    /// What holds of a revocation that is durable since `now`.
    #[must_use]
    pub fn of(now: Timestamp, has_ledger: bool, bound: Duration, settling: Duration) -> Self {
        Self { with_ledger: has_ledger.then(|| (now, now.plus(bound))), eventual: now.plus(settling) }
    }

    /// As a dictionary of dates (RFC 9651 sections 3.2 and 3.3.7), in seconds of Unix time, rounded up.
    #[must_use]
    pub fn header(&self) -> String {
        let eventual = format!("eventual=@{}", self.eventual.as_seconds_rounded_up());
        self.with_ledger.map_or(eventual.clone(), |(strong, bounded)| {
            let (strong, bounded) = (strong.as_seconds_rounded_up(), bounded.as_seconds_rounded_up());
            format!("strong=@{strong}, bounded=@{bounded}, {eventual}")
        })
    }
}
