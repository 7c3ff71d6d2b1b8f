//! What is refused of settings for keys that are fetched.

#![allow(clippy::string_slice, clippy::too_many_lines, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::keys::{DISCOVERY, JWKS};
use crate::support::shipped::{self, TestEnvironment};
use edge_logout::config::{Config, Tokens};
use edge_logout::keys::IssuerKeys;
use serde_json::{Value, json};

/// What is refused of the shipped table where `worth` has these settings in the place of its keys.
fn refused(settings: &Value) -> Vec<String> {
    shipped::refused(|table| {
        let worth = shipped::issuer(table, "worth");
        worth.as_object_mut().unwrap().remove("jwks");
        worth["algorithms"] = json!(["PS256"]);
        for (name, value) in settings.as_object().unwrap() {
            worth[name] = value.clone();
        }
    })
}

#[test]
fn each_refusal_names_its_setting() {
    assert_eq!(refused(&json!({ "jwks_url": JWKS })), Vec::<String>::new());
    assert_eq!(refused(&json!({ "discovery_url": DISCOVERY })), Vec::<String>::new());
    assert_eq!(refused(&json!({ "jwks_url": "http://127.0.0.1:8080/jwks" })), Vec::<String>::new(), "in development");
    let url = "must be https://host[:port][/path][?query]";
    let cases = [
        (
            json!({}),
            "jwks: is missing: write the public keys here, or their URL in `jwks_url`, or the name of a Worker secret",
        ),
        (json!({ "jwks_url": "http://id.example/jwks" }), &format!("jwks_url: {url}")),
        (json!({ "jwks_url": "id.example" }), &format!("jwks_url: {url}")),
        (json!({ "jwks_url": "https://a@id.example/" }), &format!("jwks_url: {url}")),
        (json!({ "discovery_url": "https://id.example/#x" }), &format!("discovery_url: {url}")),
        (json!({ "jwks_url": 7 }), "jwks_url: must be text; got a number"),
        (json!({ "jwks_url": JWKS, "discovery_url": DISCOVERY }), "discovery_url: cannot be combined with `jwks_url`"),
        (json!({ "jwks_url": JWKS, "secret": "KEY" }), "secret: cannot be combined with `jwks_url`"),
        (json!({ "discovery_url": DISCOVERY, "jwks": {} }), "jwks: cannot be combined with `discovery_url`"),
        (json!({ "discovery_url": DISCOVERY, "iss": [] }), "discovery_url: needs `iss`"),
        (
            json!({ "jwks_url": JWKS, "algorithms": ["PS256", "HS256"] }),
            "algorithms: \"HS256\" is symmetric, and `jwks_url` has public keys alone",
        ),
        (
            json!({ "secret": "COMMERCE_ENGINE_STOREFRONT_KEY", "algorithms": "HS256", "key_refresh": {} }),
            "key_refresh: is for keys that are fetched",
        ),
        (json!({ "jwks_url": JWKS, "key_refresh": 5 }), "key_refresh: must be a table"),
        (
            json!({ "jwks_url": JWKS, "key_refresh": { "seconds": 5 } }),
            "key_refresh.seconds: unknown setting `seconds`",
        ),
        (refreshed(&json!({ "least_seconds": 0 })), "key_refresh.least_seconds: must be 1 to 604800"),
        (refreshed(&json!({ "least_seconds": 604_801 })), "key_refresh.least_seconds: must be 1 to 604800"),
        (
            refreshed(&json!({ "least_seconds": 600, "most_seconds": 599 })),
            "key_refresh.most_seconds: must be 600 to 604800",
        ),
        (refreshed(&json!({ "unknown_kid_seconds": 3_601 })), "key_refresh.unknown_kid_seconds: must be 1 to 3600"),
        (refreshed(&json!({ "serve_stale_seconds": 604_801 })), "key_refresh.serve_stale_seconds: must be 0 to 604800"),
        (refreshed(&json!({ "serve_stale_seconds": "1d" })), "key_refresh.serve_stale_seconds: must be a whole number"),
    ];
    for (settings, expected) in cases {
        let refused = refused(&settings);
        let expected = format!("vars.EDGE_LOGOUT.issuers[2].{expected}");
        assert!(refused.iter().any(|refusal| refusal.starts_with(&expected)), "{settings}: {refused:#?}");
        assert_eq!(refused.len(), 1, "{settings}: {refused:#?}");
    }
}

fn refreshed(settings: &Value) -> Value {
    json!({ "jwks_url": JWKS, "key_refresh": settings })
}

