//! A segment: the compact filter of a run, which isolates hold in memory. It takes at most three bytes per revocation.
//!
//! A filter answers "not there", which is certain, or "maybe there", which the shard has to confirm. About one in
//! 65,536 lookups of an absent digest answers "maybe".

use sha2::{Digest as _, Sha256};
use xorf::{BinaryFuse8Ref, BinaryFuse16, BinaryFuse16Ref, DmaSerializable as _, Filter as _, FilterRef as _};

use super::wire::{Reader, Writer};

/// The size of a filter's descriptor, which precedes its fingerprints, in bytes.
const DESCRIPTOR_BYTES: usize = <BinaryFuse16 as xorf::DmaSerializable>::DESCRIPTOR_LEN;
/// Up to this many keys are stored as a sorted list instead of a filter.
const MAX_LISTED_KEYS: usize = 64;

/// The name of a segment: 128 random bits, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentName(pub [u8; 16]);

impl SegmentName {
    /// The key in Workers KV.
    #[must_use]
    pub fn key(&self) -> String {
        let mut key = "segment:v1:".to_owned();
        for byte in self.0 {
            for half in [byte >> 4_u32, byte & 0xf] {
                key.push(char::from_digit(half.into(), 16).unwrap_or('0'));
            }
        }
        key
    }
}

/// The description of a segment. A directory lists these; the filter is downloaded separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// The name, from which the KV key of the filter follows.
    pub name: SegmentName,
    /// The smallest filter key in the segment.
    pub first: u64,
    /// The largest filter key in the segment.
    pub last: u64,
    /// The highest version among the entries.
    pub upto: u64,
    /// The number of entries.
    pub entries: u32,
    /// The first half of the SHA-256 of the encoded filter.
    pub checksum: [u8; 16],
}

impl Segment {
    /// Whether a filter key is in the segment's range.
    #[must_use]
    pub const fn spans(&self, key: u64) -> bool {
        self.first <= key && key <= self.last
    }

    /// Whether these bytes are the segment's filter, by checksum.
    #[must_use]
    pub fn matches_checksum(&self, filter: &[u8]) -> bool {
        checksum(filter) == self.checksum
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.name.0);
        writer.number(self.first);
        writer.number(self.last);
        writer.number(self.upto);
        writer.number(self.entries.into());
        writer.bytes(&self.checksum);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            name: SegmentName(reader.array()?),
            first: reader.number()?,
            last: reader.number()?,
            upto: reader.number()?,
            entries: reader.number()?.try_into().ok()?,
            checksum: reader.array()?,
        })
    }
}

/// The first half of the SHA-256 of an encoded filter.
pub(super) fn checksum(filter: &[u8]) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(filter).into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// A filter over the filter keys of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SegmentFilter {
    /// Contains every key: the filter could not be built.
    Any,
    /// A sorted list of keys.
    Listed(Box<[u64]>),
    /// A binary fuse filter (Graf and Lemire, 2022).
    Fuse {
        /// The seed and the lengths.
        descriptor: [u8; DESCRIPTOR_BYTES],
        /// The fingerprint table.
        fingerprints: Box<[u16]>,
    },
    /// The same with only the low byte of each fingerprint: half the size, and false positives for one in 256 keys.
    Coarse {
        /// The seed and the lengths.
        descriptor: [u8; DESCRIPTOR_BYTES],
        /// The fingerprint table.
        fingerprints: Box<[u8]>,
    },
}

/// The kind of an encoded filter: its first byte after the format version.
const ANY: u8 = 0;
const LIST: u8 = 1;
const FUSE: u8 = 2;
const COARSE: u8 = 3;
/// Smaller filters are not made coarse: that would save too little.
const MIN_COARSE_FINGERPRINTS: usize = 32_768;

impl SegmentFilter {
    /// Builds the filter of sorted keys.
    #[must_use]
    pub fn build(mut keys: Vec<u64>) -> Self {
        keys.dedup();
        if keys.len() <= MAX_LISTED_KEYS {
            return Self::Listed(keys.into());
        }
        let Ok(filter) = BinaryFuse16::try_from(&keys) else { return Self::Any };
        let mut descriptor = [0; DESCRIPTOR_BYTES];
        filter.dma_copy_descriptor_to(&mut descriptor);
        let filter = Self::Fuse { descriptor, fingerprints: filter.fingerprints };
        // A false negative would miss a revocation, so verify every key.
        if keys.iter().all(|key| filter.may_contain(*key)) { filter } else { Self::Any }
    }

