//! The segments of a shard, as an isolate holds them.

use std::sync::Arc;
use std::time::Duration;

use super::super::key::Prefix;
use super::super::ledger::{Directory, Entry, Segment, SegmentFilter, SegmentName};
use crate::time::Timestamp;

/// How many bytes of filters an isolate holds, of all shards together. It has 128 MB for everything.
pub(crate) const BUDGET: usize = 64 * 1024 * 1024;
/// How long a filter that could not be had is left alone. The shard is asked meanwhile.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a filter that is being loaded is expected soon.
const SOON: Duration = Duration::from_secs(1);
/// Over how long isolates spread the loading of filters that they can still do without.
const LOADED_WITHIN: Duration = Duration::from_secs(15);
/// How long a directory waits for filters that cannot be had.
const PREPARED_FOR: Duration = Duration::from_mins(1);

/// What a replica knows of the versions up to `sealed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Segments {
    /// The directory's id, 0 before there is any.
    pub directory: u64,
    pub sealed: u64,
    all: Vec<Held>,
    cut_offs: Vec<Entry>,
    /// The directory that takes the place of this one when its filters are loaded: until then these are complete.
    next: Option<Box<Next>>,
    /// What was held before the replica began anew. Names are never used again, so a filter of the same name still counts.
    spare: Vec<Held>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Next {
    segments: Segments,
    /// By how much loading is delayed, by chance: Workers KV may not have the filters everywhere yet, and isolates that
    /// learn of a directory in the same moment must not all ask for them at once.
    jitter: u8,
    seen_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    segment: Segment,
    filter: Option<Arc<SegmentFilter>>,
    /// Since when it is being loaded, or could not be.
    tried_at: Option<Timestamp>,
}

/// What the segments say of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is in none of them.
    Nothing,
    /// It may be in one; the highest version up to which that would have to be confirmed.
    Maybe(u64),
}

impl Segments {
    /// No segments, with what these hold as spares.
    pub fn begin_anew(&mut self) -> Self {
        let mut spare = std::mem::take(&mut self.all);
        spare.append(&mut self.spare);
        spare.extend(self.next.take().into_iter().flat_map(|next| next.segments.all));
        spare.retain(|held| held.filter.is_some());
        Self { spare, ..Self::default() }
    }

    /// Takes in a directory. Filters that are in both stay.
    pub fn replace(&mut self, id: u64, directory: &Directory) {
        *self = self.with_directory(id, directory);
    }

    /// Takes in a directory that is to take the place of this one when its filters are loaded.
    pub fn prepare(&mut self, id: u64, directory: &Directory, jitter: u8) {
        let segments = self.with_directory(id, directory);
        self.next = Some(Box::new(Next { segments, jitter, seen_at: None }));
    }

    fn with_directory(&self, id: u64, directory: &Directory) -> Self {
        let next = self.next.iter().flat_map(|next| &next.segments.all);
        let here = self.all.iter().chain(next).chain(&self.spare);
        let known: Vec<&Held> = here.filter(|held| held.filter.is_some()).collect();
        let held = |segment: &Segment| {
            let known = known.iter().find(|held| held.segment == *segment);
            known.map_or(Held { segment: *segment, filter: None, tried_at: None }, |held| (*held).clone())
        };
        let all = directory.segments.iter().map(held).collect();
        let cut_offs = directory.cut_offs.clone();
        Self { directory: id, sealed: directory.sealed, all, cut_offs, next: None, spare: Vec::new() }
    }

    /// The latest directory that is known.
    pub fn latest_directory(&self) -> u64 {
        self.next.as_ref().map_or(self.directory, |next| next.segments.directory)
    }

    /// Whether every filter is held.
    pub fn is_complete(&self) -> bool {
        self.all.iter().all(|held| held.filter.is_some())
    }

    /// Whether the next directory can take the place of this one: its filters are loaded, do not fit, or cannot be had.
    fn is_next_ready(&self, left: usize, now: Timestamp) -> bool {
        self.next.as_ref().is_some_and(|next| {
            let is_over = next.seen_at.is_some_and(|at| at.has_passed(PREPARED_FOR, now));
            next.segments.is_complete() || is_over || !next.segments.fits(left)
        })
    }

    /// Takes the next directory when it is ready. Whether it was.
    pub fn take_next(&mut self, left: usize, now: Timestamp) -> bool {
        if let Some(next) = &mut self.next {
            next.seen_at.get_or_insert(now);
        }
        let next = if self.is_next_ready(left, now) { self.next.take() } else { None };
        let is_taken = next.is_some();
        if let Some(next) = next {
            *self = next.segments;
        }
        is_taken
    }

