//! What the ledger and the index have said of keys.

use std::collections::HashMap;

use super::authority::Doubt;
use super::check::Status;
use super::digest::Digest;
use super::plan::Matchable;
use super::record::{Limits, StoredRevocation};
use crate::ports::{IndexError, LedgerError};

/// What was said of each key that was asked for.
#[derive(Debug, Default)]
pub(super) struct Evidence(HashMap<String, Result<Found, Doubt>>);

#[derive(Clone, Copy, Debug)]
enum Found {
    Nothing,
    Revocation(Limits),
    /// Somebody wrote it under a key that only a revocation has: it ends every token.
    Unreadable,
}

impl Evidence {
    pub(super) fn of_ledger(keys: Vec<String>, found: Result<Vec<Option<Limits>>, LedgerError>) -> Self {
        match found {
            Ok(found) => Self(keys.into_iter().zip(found.into_iter().map(|limits| Ok(limits.into()))).collect()),
            Err(error) => Self(keys.into_iter().map(|key| (key, Err(Doubt::Ledger(error)))).collect()),
        }
    }

    pub(super) fn of_index(keys: &[String], found: Result<Vec<Option<String>>, IndexError>) -> Self {
        let keys = keys.iter().cloned();
        match found {
            Ok(values) => Self(keys.zip(values.iter().map(|value| Ok(Found::read(value.as_deref())))).collect()),
            Err(error) => Self(keys.map(|key| (key, Err(Doubt::Index(error)))).collect()),
        }
    }

    pub(super) fn all(parts: Vec<Self>) -> Self {
        Self(parts.into_iter().flat_map(|part| part.0).collect())
    }

    /// What it says of a token. That it is active only when there is a word on every key; that it is revoked as soon as
    /// one key says so.
    pub(super) fn judge(&self, token: &Matchable) -> Result<Status, Doubt> {
        let mut status = Ok(Status::Active);
        for key in &token.keys {
            match self.0.get(&key.key) {
                Some(Ok(found)) if found.ends(token) => return Ok(Status::Revoked(key.scope)),
                Some(Ok(_)) => {}
                Some(Err(doubt)) => status = Err(*doubt),
                None => status = Err(Doubt::Index(IndexError::Permanent)),
            }
        }
        status
    }
}

impl Evidence {
    /// The revocations that end a token.
    pub(super) fn endings(&self, token: &Matchable) -> impl Iterator<Item = (Digest, Limits)> {
        token.keys.iter().filter_map(|key| match self.0.get(&key.key) {
            Some(Ok(Found::Revocation(limits))) if limits.match_token(token.issued_at) => Some((key.digest, *limits)),
            _ => None,
        })
    }
}

impl Found {
    fn read(value: Option<&str>) -> Self {
        match value {
            None => Self::Nothing,
            Some(text) => {
                StoredRevocation::parse(text).map_or(Self::Unreadable, |stored| Self::Revocation(stored.limits()))
            }
        }
    }

    fn ends(self, token: &Matchable) -> bool {
        match self {
            Self::Nothing => false,
            Self::Revocation(limits) => limits.match_token(token.issued_at),
            Self::Unreadable => true,
        }
    }
}

impl From<Option<Limits>> for Found {
    fn from(limits: Option<Limits>) -> Self {
        limits.map_or(Self::Nothing, Self::Revocation)
    }
}
