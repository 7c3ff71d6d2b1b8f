//! Passing a request on: its body streams, its upgrade stays one, and the answer is handed back as it is.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Request, Response};
use worker::Env;

use super::glue;
use super::response::head;
use crate::config::Upstream;
use crate::endpoints::guard::Forward;

/// The upstream's answer.
pub(super) async fn forward(request: &Request, forward: &Forward, env: &Env) -> Result<JsValue, JsValue> {
    let mut dropped = String::new();
    for name in glue::header_names(request).split('\n').filter(|name| !forward.kept.keeps(name)) {
        dropped.push_str(name);
        dropped.push('\n');
    }
    let service = match &forward.upstream {
        Upstream::Service(binding) => Some(binding.as_str()),
        Upstream::Url(_) => None,
    };
    let (url, has_body) = (forward.url.as_deref(), !forward.kept.is_preflight);
    let answer = glue::forward(env, request, service, url, &dropped, &head(&forward.headers), has_body).await?;
    match answer.dyn_ref::<Response>().map(Response::status) {
        // An answer before the answer, which the runtime takes for the last one.
        None | Some(100 | 102..200) => Err("the upstream's answer is no final one".into()),
        Some(_) => Ok(answer),
    }
}
