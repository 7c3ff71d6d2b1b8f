//! An identity provider that publishes keys, an isolate that fetches them, and tokens that are signed with them.

use edge_logout::service::Service;
use edge_logout::token::Algorithm;
use serde_json::{Value, json};

use super::asking::{Asking, refusal};
use super::platform::TestPlatform;
use super::request::TestRequest;
use super::tokens::{NOW, TestToken};
use super::web::Served;
use super::{run, shipped};

/// Where the keys are published.
pub const JWKS: &str = "https://id.example/jwks";
/// Where the discovery document is.
pub const DISCOVERY: &str = "https://id.example/.well-known/openid-configuration";

/// A fresh ES256 key of this name; the same number gives the same key.
pub fn key(kid: &str, number: u8) -> Value {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let secret = p256::SecretKey::from_slice(&[number; 32]).unwrap();
    let point = p256::EncodedPoint::from(secret.public_key());
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
        "d": Base64UrlUnpadded::encode_string(&secret.to_bytes()),
        "x": Base64UrlUnpadded::encode_string(point.x().unwrap()),
        "y": Base64UrlUnpadded::encode_string(point.y().unwrap()),
    })
}

/// The public half of a key.
pub fn public(key: &Value) -> Value {
    let mut public = key.clone();
    for private in ["d", "p", "q", "dp", "dq", "qi"] {
        public.as_object_mut().unwrap().remove(private);
    }
    public
}

/// The set of some keys' public halves.
pub fn set(keys: &[&Value]) -> Value {
    json!({ "keys": keys.iter().map(|key| public(key)).collect::<Vec<_>>() })
}

/// A token of `worth` that is signed with a key and good for ten days.
pub fn signed(key: &Value, id: &str) -> TestToken {
    let mut token = TestToken::of("worth").claim("jti", json!(id)).claim("sid", json!(id));
    token = token.claim("exp", json!(super::tokens::now() + 10 * 24 * 3600));
    token.key = key.clone();
    token.algorithm = Algorithm::from_name(key["alg"].as_str().unwrap()).unwrap();
    token.header("alg", key["alg"].clone()).header("kid", key["kid"].clone())
}

/// The service whose issuer `worth` has its keys published, after some changes of the issuer.
pub fn service(change: impl FnOnce(&mut Value)) -> Service {
    shipped::service_with(|table| {
        let worth = shipped::issuer(table, "worth");
        worth.as_object_mut().unwrap().remove("jwks");
        worth["algorithms"] = json!(["ES256"]);
        worth["jwks_url"] = json!(JWKS);
        change(worth);
    })
}

/// The same, being asked.
pub fn asking(change: impl FnOnce(&mut Value)) -> Asking {
    Asking { service: service(change), platform: TestPlatform::at(NOW) }
}

/// A new isolate takes the place of the one that was asked.
pub fn start_anew(asking: &mut Asking) {
    asking.service = service(|_| ());
}

/// What a check says of a token: its status, and why.
pub fn check(asking: &Asking, token: &TestToken) -> (u16, String) {
    let answer = asking.send(&TestRequest::new("GET", "/check?freshness=strong").internal().bearer(&token.sign()));
    let (status, _, reason) = refusal(&answer);
    (status, reason)
}

/// What a check says that a token is good.
pub fn good() -> (u16, String) {
    (200, String::new())
}

/// What it says when the token names a key that nobody has.
pub fn unknown() -> (u16, String) {
    (401, "unknown_key".to_owned())
}

/// What it says when no keys are to be had.
pub fn untold() -> (u16, String) {
    (503, "cannot_verify".to_owned())
}

/// Publishes keys.
pub fn publish(asking: &Asking, keys: &[&Value]) {
    asking.platform.web.serve_json(JWKS, &set(keys), None);
}

/// The provider is down.
pub fn go_down(asking: &Asking) {
    asking.platform.web.serve(JWKS, Served::Error(edge_logout::ports::WebError::Unreachable));
}

/// Does what is done behind an answer, when that is due. Says whether it was.
pub fn refresh(asking: &Asking) -> bool {
    let is_due = asking.service.wants_refresh(&asking.platform);
    if is_due {
        run(asking.service.refresh(&asking.platform));
    }
    is_due
}

/// The log's lines of an event: reason and `kid`.
pub fn noted(platform: &TestPlatform, event: &str) -> Vec<(String, Option<String>)> {
    let journal = platform.journal.borrow();
    let of_event = journal.iter().filter(|noted| noted.event == event);
    of_event.map(|noted| (noted.reason.to_owned(), noted.key_id.clone())).collect()
}

/// URL and status of the failed fetches in the log.
pub fn asked(platform: &TestPlatform) -> Vec<(String, Option<u16>)> {
    let journal = platform.journal.borrow();
    let failed = journal.iter().filter(|noted| noted.event == "keys_fetch_failed");
    failed.map(|noted| (noted.url.clone().unwrap_or_default(), noted.status)).collect()
}
