//! The anonymous session that a contract answers with: how long it lives and what signs it.

use std::time::Duration;

use super::Environment;
use super::issuer::secret_text;
use super::section::Section;
use crate::token::{AnonymousSessionRules, Jwk, JwkProblem, JwtRules, SigningKey};

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
        claim_names: issuer.claim_names.clone(),
        access_lifetime: access?,
        refresh_lifetime: refresh?,
    })
}

fn signing_key(section: &mut Section<'_>, issuer: &JwtRules, environment: &impl Environment) -> Option<SigningKey> {
    const SETTING: &str = "signing_secret";
    let name = section.required_text(SETTING)?;
    let text = secret_text(section, SETTING, &name, environment)?;
    let Some(jwk) = serde_json::from_str(text.expose()).ok().and_then(Jwk::read) else {
        section.refuse(SETTING, format!("the Worker secret {name} is no JWK"));
        return None;
    };
    if jwk.is_for_development() && !environment.allows_development_keys() {
        section.refuse(SETTING, format!("the JWK in {name} {}", JwkProblem::Development.message()));
    }
    if issuer.keys.keys.is_empty() {
        // The issuer's keys have been refused already: what the signing key lacks cannot be told without them.
        return None;
    }
    SigningKey::from_jwk(&jwk, &text, &issuer.keys)
        .map_err(|problem| section.refuse(SETTING, format!("the JWK in {name} {}", problem.message())))
        .ok()
}
