//! Which revocations end what, and which can match a token: the same rules for a logout and for a check.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::key::{Digest, DigestRules};
use super::record::{DUPLICATE_WINDOW, Logout, Revocation, Scope, TokenEntry};
use crate::time::Timestamp;
use crate::token::{OpaqueToken, TokenId, VerifiedToken};

/// How an issuer's tokens are revoked.
#[derive(Clone, Debug)]
pub struct RevocationRules {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// How long its tokens live at the most.
    pub longest_lifetime: Duration,
    /// How digests are made.
    pub digests: Rc<DigestRules>,
}

impl RevocationRules {
    /// When the last token is gone that can have been issued by now: one from a clock that is ahead, with the longest
    /// life, at a check whose clock is behind.
    fn last_token_gone(&self, now: Timestamp) -> Timestamp {
        now.plus(self.longest_lifetime).plus(self.leeway).plus(self.leeway).plus(DUPLICATE_WINDOW)
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

/// What a logout of `scopes` revokes.
///
/// The widest scope is enough, since it ends everything that the others end. A token without session is ended by what
/// there is: the token alone where that is among the scopes, otherwise every token of its user issued up to now,
/// otherwise itself.
#[must_use]
pub fn logout_of(ended: Ended<'_>, scopes: &[Scope], rules: &RevocationRules, now: Timestamp) -> Logout {
    let is_wanted = |scope: &Scope| scopes.contains(scope) && ended.identifier(*scope).is_some();
    let by_subject = scopes.contains(&Scope::Session) && ended.identifier(Scope::Subject).is_some();
    let otherwise = if by_subject { Scope::Subject } else { Scope::Token };
    let scope = Scope::ALL.into_iter().find(is_wanted).unwrap_or(otherwise);
    let widest = revocation(ended, scope, rules, now);
    let token = (scope != Scope::Token && scopes.contains(&Scope::Token)).then(|| {
        let Revocation { digest, expires_at, .. } = revocation(ended, Scope::Token, rules, now);
        TokenEntry { digest, expires_at }
    });
    Logout { widest, token }
}

/// The revocation of every token of a subject, or of an issuer where no subject is named, that was issued up to `cut_off`.
#[must_use]
pub fn cut_off(rules: &RevocationRules, subject: Option<&str>, cut_off: Timestamp, now: Timestamp) -> Revocation {
    let scope = if subject.is_some() { Scope::Subject } else { Scope::Issuer };
    Revocation {
        digest: rules.digests.recorded(&rules.issuer, scope, subject.unwrap_or_default()),
        issuer: rules.issuer.clone(),
        scope,
        revoked_at: now,
        // Dates of tokens are whole seconds, and two logouts of one second record the same.
        cut_off: Some(cut_off.end_of_second()),
        expires_at: rules.last_token_gone(now.max(cut_off)),
        spare: DUPLICATE_WINDOW,
    }
}

fn revocation(ended: Ended<'_>, scope: Scope, rules: &RevocationRules, now: Timestamp) -> Revocation {
    let identifier = ended.identifier(scope);
    match (scope, ended) {
        // An issuer whose clock is ahead dates the token after now: it ends all the same.
        (Scope::Issuer | Scope::Subject, Ended::Jwt(token)) => {
            let latest = token.issued_at().map_or(now, |at| at.max(now));
            let subject = identifier.as_deref().filter(|_| scope == Scope::Subject);
            Revocation { expires_at: rules.last_token_gone(now), ..cut_off(rules, subject, latest, now) }
        }
        // An opaque token has neither subject nor times.
        (Scope::Issuer | Scope::Subject, Ended::Opaque(_)) => cut_off(rules, identifier.as_deref(), now, now),
        (Scope::Session | Scope::Token, _) => {
            let (expires_at, spare) = match (scope, ended) {
                (Scope::Token, Ended::Jwt(token)) => (token.expires_at().plus(rules.leeway), Duration::ZERO),
                _ => (rules.last_token_gone(now), DUPLICATE_WINDOW),
            };
            Revocation {
                digest: rules.digests.recorded(&rules.issuer, scope, &identifier.unwrap_or_default()),
                issuer: rules.issuer.clone(),
                scope,
                revoked_at: now,
                cut_off: None,
                expires_at,
                spare,
            }
        }
    }
}

/// Every revocation that can match a token. An isolate has thousands of these, so identifiers are not kept.
#[derive(Debug)]
pub struct Matchable {
    issuer: Box<str>,
    digests: Box<[(Scope, Digest)]>,
    /// When the token was issued.
    pub issued_at: Option<Timestamp>,
    /// In which state of the segments none of them was found; see [`super::Replica`].
    pub(super) clean_in: Cell<Option<u64>>,
    /// What shards have confirmed of it.
    pub(super) confirmed: RefCell<Vec<Confirmed>>,
    /// When Workers KV was asked last and had none of them, and the number given before.
    pub(super) absent_from_kv: Cell<Option<(Timestamp, u64)>>,
}

/// A shard has no revocation of a token up to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Confirmed {
    pub shard: u32,
    /// The generation of the replica that asked.
    pub generation: u64,
    pub upto: u64,
}

/// A revocation that can match a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchKey<'a> {
    /// How much it would end.
    pub scope: Scope,
    /// Where it would be found.
    pub digest: &'a Digest,
    issuer: &'a str,
}

impl MatchKey<'_> {
    /// Its key in Workers KV.
    #[must_use]
    pub fn text(&self) -> String {
        self.digest.key(self.issuer, self.scope)
    }
}

impl Matchable {
    /// What can end a token of an issuer.
    #[must_use]
    pub fn new(ended: Ended<'_>, rules: &RevocationRules) -> Self {
        let issued_at = match ended {
            Ended::Jwt(token) => token.issued_at(),
            Ended::Opaque(_) => None,
        };
        let mut digests = Vec::with_capacity(Scope::ALL.len());
        for scope in Scope::ALL {
            if let Some(identifier) = ended.identifier(scope) {
                let all = rules.digests.all(&rules.issuer, scope, &identifier);
                digests.extend(all.map(|digest| (scope, digest)));
            }
        }
        Self::with_digests(&rules.issuer, &digests, issued_at)
    }

    /// What ends a token with these digests, the one that ends most first.
    pub(super) fn with_digests(issuer: &str, digests: &[(Scope, Digest)], issued_at: Option<Timestamp>) -> Self {
        Self {
            issuer: issuer.into(),
            digests: digests.into(),
            issued_at,
            clean_in: Cell::new(None),
            confirmed: RefCell::default(),
            absent_from_kv: Cell::new(None),
        }
    }

    /// The revocations that can match it, the one that ends most first.
    pub fn keys(&self) -> impl Iterator<Item = MatchKey<'_>> {
        self.digests.iter().map(|(scope, digest)| MatchKey { scope: *scope, digest, issuer: &self.issuer })
    }
}
