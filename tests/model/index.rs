//! Workers KV: it takes writes in the order in which they arrive, and tells a reader anything that was current within
//! the settling time. That is more than any number of locations with caches could do, cached misses among it.

use std::collections::BTreeMap;
use std::time::Duration;

use edge_logout::revocation::Limits;
use edge_logout::time::Timestamp;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Index {
    /// What each key had and since when, as far as anybody may still read it. Before the first there was nothing.
    values: BTreeMap<String, Vec<(Timestamp, Option<Limits>)>>,
    /// Writes that their writer has given up.
    pub strays: Vec<Stray>,
}

/// A write that may still arrive, before `until`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stray {
    pub key: String,
    pub limits: Limits,
    pub until: Timestamp,
}

impl Index {
    pub fn put(&mut self, key: &str, limits: Limits, now: Timestamp, settling: Duration) {
        let values = self.values.entry(key.to_owned()).or_insert_with(|| vec![(Timestamp::from_seconds(0), None)]);
        match values.last_mut() {
            Some((_, last)) if *last == Some(limits) => {}
            // What was there for no time at all may be read just as long as what was there before it.
            _ => values.push((now, Some(limits))),
        }
        self.settle(now, settling);
    }

    /// All that a reader may be told now.
    pub fn readable(&self, key: &str) -> Vec<Option<Limits>> {
        self.values.get(key).map_or_else(|| vec![None], |values| values.iter().map(|(_, value)| *value).collect())
    }

    /// What everybody will be told in the end.
    pub fn latest(&self, key: &str) -> Option<Limits> {
        self.values.get(key)?.last()?.1
    }

    /// Forgets what nobody is told any more.
    pub fn settle(&mut self, now: Timestamp, settling: Duration) {
        let since = now.minus(settling);
        for values in self.values.values_mut() {
            let gone = values.iter().skip(1).take_while(|(replaced_at, _)| *replaced_at <= since).count();
            values.drain(..gone);
            if let Some((from, _)) = values.first_mut() {
                *from = Timestamp::from_seconds(0);
            }
        }
        self.strays.retain(|stray| now < stray.until);
    }

    /// A write arrives that was given up.
    pub fn land(&mut self, stray: usize, now: Timestamp, settling: Duration) {
        let Stray { key, limits, .. } = self.strays.remove(stray);
        self.put(&key, limits, now, settling);
    }

    pub fn add_stray(&mut self, key: &str, limits: Limits, until: Timestamp) {
        self.strays.push(Stray { key: key.to_owned(), limits, until });
        self.strays.sort_by_key(|stray| (stray.until, stray.key.clone(), stray.limits.cut_off));
    }
}
