//! Cloudflare's platform: the only place that names it. Thin: what is decided is decided in the core.

mod entry;
mod environment;
mod forward;
mod kv;
mod ledger;
mod ledger_object;
mod ledger_rows;
mod platform;
mod redis;
mod request;
mod response;
mod shared;
mod webcrypto;

/// Says what went wrong outside of any request's own log line.
fn log(event: &'static str, reason: &str) {
    worker::console_error!("{}", serde_json::json!({ "event": event, "reason": reason }));
}
