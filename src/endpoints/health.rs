//! `GET /healthz`: the version, and whether the configuration and the bindings are in order.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::{Config, LEDGER};
use crate::http::Reply;
use crate::ports::Bindings;

/// The version of this service.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    version: &'static str,
    configuration: &'static str,
    bindings: BTreeMap<&'a str, &'static str>,
}

/// The answer of a service with a good configuration: 200, or 503 when a binding is missing.
#[must_use]
pub fn health(config: &Config, platform: &impl Bindings) -> Reply {
    let mut bindings = BTreeMap::new();
    for name in config.bindings() {
        bindings.insert(name, if platform.is_bound(name) { "ok" } else { "missing" });
    }
    // Without it everything works, with weaker promises: that is told, and no fault.
    let ledger = if config.storage.ledger.is_some() { "ok" } else { "absent" };
    let in_order = bindings.values().all(|condition| *condition == "ok");
    let (status_code, status) = if in_order { (200, "ok") } else { (503, "degraded") };
    bindings.insert(LEDGER, ledger);
    Reply::json(status_code, &Health { status, version: VERSION, configuration: "ok", bindings })
}

/// The answer of a service whose configuration was refused. It does not say what is wrong: the log does.
#[must_use]
pub fn health_misconfigured() -> Reply {
    #[derive(Serialize)]
    struct Misconfigured {
        status: &'static str,
        version: &'static str,
        configuration: &'static str,
    }
    Reply::json(500, &Misconfigured { status: "misconfigured", version: VERSION, configuration: "refused" })
}
