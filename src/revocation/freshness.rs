//! The freshness of a check: how soon it sees a logout.

use std::time::Duration;

/// The default bound.
pub const DEFAULT_BOUND: Duration = Duration::from_secs(1);

/// How soon after a logout a check stops reporting the token as active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Immediately. Every check relies on a sync that was requested after the check began.
    Strong,
    /// After this duration at the latest. Checks are answered from memory, which is synced with the ledger.
    Bounded(Duration),
    /// When the write is visible in Workers KV. Checks read KV alone, so no ledger is needed.
    Eventual,
}

impl Freshness {
    /// The default with a ledger.
    pub const DEFAULT: Self = Self::Bounded(DEFAULT_BOUND);

    /// The bound, if any.
    #[must_use]
    pub const fn bound(self) -> Option<Duration> {
        match self {
            Self::Bounded(bound) => Some(bound),
            Self::Strong | Self::Eventual => None,
        }
    }

    /// Whether this freshness is at least as strong as another one.
    #[must_use]
    pub fn is_at_least(self, other: Self) -> bool {
        match (self, other) {
            (Self::Strong, _) | (_, Self::Eventual) => true,
            (Self::Bounded(own), Self::Bounded(other)) => own <= other,
            (_, Self::Strong) | (Self::Eventual, Self::Bounded(_)) => false,
        }
    }

    /// The name in the configuration, in queries and in responses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Bounded(_) => "bounded",
            Self::Eventual => "eventual",
        }
    }
}
