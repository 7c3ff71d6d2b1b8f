//! Revocations of the last minutes that an isolate has recorded itself, or was told of.

use super::digest::Digest;
use super::digests::{Digests, Entry};
use super::feed::MEMORY;
use crate::time::Timestamp;

/// The most that are remembered.
const MAX_ENDINGS: usize = 10_000;
const MEMORY_MILLIS: u64 = MEMORY.as_secs().saturating_mul(1000);

/// What they end is refused here at once, whatever the feed and the index say. Their rank is when they were noted.
#[derive(Debug, Default)]
pub(super) struct Endings(Digests);

impl Endings {
    pub(super) fn note(&mut self, digest: Digest, cut_off: Option<Timestamp>, now: Timestamp) {
        let now = u64::try_from(now.as_millis()).unwrap_or(0);
        let mut entry = Entry::new(digest, now, cut_off);
        if let Some(known) = self.0.get(&digest) {
            entry.ends_upto = entry.ends_upto.max(known.ends_upto);
            entry.rank = entry.rank.max(known.rank.saturating_add(1));
        }
        self.0.insert(entry);
        self.forget(now);
    }

    pub(super) fn ends(&self, digest: &Digest, issued_at: Option<Timestamp>) -> bool {
        self.0.ends(digest, issued_at)
    }

    /// By then the feed tells it, or the index has settled, unless it has taken no writes all the while.
    fn forget(&mut self, now: u64) {
        let is_old = |entry: &Entry| entry.rank.saturating_add(MEMORY_MILLIS) <= now;
        while self.0.len() > MAX_ENDINGS || self.0.first().is_some_and(is_old) {
            self.0.forget_first();
        }
    }
}
