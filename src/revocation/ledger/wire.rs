//! The wire format of calls to a shard and of its answers. Both start with a format version.
//!
//! Integers are LEB128 varints. Timestamps are zigzag-encoded milliseconds. An optional value is preceded by a flag
//! byte.

use std::time::Duration;

use super::super::key::{Digest, Prefix};
use super::super::record::{Logout, Revocation, Scope, TokenEntry};
use super::segment::{Segment, SegmentName};
use crate::time::Timestamp;

/// The format version.
const FORMAT: u8 = 1;
/// The maximum length of a list. More than any page, batch or directory has.
const MAX_ELEMENTS: u64 = 1_000_000;

/// How much of a shard's log a caller has: everything up to a version of a lineage. Version 0 means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// The lineage that the version belongs to.
    pub lineage: u64,
    /// The version.
    pub version: u64,
}

/// The caller's configuration of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setup {
    /// The number of the called shard, from 0.
    pub shard: u32,
    /// How many shards the ledger has, as far as the caller knows.
    pub shards: u32,
    /// How long a Workers KV write takes to be visible in every location, in whole seconds.
    pub settling: Duration,
    /// When the last Worker version without a ledger stopped writing to Workers KV, if the operator configured that.
    pub kv_written_until: Option<Timestamp>,
}

/// The question of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Record these logouts, all or none.
    Record(Vec<Logout>),
    /// Return the changes since a position.
    Sync(SyncQuestion),
    /// Return which of these digests are revoked. The position must be on the shard's history.
    Confirm(Position, Vec<Digest>),
    /// Return the filter of a segment.
    Segment(SegmentName),
}

/// Asks for the changes since a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyncQuestion {
    /// The caller's position.
    pub at: Position,
    /// The id of the caller's directory.
    pub directory: u64,
    /// How many entries before the position to repeat, so that isolates that are a little behind can use the answer
    /// too.
    pub overlap: u32,
}

/// A call to a shard: a question and the caller's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// The caller's configuration.
    pub setup: Setup,
    /// The question.
    pub question: Question,
}

/// The answer of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The logouts are durable.
    Recorded,
    /// The changes.
    Synced(Synced),
    /// For each digest, in order: tokens issued up to this time are revoked; `None` if no token is.
    Confirmed(Vec<Option<Timestamp>>),
    /// The encoded filter; `None` if the segment no longer exists.
    Segment(Option<Vec<u8>>),
    /// The position is not on this shard's history. The caller must start over from version 0.
    OtherHistory,
    /// The ledger has this number of shards, not the caller's.
    OtherLayout(u32),
    /// The shard's storage is full: it records no more logouts.
    Full,
}

/// The changes since a position: one entry for each version from `after` (exclusive) to `upto` (inclusive).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Synced {
    /// The current lineage.
    pub lineage: u64,
    /// The version before the first entry.
    pub after: u64,
    /// The version of the last entry.
    pub upto: u64,
    /// Whether `upto` is the end of the log.
    pub is_complete: bool,
    /// Whether an import is in progress: Workers KV may have revocations that the ledger does not.
    pub is_importing: bool,
    /// How many shards the ledger has.
    pub shards: u32,
    /// The id of the current directory.
    pub directory_id: u64,
    /// The directory, if the caller has another one.
    pub directory: Option<Directory>,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// A revocation as replicas hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The first half of the digest.
    pub prefix: Prefix,
    /// Tokens issued up to this time are revoked. [`Timestamp::END`]: all tokens.
    pub revokes_upto: Timestamp,
}

/// The sealed part of a shard's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Directory {
    /// The last version that the segments cover.
    pub sealed: u64,
    /// The segments.
    pub segments: Vec<Segment>,
    /// Every live issuer cut-off among these versions.
    pub cut_offs: Vec<Entry>,
}

