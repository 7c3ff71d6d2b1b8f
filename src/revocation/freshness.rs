//! What a check promises.

use std::time::Duration;

/// The bound unless configured otherwise.
pub const DEFAULT_BOUND: Duration = Duration::from_secs(1);

/// How soon after a logout a check no longer says that the token is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// At once: the ledger is asked every time.
    Strong,
    /// After so long: memory that follows the ledger's feed.
    Bounded(Duration),
    /// Once Workers KV has settled: KV alone, and no ledger is needed.
    Eventual,
}

impl Freshness {
    /// What holds unless configured otherwise, where there is a ledger.
    pub const DEFAULT: Self = Self::Bounded(DEFAULT_BOUND);

    /// The bound, when it has one.
    #[must_use]
    pub const fn bound(self) -> Option<Duration> {
        match self {
            Self::Bounded(bound) => Some(bound),
            Self::Strong | Self::Eventual => None,
        }
    }

    /// Whether it promises at least as much as another one.
    #[must_use]
    pub fn is_at_least(self, other: Self) -> bool {
        match (self, other) {
            (Self::Strong, _) | (_, Self::Eventual) => true,
            (Self::Bounded(own), Self::Bounded(other)) => own <= other,
            (_, Self::Strong) | (Self::Eventual, Self::Bounded(_)) => false,
        }
    }

    /// Its name in the configuration, in queries and in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Bounded(_) => "bounded",
            Self::Eventual => "eventual",
        }
    }
}
