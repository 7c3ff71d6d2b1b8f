//! Tokens to order, good ones and others.

use base64ct::{Base64UrlUnpadded, Encoding};
use edge_logout::time::Timestamp;
use edge_logout::token::Algorithm;
use serde_json::{Value, json};

use super::{crypto, shipped};

/// When all these tokens are issued.
pub const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// `NOW` in seconds.
pub fn now() -> i64 {
    NOW.as_millis() / 1000
}

/// A token being written.
#[derive(Clone, Debug)]
pub struct TestToken {
    pub key: Value,
    pub algorithm: Algorithm,
    pub header: Value,
    pub claims: Value,
}

impl TestToken {
    /// A good token of one of the shipped issuers.
    pub fn of(issuer: &str) -> Self {
        let key = shipped::key(issuer);
        let table = shipped::table();
        let settings = &table["issuers"][shipped::place(&table, "issuers", "name", issuer)];
        let algorithm = Algorithm::from_name(key["alg"].as_str().unwrap()).unwrap();
        let header = json!({ "alg": key["alg"], "kid": key["kid"], "typ": "JWT" });
        let mut claims = json!({
            "iss": settings["iss"], "aud": settings["audiences"][0],
            "iat": now(), "exp": now() + 3600, "jti": "token-1", "sid": "session-1",
        });
        let subject = settings["claims"]["subject"].as_str().unwrap_or("sub");
        claims[subject] = json!("user-1");
        if issuer == "worth" {
            claims["role"] = json!("customer");
        }
        Self { key, algorithm, header, claims }
    }

    /// With a claim, or without it when the value is `null`.
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        set(&mut self.claims, name, value);
        self
    }

    /// With a header parameter, or without it when the value is `null`.
    pub fn header(mut self, name: &str, value: Value) -> Self {
        set(&mut self.header, name, value);
        self
    }

    /// The token, signed.
    pub fn sign(&self) -> String {
        sign_parts(&self.header.to_string(), &self.claims.to_string(), self.algorithm, &self.key)
    }

    /// The token with this text as its claims, signed.
    pub fn sign_claims_text(&self, claims: &str) -> String {
        sign_parts(&self.header.to_string(), claims, self.algorithm, &self.key)
    }

    /// The token with this text as its header, signed.
    pub fn sign_header_text(&self, header: &str) -> String {
        sign_parts(header, &self.claims.to_string(), self.algorithm, &self.key)
    }
}

/// Signs any header and any claims.
pub fn sign_parts(header: &str, claims: &str, algorithm: Algorithm, key: &Value) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let signature = crypto::sign(algorithm, key, &input);
    format!("{input}.{}", Base64UrlUnpadded::encode_string(&signature))
}

/// Base64url.
pub fn encode(text: &str) -> String {
    Base64UrlUnpadded::encode_string(text.as_bytes())
}

fn set(object: &mut Value, name: &str, value: Value) {
    let object = object.as_object_mut().unwrap();
    if value.is_null() {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
}
