//! One revocation, and its form in Workers KV. `docs/storage.md` has the schema for those who read it from outside.

use std::time::Duration;

use super::stored::write_stored;
use crate::time::Timestamp;

/// Workers KV keeps an entry at least this long.
const KV_MIN_LIFETIME: Duration = Duration::from_mins(1);
/// Below this an absolute date might be less than KV's minimum away by the time that a retried write arrives.
const KV_ABSOLUTE_FROM: Duration = Duration::from_mins(2);
/// Workers KV reads expiry as a 32-bit number and refuses more.
const KV_LAST_SECOND: i64 = i32::MAX as i64;
/// Two logouts of one session within this time are the same logout. Revocations that live for a time from now are
/// made so much longer, so that the earlier of the two does for both.
pub(super) const TWICE_AT_ONCE: Duration = Duration::from_secs(3);

/// How much a revocation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Every token of an issuer that was issued up to a time.
    Issuer,
    /// Every token of a user that was issued up to a time.
    Subject,
    /// Every token of a session.
    Session,
    /// One token.
    Token,
}

impl Scope {
    /// All scopes, the one that ends most first.
    pub const ALL: [Self; 4] = [Self::Issuer, Self::Subject, Self::Session, Self::Token];

    /// Its name in keys and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Subject => "subject",
            Self::Session => "session",
            Self::Token => "token",
        }
    }

    /// The scope of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name)
    }
}

/// Which tokens a revocation ends, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// For a subject or an issuer: tokens issued up to this time are revoked.
    pub cut_off: Option<Timestamp>,
    /// When no token is left that it could match.
    pub expires_at: Timestamp,
}

impl Limits {
    /// Whether they end a token that was issued then.
    #[must_use]
    pub fn match_token(&self, issued_at: Option<Timestamp>) -> bool {
        ends(self.cut_off, issued_at)
    }

    /// Whether they end all that `other` ends, and as long, give or take what `other` can spare.
    #[must_use]
    pub fn cover(&self, other: &Self, spare: Duration) -> bool {
        let cut_off = match (self.cut_off, other.cut_off) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own >= other,
        };
        cut_off && self.expires_at.plus(spare) >= other.expires_at
    }

    /// The later cut-off and the later expiry of both.
    #[must_use]
    pub fn widened_by(&self, other: &Self) -> Self {
        Self {
            cut_off: self.cut_off.zip(other.cut_off).map(|(own, other)| own.max(other)),
            expires_at: self.expires_at.max(other.expires_at),
        }
    }
}

/// Whether a revocation with this cut-off ends a token that was issued then. A token that does not say when is ended by
/// every cut-off.
pub(super) fn ends(cut_off: Option<Timestamp>, issued_at: Option<Timestamp>) -> bool {
    match (cut_off, issued_at) {
        (Some(cut_off), Some(issued_at)) => issued_at <= cut_off,
        _ => true,
    }
}

/// One revocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// Where it is found.
    pub key: String,
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// How much it ends.
    pub scope: Scope,
    /// When it was made.
    pub revoked_at: Timestamp,
    /// For a subject or an issuer: tokens issued up to this time are revoked.
    pub cut_off: Option<Timestamp>,
    /// When no token is left that it could match.
    pub expires_at: Timestamp,
    /// How much longer it lives than it must.
    pub spare: Duration,
}

/// How long KV keeps an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvLifetime {
    /// Until this second of Unix time.
    Until(u32),
    /// For this many seconds from when it is written.
    Seconds(u32),
}

/// An entry as it goes into KV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, well below KV's 512 bytes.
    pub key: String,
    /// The value, and the metadata as well: JSON below KV's 1,024 bytes of metadata.
    pub value: String,
    /// How long it stays.
    pub lifetime: KvLifetime,
}

impl Revocation {
    /// Which tokens it ends.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        Limits { cut_off: self.cut_off, expires_at: self.expires_at }
    }

    /// This revocation with other limits.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { cut_off: limits.cut_off, expires_at: limits.expires_at, ..self }
    }

    /// The entry in KV, when it is written now.
    #[must_use]
    pub fn entry(&self, now: Timestamp) -> Entry {
        Entry { key: self.key.clone(), value: write_stored(self), lifetime: kv_lifetime(self.expires_at, now) }
    }
}

