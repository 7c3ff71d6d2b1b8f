//! The segments of a shard in an isolate's memory.

use std::sync::Arc;
use std::time::Duration;

use super::super::key::Prefix;
use super::super::ledger::{Directory, Entry, Segment, SegmentFilter, SegmentName};
use crate::time::Timestamp;

/// The memory for filters, in bytes, over all shards. An isolate has 128 MB in total.
pub(crate) const FILTER_BUDGET: usize = 64 * 1024 * 1024;
/// The delay before a failed load is retried. Until then, lookups in that segment are confirmed by the shard.
const LOAD_RETRY_DELAY: Duration = Duration::from_secs(5);
/// How long checks wait for a filter that is being loaded.
const LOAD_WAIT: Duration = Duration::from_secs(1);
/// The period over which isolates spread the loads of a prepared directory.
const LOAD_SPREAD: Duration = Duration::from_secs(15);
/// How long a prepared directory waits for filters that cannot be loaded.
const PREPARE_LIMIT: Duration = Duration::from_mins(1);

/// The sealed part of a shard's log: versions up to `sealed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Segments {
    /// The id of the directory; 0 before the first one.
    pub directory: u64,
    pub sealed: u64,
    all: Vec<SegmentSlot>,
    cut_offs: Vec<Entry>,
    /// A newer directory whose filters are being loaded. It replaces this one when they are.
    next: Option<Box<PreparedDirectory>>,
    /// Filters from before the replica started over. Segment names are unique, so they can be reused.
    retained: Vec<SegmentSlot>,
}

/// A directory whose filters are being loaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PreparedDirectory {
    segments: Segments,
    /// A random delay of loading. It spreads the load, and gives Workers KV time to make the filters visible
    /// everywhere.
    jitter: u8,
    seen_at: Option<Timestamp>,
}

/// A segment and, once loaded, its filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SegmentSlot {
    segment: Segment,
    filter: Option<Arc<SegmentFilter>>,
    /// When the last attempt to load the filter started.
    tried_at: Option<Timestamp>,
}

/// The result of looking a digest up in the segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentLookup {
    /// In no segment.
    Absent,
    /// Maybe in a segment. The shard must confirm up to this version.
    Maybe(u64),
}

impl Segments {
    /// Empty segments that retain the loaded filters for reuse.
    pub fn start_over(&mut self) -> Self {
        let mut retained = std::mem::take(&mut self.all);
        retained.append(&mut self.retained);
        retained.extend(self.next.take().into_iter().flat_map(|next| next.segments.all));
        retained.retain(|slot| slot.filter.is_some());
        Self { retained, ..Self::default() }
    }

    /// Switches to a directory at once. Filters that both directories have are kept.
    pub fn replace(&mut self, id: u64, directory: &Directory) {
        *self = self.with_directory(id, directory);
    }

    /// Sets the directory to switch to once its filters are loaded.
    pub fn prepare(&mut self, id: u64, directory: &Directory, jitter: u8) {
        let segments = self.with_directory(id, directory);
        self.next = Some(Box::new(PreparedDirectory { segments, jitter, seen_at: None }));
    }

    fn with_directory(&self, id: u64, directory: &Directory) -> Self {
        let next = self.next.iter().flat_map(|next| &next.segments.all);
        let here = self.all.iter().chain(next).chain(&self.retained);
        let known: Vec<&SegmentSlot> = here.filter(|slot| slot.filter.is_some()).collect();
        let slot = |segment: &Segment| {
            let known = known.iter().find(|slot| slot.segment == *segment);
            known.map_or(SegmentSlot { segment: *segment, filter: None, tried_at: None }, |slot| (*slot).clone())
        };
        let all = directory.segments.iter().map(slot).collect();
        let cut_offs = directory.cut_offs.clone();
        Self { directory: id, sealed: directory.sealed, all, cut_offs, next: None, retained: Vec::new() }
    }

    /// The id of the latest known directory.
    pub fn latest_directory(&self) -> u64 {
        self.next.as_ref().map_or(self.directory, |next| next.segments.directory)
    }

