//! The Worker's variables and secrets.

use worker::Env;

use super::glue;
use crate::config::{Config, Environment, LEDGER, Lookup, Refusals, TABLE_NAME};
use crate::json;
use crate::token::Secret;

/// Set to `"true"` in `.dev.vars`, which is never deployed.
const DEVELOPMENT: &str = "EDGE_LOGOUT_DEVELOPMENT";

/// The settings outside the configuration table: secrets and bindings.
pub(super) struct WorkerEnvironment<'a>(pub &'a Env);

impl Environment for WorkerEnvironment<'_> {
    fn secret(&self, name: &str) -> Lookup {
        glue::variable(self.0, name).map_or(Lookup::Missing, |text| Lookup::Known(Secret::new(text)))
    }

    fn allows_development_keys(&self) -> bool {
        glue::variable(self.0, DEVELOPMENT).is_some_and(|value| value == "true")
    }

    fn has_ledger(&self) -> bool {
        glue::has_method(self.0, LEDGER, "idFromName")
    }
}

/// Parses the configuration from all variables whose names start with the table's name. Each is an object in
/// `wrangler.toml`, or JSON text in `.dev.vars` or a secret.
pub(super) fn parse(env: &Env) -> Result<Config, Refusals> {
    let variables = json::read_object(&glue::variables(env, TABLE_NAME)).unwrap_or_default();
    let parts = variables.iter().filter(|(name, _)| *name != DEVELOPMENT);
    let parts: Vec<_> = parts.filter_map(|(name, text)| Some((name.as_str(), text.as_str()?))).collect();
    Config::parse_parts(&parts, &WorkerEnvironment(env))
}
