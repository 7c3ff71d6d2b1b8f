//! Secrets and keys of the configuration: which are refused, and that none is ever told.

#![allow(clippy::string_slice, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::shipped::{self, environment, issuer, parse, refused, route, table};
use edge_logout::config::{Config, Environment, Lookup};
use edge_logout::token::Jwk;
use serde_json::{Value, json};

fn minting(table: &mut Value) -> &mut Value {
    &mut route(table, "commerce-engine-storefront")["anonymous_session"]
}

#[test]
fn development_keys_are_refused_where_they_are_not_allowed() {
    let mut environment = environment();
    environment.development = false;
    let refusals = Config::parse(&table().to_string(), &environment).unwrap_err();
    let told: Vec<_> = refusals.0.iter().map(|refusal| refusal.setting.as_str()).collect();
    for expected in [
        "EDGE_LOGOUT.issuers[0].jwks.keys[0]",
        "EDGE_LOGOUT.issuers[2].jwks.keys[0]",
        "EDGE_LOGOUT.issuers[3].jwks.keys[0]",
        "EDGE_LOGOUT.issuers[4].jwks.keys[0]",
        "EDGE_LOGOUT.issuers[5].secret",
        "EDGE_LOGOUT.routes[4].anonymous_session.signing_secret",
    ] {
        assert!(told.contains(&expected), "{expected} is not among {told:?}");
    }
}

#[test]
fn no_refusal_tells_a_secret() {
    let secret = shipped::key("commerce-engine-storefront");
    let text = secret["k"].as_str().unwrap();
    for broken in [
        text.to_owned(),
        format!("{{\"kty\":\"oct\",\"k\":\"{text}"),
        format!("{{\"kty\":\"oct\",\"k\":\"{}\"}}", &text[..8]),
    ] {
        let mut environment = environment();
        environment.secrets.insert("COMMERCE_ENGINE_STOREFRONT_KEY".to_owned(), broken);
        let refusals = Config::parse(&table().to_string(), &environment).unwrap_err();
        let told = format!("{refusals} {refusals:?}");
        assert!(told.contains("COMMERCE_ENGINE_STOREFRONT_KEY") && !told.contains(&text[..8]), "{told}");
    }
    let config = parse(&table()).unwrap();
    assert!(!format!("{config:?}").contains(&text[..8]), "nor does anybody who prints the configuration");
}

#[test]
fn what_the_issuer_would_not_take_is_not_minted() {
    let other =
        json!({ "kty": "oct", "alg": "HS256", "k": "b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3RoZXI" }).to_string();
    let set = json!({ "keys": [shipped::key("commerce-engine-storefront")] }).to_string();
    for (secret, expected) in [
        (other, "the JWK in MINTING_KEY is not one of the issuer's own keys"),
        (set, "the Worker secret MINTING_KEY is not a JWK"),
    ] {
        let mut table = table();
        minting(&mut table)["signing_secret"] = json!("MINTING_KEY");
        let mut environment = environment();
        environment.secrets.insert("MINTING_KEY".to_owned(), secret);
        let refusals = Config::parse(&table.to_string(), &environment).unwrap_err().to_string();
        assert!(refusals.contains(expected), "{refusals}");
    }
}

#[test]
fn a_secret_in_the_place_of_its_name_is_not_told() {
    let secret = shipped::key("commerce-engine-storefront").to_string();
    let told = refused(|table| {
        issuer(table, "commerce-engine-storefront")["secret"] = json!(secret);
        minting(table)["signing_secret"] = json!(secret);
        route(table, "loyaltydog")["session_store"] = json!({ "url_secret": "redis://:pw@host", "key_prefix": "a" });
    });
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told.iter().all(|refusal| {
        refusal.ends_with("must be the name of a Worker secret, never its text: upper-case letters, digits and _")
    }));
}

/// A machine that deploys knows which secrets are set, but not what is in them.
struct Deploying;

impl Environment for Deploying {
    fn secret(&self, _name: &str) -> Lookup {
        Lookup::Unknown
    }

    fn allows_development_keys(&self) -> bool {
        true
    }

    fn has_ledger(&self) -> bool {
        true
    }
}

#[test]
fn secrets_that_are_set_elsewhere_are_not_missing() {
    assert!(Config::parse(&table().to_string(), &Deploying).is_ok());
}

#[test]
fn a_session_store_has_a_host_and_a_numbered_database() {
    let with = |url: &str| {
        let mut table = table();
        route(&mut table, "loyaltydog")["session_store"] = json!({ "url_secret": "REDIS", "key_prefix": "s:" });
        let mut environment = environment();
        environment.secrets.insert("REDIS".to_owned(), url.to_owned());
        Config::parse(&table.to_string(), &environment).is_ok()
    };
    for good in ["redis://h", "rediss://h:6380/0", "redis://u:p%40@h/15", "redis://[::1]:6379/"] {
        assert!(with(good), "{good}");
    }
    for bad in [
        "http://h",
        "redis://",
        "redis:///0",
        "redis://u:p@/0",
        "redis://:6379",
        "redis://h/abc",
        "redis://h/0?x=1",
        "redis://h?db=3",
        "redis://h:99999",
        "redis://ho st",
    ] {
        assert!(!with(bad), "{bad}");
    }
}

#[test]
fn development_keys_are_known_by_any_name() {
    for name in ["loyaltydog", "worth", "marzipan", "commerce-engine-pos", "commerce-engine-storefront"] {
        let mut key = shipped::key(name);
        key.as_object_mut().unwrap().remove("kid");
        let jwk = Jwk::read(key).unwrap();
        assert!(jwk.is_for_development(), "{name}");
    }
    let other = json!({ "kty": "oct", "alg": "HS256", "k": "b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3RoZXI" });
    assert!(!Jwk::read(other).unwrap().is_for_development());
}

#[test]
fn two_issuers_with_one_secret_are_refused_where_its_text_is_not_known_too() {
    let mut table = table();
    let mut twin = issuer(&mut table, "commerce-engine-storefront").clone();
    twin["name"] = json!("twin");
    table["issuers"].as_array_mut().unwrap().push(twin);
    let refusals = Config::parse(&table.to_string(), &Deploying).unwrap_err().to_string();
    let expected = "takes the tokens of issuer \"commerce-engine-storefront\" as well";
    assert!(refusals.contains(expected), "{refusals}");
}

#[test]
fn public_keys_may_stand_in_a_secret_and_private_ones_nowhere() {
    let refusals = |private: bool| {
        let mut table = table();
        let worth = issuer(&mut table, "worth");
        let mut key = worth["jwks"]["keys"][0].clone();
        if private {
            key["d"] = shipped::key("worth")["d"].clone();
        }
        worth.as_object_mut().unwrap().remove("jwks");
        worth["secret"] = json!("WORTH_KEYS");
        let mut environment = environment();
        environment.secrets.insert("WORTH_KEYS".to_owned(), json!({ "keys": [key] }).to_string());
        Config::parse(&table.to_string(), &environment).err().unwrap_or_default().to_string()
    };
    assert_eq!(refusals(false), "");
    assert!(refusals(true).starts_with(
        "vars.EDGE_LOGOUT.issuers[2].secret (issuer \"worth\"): the JWK in WORTH_KEYS is a private key: write its \
             public half into `jwks` instead, as printed by `node -e"
    ));
}