    /// Whether every filter is loaded.
    pub fn is_complete(&self) -> bool {
        self.all.iter().all(|slot| slot.filter.is_some())
    }

    /// Whether to switch to the prepared directory: its filters are loaded, do not fit in memory, or cannot be loaded.
    fn is_next_ready(&self, left: usize, now: Timestamp) -> bool {
        self.next.as_ref().is_some_and(|next| {
            let is_out_of_time = next.seen_at.is_some_and(|at| at.has_passed(PREPARE_LIMIT, now));
            next.segments.is_complete() || is_out_of_time || !next.segments.fits(left)
        })
    }

    /// Switches to the prepared directory if it is ready. Returns whether it was.
    pub fn switch_directory(&mut self, left: usize, now: Timestamp) -> bool {
        if let Some(next) = &mut self.next {
            next.seen_at.get_or_insert(now);
        }
        let next = if self.is_next_ready(left, now) { self.next.take() } else { None };
        let is_switched = next.is_some();
        if let Some(next) = next {
            *self = next.segments;
        }
        is_switched
    }

    fn fits(&self, left: usize) -> bool {
        let missing = self.all.iter().filter(|slot| slot.filter.is_none());
        missing.fold(0, |sum: usize, slot| sum.saturating_add(max_filter_bytes(&slot.segment))) <= left
    }

    /// The issuer cut-off of a prefix: tokens issued up to this time are revoked.
    pub fn cut_off(&self, prefix: &Prefix) -> Option<Timestamp> {
        self.cut_offs.iter().find(|entry| entry.prefix == *prefix).map(|entry| entry.revokes_upto)
    }

    /// Looks a prefix up in the segments that have versions above `confirmed_upto`.
    pub fn find(&self, prefix: &Prefix, confirmed_upto: u64) -> SegmentLookup {
        let key = prefix.filter_key();
        let is_open = |slot: &&SegmentSlot| slot.segment.spans(key) && slot.segment.upto > confirmed_upto;
        let may_contain = |slot: &&SegmentSlot| slot.filter.as_ref().is_none_or(|filter| filter.may_contain(key));
        let maybe = self.all.iter().filter(is_open).filter(may_contain).map(|slot| slot.segment.upto).max();
        maybe.map_or(SegmentLookup::Absent, SegmentLookup::Maybe)
    }

    /// The size of all filters that are loaded or being loaded, in bytes.
    pub fn size(&self, now: Timestamp) -> usize {
        let is_new = |slot: &&SegmentSlot| !self.all.iter().any(|own| own.segment == slot.segment);
        let next = self.next.iter().flat_map(|next| &next.segments.all).filter(is_new);
        let size = |slot: &SegmentSlot| match &slot.filter {
            Some(filter) => filter.size(),
            None if slot.is_loading(now) => max_filter_bytes(&slot.segment),
            None => 0,
        };
        self.all.iter().chain(next).chain(&self.retained).map(size).fold(0, usize::saturating_add)
    }

    /// The number of filters being loaded.
    pub fn loading(&self, now: Timestamp) -> usize {
        let next = self.next.iter().flat_map(|next| &next.segments.all);
        let all = self.all.iter().chain(next);
        all.filter(|slot| slot.filter.is_none() && slot.is_loading(now)).count()
    }

    /// The number of entries in the segments of the latest directory.
    pub fn entries(&self) -> usize {
        let latest = self.next.as_ref().map_or(&self.all, |next| &next.segments.all);
        let entries = latest.iter().map(|slot| usize::try_from(slot.segment.entries).unwrap_or(usize::MAX));
        entries.fold(0, usize::saturating_add)
    }

    /// Whether any filter of the current or the prepared directory is missing.
    pub fn is_partial(&self) -> bool {
        self.next.is_some() || !self.is_complete()
    }

    /// Whether a missing filter is being loaded, or can be loaded now.
    pub fn awaits_filter(&self, left: usize, now: Timestamp) -> bool {
        let is_due = |slot: &SegmentSlot| slot.tried_at.is_none() && max_filter_bytes(&slot.segment) <= left;
        self.all.iter().any(|slot| slot.filter.is_none() && (slot.is_expected_soon(now) || is_due(slot)))
    }