    fn fits(&self, left: usize) -> bool {
        let missing = self.all.iter().filter(|held| held.filter.is_none());
        missing.fold(0, |sum: usize, held| sum.saturating_add(most_bytes(&held.segment))) <= left
    }

    /// Up to when tokens were issued that an issuer's cut-off revokes.
    pub fn cut_off(&self, prefix: &Prefix) -> Option<Timestamp> {
        self.cut_offs.iter().find(|entry| entry.prefix == *prefix).map(|entry| entry.revokes_upto)
    }

    /// Whether a digest may be in any segment of which it is not confirmed that it is not.
    pub fn find(&self, prefix: &Prefix, confirmed_upto: u64) -> Found {
        let key = prefix.filter_key();
        let is_open = |held: &&Held| held.segment.spans(key) && held.segment.upto > confirmed_upto;
        let may_contain = |held: &&Held| held.filter.as_ref().is_none_or(|filter| filter.may_contain(key));
        let maybe = self.all.iter().filter(is_open).filter(may_contain).map(|held| held.segment.upto).max();
        maybe.map_or(Found::Nothing, Found::Maybe)
    }

    /// How many bytes the filters take that are held, or being loaded.
    pub fn size(&self, now: Timestamp) -> usize {
        let is_new = |held: &&Held| !self.all.iter().any(|own| own.segment == held.segment);
        let next = self.next.iter().flat_map(|next| &next.segments.all).filter(is_new);
        let size = |held: &Held| match &held.filter {
            Some(filter) => filter.size(),
            None if held.is_loading(now) => most_bytes(&held.segment),
            None => 0,
        };
        self.all.iter().chain(next).chain(&self.spare).map(size).fold(0, usize::saturating_add)
    }

    /// How many filters are being loaded.
    pub fn loading(&self, now: Timestamp) -> usize {
        let next = self.next.iter().flat_map(|next| &next.segments.all);
        let all = self.all.iter().chain(next);
        all.filter(|held| held.filter.is_none() && held.is_loading(now)).count()
    }

    /// How many entries the segments of the latest directory have.
    pub fn entries(&self) -> usize {
        let latest = self.next.as_ref().map_or(&self.all, |next| &next.segments.all);
        let entries = latest.iter().map(|held| usize::try_from(held.segment.entries).unwrap_or(usize::MAX));
        entries.fold(0, usize::saturating_add)
    }

    /// Whether any filter is not held.
    pub fn is_partial(&self) -> bool {
        self.next.is_some() || !self.is_complete()
    }

    /// Whether a filter is missing that is being loaded, or is to be loaded now.
    pub fn awaits_filter(&self, left: usize, now: Timestamp) -> bool {
        let is_due = |held: &Held| held.tried_at.is_none() && most_bytes(&held.segment) <= left;
        self.all.iter().any(|held| held.filter.is_none() && (held.is_young(now) || is_due(held)))
    }

    /// Whether there is a filter to load, or a directory to take.
    pub fn is_due(&self, left: usize, now: Timestamp) -> bool {
        let is_unseen = self.next.as_ref().is_some_and(|next| next.seen_at.is_none());
        is_unseen || self.is_next_ready(left, now) || self.next_to_load(left, now).is_some()
    }

    /// The next segment that is to be loaded within a number of bytes: the smallest, since the newest are small.
    pub fn next_to_load(&self, left: usize, now: Timestamp) -> Option<Segment> {
        let is_due = |held: &&Held| held.filter.is_none() && held.tried_at.is_none_or(|at| at.has_passed(PAUSE, now));
        let next = self.next.iter().filter(|next| next.is_begun(now)).flat_map(|next| &next.segments.all);
        let due = self.all.iter().chain(next).filter(is_due).map(|held| held.segment);
        due.min_by_key(|segment| segment.entries).filter(|segment| most_bytes(segment) <= left)
    }

    fn every(&mut self, name: SegmentName) -> impl Iterator<Item = &mut Held> {
        let next = self.next.iter_mut().flat_map(|next| &mut next.segments.all);
        self.all.iter_mut().chain(next).filter(move |held| held.segment.name == name)
    }

    /// Notes that a segment is being loaded.
    pub fn note_try(&mut self, name: SegmentName, now: Timestamp) {
        self.every(name).for_each(|held| held.tried_at = Some(now));
    }

