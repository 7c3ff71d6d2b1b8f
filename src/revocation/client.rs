//! Asking the ledger, and its answers: JSON between the two, since Durable Objects in Rust speak HTTP and no RPC.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::feed::Changes;
use super::ledger::{Ledger, Rows, Since};
use super::record::{Limits, Revocation};
use crate::ports::{Clock, LedgerError, LedgerShards, within};
use crate::time::Timestamp;

/// How long one call waits. A shard answers within milliseconds of its own; the rest is the way to it and back.
const CALL_LIMIT: Duration = Duration::from_millis(1_500);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const TRIES_AFTER_THE_FIRST: usize = 2;

/// What a shard of the ledger can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    let answer = match question {
        LedgerQuestion::Record(batch) => serde_json::to_string(&ledger.record(batch, now)?),
        LedgerQuestion::Contains(keys) => serde_json::to_string(&ledger.contains(keys)?),
        LedgerQuestion::Changes(since) => serde_json::to_string(&ledger.changes(since)?),
    };
    Ok(answer.unwrap_or_default())
}

/// Records revocations of one shard. Recording twice is recording once, so whatever went wrong is tried again.
pub(super) async fn record<P: LedgerShards + Clock>(
    platform: &P,
    shard: u32,
    revocations: Vec<Revocation>,
) -> Result<(), LedgerError> {
    ask(platform, shard, &LedgerQuestion::Record(revocations)).await
}

/// The limits of those keys that a shard has, in the order of the keys.
pub(super) async fn contains<P: LedgerShards + Clock>(
    platform: &P,
    shard: u32,
    keys: Vec<String>,
) -> Result<Vec<Option<Limits>>, LedgerError> {
    let count = keys.len();
    let found: Vec<Option<Limits>> = ask(platform, shard, &LedgerQuestion::Contains(keys)).await?;
    // An answer about other than what was asked tells nothing.
    if found.len() == count { Ok(found) } else { Err(LedgerError::Failed) }
}

/// What has changed in a shard. Not tried again: the caller then asks otherwise.
pub(super) async fn changes<P: LedgerShards + Clock>(
    platform: &P,
    shard: u32,
    since: Since,
) -> Result<Changes, LedgerError> {
    read(&call(platform, shard, &write(&LedgerQuestion::Changes(since))?).await?)
}

async fn ask<P: LedgerShards + Clock, T: DeserializeOwned>(
    platform: &P,
    shard: u32,
    question: &LedgerQuestion,
) -> Result<T, LedgerError> {
    let question = write(question)?;
    let backoff = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_times(TRIES_AFTER_THE_FIRST)
        .with_jitter()
        .with_jitter_seed(getrandom::u64().unwrap_or_default());
    let answer = (|| call(platform, shard, &question))
        .retry(backoff)
        .sleep(P::sleep)
        // Every question may be asked twice. Whoever has too much to do is left alone.
        .when(|error| !matches!(error, LedgerError::Overloaded | LedgerError::Absent))
        .await?;
    read(&answer)
}

async fn call<P: LedgerShards + Clock>(platform: &P, shard: u32, question: &str) -> Result<String, LedgerError> {
    within::<P, _>(CALL_LIMIT, platform.ask(shard, question)).await.unwrap_or(Err(LedgerError::TimedOut))
}

fn write(question: &LedgerQuestion) -> Result<String, LedgerError> {
    serde_json::to_string(question).map_err(|_| LedgerError::Failed)
}

fn read<T: DeserializeOwned>(answer: &str) -> Result<T, LedgerError> {
    serde_json::from_str(answer).map_err(|_| LedgerError::Failed)
}
