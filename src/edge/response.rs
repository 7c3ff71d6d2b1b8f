//! A reply of the core as the runtime's response.

use wasm_bindgen::JsValue;
use web_sys::{Headers, Response, ResponseInit};

use crate::http::Reply;

pub(super) fn to_response(reply: &Reply) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &reply.headers {
        headers.append(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(reply.status);
    init.set_headers(&headers);
    Response::new_with_opt_str_and_init(reply.body.as_deref(), &init)
}