/// How long KV must keep what expires at `expires_at`: until then, but at least 60 seconds and within 32 bits.
fn kv_lifetime(expires_at: Timestamp, now: Timestamp) -> KvLifetime {
    let remaining = expires_at.since(now);
    if remaining < KV_ABSOLUTE_FROM {
        let seconds = remaining.max(KV_MIN_LIFETIME).as_millis().div_ceil(1000);
        return KvLifetime::Seconds(u32::try_from(seconds).unwrap_or(u32::MAX));
    }
    let second = expires_at.as_seconds_rounded_up().min(KV_LAST_SECOND);
    KvLifetime::Until(u32::try_from(second).unwrap_or(0))
}

/// A revocation for tests of the formats that it is written in.
#[cfg(test)]
pub(super) mod sample {
    use super::*;

    pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_120);

    pub fn revocation(cut_off: Option<Timestamp>) -> Revocation {
        Revocation {
            key: "v1:worth:subject:digest".to_owned(),
            issuer: "worth".to_owned(),
            scope: Scope::Subject,
            revoked_at: NOW,
            cut_off,
            expires_at: Timestamp::from_seconds(1_800_003_600),
            spare: Duration::from_millis(3_001),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::StoredRevocation;
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn lifetime(remaining_millis: i64) -> KvLifetime {
        kv_lifetime(Timestamp::from_millis(NOW.as_millis().saturating_add(remaining_millis)), NOW)
    }

    #[test]
    fn kv_lifetimes_at_their_edges() {
        assert_eq!(lifetime(-5_000), KvLifetime::Seconds(60));
        assert_eq!(lifetime(0), KvLifetime::Seconds(60));
        assert_eq!(lifetime(60_000), KvLifetime::Seconds(60));
        assert_eq!(lifetime(60_001), KvLifetime::Seconds(61));
        assert_eq!(lifetime(119_999), KvLifetime::Seconds(120));
        assert_eq!(lifetime(120_000), KvLifetime::Until(1_800_000_120));
        assert_eq!(lifetime(120_001), KvLifetime::Until(1_800_000_121));
        assert_eq!(kv_lifetime(Timestamp::from_seconds(2_147_483_647), NOW), KvLifetime::Until(2_147_483_647));
        assert_eq!(kv_lifetime(Timestamp::from_seconds(2_147_483_648), NOW), KvLifetime::Until(2_147_483_647));
        assert_eq!(kv_lifetime(Timestamp::from_seconds(i64::MAX), NOW), KvLifetime::Until(2_147_483_647));
        // After 2038 the 32 bits are spent: KV is asked for its last second, and says itself that it cannot.
        let after = Timestamp::from_seconds(2_200_000_000);
        assert_eq!(kv_lifetime(after.plus(Duration::from_hours(1)), after), KvLifetime::Until(2_147_483_647));
    }

    fn revocation(cut_off: Option<i64>, expires_at: i64) -> Revocation {
        Revocation {
            key: "k".to_owned(),
            issuer: "i".to_owned(),
            scope: Scope::Subject,
            revoked_at: NOW,
            cut_off: cut_off.map(Timestamp::from_seconds),
            expires_at: Timestamp::from_seconds(expires_at),
            spare: TWICE_AT_ONCE,
        }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let revocation = revocation(Some(1_800_000_000), 1_800_003_600);
        let stored = StoredRevocation::parse(&revocation.entry(NOW).value).unwrap();
        assert_eq!(stored.limits(), revocation.limits());
        assert!(stored.limits().match_token(None));
        assert!(stored.limits().match_token(Some(NOW)));
        assert!(!stored.limits().match_token(Some(NOW.plus(Duration::from_millis(1)))));
    }

    #[test]
    fn covers_only_what_ends_no_later_and_no_more() {
        let limits = |cut_off: Option<i64>, expires_at: i64| revocation(cut_off, expires_at).limits();
        let covers = |one: Limits, other: Limits| one.cover(&other, TWICE_AT_ONCE);
        assert!(covers(limits(None, 20), limits(None, 20)));
        assert!(covers(limits(None, 20), limits(Some(9), 20)));
        assert!(!covers(limits(Some(9), 20), limits(None, 20)));
        assert!(!covers(limits(Some(9), 20), limits(Some(10), 20)));
        assert!(covers(limits(Some(9), 20), limits(Some(9), 23)));
        assert!(!covers(limits(Some(9), 20), limits(Some(9), 24)));
        assert!(!limits(None, 20).cover(&limits(None, 21), Duration::ZERO));
    }
}