#[test]
fn what_is_too_often_or_in_the_open_is_for_development_alone() {
    let environment = TestEnvironment { development: false, ..shipped::environment() };
    let refused = |settings: &Value| {
        let mut issuer = json!({ "name": "a", "iss": "https://a", "audiences": "a", "algorithms": "ES256" });
        for (name, value) in settings.as_object().unwrap() {
            issuer[name] = value.clone();
        }
        let routes = json!([{ "kind": "guard", "paths": "/*", "issuers": "a" }]);
        let table = json!({ "issuers": [issuer], "routes": routes }).to_string();
        Config::parse(&table, &environment).err().map(|refusals| shipped::texts(&refusals).join("\n"))
    };
    assert_eq!(refused(&json!({ "jwks_url": JWKS })), None);
    assert!(refused(&json!({ "jwks_url": "http://127.0.0.1/jwks" })).unwrap().contains("jwks_url: must be https"));
    let least = refused(&refreshed(&json!({ "least_seconds": 59 }))).unwrap();
    assert!(least.contains("least_seconds: must be 60 to 604800"), "{least}");
    let unknown = refused(&refreshed(&json!({ "unknown_kid_seconds": 9 }))).unwrap();
    assert!(unknown.contains("unknown_kid_seconds: must be 10 to 3600"), "{unknown}");
}

#[test]
fn whoever_mints_needs_keys_that_are_configured() {
    let refused = shipped::refused(|table| {
        let issuer = shipped::issuer(table, "commerce-engine-storefront");
        issuer.as_object_mut().unwrap().remove("secret");
        issuer["algorithms"] = json!("ES256");
        issuer["jwks_url"] = json!(JWKS);
    });
    assert_eq!(refused.len(), 1, "{refused:#?}");
    assert!(refused[0].contains("anonymous_session.signing_secret: needs an issuer with keys in `jwks` or `secret`"));
}

#[test]
fn issuers_whose_keys_cannot_be_compared_may_not_share_tokens() {
    let twin = |keys: &Value, other: &Value| {
        shipped::refused(|table| {
            for (name, settings) in [("worth", keys), ("marzipan", other)] {
                let issuer = shipped::issuer(table, name);
                issuer["iss"] = json!("https://id.example");
                issuer["audiences"] = json!("both");
                if let Some(settings) = settings.as_object() {
                    issuer.as_object_mut().unwrap().remove("jwks");
                    for (name, value) in settings {
                        issuer[name] = value.clone();
                    }
                }
            }
        })
    };
    let fetched = |url: &str| json!({ "algorithms": "ES256", "jwks_url": url });
    assert_eq!(twin(&Value::Null, &Value::Null), Vec::<String>::new(), "their keys are known to differ");
    for (keys, other) in [
        (fetched(JWKS), fetched(JWKS)),
        (fetched(JWKS), fetched("https://id.example/other")),
        (fetched(JWKS), Value::Null),
        (Value::Null, fetched(JWKS)),
    ] {
        let refused = twin(&keys, &other);
        assert!(refused.iter().any(|refusal| refusal.contains("takes the tokens of")), "{refused:?}");
    }
}

#[test]
fn settings_have_their_defaults() {
    let source = |settings: &Value| {
        let mut table = shipped::table();
        let worth = shipped::issuer(&mut table, "worth");
        worth.as_object_mut().unwrap().remove("jwks");
        for (name, value) in settings.as_object().unwrap() {
            worth[name] = value.clone();
        }
        let config = shipped::parse(&table).unwrap();
        let worth = config.issuers.iter().find(|issuer| issuer.name == "worth").unwrap();
        let Tokens::Jwt(rules) = &worth.tokens else { panic!("worth has JWTs") };
        let IssuerKeys::Published(keys) = &rules.keys else { panic!("its keys are fetched") };
        let source = &keys.source;
        [source.least, source.most, source.unknown_kid, source.serve_stale].map(|duration| duration.as_secs())
    };
    assert_eq!(source(&json!({ "jwks_url": JWKS })), [300, 86_400, 60, 86_400]);
    assert_eq!(source(&refreshed(&json!({ "least_seconds": 100_000 }))), [100_000, 100_000, 60, 86_400]);
    let all = json!({ "least_seconds": 60, "most_seconds": 70, "unknown_kid_seconds": 30, "serve_stale_seconds": 0 });
    assert_eq!(source(&refreshed(&all)), [60, 70, 30, 0]);
}