    /// Whether there is a filter to load, or a directory to switch to.
    pub fn is_due(&self, left: usize, now: Timestamp) -> bool {
        let is_unseen = self.next.as_ref().is_some_and(|next| next.seen_at.is_none());
        is_unseen || self.is_next_ready(left, now) || self.next_to_load(left, now).is_some()
    }

    /// The next segment to load: the smallest missing one, if it fits in `left` bytes. Small segments are the newest.
    pub fn next_to_load(&self, left: usize, now: Timestamp) -> Option<Segment> {
        let is_due = |slot: &&SegmentSlot| {
            slot.filter.is_none() && slot.tried_at.is_none_or(|at| at.has_passed(LOAD_RETRY_DELAY, now))
        };
        let next = self.next.iter().filter(|next| next.may_load(now)).flat_map(|next| &next.segments.all);
        let due = self.all.iter().chain(next).filter(is_due).map(|slot| slot.segment);
        due.min_by_key(|segment| segment.entries).filter(|segment| max_filter_bytes(segment) <= left)
    }

    fn slots_named(&mut self, name: SegmentName) -> impl Iterator<Item = &mut SegmentSlot> {
        let next = self.next.iter_mut().flat_map(|next| &mut next.segments.all);
        self.all.iter_mut().chain(next).filter(move |slot| slot.segment.name == name)
    }

    /// Records the start of an attempt to load a segment.
    pub fn note_load_attempt(&mut self, name: SegmentName, now: Timestamp) {
        self.slots_named(name).for_each(|slot| slot.tried_at = Some(now));
    }

    /// Forgets an attempt that was abandoned.
    pub fn forget_load_attempt(&mut self, name: SegmentName) {
        self.slots_named(name).for_each(|slot| slot.tried_at = None);
    }

    /// Stores a loaded filter.
    pub fn store_filter(&mut self, name: SegmentName, filter: SegmentFilter) {
        let filter = Arc::new(filter);
        self.slots_named(name).for_each(|slot| slot.filter = Some(Arc::clone(&filter)));
    }
}

impl SegmentSlot {
    /// Whether a load started so recently that it is worth waiting for.
    fn is_expected_soon(&self, now: Timestamp) -> bool {
        self.tried_at.is_some_and(|at| at <= now && !at.has_passed(LOAD_WAIT, now))
    }

    /// Whether a load is in progress, or failed within the last [`LOAD_RETRY_DELAY`].
    fn is_loading(&self, now: Timestamp) -> bool {
        self.tried_at.is_some_and(|at| !at.has_passed(LOAD_RETRY_DELAY, now))
    }
}

impl PreparedDirectory {
    fn may_load(&self, now: Timestamp) -> bool {
        let delay = LOAD_SPREAD.saturating_mul(self.jitter.into()).checked_div(255).unwrap_or(LOAD_SPREAD);
        self.seen_at.is_some_and(|at| at.has_passed(delay, now))
    }
}

/// The maximum size of a segment's filter, in bytes.
fn max_filter_bytes(segment: &Segment) -> usize {
    usize::try_from(segment.entries).unwrap_or(usize::MAX).saturating_mul(3).saturating_add(1024)
}

#[cfg(test)]
mod tests {
    use super::super::shard::{Applied, ShardReplica};
    use super::*;
    use crate::revocation::key::Digest;
    use crate::revocation::ledger::Synced;

    fn segment(name: u8, keys: Vec<u64>) -> (Segment, SegmentFilter) {
        let entries = u32::try_from(keys.len()).unwrap();
        let (first, last) = (*keys.first().unwrap(), *keys.last().unwrap());
        let name = SegmentName([name; 16]);
        (Segment { name, first, last, upto: 9, entries, checksum: [0; 16] }, SegmentFilter::build(keys))
    }

    fn entry(name: u8) -> Entry {
        Entry::new(&Digest::from_bytes([name; 32]), None)
    }

