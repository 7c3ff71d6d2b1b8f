//! Passing a request on: its body streams, its upgrade stays one, and the answer is handed back as it is.

use js_sys::{Array, Function, Iterator, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, RequestCache, RequestInit, RequestRedirect, Response};
use worker::Env;

use crate::config::Upstream;
use crate::endpoints::guard::{Forward, is_taken_away};

/// The upstream's answer.
pub(super) async fn forward(request: &Request, forward: &Forward, env: &Env) -> Result<Response, JsValue> {
    let target = match &forward.upstream {
        Upstream::Service(binding) => Reflect::get(env.as_ref(), &binding.into())?,
        Upstream::Url(_) => js_sys::global().into(),
    };
    let fetch: Function = Reflect::get(&target, &"fetch".into())?.dyn_into()?;
    let passed_on = passed_on(request, forward)?;
    let answer: Promise = fetch.call1(&target, &passed_on)?.dyn_into()?;
    let answer: Response = JsFuture::from(answer).await?.dyn_into()?;
    match answer.status() {
        // An answer before the answer, which the runtime takes for the last one.
        100 | 102..200 => Err("the upstream's answer is no final one".into()),
        _ => Ok(answer),
    }
}

fn passed_on(request: &Request, forward: &Forward) -> Result<Request, JsValue> {
    let init = RequestInit::new();
    let headers = headers(request, forward)?;
    init.set_headers(&headers);
    // Where the upstream sends its clients is for them to see.
    init.set_redirect(RequestRedirect::Manual);
    match &forward.upstream {
        Upstream::Service(_) => Request::new_with_request_and_init(request, &init),
        Upstream::Url(base) => {
            let url = format!("{base}{}", path_and_query(&request.url()));
            // A request can be what another one is made of: method and body come from it.
            let moved = Request::new_with_str_and_init(&url, request.unchecked_ref())?;
            // Or the zone's cache could answer one user with what is another's.
            init.set_cache(RequestCache::NoStore);
            Request::new_with_request_and_init(&moved, &init)
        }
    }
}

fn headers(request: &Request, forward: &Forward) -> Result<Headers, JsValue> {
    let headers = Headers::new_with_headers(&request.headers())?;
    let names: Vec<String> = names(&headers)?;
    for name in names.iter().filter(|name| is_taken_away(name)) {
        headers.delete(name)?;
    }
    for (name, value) in &forward.headers {
        headers.set(name, value)?;
    }
    Ok(headers)
}

/// The names of headers, in lower case as the Fetch Standard has them.
fn names(headers: &Headers) -> Result<Vec<String>, JsValue> {
    let keys: Function = Reflect::get(headers, &"keys".into())?.dyn_into()?;
    let keys: Iterator = keys.call0(headers)?.unchecked_into();
    let names: Array = Array::from(&keys);
    Ok(names.iter().filter_map(|name| name.as_string()).collect())
}

fn path_and_query(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
    rest.find('/').and_then(|start| rest.get(start..)).unwrap_or("/")
}
