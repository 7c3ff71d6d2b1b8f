//! Passing a request on: its body streams, its upgrade stays one, and the answer is handed back as it is.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Request, Response};
use worker::Env;

use super::glue;
use super::response::head;
use crate::config::Upstream;
use crate::endpoints::guard::{Forward, is_taken_away};

/// The upstream's answer.
pub(super) async fn forward(request: &Request, forward: &Forward, env: &Env) -> Result<JsValue, JsValue> {
    let mut taken = String::new();
    for name in glue::header_names(request).split('\n').filter(|name| is_taken_away(name)) {
        taken.push_str(name);
        taken.push('\n');
    }
    let head = head(&forward.headers);
    let answer = match &forward.upstream {
        Upstream::Service(binding) => glue::forward(env, request, Some(binding), None, &taken, &head).await?,
        Upstream::Url(base) => {
            let url = [base, path_and_query(&request.url())].concat();
            glue::forward(env, request, None, Some(&url), &taken, &head).await?
        }
    };
    match answer.dyn_ref::<Response>().map(Response::status) {
        // An answer before the answer, which the runtime takes for the last one.
        None | Some(100 | 102..200) => Err("the upstream's answer is no final one".into()),
        Some(_) => Ok(answer),
    }
}

fn path_and_query(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
    rest.find('/').and_then(|start| rest.get(start..)).unwrap_or("/")
}
