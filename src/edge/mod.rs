//! The adapters for Cloudflare Workers: the only module that uses the runtime. Decisions are made in the core.
//!
//! `worker.js` is the Worker's main module. `glue.js` and `wire.js` combine several runtime calls into one.

mod clock;
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

/// Logs an error that does not belong to a request.
fn log(event: &str, reason: &str) {
    glue::error(&Object::new().text("event", event).text("reason", reason).finish());
}

/// Converts a future into a promise. The future is boxed so that the executor is compiled only once.
fn promise(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    js_sys::futures::future_to_promise(AssertUnwindSafe(Promised(Box::pin(future))))
}

/// The boxed future of a promise.
struct Promised(Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>);

impl Future for Promised {
    type Output = Result<JsValue, JsValue>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}
