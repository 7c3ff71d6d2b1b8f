//! Workers KV as documented: a location that has asked for a key, found or not, may see no change of it for a minute,
//! and a write takes a while to reach the central store.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::clock::{MILLISECOND, Micros, SECOND};
use super::random::Random;

/// The shortest `cacheTtl` that is the default.
const CACHED: Micros = 60 * SECOND;
/// Until a write can be seen where nothing was cached, at the most.
const PROPAGATION: Micros = 10 * SECOND;

/// The central store.
#[derive(Default)]
pub struct Central(RefCell<HashMap<u64, (Micros, Rc<str>)>>);

/// What a location remembers of it.
#[derive(Default)]
pub struct Cached(RefCell<HashMap<u64, Remembered>>);

/// Until when, and what was found, if anything.
type Remembered = (Micros, Option<Rc<str>>);

impl Central {
    pub fn put(&self, key: &str, value: &str, now: Micros, random: &Random) {
        let visible_at = now + random.between(0, PROPAGATION);
        self.0.borrow_mut().insert(hash(key), (visible_at, Rc::from(value)));
    }

    fn get(&self, key: u64, now: Micros) -> Option<Rc<str>> {
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
    ) -> (Vec<Option<String>>, Micros) {
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
            values.push(value.map(|value| value.to_string()));
        }
        let (low, high) = if is_hot { (1, 5) } else { (20, 80) };
        (values, random.between(low * MILLISECOND, high * MILLISECOND))
    }
}

/// How long a write takes.
pub fn write_latency(random: &Random) -> Micros {
    random.between(100 * MILLISECOND, 200 * MILLISECOND)
}

/// FNV-1a; keys end in digests, so this is spread enough.
fn hash(key: &str) -> u64 {
    key.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
