//! The tests' own configuration, tests/wrangler.toml, and the development keys.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use edge_logout::config::{Config, Environment, Lookup, Refusals};
use edge_logout::service::Service;
use edge_logout::token::Secret;
use serde_json::{Value, json};

/// Worker secrets, and whether this is a development machine.
#[derive(Clone, Debug)]
pub struct TestEnvironment {
    pub secrets: BTreeMap<String, String>,
    pub development: bool,
    pub ledger: bool,
}

/// What the shipped client has.
pub const CLIENT_SECRET: &str = "development-secret-of-a-client-of-batch-check";

impl Environment for TestEnvironment {
    fn secret(&self, name: &str) -> Lookup {
        self.secrets.get(name).cloned().map_or(Lookup::Missing, |text| Lookup::Known(Secret::new(text)))
    }

    fn allows_development_keys(&self) -> bool {
        self.development
    }

    fn has_ledger(&self) -> bool {
        self.ledger
    }
}

/// The project's folder. The fuzz targets use this module as well, in a crate below it.
fn root() -> &'static Path {
    let is_root = |folder: &&Path| folder.join("tests/wrangler.toml").exists();
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(is_root).unwrap()
}

/// The private development key of an issuer.
pub fn key(issuer: &str) -> Value {
    let path = root().join("dev/keys").join(format!("{issuer}.jwk.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The table of `tests/wrangler.toml`.
pub fn table() -> Value {
    let text = fs::read_to_string(root().join("tests/wrangler.toml")).unwrap();
    let config: toml::Table = toml::from_str(&text).unwrap();
    serde_json::to_value(&config["vars"]["EDGE_LOGOUT"]).unwrap()
}

/// The environment that `npm start` gives.
pub fn environment() -> TestEnvironment {
    let secret = key("commerce-engine-storefront").to_string();
    TestEnvironment {
        secrets: BTreeMap::from([
            ("COMMERCE_ENGINE_STOREFRONT_KEY".to_owned(), secret),
            ("BATCH_CHECK_SECRET".to_owned(), CLIENT_SECRET.to_owned()),
        ]),
        development: true,
        ledger: true,
    }
}

/// The same where nothing is bound as the ledger.
pub fn environment_without_ledger() -> TestEnvironment {
    TestEnvironment { ledger: false, ..environment() }
}

/// What becomes of a table.
pub fn parse(table: &Value) -> Result<Config, Refusals> {
    Config::parse(&table.to_string(), &environment())
}

/// The service of the shipped table, after some changes.
pub fn service_with(change: impl FnOnce(&mut Value)) -> Service {
    let mut table = table();
    change(&mut table);
    Service::new(parse(&table).unwrap_or_else(|refusals| panic!("{refusals}")))
}

/// The service of the shipped table where nothing is bound as the ledger, after some changes.
pub fn service_on_kv_alone_with(change: impl FnOnce(&mut Value)) -> Service {
    let mut table = table();
    change(&mut table);
    let config = Config::parse(&table.to_string(), &environment_without_ledger());
    Service::new(config.unwrap_or_else(|refusals| panic!("{refusals}")))
}

/// The same without any change.
pub fn service_on_kv_alone() -> Service {
    service_on_kv_alone_with(|_| ())
}

/// The shipped service with its ledger and without, and what to call them.
pub fn both_services() -> [(&'static str, Service); 2] {
    [("with the ledger", service()), ("on KV alone", service_on_kv_alone())]
}

/// The service of the shipped table.
pub fn service() -> Service {
    service_with(|_| ())
}

/// The place of a route or an issuer in the shipped table.
pub fn place(table: &Value, list: &str, member: &str, name: &str) -> usize {
    table[list].as_array().unwrap().iter().position(|element| element[member] == json!(name)).unwrap()
}

/// A setting of the route of a contract.
pub fn route<'a>(table: &'a mut Value, contract: &str) -> &'a mut Value {
    let place = place(table, "routes", "contract", contract);
    &mut table["routes"][place]
}

/// A setting of an issuer.
pub fn issuer<'a>(table: &'a mut Value, name: &str) -> &'a mut Value {
    let place = place(table, "issuers", "name", name);
    &mut table["issuers"][place]
}

/// Adds a guard.
pub fn add_guard(table: &mut Value, settings: &Value) {
    let mut guard = json!({ "kind": "guard", "paths": ["/api/*"], "issuers": ["worth"] });
    for (name, value) in settings.as_object().unwrap() {
        guard[name] = value.clone();
    }
    table["routes"].as_array_mut().unwrap().push(guard);
}

/// The refusals after a change of the shipped table, each as setting and problem. `tests/config_mistakes.rs` tests the
/// issuer, route or client that they name.
pub fn refused(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut table = table();
    change(&mut table);
    match parse(&table) {
        Ok(_) => Vec::new(),
        Err(refusals) => texts(&refusals),
    }
}

/// Refusals, each as setting and problem.
pub fn texts(refusals: &Refusals) -> Vec<String> {
    refusals.0.iter().map(|refusal| format!("vars.{}: {}", refusal.setting, refusal.problem)).collect()
}
