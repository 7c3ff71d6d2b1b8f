//! Logouts that this isolate has answered itself: it refuses what they end at once, under every freshness.

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::super::key::Prefix;
use super::super::ledger::Entry;
use crate::time::Timestamp;

/// The most that are remembered.
const MOST: usize = 10_000;
/// For how long: by then a replica has the logout, and Workers KV has settled unless it has taken no writes all the while.
const MEMORY: Duration = Duration::from_mins(5);

/// The logouts of the last minutes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnLogouts {
    by_prefix: HashMap<Prefix, (Timestamp, Timestamp)>,
    in_order: VecDeque<(Timestamp, Prefix)>,
}

impl OwnLogouts {
    /// Remembers a logout.
    pub fn note(&mut self, entry: Entry, now: Timestamp) {
        let known = self.by_prefix.get(&entry.prefix).map(|(revokes_upto, _)| *revokes_upto);
        let revokes_upto = known.map_or(entry.revokes_upto, |known| known.max(entry.revokes_upto));
        // Noted again in the same moment it keeps its place: the earlier one of two would take both away.
        if self.by_prefix.insert(entry.prefix, (revokes_upto, now)).is_none_or(|(_, noted_at)| noted_at != now) {
            self.in_order.push_back((now, entry.prefix));
        }
        self.forget(now);
    }

    /// Up to when tokens of a prefix were issued that are revoked.
    pub fn find(&self, prefix: &Prefix) -> Option<Timestamp> {
        if self.in_order.is_empty() { None } else { self.by_prefix.get(prefix).map(|(revokes_upto, _)| *revokes_upto) }
    }

    fn forget(&mut self, now: Timestamp) {
        let is_old = |(noted_at, _): &(Timestamp, Prefix)| noted_at.plus(MEMORY) <= now;
        while self.in_order.len() > MOST || self.in_order.front().is_some_and(is_old) {
            let Some((noted_at, prefix)) = self.in_order.pop_front() else { break };
            // It may have been noted again since.
            if self.by_prefix.get(&prefix).is_some_and(|(_, latest)| *latest == noted_at) {
                self.by_prefix.remove(&prefix);
            }
        }
    }
}

impl Hash for OwnLogouts {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.in_order.hash(state);
        let mut known: Vec<_> = self.by_prefix.iter().collect();
        known.sort_unstable();
        known.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_again_is_remembered_for_longer() {
        let mut own = OwnLogouts::default();
        let at = |seconds: i64| Timestamp::from_seconds(seconds);
        let entry = |name: u8, upto: i64| Entry { prefix: Prefix::from_bytes([name; 16]), revokes_upto: at(upto) };
        own.note(entry(1, 5), at(0));
        own.note(entry(2, 5), at(0));
        own.note(entry(1, 3), at(200));
        assert_eq!(own.find(&entry(1, 0).prefix), Some(at(5)));
        own.note(entry(3, 0), at(300));
        assert_eq!((own.find(&entry(1, 0).prefix), own.find(&entry(2, 0).prefix)), (Some(at(5)), None));
        (0..200_000).for_each(|_| own.note(entry(9, 1), at(301)));
        assert!(own.in_order.len() <= MOST);
        assert_eq!(own.find(&entry(9, 0).prefix), Some(at(1)));
    }
}
