//! The ports of the core, answered by the simulation, for one isolate of one location.

use std::rc::Rc;
use std::time::Duration;

use edge_logout::ports::{Clock, Index, IndexError, LedgerError, LedgerShards, SharedMemory};
use edge_logout::revocation::Entry;
use edge_logout::time::Timestamp;

use super::clock::{self, Micros};
use super::index::write_latency;
use super::scenario::CACHE_LATENCY;
use super::world::{Venue, World, timestamp};

pub struct Platform {
    pub world: Rc<World>,
    pub venue: Rc<Venue>,
    /// How many of its like there are.
    pub alike: f64,
}

impl Clock for Platform {
    fn now(&self) -> Timestamp {
        timestamp(clock::now())
    }

    async fn sleep(duration: Duration) {
        clock::after(duration.as_micros() as Micros).await;
    }
}

impl Index for Platform {
    async fn find(&self, keys: &[String]) -> Result<Vec<Option<String>>, IndexError> {
        let (values, took) = self.venue.cached.find(keys, &self.world.central, clock::now(), &self.world.random);
        self.world.count(|counts| {
            counts.kv_calls += self.alike;
            counts.kv_keys_read += keys.len() as f64 * self.alike;
        });
        clock::after(took).await;
        Ok(values)
    }

    async fn put(&self, entry: &Entry) -> Result<(), IndexError> {
        clock::after(write_latency(&self.world.random)).await;
        self.world.put(entry);
        Ok(())
    }
}

impl LedgerShards for Platform {
    async fn ask(&self, shard: u32, question: &str) -> Result<String, LedgerError> {
        let shard = self.world.shards.get(shard as usize).ok_or(LedgerError::Absent)?;
        // Each way is half the round trip, and up to a tenth more of it.
        let way = || self.venue.round_trip / 2 + self.world.random.between(0, self.venue.round_trip / 10 + 1);
        clock::after(way()).await;
        // Logouts elsewhere are simulated one by one.
        let alike = if question.starts_with(r#"{"Record"#) { 1.0 } else { self.alike };
        let answer = Rc::clone(shard).serve(Rc::clone(&self.world), question.to_owned(), alike).await;
        clock::after(way()).await;
        answer
    }
}

impl SharedMemory for Platform {
    async fn recall(&self, name: &str) -> Option<String> {
        clock::after(CACHE_LATENCY).await;
        let found = self.venue.recall(name);
        self.world.count(|counts| {
            counts.recalls += self.alike;
            counts.recalls_found += if found.is_some() { self.alike } else { 0.0 };
        });
        found
    }

    async fn share(&self, name: &str, text: &str, seconds: u32) {
        clock::after(CACHE_LATENCY).await;
        if self.world.polls_alone.get() && name.starts_with("claim") {
            return;
        }
        self.venue.share(name, text, seconds);
    }
}
