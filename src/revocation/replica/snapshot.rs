//! The state of a replica as a value that can be cloned, compared and hashed, for the model in `tests/model.rs`.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::own_logouts::OwnLogouts;
use super::segments::SegmentLookup;
use super::shard::ShardReplica;
use super::{Breaker, Replica};
use crate::revocation::key::Digest;
use crate::time::Timestamp;

/// The state of a replica, without its circuit breakers and syncs in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    shards: Vec<ShardReplica>,
    is_layout_known: bool,
    own_logouts: OwnLogouts,
    counter: u64,
    segments_version: u64,
    latest_time: Timestamp,
}

impl Snapshot {
    /// Captures the state of a replica.
    #[must_use]
    pub fn of(replica: &Replica) -> Self {
        Self {
            shards: replica.shards.borrow().clone(),
            is_layout_known: replica.is_layout_known.get(),
            own_logouts: replica.own_logouts.borrow().clone(),
            counter: replica.counter.get(),
            segments_version: replica.segments_version.get(),
            latest_time: replica.latest_time.get(),
        }
    }

    /// Creates a replica with this state.
    #[must_use]
    pub fn replica(&self) -> Replica {
        Replica {
            shards: RefCell::new(self.shards.clone()),
            is_layout_known: Cell::new(self.is_layout_known),
            breakers: RefCell::new(self.shards.iter().map(|_| Breaker::default()).collect()),
            own_logouts: RefCell::new(self.own_logouts.clone()),
            counter: Cell::new(self.counter),
            segments_version: Cell::new(self.segments_version),
            latest_time: Cell::new(self.latest_time),
            invalidated_upto: Cell::new(self.counter),
            segments_checked_at: Cell::new(Timestamp::from_millis(i64::MIN)),
            rng_state: Cell::new(0),
            last_sync_duration: Cell::new(Duration::ZERO),
        }
    }

    /// The number of shards.
    #[must_use]
    pub const fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Whether shard 0 has confirmed the number of shards.
    #[must_use]
    pub const fn is_layout_known(&self) -> bool {
        self.is_layout_known
    }

    /// The last sequence number.
    #[must_use]
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// The version of the segments, which changes with every directory.
    #[must_use]
    pub const fn segments(&self) -> u64 {
        self.segments_version
    }

    /// The sequence number of the latest complete sync of a shard; 0 before the first.
    #[must_use]
    pub fn synced_number(&self, shard: usize) -> u64 {
        self.shards.get(shard).map_or(0, ShardReplica::synced_number)
    }

    /// The generation of a shard's replica.
    #[must_use]
    pub fn generation(&self, shard: usize) -> u64 {
        self.shards.get(shard).map_or(0, |shard| shard.generation)
    }

    /// Looks a digest up: the issue time up to which an entry revokes tokens, and whether a segment may contain it.
    #[must_use]
    pub fn find(&self, shard: usize, digest: &Digest) -> (Option<Timestamp>, bool) {
        let Some(shard) = self.shards.get(shard) else { return (None, false) };
        let prefix = digest.prefix();
        (shard.revoked_upto(&prefix), shard.in_segments(&prefix, 0) != SegmentLookup::Absent)
    }

    /// Breaks a rule, for mutation tests: a replica that has started over keeps an old generation.
    pub fn set_generation(&mut self, shard: usize, generation: u64) {
        self.shards.iter_mut().skip(shard).take(1).for_each(|shard| shard.generation = generation);
    }

    /// Breaks a rule, for mutation tests: late answers are not detected.
    pub fn forget_applied(&mut self) {
        self.shards.iter_mut().for_each(ShardReplica::forget_applied);
    }
}
