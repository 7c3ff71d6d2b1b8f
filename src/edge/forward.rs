//! Passing a request on: its body streams, its upgrade stays one, and the answer is handed back as it is.

use wasm_bindgen::JsValue;
use worker::Env;

use super::glue;
use super::request::EdgeRequest;
use super::response::head;
use crate::config::Upstream;
use crate::endpoints::guard::Forward;
use crate::service::Answer;

/// The function that asks the upstream. When that fails it gives and logs what `answer` has for that.
pub(super) fn forward(request: &EdgeRequest, forward: &Forward, answer: &Answer, env: &Env) -> JsValue {
    let mut dropped = String::new();
    for name in glue::header_names(request.raw()).lines().filter(|name| !forward.kept.keeps(name)) {
        dropped.push_str(name);
        dropped.push('\n');
    }
    let service = match &forward.upstream {
        Upstream::Service(binding) => Some(binding.as_str()),
        Upstream::Url(_) => None,
    };
    // Nothing of the error: it may hold whatever the upstream was asked.
    let line = answer.log.clone().upstream_failed(answer.reply.status).text();
    let failure = glue::failure(answer.reply.status, &head(&answer.reply.headers), answer.reply.body.as_deref(), &line);
    let (url, has_body) = (forward.url.as_deref(), !forward.kept.is_preflight);
    glue::forward(env, request.raw(), service, url, &dropped, &head(&forward.headers), has_body, &failure)
}
