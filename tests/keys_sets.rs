//! Published sets: which of their keys are used, and what is told of the others.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::asking::Asking;
use crate::support::keys::{JWKS, asking, check, good, key, noted, public, refresh, set, signed};
use crate::support::shipped;
use base64ct::{Base64UrlUnpadded, Encoding};
use edge_logout::config::Config;
use edge_logout::keys::{MAX_KEYS, judge_set};
use edge_logout::service::Service;
use edge_logout::token::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The public half of a key, with a member changed.
fn with(number: u8, name: &str, value: Value) -> Value {
    let mut key = public(&key(&format!("bad-{number}"), number));
    key[name] = value;
    key
}

fn rsa(bytes: usize) -> Value {
    json!({ "kty": "RSA", "kid": "rsa", "alg": "RS256", "n": Base64UrlUnpadded::encode_string(&vec![0xc3; bytes]), "e": "AQAB" })
}

/// Keys that are not used, and why.
fn bad_keys() -> Vec<(Value, &'static str)> {
    let mut without_kty = public(&key("bad-1", 1));
    without_kty.as_object_mut().unwrap().remove("kty");
    let mut without_y = public(&key("bad-1", 1));
    without_y.as_object_mut().unwrap().remove("y");
    vec![
        (json!({ "kty": "oct", "kid": "bad-1", "k": "a".repeat(64) }), "not_public"),
        (json!({ "kty": "oct", "kid": "bad-1", "alg": "HS256", "k": "a".repeat(64) }), "not_public"),
        (key("bad-1", 1), "not_public"),
        (with(1, "d", json!(7)), "not_public"),
        (with(1, "p", json!("AQAB")), "not_public"),
        (with(1, "use", json!("enc")), "other_use"),
        (with(1, "use", json!(1)), "other_use"),
        (with(1, "key_ops", json!(["encrypt"])), "other_use"),
        (with(1, "alg", json!("ES384")), "algorithm_not_configured"),
        (with(1, "alg", json!("none")), "algorithm_not_configured"),
        (with(1, "alg", json!("ECDH-ES")), "algorithm_not_configured"),
        (with(1, "alg", json!("RS256")), "no_algorithm_fits"),
        (with(1, "crv", json!("P-384")), "no_algorithm_fits"),
        (with(1, "x", json!("AQAB")), "bad_member"),
        (with(1, "x", json!("no base64url!")), "bad_member"),
        (without_y, "bad_member"),
        (rsa(255), "bad_size"),
        (rsa(128), "bad_size"),
        (rsa(1025), "bad_size"),
        (without_kty, "no_jwk"),
        (with(1, "kty", json!(1)), "no_jwk"),
        (with(1, "kid", json!(1)), "no_jwk"),
        (json!("a key"), "no_jwk"),
        (json!(null), "no_jwk"),
        (json!([]), "no_jwk"),
    ]
}

#[test]
fn weak_and_foreign_keys_are_refused_one_by_one() {
    let algorithms = [Algorithm::Es256, Algorithm::Rs256];
    let (first, last) = (public(&key("first", 101)), public(&key("last", 102)));
    for (bad, reason) in bad_keys() {
        let text = json!({ "keys": [first, bad, last] }).to_string();
        let judged = judge_set(&text, &algorithms, true).unwrap();
        let kids: Vec<_> = judged.keys.iter().map(|key| key.key_id().unwrap()).collect();
        assert_eq!(kids, ["first", "last"], "{bad}");
        assert_eq!(judged.refused.iter().map(|refused| refused.reason).collect::<Vec<_>>(), [reason], "{bad}");
    }
}

#[test]
fn a_key_without_alg_needs_to_fit_one_algorithm() {
    let mut key = rsa(256);
    key.as_object_mut().unwrap().remove("alg");
    let text = json!({ "keys": [key] }).to_string();
    assert_eq!(judge_set(&text, &[Algorithm::Rs256], true).unwrap().keys.len(), 1);
    let judged = judge_set(&text, &[Algorithm::Rs256, Algorithm::Ps256], true).unwrap();
    assert_eq!((judged.keys.len(), judged.refused[0].reason), (0, "bad_member"));
}

#[test]
fn one_name_stands_for_one_key_of_an_algorithm() {
    let (one, other) = (public(&key("same", 1)), public(&key("same", 2)));
    let mut rsa = rsa(256);
    rsa["kid"] = json!("same");
    let text = json!({ "keys": [one, other, rsa] }).to_string();
    let judged = judge_set(&text, &[Algorithm::Es256, Algorithm::Rs256], true).unwrap();
    assert_eq!((judged.keys.len(), judged.refused[0].reason), (2, "same_kid"));
}

#[test]
fn only_a_harmless_name_is_repeated() {
    let kids = ["2026-11", "a.b_c-D", &"k".repeat(64), &"k".repeat(65), "", "user@example.com", "a b", "a\nb", "ü"];
    let told = [true, true, true, false, false, false, false, false, false];
    for (kid, told) in kids.into_iter().zip(told) {
        let mut key = public(&key(kid, 1));
        key["use"] = json!("enc");
        let judged = judge_set(&json!({ "keys": [key] }).to_string(), &[Algorithm::Es256], true).unwrap();
        assert_eq!(judged.refused[0].key_id.as_deref(), told.then_some(kid), "{kid:?}");
    }
}

