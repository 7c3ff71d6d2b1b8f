//! Variables and secrets of the Worker.

use std::time::Duration;

use worker::Env;

use super::glue;
use crate::config::{Config, DEFAULT_SETTLING, Environment, LEDGER, Lookup, Refusals, TABLE_NAME};
use crate::json;
use crate::revocation::ledger::SoleWriter;
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

/// How long the index takes to settle, and what holds where the ledger is its sole writer, as configured; what a refused
/// configuration says is not asked for.
pub(super) fn of_ledger(env: &Env) -> (Duration, Option<SoleWriter>) {
    let Ok(config) = parse(env) else { return (DEFAULT_SETTLING, None) };
    // On a development machine nothing was revoked before that would have to be waited for.
    let is_new = WorkerEnvironment(env).is_development();
    let sole_writer = config.sole_writer();
    let new = |sole: SoleWriter| SoleWriter { history: Duration::ZERO, ..sole };
    (config.storage.settling, if is_new { sole_writer.map(new) } else { sole_writer })
}

/// The configuration: every variable whose name begins with the table's name is a part of it. Each is an object from
/// `wrangler.toml`, or JSON text from `.dev.vars` or a secret.
pub(super) fn parse(env: &Env) -> Result<Config, Refusals> {
    let variables = json::read_object(&glue::variables(env, TABLE_NAME)).unwrap_or_default();
    let parts = variables.iter().filter(|(name, _)| *name != DEVELOPMENT);
    let parts: Vec<_> = parts.filter_map(|(name, text)| Some((name.as_str(), text.as_str()?))).collect();
    Config::parse_parts(&parts, &WorkerEnvironment(env))
}
