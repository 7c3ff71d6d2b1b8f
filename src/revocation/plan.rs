//! Which revocations end what, and which can match a token. Pure: the same rule is used on both sides, so that what a
//! logout writes is what a check asks for.

use std::cell::Cell;
use std::time::Duration;

use super::digest::{Digest, key};
use super::record::{Revocation, Scope, TWICE_AT_ONCE};
use crate::time::Timestamp;
use crate::token::{OpaqueToken, TokenId, VerifiedToken};

/// How an issuer's tokens are revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRules {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// How long its tokens live at the most.
    pub longest_lifetime: Duration,
}

impl RevocationRules {
    /// When the last token is gone that can have been issued by now: one from a clock that is ahead, with the longest
    /// life, at a check whose clock is behind.
    fn last_token_gone(&self, now: Timestamp) -> Timestamp {
        now.plus(self.longest_lifetime).plus(self.leeway).plus(self.leeway).plus(TWICE_AT_ONCE)
    }
}

/// What ends: a token that was verified, or one that only its issuer could.
#[derive(Clone, Copy)]
pub enum Ended<'a> {
    /// A JWT.
    Jwt(&'a VerifiedToken),
    /// An opaque token: it is its own session, and says nothing about its user.
    Opaque(OpaqueToken<'a>),
}

impl Ended<'_> {
    fn token_id(&self) -> TokenId {
        match self {
            Self::Jwt(token) => token.id().clone(),
            Self::Opaque(token) => TokenId::from_opaque(token),
        }
    }

    /// What a scope is identified by, when the token has it.
    fn identifier(&self, scope: Scope) -> Option<String> {
        let jwt = match self {
            Self::Jwt(token) => Some(token),
            Self::Opaque(_) => None,
        };
        match scope {
            Scope::Issuer => Some(String::new()),
            Scope::Subject => jwt?.subject().map(str::to_owned),
            Scope::Session => jwt?.session().map(str::to_owned),
            Scope::Token => Some(self.token_id().as_str().to_owned()),
        }
    }
}

/// The revocations that end `scopes` of a token, the one that ends most first.
///
/// A token without session is ended by what there is: the token alone where that is among the scopes, otherwise every
/// token of its user issued up to now, otherwise itself. So at least one revocation always matches the token itself.
///
/// The order matters: were the narrow one written and the broad one lost, the next try would be refused as already
/// logged out, and the rest of the session would live on.
#[must_use]
pub fn revocations_for(ended: Ended<'_>, scopes: &[Scope], rules: &RevocationRules, now: Timestamp) -> Vec<Revocation> {
    let mut wanted: Vec<Scope> = Scope::ALL
        .iter()
        .copied()
        .filter(|scope| scopes.contains(scope) && ended.identifier(*scope).is_some())
        .collect();
    if wanted.is_empty() {
        let by_subject = scopes.contains(&Scope::Session) && ended.identifier(Scope::Subject).is_some();
        wanted.push(if by_subject { Scope::Subject } else { Scope::Token });
    }
    wanted.into_iter().filter_map(|scope| revocation(ended, scope, rules, now)).collect()
}

fn revocation(ended: Ended<'_>, scope: Scope, rules: &RevocationRules, now: Timestamp) -> Option<Revocation> {
    let identifier = ended.identifier(scope)?;
    let cut_off = match (scope, ended) {
        // An issuer whose clock is ahead dates the token after now: it ends all the same.
        (Scope::Issuer | Scope::Subject, Ended::Jwt(token)) => Some(token.issued_at().map_or(now, |at| at.max(now))),
        (Scope::Issuer | Scope::Subject, Ended::Opaque(_)) => Some(now),
        (Scope::Session | Scope::Token, _) => None,
    };
    let (expires_at, spare) = match (scope, ended) {
        (Scope::Token, Ended::Jwt(token)) => (token.expires_at().plus(rules.leeway), Duration::ZERO),
        _ => (rules.last_token_gone(now), TWICE_AT_ONCE),
    };
    Some(Revocation {
        key: key(&rules.issuer, scope, &identifier),
        issuer: rules.issuer.clone(),
        scope,
        revoked_at: now,
        // Dates of tokens are whole seconds, and two logouts of one second are to write the same.
        cut_off: cut_off.map(Timestamp::end_of_second),
        expires_at,
        spare,
    })
}

/// What can end a token: all revocations that can match it, and when it was issued. An isolate has thousands of them, so
/// only digests are kept; the keys, which are longer, are made of them when ledger or index are asked.
#[derive(Debug)]
pub struct Matchable {
    issuer: Box<str>,
    /// In the order of [`Scope::ALL`].
    digests: [Option<Digest>; Scope::ALL.len()],
    /// When it was issued.
    pub issued_at: Option<Timestamp>,
    /// When the index was asked last that knew of no revocation; only [`super::Memory`] knows whether that still counts.
    pub(super) asked: Cell<Option<Asked>>,
}

/// When the index was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub at: Timestamp,
    /// How often the clock had been set back by then: times before and after that cannot be compared.
    pub era: u32,
}

/// The key of a revocation that can match a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchKey<'a> {
    /// How much it would end.
    pub scope: Scope,
    /// The key's digest.
    pub digest: &'a Digest,
    issuer: &'a str,
}

impl MatchKey<'_> {
    /// Where the revocation would be found.
    #[must_use]
    pub fn text(&self) -> String {
        self.digest.key(self.issuer, self.scope)
    }
}

impl Matchable {
    /// What can end a token of an issuer.
    #[must_use]
    pub fn new(ended: Ended<'_>, issuer: &str) -> Self {
        let issued_at = match ended {
            Ended::Jwt(token) => token.issued_at(),
            Ended::Opaque(_) => None,
        };
        let digest = |scope: Scope| Some(Digest::of(issuer, scope, &ended.identifier(scope)?));
        Self { issuer: issuer.into(), digests: Scope::ALL.map(digest), issued_at, asked: Cell::new(None) }
    }

    /// The keys of the revocations that can match it, the one that ends most first.
    pub fn keys(&self) -> impl Iterator<Item = MatchKey<'_>> {
        let digests = self.digests.iter().map(Option::as_ref);
        let key = |(scope, digest): (Scope, Option<_>)| Some(MatchKey { scope, digest: digest?, issuer: &self.issuer });
        Scope::ALL.iter().copied().zip(digests).filter_map(key)
    }
}