    /// Halves the size of a large filter. A key matches when the XOR of three fingerprints equals its hash. This also
    /// holds for the low bytes alone, so no key is lost.
    #[must_use]
    pub fn coarse(self) -> Self {
        match self {
            Self::Fuse { descriptor, fingerprints } if fingerprints.len() >= MIN_COARSE_FINGERPRINTS => {
                let fingerprints = fingerprints.iter().map(|fingerprint| fingerprint.to_le_bytes()[0]).collect();
                Self::Coarse { descriptor, fingerprints }
            }
            other => other,
        }
    }

    /// Whether the filter may contain a key. False positives are possible, false negatives are not.
    #[must_use]
    pub fn may_contain(&self, key: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(keys) => keys.binary_search(&key).is_ok(),
            Self::Coarse { descriptor, fingerprints } => {
                BinaryFuse8Ref::from_dma(descriptor, fingerprints).contains(&key)
            }
            Self::Fuse { descriptor, fingerprints } => {
                BinaryFuse16Ref::from_dma(descriptor, bytemuck::cast_slice(fingerprints)).contains(&key)
            }
        }
    }

    /// The size in memory, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::Listed(keys) => size_of_val::<[u64]>(keys),
            Self::Fuse { fingerprints, .. } => size_of_val::<[u16]>(fingerprints),
            Self::Coarse { fingerprints, .. } => size_of_val::<[u8]>(fingerprints),
        }
    }

    /// Encodes the filter.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Any => writer.byte(ANY),
            Self::Listed(keys) => {
                writer.byte(LIST);
                keys.iter().for_each(|key| writer.bytes(&key.to_le_bytes()));
            }
            Self::Fuse { descriptor, fingerprints } => {
                writer.byte(FUSE);
                writer.bytes(descriptor);
                writer.0.reserve_exact(size_of_val::<[u16]>(fingerprints));
                fingerprints.iter().for_each(|fingerprint| writer.bytes(&fingerprint.to_le_bytes()));
            }
            Self::Coarse { descriptor, fingerprints } => {
                writer.byte(COARSE);
                writer.bytes(descriptor);
                writer.bytes(fingerprints);
            }
        }
        writer.0
    }

    /// Decodes a filter; `None` if it is malformed. Verify the segment's checksum first.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes)?;
        let kind = reader.byte()?;
        Some(match kind {
            ANY => return reader.finish(Self::Any),
            LIST => {
                let keys: Box<[u64]> = reader.rest::<8>()?.map(u64::from_le_bytes).collect();
                // A look-up in a list that is not sorted would miss keys.
                if !keys.is_sorted() {
                    return None;
                }
                Self::Listed(keys)
            }
            FUSE => {
                let descriptor = reader.array()?;
                let fingerprints: Box<[u16]> = reader.rest::<2>()?.map(u16::from_le_bytes).collect();
                if !is_in_bounds(&descriptor, fingerprints.len()) {
                    return None;
                }
                Self::Fuse { descriptor, fingerprints }
            }
            COARSE => {
                let descriptor = reader.array()?;
                let fingerprints: Box<[u8]> = reader.rest::<1>()?.map(u8::from_le_bytes).collect();
                if !is_in_bounds(&descriptor, fingerprints.len()) {
                    return None;
                }
                Self::Coarse { descriptor, fingerprints }
            }
            _ => return None,
        })
    }
}

