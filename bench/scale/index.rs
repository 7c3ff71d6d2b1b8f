//! Workers KV as documented: a location that has asked for a key, found or not, may see no change of it for a minute,
//! and a write takes a while to reach the central store.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::clock::{MILLISECOND, Micros, SECOND};
use super::random::Random;

/// The shortest `cacheTtl` that is the default.
const CACHED: Micros = 60 * SECOND;
/// Until a write can be seen where nothing was cached, at the most.
const PROPAGATION: Micros = 10 * SECOND;
/// How much of a value arrives in a microsecond: 50 MB a second.
const BYTES_A_MICROSECOND: usize = 50;
/// Connections of an invocation that wait for an answer: Cloudflare's limit.
const CONNECTIONS: usize = 6;

/// A value: of a revocation, or the filter of a segment.
pub type Value = Rc<[u8]>;

/// The central store.
#[derive(Default)]
pub struct Central(RefCell<HashMap<u64, (Micros, Value)>>);

/// What a location remembers of it.
#[derive(Default)]
pub struct Cached(RefCell<HashMap<u64, Remembered>>);

/// Until when, and what was found, if anything.
type Remembered = (Micros, Option<Value>);

impl Central {
    /// Stores what was written at a moment that may lie ahead.
    pub fn put(&self, key: &str, value: &[u8], written_at: Micros, random: &Random) {
        let visible_at = written_at + random.between(0, PROPAGATION);
        self.0.borrow_mut().insert(hash(key), (visible_at, Rc::from(value)));
    }

    /// Has been there for long.
    pub fn has(&self, key: &str, value: Value) {
        self.0.borrow_mut().insert(hash(key), (0, value));
    }

    fn get(&self, key: u64, now: Micros) -> Option<Value> {
        let stored = self.0.borrow();
        stored.get(&key).filter(|(visible_at, _)| *visible_at <= now).map(|(_, value)| Rc::clone(value))
    }
}

impl Cached {
    /// The values, and how long it took.
    pub fn find(
        &self,
        keys: &[String],
        central: &Central,
        now: Micros,
        random: &Random,
    ) -> (Vec<Option<Value>>, Micros) {
        let mut cached = self.0.borrow_mut();
        let mut is_hot = true;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys.iter().map(|key| hash(key)) {
            let known = cached.get(&key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone());
            let value = known.unwrap_or_else(|| {
                is_hot = false;
                let value = central.get(key, now);
                cached.insert(key, (now + CACHED, value.clone()));
                value
            });
            values.push(value);
        }
        let (low, high) = if is_hot { (1, 5) } else { (20, 80) };
        let bytes: usize = values.iter().flatten().map(|value| value.len()).sum();
        let on_the_way = (bytes / BYTES_A_MICROSECOND) as Micros;
        (values, random.between(low * MILLISECOND, high * MILLISECOND) + on_the_way)
    }
}

/// How long a write takes: one in twenty takes long.
pub fn write_latency(random: &Random) -> Micros {
    if random.unit() < 0.05 { 1_500 * MILLISECOND } else { random.between(100 * MILLISECOND, 200 * MILLISECOND) }
}

/// The connections that writes share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connections([Micros; CONNECTIONS]);

impl Connections {
    /// A write that is begun as soon as one of them is free. Gives when it ends.
    pub fn write(&mut self, now: Micros, random: &Random) -> Micros {
        let free = self.0.iter_mut().min().expect("there are six");
        *free = (*free).max(now) + write_latency(random);
        *free
    }
}

/// Whose connections the batches of an outbox use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lanes {
    /// Each batch is an invocation of its own, with six of its own.
    #[default]
    Own,
    /// All batches of an object share six.
    Shared,
}

/// What the batches of a shard share when they have to.
pub type SharedConnections = Cell<Connections>;

/// FNV-1a; keys end in digests, so this is spread enough.
fn hash(key: &str) -> u64 {
    key.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