#[test]
fn refusals_are_told_once_for_each_version_of_a_set() {
    let (asking, one) = (asking(|_| ()), key("one", 1));
    let mut keys = set(&[&one]);
    keys["keys"].as_array_mut().unwrap().push(with(2, "use", json!("enc")));
    asking.platform.web.serve_json(JWKS, &keys, Some("max-age=300"));
    let refused = ("other_use".to_owned(), Some("bad-2".to_owned()));
    for _ in 0..10 {
        assert_eq!(check(&asking, &signed(&one, "a")), good());
        asking.platform.pass(Duration::from_mins(5));
        refresh(&asking);
    }
    assert_eq!(asking.platform.web.count(JWKS), 11);
    assert_eq!(noted(&asking.platform, "key_refused"), std::slice::from_ref(&refused));
    keys["keys"].as_array_mut().unwrap().push(json!({ "kty": "oct", "k": "a" }));
    asking.platform.web.serve_json(JWKS, &keys, None);
    asking.platform.pass(Duration::from_mins(5));
    check(&asking, &signed(&one, "a"));
    assert_eq!(noted(&asking.platform, "key_refused"), [refused.clone(), refused, ("not_public".to_owned(), None)]);
}

#[test]
fn a_token_without_kid_is_tried_against_a_few_keys() {
    let keys: Vec<Value> = (1..=6).map(|number| key(&format!("key-{number}"), number)).collect();
    let asking = asking(|_| ());
    asking.platform.web.serve_json(JWKS, &set(&keys.iter().collect::<Vec<_>>()), None);
    let without = |key: &Value| signed(key, "a").header("kid", Value::Null);
    assert_eq!(check(&asking, &without(&keys[3])), good());
    assert_eq!(asking.platform.verified.get(), 4);
    assert_eq!(check(&asking, &without(&keys[4])).0, 401);
    assert_eq!(asking.platform.verified.get(), 8, "four at most");
    assert_eq!(check(&asking, &signed(&keys[4], "a")), good());
}

#[test]
fn a_key_without_name_rotates_as_well() {
    let (asking, mut old, mut new) = (asking(|_| ()), key("", 1), key("", 2));
    for key in [&mut old, &mut new] {
        key.as_object_mut().unwrap().remove("kid");
    }
    asking.platform.web.serve_json(JWKS, &set(&[&old]), None);
    assert_eq!(check(&asking, &signed(&old, "a")), good());
    asking.platform.web.serve_json(JWKS, &set(&[&new]), None);
    assert_eq!(check(&asking, &signed(&new, "a")), good());
    assert_eq!(check(&asking, &signed(&old, "a")), (401, "bad_signature".to_owned()));
    assert_eq!(asking.platform.web.count(JWKS), 2);
}

#[test]
fn development_keys_are_published_for_nobody_else() {
    let published = shipped::key("commerce-engine-pos");
    let mut renamed = published.clone();
    renamed["kid"] = json!("2026-11");
    for key in [published, renamed] {
        let text = set(&[&key]).to_string();
        assert_eq!(judge_set(&text, &[Algorithm::Es256], true).unwrap().keys.len(), 1);
        let judged = judge_set(&text, &[Algorithm::Es256], false).unwrap();
        assert_eq!((judged.keys.len(), judged.refused[0].reason), (0, "development_key"));
        let deployed = shipped::TestEnvironment { development: false, ..shipped::environment() };
        let table = json!({
            "issuers": [{ "name": "worth", "iss": "https://id.example", "audiences": "a", "algorithms": "ES256", "jwks_url": JWKS }],
            "routes": [{ "kind": "guard", "paths": "/*", "issuers": "worth" }],
        });
        let service = Service::new(Config::parse(&table.to_string(), &deployed).unwrap());
        let asking = Asking { service, ..asking(|_| ()) };
        asking.platform.web.serve_json(JWKS, &set(&[&key]), None);
        let token = signed(&key, "a").claim("iss", json!("https://id.example")).claim("aud", json!("a"));
        assert_eq!(asking.check("/check", &token.sign()), 503);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever stands beside them, good keys are used, in their order, and every other one is told of.
    #[test]
    fn no_key_spoils_another(places in prop::collection::vec((any::<bool>(), 0_usize..25), 0..MAX_KEYS)) {
        let (bad, mut keys, mut good) = (bad_keys(), Vec::new(), Vec::new());
        for (number, (is_good, which)) in places.iter().enumerate() {
            if *is_good {
                let kid = format!("good-{number}");
                keys.push(public(&key(&kid, u8::try_from(number).unwrap() + 1)));
                good.push(kid);
            } else {
                keys.push(bad[*which].0.clone());
            }
        }
        let text = json!({ "keys": keys }).to_string();
        let judged = judge_set(&text, &[Algorithm::Es256, Algorithm::Rs256], true).unwrap();
        let used: Vec<_> = judged.keys.iter().map(|key| key.key_id().unwrap().to_owned()).collect();
        prop_assert_eq!(&used, &good);
        prop_assert_eq!(judged.refused.len(), places.len() - good.len());
    }

    /// No text whatever makes it panic, or gives a key that nobody has published.
    #[test]
    fn any_text_is_judged(text in "\\PC{0,200}") {
        prop_assert!(judge_set(&text, &[Algorithm::Es256], true).is_err());
    }
}
