//! Asking the ledger, and its answers: JSON between the two.

use std::time::Duration;

use super::feed::Changes;
use super::ledger::{Ledger, Rows, Since};
use super::record::{Limits, Revocation};
use super::retry::pauses;
use super::wire::{read_found, write_found};
use crate::ports::{Clock, LedgerError, LedgerShards, within};
use crate::time::Timestamp;

/// How long one call waits. A shard answers within milliseconds of its own; the rest is the way to it and back.
const CALL_LIMIT: Duration = Duration::from_millis(1_500);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const TRIES_AFTER_THE_FIRST: usize = 2;
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

/// Records revocations of one shard. Recording twice is recording once, so whatever went wrong is tried again.
pub(super) async fn record<P: LedgerShards + Clock>(
    platform: &P,
    shard: u32,
    revocations: Vec<Revocation>,
    deadline: Timestamp,
) -> Result<(), LedgerError> {
    let answer = ask(platform, shard, &LedgerQuestion::Record(revocations), deadline).await?;
    if answer.trim() == RECORDED { Ok(()) } else { Err(LedgerError::Failed) }
}

/// The limits of those keys that a shard has, in the order of the keys.
pub(super) async fn contains<P: LedgerShards + Clock>(
    platform: &P,
    shard: u32,
    keys: Vec<String>,
    deadline: Timestamp,
) -> Result<Vec<Option<Limits>>, LedgerError> {
    let count = keys.len();
    let answer = ask(platform, shard, &LedgerQuestion::Contains(keys), deadline).await?;
    // An answer about other than what was asked tells nothing.
    read_found(&answer).filter(|found| found.len() == count).ok_or(LedgerError::Failed)
}

/// What has changed in a shard, and the answer's text. Not tried again: the caller then asks otherwise.
pub(super) async fn changes<P: LedgerShards + Clock>(
    platform: &P,
    shard: u32,
    since: Since,
) -> Result<(Changes, String), LedgerError> {
    let answer = call(platform, shard, &LedgerQuestion::Changes(since).write(), CALL_LIMIT).await?;
    let changes = Changes::read(&answer).ok_or(LedgerError::Failed)?;
    Ok((changes, answer))
}

/// Asks until there is an answer, as often as that may help before the deadline. One timer at a time: each call has the
/// time that is left, at the most.
async fn ask<P: LedgerShards + Clock>(
    platform: &P,
    shard: u32,
    question: &LedgerQuestion,
    deadline: Timestamp,
) -> Result<String, LedgerError> {
    let question = question.write();
    let left = || deadline.since(platform.now());
    let answer = call(platform, shard, &question, CALL_LIMIT.min(left())).await;
    // Every question may be asked twice. Whoever has too much to do is left alone.
    let is_last = |answer: &Result<String, LedgerError>| {
        matches!(answer, Ok(_) | Err(LedgerError::Overloaded | LedgerError::Absent))
    };
    if is_last(&answer) {
        return answer;
    }
    let mut failed = answer;
    for pause in pauses(FIRST_PAUSE, TRIES_AFTER_THE_FIRST) {
        if pause >= left() {
            return Err(LedgerError::TimedOut);
        }
        P::sleep(pause).await;
        failed = call(platform, shard, &question, CALL_LIMIT.min(left())).await;
        if is_last(&failed) {
            break;
        }
    }
    failed
}

async fn call<P: LedgerShards + Clock>(
    platform: &P,
    shard: u32,
    question: &str,
    limit: Duration,
) -> Result<String, LedgerError> {
    within::<P, _>(limit, platform.ask(shard, question)).await.unwrap_or(Err(LedgerError::TimedOut))
}
