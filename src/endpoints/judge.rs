//! The verdict on a token, for `/check`, `/batch-check` and guards.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::known_token::KnownToken;
use crate::config::{Config, Issuer, Tokens};
use crate::keys::{confirm_key, verify_now};
use crate::ports::Platform;
use crate::revocation::{Authority, AuthorityError, CheckedStatus, Freshness, Replica, Scope, Status};
use crate::time::Timestamp;
use crate::token::{MAX_TOKEN_BYTES, OpaqueToken, Recent, RecentLimits, TokenProblem, UntrustedJwt, VerifyError};

/// The time limit of a verdict.
pub(super) const LIMIT: Duration = Duration::from_secs(3);
/// The size of each of the two cache generations for verified tokens.
const VERIFIED_LIMITS: RecentLimits = RecentLimits { tokens: 5_000, bytes: 4 * 1024 * 1024 };
/// The same for opaque tokens. Smaller, because anyone can make them up.
const OPAQUE_LIMITS: RecentLimits = RecentLimits { tokens: 1_000, bytes: 256 * 1024 };

/// An isolate's in-memory state: the replica of the ledger and the caches of tokens.
#[derive(Debug)]
pub struct IsolateState {
    /// The copy of the ledger.
    pub replica: Replica,
    verified: RefCell<Recent<Rc<CachedToken>>>,
    /// A separate cache, so that a flood of made-up tokens does not evict verified ones.
    opaque: RefCell<Recent<Rc<CachedToken>>>,
}

/// A cached token, and the lists of issuers for which it was the result: another list may give another result.
#[derive(Debug)]
struct CachedToken {
    token: Rc<KnownToken>,
    issuer_lists: Vec<Vec<Rc<Issuer>>>,
}

/// The maximum number of issuer lists per cached token.
const MAX_ISSUER_LISTS: usize = 4;

/// Why a token is rejected.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The token is invalid.
    Invalid(TokenProblem),
    /// The token belongs to none of the accepted issuers.
    UnknownIssuer,
    /// The token is revoked, by a revocation of this scope.
    Revoked(Scope),
    /// The token lacks the issuer's required claims.
    OtherKind,
    /// The caller is not allowed to request this freshness.
    FreshnessNotAllowed,
    /// The status is unknown, for this reason. Has the token if it was verified.
    CannotTell(&'static str, Option<Rc<KnownToken>>),
}

/// A verdict: an active token and the freshness of the check, or a refusal.
pub type Verdict = Result<(Rc<KnownToken>, Freshness), Refusal>;

impl IsolateState {
    /// The state of a new isolate.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let shards = config.storage.ledger.map_or(0, |rules| rules.shards);
        Self {
            replica: Replica::new(shards),
            verified: RefCell::new(Recent::new(VERIFIED_LIMITS)),
            opaque: RefCell::new(Recent::new(OPAQUE_LIMITS)),
        }
    }

    fn cache_for(&self, issuers: &[Rc<Issuer>]) -> &RefCell<Recent<Rc<CachedToken>>> {
        let is_opaque = issuers.iter().any(|issuer| matches!(issuer.tokens, Tokens::Opaque));
        if is_opaque { &self.opaque } else { &self.verified }
    }
}

/// Computes verdicts.
pub struct Judge<'a, P> {
    /// The configuration.
    pub config: &'a Config,
    /// The isolate's state.
    pub isolate: &'a IsolateState,
    /// The platform.
    pub platform: &'a P,
}

