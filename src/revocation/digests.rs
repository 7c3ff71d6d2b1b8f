//! Revocations by the digest of their key, in the order in which they became known.
//!
//! One table for all that is looked up by digest, and dense: an isolate remembers a hundred thousand revocations of the
//! feed, and a check looks for up to four digests in each table. A map of the standard library would have every digest
//! twice, once for its order, and would hash anew what is a hash already.
//!
//! Whoever makes up ids can choose digests that meet in this table, at some hundred thousand hashes for each. Every one
//! has to be accepted as a logout; then looking there takes longer, and finds the same.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use super::digest::Digest;
use crate::time::Timestamp;

/// The least places of a table.
const FEWEST_SLOTS: usize = 16;
/// What no entry has as its number.
const NOBODY: u32 = 0;

/// One revocation, as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub digest: Digest,
    /// What says which of two words is the later one: a version or a time.
    pub rank: u64,
    /// The cut-off; the end of time when every token is ended.
    pub ends_upto: Timestamp,
}

impl Entry {
    pub(super) fn new(digest: Digest, rank: u64, cut_off: Option<Timestamp>) -> Self {
        Self { digest, rank, ends_upto: cut_off.unwrap_or(Timestamp::END) }
    }

    /// Whether it ends a token that was issued then. One that does not say when is ended by every cut-off.
    pub(super) fn ends(&self, issued_at: Option<Timestamp>) -> bool {
        issued_at.is_none_or(|issued_at| issued_at <= self.ends_upto)
    }
}

/// Entries, found by digest and forgotten in the order in which they came.
///
/// Entries are numbered as they come, from `first` on. A slot has the number of its digest's latest entry; entries that
/// were forgotten leave their numbers behind, which nobody has any more, until the slots are laid out anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Digests {
    entries: VecDeque<Entry>,
    /// The number before that of the first entry.
    first: u32,
    /// A power of two of them, a quarter free at least, or none at all.
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// A part of the digest: most others are told apart by it alone.
    tag: u32,
    number: u32,
}

impl Digests {
    /// How many entries there are; those that a later one has replaced are counted until they are forgotten.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The latest entry of a digest.
    pub(super) fn get(&self, digest: &Digest) -> Option<&Entry> {
        if self.entries.is_empty() { None } else { self.locate(digest)?.1 }
    }

    /// Whether a token is ended that was issued then.
    pub(super) fn ends(&self, digest: &Digest, issued_at: Option<Timestamp>) -> bool {
        self.get(digest).is_some_and(|entry| entry.ends(issued_at))
    }

    /// Adds an entry, unless one of its digest is known with the same rank or a higher one. Gives whether it did.
    pub(super) fn insert(&mut self, entry: Entry) -> bool {
        self.make_room();
        let Some((place, known)) = self.locate(&entry.digest) else { return false };
        if known.is_some_and(|known| known.rank >= entry.rank) {
            return false;
        }
        self.used = self.used.saturating_add(usize::from(known.is_none()));
        self.entries.push_back(entry);
        self.mark(place, &entry.digest, self.entries.len());
        true
    }

    /// The entry that came first.
    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// Forgets it.
    pub(super) fn forget_first(&mut self) {
        if self.entries.pop_front().is_some() {
            self.first = self.first.wrapping_add(1);
        }
    }

    /// The slot of a digest with its entry, or the free one that is to have it.
    fn locate(&self, digest: &Digest) -> Option<(usize, Option<&Entry>)> {
        let last = self.slots.len().checked_sub(1)?;
        let (start, tag) = digest.place_and_tag();
        for step in 0..=last {
            let place = start.wrapping_add(step) & last;
            let slot = self.slots.get(place)?;
            if slot.number == NOBODY {
                return Some((place, None));
            }
            if slot.tag == tag
                && let Some(entry) = self.numbered(slot.number)
                && entry.digest == *digest
            {
                return Some((place, Some(entry)));
            }
        }
        None
    }

