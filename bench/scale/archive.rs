//! Old runs of a shard that has been in use for long. 52 million entries are more than this machine holds: an entry is
//! made up when it is read, from the number of its run and its place. Filters are real ones, built of these entries.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use edge_logout::revocation::Digest;
use edge_logout::revocation::ledger::{SegmentFilter, SegmentName};
use edge_logout::time::Timestamp;
use sha2::{Digest as _, Sha256};

use super::index::Central;
use super::random::mix;
use super::tokens::BEGINNING;

/// As in `src/revocation/ledger/run.rs`: a block's entries, an entry's bytes, the filter's blocks and the first of them.
const BLOCK_ENTRIES: u64 = 680;
const FILTER_BLOCK: usize = 64 * 1024;
const FILTER_PLACE: u32 = 1 << 16;
/// As in `Sizes::DEFAULT`, and by how much every level is larger than the one above.
const SEALED: u64 = 4_096;
const RUN: u64 = 131_072;
const GROWTH: u64 = 8;

/// The runs of a shard.
#[derive(Default)]
pub struct Archive {
    /// Up to which version they are.
    pub sealed: u64,
    pub runs: Vec<OldRun>,
}

/// A run whose entries are evenly spread over a range, as digests are.
pub struct OldRun {
    pub id: u64,
    /// Its description, as the ledger stores it.
    pub about: Vec<u8>,
    pub name: SegmentName,
    pub filter: Vec<u8>,
    entries: u64,
    first: u64,
    step: u64,
    expires_at: Timestamp,
}

impl Archive {
    /// The runs of a shard that has so many live revocations; the same for all that ask.
    pub fn of(live: u64, lifetime: Duration) -> Arc<Self> {
        static MADE: OnceLock<Mutex<HashMap<u64, Arc<Archive>>>> = OnceLock::new();
        if live < SEALED {
            return Arc::default();
        }
        let mut made = MADE.get_or_init(Mutex::default).lock().expect("nobody panics");
        Arc::clone(made.entry(live).or_insert_with(|| Arc::new(Self::make(live, lifetime))))
    }

    /// Levels are as full as they are on average: the first two half, the next ones nearly, and the last one has the rest.
    fn make(live: u64, lifetime: Duration) -> Self {
        let (mut runs, mut left, mut sealed) = (Vec::new(), live, live);
        for level in 1_u8.. {
            let most = SEALED * GROWTH.pow(level.into());
            let usual = match level {
                1 => most / 2,
                2 => most * 3 / 4,
                _ => most - RUN / 2,
            };
            let entries = if left <= most { left } else { usual.min(left) };
            let count = entries.div_ceil(RUN);
            for place in 0..count {
                let of_run = entries / count;
                runs.push(OldRun::make(runs.len() as u64 + 1, level, (place, count), of_run, sealed, lifetime));
            }
            (left, sealed) = (left - entries, sealed - entries);
            if left == 0 {
                break;
            }
        }
        Self { sealed: live, runs }
    }

    /// Has its segments been in Workers KV for long.
    pub fn publish(&self, central: &Central) {
        for run in &self.runs {
            central.has(&run.name.key(), Rc::from(&*run.filter));
        }
    }

    pub fn run(&self, id: u64) -> Option<&OldRun> {
        self.runs.get(usize::try_from(id.checked_sub(1)?).ok()?)
    }
}

impl OldRun {
    fn make(id: u64, level: u8, (place, count): (u64, u64), entries: u64, upto: u64, lifetime: Duration) -> Self {
        let width = u64::MAX / count;
        let name = [mix(id).to_be_bytes(), mix(!id).to_be_bytes()].concat();
        let mut run = Self {
            id,
            about: Vec::new(),
            name: SegmentName(name.try_into().expect("16 bytes")),
            filter: Vec::new(),
            entries,
            first: width * place,
            step: width / entries,
            expires_at: BEGINNING.plus(lifetime),
        };
        run.filter = SegmentFilter::build((0..entries).map(|number| run.key(number)).collect()).write();
        run.about = run.describe(level, upto);
        run
    }

    /// As `Run::write` has it: the format's version, the level, the last expiry, and the segment.
    fn describe(&self, level: u8, upto: u64) -> Vec<u8> {
        let mut about = vec![1, level];
        let number = |mut number: u64, about: &mut Vec<u8>| {
            while number > 0x7f {
                about.push((number & 0x7f) as u8 | 0x80);
                number >>= 7;
            }
            about.push(number as u8);
        };
        number((self.expires_at.as_millis() << 1) as u64, &mut about);
        about.extend(self.name.0);
        for part in [self.key(0), self.key(self.entries - 1), upto, self.entries] {
            number(part, &mut about);
        }
        about.extend(&Sha256::digest(&self.filter)[..16]);
        about
    }

    fn key(&self, number: u64) -> u64 {
        self.first + number * self.step + mix(self.id << 32 | number) % self.step
    }

    pub fn digest(&self, number: u64) -> Digest {
        let key = self.key(number);
        let mut bytes = [0; 32];
        for (part, place) in bytes.chunks_exact_mut(8).zip(0_u64..) {
            part.copy_from_slice(&(if place == 0 { key } else { mix(key ^ place) }).to_be_bytes());
        }
        Digest::from_bytes(bytes)
    }

    pub fn block(&self, place: u32) -> Option<Vec<u8>> {
        if let Some(place) = place.checked_sub(FILTER_PLACE) {
            return self.filter.chunks(FILTER_BLOCK).nth(place as usize).map(<[u8]>::to_vec);
        }
        let first = u64::from(place) * BLOCK_ENTRIES;
        let mut block = Vec::new();
        for number in first..self.entries.min(first + BLOCK_ENTRIES) {
            block.extend(self.digest(number).bytes());
            block.extend(Timestamp::END.as_millis().to_be_bytes());
            block.extend(self.expires_at.as_millis().to_be_bytes());
        }
        (!block.is_empty()).then_some(block)
    }
}
