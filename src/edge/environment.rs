//! Variables and secrets of the Worker.

use std::time::Duration;

use js_sys::{JSON, JsString, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use worker::Env;

use crate::config::{Config, DEFAULT_SETTLING, Environment, LEDGER, Lookup, Refusals, TABLE_NAME};
use crate::token::Secret;

/// Set to `"true"` in `.dev.vars` alone, which is never deployed.
const DEVELOPMENT: &str = "EDGE_LOGOUT_DEVELOPMENT";

/// What stands outside the table.
pub(super) struct WorkerEnvironment<'a>(pub &'a Env);

impl Environment for WorkerEnvironment<'_> {
    fn secret(&self, name: &str) -> Lookup {
        text(self.0, name).map_or(Lookup::Missing, |text| Lookup::Known(Secret::new(text)))
    }

    fn allows_development_keys(&self) -> bool {
        text(self.0, DEVELOPMENT).is_some_and(|value| value == "true")
    }

    fn has_ledger(&self) -> bool {
        let binding = Reflect::get(self.0.as_ref(), &LEDGER.into());
        binding.and_then(|binding| Reflect::get(&binding, &"idFromName".into())).is_ok_and(|name| name.is_function())
    }
}

/// How long the index takes to settle, as configured; what a refused configuration says is not asked for.
pub(super) fn settling(env: &Env) -> Duration {
    let parsed = configuration_json(env).and_then(|json| Config::parse(&json, &WorkerEnvironment(env)));
    parsed.map_or(DEFAULT_SETTLING, |config| config.storage.settling)
}

/// The table as JSON: an object in `wrangler.toml`, or a text where `.dev.vars` or a secret overrides it.
pub(super) fn configuration_json(env: &Env) -> Result<String, Refusals> {
    let table = Reflect::get(env.as_ref(), &TABLE_NAME.into()).unwrap_or(JsValue::UNDEFINED);
    if table.is_undefined() || table.is_null() {
        return Err(Refusals::one("", "is missing"));
    }
    let json = match table.dyn_into::<JsString>() {
        Ok(text) => Some(text),
        Err(object) => JSON::stringify(&object).ok(),
    };
    json.map(String::from).ok_or_else(|| Refusals::one("", "is neither a table nor JSON"))
}

fn text(env: &Env, name: &str) -> Option<String> {
    Reflect::get(env.as_ref(), &name.into()).ok()?.as_string()
}
