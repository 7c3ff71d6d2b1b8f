//! Digests that are keyed by a Worker secret, and the rotation of that.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::asking::Asking;
use crate::support::request::TestRequest;
use crate::support::shipped::{environment, environment_without_ledger, table, texts};
use crate::support::tokens::TestToken;
use edge_logout::config::{Config, Refusals};
use edge_logout::service::Service;
use serde_json::{Value, json};

fn parse(digests: Option<Value>, has_ledger: bool) -> Result<Config, Refusals> {
    let mut environment = if has_ledger { environment() } else { environment_without_ledger() };
    for (name, text) in [("ONE", "1"), ("TWO", "2")] {
        environment.secrets.insert(name.to_owned(), text.repeat(32));
    }
    environment.secrets.insert("SHORT".to_owned(), "x".repeat(31));
    let mut table = table();
    if let Some(digests) = digests {
        table["digests"] = digests;
    }
    Config::parse(&table.to_string(), &environment)
}

fn service(digests: Option<Value>, has_ledger: bool) -> Service {
    Service::new(parse(digests, has_ledger).unwrap_or_else(|refusals| panic!("{refusals}")))
}

fn token(number: u32) -> String {
    let id = |what: &str| json!(format!("{what}-{number}"));
    TestToken::of("worth").claim("jti", id("token")).claim("sid", id("session")).claim("sub", id("user")).sign()
}

fn log_out(asking: &Asking, token: &str) {
    assert_eq!(asking.send(&TestRequest::post("/customer/logout").bearer(token)).reply.status, 200);
}

/// Whether another isolate, with these settings, refuses a token.
fn is_refused(asking: &mut Asking, digests: Option<Value>, has_ledger: bool, token: &str) -> bool {
    let own = std::mem::replace(&mut asking.service, service(digests, has_ledger));
    let status = asking.check("/check", token);
    asking.service = own;
    match status {
        401 => true,
        200 => false,
        other => panic!("{other}"),
    }
}

#[test]
fn a_key_is_introduced_and_rotated_and_given_up_without_missing_a_logout() {
    let one = || Some(json!({ "secret": "ONE" }));
    let introduced = || Some(json!({ "secret": "ONE", "second_secret": "none" }));
    let rotating = || Some(json!({ "secret": "TWO", "second_secret": "ONE" }));
    let prepared = || Some(json!({ "secret": "ONE", "second_secret": "TWO" }));
    let given_up = || Some(json!({ "second_secret": "ONE" }));
    for has_ledger in [true, false] {
        for (before, after) in [
            (None, introduced()),
            (one(), one()),
            (one(), rotating()),
            // Isolates of both settings are there while a deployment spreads.
            (rotating(), prepared()),
            (prepared(), rotating()),
            (introduced(), one()),
            (one(), given_up()),
        ] {
            let mut asking = Asking::of(service(before.clone(), has_ledger));
            log_out(&asking, &token(1));
            assert!(is_refused(&mut asking, after.clone(), has_ledger, &token(1)), "{before:?} {after:?}");
            assert!(!is_refused(&mut asking, after.clone(), has_ledger, &token(2)), "{before:?} {after:?}");
        }
        let mut asking = Asking::of(service(one(), has_ledger));
        log_out(&asking, &token(1));
        for other in [None, Some(json!({ "secret": "TWO" }))] {
            assert!(!is_refused(&mut asking, other.clone(), has_ledger, &token(1)), "{other:?}: it takes the key");
        }
    }
}

#[test]
fn what_is_stored_under_a_key_cannot_be_found_by_guessing() {
    let keys = |digests| {
        let asking = Asking::of(service(digests, false));
        log_out(&asking, &token(1));
        let keys: Vec<String> = asking.platform.index.borrow().keys().cloned().collect();
        keys
    };
    let (plain, one, two) =
        (keys(None), keys(Some(json!({ "secret": "ONE" }))), keys(Some(json!({ "secret": "TWO" }))));
    assert_eq!(plain.len(), one.len());
    assert!(plain.iter().all(|key| !one.contains(key)) && one.iter().all(|key| !two.contains(key)));
    assert_eq!(keys(Some(json!({ "secret": "none" }))), plain);
}

#[test]
fn mistakes_are_refused_and_no_secret_is_told() {
    for (digests, expected) in [
        (
            json!({ "secret": "SHORT" }),
            "digests.secret: the Worker secret SHORT must have 32 characters or more: run `openssl rand -base64 32`",
        ),
        (
            json!({ "secret": "ONE", "second_secret": "SHORT" }),
            "digests.second_secret: the Worker secret SHORT must have 32 characters or more",
        ),
        (json!({ "secret": "MISSING" }), "digests.secret: "),
        (json!({ "secret": "not a name" }), "digests.secret: must be the name of a Worker secret, never its text"),
        (json!({ "secret": 4 }), "digests.secret: must be text"),
        (json!({ "key": "ONE" }), "digests.key: unknown setting `key`"),
        (json!("ONE"), "digests: must be a table"),
    ] {
        let refusals = parse(Some(digests.clone()), true).unwrap_err();
        let told = texts(&refusals);
        let expected = format!("vars.EDGE_LOGOUT.{expected}");
        assert!(told.iter().any(|refusal| refusal.starts_with(&expected)), "{digests}: {told:#?}");
        assert!(!format!("{refusals:?}").contains("xxxx"));
    }
    let config = parse(Some(json!({ "secret": "ONE", "second_secret": "TWO" })), true).unwrap();
    assert!(!format!("{config:?}").contains("1111"), "nor does anybody who prints the configuration");
}
