//! Forwards requests to an upstream. Bodies are streamed, WebSocket upgrades are supported, responses are not changed.

use wasm_bindgen::JsValue;
use worker::Env;

use super::glue;
use super::request::EdgeRequest;
use super::response::head;
use crate::config::Upstream;
use crate::endpoints::guard::Forward;
use crate::service::Answer;

/// The function that sends a request to the upstream. If that fails, it responds and logs as `answer` says.
pub(super) fn forward(request: &EdgeRequest, forward: &Forward, answer: &Answer, env: &Env) -> JsValue {
    let mut dropped = String::new();
    for name in glue::header_names(request.raw()).lines().filter(|name| !forward.kept_headers.keeps(name)) {
        dropped.push_str(name);
        dropped.push('\n');
    }
    let service = match &forward.upstream {
        Upstream::Service(binding) => Some(binding.as_str()),
        Upstream::Url(_) => None,
    };
    // Do not log the error: it may contain request data.
    let line = answer.log.clone().upstream_failed(answer.reply.status).text();
    let failure = glue::failure(answer.reply.status, &head(&answer.reply.headers), answer.reply.body.as_deref(), &line);
    let (url, has_body) = (forward.url.as_deref(), !forward.kept_headers.is_preflight);
    glue::forward(env, request.raw(), service, url, &dropped, &head(&forward.headers), has_body, &failure)
}
