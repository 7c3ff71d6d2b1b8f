//! The logouts that this isolate has answered. It rejects their tokens at once, under every freshness.

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::super::key::Prefix;
use super::super::ledger::Entry;
use crate::time::Timestamp;

/// The maximum number of stored logouts.
const MAX_ENTRIES: usize = 10_000;
/// How long a logout is stored. By then the replica has it, and so has Workers KV, unless its writes kept failing.
const RETENTION: Duration = Duration::from_mins(5);

/// The logouts of the last [`RETENTION`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnLogouts {
    by_prefix: HashMap<Prefix, (Timestamp, Timestamp)>,
    by_age: VecDeque<(Timestamp, Prefix)>,
}

impl OwnLogouts {
    /// Adds a revocation.
    pub fn add(&mut self, entry: Entry, now: Timestamp) {
        let known = self.by_prefix.get(&entry.prefix).map(|(revokes_upto, _)| *revokes_upto);
        let revokes_upto = known.map_or(entry.revokes_upto, |known| known.max(entry.revokes_upto));
        // Do not queue a prefix twice with one timestamp: expiry of the first would remove both.
        if self.by_prefix.insert(entry.prefix, (revokes_upto, now)).is_none_or(|(_, added_at)| added_at != now) {
            self.by_age.push_back((now, entry.prefix));
        }
        self.remove_expired(now);
    }

    /// Tokens that match the prefix and were issued up to the returned time are revoked.
    pub fn find(&self, prefix: &Prefix) -> Option<Timestamp> {
        if self.by_age.is_empty() { None } else { self.by_prefix.get(prefix).map(|(revokes_upto, _)| *revokes_upto) }
    }

    fn remove_expired(&mut self, now: Timestamp) {
        let is_old = |(added_at, _): &(Timestamp, Prefix)| added_at.plus(RETENTION) <= now;
        while self.by_age.len() > MAX_ENTRIES || self.by_age.front().is_some_and(is_old) {
            let Some((added_at, prefix)) = self.by_age.pop_front() else { break };
            // The prefix may have been added again later.
            if self.by_prefix.get(&prefix).is_some_and(|(_, latest)| *latest == added_at) {
                self.by_prefix.remove(&prefix);
            }
        }
    }
}

impl Hash for OwnLogouts {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.by_age.hash(state);
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
        own.add(entry(1, 5), at(0));
        own.add(entry(2, 5), at(0));
        own.add(entry(1, 3), at(200));
        assert_eq!(own.find(&entry(1, 0).prefix), Some(at(5)));
        own.add(entry(3, 0), at(300));
        assert_eq!((own.find(&entry(1, 0).prefix), own.find(&entry(2, 0).prefix)), (Some(at(5)), None));
        (0..200_000).for_each(|_| own.add(entry(9, 1), at(301)));
        assert!(own.by_age.len() <= MAX_ENTRIES);
        assert_eq!(own.find(&entry(9, 0).prefix), Some(at(1)));
    }
}
