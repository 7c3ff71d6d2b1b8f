//! The settings of anonymous sessions: lifetimes and signing key.

use std::time::Duration;

use super::Environment;
use super::secret_text::secret_text;
use super::section::Section;
use crate::json;
use crate::token::{AnonymousSessionRules, Jwk, JwkProblem, JwtRules, SigningKey};

/// Parses the minting rules for an issuer.
pub(super) fn read(
    section: &mut Section<'_>,
    issuer: &JwtRules,
    environment: &impl Environment,
) -> Option<AnonymousSessionRules> {
    let longest = issuer.longest_lifetime;
    let mut lifetime = |setting: &str| {
        let lifetime = Duration::from_secs(section.required_number(setting)?.into());
        if lifetime.is_zero() || lifetime > longest {
            let longest = longest.as_secs().to_string();
            section.refuse(setting, ["must be 1 to ", &longest, ", the issuer's longest lifetime"].concat());
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
    let Some(jwk) = json::read(text.expose()).and_then(Jwk::read) else {
        section.refuse(
            SETTING,
            [
                "the Worker secret ",
                &name,
                " is not a JWK, JSON such as {\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"...\"}",
            ]
            .concat(),
        );
        return None;
    };
    let told = |problem: &JwkProblem| ["the JWK in ", &name, " ", problem.message().as_ref()].concat();
    if jwk.is_for_development() && !environment.allows_development_keys() {
        section.refuse(SETTING, told(&JwkProblem::Development));
    }
    let Some(keys) = issuer.keys.configured() else {
        section
            .refuse(SETTING, "needs an issuer with keys in `jwks` or `secret`, one of which belongs to the signing key; its keys are fetched");
        return None;
    };
    if keys.keys.is_empty() {
        // The issuer's keys are invalid and reported, so the signing key cannot be checked against them.
        return None;
    }
    SigningKey::from_jwk(&jwk, &text, keys).map_err(|problem| section.refuse(SETTING, told(&problem))).ok()
}
