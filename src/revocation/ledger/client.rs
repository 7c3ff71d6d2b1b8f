//! The client of a shard: timeouts, retries and the circuit breaker.

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

/// Timeout of one call. A shard needs milliseconds; the rest is network time.
pub const CALL_LIMIT: Duration = Duration::from_millis(1_500);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_RETRIES: usize = 2;
/// How long a logout waits for the breaker.
const LOGOUT_WAIT: Duration = Duration::from_millis(500);
/// How often a waiting caller asks the breaker again.
const BREAKER_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A client of one shard.
pub struct ShardClient<'a, P: Clock> {
    pub platform: &'a P,
    pub replica: &'a Replica,
    pub setup: Setup,
    pub purpose: Purpose,
}

impl<P: LedgerShards + Clock> ShardClient<'_, P> {
    /// Records a logout. Recording is idempotent, so failed calls are retried.
    pub async fn record(&self, logout: &Logout, deadline: Timestamp) -> Result<Answer, LedgerError> {
        self.ask(Question::Record(vec![logout.clone()]), deadline).await
    }

    /// Asks which digests are revoked.
    pub async fn confirm(
        &self,
        at: Position,
        digests: Vec<Digest>,
        deadline: Timestamp,
    ) -> Result<Answer, LedgerError> {
        self.ask(Question::Confirm(at, digests), deadline).await
    }

    /// Asks for the changes since a position. Also returns the encoded answer, which can be shared. Not retried:
    /// waiting checks start the next sync.
    pub async fn sync(
        &self,
        permit: CallPermit<'_, P>,
        question: SyncQuestion,
        deadline: Timestamp,
    ) -> Result<(Answer, Vec<u8>), LedgerError> {
        let call = Call { setup: self.setup, question: Question::Sync(question) };
        let limit = CALL_LIMIT.min(deadline.since(self.platform.now()));
        let bytes = self.call(permit, &call.write(), limit).await?;
        Ok((Answer::read(&bytes).ok_or(LedgerError::Failed)?, bytes))
    }

    /// Asks for the filter of a segment that Workers KV does not have.
    pub async fn segment(&self, name: SegmentName, deadline: Timestamp) -> Result<Answer, LedgerError> {
        self.ask(Question::Segment(name), deadline).await
    }

    /// Sends a question and retries until the deadline, as far as [`Self::is_final`] and the breaker allow. Each call
    /// is limited to the remaining time, so one timer at a time is enough.
    async fn ask(&self, question: Question, deadline: Timestamp) -> Result<Answer, LedgerError> {
        let call = Call { setup: self.setup, question }.write();
        let bytes = self.call_with_retries(&call, deadline).await?;
        Answer::read(&bytes).ok_or(LedgerError::Failed)
    }

    async fn call_with_retries(&self, call: &[u8], deadline: Timestamp) -> Result<Vec<u8>, LedgerError> {
        let left = || deadline.since(self.platform.now());
        if left().is_zero() {
            return Err(LedgerError::TimedOut);
        }
        let permit = self.admit(left()).await?;
        let mut answer = self.call(permit, call, CALL_LIMIT.min(left())).await;
        if self.is_final(&answer) {
            return answer;
        }
        for pause in pauses(FIRST_PAUSE, MAX_RETRIES) {
            if pause >= left() {
                return Err(LedgerError::TimedOut);
            }
            P::sleep(pause).await;
            let Ok(permit) = self.admit(left()).await else { continue };
            answer = self.call(permit, call, CALL_LIMIT.min(left())).await;
            if self.is_final(&answer) {
                break;
            }
        }
        answer
    }

    /// Whether to return a result instead of retrying. Overload is not retried; checks do not retry a timeout.
    fn is_final(&self, answer: &Result<Vec<u8>, LedgerError>) -> bool {
        match answer {
            Ok(_) | Err(LedgerError::Overloaded | LedgerError::Absent | LedgerError::Full) => true,
            Err(LedgerError::TimedOut) => self.purpose == Purpose::Check,
            Err(LedgerError::Retryable | LedgerError::Failed) => false,
        }
    }

    /// Waits for the breaker's permission to call, at most for `left`.
    pub async fn admit(&self, left: Duration) -> Result<CallPermit<'_, P>, LedgerError> {
        let started_at = self.platform.now();
        let max_wait = match self.purpose {
            Purpose::Check => left,
            Purpose::Logout => left.min(LOGOUT_WAIT),
        };
        loop {
            let now = self.platform.now();
            match self.replica.admit(self.setup.shard, self.purpose, now) {
                Admission::Allow(number) => {
                    return Ok(CallPermit { client: self, number, started_at: now, is_reported: false });
                }
                Admission::Wait(_) if now.since(started_at) < max_wait => P::sleep(BREAKER_POLL_INTERVAL).await,
                Admission::Wait(cause) | Admission::Refuse(cause) => return Err(cause),
            }
        }
    }

    async fn call(&self, mut permit: CallPermit<'_, P>, call: &[u8], limit: Duration) -> Result<Vec<u8>, LedgerError> {
        let answer = self.platform.ask(self.setup.shard, call, limit).await;
        // The caller's deadline was shorter than the timeout of a call. Dropping the permit reports the call as
        // canceled.
        if answer == Err(LedgerError::TimedOut) && limit < CALL_LIMIT {
            return answer;
        }
        permit.is_reported = true;
        let outcome = answer.as_ref().map(|_| ()).map_err(|error| *error);
        self.replica.note_call(self.setup.shard, permit.number, outcome, self.platform.now());
        answer
    }
}

/// Permission to make one call. Dropping it before the result is known reports the call as canceled.
pub struct CallPermit<'a, P: Clock> {
    client: &'a ShardClient<'a, P>,
    number: u64,
    started_at: Timestamp,
    is_reported: bool,
}

impl<P: Clock> Drop for CallPermit<'_, P> {
    fn drop(&mut self) {
        if !self.is_reported {
            let ShardClient { platform, replica, setup, .. } = self.client;
            replica.abandon_call(setup.shard, self.number, self.started_at, platform.now());
        }
    }
}
