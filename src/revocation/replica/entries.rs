//! The unsealed entries of a shard's log, in a hash table by the first half of the digest.
//!
//! The table uses the digest itself as the hash. An attacker can search for ids whose digests collide, and each of them
//! must be accepted as a logout. Lookups then get slower, but stay correct.

use super::super::key::Prefix;
use super::super::ledger::Entry;
use crate::time::Timestamp;

/// The minimum number of slots.
const MIN_SLOTS: usize = 16;
/// The value of an empty slot.
const EMPTY: u32 = 0;

/// Entries in order of version, and an open-addressing hash table of their positions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Entries {
    entries: Vec<Entry>,
    /// For each prefix, the position of its latest entry, counted from 1. The length is a power of two, and at most
    /// three quarters of the slots are used.
    slots: Vec<u32>,
}

impl Entries {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The allocated size, in bytes.
    #[cfg(test)]
    pub fn size(&self) -> usize {
        let entries = self.entries.capacity().saturating_mul(size_of::<Entry>());
        entries.saturating_add(self.slots.capacity().saturating_mul(size_of::<u32>()))
    }

    /// Tokens that match the prefix and were issued up to the returned time are revoked.
    pub fn find(&self, prefix: &Prefix) -> Option<Timestamp> {
        let (_, found) = find_slot(&self.entries, &self.slots, prefix)?;
        found.map(|entry| entry.revokes_upto)
    }

    /// Adds the entry of the next version.
    pub fn push(&mut self, mut entry: Entry) {
        let taken = self.entries.len().saturating_add(1);
        if taken.saturating_mul(4) > self.slots.len().saturating_mul(3) {
            self.rehash(taken);
        }
        let Some((slot, known)) = find_slot(&self.entries, &self.slots, &entry.prefix) else { return };
        if let Some(known) = known {
            entry.revokes_upto = entry.revokes_upto.max(known.revokes_upto);
        }
        if self.entries.len() == self.entries.capacity() {
            // Grow by a quarter; `push` would double the capacity.
            self.entries.reserve_exact((self.entries.len() / 4).saturating_add(MIN_SLOTS));
        }
        self.entries.push(entry);
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = u32::try_from(taken).unwrap_or(u32::MAX);
        }
    }

    /// Removes the first `count` entries.
    pub fn remove_first(&mut self, count: usize) {
        if count > 0 {
            self.entries.drain(..count.min(self.entries.len()));
            self.entries.shrink_to_fit();
            self.rehash(self.entries.len());
        }
    }

    fn rehash(&mut self, count: usize) {
        let size = count.saturating_mul(4).wrapping_div(3).saturating_add(1).next_power_of_two().max(MIN_SLOTS);
        // Free the old table first to limit peak memory.
        self.slots = Vec::new();
        self.slots.resize(size, EMPTY);
        for (entry, position) in self.entries.iter().zip(1_u32..) {
            // A later entry of a prefix replaces the earlier one.
            let located = find_slot(&self.entries, &self.slots, &entry.prefix);
            if let Some(slot) = located.and_then(|(slot, _)| self.slots.get_mut(slot)) {
                *slot = position;
            }
        }
    }
}

/// The slot of a prefix and its latest entry, or the empty slot where it belongs.
fn find_slot<'a>(entries: &'a [Entry], slots: &[u32], prefix: &Prefix) -> Option<(usize, Option<&'a Entry>)> {
    let last = slots.len().checked_sub(1)?;
    let start = usize::try_from(prefix.hash_bits() & u64::from(u32::MAX)).unwrap_or(0);
    for step in 0..=last {
        let slot = start.wrapping_add(step) & last;
        let position = *slots.get(slot)?;
        if position == EMPTY {
            return Some((slot, None));
        }
        let entry = entries.get(usize::try_from(position).ok()?.saturating_sub(1));
        if let Some(entry) = entry.filter(|entry| entry.prefix == *prefix) {
            return Some((slot, Some(entry)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn entry(name: u8, revokes_upto: i64) -> Entry {
        let mut bytes = [name % 7; 16];
        bytes[0] = name;
        Entry { prefix: Prefix::from_bytes(bytes), revokes_upto: Timestamp::from_millis(revokes_upto) }
    }

    proptest! {
        /// Compares the table with a plain list.
        #[test]
        fn it_finds_what_was_added_and_not_forgotten(steps in proptest::collection::vec((0_u8..60, 0_i64..40), 0..600)) {
            let (mut entries, mut list) = (Entries::default(), Vec::<Entry>::new());
            for (name, moment) in steps {
                if name < 5 {
                    let count = usize::from(name) * 3;
                    entries.remove_first(count);
                    list.drain(..count.min(list.len()));
                } else {
                    let mut entry = entry(name, moment);
                    entries.push(entry);
                    let known = list.iter().filter(|known| known.prefix == entry.prefix).map(|known| known.revokes_upto);
                    entry.revokes_upto = known.max().map_or(entry.revokes_upto, |known| known.max(entry.revokes_upto));
                    list.push(entry);
                }
                let known: HashMap<Prefix, Timestamp> = list.iter().map(|entry| (entry.prefix, entry.revokes_upto)).collect();
                for name in 0..60 {
                    let prefix = entry(name, 0).prefix;
                    prop_assert_eq!(entries.find(&prefix), known.get(&prefix).copied());
                }
                prop_assert_eq!(entries.len(), list.len());
            }
        }
    }

    #[test]
    fn a_hundred_thousand_entries_take_at_most_48_bytes_each() {
        let mut entries = Entries::default();
        for number in 0..100_000_u64 {
            let mut bytes = [0; 16];
            bytes[8..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            entries.push(Entry { prefix: Prefix::from_bytes(bytes), revokes_upto: Timestamp::END });
            let count = entries.len();
            assert!(count < 1_000 || entries.size() <= 48 * count, "{} of {count}", entries.size());
        }
    }
}
