//! All that a replica knows, as a value that can be kept and compared: the model in `tests/model.rs` searches with it.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::own_logouts::OwnLogouts;
use super::segments::Found;
use super::shard::Shard;
use super::{Breaker, Replica};
use crate::revocation::key::Digest;
use crate::time::Timestamp;

/// What a replica knows, but for its breakers and whoever waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    shards: Vec<Shard>,
    is_layout_known: bool,
    own: OwnLogouts,
    counter: u64,
    segments: u64,
    latest: Timestamp,
}

impl Snapshot {
    /// What a replica knows now.
    #[must_use]
    pub fn of(replica: &Replica) -> Self {
        Self {
            shards: replica.shards.borrow().clone(),
            is_layout_known: replica.is_layout_known.get(),
            own: replica.own.borrow().clone(),
            counter: replica.counter.get(),
            segments: replica.segments.get(),
            latest: replica.latest.get(),
        }
    }

    /// A replica that knows this.
    #[must_use]
    pub fn replica(&self) -> Replica {
        Replica {
            shards: RefCell::new(self.shards.clone()),
            is_layout_known: Cell::new(self.is_layout_known),
            breakers: RefCell::new(self.shards.iter().map(|_| Breaker::default()).collect()),
            own: RefCell::new(self.own.clone()),
            counter: Cell::new(self.counter),
            segments: Cell::new(self.segments),
            latest: Cell::new(self.latest),
            void_upto: Cell::new(self.counter),
            looked_for_segments_at: Cell::new(Timestamp::from_millis(i64::MIN)),
            chance: Cell::new(0),
            sync_takes: Cell::new(Duration::ZERO),
        }
    }

    /// How many shards it knows of.
    #[must_use]
    pub const fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Whether shard 0 has answered.
    #[must_use]
    pub const fn is_layout_known(&self) -> bool {
        self.is_layout_known
    }

    /// The number that was given last.
    #[must_use]
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// Which state of the segments it has.
    #[must_use]
    pub const fn segments(&self) -> u64 {
        self.segments
    }

    /// The number of the latest sync of a shard, 0 when there was none.
    #[must_use]
    pub fn synced_number(&self, shard: usize) -> u64 {
        self.shards.get(shard).map_or(0, Shard::synced_number)
    }

    /// Which replica of a shard it is.
    #[must_use]
    pub fn generation(&self, shard: usize) -> u64 {
        self.shards.get(shard).map_or(0, |shard| shard.generation)
    }

    /// Up to when tokens with a digest were issued that an entry revokes, and whether a segment may have it.
    #[must_use]
    pub fn find(&self, shard: usize, digest: &Digest) -> (Option<Timestamp>, bool) {
        let Some(shard) = self.shards.get(shard) else { return (None, false) };
        let prefix = digest.prefix();
        (shard.revoked_upto(&prefix), shard.in_segments(&prefix, 0) != Found::Nothing)
    }

    /// Breaks a rule, for mutations: a replica that has begun anew takes itself for this one.
    pub fn set_generation(&mut self, shard: usize, generation: u64) {
        self.shards.iter_mut().skip(shard).take(1).for_each(|shard| shard.generation = generation);
    }

    /// Breaks a rule, for mutations: late answers are not known to be late.
    pub fn forget_applied(&mut self) {
        self.shards.iter_mut().for_each(Shard::forget_applied);
    }
}
