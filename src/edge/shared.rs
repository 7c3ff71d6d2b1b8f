//! What the isolates of one location share: the Cache API. Nothing depends on it: where there is none, as on
//! `workers.dev`, every isolate asks for itself.

use js_sys::{Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Response, ResponseInit};

pub(super) async fn recall(url: &str) -> Option<String> {
    let found = call("match", &[url.into()]).await.ok()?;
    let response: Response = found.dyn_into().ok()?;
    JsFuture::from(response.text().ok()?).await.ok()?.as_string()
}

pub(super) async fn share(url: &str, text: &str, seconds: u32) -> Result<(), JsValue> {
    let headers = Headers::new()?;
    headers.set("Cache-Control", &format!("max-age={seconds}"))?;
    let init = ResponseInit::new();
    init.set_headers(&headers);
    let response = Response::new_with_opt_str_and_init(Some(text), &init)?;
    call("put", &[url.into(), response.into()]).await.map(|_| ())
}

/// Calls a method of `caches.default`.
async fn call(method: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let caches = Reflect::get(&js_sys::global(), &"caches".into())?;
    let cache = Reflect::get(&caches, &"default".into())?;
    let method: js_sys::Function = Reflect::get(&cache, &method.into())?.dyn_into()?;
    let promise: Promise = Reflect::apply(&method, &cache, &arguments.iter().collect())?.dyn_into()?;
    JsFuture::from(promise).await
}