    fn numbered(&self, number: u32) -> Option<&Entry> {
        // Of one that is forgotten this is more than there can be.
        let index = number.wrapping_sub(self.first).wrapping_sub(1);
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// Notes at a place that the digest's entry is the `count`th.
    fn mark(&mut self, place: usize, digest: &Digest, count: usize) {
        let number = self.first.wrapping_add(u32::try_from(count).unwrap_or(u32::MAX));
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = Slot { tag: digest.place_and_tag().1, number };
        }
    }

    /// Sees to it that one more entry has a slot, and a number.
    fn make_room(&mut self) {
        let most = self.slots.len().saturating_sub(self.slots.len().div_ceil(4));
        if self.used >= most || self.first > u32::MAX.wrapping_shr(1) {
            self.lay_out();
        }
    }

    /// Lays out the slots anew, twice as many as there are entries or more.
    fn lay_out(&mut self) {
        let size = self.entries.len().saturating_add(1).saturating_mul(2).next_power_of_two().max(FEWEST_SLOTS);
        // First, so that there are never both.
        self.slots = Vec::new();
        self.slots.resize(size, Slot { tag: 0, number: NOBODY });
        (self.first, self.used) = (0, 0);
        for count in 1..=self.entries.len() {
            let entry = self.entries.get(count.saturating_sub(1)).copied();
            let Some(Entry { digest, .. }) = entry else { break };
            // A later entry of a digest takes the place of the one before.
            if let Some((place, known)) = self.locate(&digest) {
                self.used = self.used.saturating_add(usize::from(known.is_none()));
                self.mark(place, &digest, count);
            }
        }
    }
}

/// The entries are all there is to it: the slots follow from them.
impl PartialEq for Digests {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Digests {}

impl Hash for Digests {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entries.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::revocation::Scope;

    fn entry(name: u16, rank: u64) -> Entry {
        Entry::new(Digest::of("issuer", Scope::Token, &name.to_string()), rank, None)
    }

    proptest! {
        /// Beside a map and a list, which do the same.
        #[test]
        fn it_finds_what_came_last_and_was_not_forgotten(steps in proptest::collection::vec((0_u16..60, 0_u64..40), 0..600)) {
            let (mut digests, mut list) = (Digests::default(), Vec::<Entry>::new());
            for (name, rank) in steps {
                let known = |list: &Vec<Entry>| -> HashMap<Digest, Entry> {
                    list.iter().map(|entry| (entry.digest, *entry)).collect()
                };
                if name < 20 {
                    digests.forget_first();
                    if !list.is_empty() {
                        list.remove(0);
                    }
                } else {
                    let entry = entry(name, rank);
                    let is_new = known(&list).get(&entry.digest).is_none_or(|known| known.rank < rank);
                    prop_assert_eq!(digests.insert(entry), is_new);
                    if is_new {
                        list.push(entry);
                    }
                }
                let known = known(&list);
                for name in 20..60 {
                    let digest = entry(name, 0).digest;
                    prop_assert_eq!(digests.get(&digest), known.get(&digest));
                }
                prop_assert_eq!((digests.len(), digests.first()), (list.len(), list.first()));
            }
        }
    }

    #[test]
    fn it_stays_as_small_as_what_it_remembers() {
        let mut digests = Digests::default();
        for number in 0..50_000_u64 {
            digests.insert(entry(u16::try_from(number % 50_000).unwrap(), number));
            if digests.len() > 100 {
                digests.forget_first();
            }
        }
        assert!(digests.slots.len() <= 512, "{}", digests.slots.len());
        digests.first = u32::MAX - 1;
        digests.lay_out();
        assert_eq!((digests.len(), digests.first), (100, 0));
        assert!((49_900..50_000).all(|name: u16| digests.get(&entry(name, 0).digest).is_some()));
    }

    #[test]
    fn an_entry_of_a_hundred_thousand_has_48_bytes() {
        assert_eq!((size_of::<Entry>(), size_of::<Slot>()), (48, 8));
    }
}
