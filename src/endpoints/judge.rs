//! The verdict on a token that an API is shown: the same for the check, the batch and the guard.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::known_token::KnownToken;
use crate::config::{Config, Issuer, Tokens};
use crate::keys::{verify_now, vouches_for};
use crate::ports::Platform;
use crate::revocation::{Authority, Doubt, Freshness, Known, Replica, Scope, Status};
use crate::time::Timestamp;
use crate::token::{MAX_TOKEN_BYTES, OpaqueToken, Recent, RecentLimits, TokenProblem, UntrustedJwt, VerifyError};

/// How long a verdict may wait for ledger and index.
pub(super) const LIMIT: Duration = Duration::from_secs(3);
/// Two generations of these: 10,000 tokens, or 8 MB of their texts alone.
const VERIFIED: RecentLimits = RecentLimits { tokens: 5_000, bytes: 4 * 1024 * 1024 };
/// Of opaque tokens, which anybody can make up.
const OPAQUE: RecentLimits = RecentLimits { tokens: 1_000, bytes: 256 * 1024 };

/// What an isolate remembers of tokens and revocations.
#[derive(Debug)]
pub struct Remembered {
    /// What is known of the ledger.
    pub replica: Replica,
    verified: RefCell<Recent<Rc<Remembrance>>>,
    /// By themselves, so that a flood of made-up ones does not wash away what was verified.
    opaque: RefCell<Recent<Rc<Remembrance>>>,
}

/// A token as it was judged, and the issuers that were asked for: another question may have another answer.
#[derive(Debug)]
struct Remembrance {
    token: Rc<KnownToken>,
    asked_of: Vec<Vec<Rc<Issuer>>>,
}

/// How many different questions about one token are told apart: a gateway's and a few guards'.
const QUESTIONS: usize = 4;

/// Why a token is not taken.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// It is no good.
    Invalid(TokenProblem),
    /// None of the issuers that are asked for is its own.
    UnknownIssuer,
    /// A revocation of this scope ends it.
    Revoked(Scope),
    /// It is good, but of another kind.
    OtherKind,
    /// An anonymous caller may not ask for so fresh an answer.
    FreshnessNotAllowed,
    /// Nothing can be told; what is known of the token apart from that, when it was verified.
    CannotTell(&'static str, Option<Rc<KnownToken>>),
}

/// A verdict: an active token, and the promise that was kept.
pub type Verdict = Result<(Rc<KnownToken>, Freshness), Refusal>;

impl Remembered {
    /// An isolate that knows nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let shards = config.storage.ledger.map_or(0, |rules| rules.shards);
        Self {
            replica: Replica::new(shards),
            verified: RefCell::new(Recent::new(VERIFIED)),
            opaque: RefCell::new(Recent::new(OPAQUE)),
        }
    }

    fn of(&self, issuers: &[Rc<Issuer>]) -> &RefCell<Recent<Rc<Remembrance>>> {
        let is_opaque = issuers.iter().any(|issuer| matches!(issuer.tokens, Tokens::Opaque));
        if is_opaque { &self.opaque } else { &self.verified }
    }
}

/// What a verdict takes: the configuration, what the isolate remembers, and the platform.
pub struct Judge<'a, P> {
    /// Whose tokens are known.
    pub config: &'a Config,
    /// What the isolate remembers.
    pub remembered: &'a Remembered,
    /// Everything else.
    pub platform: &'a P,
}

