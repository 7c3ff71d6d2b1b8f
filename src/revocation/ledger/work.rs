//! The background work of a shard, which its alarm runs: it writes revocations to Workers KV, seals and merges runs,
//! publishes segments, and imports revocations from Workers KV.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::super::kv::StoredRevocation;
use super::{BATCHES, GATHERING, Import, Ledger, Publication, Rows, Step, Write};
use crate::ports::KvEntry;
use crate::ports::{Clock, IndexError};
use crate::time::Timestamp;
use crate::wait::{first, within};

/// How long one alarm starts new work. Cloudflare limits an alarm to 15 minutes of wall time and 30 seconds of CPU
/// time.
const WORK_LIMIT: Duration = Duration::from_secs(15);
/// The same limit while earlier operations are still in flight.
const LONGEST_WORK: Duration = Duration::from_secs(30);
/// The delay before the alarm that continues unfinished work.
const CONTINUE_DELAY: Duration = Duration::from_millis(1);
/// Timeout of a batch. Longer than a batch takes in which every write times out.
const BATCH_LIMIT: Duration = Duration::from_mins(2);
/// Timeout of publishing a segment and of listing a page.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// The pause after a failed listing.
const LISTING_RETRY_DELAY: Duration = Duration::from_secs(10);

/// One page of a Workers KV listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvListPage {
    /// The entries.
    pub entries: Vec<KvListEntry>,
    /// The cursor of the next page; `None` on the last page.
    pub cursor: Option<String>,
}

/// One entry of a Workers KV listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvListEntry {
    /// The key.
    pub key: String,
    /// The parsed revocation; `None` if the value cannot be parsed.
    pub stored: Option<StoredRevocation>,
    /// When KV expires the entry, if ever.
    pub expires_at: Option<Timestamp>,
}

/// The platform operations that [`run_background_work`] needs.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait BackgroundIo: Clock {
    /// The error of the database.
    type DatabaseError;

    /// Runs `act` in one transaction, which is rolled back if `act` fails.
    ///
    /// # Errors
    /// The error of `act`, or a database error.
    fn atomically<T>(&self, act: impl FnOnce() -> Result<T, Self::DatabaseError>) -> Result<T, Self::DatabaseError> {
        act()
    }
    /// Writes a batch to Workers KV in an invocation of its own. Returns one result per entry, in order.
    async fn write(&self, entries: Vec<KvEntry>) -> Vec<Result<(), IndexError>>;
    /// Writes the filter of a segment to Workers KV.
    async fn publish(&self, publication: &Publication) -> Result<(), IndexError>;
    /// Lists one page of the revocations in Workers KV.
    async fn list(&self, cursor: Option<&str>) -> Result<KvListPage, IndexError>;
    /// Logs a failed Workers KV operation.
    fn note_failure(&self, event: &'static str, error: IndexError);
}

/// A completed operation.
enum Completed {
    Batch(Vec<(Write, Result<(), IndexError>)>),
    Published,
    Yielded,
    GatheringOver,
    Listed(Import, Result<KvListPage, IndexError>),
}