impl<P: Platform> Judge<'_, P> {
    /// Access to the ledger, Workers KV and the replica.
    pub(crate) fn authority(&self) -> Authority<'_, P> {
        Authority {
            platform: self.platform,
            replica: &self.isolate.replica,
            ledger: self.config.storage.ledger,
            settling: self.config.storage.settling,
        }
    }

    /// The verdict on a token of one of `issuers`, or, if that is empty, of the issuers with the token's `iss`.
    pub(super) async fn verdict(
        &self,
        token: &str,
        issuers: &[Rc<Issuer>],
        freshness: impl Fn(&Issuer) -> Result<Freshness, Refusal>,
    ) -> Verdict {
        let (known, limit) = match self.find_cached(token, issuers) {
            Some(known) => (known?, LIMIT),
            None => {
                let started_at = self.platform.now();
                let known = Box::pin(self.verify_or_refresh(token, issuers, started_at.plus(LIMIT))).await?;
                // Fetching keys has used part of the time limit.
                (known, LIMIT.saturating_sub(self.platform.now().since(started_at)))
            }
        };
        let freshness = freshness(&known.issuer)?;
        let status = self.authority().status(&known.matchable, freshness, limit).await;
        conclude(known, status.map_err(AuthorityError::reason))
    }

    /// Whether the token is in the cache of this isolate.
    pub(super) fn is_cached(&self, token: &str, issuers: &[Rc<Issuer>]) -> bool {
        let entry = self.isolate.cache_for(issuers).borrow_mut().find(token);
        entry.is_some_and(|before| before.applies_to(issuers))
    }

    /// Verifies a token, or finds it in the cache. Does not check whether it is revoked. Fetches keys until `deadline`.
    pub(super) async fn identify(
        &self,
        token: &str,
        issuers: &[Rc<Issuer>],
        deadline: Timestamp,
    ) -> Result<Rc<KnownToken>, Refusal> {
        match self.find_cached(token, issuers) {
            Some(known) => known,
            None => Box::pin(self.verify_or_refresh(token, issuers, deadline)).await,
        }
    }

    /// Finds a token in the cache; `None` if it, or the key that verified it, must be checked with I/O.
    fn find_cached(&self, token: &str, issuers: &[Rc<Issuer>]) -> Option<Result<Rc<KnownToken>, Refusal>> {
        if token.len() > MAX_TOKEN_BYTES {
            return Some(Err(Refusal::Invalid(TokenProblem::TooLarge)));
        }
        let entry = self.isolate.cache_for(issuers).borrow_mut().find(token);
        let before = entry.filter(|before| before.applies_to(issuers))?;
        let now = self.platform.now();
        if before.token.expires_at.is_some_and(|expires_at| now >= expires_at) {
            return Some(Err(Refusal::Invalid(TokenProblem::Expired)));
        }
        let is_verified = match (&before.token.key_mark, &before.token.issuer.tokens) {
            (Some(mark), Tokens::Jwt(rules)) => rules.keys.is_current(mark.get(), now),
            _ => true,
        };
        is_verified.then(|| Ok(Rc::clone(&before.token)))
    }

    async fn verify_or_refresh(
        &self,
        token: &str,
        issuers: &[Rc<Issuer>],
        deadline: Timestamp,
    ) -> Result<Rc<KnownToken>, Refusal> {
        let entry = self.isolate.cache_for(issuers).borrow_mut().find(token);
        if let Some(before) = entry.as_ref().filter(|before| before.applies_to(issuers))
            && self.is_still_verified(&before.token, deadline).await
        {
            return Ok(Rc::clone(&before.token));
        }
        let known = Rc::new(self.read(token, issuers, deadline).await?);
        if !known.facts.are_small() {
            return Ok(known);
        }
        let cached = CachedToken::of(known, issuers, entry.as_deref());
        let known = Rc::clone(&cached.token);
        self.isolate.cache_for(issuers).borrow_mut().insert(token, Rc::new(cached));
        Ok(known)
    }

    /// Whether the key that verified a token still belongs to its issuer.
    async fn is_still_verified(&self, token: &KnownToken, deadline: Timestamp) -> bool {
        let (Some(mark), Tokens::Jwt(rules)) = (&token.key_mark, &token.issuer.tokens) else { return false };
        let confirmed = confirm_key(&rules.keys, mark.get(), deadline, self.platform).await;
        confirmed.inspect(|confirmed| mark.set(*confirmed)).is_some()
    }

    async fn read(&self, token: &str, issuers: &[Rc<Issuer>], deadline: Timestamp) -> Result<KnownToken, Refusal> {
        // Configuration and query ensure that an opaque issuer is the only one.
        if let Some(opaque) = issuers.iter().find(|issuer| matches!(issuer.tokens, Tokens::Opaque)) {
            return Ok(KnownToken::opaque(OpaqueToken(token), opaque));
        }
        let token = UntrustedJwt::parse(token).map_err(Refusal::Invalid)?;
        let candidates = match issuers {
            [] => issuers_of(self.config, &token).ok_or(Refusal::UnknownIssuer)?,
            _ => issuers.to_vec(),
        };
        let mut refusal = Refusal::UnknownIssuer;
        for issuer in &candidates {
            let Tokens::Jwt(rules) = &issuer.tokens else { continue };
            match verify_now(&token, rules, deadline, self.platform).await {
                Ok(verified) => return Ok(KnownToken::verified(&verified, issuer)),
                Err(VerifyError::CannotTell) => refusal = Refusal::CannotTell("cannot_verify", None),
                // Keep `CannotTell` of an earlier issuer: the token may be its own.
                Err(VerifyError::Bad(_)) if matches!(refusal, Refusal::CannotTell(..)) => {}
                Err(VerifyError::Bad(problem)) => refusal = Refusal::Invalid(problem),
            }
        }
        Err(refusal)
    }
}

