//! Fetches every issuer's published keys once, and reports the results.

use crate::config::{Config, Issuer, Tokens};
use crate::json::{Array, Object};
use crate::keys::{Attempt, IssuerKeys, PublishedKeys, attempt};
use crate::ports::{Clock, Signatures, Web};
use crate::token::{SigningInput, VerificationKey, VerificationMaterial};
use crate::wait::all;

/// The size of a signature with an RSA key of 2048 bits, in bytes.
const RSA_SIGNATURE_BYTES: usize = 256;

/// Fetches all published keys concurrently.
pub(super) async fn fetch_all<P: Clock + Signatures + Web>(config: &Config, platform: &P) -> String {
    let mut fetches = Vec::new();
    for issuer in &config.issuers {
        if let Some(keys) = published(issuer) {
            fetches.push(Box::pin(fetch(issuer, keys, platform)) as _);
        }
    }
    let mut reports = Array::new();
    all(fetches).await.iter().for_each(|report: &String| reports.raw(report));
    reports.finish()
}

/// The published keys of an issuer, if any.
pub(super) fn published(issuer: &Issuer) -> Option<&PublishedKeys> {
    match &issuer.tokens {
        Tokens::Jwt(rules) => match &rules.keys {
            IssuerKeys::Published(keys) => Some(keys),
            IssuerKeys::Configured(_) => None,
        },
        Tokens::Opaque => None,
    }
}

async fn fetch<P: Clock + Signatures + Web>(issuer: &Issuer, keys: &PublishedKeys, platform: &P) -> String {
    let Attempt { requests, found, taken, .. } = attempt(keys, platform).await;
    let mut asked = Array::new();
    for request in &requests {
        let line = Object::new().text("url", &request.url);
        asked.raw(&line.number_or_null("status", request.status.map(i64::from)).finish());
    }
    let mut refused = Array::new();
    for key in &taken.refused {
        refused.raw(&Object::new().some_text("kid", key.key_id.as_deref()).text("reason", key.reason).finish());
    }
    let mut good = Array::new();
    let ring = keys.current(platform.now()).unwrap_or_default();
    for key in &ring.keys {
        let line = Object::new().some_text("kid", key.key_id()).text("alg", key.algorithm().name());
        good.raw(&line.flag("usable", is_usable(key, platform).await).finish());
    }
    let mut expected = Array::new();
    keys.source.discovers.iter().flatten().for_each(|iss| expected.text(iss));
    let report = Object::new().text("issuer", &issuer.name).raw("requests", &asked.finish());
    let report = report.some_text("problem", taken.problem).some_text("found", found.as_deref());
    let report = report.raw("iss", &expected.finish()).raw("taken", &good.finish());
    report.raw("refused", &refused.finish()).finish()
}

/// Whether the runtime can import a key. It rejects, for example, points that are not on the curve.
pub(super) async fn is_usable(key: &VerificationKey, platform: &impl Signatures) -> bool {
    let VerificationMaterial::Public(public) = key.material() else { return true };
    let signature = vec![0; key.algorithm().signature_bytes().unwrap_or(RSA_SIGNATURE_BYTES)];
    platform.verify(public, SigningInput("probe"), &signature).await.is_ok()
}
