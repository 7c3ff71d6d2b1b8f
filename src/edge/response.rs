//! A reply of the core as the runtime's response.

use wasm_bindgen::JsValue;

use super::glue;
use crate::http::{Prepared, Reply};

pub(super) fn to_response(reply: &Reply) -> Result<JsValue, JsValue> {
    match &reply.prepared {
        Some(prepared) => of_prepared(prepared),
        None => Ok(glue::respond(reply.status, &head(&reply.headers), reply.body.as_deref())?.into()),
    }
}

/// The one response that all requests get which have this answer: it has no body, so nothing of it belongs to any of
/// them, and making it anew would cost as much as the check itself.
fn of_prepared(prepared: &Prepared) -> Result<JsValue, JsValue> {
    if let Some(response) = prepared.form.get().and_then(|form| form.downcast_ref::<JsValue>()) {
        return Ok(response.clone());
    }
    let response: JsValue = glue::respond(prepared.status, &head(&prepared.headers), None)?.into();
    if prepared.was_sent.replace(true) {
        // Nobody else can have set it meanwhile.
        let _ = prepared.form.set(Box::new(response.clone()));
    }
    Ok(response)
}

/// Headers as `glue.js` reads them. No value has line ends: what clients have sent is not among them, or encoded.
pub(super) fn head<V: AsRef<str>>(headers: &[(&'static str, V)]) -> String {
    let mut head = String::new();
    for (name, value) in headers {
        for part in [name, ": ", value.as_ref(), "\n"] {
            head.push_str(part);
        }
    }
    head
}
