//! `GET /healthz`: the version, and whether the configuration and the bindings are in order.

use serde::Serialize;

use crate::http::Reply;

/// The version of this service.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is known of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It is there.
    Ok,
    /// It is missing.
    Missing,
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    version: &'static str,
    configuration: &'static str,
    bindings: Bindings<'a>,
}

/// The bindings by name, in order.
struct Bindings<'a>(&'a [(String, Condition)]);

impl Serialize for Bindings<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, condition)| (name, condition)))
    }
}

/// The answer of a service with a good configuration: 200, or 503 when a binding is missing.
#[must_use]
pub fn health(bindings: &[(String, Condition)]) -> Reply {
    let in_order = bindings.iter().all(|(_, condition)| *condition == Condition::Ok);
    let (status_code, status) = if in_order { (200, "ok") } else { (503, "degraded") };
    Reply::json(status_code, &Health { status, version: VERSION, configuration: "ok", bindings: Bindings(bindings) })
}

/// The answer of a service whose configuration was refused. It does not say what is wrong: the log does.
#[must_use]
pub fn misconfigured() -> Reply {
    #[derive(Serialize)]
    struct Misconfigured {
        error: &'static str,
        message: &'static str,
        version: &'static str,
    }
    let message = "The service is misconfigured";
    Reply::json(500, &Misconfigured { error: "misconfigured", message, version: VERSION })
}
