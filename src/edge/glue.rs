//! What the Worker asks of the runtime: the functions of `glue.js`, each a whole errand in one call.

use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{CryptoKey, Request, Response};
use worker::Env;
use worker::worker_sys::DurableObjectStorage;

#[wasm_bindgen(module = "/src/edge/glue.js")]
extern "C" {
    /// The value of `Authorization`: by itself, since every check asks for it.
    pub(super) fn authorization(request: &Request) -> Option<String>;
    pub(super) fn header(request: &Request, name: &str) -> Option<String>;
    #[wasm_bindgen(js_name = headerNames)]
    pub(super) fn header_names(request: &Request) -> String;
    #[wasm_bindgen(catch)]
    pub(super) fn respond(status: u16, head: &str, body: Option<&str>) -> Result<Response, JsValue>;
    /// The body in bytes, or `undefined` when there are more than that.
    #[wasm_bindgen(catch)]
    pub(super) async fn read(source: &JsValue, limit: u32) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub(super) async fn forward(
        env: &Env,
        request: &Request,
        service: Option<&str>,
        url: Option<&str>,
        dropped: &str,
        head: &str,
        has_body: bool,
    ) -> Result<JsValue, JsValue>;

    /// A request that can be aborted. It is answered with status, `Cache-Control`, `Age` and the body.
    pub(super) type Get;
    #[wasm_bindgen(constructor)]
    pub(super) fn new(url: &str, limit: u32) -> Get;
    #[wasm_bindgen(method, getter)]
    pub(super) fn answer(this: &Get) -> Promise;
    #[wasm_bindgen(method)]
    pub(super) fn end(this: &Get);

    pub(super) fn variable(env: &Env, name: &str) -> Option<String>;
    pub(super) fn variables(env: &Env, prefix: &str) -> String;
    #[wasm_bindgen(js_name = hasMethod)]
    pub(super) fn has_method(env: &Env, name: &str, method: &str) -> bool;

    pub(super) type Pause;
    #[wasm_bindgen(constructor)]
    pub(super) fn new(milliseconds: f64) -> Pause;
    #[wasm_bindgen(method, getter)]
    pub(super) fn over(this: &Pause) -> Promise;
    #[wasm_bindgen(method)]
    pub(super) fn end(this: &Pause);

    /// Texts, `null` for what is not there, `undefined` for what was not answered.
    #[wasm_bindgen(catch, js_name = kvFind)]
    pub(super) async fn kv_find(env: &Env, name: &str, keys: Array) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = kvGet)]
    pub(super) async fn kv_get(env: &Env, name: &str, key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = kvPut)]
    pub(super) async fn kv_put(
        env: &Env,
        name: &str,
        key: &str,
        value: &str,
        expiration: Option<u32>,
        expiration_ttl: Option<u32>,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = ledgerId)]
    pub(super) fn ledger_id(env: &Env, shard: &str) -> Result<Option<String>, JsValue>;
    #[wasm_bindgen(catch, js_name = ledgerAsk)]
    pub(super) async fn ledger_ask(env: &Env, shard: &str, question: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub(super) fn query(sql: &JsValue, statement: &str, values: &str) -> Result<String, JsValue>;

    #[wasm_bindgen(catch, js_name = setAlarm)]
    pub(super) async fn set_alarm(storage: &DurableObjectStorage, moment: f64) -> Result<JsValue, JsValue>;

    /// Whether one more look-up is within the limit of the rate limiting binding; always, without one.
    #[wasm_bindgen(catch, js_name = isWithinLimit)]
    pub(super) async fn is_within_limit(env: &Env, key: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    pub(super) async fn recall(url: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub(super) async fn share(url: &str, text: &str, seconds: u32) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = importKey)]
    pub(super) async fn import_key(jwk: &str, algorithm: &str, usage: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub(super) async fn verify(
        key: &CryptoKey,
        algorithm: &str,
        signature: &[u8],
        input: &[u8],
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub(super) async fn sign(key: &CryptoKey, algorithm: &str, input: &[u8]) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    pub(super) async fn exchange(hostname: &str, port: u16, tls: bool, commands: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = urlParts)]
    pub(super) fn url_parts(url: &str) -> Result<Option<Array>, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = log)]
    pub(super) fn log(line: &str);
    #[wasm_bindgen(js_namespace = console, js_name = warn)]
    pub(super) fn warn(line: &str);
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    pub(super) fn error(line: &str);
}

/// The bytes in a value that [`read`] or [`sign`] has given, `None` when it is none.
pub(super) fn bytes(value: &JsValue) -> Option<Vec<u8>> {
    use wasm_bindgen::JsCast;
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec)
}
