//! Verification with an issuer's keys as they are now, fetched where that is due.

use futures_util::future::LocalBoxFuture;

use super::fetch::bring_up;
use super::published::Need;
use super::{IssuerKeys, KeyMark};
use crate::ports::{Clock, Journal, SharedMemory, Signatures, Web};
use crate::time::Timestamp;
use crate::token::{JwtRules, KeyRing, TokenProblem, UntrustedJwt, VerifiedToken, VerifyError, verify_with};

/// Verifies a token. Keys that are not known, or no longer fresh, are fetched first; when the token names a key that
/// none has, they are fetched once more, as often as that is allowed. What cannot be fetched `by` then is not waited for.
///
/// # Errors
/// What is wrong with the token, or that it cannot be told, as when no keys are to be had.
pub async fn verify_now<P: Clock + Journal + SharedMemory + Signatures + Web>(
    untrusted: &UntrustedJwt<'_>,
    rules: &JwtRules,
    by: Timestamp,
    platform: &P,
) -> Result<VerifiedToken, VerifyError> {
    let (published, ended) = match &rules.keys {
        IssuerKeys::Configured(_) => (None, 0),
        IssuerKeys::Published(keys) => (Some(&**keys), keys.ended()),
    };
    if let Some(keys) = published {
        // Nothing is fetched for what no key could be for.
        if !keys.source.algorithms.iter().any(|algorithm| algorithm.name() == untrusted.algorithm()) {
            return Err(TokenProblem::AlgorithmNotAllowed.into());
        }
        bring_up(keys, Need::Keys, ended, by, platform).await;
    }
    let mut ring = rules.keys.current(platform.now()).ok_or(VerifyError::CannotTell)?;
    let mut is_asked_again = false;
    loop {
        let verified = verify_with(untrusted, rules, &ring, platform.now(), platform).await;
        let (Some(keys), Err(VerifyError::Bad(problem))) = (published, &verified) else { return verified };
        if is_asked_again || !is_of_unknown_key(untrusted, &ring, *problem) {
            return verified.map_err(of_published);
        }
        is_asked_again = true;
        bring_up(keys, Need::UnknownKey, ended, by, platform).await;
        let latest = keys.current(platform.now()).ok_or(VerifyError::CannotTell)?;
        if latest.generation == ring.generation {
            // While the provider is down nobody knows which keys it has by now.
            return if keys.is_failing() { Err(VerifyError::CannotTell) } else { verified.map_err(of_published) };
        }
        ring = latest;
    }
}

/// An algorithm that is the issuer's, and of which no key is published.
fn of_published(error: VerifyError) -> VerifyError {
    match error {
        VerifyError::Bad(TokenProblem::AlgorithmNotAllowed) => TokenProblem::UnknownKey.into(),
        other => other,
    }
}

/// Whether a token may have been signed with a key that is not known yet.
fn is_of_unknown_key(untrusted: &UntrustedJwt<'_>, ring: &KeyRing, problem: TokenProblem) -> bool {
    let is_named = untrusted.key_id().is_some_and(|kid| ring.knows_key_id(kid));
    match problem {
        TokenProblem::UnknownKey | TokenProblem::AlgorithmNotAllowed => true,
        TokenProblem::BadSignature => !is_named,
        _ => false,
    }
}

/// Whether the key that has verified a token is its issuer's still, after a look where one is due. Gives what is to be
/// remembered of it then.
pub async fn vouches_for<P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &IssuerKeys,
    mark: KeyMark,
    by: Timestamp,
    platform: &P,
) -> Option<KeyMark> {
    let IssuerKeys::Published(published) = keys else { return Some(mark) };
    bring_up(published, Need::Keys, published.ended(), by, platform).await;
    let ring = published.current(platform.now())?;
    let has_it = ring.generation == mark.generation || mark.slot.is_some_and(|slot| ring.has_slot(slot));
    has_it.then_some(KeyMark { generation: ring.generation, ..mark })
}

/// Whether an issuer has usable keys, after a fetch if it has none; `None` when its keys are configured.
///
/// # Errors
/// The reason; `None` while the provider fails and its last good keys still serve.
pub async fn readiness<P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &IssuerKeys,
    by: Timestamp,
    platform: &P,
) -> Option<Result<(), Option<&'static str>>> {
    let IssuerKeys::Published(published) = keys else { return None };
    bring_up(published, Need::Keys, published.ended(), by, platform).await;
    Some(match published.current(platform.now()) {
        None => Err(Some("keys_unavailable")),
        Some(_) if published.is_failing() => Err(None),
        Some(_) => Ok(()),
    })
}

/// What fetches the keys that are due, behind an answer.
pub fn refresh<'a, P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &'a IssuerKeys,
    platform: &'a P,
) -> Option<LocalBoxFuture<'a, ()>> {
    match keys {
        IssuerKeys::Configured(_) => None,
        IssuerKeys::Published(keys) => Some(bring_up(keys, Need::Refresh, keys.ended(), Timestamp::END, platform)),
    }
}
