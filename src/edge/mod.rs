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
mod pause;
mod platform;
mod redis;
mod request;
mod response;
pub mod tool;
mod web;
mod webcrypto;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use js_sys::Promise;
use wasm_bindgen::JsValue;

use crate::json::Object;

/// Says what went wrong outside of any request's own log line.
fn log(event: &str, reason: &str) {
    glue::error(&Object::new().text("event", event).text("reason", reason).finish());
}

/// The promise of a future. Boxed, so that what runs futures is compiled once and not for every one of them.
fn promise(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    js_sys::futures::future_to_promise(AssertUnwindSafe(Promised(Box::pin(future))))
}

/// A future that ends as a promise does.
struct Promised(Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>);

impl Future for Promised {
    type Output = Result<JsValue, JsValue>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}
