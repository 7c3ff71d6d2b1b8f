//! The keys of issuers: configured, or published by an identity provider as a JWK Set (RFC 7517 section 5), optionally
//! found by discovery (OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3).
//!
//! Fetched keys are cached in the isolate and shared within the location. They are refreshed before they become stale,
//! and stay in use while the provider is down. A key that a new set does not have is removed at once, and cached tokens
//! that it verified are no longer accepted.

mod fetch;
mod freshness;
mod published;
mod set;
mod source;
mod verify;

use std::rc::Rc;

pub use fetch::{Attempt, KeyRequest, attempt};
pub use freshness::freshness;
pub use published::{Need, PublishedKeys, SetUpdate, Step};
pub use set::{Judged, MAX_KEYS, MAX_SET_BYTES, RefusedKey, judge_set};
pub use source::{KeySource, is_key_url};
pub use verify::{confirm_key, readiness, refresh, verify_now};

use crate::time::Timestamp;
use crate::token::KeyRing;

/// An issuer's keys.
#[derive(Debug)]
pub enum IssuerKeys {
    /// Keys in the configuration or in Worker secrets.
    Configured(Rc<KeyRing>),
    /// Keys that an identity provider publishes.
    Published(Box<PublishedKeys>),
}

/// The key that verified a token. The verification is valid as long as the key belongs to the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMark {
    /// The slot of the key, if it is a public key.
    pub slot: Option<u32>,
    /// The generation of the key ring in which the key was last found.
    pub generation: u32,
}

impl IssuerKeys {
    /// The current keys; `None` if no usable keys are known.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> Option<Rc<KeyRing>> {
        match self {
            Self::Configured(ring) => Some(Rc::clone(ring)),
            Self::Published(keys) => keys.current(now),
        }
    }

    /// The configured keys; `None` if the keys are published.
    #[must_use]
    pub fn configured(&self) -> Option<&KeyRing> {
        match self {
            Self::Configured(ring) => Some(ring),
            Self::Published(_) => None,
        }
    }

    /// Whether two issuers may have a key in common. Always true for published keys, which can change.
    #[must_use]
    pub fn may_share_a_key_with(&self, other: &Self) -> bool {
        match (self.configured(), other.configured()) {
            (Some(own), Some(others)) => own.shares_a_key_with(others),
            _ => true,
        }
    }

    /// Whether a key is known to belong to the issuer without I/O: the keys are fresh and have not changed.
    #[must_use]
    pub fn is_current(&self, mark: KeyMark, now: Timestamp) -> bool {
        match self {
            Self::Configured(_) => true,
            Self::Published(keys) => keys.is_unchanged(mark.generation, now),
        }
    }

    /// Whether to refresh the keys in the background.
    #[must_use]
    pub fn wants_refresh(&self, now: Timestamp) -> bool {
        match self {
            Self::Configured(_) => false,
            Self::Published(keys) => keys.is_due(Need::Refresh, now),
        }
    }
}
