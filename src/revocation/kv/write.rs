//! Writes revocations to Workers KV, with retries. Success means that they are durable.

use std::time::Duration;

use super::super::record::{Logout, Revocation};
use super::super::retry::pauses;
use super::entry::StoredRevocation;
use crate::ports::KvEntry;
use crate::ports::{Clock, Index, IndexError};
use crate::wait::within;

/// The first pause. Each further one is twice as long, with jitter. The fourth attempt comes one to two seconds after
/// the first, which satisfies Workers KV's limit of one write per second and key, and the time limit of a logout.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
const MAX_RETRIES: usize = 4;

/// Writes the revocations of a logout within `limit`. The widest one is written before the token's own. Otherwise a
/// retry could be rejected as already logged out while the session's other tokens are still active.
///
/// # Errors
/// The last error, after `limit` or the last attempt. Retrying is safe.
pub async fn write<P: Index + Clock>(platform: &P, logout: &Logout, limit: Duration) -> Result<(), IndexError> {
    let all = async {
        write_one(platform, &logout.widest).await?;
        match logout.token_revocation() {
            Some(token) => write_one(platform, &token).await,
            None => Ok(()),
        }
    };
    within::<P, _>(limit, all).await.unwrap_or(Err(IndexError::TimedOut))
}

async fn write_one<P: Index + Clock>(platform: &P, revocation: &Revocation) -> Result<(), IndexError> {
    let mut pauses = pauses(FIRST_PAUSE, MAX_RETRIES);
    loop {
        let written = attempt(platform, revocation).await;
        if !matches!(written, Err(IndexError::RateLimited | IndexError::Transient)) {
            return written;
        }
        let Some(pause) = pauses.next() else { return written };
        P::sleep(pause).await;
    }
}

async fn attempt<P: Index + Clock>(platform: &P, revocation: &Revocation) -> Result<(), IndexError> {
    let revocation =
        if revocation.cut_off.is_some() { &widened_by_stored(platform, revocation).await? } else { revocation };
    match platform.put(&KvEntry::of(revocation, platform.now())).await {
        // Another request writes the same key. If it has stored the same revocation, nothing is left to do.
        Err(IndexError::RateLimited) if is_stored(platform, revocation).await => Ok(()),
        written => written,
    }
}

/// Widens a cut-off by the stored one, so that the write does not undo revocations.
async fn widened_by_stored<P: Index>(platform: &P, revocation: &Revocation) -> Result<Revocation, IndexError> {
    let stored = stored(platform, &revocation.key()).await?;
    let widened = stored.map_or(revocation.limits(), |stored| revocation.limits().widened_by(&stored.limits()));
    Ok(revocation.clone().within(widened))
}

async fn is_stored<P: Index>(platform: &P, revocation: &Revocation) -> bool {
    let covers = |stored: StoredRevocation| stored.limits().cover(&revocation.limits(), revocation.duplicate_window);
    stored(platform, &revocation.key()).await.is_ok_and(|stored| stored.is_some_and(covers))
}

async fn stored<P: Index>(platform: &P, key: &str) -> Result<Option<StoredRevocation>, IndexError> {
    let found = platform.find(&[key.to_owned()]).await?;
    Ok(found.first().and_then(Option::as_deref).and_then(StoredRevocation::parse))
}
