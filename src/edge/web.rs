//! HTTP requests to key providers, and log lines about their keys.

use js_sys::futures::JsFuture;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

use super::glue;
use super::platform::EdgePlatform;
use crate::json::Object;
use crate::ports::{Fetched, Journal, KeyEvent, Web, WebError};

/// A request that is aborted on drop.
struct PendingGet(glue::Get);

impl Drop for PendingGet {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Web for EdgePlatform {
    async fn get(&self, url: &str, limit: usize) -> Result<Fetched, WebError> {
        get(url, limit).await.map_err(|_| WebError::Unreachable)?
    }
}

/// Sends a `GET` request and reads up to `limit` bytes of the body.
///
/// # Errors
/// The runtime's error when the server cannot be reached.
pub(super) async fn get(url: &str, limit: usize) -> Result<Result<Fetched, WebError>, JsValue> {
    let request = PendingGet(glue::Get::new(url, u32::try_from(limit).unwrap_or(u32::MAX)));
    let answer = JsFuture::from(request.0.answer()).await?;
    let answer: Array = answer.unchecked_into();
    let status = status(answer.get(0).as_f64());
    let Ok(body) = answer.get(3).dyn_into::<Uint8Array>() else { return Ok(Err(WebError::TooLarge(status))) };
    let (cache_control, age) = (answer.get(1).as_string(), answer.get(2).as_string());
    Ok(Ok(Fetched { status, body: body.to_vec(), cache_control, age }))
}

impl Journal for EdgePlatform {
    fn note(&self, event: &KeyEvent<'_>) {
        let line = Object::new().text("event", event.event).text("issuer", event.issuer).text("reason", event.reason);
        let mut line = line.some_text("key_id", event.key_id).some_text("url", event.url);
        if let Some(status) = event.status {
            line = line.number("status", status.into());
        }
        glue::warn(&line.finish());
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a status has three digits")]
fn status(status: Option<f64>) -> u16 {
    status.unwrap_or_default() as u16
}
