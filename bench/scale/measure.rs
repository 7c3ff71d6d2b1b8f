//! What is counted while a run is measured.

use super::clock::Micros;

/// Sums over the time that is measured. What happened at a simulated location counts for all that are alike.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub checks: f64,
    pub from_memory: f64,
    /// Checks that could not be told: 503.
    pub doubts: f64,
    /// Checks that kept a stronger promise than was asked for, since the other could not be kept.
    pub fell_back: f64,
    pub logouts: f64,
    pub logouts_failed: f64,
    pub kv_calls: f64,
    pub kv_keys_read: f64,
    pub kv_writes: f64,
    /// Segments that isolates asked Workers KV for, and those that were there.
    pub segments_read: f64,
    pub segments_found: f64,
    pub segment_bytes: f64,
    /// Tokens that an isolate saw for the first time, or again after it had forgotten them.
    pub colds: f64,
    pub polls: f64,
    pub confirms: f64,
    pub segments_asked: f64,
    pub records: f64,
    /// Batches that other objects write to Workers KV.
    pub batches: f64,
    /// Segments that were put in Workers KV.
    pub published: f64,
    pub alarms: f64,
    pub alarms_set: f64,
    /// How long objects were at work.
    pub object_time: f64,
    pub rows_read: f64,
    pub rows_written: f64,
    /// Of these, entries that were removed from the log.
    pub rows_removed: f64,
    pub recalls: f64,
    pub recalls_found: f64,
    /// Checks that waited, and for how long.
    pub waits: Samples,
    pub logout_waits: Samples,
    /// How long after its logout a token was still called active.
    pub staleness: Samples,
    /// Active verdicts after the promised time.
    pub broken_promises: u64,
    /// The most requests that one shard had in one second.
    pub busiest_second: f64,
    pub longest_backlog: usize,
    /// What an isolate holds.
    pub held: Held,
}

/// What an isolate holds of the ledger.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// Revocations in segments, all of them, and the bytes of their filters.
    pub in_segments: u64,
    pub filter_bytes: u64,
    /// Entries after the segments.
    pub entries: u64,
}

/// Durations.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<u32>);

impl Samples {
    pub fn add(&mut self, duration: Micros) {
        self.0.push(u32::try_from(duration).unwrap_or(u32::MAX));
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The duration below which so many of `count` lie; those that are not among the samples took no time.
    pub fn percentile_of(&mut self, percent: f64, count: f64) -> f64 {
        self.0.sort_unstable();
        let from_the_end = (count * (100.0 - percent) / 100.0).floor() as usize;
        let place = self.0.len().checked_sub(from_the_end + 1);
        place.and_then(|place| self.0.get(place)).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    }

    pub fn percentile(&mut self, percent: f64) -> f64 {
        self.percentile_of(percent, self.0.len() as f64)
    }
}