impl Entry {
    /// The entry of a revocation; without a cut-off it revokes all tokens.
    #[must_use]
    pub fn new(digest: &Digest, cut_off: Option<Timestamp>) -> Self {
        Self { prefix: digest.prefix(), revokes_upto: cut_off.unwrap_or(Timestamp::END) }
    }
}

impl Call {
    /// Encodes the call.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let Setup { shard, shards, settling, kv_written_until } = self.setup;
        let mut writer = Writer::new();
        writer.number(shard.into());
        writer.number(shards.into());
        writer.number(settling.as_secs());
        writer.optional_timestamp(kv_written_until);
        match &self.question {
            Question::Record(batch) => {
                writer.byte(1);
                writer.list(batch, Writer::logout);
            }
            Question::Sync(SyncQuestion { at, directory, overlap }) => {
                writer.byte(2);
                writer.position(*at);
                writer.number(*directory);
                writer.number((*overlap).into());
            }
            Question::Confirm(at, digests) => {
                writer.byte(3);
                writer.position(*at);
                writer.list(digests, |writer, digest| writer.bytes(digest.bytes()));
            }
            Question::Segment(name) => {
                writer.byte(4);
                writer.bytes(&name.0);
            }
        }
        writer.0
    }

    /// Decodes a call; `None` if it is malformed or of another format version.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes)?;
        let setup = Setup {
            shard: reader.number()?.try_into().ok()?,
            shards: reader.number()?.try_into().ok()?,
            settling: Duration::from_secs(reader.number()?),
            kv_written_until: reader.optional_timestamp()?,
        };
        let question = match reader.byte()? {
            1 => Question::Record(reader.list(Reader::logout)?),
            2 => Question::Sync(SyncQuestion {
                at: reader.position()?,
                directory: reader.number()?,
                overlap: reader.number()?.try_into().ok()?,
            }),
            3 => Question::Confirm(reader.position()?, reader.list(Reader::digest)?),
            4 => Question::Segment(SegmentName(reader.array()?)),
            _ => return None,
        };
        reader.finish(Self { setup, question })
    }
}

impl Answer {
    /// Encodes the answer.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Recorded => writer.byte(1),
            Self::Synced(synced) => {
                writer.byte(2);
                writer.synced(synced);
            }
            Self::Confirmed(found) => {
                writer.byte(3);
                writer.list(found, |writer, found| writer.optional_timestamp(*found));
            }
            Self::Segment(filter) => {
                writer.byte(4);
                writer.flag(filter.is_some());
                writer.0.extend(filter.iter().flatten());
            }
            Self::OtherHistory => writer.byte(5),
            Self::OtherLayout(shards) => {
                writer.byte(6);
                writer.number((*shards).into());
            }
            Self::Full => writer.byte(7),
        }
        writer.0
    }

    /// Decodes an answer; `None` if it is malformed or of another format version.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes)?;
        let answer = match reader.byte()? {
            1 => Self::Recorded,
            2 => Self::Synced(reader.synced()?),
            3 => Self::Confirmed(reader.list(Reader::optional_timestamp)?),
            4 => {
                let is_there = reader.flag()?;
                Self::Segment(is_there.then(|| std::mem::take(&mut reader.0).to_vec()))
            }
            5 => Self::OtherHistory,
            6 => Self::OtherLayout(reader.number()?.try_into().ok()?),
            7 => Self::Full,
            _ => return None,
        };
        reader.finish(answer)
    }
}