/// The issuers with the token's `iss`; `None` if it has none. The claim is unverified, so verify the signature next.
pub(crate) fn issuers_of(config: &Config, token: &UntrustedJwt<'_>) -> Option<Vec<Rc<Issuer>>> {
    let claimed = token.claimed_issuer()?;
    let is_claimed = |issuer: &&Rc<Issuer>| match &issuer.tokens {
        Tokens::Jwt(rules) => rules.issuers.contains(&claimed),
        Tokens::Opaque => false,
    };
    Some(config.issuers.iter().filter(is_claimed).cloned().collect())
}

/// Combines a token and its revocation status into a verdict.
pub(super) fn conclude(token: Rc<KnownToken>, status: Result<CheckedStatus, &'static str>) -> Verdict {
    match status {
        Err(reason) => Err(Refusal::CannotTell(reason, Some(token))),
        Ok(CheckedStatus { status: Status::Revoked(scope), .. }) => Err(Refusal::Revoked(scope)),
        Ok(_) if token.lacks_required_claims => Err(Refusal::OtherKind),
        Ok(CheckedStatus { status: Status::Active, freshness }) => Ok((token, freshness)),
    }
}

impl CachedToken {
    /// The new cache entry of a token. It keeps the lookups and issuer lists of an earlier entry of the same issuer.
    fn of(known: Rc<KnownToken>, issuers: &[Rc<Issuer>], before: Option<&Self>) -> Self {
        let before = before.filter(|before| Rc::ptr_eq(&before.token.issuer, &known.issuer));
        let (token, mut issuer_lists) = match before {
            // The same key has verified it.
            Some(before) if before.token.key_mark == known.key_mark => {
                (Rc::clone(&before.token), before.issuer_lists.clone())
            }
            Some(before) => (known, before.issuer_lists.clone()),
            None => (known, Vec::new()),
        };
        if issuer_lists.len() >= MAX_ISSUER_LISTS {
            issuer_lists.remove(0);
        }
        issuer_lists.push(issuers.to_vec());
        Self { token, issuer_lists }
    }

    /// Whether the entry applies to a list of issuers: it was stored for the same list, or the first issuer is the
    /// token's.
    fn applies_to(&self, issuers: &[Rc<Issuer>]) -> bool {
        let is_same = |issuer_lists: &Vec<Rc<Issuer>>| {
            issuers.len() == issuer_lists.len()
                && issuers.iter().zip(issuer_lists).all(|(one, other)| Rc::ptr_eq(one, other))
        };
        self.issuer_lists.iter().any(is_same)
            || issuers.first().is_some_and(|first| Rc::ptr_eq(first, &self.token.issuer))
    }
}
