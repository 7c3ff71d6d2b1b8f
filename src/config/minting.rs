//! The anonymous session that a contract answers with: how long it lives and what signs it.

use std::time::Duration;

use super::Environment;
use super::issuer::secret_jwks;
use super::section::Section;
use crate::token::{Algorithm, AnonymousSessionRules, Jwk, JwkProblem, JwtRules, SigningKey};

/// Reads the rules for minting tokens of the issuer whose rules are given.
pub(super) fn read(
    section: &mut Section<'_>,
    issuer: &JwtRules,
    environment: &impl Environment,
) -> Option<AnonymousSessionRules> {
    let longest = issuer.longest_lifetime;
    let mut lifetime = |setting: &str| {
        let lifetime = Duration::from_secs(section.required_number(setting)?.into());
        if lifetime.is_zero() || lifetime > longest {
            section.refuse(setting, format!("must be 1 to {}, the issuer's longest lifetime", longest.as_secs()));
        }
        Some(lifetime)
    };
    let (access, refresh) = (lifetime("access_token_seconds"), lifetime("refresh_token_seconds"));
    Some(AnonymousSessionRules {
        key: signing_key(section, issuer, environment)?,
        issuer: issuer.issuers.first().cloned(),
        audience: issuer.audiences.first().cloned(),
        access_lifetime: access?,
        refresh_lifetime: refresh?,
    })
}

fn signing_key(section: &mut Section<'_>, issuer: &JwtRules, environment: &impl Environment) -> Option<SigningKey> {
    const SETTING: &str = "signing_secret";
    let name = section.required_text(SETTING)?;
    let jwks = secret_jwks(section, SETTING, &name, environment);
    let [jwk]: &[Jwk] = jwks.as_slice() else {
        if jwks.len() > 1 {
            section.refuse(SETTING, format!("the Worker secret {name} holds more than one key"));
        }
        return None;
    };
    if jwk.is_for_development() && !environment.allows_development_keys() {
        section.refuse(SETTING, format!("the JWK in {name} {}", JwkProblem::Development.message()));
    }
    let mut algorithms: Vec<Algorithm> = Vec::new();
    for key in &issuer.keys.0 {
        if !algorithms.contains(&key.algorithm()) {
            algorithms.push(key.algorithm());
        }
    }
    SigningKey::from_jwk(jwk, &environment.secret(&name)?, &algorithms)
        .map_err(|problem| section.refuse(SETTING, format!("the JWK in {name} {}", problem.message())))
        .ok()
}
