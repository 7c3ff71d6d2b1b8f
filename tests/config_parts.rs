//! A table that is split over several variables, since one has at most 5 KB.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::support::shipped::{environment, table};
use edge_logout::config::{Config, Refusals};
use serde_json::{Value, json};

fn parse(parts: &[(&str, &Value)]) -> Result<Config, Refusals> {
    let texts: Vec<_> = parts.iter().map(|(name, part)| (*name, part.to_string())).collect();
    let parts: Vec<_> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Config::parse_parts(&parts, &environment())
}

fn refused(parts: &[(&str, &Value)]) -> Vec<String> {
    parse(parts).err().unwrap_or_default().0.iter().map(ToString::to_string).collect()
}

/// The shipped table: its first three issuers, the others, and the rest.
fn split() -> [Value; 3] {
    let mut table = table();
    let mut issuers = table["issuers"].take();
    let others = issuers.as_array_mut().unwrap().split_off(3);
    table.as_object_mut().unwrap().remove("issuers");
    [json!({ "issuers": issuers }), json!({ "issuers": others }), table]
}

fn names(config: &Config) -> Vec<&str> {
    config.issuers.iter().map(|issuer| issuer.name.as_str()).collect()
}

#[test]
fn lists_are_joined_in_the_order_of_the_variables_names() {
    let whole = table();
    let [first, second, rest] = split();
    let joined = parse(&[("EDGE_LOGOUT_C", &rest), ("EDGE_LOGOUT_B", &second), ("EDGE_LOGOUT", &first)]).unwrap();
    let whole = parse(&[("EDGE_LOGOUT", &whole)]).unwrap();
    assert_eq!(names(&joined), names(&whole));
    assert_eq!((joined.routes.len(), joined.clients.len()), (whole.routes.len(), whole.clients.len()));
}

#[test]
fn a_refusal_names_the_variable_and_the_place_in_it() {
    let [first, mut second, mut rest] = split();
    second["issuers"][1]["leeway_seconds"] = json!(301);
    rest["routes"][1]["revokes"] = json!([]);
    rest["routes"][2]["paths"] = json!("/customer/logout");
    rest["clients"][0]["secret"] = json!("NOT_THERE");
    let mut twin = first["issuers"][2].clone();
    twin["name"] = json!("twin");
    second["issuers"].as_array_mut().unwrap().push(twin);
    let refused = refused(&[("EDGE_LOGOUT", &rest), ("EDGE_LOGOUT_1", &first), ("EDGE_LOGOUT_2", &second)]);
    for expected in [
        "vars.EDGE_LOGOUT_2.issuers[1].leeway_seconds (issuer \"commerce-engine-pos\"): must be at most 300",
        "vars.EDGE_LOGOUT_2.issuers[3] (issuer \"twin\"): takes the tokens of issuer \"worth\" as well",
        "vars.EDGE_LOGOUT.routes[1].revokes (route \"worth\"): is empty",
        "vars.EDGE_LOGOUT.routes[2].paths (route \"marzipan\"): \"/customer/logout\" cannot be routed",
        "vars.EDGE_LOGOUT.clients[0].secret (client \"backend\"): the Worker secret NOT_THERE is not set",
    ] {
        assert!(refused.iter().any(|refusal| refusal.starts_with(expected)), "{expected} is not among {refused:#?}");
    }
    assert_eq!(refused.len(), 5, "{refused:#?}");
}

#[test]
fn any_other_setting_stands_in_one_variable() {
    let [first, second, mut rest] = split();
    rest["ledger"] = json!({ "shards": 1 });
    let again = json!({ "ledger": { "shards": 1 } });
    let refused = refused(&[
        ("EDGE_LOGOUT", &rest),
        ("EDGE_LOGOUT_1", &first),
        ("EDGE_LOGOUT_2", &second),
        ("EDGE_LOGOUT_3", &again),
    ]);
    let expected = "vars.EDGE_LOGOUT_3.ledger: is in vars.EDGE_LOGOUT as well: only the lists issuers, routes and clients are joined";
    assert_eq!(refused, [expected]);
}

#[test]
fn every_part_is_a_table() {
    let [first, second, rest] = split();
    for (part, expected) in [
        (json!([]), "must be a table; got an empty list: write [vars.EDGE_LOGOUT_3] with single brackets"),
        (json!(5), "must be a table; got a number"),
        (json!("{"), "must be a table; got text"),
        (json!({ "routes": {} }), "must be a list of tables; got one table: write [[vars.EDGE_LOGOUT_3.routes]]"),
        (json!({ "route": [] }), "unknown setting `route`; did you mean `routes`?"),
    ] {
        let all =
            [("EDGE_LOGOUT", &rest), ("EDGE_LOGOUT_1", &first), ("EDGE_LOGOUT_2", &second), ("EDGE_LOGOUT_3", &part)];
        let refused = refused(&all);
        assert_eq!(refused.len(), 1, "{refused:#?}");
        assert!(refused[0].starts_with("vars.EDGE_LOGOUT_3") && refused[0].contains(expected), "{refused:#?}");
    }
}

#[test]
fn no_part_at_all_is_refused() {
    assert!(refused(&[])[0].starts_with("vars.EDGE_LOGOUT: is missing"), "{:?}", refused(&[]));
    assert_eq!(refused(&[("EDGE_LOGOUT_ROUTES", &json!({}))]).len(), 2);
}
