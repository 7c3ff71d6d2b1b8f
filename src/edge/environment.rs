//! Variables and secrets of the Worker.

use std::time::Duration;

use worker::Env;

use super::glue;
use crate::config::{Config, DEFAULT_SETTLING, Environment, LEDGER, Lookup, Refusals, TABLE_NAME};
use crate::token::Secret;

/// Set to `"true"` in `.dev.vars` alone, which is never deployed.
const DEVELOPMENT: &str = "EDGE_LOGOUT_DEVELOPMENT";

/// What stands outside the table.
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

/// How long the index takes to settle, as configured; what a refused configuration says is not asked for.
pub(super) fn settling(env: &Env) -> Duration {
    parse(env).map_or(DEFAULT_SETTLING, |config| config.storage.settling)
}

/// The configuration: an object in `wrangler.toml`, or a text where `.dev.vars` or a secret overrides it.
pub(super) fn parse(env: &Env) -> Result<Config, Refusals> {
    let json = glue::variable(env, TABLE_NAME).ok_or_else(|| Refusals::one("", "is missing"))?;
    Config::parse(&json, &WorkerEnvironment(env))
}
