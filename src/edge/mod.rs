//! Cloudflare's platform: the only place that names it. Thin: what is decided is decided in the core.
//!
//! `worker.js` is the module that the runtime loads; `glue.js` does what would take several calls from here.

mod entry;
mod environment;
mod forward;
mod glue;
mod kv;
mod ledger;
mod ledger_object;
mod ledger_rows;
mod platform;
mod redis;
mod request;
mod response;
mod web;
mod webcrypto;

use std::pin::Pin;

use js_sys::Promise;
use wasm_bindgen::JsValue;

use crate::json::Object;

/// Says what went wrong outside of any request's own log line.
fn log(event: &str, reason: &str) {
    glue::error(&Object::new().text("event", event).text("reason", reason).finish());
}

/// A future that ends as a promise does.
type Promised = Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>;

/// The promise of a future. Boxed, so that what runs futures is compiled once and not for every one of them.
fn promise(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    promise_of(Box::pin(future))
}

fn promise_of(future: Promised) -> Promise {
    js_sys::futures::future_to_promise(std::panic::AssertUnwindSafe(future))
}
