//! Writing revocations so that success means durable.

use std::pin::pin;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures_util::future::{Either, select};

use super::record::{Revocation, StoredRevocation};
use crate::ports::{Clock, Index, IndexError};
use crate::time::Timestamp;

/// How long a request waits for the index, retries and all. Longer, and the client's own retry does better.
pub const RETRY_BUDGET: Duration = Duration::from_secs(3);

/// The first pause; each further one is twice as long, with jitter. Three pauses fit into the budget, and the last is
/// long enough for Workers KV's one write a second to a key.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
const TRIES_AFTER_THE_FIRST: usize = 4;

/// Writes revocations in the order given, each durable before the next begins.
///
/// # Errors
/// The last fault, when the budget or the tries are spent. Writing the same again is safe.
pub async fn write<P: Index + Clock>(platform: &P, revocations: &[Revocation]) -> Result<(), IndexError> {
    let all = async {
        for revocation in revocations {
            write_one(platform, revocation).await?;
        }
        Ok(())
    };
    match select(pin!(all), pin!(P::sleep(RETRY_BUDGET))).await {
        Either::Left((written, _)) => written,
        Either::Right(_) => Err(IndexError::TimedOut),
    }
}

async fn write_one<P: Index + Clock>(platform: &P, revocation: &Revocation) -> Result<(), IndexError> {
    let backoff =
        ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_times(TRIES_AFTER_THE_FIRST).with_jitter();
    (|| attempt(platform, revocation, platform.now()))
        .retry(backoff)
        .sleep(P::sleep)
        .when(|fault| matches!(fault, IndexError::RateLimited | IndexError::Transient))
        .await
}

async fn attempt<P: Index>(platform: &P, revocation: &Revocation, now: Timestamp) -> Result<(), IndexError> {
    match platform.put(&revocation.entry(now)).await {
        // Somebody else is writing this key: when it is the same logout, sent twice, the other one has done it.
        Err(IndexError::RateLimited) if is_there(platform, revocation).await => Ok(()),
        written => written,
    }
}

async fn is_there<P: Index>(platform: &P, revocation: &Revocation) -> bool {
    let found = platform.find(std::slice::from_ref(&revocation.key)).await;
    found
        .ok()
        .and_then(|values| values.into_iter().next().flatten())
        .is_some_and(|value| StoredRevocation::parse(&value).is_some_and(|stored| stored.covers(revocation)))
}
