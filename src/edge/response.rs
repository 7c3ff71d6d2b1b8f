//! A reply of the core as the runtime's response.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use web_sys::Response;

use super::glue;
use crate::http::{Prepared, Reply};

type Headers = Vec<(&'static str, Cow<'static, str>)>;

thread_local! {
    /// Responses that are never sent, by the status and the headers that they have.
    static MODELS: RefCell<Vec<(u16, Headers, Rc<Response>)>> = const { RefCell::new(Vec::new()) };
}

/// Far more than an issuer has promises.
const MAX_MODELS: usize = 64;

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
    let response: JsValue = glue::respond_like(&*model(prepared)?, &head(&prepared.own))?.into();
    if prepared.was_sent.replace(true) && prepared.is_shared {
        // Nobody else can have set it meanwhile.
        let _ = prepared.form.set(Box::new(response.clone()));
    }
    Ok(response)
}

/// The response that has the common headers of an answer.
fn model(prepared: &Prepared) -> Result<Rc<Response>, JsValue> {
    MODELS.with_borrow_mut(|models| {
        let is_like = |status: u16, common: &Headers| status == prepared.status && *common == prepared.common;
        if let Some((_, _, model)) = models.iter().find(|(status, common, _)| is_like(*status, common)) {
            return Ok(Rc::clone(model));
        }
        let model = Rc::new(glue::respond(prepared.status, &head(&prepared.common), None)?);
        if models.len() < MAX_MODELS {
            models.push((prepared.status, prepared.common.clone(), Rc::clone(&model)));
        }
        Ok(model)
    })
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
