//! Asking the ledger, and its answers: JSON between the two.

use std::time::Duration;

use super::breaker::{Admission, Purpose};
use super::feed::Changes;
use super::ledger::{Ledger, Rows, Since};
use super::memory::Memory;
use super::record::{Limits, Revocation};
use super::retry::pauses;
use super::wire::{read_found, write_found};
use crate::ports::{Clock, LedgerError, LedgerShards, within};
use crate::time::Timestamp;

/// How long one call waits. A shard answers within milliseconds of its own; the rest is the way to it and back.
pub(super) const CALL_LIMIT: Duration = Duration::from_millis(1_500);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const TRIES_AFTER_THE_FIRST: usize = 2;
/// How long a logout waits for the breaker while the shard fails.
const LOGOUT_PATIENCE: Duration = Duration::from_millis(500);
/// How often callers ask the breaker again. Workers cannot await another request's future.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// What a shard answers once revocations are durable.
const RECORDED: &str = "null";

/// What a shard of the ledger can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerQuestion {
    /// To record revocations; answered with `null` once they are durable.
    Record(Vec<Revocation>),
    /// Which of the keys are recorded; answered with a list of limits and `null`, in the order of the keys.
    Contains(Vec<String>),
    /// What has changed; answered with [`Changes`].
    Changes(Since),
}

/// A shard's answer to a question, as JSON.
///
/// # Errors
/// The database's. Then nothing may be answered.
pub fn answer_question<R: Rows>(
    ledger: &mut Ledger<R>,
    question: &LedgerQuestion,
    now: Timestamp,
) -> Result<String, R::Error> {
    Ok(match question {
        LedgerQuestion::Record(batch) => {
            ledger.record(batch, now)?;
            RECORDED.to_owned()
        }
        LedgerQuestion::Contains(keys) => write_found(&ledger.contains(keys)?),
        LedgerQuestion::Changes(since) => ledger.changes(since, now)?.write(),
    })
}

/// A client of one shard, with its breaker.
pub(super) struct ShardClient<'a, P: Clock> {
    pub platform: &'a P,
    pub memory: &'a Memory,
    pub shard: u32,
    pub purpose: Purpose,
}

impl<P: LedgerShards + Clock> ShardClient<'_, P> {
    /// Records revocations in the shard. Recording is idempotent, so failures are retried.
    pub async fn record(&self, revocations: Vec<Revocation>, deadline: Timestamp) -> Result<(), LedgerError> {
        let answer = self.ask(&LedgerQuestion::Record(revocations), deadline).await?;
        if answer.trim() == RECORDED { Ok(()) } else { Err(LedgerError::Failed) }
    }

    /// The limits of each key, in the order of the keys; `None` for keys that the shard does not have.
    pub async fn contains(&self, keys: Vec<String>, deadline: Timestamp) -> Result<Vec<Option<Limits>>, LedgerError> {
        let count = keys.len();
        let answer = self.ask(&LedgerQuestion::Contains(keys), deadline).await?;
        // An answer for another number of keys cannot be matched to them.
        read_found(&answer).filter(|found| found.len() == count).ok_or(LedgerError::Failed)
    }

    /// What has changed in the shard, and the answer's text. Not retried: the caller has another way to ask.
    pub async fn changes(&self, since: Since) -> Result<(Changes, String), LedgerError> {
        let pass = self.admit(CALL_LIMIT).await?;
        let answer = self.call(pass, &LedgerQuestion::Changes(since).write(), CALL_LIMIT).await?;
        let changes = Changes::read(&answer).ok_or(LedgerError::Failed)?;
        Ok((changes, answer))
    }

    /// Asks, and retries until the deadline while that may help and the breaker allows it. One timer at a time: each
    /// call is limited to the time that is left.
    async fn ask(&self, question: &LedgerQuestion, deadline: Timestamp) -> Result<String, LedgerError> {
        let question = question.write();
        let left = || deadline.since(self.platform.now());
        if left().is_zero() {
            return Err(LedgerError::TimedOut);
        }
        let pass = self.admit(left()).await?;
        let mut answer = self.call(pass, &question, CALL_LIMIT.min(left())).await;
        if self.is_last(&answer) {
            return answer;
        }
        for pause in pauses(FIRST_PAUSE, TRIES_AFTER_THE_FIRST) {
            if pause >= left() {
                return Err(LedgerError::TimedOut);
            }
            P::sleep(pause).await;
            let Ok(pass) = self.admit(left()).await else { continue };
            answer = self.call(pass, &question, CALL_LIMIT.min(left())).await;
            if self.is_last(&answer) {
                break;
            }
        }
        answer
    }

    /// Whether not to retry. Questions are idempotent. Overload is not retried, and checks wait for one time-out only.
    fn is_last(&self, answer: &Result<String, LedgerError>) -> bool {
        match answer {
            Ok(_) | Err(LedgerError::Overloaded | LedgerError::Absent) => true,
            Err(LedgerError::TimedOut) => self.purpose == Purpose::Check,
            Err(LedgerError::Retryable | LedgerError::Failed) => false,
        }
    }

    /// The breaker's permission to call. Waits for it while it is likely to come soon, at most for `left`.
    async fn admit(&self, left: Duration) -> Result<Pass<'_, P>, LedgerError> {
        let begin = self.platform.now();
        let patience = match self.purpose {
            Purpose::Check => left,
            Purpose::Logout => left.min(LOGOUT_PATIENCE),
        };
        loop {
            let now = self.platform.now();
            match self.memory.admit(self.shard, self.purpose, now) {
                Admission::Go(number) => return Ok(Pass { client: self, number, begun_at: now, is_over: false }),
                Admission::Wait(_) if now.since(begin) < patience => P::sleep(LOOK_AGAIN).await,
                Admission::Wait(cause) | Admission::Refuse(cause) => return Err(cause),
            }
        }
    }

    async fn call(&self, mut pass: Pass<'_, P>, question: &str, limit: Duration) -> Result<String, LedgerError> {
        let asked = within::<P, _>(limit, self.platform.ask(self.shard, question)).await;
        let answer = asked.unwrap_or(Err(LedgerError::TimedOut));
        pass.is_over = true;
        let outcome = answer.as_ref().map(|_| ()).map_err(|error| *error);
        self.memory.note_call(self.shard, pass.number, outcome, self.platform.now());
        answer
    }
}

/// Permission to make one call. The breaker also learns when it is dropped unused or during the call.
struct Pass<'a, P: Clock> {
    client: &'a ShardClient<'a, P>,
    number: u64,
    begun_at: Timestamp,
    is_over: bool,
}

impl<P: Clock> Drop for Pass<'_, P> {
    fn drop(&mut self) {
        if !self.is_over {
            let ShardClient { platform, memory, shard, .. } = self.client;
            memory.abandon_call(*shard, self.number, self.begun_at, platform.now());
        }
    }
}
