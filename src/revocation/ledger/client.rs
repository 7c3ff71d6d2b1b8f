//! Asking a shard of the ledger.

use std::time::Duration;

use super::super::key::Digest;
use super::super::record::Logout;
use super::super::replica::Replica;
use super::super::retry::pauses;
use super::breaker::{Admission, Purpose};
use super::segment::SegmentName;
use super::wire::{Answer, Call, Position, Question, Setup, SyncQuestion};
use crate::ports::{Clock, LedgerError, LedgerShards};
use crate::time::Timestamp;

/// How long one call waits. A shard answers within milliseconds of its own; the rest is the way to it and back.
pub const CALL_LIMIT: Duration = Duration::from_millis(1_500);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const TRIES_AFTER_THE_FIRST: usize = 2;
/// How long a logout waits for the breaker while the shard fails.
const LOGOUT_PATIENCE: Duration = Duration::from_millis(500);
/// How often callers ask the breaker again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A client of one shard, with its breaker.
pub struct ShardClient<'a, P: Clock> {
    pub platform: &'a P,
    pub replica: &'a Replica,
    pub setup: Setup,
    pub purpose: Purpose,
}

impl<P: LedgerShards + Clock> ShardClient<'_, P> {
    /// Records a logout. Recording is idempotent, so failures are retried.
    pub async fn record(&self, logout: &Logout, deadline: Timestamp) -> Result<Answer, LedgerError> {
        self.ask(Question::Record(vec![logout.clone()]), deadline).await
    }

    /// Which of these digests are revoked.
    pub async fn confirm(
        &self,
        at: Position,
        digests: Vec<Digest>,
        deadline: Timestamp,
    ) -> Result<Answer, LedgerError> {
        self.ask(Question::Confirm(at, digests), deadline).await
    }

    /// What has changed, with the answer's bytes. Not retried: whoever waits for it asks again.
    pub async fn sync(
        &self,
        pass: Pass<'_, P>,
        question: SyncQuestion,
        deadline: Timestamp,
    ) -> Result<(Answer, Vec<u8>), LedgerError> {
        let call = Call { setup: self.setup, question: Question::Sync(question) };
        let limit = CALL_LIMIT.min(deadline.since(self.platform.now()));
        let bytes = self.call(pass, &call.write(), limit).await?;
        Ok((Answer::read(&bytes).ok_or(LedgerError::Failed)?, bytes))
    }

    /// The filter of a segment that is not in Workers KV.
    pub async fn segment(&self, name: SegmentName, deadline: Timestamp) -> Result<Answer, LedgerError> {
        self.ask(Question::Segment(name), deadline).await
    }

    /// Asks, and retries until the deadline while that may help and the breaker allows it. One timer at a time: each
    /// call is limited to the time that is left.
    async fn ask(&self, question: Question, deadline: Timestamp) -> Result<Answer, LedgerError> {
        let call = Call { setup: self.setup, question }.write();
        let bytes = self.try_until(&call, deadline).await?;
        Answer::read(&bytes).ok_or(LedgerError::Failed)
    }

    async fn try_until(&self, call: &[u8], deadline: Timestamp) -> Result<Vec<u8>, LedgerError> {
        let left = || deadline.since(self.platform.now());
        if left().is_zero() {
            return Err(LedgerError::TimedOut);
        }
        let pass = self.admit(left()).await?;
        let mut answer = self.call(pass, call, CALL_LIMIT.min(left())).await;
        if self.is_last(&answer) {
            return answer;
        }
        for pause in pauses(FIRST_PAUSE, TRIES_AFTER_THE_FIRST) {
            if pause >= left() {
                return Err(LedgerError::TimedOut);
            }
            P::sleep(pause).await;
            let Ok(pass) = self.admit(left()).await else { continue };
            answer = self.call(pass, call, CALL_LIMIT.min(left())).await;
            if self.is_last(&answer) {
                break;
            }
        }
        answer
    }

    /// Whether not to retry. Calls are idempotent. Overload is not retried, and checks wait for one time-out only.
    fn is_last(&self, answer: &Result<Vec<u8>, LedgerError>) -> bool {
        match answer {
            Ok(_) | Err(LedgerError::Overloaded | LedgerError::Absent | LedgerError::Full) => true,
            Err(LedgerError::TimedOut) => self.purpose == Purpose::Check,
            Err(LedgerError::Retryable | LedgerError::Failed) => false,
        }
    }

    /// The breaker's permission to call. Waits for it while it is likely to come soon, at most for `left`.
    pub async fn admit(&self, left: Duration) -> Result<Pass<'_, P>, LedgerError> {
        let begin = self.platform.now();
        let patience = match self.purpose {
            Purpose::Check => left,
            Purpose::Logout => left.min(LOGOUT_PATIENCE),
        };
        loop {
            let now = self.platform.now();
            match self.replica.admit(self.setup.shard, self.purpose, now) {
                Admission::Go(number) => return Ok(Pass { client: self, number, begun_at: now, is_over: false }),
                Admission::Wait(_) if now.since(begin) < patience => P::sleep(LOOK_AGAIN).await,
                Admission::Wait(cause) | Admission::Refuse(cause) => return Err(cause),
            }
        }
    }

    async fn call(&self, mut pass: Pass<'_, P>, call: &[u8], limit: Duration) -> Result<Vec<u8>, LedgerError> {
        let answer = self.platform.ask(self.setup.shard, call, limit).await;
        // The caller is out of time: what that says of the shard depends on how long it had.
        if answer == Err(LedgerError::TimedOut) && limit < CALL_LIMIT {
            return answer;
        }
        pass.is_over = true;
        let outcome = answer.as_ref().map(|_| ()).map_err(|error| *error);
        self.replica.note_call(self.setup.shard, pass.number, outcome, self.platform.now());
        answer
    }
}

/// Permission to make one call. The breaker also learns when it is dropped unused or during the call.
pub struct Pass<'a, P: Clock> {
    client: &'a ShardClient<'a, P>,
    number: u64,
    begun_at: Timestamp,
    is_over: bool,
}

impl<P: Clock> Drop for Pass<'_, P> {
    fn drop(&mut self) {
        if !self.is_over {
            let ShardClient { platform, replica, setup, .. } = self.client;
            replica.abandon_call(setup.shard, self.number, self.begun_at, platform.now());
        }
    }
}
