//! Which revocations a logout makes, and which revocations match a token.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::key::{Digest, DigestRules};
use super::record::{DUPLICATE_WINDOW, Logout, Revocation, Scope, TokenEntry};
use crate::time::Timestamp;
use crate::token::{OpaqueToken, TokenId, VerifiedToken};

/// The revocation settings of an issuer.
#[derive(Clone, Debug)]
pub struct RevocationRules {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// The permitted clock difference between issuer and Worker.
    pub leeway: Duration,
    /// The longest lifetime of its tokens. Verification enforces it.
    pub longest_lifetime: Duration,
    /// How digests are computed.
    pub digests: Rc<DigestRules>,
}

impl RevocationRules {
    /// When the last token that may have been issued by now has expired: issued by a clock that is ahead, with the
    /// longest lifetime, and checked by a clock that is behind.
    fn last_token_expiry(&self, now: Timestamp) -> Timestamp {
        now.plus(self.longest_lifetime).plus(self.leeway).plus(self.leeway).plus(DUPLICATE_WINDOW)
    }
}

/// A token that can be revoked: a verified JWT, or an opaque token that only its issuer can verify.
#[derive(Clone, Copy)]
pub enum RevocableToken<'a> {
    /// A JWT.
    Jwt(&'a VerifiedToken),
    /// An opaque token. It has no subject, session or times.
    Opaque(OpaqueToken<'a>),
}

impl RevocableToken<'_> {
    fn token_id(&self) -> TokenId {
        match self {
            Self::Jwt(token) => token.id().clone(),
            Self::Opaque(token) => TokenId::from_opaque(token),
        }
    }

    /// The token's identifier for a scope, if it has one.
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

/// The revocations of a logout with these scopes.
///
/// Only the widest scope that the token has an identifier for is recorded, since it implies the narrower ones. If the
/// token has none of them, the logout revokes the subject's tokens instead of the session, or else the token itself.
#[must_use]
pub fn logout_of(token: RevocableToken<'_>, scopes: &[Scope], rules: &RevocationRules, now: Timestamp) -> Logout {
    let is_wanted = |scope: &Scope| scopes.contains(scope) && token.identifier(*scope).is_some();
    let by_subject = scopes.contains(&Scope::Session) && token.identifier(Scope::Subject).is_some();
    let otherwise = if by_subject { Scope::Subject } else { Scope::Token };
    let scope = Scope::ALL.into_iter().find(is_wanted).unwrap_or(otherwise);
    let widest = revocation(token, scope, rules, now);
    let token = (scope != Scope::Token && scopes.contains(&Scope::Token)).then(|| {
        let Revocation { digest, expires_at, .. } = revocation(token, Scope::Token, rules, now);
        TokenEntry { digest, expires_at }
    });
    Logout { widest, token }
}

/// The revocation of every token issued up to `cut_off`: of a subject, or of the issuer if `subject` is `None`.
#[must_use]
pub fn cut_off(rules: &RevocationRules, subject: Option<&str>, cut_off: Timestamp, now: Timestamp) -> Revocation {
    let scope = if subject.is_some() { Scope::Subject } else { Scope::Issuer };
    Revocation {
        digest: rules.digests.recorded(&rules.issuer, scope, subject.unwrap_or_default()),
        issuer: rules.issuer.clone(),
        scope,
        revoked_at: now,
        // `iat` is usually in whole seconds. This also makes two logouts within a second equal.
        cut_off: Some(cut_off.end_of_second()),
        expires_at: rules.last_token_expiry(now.max(cut_off)),
        duplicate_window: DUPLICATE_WINDOW,
    }
}

fn revocation(token: RevocableToken<'_>, scope: Scope, rules: &RevocationRules, now: Timestamp) -> Revocation {
    let identifier = token.identifier(scope);
    match (scope, token) {
        // `iat` may be later than now if the issuer's clock is ahead.
        (Scope::Issuer | Scope::Subject, RevocableToken::Jwt(token)) => {
            let latest = token.issued_at().map_or(now, |at| at.max(now));
            let subject = identifier.as_deref().filter(|_| scope == Scope::Subject);
            Revocation { expires_at: rules.last_token_expiry(now), ..cut_off(rules, subject, latest, now) }
        }
        // An opaque token has neither subject nor times.
        (Scope::Issuer | Scope::Subject, RevocableToken::Opaque(_)) => cut_off(rules, identifier.as_deref(), now, now),
        (Scope::Session | Scope::Token, _) => {
            let (expires_at, duplicate_window) = match (scope, token) {
                (Scope::Token, RevocableToken::Jwt(token)) => (token.expires_at().plus(rules.leeway), Duration::ZERO),
                _ => (rules.last_token_expiry(now), DUPLICATE_WINDOW),
            };
            Revocation {
                digest: rules.digests.recorded(&rules.issuer, scope, &identifier.unwrap_or_default()),
                issuer: rules.issuer.clone(),
                scope,
                revoked_at: now,
                cut_off: None,
                expires_at,
                duplicate_window,
            }
        }
    }
}

/// The digests of all revocations that match a token, with cached lookups. An isolate holds thousands of these, so it
/// does not store the identifiers.
#[derive(Debug)]
pub struct Matchable {
    issuer: Box<str>,
    digests: Box<[(Scope, Digest)]>,
    /// When the token was issued (`iat`).
    pub issued_at: Option<Timestamp>,
    /// The version of the replica's segments in which no digest was found.
    pub(super) absent_in_segments: Cell<Option<u64>>,
    /// The confirmations by shards.
    pub(super) confirmed: RefCell<Vec<Confirmed>>,
    /// When Workers KV last had none of the digests, and the replica's sequence number before that read.
    pub(super) absent_from_kv: Cell<Option<(Timestamp, u64)>>,
}

/// A confirmation that a shard has no revocation of a token up to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Confirmed {
    pub shard: u32,
    /// The generation of the replica that requested it.
    pub generation: u64,
    pub upto: u64,
}

