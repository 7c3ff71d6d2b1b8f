//! Refusals of what is configured for the ledger, for checks, for guards and for clients.

#![allow(clippy::string_slice, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use crate::support::shipped::{
    TestEnvironment, add_guard, environment, environment_without_ledger, issuer, parse, refused, route, table,
};
use edge_logout::config::{AnyRoute, Config, Upstream};
use edge_logout::revocation::Freshness;
use edge_logout::revocation::ledger::LedgerRules;
use edge_logout::time::Timestamp;
use serde_json::{Value, json};

/// What is refused of a guard with these settings besides; it is the sixth route.
fn refused_of_guard(settings: &Value) -> Vec<String> {
    refused(|table| add_guard(table, settings))
}

fn refused_in(environment: &TestEnvironment, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut table = table();
    change(&mut table);
    let refusals = Config::parse(&table.to_string(), environment).err().unwrap_or_default();
    crate::support::shipped::texts(&refusals)
}

fn expect(refused: &[String], expected: &str) {
    let expected = format!("vars.EDGE_LOGOUT.{expected}");
    assert!(refused.iter().any(|refusal| refusal.starts_with(&expected)), "expected {expected:?} among {refused:#?}");
}

#[test]
fn the_ledgers_settings_have_limits() {
    for (settings, expected) in [
        (json!({ "shards": 0 }), "ledger.shards: must be 1 to 64"),
        (json!({ "shards": 65 }), "ledger.shards: must be 1 to 64"),
        (json!({ "shards": "4" }), "ledger.shards: must be a whole number"),
        (json!({ "settling_seconds": 3601 }), "ledger.settling_seconds: must be 0 to 3600"),
        (json!({ "kv_written_until": "2027-01-15" }), "ledger.kv_written_until: must be a whole number"),
        (json!({ "kv_written_until": -1 }), "ledger.kv_written_until: must be a whole number"),
        (json!({ "kv_written_until": 1_800_000_000_000_u64 }), "ledger.kv_written_until: must be a whole number"),
        (json!({ "sole_writer": true }), "ledger.sole_writer: unknown setting `sole_writer`"),
        (json!({ "shard": 1 }), "ledger.shard: unknown setting `shard`"),
        (json!(4), "ledger: must be a table, { setting = value, ... }; got a number"),
    ] {
        expect(&refused(|table| table["ledger"] = settings), expected);
    }
    let deployed = TestEnvironment { development: false, ..environment() };
    let of = |seconds: u32| refused_in(&deployed, |table| table["ledger"] = json!({ "settling_seconds": seconds }));
    expect(&of(59), "ledger.settling_seconds: must be 60 to 3600");
    assert!(!of(60).iter().any(|refusal| refusal.contains("ledger")));
}

#[test]
fn what_is_set_for_the_ledger_holds() {
    let storage = |settings: Option<Value>| {
        let mut table = table();
        if let Some(settings) = settings {
            table["ledger"] = settings;
        }
        parse(&table).unwrap().storage
    };
    let of = |shards, kv_written_until| Some(LedgerRules { shards, kv_written_until });
    let shipped = storage(None);
    assert_eq!((shipped.ledger, shipped.settling), (of(1, None), Duration::from_mins(2)));
    let set = storage(Some(json!({ "shards": 64, "settling_seconds": 0, "kv_written_until": 1_800_000_000 })));
    assert_eq!((set.ledger, set.settling), (of(64, Some(Timestamp::from_seconds(1_800_000_000))), Duration::ZERO));
}

#[test]
fn freshness_has_three_words_and_one_bound() {
    const WORD: &str = "freshness: unknown freshness \"soon\"; known: \"strong\", \"bounded\", \"eventual\"";
    const CASE: &str = "freshness: unknown freshness \"Strong\"; did you mean \"strong\"?";
    const UNBOUNDED: &str = "bound_milliseconds: is for freshness = \"bounded\" only";
    const BOUND: &str = "bound_milliseconds: must be 100 to 60000";
    for (name, bound, expected) in [
        (Some("soon"), None, WORD),
        (Some("Strong"), None, CASE),
        (Some("strong"), Some(1000), UNBOUNDED),
        (Some("eventual"), Some(1000), UNBOUNDED),
        (None, Some(99), BOUND),
        (Some("bounded"), Some(60_001), BOUND),
    ] {
        let set = |section: &mut Value| {
            if let Some(name) = name {
                section["freshness"] = json!(name);
            }
            if let Some(bound) = bound {
                section["bound_milliseconds"] = json!(bound);
            }
        };
        expect(&refused(|table| set(issuer(table, "worth"))), &format!("issuers[2].{expected}"));
        expect(&refused(|table| set(route(table, "worth"))), &format!("routes[1].{expected}"));
        let mut guard = json!({});
        set(&mut guard);
        expect(&refused_of_guard(&guard), &format!("routes[5].{expected}"));
    }
}

