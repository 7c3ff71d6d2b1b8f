//! Revocations of the last minutes that an isolate has recorded itself, or was told of.

use std::collections::{HashMap, VecDeque};

use super::digest::Digest;
use super::feed::MEMORY;
use super::record::Limits;
use crate::time::Timestamp;

/// The most that are remembered.
const MAX_ENDINGS: usize = 10_000;

/// What they end is refused here at once, whatever the feed and the index say.
#[derive(Debug, Default)]
pub(super) struct Endings {
    limits: HashMap<Digest, (Limits, Timestamp)>,
    in_order: VecDeque<(Timestamp, Digest)>,
}

impl Endings {
    pub(super) fn note(&mut self, digest: Digest, limits: Limits, now: Timestamp) {
        let wider = self.limits.get(&digest).map_or(limits, |(known, _)| known.widened_by(&limits));
        self.limits.insert(digest, (wider, now));
        self.in_order.push_back((now, digest));
        self.forget(now);
    }

    pub(super) fn ends(&self, digest: &Digest, issued_at: Option<Timestamp>) -> bool {
        self.limits.get(digest).is_some_and(|(limits, _)| limits.match_token(issued_at))
    }

    /// By then the feed tells it, or the index has settled, unless it has taken no writes all the while.
    fn forget(&mut self, now: Timestamp) {
        while let Some(&(since, digest)) = self.in_order.front() {
            if since.plus(MEMORY) > now && self.in_order.len() <= MAX_ENDINGS {
                break;
            }
            self.in_order.pop_front();
            if self.limits.get(&digest).is_some_and(|(_, latest)| *latest <= since) {
                self.limits.remove(&digest);
            }
        }
    }
}