/// Encodes values.
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn new() -> Self {
        Self(vec![FORMAT])
    }

    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub fn flag(&mut self, flag: bool) {
        self.byte(flag.into());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.byte(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
            number >>= 7_u32;
        }
        self.byte(u8::try_from(number).unwrap_or(0));
    }

    pub fn timestamp(&mut self, timestamp: Timestamp) {
        let millis = timestamp.as_millis();
        self.number((millis.wrapping_shl(1) ^ millis.wrapping_shr(63)).cast_unsigned());
    }

    pub fn optional_timestamp(&mut self, timestamp: Option<Timestamp>) {
        self.flag(timestamp.is_some());
        if let Some(timestamp) = timestamp {
            self.timestamp(timestamp);
        }
    }

    pub fn text(&mut self, text: &str) {
        self.number(u64::try_from(text.len()).unwrap_or(u64::MAX));
        self.bytes(text.as_bytes());
    }

    pub fn list<T>(&mut self, elements: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(u64::try_from(elements.len()).unwrap_or(u64::MAX));
        for element in elements {
            write(self, element);
        }
    }

    fn position(&mut self, position: Position) {
        self.number(position.lineage);
        self.number(position.version);
    }

    fn logout(&mut self, Logout { widest, token }: &Logout) {
        self.bytes(widest.digest.bytes());
        self.text(&widest.issuer);
        self.byte(widest.scope.number());
        self.timestamp(widest.revoked_at);
        self.optional_timestamp(widest.cut_off);
        self.timestamp(widest.expires_at);
        self.number(u64::try_from(widest.duplicate_window.as_millis()).unwrap_or(u64::MAX));
        self.flag(token.is_some());
        if let Some(TokenEntry { digest, expires_at }) = token {
            self.bytes(digest.bytes());
            self.timestamp(*expires_at);
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.bytes(entry.prefix.bytes());
        self.optional_timestamp(Some(entry.revokes_upto).filter(|upto| *upto != Timestamp::END));
    }

    fn synced(&mut self, synced: &Synced) {
        self.number(synced.lineage);
        self.number(synced.after);
        self.number(synced.upto);
        self.flag(synced.is_complete);
        self.flag(synced.is_importing);
        self.number(synced.shards.into());
        self.number(synced.directory_id);
        self.flag(synced.directory.is_some());
        if let Some(Directory { sealed, segments, cut_offs }) = &synced.directory {
            self.number(*sealed);
            self.list(segments, |writer, segment| segment.write(writer));
            self.list(cut_offs, Self::entry);
        }
        self.list(&synced.entries, Self::entry);
    }
}

