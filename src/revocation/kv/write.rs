//! Writing revocations so that success means durable.

use std::time::Duration;

use super::super::record::{Logout, Revocation};
use super::super::retry::pauses;
use super::entry::StoredRevocation;
use crate::ports::KvEntry;
use crate::ports::{Clock, Index, IndexError};
use crate::wait::within;

/// The first pause; each further one is twice as long, with jitter. The fourth try comes one to two seconds after the
/// first: later than Workers KV's one write a second to a key demands, and within what a logout waits.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
const TRIES_AFTER_THE_FIRST: usize = 4;

/// Writes what a logout revokes, all within `limit`. The widest revocation is durable before the token's own is written:
/// otherwise a retry could be refused as already logged out while the rest of the session lives on.
///
/// # Errors
/// The last fault, when the limit or the tries are spent. Writing the same again is safe.
pub async fn write<P: Index + Clock>(platform: &P, logout: &Logout, limit: Duration) -> Result<(), IndexError> {
    let all = async {
        write_one(platform, &logout.widest).await?;
        match logout.of_token() {
            Some(token) => write_one(platform, &token).await,
            None => Ok(()),
        }
    };
    within::<P, _>(limit, all).await.unwrap_or(Err(IndexError::TimedOut))
}

async fn write_one<P: Index + Clock>(platform: &P, revocation: &Revocation) -> Result<(), IndexError> {
    let mut pauses = pauses(FIRST_PAUSE, TRIES_AFTER_THE_FIRST);
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
        if revocation.cut_off.is_some() { &not_before_stored(platform, revocation).await? } else { revocation };
    match platform.put(&KvEntry::of(revocation, platform.now())).await {
        // Somebody else is writing this key: when it is the same logout, sent twice, the other one has done it.
        Err(IndexError::RateLimited) if is_there(platform, revocation).await => Ok(()),
        written => written,
    }
}

/// A cut-off that takes nothing back from the one that is stored already: the later cut-off and the later expiry of both.
async fn not_before_stored<P: Index>(platform: &P, revocation: &Revocation) -> Result<Revocation, IndexError> {
    let stored = stored(platform, &revocation.key()).await?;
    let widened = stored.map_or(revocation.limits(), |stored| revocation.limits().widened_by(&stored.limits()));
    Ok(revocation.clone().within(widened))
}

async fn is_there<P: Index>(platform: &P, revocation: &Revocation) -> bool {
    let covers = |stored: StoredRevocation| stored.limits().cover(&revocation.limits(), revocation.spare);
    stored(platform, &revocation.key()).await.is_ok_and(|stored| stored.is_some_and(covers))
}

async fn stored<P: Index>(platform: &P, key: &str) -> Result<Option<StoredRevocation>, IndexError> {
    let found = platform.find(&[key.to_owned()]).await?;
    Ok(found.first().and_then(Option::as_deref).and_then(StoredRevocation::parse))
}