#[test]
fn what_needs_the_ledger_is_refused_without_it() {
    let environment = environment_without_ledger();
    for name in ["strong", "bounded"] {
        let expected = format!("freshness: {name:?} needs the ledger: bind the Durable Object `Ledger` as LEDGER");
        let of_issuer = refused_in(&environment, |table| issuer(table, "worth")["freshness"] = json!(name));
        expect(&of_issuer, &format!("issuers[2].{expected}"));
        let of_route = refused_in(&environment, |table| route(table, "worth")["freshness"] = json!(name));
        expect(&of_route, &format!("routes[1].{expected}"));
    }
    let strong_for = refused_in(&environment, |table| add_guard(table, &json!({ "strong_for": ["POST"] })));
    expect(&strong_for, "routes[5].strong_for: needs the ledger");
    let until = refused_in(&environment, |table| table["ledger"] = json!({ "kv_written_until": 1 }));
    expect(&until, "ledger.kv_written_until: needs the ledger: bind the Durable Object `Ledger` as LEDGER");
    let settings = refused_in(&environment, |table| {
        issuer(table, "worth")["freshness"] = json!("eventual");
        table["ledger"] = json!({ "settling_seconds": 300 });
    });
    assert_eq!(settings, Vec::<String>::new(), "how long KV needs is good to know in any case");
}

#[test]
fn freshness_is_the_routes_the_issuers_or_what_the_storage_can_keep() {
    let mut table = table();
    issuer(&mut table, "worth")["bound_milliseconds"] = json!(2_000);
    issuer(&mut table, "marzipan")["freshness"] = json!("strong");
    route(&mut table, "marzipan")["freshness"] = json!("eventual");
    let config = parse(&table).unwrap();
    let of = |contract: &str| config.logouts().find(|route| route.contract.name() == contract).unwrap().freshness;
    assert_eq!(of("worth"), Freshness::Bounded(Duration::from_secs(2)));
    assert_eq!((of("marzipan"), of("loyaltydog")), (Freshness::Eventual, Freshness::DEFAULT));
    let alone = Config::parse(&crate::support::shipped::table().to_string(), &environment_without_ledger()).unwrap();
    assert!(alone.issuers.iter().all(|issuer| issuer.freshness == Freshness::Eventual));
}

#[test]
fn guards_are_refused_by_the_name_of_what_is_wrong() {
    let service = || json!({ "service": "ORDERS" });
    for (settings, expected) in [
        (json!({ "kind": "gate" }), "kind: unknown kind \"gate\"; known: \"logout\", \"guard\""),
        (json!({ "issuers": [] }), "issuers: is empty"),
        (json!({ "issuers": ["nobody"] }), "issuers: unknown issuer \"nobody\""),
        (json!({ "issuers": ["loyaltydog-sessions"] }), "issuers: must be issuers of kind \"jwt\""),
        (json!({ "paths": [] }), "paths: is empty"),
        (json!({ "paths": ["/api/*/x"] }), "paths: \"/api/*/x\" must begin with /"),
        (json!({ "paths": ["/api*"] }), "paths: \"/api*\" must begin with /"),
        (json!({ "paths": ["api/*"] }), "paths: \"api/*\" must begin with /"),
        (json!({ "paths": ["/api/../*"] }), "paths: \"/api/../*\" must begin with /"),
        (json!({ "host": "https://x" }), "host: must be a host name"),
        (json!({ "strong_for": ["post"] }), "strong_for: must be methods in upper case"),
        (json!({ "strong_for": "POST, PUT" }), "strong_for: must be methods in upper case"),
        (json!({ "contract": "worth" }), "contract: is for logouts"),
        (json!({ "fail_open": true }), "fail_open: is for guards with an `upstream`"),
        (json!({ "pass_preflights": true }), "pass_preflights: is for guards with an `upstream`"),
        (json!({ "pass_ambiguous_paths": true }), "pass_ambiguous_paths: is for guards with an `upstream`"),
        (json!({ "fail_open": "yes", "upstream": service() }), "fail_open: must be true or false"),
        (
            json!({ "fail_open": true, "freshness": "strong", "upstream": service() }),
            "fail_open: cannot be combined with freshness = \"strong\"",
        ),
        (json!({ "upstream": {} }), "upstream.service: is missing: write the name of a service binding"),
        (
            json!({ "upstream": { "service": "A", "url": "https://a" } }),
            "upstream: must have `service` or `url`, not both",
        ),
        (json!({ "upstream": { "service": "a-b" } }), "upstream.service: must be the name of a service binding"),
        (json!({ "upstream": { "service": "REVOCATIONS" } }), "upstream.service: must be the name of a service"),
        (json!({ "upstream": { "service": "LEDGER" } }), "upstream.service: must be the name of a service"),
        (json!({ "upstream": { "service": "A", "x": 1 } }), "upstream.x: unknown setting `x`"),
    ] {
        expect(&refused_of_guard(&settings), &format!("routes[5].{expected}"));
    }
    for missing in ["issuers", "paths"] {
        let without = refused(|table| {
            add_guard(table, &json!({}));
            table["routes"][5].as_object_mut().unwrap().remove(missing);
        });
        expect(&without, &format!("routes[5].{missing}: is missing"));
    }
}

