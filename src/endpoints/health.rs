//! `GET /healthz`: the version, and whether the configuration and the bindings are valid.

use crate::config::{Config, LEDGER};
use crate::http::Reply;
use crate::json::Object;
use crate::ports::Bindings;

/// The version of this service.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The response with a valid configuration: 200, or 503 when a binding is missing.
#[must_use]
pub fn health(config: &Config, platform: &impl Bindings) -> Reply {
    let mut names = config.bindings();
    let is_healthy = names.iter().all(|name| platform.is_bound(name));
    names.retain(|name| *name != LEDGER);
    names.push(LEDGER);
    let names = sorted_names(names);
    let bindings = names.into_iter().fold(Object::new(), |bindings, name| {
        bindings.text(
            name,
            match name {
                // The ledger is optional: without it checks are less fresh, which is not an error.
                LEDGER if config.storage.ledger.is_none() => "absent",
                LEDGER => "ok",
                name if platform.is_bound(name) => "ok",
                _ => "missing",
            },
        )
    });
    let (status, condition) = if is_healthy { (200, "ok") } else { (503, "degraded") };
    Reply::json_text(status, status_object(condition, "ok").raw("bindings", &bindings.finish()).finish())
}

/// The response with an invalid configuration. The reasons are only in the log.
#[must_use]
pub fn health_misconfigured() -> Reply {
    Reply::json_text(500, status_object("misconfigured", "refused").finish())
}

/// Insertion sort: the standard library's sort needs more code.
fn sorted_names(names: Vec<&str>) -> Vec<&str> {
    let mut sorted: Vec<&str> = Vec::new();
    for name in names {
        let index = sorted.iter().position(|other| *other > name).unwrap_or(sorted.len());
        sorted.insert(index, name);
    }
    sorted
}

fn status_object(status: &str, configuration: &str) -> Object {
    Object::new().text("status", status).text("version", VERSION).text("configuration", configuration)
}
