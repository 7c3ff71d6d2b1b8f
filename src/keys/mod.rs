//! The keys of issuers: configured, or fetched from where an identity provider publishes them (RFC 7517 section 5,
//! OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3).
//!
//! What is fetched is kept in the isolate's memory and shared with the location, refreshed before it ends, and served
//! on while the provider is down. A key that a good new set lacks is gone at once, from remembered tokens as well.

mod fetch;
mod freshness;
mod published;
mod set;
mod source;
mod verify;

use std::rc::Rc;

pub use fetch::{Attempt, KeyRequest, attempt};
pub use freshness::freshness;
pub use published::{Need, PublishedKeys, Step, Taken};
pub use set::{Judged, MAX_KEYS, MAX_SET_BYTES, RefusedKey, judge_set};
pub use source::{KeySource, is_key_url};
pub use verify::{readiness, refresh, verify_now, vouches_for};

use crate::time::Timestamp;
use crate::token::KeyRing;

/// An issuer's keys.
#[derive(Debug)]
pub enum IssuerKeys {
    /// They stand in the configuration.
    Configured(Rc<KeyRing>),
    /// Its identity provider publishes them.
    Published(Box<PublishedKeys>),
}

/// Which key has verified a token: it is good for as long as that key is its issuer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMark {
    /// The slot of a public key.
    pub slot: Option<u32>,
    /// The ring in which it was found last.
    pub generation: u32,
}

impl IssuerKeys {
    /// The keys as they are known now; `None` when none are that may still be used.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> Option<Rc<KeyRing>> {
        match self {
            Self::Configured(ring) => Some(Rc::clone(ring)),
            Self::Published(keys) => keys.current(now),
        }
    }

    /// The keys that stand in the configuration.
    #[must_use]
    pub fn configured(&self) -> Option<&KeyRing> {
        match self {
            Self::Configured(ring) => Some(ring),
            Self::Published(_) => None,
        }
    }

    /// Whether one key could be both issuers'. Of keys that are fetched nobody knows.
    #[must_use]
    pub fn may_share_a_key_with(&self, other: &Self) -> bool {
        match (self.configured(), other.configured()) {
            (Some(own), Some(others)) => own.shares_a_key_with(others),
            _ => true,
        }
    }

    /// Whether a key is known to be the issuer's still, without a further look: nothing has changed since, and nothing
    /// is due.
    #[must_use]
    pub fn vouches_at_once(&self, mark: KeyMark, now: Timestamp) -> bool {
        match self {
            Self::Configured(_) => true,
            Self::Published(keys) => keys.is_unchanged(mark.generation, now),
        }
    }

    /// Whether they are to be fetched behind an answer.
    #[must_use]
    pub fn wants_refresh(&self, now: Timestamp) -> bool {
        match self {
            Self::Configured(_) => false,
            Self::Published(keys) => keys.is_due(Need::Refresh, now),
        }
    }
}