    fn synced(after: u64, names: &[u8], directory: Option<(u64, u64, Vec<Segment>)>, id: u64) -> Synced {
        let directory = directory.map(|(_, sealed, segments)| Directory { sealed, segments, cut_offs: Vec::new() });
        let upto = after.saturating_add(u64::try_from(names.len()).unwrap());
        Synced {
            lineage: 1,
            after,
            upto,
            is_complete: true,
            is_importing: false,
            shards: 1,
            directory_id: id,
            directory,
            entries: names.iter().map(|name| entry(*name)).collect(),
        }
    }

    fn apply(shard: &mut ShardReplica, number: u64, synced: &Synced) -> Applied {
        let asked = shard.ask(number, 0);
        shard.apply(synced, &asked, 1_000)
    }

    #[test]
    fn what_is_complete_stays_until_the_next_filters_are_loaded() {
        let now = Timestamp::from_seconds(1);
        let mut shard = ShardReplica::default();
        assert_eq!(apply(&mut shard, 1, &synced(0, &[1, 2], Some((7, 0, Vec::new())), 7)), Applied::Fully);
        let key = |name: u8| entry(name).prefix.filter_key();
        let (sealed, filter) = segment(1, vec![key(1), key(2)]);
        // Versions 1 and 2 are sealed, and 3 follows.
        assert_eq!(apply(&mut shard, 2, &synced(2, &[3], Some((8, 2, vec![sealed])), 8)), Applied::Fully);
        let is_held = |shard: &ShardReplica, name: u8| shard.revoked_upto(&entry(name).prefix).is_some();
        let may_be =
            |shard: &ShardReplica, name: u8| shard.in_segments(&entry(name).prefix, 0) != SegmentLookup::Absent;
        assert!((1..=3).all(|name| is_held(&shard, name) && !may_be(&shard, name)));
        assert_eq!(shard.ask(3, 0).question.directory, 8);
        assert!(!shard.switch_directory(1_000_000, now) && shard.segments.is_due(1_000_000, now));
        assert_eq!(shard.segments.next_to_load(1_000_000, now), Some(sealed));
        // An answer on the way does no harm.
        assert_eq!(apply(&mut shard, 3, &synced(3, &[4], None, 8)), Applied::Fully);
        shard.segments.store_filter(sealed.name, filter);
        assert!(shard.switch_directory(1_000_000, now) && shard.segments.sealed == 2);
        assert!((1..=2).all(|name| !is_held(&shard, name) && may_be(&shard, name)));
        assert!((3..=4).all(|name| is_held(&shard, name) && !may_be(&shard, name)));
        assert!(!may_be(&shard, 9));
    }

    #[test]
    fn what_cannot_be_loaded_is_not_waited_for() {
        let mut shard = ShardReplica::default();
        let key = entry(1).prefix.filter_key();
        let (sealed, _) = segment(1, vec![key]);
        let begin = |shard: &mut ShardReplica| {
            apply(shard, 1, &synced(0, &[1], Some((7, 0, Vec::new())), 7));
            apply(shard, 2, &synced(1, &[2], Some((8, 1, vec![sealed])), 8));
        };
        begin(&mut shard);
        let now = Timestamp::from_seconds(1);
        assert!(!shard.switch_directory(1_000_000, now));
        // It does not fit, or a minute has passed.
        assert!(shard.clone().switch_directory(1_000, now));
        assert!(shard.switch_directory(1_000_000, now.plus(PREPARE_LIMIT)));
        assert!(shard.in_segments(&entry(1).prefix, 0) != SegmentLookup::Absent);
        // A replica that is behind the sealed versions switches to the directory at once.
        let mut shard = ShardReplica::default();
        apply(&mut shard, 1, &synced(0, &[1], Some((7, 0, Vec::new())), 7));
        assert_eq!(apply(&mut shard, 2, &synced(5, &[6], Some((8, 5, vec![sealed])), 8)), Applied::Fully);
        assert_eq!(shard.segments.directory, 8);
    }
}
