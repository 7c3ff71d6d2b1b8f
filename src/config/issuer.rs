//! Issuers: who signs tokens, with what, and what their tokens must be.

use std::time::Duration;

use super::Environment;
use super::section::Section;
use crate::revocation::RevocationRules;
use crate::token::{Algorithm, ClaimNames, Jwk, JwkProblem, JwtRules, KeyRing, RequiredClaim};

/// How far clocks may be apart unless configured otherwise.
const DEFAULT_LEEWAY_SECONDS: u32 = 5;
/// More would keep dead tokens alive rather than forgive clocks.
const MAX_LEEWAY_SECONDS: u32 = 300;
/// How long a token may live unless configured otherwise: 30 days.
const DEFAULT_LONGEST_LIFETIME_SECONDS: u32 = 30 * 24 * 3600;
/// A name stands in every key of its revocations.
const MAX_NAME_BYTES: usize = 64;

/// Somebody whose tokens are taken.
#[derive(Debug)]
pub struct Issuer {
    /// Its name in the configuration, in KV keys and in the log.
    pub name: String,
    /// What its tokens are.
    pub tokens: Tokens,
    /// How they are revoked.
    pub revocation: RevocationRules,
}

/// What an issuer's tokens are.
#[derive(Debug)]
pub enum Tokens {
    /// JWTs, verified here.
    Jwt(Box<JwtRules>),
    /// Texts that only the issuer understands: looked up, never verified.
    Opaque,
}

/// Reads the issuers; one that is refused leaves its place empty.
pub(super) fn read_all(table: &mut Section<'_>, environment: &impl Environment) -> Vec<Option<Issuer>> {
    let mut names: Vec<String> = Vec::new();
    table.sections("issuers", |section| {
        let name = section.required_text("name")?;
        if !is_name(&name) {
            section.refuse("name", "must be 1 to 64 of a-z, 0-9 and -");
        }
        if names.contains(&name) {
            section.refuse("name", format!("{name:?} is there twice"));
        }
        names.push(name.clone());
        Some(read(section, name, environment))
    })
}

fn read(section: &mut Section<'_>, name: String, environment: &impl Environment) -> Issuer {
    let is_opaque = match section.text("kind").as_deref() {
        None | Some("jwt") => false,
        Some("opaque") => true,
        Some(_) => {
            section.refuse("kind", "must be \"jwt\" or \"opaque\"");
            false
        }
    };
    if is_opaque && !section.has("longest_lifetime_seconds") {
        section.refuse("longest_lifetime_seconds", "is missing: an opaque token does not say how long it lives");
    }
    let leeway = section.number("leeway_seconds").unwrap_or(DEFAULT_LEEWAY_SECONDS);
    if leeway > MAX_LEEWAY_SECONDS {
        section.refuse("leeway_seconds", format!("must be at most {MAX_LEEWAY_SECONDS}"));
    }
    let lifetime = section.number("longest_lifetime_seconds").unwrap_or(DEFAULT_LONGEST_LIFETIME_SECONDS);
    if lifetime == 0 {
        section.refuse("longest_lifetime_seconds", "must not be 0");
    }
    let revocation = RevocationRules {
        issuer: name.clone(),
        leeway: Duration::from_secs(leeway.into()),
        longest_lifetime: Duration::from_secs(lifetime.into()),
    };
    // The settings of JWTs are none that are known for an opaque issuer, and so refused.
    let tokens =
        if is_opaque { Tokens::Opaque } else { Tokens::Jwt(Box::new(jwt_rules(section, &revocation, environment))) };
    Issuer { name, tokens, revocation }
}

fn jwt_rules(section: &mut Section<'_>, revocation: &RevocationRules, environment: &impl Environment) -> JwtRules {
    let mut required = |setting: &str, remedy: &str| {
        if !section.has(setting) {
            section.refuse(setting, format!("is missing: {remedy}"));
        }
        section.texts(setting).unwrap_or_default()
    };
    let issuers = required("iss", "name the `iss` of its tokens, or [] when they carry none");
    let audiences = required("audiences", "name the `aud` of its tokens, or [] when they carry none");
    let names = required("algorithms", "name those that its keys are for");
    let algorithms = algorithms(section, &names);
    let keys = keys(section, &algorithms, environment);
    let claim_names = section.section("claims", claim_names).unwrap_or_default();
    let required_claims = section.section("required_claims", required_claims).unwrap_or_default();
    let RevocationRules { leeway, longest_lifetime, .. } = *revocation;
    JwtRules { issuers, audiences, keys, leeway, longest_lifetime, claim_names, required_claims }
}

