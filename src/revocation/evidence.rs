//! What the ledger and the index have said of keys.

use super::authority::Doubt;
use super::check::Status;
use super::digest::Digest;
use super::digests::{Digests, Entry};
use super::plan::{MatchKey, Matchable};
use super::record::Limits;
use super::stored::StoredRevocation;
use crate::ports::{IndexError, LedgerError};
use crate::time::Timestamp;

/// What was said of each key that was asked for.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The rank is the place among what was said.
    places: Digests,
    said: Vec<Result<Found, Doubt>>,
}

/// The answer to one call.
pub(super) struct Part<'a> {
    keys: Vec<MatchKey<'a>>,
    found: Result<Vec<Found>, Doubt>,
}

/// What was found under a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    Nothing,
    Revocation(Limits),
    /// Somebody wrote it under a key that only a revocation has: it ends every token.
    Unreadable,
}

impl<'a> Part<'a> {
    pub(super) fn of_ledger(keys: Vec<MatchKey<'a>>, found: Result<Vec<Option<Limits>>, LedgerError>) -> Self {
        let read = |limits: Option<Limits>| limits.map_or(Found::Nothing, Found::Revocation);
        Self { keys, found: found.map(|found| found.into_iter().map(read).collect()).map_err(Doubt::Ledger) }
    }

    pub(super) fn of_index(keys: Vec<MatchKey<'a>>, found: Result<Vec<Option<String>>, IndexError>) -> Self {
        let found = match found {
            // An answer about other than what was asked tells nothing.
            Ok(values) if values.len() != keys.len() => Err(IndexError::Permanent),
            found => found,
        };
        let read = |value: &Option<String>| Found::read(value.as_deref());
        Self { keys, found: found.map(|values| values.iter().map(read).collect()).map_err(Doubt::Index) }
    }
}

impl Evidence {
    pub(super) fn of(parts: Vec<Part<'_>>) -> Self {
        let mut evidence = Self::default();
        for Part { keys, found } in parts {
            for (place, key) in keys.iter().enumerate() {
                let said = match &found {
                    Ok(found) => found.get(place).copied().ok_or(Doubt::Index(IndexError::Permanent)),
                    Err(doubt) => Err(*doubt),
                };
                let rank = u64::try_from(evidence.said.len()).unwrap_or(u64::MAX);
                if evidence.places.insert(Entry::new(*key.digest, rank, None)) {
                    evidence.said.push(said);
                }
            }
        }
        evidence
    }

    fn get(&self, digest: &Digest) -> Result<Found, Doubt> {
        let said = self.places.get(digest).and_then(|entry| self.said.get(usize::try_from(entry.rank).ok()?));
        said.copied().unwrap_or(Err(Doubt::Index(IndexError::Permanent)))
    }

    /// What it says of a token. That it is active only when there is a word on every key; that it is revoked as soon as
    /// one key says so.
    pub(super) fn judge(&self, token: &Matchable) -> Result<Status, Doubt> {
        let mut status = Ok(Status::Active);
        for key in token.keys() {
            match self.get(key.digest) {
                Ok(found) if found.ends(token) => return Ok(Status::Revoked(key.scope)),
                Ok(_) => {}
                Err(doubt) => status = Err(doubt),
            }
        }
        status
    }

    /// The revocations that end a token, with their cut-offs.
    pub(super) fn endings(&self, token: &Matchable) -> impl Iterator<Item = (Digest, Option<Timestamp>)> {
        token.keys().filter_map(|key| match self.get(key.digest) {
            Ok(Found::Revocation(limits)) if limits.match_token(token.issued_at) => Some((*key.digest, limits.cut_off)),
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
