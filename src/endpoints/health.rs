//! `GET /healthz`: the version, and whether the configuration and the bindings are in order.

use crate::config::{Config, LEDGER};
use crate::http::Reply;
use crate::json::Object;
use crate::ports::Bindings;

/// The version of this service.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The answer of a service with a good configuration: 200, or 503 when a binding is missing.
#[must_use]
pub fn health(config: &Config, platform: &impl Bindings) -> Reply {
    let mut names = config.bindings();
    let in_order = names.iter().all(|name| platform.is_bound(name));
    names.retain(|name| *name != LEDGER);
    names.push(LEDGER);
    let names = in_order_of_names(names);
    let bindings = names.into_iter().fold(Object::new(), |bindings, name| {
        bindings.text(
            name,
            match name {
                // Without it everything works, with weaker promises: that is told, and no fault.
                LEDGER if config.storage.ledger.is_none() => "absent",
                LEDGER => "ok",
                name if platform.is_bound(name) => "ok",
                _ => "missing",
            },
        )
    });
    let (status, condition) = if in_order { (200, "ok") } else { (503, "degraded") };
    Reply::json_text(status, told(condition, "ok").raw("bindings", &bindings.finish()).finish())
}

/// The answer of a service whose configuration was refused. It does not say what is wrong: the log does.
#[must_use]
pub fn health_misconfigured() -> Reply {
    Reply::json_text(500, told("misconfigured", "refused").finish())
}

/// As a sort would have them, which is 10 KB of wasm.
fn in_order_of_names(names: Vec<&str>) -> Vec<&str> {
    let mut sorted: Vec<&str> = Vec::new();
    for name in names {
        let place = sorted.iter().position(|other| *other > name).unwrap_or(sorted.len());
        sorted.insert(place, name);
    }
    sorted
}

fn told(status: &str, configuration: &str) -> Object {
    Object::new().text("status", status).text("version", VERSION).text("configuration", configuration)
}