    /// Takes in a filter.
    pub fn load(&mut self, name: SegmentName, filter: SegmentFilter) {
        let filter = Arc::new(filter);
        self.every(name).for_each(|held| held.filter = Some(Arc::clone(&filter)));
    }
}

impl Held {
    /// Whether loading it has begun so lately that it may soon be there.
    fn is_young(&self, now: Timestamp) -> bool {
        self.tried_at.is_some_and(|at| at <= now && !at.has_passed(SOON, now))
    }

    /// Whether it is being loaded, or could not be loaded a moment ago.
    fn is_loading(&self, now: Timestamp) -> bool {
        self.tried_at.is_some_and(|at| !at.has_passed(PAUSE, now))
    }
}

impl Next {
    fn is_begun(&self, now: Timestamp) -> bool {
        let delay = LOADED_WITHIN.saturating_mul(self.jitter.into()).checked_div(255).unwrap_or(LOADED_WITHIN);
        self.seen_at.is_some_and(|at| at.has_passed(delay, now))
    }
}

/// How many bytes a filter has at the most: three for each entry, and the least that any has.
fn most_bytes(segment: &Segment) -> usize {
    usize::try_from(segment.entries).unwrap_or(usize::MAX).saturating_mul(3).saturating_add(1024)
}

#[cfg(test)]
mod tests {
    use super::super::shard::{Applied, Shard};
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

    fn apply(shard: &mut Shard, number: u64, synced: &Synced) -> Applied {
        let asked = shard.ask(number, 0);
        shard.apply(synced, &asked, 1_000)
    }

    #[test]
    fn what_is_complete_stays_until_the_next_filters_are_loaded() {
        let now = Timestamp::from_seconds(1);
        let mut shard = Shard::default();
        assert_eq!(apply(&mut shard, 1, &synced(0, &[1, 2], Some((7, 0, Vec::new())), 7)), Applied::Fully);
        let key = |name: u8| entry(name).prefix.filter_key();
        let (sealed, filter) = segment(1, vec![key(1), key(2)]);
        // Versions 1 and 2 are sealed, and 3 follows.
        assert_eq!(apply(&mut shard, 2, &synced(2, &[3], Some((8, 2, vec![sealed])), 8)), Applied::Fully);
        let is_known = |shard: &Shard, name: u8| shard.revoked_upto(&entry(name).prefix).is_some();
        let may_be = |shard: &Shard, name: u8| shard.in_segments(&entry(name).prefix, 0) != Found::Nothing;
        assert!((1..=3).all(|name| is_known(&shard, name) && !may_be(&shard, name)));
        assert_eq!(shard.ask(3, 0).question.directory, 8);
        assert!(!shard.take_next(1_000_000, now) && shard.segments.is_due(1_000_000, now));
        assert_eq!(shard.segments.next_to_load(1_000_000, now), Some(sealed));
        // An answer on the way does no harm.
        assert_eq!(apply(&mut shard, 3, &synced(3, &[4], None, 8)), Applied::Fully);
        shard.segments.load(sealed.name, filter);
        assert!(shard.take_next(1_000_000, now) && shard.segments.sealed == 2);
        assert!((1..=2).all(|name| !is_known(&shard, name) && may_be(&shard, name)));
        assert!((3..=4).all(|name| is_known(&shard, name) && !may_be(&shard, name)));
        assert!(!may_be(&shard, 9));
    }

    #[test]
    fn what_cannot_be_loaded_is_not_waited_for() {
        let mut shard = Shard::default();
        let key = entry(1).prefix.filter_key();
        let (sealed, _) = segment(1, vec![key]);
        let begin = |shard: &mut Shard| {
            apply(shard, 1, &synced(0, &[1], Some((7, 0, Vec::new())), 7));
            apply(shard, 2, &synced(1, &[2], Some((8, 1, vec![sealed])), 8));
        };
        begin(&mut shard);
        let now = Timestamp::from_seconds(1);
        assert!(!shard.take_next(1_000_000, now));
        // It does not fit, or a minute has passed.
        assert!(shard.clone().take_next(1_000, now));
        assert!(shard.take_next(1_000_000, now.plus(PREPARED_FOR)));
        assert!(shard.in_segments(&entry(1).prefix, 0) != Found::Nothing);
        // Who is behind what is sealed takes the directory at once.
        let mut shard = Shard::default();
        apply(&mut shard, 1, &synced(0, &[1], Some((7, 0, Vec::new())), 7));
        assert_eq!(apply(&mut shard, 2, &synced(5, &[6], Some((8, 5, vec![sealed])), 8)), Applied::Fully);
        assert_eq!(shard.segments.directory, 8);
    }
}