impl<P: Platform> Judge<'_, P> {
    /// Ledger, index and memory.
    pub(crate) fn authority(&self) -> Authority<'_, P> {
        Authority {
            platform: self.platform,
            replica: &self.remembered.replica,
            ledger: self.config.storage.ledger,
            settling: self.config.storage.settling,
        }
    }

    /// The verdict on a token of one of the issuers; of any issuer whose `iss` it claims, when none is named.
    pub(super) async fn verdict(
        &self,
        token: &str,
        issuers: &[Rc<Issuer>],
        freshness: impl Fn(&Issuer) -> Result<Freshness, Refusal>,
    ) -> Verdict {
        let (known, limit) = match self.known_at_once(token, issuers) {
            Some(known) => (known?, LIMIT),
            None => {
                let begin = self.platform.now();
                let known = Box::pin(self.look_closely(token, issuers, begin.plus(LIMIT))).await?;
                // What fetching keys has taken is gone.
                (known, LIMIT.saturating_sub(self.platform.now().since(begin)))
            }
        };
        let freshness = freshness(&known.issuer)?;
        let status = self.authority().status(&known.matchable, freshness, limit).await;
        conclude(known, status.map_err(Doubt::reason))
    }

    /// Whether this isolate has judged a token before, so that judging it again needs no first look-up.
    pub(super) fn remembers(&self, token: &str, issuers: &[Rc<Issuer>]) -> bool {
        let remembered = self.remembered.of(issuers).borrow_mut().find(token);
        remembered.is_some_and(|before| before.answers(issuers))
    }

    /// The token, verified now or before: everything but whether it is revoked. Keys are waited for until `by`.
    pub(super) async fn recognise(
        &self,
        token: &str,
        issuers: &[Rc<Issuer>],
        by: Timestamp,
    ) -> Result<Rc<KnownToken>, Refusal> {
        match self.known_at_once(token, issuers) {
            Some(known) => known,
            None => Box::pin(self.look_closely(token, issuers, by)).await,
        }
    }

    /// What memory alone says of a token; nothing when it, or the key that has verified it, has to be looked at.
    fn known_at_once(&self, token: &str, issuers: &[Rc<Issuer>]) -> Option<Result<Rc<KnownToken>, Refusal>> {
        if token.len() > MAX_TOKEN_BYTES {
            return Some(Err(Refusal::Invalid(TokenProblem::TooLarge)));
        }
        let remembered = self.remembered.of(issuers).borrow_mut().find(token);
        let before = remembered.filter(|before| before.answers(issuers))?;
        let now = self.platform.now();
        if before.token.dead_at.is_some_and(|dead_at| now >= dead_at) {
            return Some(Err(Refusal::Invalid(TokenProblem::Expired)));
        }
        let is_verified = match (&before.token.key_mark, &before.token.issuer.tokens) {
            (Some(mark), Tokens::Jwt(rules)) => rules.keys.vouches_at_once(mark.get(), now),
            _ => true,
        };
        is_verified.then(|| Ok(Rc::clone(&before.token)))
    }

    async fn look_closely(
        &self,
        token: &str,
        issuers: &[Rc<Issuer>],
        by: Timestamp,
    ) -> Result<Rc<KnownToken>, Refusal> {
        let remembered = self.remembered.of(issuers).borrow_mut().find(token);
        if let Some(before) = remembered.as_ref().filter(|before| before.answers(issuers))
            && self.is_still_verified(&before.token, by).await
        {
            return Ok(Rc::clone(&before.token));
        }
        let known = Rc::new(self.read(token, issuers, by).await?);
        if !known.facts.are_small() {
            return Ok(known);
        }
        let remembrance = Remembrance::of(known, issuers, remembered.as_deref());
        let known = Rc::clone(&remembrance.token);
        self.remembered.of(issuers).borrow_mut().insert(token, Rc::new(remembrance));
        Ok(known)
    }

    /// Whether the key that has verified a token is its issuer's still.
    async fn is_still_verified(&self, token: &KnownToken, by: Timestamp) -> bool {
        let (Some(mark), Tokens::Jwt(rules)) = (&token.key_mark, &token.issuer.tokens) else { return false };
        let vouched = vouches_for(&rules.keys, mark.get(), by, self.platform).await;
        vouched.inspect(|vouched| mark.set(*vouched)).is_some()
    }

    async fn read(&self, token: &str, issuers: &[Rc<Issuer>], by: Timestamp) -> Result<KnownToken, Refusal> {
        // The configuration and the query see to it that an opaque issuer stands alone.
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
            match verify_now(&token, rules, by, self.platform).await {
                Ok(verified) => return Ok(KnownToken::verified(&verified, issuer)),
                Err(VerifyError::CannotTell) => refusal = Refusal::CannotTell("cannot_verify", None),
                // That another issuer has no such key says nothing against the one whose key could not be used.
                Err(VerifyError::Bad(_)) if matches!(refusal, Refusal::CannotTell(..)) => {}
                Err(VerifyError::Bad(problem)) => refusal = Refusal::Invalid(problem),
            }
        }
        Err(refusal)
    }
}

/// The issuers whose `iss` the token claims, `None` when it claims none. Only a good signature then makes it theirs.
pub(crate) fn issuers_of(config: &Config, token: &UntrustedJwt<'_>) -> Option<Vec<Rc<Issuer>>> {
    let claimed = token.claimed_issuer()?;
    let is_claimed = |issuer: &&Rc<Issuer>| match &issuer.tokens {
        Tokens::Jwt(rules) => rules.issuers.contains(&claimed),
        Tokens::Opaque => false,
    };
    Some(config.issuers.iter().filter(is_claimed).cloned().collect())
}

/// The verdict on a token, once it is known whether it is revoked.
pub(super) fn conclude(token: Rc<KnownToken>, status: Result<Known, &'static str>) -> Verdict {
    match status {
        Err(reason) => Err(Refusal::CannotTell(reason, Some(token))),
        Ok(Known { status: Status::Revoked(scope), .. }) => Err(Refusal::Revoked(scope)),
        Ok(_) if token.is_of_another_kind => Err(Refusal::OtherKind),
        Ok(Known { status: Status::Active, freshness }) => Ok((token, freshness)),
    }
}

impl Remembrance {
    /// What is remembered of a token from now on. When it is the same issuer's as before, what is known of it stays.
    fn of(known: Rc<KnownToken>, issuers: &[Rc<Issuer>], before: Option<&Self>) -> Self {
        let before = before.filter(|before| Rc::ptr_eq(&before.token.issuer, &known.issuer));
        let (token, mut asked_of) = match before {
            // Another key may have verified it this time.
            Some(before) if before.token.key_mark == known.key_mark => {
                (Rc::clone(&before.token), before.asked_of.clone())
            }
            Some(before) => (known, before.asked_of.clone()),
            None => (known, Vec::new()),
        };
        if asked_of.len() >= QUESTIONS {
            asked_of.remove(0);
        }
        asked_of.push(issuers.to_vec());
        Self { token, asked_of }
    }

    /// Whether a question for these issuers' tokens would be answered alike: it is the same question, or its first issuer
    /// is the token's.
    fn answers(&self, issuers: &[Rc<Issuer>]) -> bool {
        let is_same = |asked_of: &Vec<Rc<Issuer>>| {
            issuers.len() == asked_of.len() && issuers.iter().zip(asked_of).all(|(one, other)| Rc::ptr_eq(one, other))
        };
        self.asked_of.iter().any(is_same) || issuers.first().is_some_and(|first| Rc::ptr_eq(first, &self.token.issuer))
    }
}