/// Whether every lookup stays within the fingerprint table. The descriptor has a seed of eight bytes, the segment
/// length, the segment length minus one (a mask), and the total length of all segments except the last two.
fn is_in_bounds(descriptor: &[u8; DESCRIPTOR_BYTES], fingerprints: usize) -> bool {
    let number = |at: usize| {
        let bytes = descriptor.get(at..).and_then(<[u8]>::first_chunk::<4>);
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    let (segment_length, mask, total_length) = (number(8), number(12), number(16));
    let all = segment_length.checked_mul(2).and_then(|two| two.checked_add(total_length));
    segment_length.is_power_of_two()
        && mask == segment_length.wrapping_sub(1)
        && total_length > 0
        && total_length.checked_rem(segment_length) == Some(0)
        && all.and_then(|all| usize::try_from(all).ok()) == Some(fingerprints)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SplitMix64` (Steele, Lea and Flood, 2014).
    fn random(seed: u64) -> impl Iterator<Item = u64> {
        (1_u64..).map(move |place| {
            let mut value = seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            value ^ (value >> 31)
        })
    }

    fn keys(count: usize, seed: u64) -> Vec<u64> {
        let mut keys: Vec<_> = random(seed).take(count).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn no_digest_of_millions_is_missed_and_few_are_taken_for_others() {
        let (mut asked, mut wrong, mut sizes) = (0_usize, 0_usize, 0_usize);
        for (count, seed) in [(1, 1), (2, 2), (64, 3), (65, 4), (66, 5), (100, 6), (1_000, 7), (4_096, 8), (131_072, 9)]
            .into_iter()
            .chain((10..30).map(|seed| (131_072, seed)))
        {
            let keys = keys(count, seed);
            let filter = SegmentFilter::build(keys.clone());
            assert!(!matches!(filter, SegmentFilter::Any), "{count}");
            let filter = SegmentFilter::read(&filter.write()).unwrap();
            assert!(keys.iter().all(|key| filter.may_contain(*key)), "{count}");
            let others = || random(seed ^ 0xffff_0000).take(100_000);
            asked += 100_000;
            wrong += others().filter(|key| filter.may_contain(*key)).count();
            if count >= 4_096 {
                assert!(filter.size() <= 3 * count, "{} of {count}", filter.size());
                sizes += 1;
            }
        }
        assert!(sizes == 22 && wrong * 20_000 < asked, "{wrong} of {asked}");
    }

    #[test]
    fn a_coarse_filter_misses_nothing_in_half_the_bytes() {
        let (mut asked, mut wrong) = (0_usize, 0_usize);
        for seed in 1..12 {
            let keys = keys(131_072, seed);
            let filter = SegmentFilter::build(keys.clone());
            let size = filter.size();
            let filter = SegmentFilter::read(&filter.coarse().write()).unwrap();
            assert!(matches!(filter, SegmentFilter::Coarse { .. }) && filter.size() * 2 == size);
            assert!(keys.iter().all(|key| filter.may_contain(*key)));
            asked += 100_000;
            wrong += random(seed ^ 0xffff_0000).take(100_000).filter(|key| filter.may_contain(*key)).count();
        }
        assert!(wrong * 240 < asked, "{wrong} of {asked}");
        assert!(matches!(SegmentFilter::build(keys(4_096, 1)).coarse(), SegmentFilter::Fuse { .. }));
    }

    #[test]
    fn digests_that_begin_alike_are_one_key() {
        let mut keys = keys(5_000, 1);
        keys.extend_from_within(..);
        keys.sort_unstable();
        let filter = SegmentFilter::build(keys.clone());
        assert!(matches!(filter, SegmentFilter::Fuse { .. }));
        assert!(keys.iter().all(|key| filter.may_contain(*key)));
    }

    #[test]
    fn what_is_no_filter_is_not_read() {
        for bytes in [&[][..], &[1], &[9, 0], &[1, 0, 0], &[1, 3], &[1, 1, 0], &[1, 2, 0]] {
            assert!(SegmentFilter::read(bytes).is_none(), "{bytes:?}");
        }
        let bytes = SegmentFilter::build(keys(100, 1)).write();
        for at in 10..22 {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x55;
            assert!(SegmentFilter::read(&wrong).is_none(), "{at}");
        }
        assert!(SegmentFilter::read(&bytes[..bytes.len() - 2]).is_none());
        let unsorted = [&[1, 1][..], &2_u64.to_le_bytes(), &1_u64.to_le_bytes()].concat();
        assert_eq!(SegmentFilter::read(&unsorted), None);
        assert!(SegmentFilter::read(&[1, 0]).unwrap().may_contain(7));
        assert!(!SegmentFilter::read(&[1, 1]).unwrap().may_contain(7));
    }
}