/// Decodes values. Methods return `None` if the input is malformed or too short.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.strip_prefix(&[FORMAT]).map(Self)
    }

    /// Returns `read` if the whole input was consumed.
    pub fn finish<T>(self, read: T) -> Option<T> {
        self.0.is_empty().then_some(read)
    }

    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    /// The rest of the input in chunks of `N` bytes; `None` if its length is not a multiple of `N`.
    pub fn rest<const N: usize>(&mut self) -> Option<impl Iterator<Item = [u8; N]>> {
        let rest = std::mem::take(&mut self.0);
        let (parts, left) = rest.as_chunks::<N>();
        left.is_empty().then(|| parts.iter().copied())
    }

    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for place in 0..10_u32 {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits.checked_shl(place.saturating_mul(7))?;
            // The tenth byte may only hold the last bit of a `u64`.
            if shifted >> place.saturating_mul(7) != bits {
                return None;
            }
            number |= shifted;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub fn timestamp(&mut self) -> Option<Timestamp> {
        let number = self.number()?;
        let millis = (number >> 1_u32).cast_signed() ^ (number & 1).cast_signed().wrapping_neg();
        Some(Timestamp::from_millis(millis))
    }

    #[expect(clippy::option_option, reason = "the outer `None` means malformed input, the inner one an absent value")]
    pub fn optional_timestamp(&mut self) -> Option<Option<Timestamp>> {
        if self.flag()? { self.timestamp().map(Some) } else { Some(None) }
    }

    pub fn text(&mut self) -> Option<String> {
        let length = self.number()?.try_into().ok()?;
        str::from_utf8(self.bytes(length)?).ok().map(str::to_owned)
    }

    pub fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.number().filter(|length| *length <= MAX_ELEMENTS)?;
        // Every element has at least one byte, so a forged length cannot allocate more than the input.
        let capacity = usize::try_from(length).ok()?.min(self.0.len());
        let mut elements = Vec::with_capacity(capacity);
        for _ in 0..length {
            elements.push(read(self)?);
        }
        Some(elements)
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position { lineage: self.number()?, version: self.number()? })
    }

    fn digest(&mut self) -> Option<Digest> {
        self.array().map(Digest::from_bytes)
    }

    fn logout(&mut self) -> Option<Logout> {
        let widest = Revocation {
            digest: self.digest()?,
            issuer: self.text()?,
            scope: Scope::numbered(self.byte()?)?,
            revoked_at: self.timestamp()?,
            cut_off: self.optional_timestamp()?,
            expires_at: self.timestamp()?,
            duplicate_window: Duration::from_millis(self.number()?),
        };
        let token = if self.flag()? {
            Some(TokenEntry { digest: self.digest()?, expires_at: self.timestamp()? })
        } else {
            None
        };
        Some(Logout { widest, token })
    }

    fn entry(&mut self) -> Option<Entry> {
        let prefix = Prefix::from_bytes(self.array()?);
        Some(Entry { prefix, revokes_upto: self.optional_timestamp()?.unwrap_or(Timestamp::END) })
    }

    fn synced(&mut self) -> Option<Synced> {
        let mut synced = Synced {
            lineage: self.number()?,
            after: self.number()?,
            upto: self.number()?,
            is_complete: self.flag()?,
            is_importing: self.flag()?,
            shards: self.number()?.try_into().ok()?,
            directory_id: self.number()?,
            directory: None,
            entries: Vec::new(),
        };
        if self.flag()? {
            let sealed = self.number()?;
            let segments = self.list(Segment::read)?;
            synced.directory = Some(Directory { sealed, segments, cut_offs: self.list(Self::entry)? });
        }
        synced.entries = self.list(Self::entry)?;
        let count = synced.upto.checked_sub(synced.after)?;
        (u64::try_from(synced.entries.len()).ok()? == count).then_some(synced)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segments() -> impl Strategy<Value = Segment> {
        (any::<[u8; 16]>(), any::<(u64, u64, u64, u32)>(), any::<[u8; 16]>()).prop_map(|(name, numbers, checksum)| {
            let (first, last, upto, entries) = numbers;
            Segment { name: SegmentName(name), first, last, upto, entries, checksum }
        })
    }

    fn moments() -> impl Strategy<Value = Timestamp> {
        any::<i64>().prop_map(Timestamp::from_millis)
    }

    fn entries() -> impl Strategy<Value = Entry> {
        (any::<[u8; 16]>(), moments())
            .prop_map(|(prefix, revokes_upto)| Entry { prefix: Prefix::from_bytes(prefix), revokes_upto })
    }

    fn logouts() -> impl Strategy<Value = Logout> {
        let token = (any::<[u8; 32]>(), moments())
            .prop_map(|(digest, expires_at)| TokenEntry { digest: Digest::from_bytes(digest), expires_at });
        let parts = (any::<[u8; 32]>(), ".{0,20}", 0_u8..4, moments(), proptest::option::of(moments()), moments());
        (parts, 0_u64..10_000, proptest::option::of(token)).prop_map(
            |((digest, issuer, scope, revoked_at, cut_off, expires_at), duplicate_window, token)| Logout {
                widest: Revocation {
                    digest: Digest::from_bytes(digest),
                    issuer,
                    scope: Scope::numbered(scope).unwrap(),
                    revoked_at,
                    cut_off,
                    expires_at,
                    duplicate_window: Duration::from_millis(duplicate_window),
                },
                token,
            },
        )
    }

    fn questions() -> impl Strategy<Value = Question> {
        let positions = || any::<(u64, u64)>().prop_map(|(lineage, version)| Position { lineage, version });
        let digests = proptest::collection::vec(any::<[u8; 32]>().prop_map(Digest::from_bytes), 0..5);
        prop_oneof![
            proptest::collection::vec(logouts(), 0..4).prop_map(Question::Record),
            (positions(), any::<u64>(), any::<u32>())
                .prop_map(|(at, directory, overlap)| Question::Sync(SyncQuestion { at, directory, overlap })),
            (positions(), digests).prop_map(|(at, digests)| Question::Confirm(at, digests)),
            any::<[u8; 16]>().prop_map(|name| Question::Segment(SegmentName(name))),
        ]
    }

    fn answers() -> impl Strategy<Value = Answer> {
        let directory =
            (any::<u64>(), proptest::collection::vec(segments(), 0..4)).prop_flat_map(|(sealed, segments)| {
                proptest::collection::vec(entries(), 0..3).prop_map(move |cut_offs| Directory {
                    sealed,
                    segments: segments.clone(),
                    cut_offs,
                })
            });
        let synced = (
            any::<(u64, u32, bool, bool, u32, u64)>(),
            proptest::option::of(directory),
            proptest::collection::vec(entries(), 0..5),
        )
            .prop_map(|(numbers, directory, entries)| {
                let (lineage, after, is_complete, is_importing, shards, directory_id) = numbers;
                let after = u64::from(after);
                let upto = after.saturating_add(u64::try_from(entries.len()).unwrap());
                Synced { lineage, after, upto, is_complete, is_importing, shards, directory_id, directory, entries }
            });
        prop_oneof![
            Just(Answer::Recorded),
            Just(Answer::OtherHistory),
            Just(Answer::Full),
            any::<u32>().prop_map(Answer::OtherLayout),
            synced.prop_map(Answer::Synced),
            proptest::collection::vec(proptest::option::of(moments()), 0..5).prop_map(Answer::Confirmed),
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)).prop_map(Answer::Segment),
        ]
    }

    proptest! {
        #[test]
        fn a_call_is_read_as_it_was_written_or_not_at_all(
            question in questions(), until in proptest::option::of(moments()), cut in 0_usize..100, at in 0_usize..100, byte in any::<u8>(),
        ) {
            let setup = Setup { shard: 2, shards: 3, settling: Duration::from_mins(2), kv_written_until: until };
            let call = Call { setup, question };
            let mut bytes = call.write();
            prop_assert_eq!(Call::read(&bytes), Some(call.clone()));
            prop_assert_eq!(Call::read(&bytes[..bytes.len().saturating_sub(cut).saturating_sub(1)]), None);
            bytes.push(0);
            prop_assert_eq!(Call::read(&bytes), None);
            bytes.pop();
            let at = at.checked_rem(bytes.len()).unwrap();
            bytes[at] ^= byte;
            // Nothing to assert but that it ends: whatever it reads, it reads without a panic.
            let _ = Call::read(&bytes);
        }

        #[test]
        fn an_answer_is_read_as_it_was_written_or_not_at_all(answer in answers(), at in 0_usize..100, byte in 1_u8..) {
            let mut bytes = answer.write();
            prop_assert_eq!(Answer::read(&bytes), Some(answer.clone()));
            let at = at.checked_rem(bytes.len()).unwrap();
            bytes[at] ^= byte;
            let _ = Answer::read(&bytes);
            bytes[0] = 2;
            prop_assert_eq!(Answer::read(&bytes), None);
        }
    }

    #[test]
    fn what_is_no_call_is_not_guessed() {
        for bytes in [
            &b""[..],
            &[2],
            &[1],
            &[1, 0, 1, 0, 0, 9],
            &[1, 0, 1, 0, 2, 1, 0],
            &[1, 0, 1, 0, 0, 1, 255, 255, 255, 255, 15],
        ] {
            assert_eq!(Call::read(bytes), None, "{bytes:?}");
        }
        assert_eq!(Answer::read(&[1, 4, 0]), Some(Answer::Segment(None)));
        assert_eq!(Answer::read(&[1, 4, 0, 7]), None, "there is no filter");
        assert_eq!(Reader::new(&[1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]).unwrap().number(), None);
    }
}
