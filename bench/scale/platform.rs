//! The ports of the core, answered by the simulation, for one isolate of one location.

use std::rc::Rc;
use std::time::Duration;

use edge_logout::ports::{Clock, Index, IndexError, LedgerError, LedgerShards, SharedMemory, within};
use edge_logout::revocation::KvEntry;
use edge_logout::revocation::ledger::{Call, Question};
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
        Ok(values.into_iter().map(|value| String::from_utf8(value?.to_vec()).ok()).collect())
    }

    async fn put(&self, entry: &KvEntry) -> Result<(), IndexError> {
        let took = write_latency(&self.world.random);
        self.world.put(&entry.key, entry.value.as_bytes(), clock::now() + took);
        clock::after(took).await;
        Ok(())
    }

    async fn segment(&self, key: &str) -> Result<Option<Vec<u8>>, IndexError> {
        let keys = [key.to_owned()];
        let (values, took) = self.venue.cached.find(&keys, &self.world.central, clock::now(), &self.world.random);
        clock::after(took).await;
        let found = values.into_iter().next().flatten();
        self.world.count(|counts| {
            counts.segments_read += self.alike;
            counts.segments_found += if found.is_some() { self.alike } else { 0.0 };
            counts.segment_bytes += found.as_ref().map_or(0, |found| found.len()) as f64 * self.alike;
        });
        Ok(found.map(|found| found.to_vec()))
    }
}

impl LedgerShards for Platform {
    async fn ask(&self, shard: u32, call: &[u8], limit: Duration) -> Result<Vec<u8>, LedgerError> {
        within::<Self, _>(limit, self.answer_of(shard, call)).await.unwrap_or(Err(LedgerError::TimedOut))
    }
}

impl Platform {
    async fn answer_of(&self, shard: u32, call: &[u8]) -> Result<Vec<u8>, LedgerError> {
        let shard = self.world.shards.get(shard as usize).ok_or(LedgerError::Absent)?;
        let call = Call::read(call).ok_or(LedgerError::Failed)?;
        // Each way is half the round trip, and up to a tenth more of it.
        let way = || self.venue.round_trip / 2 + self.world.random.between(0, self.venue.round_trip / 10 + 1);
        clock::after(way()).await;
        // Logouts elsewhere are simulated one by one.
        let alike = if matches!(call.question, Question::Record(_)) { 1.0 } else { self.alike };
        let answer = Rc::clone(shard).serve(Rc::clone(&self.world), call, alike).await;
        clock::after(way()).await;
        answer
    }
}

impl SharedMemory for Platform {
    async fn recall(&self, name: &str) -> Option<Vec<u8>> {
        clock::after(CACHE_LATENCY).await;
        let found = self.venue.recall(name);
        self.world.count(|counts| {
            counts.recalls += self.alike;
            counts.recalls_found += if found.is_some() { self.alike } else { 0.0 };
        });
        found
    }

    async fn share(&self, name: &str, bytes: &[u8], seconds: u32) {
        clock::after(CACHE_LATENCY).await;
        if self.world.polls_alone.get() && name.starts_with("claim") {
            return;
        }
        self.venue.share(name, bytes, seconds);
    }
}