/// Runs background work until none is due or the time limit is reached. Returns when the next alarm is due; `None` if
/// no work is scheduled.
///
/// # Errors
/// A database error. Operations whose result was not recorded are repeated.
pub async fn run_background_work<R, O>(ledger: &RefCell<Ledger<R>>, io: &O) -> Result<Option<Timestamp>, R::Error>
where
    R: Rows,
    O: BackgroundIo<DatabaseError = R::Error>,
{
    let now = || io.now();
    let started_at = io.now();
    let mut in_flight: Vec<LocalBoxFuture<'_, Completed>> = Vec::new();
    let (mut batches, mut is_publishing, mut is_listing) = (0_usize, false, false);
    let (mut listing_failed, mut is_gathering) = (false, false);
    loop {
        let limit = if in_flight.is_empty() { WORK_LIMIT } else { LONGEST_WORK };
        let is_out_of_time = io.now().since(started_at) >= limit;
        while batches < BATCHES && !is_out_of_time {
            let batch = io.atomically(|| ledger.borrow_mut().take_batch(now()))?;
            if batch.is_empty() {
                break;
            }
            batches = batches.saturating_add(1);
            in_flight.push(write(io, batch).boxed_local());
        }
        if !is_listing && !listing_failed && !is_out_of_time {
            let import = io.atomically(|| ledger.borrow_mut().take_import(now()))?;
            if let Some(import) = import {
                is_listing = true;
                in_flight.push(list(io, import).boxed_local());
            }
        }
        let step = if is_publishing || is_out_of_time {
            None
        } else {
            Some(io.atomically(|| ledger.borrow_mut().step(now()))?)
        };
        match step {
            // Yield, so that the object can answer calls between steps.
            Some(Step::More) => {
                O::sleep(Duration::ZERO).await;
                if in_flight.is_empty() {
                    continue;
                }
                // Collect completed operations without waiting for the others.
                in_flight.push(async { Completed::Yielded }.boxed_local());
            }
            Some(Step::Publish(publication)) => {
                is_publishing = true;
                in_flight.push(publish(io, publication).boxed_local());
            }
            Some(Step::Idle(next)) if in_flight.is_empty() => {
                let pause = listing_failed.then(|| io.now().plus(LISTING_RETRY_DELAY));
                return Ok(next.map(|next| pause.map_or(next, |pause| pause.max(next))));
            }
            None if in_flight.is_empty() => return Ok(Some(io.now().plus(CONTINUE_DELAY))),
            Some(Step::Idle(_)) | None => {}
        }
        // Look for new entries while slow writes are still in flight.
        if !is_gathering && !is_out_of_time && batches > 0 && batches < BATCHES {
            is_gathering = true;
            in_flight.push(O::sleep(GATHERING).map(|()| Completed::GatheringOver).boxed_local());
        }
        match first(&mut in_flight).await {
            Completed::Batch(ended) => {
                batches = batches.saturating_sub(1);
                io.atomically(|| ledger.borrow_mut().note_batch(ended, now()))?;
            }
            Completed::Published => is_publishing = false,
            Completed::Yielded => {}
            Completed::GatheringOver => is_gathering = false,
            Completed::Listed(import, Ok(page)) => {
                is_listing = false;
                io.atomically(|| ledger.borrow_mut().note_import(&import, page, now()))?;
            }
            Completed::Listed(import, Err(error)) => {
                (is_listing, listing_failed) = (false, true);
                // The cursor may have expired.
                if error == IndexError::Permanent && import.cursor.is_some() {
                    io.atomically(|| ledger.borrow_mut().restart_import())?;
                }
                io.note_failure("import_failed", error);
            }
        }
    }
}

async fn write<O: BackgroundIo>(io: &O, batch: Vec<Write>) -> Completed {
    let now = io.now();
    let entries: Vec<KvEntry> = batch.iter().map(|write| KvEntry::of(&write.revocation, now)).collect();
    let mut results = within::<O, _>(BATCH_LIMIT, io.write(entries)).await.unwrap_or_default().into_iter();
    let result = |write| {
        // A write without a result may have succeeded, or may still succeed.
        let result = results.next().unwrap_or(Err(IndexError::TimedOut));
        if let Err(error) = result {
            io.note_failure("index_write_failed", error);
        }
        (write, result)
    };
    Completed::Batch(batch.into_iter().map(result).collect())
}

/// Failure is harmless: isolates fetch a segment that KV does not have from the shard.
async fn publish<O: BackgroundIo>(io: &O, publication: Publication) -> Completed {
    let published = within::<O, _>(CALL_LIMIT, io.publish(&publication)).await;
    if let Err(error) = published.unwrap_or(Err(IndexError::TimedOut)) {
        io.note_failure("segment_not_published", error);
    }
    Completed::Published
}

async fn list<O: BackgroundIo>(io: &O, import: Import) -> Completed {
    let listed = within::<O, _>(CALL_LIMIT, io.list(import.cursor.as_deref())).await;
    Completed::Listed(import, listed.unwrap_or(Err(IndexError::TimedOut)))
}
