//! Verifies tokens with an issuer's current keys, which are fetched if necessary.

use futures_util::future::LocalBoxFuture;

use super::fetch::update;
use super::published::Need;
use super::{IssuerKeys, KeyMark};
use crate::ports::{Clock, Journal, SharedMemory, Signatures, Web};
use crate::time::Timestamp;
use crate::token::{JwtRules, KeyRing, TokenProblem, UntrustedJwt, VerifiedToken, VerifyError, verify_with};

/// Verifies a token. Fetches missing or stale keys first. If the token has an unknown key, fetches them again, at a
/// limited rate. Waits for keys until `deadline`.
///
/// # Errors
/// [`VerifyError::Bad`] for an invalid token, [`VerifyError::CannotTell`] if no keys are available.
pub async fn verify_now<P: Clock + Journal + SharedMemory + Signatures + Web>(
    untrusted: &UntrustedJwt<'_>,
    rules: &JwtRules,
    deadline: Timestamp,
    platform: &P,
) -> Result<VerifiedToken, VerifyError> {
    let (published, ended) = match &rules.keys {
        IssuerKeys::Configured(_) => (None, 0),
        IssuerKeys::Published(keys) => (Some(&**keys), keys.ended()),
    };
    if let Some(keys) = published {
        // No key can match, so do not fetch any.
        if !keys.source.algorithms.iter().any(|algorithm| algorithm.name() == untrusted.algorithm()) {
            return Err(TokenProblem::AlgorithmNotAllowed.into());
        }
        update(keys, Need::Keys, ended, deadline, platform).await;
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
        update(keys, Need::UnknownKey, ended, deadline, platform).await;
        let latest = keys.current(platform.now()).ok_or(VerifyError::CannotTell)?;
        if latest.generation == ring.generation {
            // The provider is down, so it may have published the key in the meantime.
            return if keys.is_failing() { Err(VerifyError::CannotTell) } else { verified.map_err(of_published) };
        }
        ring = latest;
    }
}

/// Whether the token's algorithm is configured, but no published key has it.
fn of_published(error: VerifyError) -> VerifyError {
    match error {
        VerifyError::Bad(TokenProblem::AlgorithmNotAllowed) => TokenProblem::UnknownKey.into(),
        other => other,
    }
}

/// Whether a token may have been signed with a new key that is not known yet.
fn is_of_unknown_key(untrusted: &UntrustedJwt<'_>, ring: &KeyRing, problem: TokenProblem) -> bool {
    let is_named = untrusted.key_id().is_some_and(|kid| ring.knows_key_id(kid));
    match problem {
        TokenProblem::UnknownKey | TokenProblem::AlgorithmNotAllowed => true,
        TokenProblem::BadSignature => !is_named,
        _ => false,
    }
}

/// Checks whether the key that verified a token still belongs to its issuer, and refreshes the keys if they are stale.
/// Returns the updated mark; `None` if the key was removed.
pub async fn confirm_key<P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &IssuerKeys,
    mark: KeyMark,
    deadline: Timestamp,
    platform: &P,
) -> Option<KeyMark> {
    let IssuerKeys::Published(published) = keys else { return Some(mark) };
    update(published, Need::Keys, published.ended(), deadline, platform).await;
    let ring = published.current(platform.now())?;
    let is_present = ring.generation == mark.generation || mark.slot.is_some_and(|slot| ring.has_slot(slot));
    is_present.then_some(KeyMark { generation: ring.generation, ..mark })
}

/// Whether an issuer has usable keys, after a fetch if necessary. Returns `None` if its keys are configured.
///
/// # Errors
/// The reason; `None` if the provider fails and its last keys are still in use.
pub async fn readiness<P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &IssuerKeys,
    deadline: Timestamp,
    platform: &P,
) -> Option<Result<(), Option<&'static str>>> {
    let IssuerKeys::Published(published) = keys else { return None };
    update(published, Need::Keys, published.ended(), deadline, platform).await;
    Some(match published.current(platform.now()) {
        None => Err(Some("keys_unavailable")),
        Some(_) if published.is_failing() => Err(None),
        Some(_) => Ok(()),
    })
}

/// The background refresh of published keys; `None` if the keys are configured.
pub fn refresh<'a, P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &'a IssuerKeys,
    platform: &'a P,
) -> Option<LocalBoxFuture<'a, ()>> {
    match keys {
        IssuerKeys::Configured(_) => None,
        IssuerKeys::Published(keys) => Some(update(keys, Need::Refresh, keys.ended(), Timestamp::END, platform)),
    }
}
