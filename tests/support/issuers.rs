//! An issuer for every algorithm, and what becomes of its tokens.

use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use edge_logout::config::{Config, Tokens};
use edge_logout::token::{Algorithm, JwtRules, TokenProblem, VerifiedToken, VerifyError, verify};
use serde_json::{Value, json};

use super::platform::TestPlatform;
use super::tokens::{NOW, TestToken, encode};
use super::{run, shipped};

/// An issuer whose tokens are signed with this algorithm, and a good token of it.
pub fn issuer(algorithm: Algorithm) -> (JwtRules, TestToken) {
    let mut key = match algorithm {
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => json!({ "kty": "oct", "k": encode(&"k".repeat(64)) }),
        Algorithm::Es384 => es384_key(),
        Algorithm::Es256 => shipped::key("commerce-engine-pos"),
        Algorithm::EdDsa => shipped::key("marzipan"),
        _ => shipped::key("loyaltydog"),
    };
    key["kid"] = json!("key-1");
    key["alg"] = json!(algorithm.name());
    let mut token = TestToken::of("worth");
    token.header["alg"] = json!(algorithm.name());
    token.header["kid"] = json!("key-1");
    (rules(&key, algorithm, |_| ()), TestToken { key, algorithm, ..token })
}

fn es384_key() -> Value {
    let secret = p384::SecretKey::from_slice(&[7; 48]).unwrap();
    let point = p384::EncodedPoint::from(secret.public_key());
    let (x, y) = (point.x().unwrap(), point.y().unwrap());
    json!({
        "kty": "EC", "crv": "P-384", "d": Base64UrlUnpadded::encode_string(&secret.to_bytes()),
        "x": Base64UrlUnpadded::encode_string(x), "y": Base64UrlUnpadded::encode_string(y),
    })
}

/// The rules of an issuer like `worth` with this key, after some changes.
pub fn rules(key: &Value, algorithm: Algorithm, change: impl FnOnce(&mut Value)) -> JwtRules {
    let mut table = shipped::table();
    let mut environment = shipped::environment();
    let worth = shipped::issuer(&mut table, "worth");
    worth["algorithms"] = json!([algorithm.name()]);
    if key["kty"] == "oct" {
        environment.secrets.insert("KEY".to_owned(), key.to_string());
        worth["secret"] = json!("KEY");
        worth.as_object_mut().unwrap().remove("jwks");
    } else {
        let mut public = key.clone();
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            public.as_object_mut().unwrap().remove(private);
        }
        worth["jwks"] = json!({ "keys": [public] });
    }
    change(worth);
    let config = Config::parse(&table.to_string(), &environment).unwrap_or_else(|refusals| panic!("{refusals}"));
    let Config { issuers, routes, .. } = config;
    drop(routes);
    let worth = issuers.into_iter().find(|issuer| issuer.name == "worth").unwrap();
    match Rc::into_inner(worth).unwrap().tokens {
        Tokens::Jwt(rules) => *rules,
        Tokens::Opaque => panic!("worth has JWTs"),
    }
}

/// What becomes of a token.
pub fn check(token: &str, rules: &JwtRules) -> Result<VerifiedToken, TokenProblem> {
    run(verify(token, rules, NOW, &TestPlatform::default())).map_err(|error| match error {
        VerifyError::Bad(problem) => problem,
        VerifyError::CannotTell => panic!("the native platform can always tell"),
    })
}

/// What is wrong with a token.
pub fn problem(token: &str, rules: &JwtRules) -> Option<TokenProblem> {
    check(token, rules).err()
}
