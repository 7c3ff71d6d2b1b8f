//! Revocations and logouts as values.

use std::time::Duration;

use super::key::Digest;
use crate::time::Timestamp;

/// Two logouts of a session within this time count as one. Revocations whose expiry is relative to now live this much
/// longer than required, so that the first one also covers the second.
pub(super) const DUPLICATE_WINDOW: Duration = Duration::from_secs(3);

/// The scope of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Every token of an issuer that was issued up to a cut-off.
    Issuer,
    /// Every token of a subject that was issued up to a cut-off.
    Subject,
    /// Every token of a session.
    Session,
    /// One token.
    Token,
}

impl Scope {
    /// All scopes, the widest first.
    pub const ALL: [Self; 4] = [Self::Issuer, Self::Subject, Self::Session, Self::Token];

    /// The name in KV keys and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Subject => "subject",
            Self::Session => "session",
            Self::Token => "token",
        }
    }

    /// The number in storage and wire formats. It must never change.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Issuer => 0,
            Self::Subject => 1,
            Self::Session => 2,
            Self::Token => 3,
        }
    }

    /// The scope with a number.
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.number() == number)
    }

    /// The scope with a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name)
    }
}

/// Which tokens a revocation matches, and until when it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limits {
    /// For a subject or an issuer: tokens issued up to this time are revoked.
    pub cut_off: Option<Timestamp>,
    /// When every token that it matches has expired.
    pub expires_at: Timestamp,
}

impl Limits {
    /// Whether the limits include a token with this issue time.
    #[must_use]
    pub fn match_token(&self, issued_at: Option<Timestamp>) -> bool {
        ends(self.cut_off, issued_at)
    }

    /// Whether these limits include `other`. The expiry may be earlier by `duplicate_window`.
    #[must_use]
    pub fn cover(&self, other: &Self, duplicate_window: Duration) -> bool {
        let cut_off = match (self.cut_off, other.cut_off) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own >= other,
        };
        cut_off && self.expires_at.plus(duplicate_window) >= other.expires_at
    }

    /// The union of two limits: the later cut-off and the later expiry.
    #[must_use]
    pub fn widened_by(&self, other: &Self) -> Self {
        Self {
            cut_off: self.cut_off.zip(other.cut_off).map(|(own, other)| own.max(other)),
            expires_at: self.expires_at.max(other.expires_at),
        }
    }
}

/// Whether a cut-off revokes a token with this issue time. Tokens without `iat` are revoked by every cut-off.
fn ends(cut_off: Option<Timestamp>, issued_at: Option<Timestamp>) -> bool {
    match (cut_off, issued_at) {
        (Some(cut_off), Some(issued_at)) => issued_at <= cut_off,
        _ => true,
    }
}

/// One revocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// The digest of what is revoked.
    pub digest: Digest,
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// The scope.
    pub scope: Scope,
    /// When the logout was recorded.
    pub revoked_at: Timestamp,
    /// For subjects and issuers: tokens issued up to this time are revoked.
    pub cut_off: Option<Timestamp>,
    /// When every token that it matches has expired.
    pub expires_at: Timestamp,
    /// By how much `expires_at` exceeds what is required, so that a repeated logout needs no new revocation.
    pub duplicate_window: Duration,
}

impl Revocation {
    /// The key in Workers KV.
    #[must_use]
    pub fn key(&self) -> String {
        self.digest.key(&self.issuer, self.scope)
    }

    /// Which tokens it matches, and until when it is needed.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        Limits { cut_off: self.cut_off, expires_at: self.expires_at }
    }

    /// Replaces the limits.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { cut_off: limits.cut_off, expires_at: limits.expires_at, ..self }
    }
}

/// The revocations of one logout.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Logout {
    /// The widest revocation, which implies the others.
    pub widest: Revocation,
    /// The token's own revocation, unless `widest` is that. It is only written to Workers KV, with the token's expiry.
    pub token: Option<TokenEntry>,
}

/// A token's own revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenEntry {
    /// The digest of the token id.
    pub digest: Digest,
    /// The token's expiry plus leeway.
    pub expires_at: Timestamp,
}

impl Logout {
    /// The token's own revocation, unless `widest` is that.
    #[must_use]
    pub fn token_revocation(&self) -> Option<Revocation> {
        let TokenEntry { digest, expires_at } = self.token?;
        let widest = self.widest.clone();
        Some(Revocation {
            digest,
            scope: Scope::Token,
            cut_off: None,
            expires_at,
            duplicate_window: Duration::ZERO,
            ..widest
        })
    }
}

/// The number of the shard that records a revocation, of `shards`. Shard 0 has all issuer cut-offs, which every check
/// needs.
#[must_use]
pub fn shard_of(scope: Scope, digest: &Digest, shards: u32) -> u32 {
    if scope == Scope::Issuer { 0 } else { digest.shard(shards) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_only_what_ends_no_later_and_no_more() {
        let limits = |cut_off: Option<i64>, expires_at: i64| Limits {
            cut_off: cut_off.map(Timestamp::from_seconds),
            expires_at: Timestamp::from_seconds(expires_at),
        };
        let covers = |one: Limits, other: Limits| one.cover(&other, DUPLICATE_WINDOW);
        assert!(covers(limits(None, 20), limits(None, 20)));
        assert!(covers(limits(None, 20), limits(Some(9), 20)));
        assert!(!covers(limits(Some(9), 20), limits(None, 20)));
        assert!(!covers(limits(Some(9), 20), limits(Some(10), 20)));
        assert!(covers(limits(Some(9), 20), limits(Some(9), 23)));
        assert!(!covers(limits(Some(9), 20), limits(Some(9), 24)));
        assert!(!limits(None, 20).cover(&limits(None, 21), Duration::ZERO));
    }
}