/// The key of a revocation that matches a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchKey<'a> {
    /// The scope of the revocation.
    pub scope: Scope,
    /// The digest of the revocation.
    pub digest: &'a Digest,
    issuer: &'a str,
}

impl MatchKey<'_> {
    /// The key in Workers KV.
    #[must_use]
    pub fn text(&self) -> String {
        self.digest.key(self.issuer, self.scope)
    }
}

impl Matchable {
    /// Computes the digests of a token.
    #[must_use]
    pub fn new(token: RevocableToken<'_>, rules: &RevocationRules) -> Self {
        let issued_at = match token {
            RevocableToken::Jwt(token) => token.issued_at(),
            RevocableToken::Opaque(_) => None,
        };
        let mut digests = Vec::with_capacity(Scope::ALL.len());
        for scope in Scope::ALL {
            if let Some(identifier) = token.identifier(scope) {
                let all = rules.digests.all(&rules.issuer, scope, &identifier);
                digests.extend(all.map(|digest| (scope, digest)));
            }
        }
        Self::with_digests(&rules.issuer, &digests, issued_at)
    }

    /// A token with these digests, widest scope first.
    pub(super) fn with_digests(issuer: &str, digests: &[(Scope, Digest)], issued_at: Option<Timestamp>) -> Self {
        Self {
            issuer: issuer.into(),
            digests: digests.into(),
            issued_at,
            absent_in_segments: Cell::new(None),
            confirmed: RefCell::default(),
            absent_from_kv: Cell::new(None),
        }
    }

    /// The keys of the revocations that match the token, widest scope first.
    pub fn keys(&self) -> impl Iterator<Item = MatchKey<'_>> {
        self.digests.iter().map(|(scope, digest)| MatchKey { scope: *scope, digest, issuer: &self.issuer })
    }
}