fn algorithms(section: &mut Section<'_>, names: &[String]) -> Vec<Algorithm> {
    let mut algorithms = Vec::new();
    for name in names {
        match Algorithm::from_name(name) {
            Some(algorithm) if algorithms.contains(&algorithm) => {
                section.refuse("algorithms", format!("{name:?} is there twice"));
            }
            Some(algorithm) => algorithms.push(algorithm),
            None => {
                let known = Algorithm::ALL.map(Algorithm::name).join(", ");
                section.refuse("algorithms", format!("{name:?} is none of {known}"));
            }
        }
    }
    algorithms
}

fn keys(section: &mut Section<'_>, algorithms: &[Algorithm], environment: &impl Environment) -> KeyRing {
    let mut ring = KeyRing::default();
    if !section.has("jwks") && !section.has("secret") {
        section.refuse("jwks", "is missing: give the public keys, or name a Worker secret in `secret`");
    }
    if let Some(value) = section.take("jwks") {
        match Jwk::read_set(value) {
            Some(jwks) if !jwks.is_empty() => {
                for (index, jwk) in jwks.iter().enumerate() {
                    add_key(section, &mut ring, &format!("jwks.keys[{index}]"), "", jwk, algorithms, environment);
                }
            }
            _ => section.refuse("jwks", "must be a JWK set: { keys = [ … ] }, and not empty"),
        }
    }
    for name in section.texts("secret").unwrap_or_default() {
        for jwk in secret_jwks(section, "secret", &name, environment) {
            add_key(section, &mut ring, "secret", &name, &jwk, algorithms, environment);
        }
    }
    ring
}

/// The keys in a Worker secret, a JWK or a JWK set.
pub(super) fn secret_jwks(
    section: &mut Section<'_>,
    setting: &str,
    name: &str,
    environment: &impl Environment,
) -> Vec<Jwk> {
    let Some(secret) = environment.secret(name) else {
        section.refuse(setting, format!("the Worker secret {name} is missing"));
        return Vec::new();
    };
    let jwks = serde_json::from_str(secret.expose()).ok().and_then(Jwk::read_set).unwrap_or_default();
    if jwks.is_empty() {
        section.refuse(setting, format!("the Worker secret {name} is neither a JWK nor a JWK set"));
    }
    jwks
}

fn add_key(
    section: &mut Section<'_>,
    ring: &mut KeyRing,
    setting: &str,
    secret: &str,
    jwk: &Jwk,
    algorithms: &[Algorithm],
    environment: &impl Environment,
) {
    let in_secret = !secret.is_empty();
    let which = if in_secret { format!("the JWK in {secret} ") } else { String::new() };
    if jwk.is_for_development() && !environment.allows_development_keys() {
        section.refuse(setting, format!("{which}{}", JwkProblem::Development.message()));
    }
    match jwk.verification_keys(algorithms, in_secret) {
        Ok(keys) => {
            let is_twice = |kid: &str| ring.0.iter().any(|own| own.key_id() == Some(kid));
            if jwk.key_id().is_some_and(is_twice) {
                section.refuse(setting, format!("{which}has a `kid` that another key has"));
            }
            ring.0.extend(keys);
        }
        Err(problem) => section.refuse(setting, format!("{which}{}", problem.message())),
    }
}

fn claim_names(section: &mut Section<'_>) -> ClaimNames {
    let ClaimNames { subject, session, token_id } = ClaimNames::default();
    let mut name = |setting: &str, default: String| {
        let name = section.text(setting).unwrap_or(default);
        if ["exp", "nbf", "iat", "iss", "aud"].contains(&name.as_str()) {
            section.refuse(setting, "must name a claim that identifies something");
        }
        name
    };
    ClaimNames {
        subject: name("subject", subject),
        session: name("session", session),
        token_id: name("token_id", token_id),
    }
}

fn required_claims(section: &mut Section<'_>) -> Vec<RequiredClaim> {
    let mut required = Vec::new();
    for name in section.names() {
        let values = section.texts(&name).unwrap_or_default();
        if values.is_empty() {
            section.refuse(&name, "must name the values of which one is required");
        }
        required.push(RequiredClaim { name, values });
    }
    required
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
