//! What a shard does beside answering: it writes to Workers KV, seals, merges, publishes and imports.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::super::kv::StoredRevocation;
use crate::ports::KvEntry;
use super::{BATCHES, GATHERING, Import, Ledger, Publication, Rows, Step, Write};
use crate::ports::{Clock, IndexError};
use crate::wait::{first, within};
use crate::time::Timestamp;

/// How long one alarm works. Cloudflare gives it 15 minutes, and 30 seconds of CPU time.
const WORK_LIMIT: Duration = Duration::from_secs(15);
/// How long it goes on while something is still under way.
const LONGEST_WORK: Duration = Duration::from_secs(30);
/// How soon the next alarm continues.
const NEXT_ALARM: Duration = Duration::from_millis(1);
/// How long an invocation that writes a batch is waited for: longer than it takes when every write times out.
const BATCH_LIMIT: Duration = Duration::from_mins(2);
/// How long a segment may take to be published, or a page to be listed.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// The pause after a listing of Workers KV that has failed.
const AFTER_FAILED_LISTING: Duration = Duration::from_secs(10);

/// A page of a listing of Workers KV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its entries.
    pub entries: Vec<ListedEntry>,
    /// Where the next page begins, `None` after the last one.
    pub cursor: Option<String>,
}

/// An entry of Workers KV as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEntry {
    /// Its key.
    pub key: String,
    /// What it says; `None` where that cannot be read.
    pub stored: Option<StoredRevocation>,
    /// When KV removes it.
    pub expires_at: Option<Timestamp>,
}

/// Everything outside of a shard that its work needs.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Outside: Clock {
    /// Why the database does not answer.
    type DatabaseError;

    /// Does something with the database: everything, or nothing when it fails.
    ///
    /// # Errors
    /// Those of `act`, and the database's own.
    fn atomically<T>(&self, act: impl FnOnce() -> Result<T, Self::DatabaseError>) -> Result<T, Self::DatabaseError> {
        act()
    }
    /// Writes a batch to Workers KV, with connections of its own; how each entry ended, in their order.
    async fn write(&self, entries: Vec<KvEntry>) -> Vec<Result<(), IndexError>>;
    /// Stores the filter of a segment in Workers KV.
    async fn publish(&self, publication: &Publication) -> Result<(), IndexError>;
    /// Lists a page of the revocations in Workers KV.
    async fn list(&self, cursor: Option<&str>) -> Result<Listed, IndexError>;
    /// Notes that Workers KV has refused something.
    fn note_failure(&self, event: &'static str, error: IndexError);
}

/// Something that was waited for.
enum Ended {
    Batch(Vec<(Write, Result<(), IndexError>)>),
    Published,
    Stepped,
    Gathered,
    Listed(Import, Result<Listed, IndexError>),
}

/// Works until nothing is left to do for now. Gives when there is more, `None` when the shard is empty.
///
/// # Errors
/// The database's. Everything that is not noted is done again.
pub async fn work<R, O>(ledger: &RefCell<Ledger<R>>, outside: &O) -> Result<Option<Timestamp>, R::Error>
where
    R: Rows,
    O: Outside<DatabaseError = R::Error>,
{
    let now = || outside.now();
    let began_at = outside.now();
    let mut waiting: Vec<LocalBoxFuture<'_, Ended>> = Vec::new();
    let (mut batches, mut is_publishing, mut is_listing) = (0_usize, false, false);
    let (mut listing_failed, mut is_gathering) = (false, false);
    loop {
        let limit = if waiting.is_empty() { WORK_LIMIT } else { LONGEST_WORK };
        let is_late = outside.now().since(began_at) >= limit;
        while batches < BATCHES && !is_late {
            let batch = outside.atomically(|| ledger.borrow_mut().take_batch(now()))?;
            if batch.is_empty() {
                break;
            }
            batches = batches.saturating_add(1);
            waiting.push(write(outside, batch).boxed_local());
        }
        if !is_listing && !listing_failed && !is_late {
            let import = outside.atomically(|| ledger.borrow_mut().take_import(now()))?;
            if let Some(import) = import {
                is_listing = true;
                waiting.push(list(outside, import).boxed_local());
            }
        }
        let step =
            if is_publishing || is_late { None } else { Some(outside.atomically(|| ledger.borrow_mut().step(now()))?) };
        match step {
            // Others are answered in between.
            Some(Step::More) => {
                O::sleep(Duration::ZERO).await;
                if waiting.is_empty() {
                    continue;
                }
                // What has ended meanwhile is noted; nothing is waited for.
                waiting.push(async { Ended::Stepped }.boxed_local());
            }
            Some(Step::Publish(publication)) => {
                is_publishing = true;
                waiting.push(publish(outside, publication).boxed_local());
            }
            Some(Step::Idle(next)) if waiting.is_empty() => {
                let pause = listing_failed.then(|| outside.now().plus(AFTER_FAILED_LISTING));
                return Ok(next.map(|next| pause.map_or(next, |pause| pause.max(next))));
            }
            None if waiting.is_empty() => return Ok(Some(outside.now().plus(NEXT_ALARM))),
            Some(Step::Idle(_)) | None => {}
        }
        // What is recorded meanwhile does not wait for what takes long.
        if !is_gathering && !is_late && batches > 0 && batches < BATCHES {
            is_gathering = true;
            waiting.push(O::sleep(GATHERING).map(|()| Ended::Gathered).boxed_local());
        }
        match first(&mut waiting).await {
            Ended::Batch(ended) => {
                batches = batches.saturating_sub(1);
                outside.atomically(|| ledger.borrow_mut().note_batch(ended, now()))?;
            }
            Ended::Published => is_publishing = false,
            Ended::Stepped => {}
            Ended::Gathered => is_gathering = false,
            Ended::Listed(import, Ok(page)) => {
                is_listing = false;
                outside.atomically(|| ledger.borrow_mut().note_import(&import, page, now()))?;
            }
            Ended::Listed(import, Err(error)) => {
                (is_listing, listing_failed) = (false, true);
                // A cursor may be too old to be understood.
                if error == IndexError::Permanent && import.cursor.is_some() {
                    outside.atomically(|| ledger.borrow_mut().restart_import())?;
                }
                outside.note_failure("import_failed", error);
            }
        }
    }
}

async fn write<O: Outside>(outside: &O, batch: Vec<Write>) -> Ended {
    let now = outside.now();
    let entries: Vec<KvEntry> = batch.iter().map(|write| KvEntry::of(&write.revocation, now)).collect();
    let mut results = within::<O, _>(BATCH_LIMIT, outside.write(entries)).await.unwrap_or_default().into_iter();
    let result = |write| {
        // What was not answered may have been written, or may be later.
        let result = results.next().unwrap_or(Err(IndexError::TimedOut));
        if let Err(error) = result {
            outside.note_failure("index_write_failed", error);
        }
        (write, result)
    };
    Ended::Batch(batch.into_iter().map(result).collect())
}

/// A segment that is not in Workers KV is fetched from the shard.
async fn publish<O: Outside>(outside: &O, publication: Publication) -> Ended {
    let published = within::<O, _>(CALL_LIMIT, outside.publish(&publication)).await;
    if let Err(error) = published.unwrap_or(Err(IndexError::TimedOut)) {
        outside.note_failure("segment_not_published", error);
    }
    Ended::Published
}

async fn list<O: Outside>(outside: &O, import: Import) -> Ended {
    let listed = within::<O, _>(CALL_LIMIT, outside.list(import.cursor.as_deref())).await;
    Ended::Listed(import, listed.unwrap_or(Err(IndexError::TimedOut)))
}
