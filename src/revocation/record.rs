//! One revocation: which tokens it ends, and for how long.

use std::time::Duration;

use super::key::Digest;
use crate::time::Timestamp;

/// Two logouts of one session within this time count as one. Revocations that live for a time from now are made so much
/// longer, so that the earlier of the two does for both.
pub(super) const DUPLICATE_WINDOW: Duration = Duration::from_secs(3);

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

    /// Its number in what is stored and sent; it never changes.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Issuer => 0,
            Self::Subject => 1,
            Self::Session => 2,
            Self::Token => 3,
        }
    }

    /// The scope of a number.
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.number() == number)
    }

    /// The scope of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name)
    }
}

/// Which tokens a revocation ends, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

    /// Whether they end all that `other` ends, and as long, but for what `other` can spare.
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
fn ends(cut_off: Option<Timestamp>, issued_at: Option<Timestamp>) -> bool {
    match (cut_off, issued_at) {
        (Some(cut_off), Some(issued_at)) => issued_at <= cut_off,
        _ => true,
    }
}

/// One revocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// Where it is found.
    pub digest: Digest,
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

impl Revocation {
    /// Its key in Workers KV.
    #[must_use]
    pub fn key(&self) -> String {
        self.digest.key(&self.issuer, self.scope)
    }

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
}

/// What one logout revokes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Logout {
    /// The widest revocation: it ends everything that the others end.
    pub widest: Revocation,
    /// The token's own revocation, where that is another one. It is an entry in Workers KV, with the token's expiry.
    pub token: Option<TokenEntry>,
}

/// A token's own revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenEntry {
    /// Where it is found.
    pub digest: Digest,
    /// When the token is expired everywhere.
    pub expires_at: Timestamp,
}

impl Logout {
    /// The token's own revocation, where that is not the widest.
    #[must_use]
    pub fn of_token(&self) -> Option<Revocation> {
        let TokenEntry { digest, expires_at } = self.token?;
        let widest = self.widest.clone();
        Some(Revocation { digest, scope: Scope::Token, cut_off: None, expires_at, spare: Duration::ZERO, ..widest })
    }
}

/// Which of so many shards records what is revoked. The first one has the cut-offs of issuers, which every check needs.
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
