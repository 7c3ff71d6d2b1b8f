//! Converts the core's [`Reply`] into the runtime's `Response`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use web_sys::Response;

use super::glue;
use crate::http::{Prepared, Reply};

type Headers = Vec<(&'static str, Cow<'static, str>)>;

thread_local! {
    /// Template responses by status and headers. Copying one is cheaper than setting all headers.
    static TEMPLATES: RefCell<Vec<(u16, Headers, Rc<Response>)>> = const { RefCell::new(Vec::new()) };
}

/// The maximum number of templates.
const MAX_TEMPLATES: usize = 64;

pub(super) fn to_response(reply: &Reply) -> Result<JsValue, JsValue> {
    match &reply.prepared {
        Some(prepared) => prepared_response(prepared),
        None => Ok(glue::respond(reply.status, &head(&reply.headers), reply.body.as_deref())?.into()),
    }
}

/// The response to all requests with this answer. It has no body, so it does not belong to one request and can be
/// reused. Creating it costs as much as the check itself.
fn prepared_response(prepared: &Prepared) -> Result<JsValue, JsValue> {
    if let Some(response) = prepared.form.get().and_then(|form| form.downcast_ref::<JsValue>()) {
        return Ok(response.clone());
    }
    let response: JsValue = glue::respond_like(&*template(prepared)?, &head(&prepared.own))?.into();
    if prepared.was_sent.replace(true) && prepared.is_shared {
        // The cell is empty: it was checked above.
        let _ = prepared.form.set(Box::new(response.clone()));
    }
    Ok(response)
}

/// The template with the common headers of an answer.
fn template(prepared: &Prepared) -> Result<Rc<Response>, JsValue> {
    TEMPLATES.with_borrow_mut(|templates| {
        let is_like = |status: u16, common: &Headers| status == prepared.status && *common == prepared.common;
        if let Some((_, _, template)) = templates.iter().find(|(status, common, _)| is_like(*status, common)) {
            return Ok(Rc::clone(template));
        }
        let template = Rc::new(glue::respond(prepared.status, &head(&prepared.common), None)?);
        if templates.len() < MAX_TEMPLATES {
            templates.push((prepared.status, prepared.common.clone(), Rc::clone(&template)));
        }
        Ok(template)
    })
}

/// Encodes headers for `wire.js`, one per line. No value contains a line break: values from clients are encoded.
pub(super) fn head<V: AsRef<str>>(headers: &[(&'static str, V)]) -> String {
    let mut head = String::new();
    for (name, value) in headers {
        for part in [name, ": ", value.as_ref(), "\n"] {
            head.push_str(part);
        }
    }
    head
}