#[test]
fn an_upstream_has_tls_and_nothing_behind_its_path() {
    let upstream = |url: &str| json!({ "upstream": { "url": url } });
    for bad in [
        "",
        "a.example",
        "ftp://a",
        "https://",
        "https:///x",
        "https://a?x",
        "https://a#x",
        "https://u@a",
        "https://a/../b",
        "https://a//b",
        "https://a:99999",
        "https://a:x",
        "https://a b",
    ] {
        assert!(!refused_of_guard(&upstream(bad)).is_empty(), "{bad}");
    }
    for good in ["https://a", "https://a.example:8443/v1/", "https://[::1]/x", "http://127.0.0.1:8080"] {
        assert_eq!(refused_of_guard(&upstream(good)), Vec::<String>::new(), "{good}");
    }
    let deployed = TestEnvironment { development: false, ..environment() };
    let plain = refused_in(&deployed, |table| add_guard(table, &upstream("http://a.example")));
    expect(&plain, "routes[5].upstream.url: must be https://");
    let mut table = table();
    add_guard(&mut table, &upstream("https://a.example/v1/"));
    let config = parse(&table).unwrap();
    let Some(AnyRoute::Guard(guard)) = config.routes.last() else { panic!("a guard") };
    assert_eq!(guard.upstream, Some(Upstream::Url("https://a.example/v1".to_owned())));
}

#[test]
fn paths_of_guards_stand_beside_all_others() {
    for path in ["/check", "/check/*", "/healthz", "/readyz", "/batch-check", "/openapi.json", "/customer/logout"] {
        expect(&refused_of_guard(&json!({ "paths": [path] })), &format!("routes[5].paths: {path:?} cannot be routed"));
    }
    let twice = refused(|table| {
        add_guard(table, &json!({}));
        add_guard(table, &json!({ "paths": ["/api/*"], "issuers": ["marzipan"] }));
    });
    expect(&twice, "routes[6].paths: \"/api/*\" cannot be routed");
    let beside = refused(|table| {
        add_guard(table, &json!({ "paths": ["/*"] }));
        add_guard(table, &json!({ "paths": ["/api/*", "/api/orders"] }));
        add_guard(table, &json!({ "paths": ["/api/*"], "host": "a.example" }));
    });
    assert_eq!(beside, Vec::<String>::new());
}

/// What is refused of one client with this secret, or of two.
fn refused_of_clients(secrets: &[(&str, &str)], development: bool) -> Vec<String> {
    let mut environment = TestEnvironment { development, ..environment() };
    for (name, secret) in secrets {
        environment.secrets.insert((*name).to_owned(), (*secret).to_owned());
    }
    refused_in(&environment, |table| {
        let clients =
            secrets.iter().enumerate().map(|(place, (name, _))| json!({ "name": place.to_string(), "secret": name }));
        table["clients"] = clients.collect();
    })
}

#[test]
fn clients_have_names_and_secrets_of_their_own() {
    let good = "0123456789abcdef0123456789abcdef";
    assert_eq!(refused_of_clients(&[("A", good)], true), Vec::<String>::new());
    for (secret, expected) in [
        (&good[1..], "must have 32 characters or more"),
        ("a secret with spaces, and long enough for all", "must not contain spaces, commas or line ends"),
        ("0123456789abcdef0123456789abcdef\n", "must not contain spaces, commas or line ends"),
    ] {
        expect(
            &refused_of_clients(&[("A", secret)], true),
            &format!("clients[0].secret: the Worker secret A {expected}"),
        );
    }
    let same = refused_of_clients(&[("A", good), ("B", good)], true);
    expect(&same, "clients[1].secret: the Worker secret B is that of another client as well");
    let development = refused_of_clients(&[("A", crate::support::shipped::CLIENT_SECRET)], false);
    expect(&development, "clients[0].secret: the Worker secret A is for development only");
    assert!(same.iter().chain(&development).all(|refusal| !refusal.contains(good) && !refusal.contains("of-a-client")));
    for (clients, expected) in [
        (json!([{ "secret": "BATCH_CHECK_SECRET" }]), "clients[0].name: is missing"),
        (json!([{ "name": "a" }]), "clients[0].secret: is missing"),
        (json!([{ "name": "a", "secret": "NOT_THERE" }]), "clients[0].secret: the Worker secret NOT_THERE is not set"),
        (json!([{ "name": "a", "secret": "not a name" }]), "clients[0].secret: must be the name of a Worker secret"),
        (
            json!([{ "name": "a", "secret": "BATCH_CHECK_SECRET" }, { "name": "a", "secret": "X" }]),
            "clients[1].name: is the name of another client as well",
        ),
        (json!([]), "clients: is empty: write at least one [[vars.EDGE_LOGOUT.clients]]"),
    ] {
        expect(&refused(|table| table["clients"] = clients), expected);
    }
}
