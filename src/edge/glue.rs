//! What the Worker asks of the runtime: the functions of `glue.js` and `wire.js`, each a whole errand in one call.

use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{Request, Response};
use worker::Env;
use worker::worker_sys::{Context, DurableObjectStorage};

#[wasm_bindgen(module = "/src/edge/wire.js")]
extern "C" {
    /// Method, URL and, where there is one, `Authorization`, a line each, and how many bytes that are. If the buffer is
    /// shorter than that, so many would be enough.
    #[wasm_bindgen(js_name = requestLines)]
    pub(super) fn request_lines(request: &Request, buffer: &mut [u8]) -> u32;
    pub(super) fn header(request: &Request, name: &str) -> Option<String>;
    #[wasm_bindgen(js_name = headerNames)]
    pub(super) fn header_names(request: &Request) -> String;
    #[wasm_bindgen(catch)]
    pub(super) fn respond(status: u16, head: &str, body: Option<&str>) -> Result<Response, JsValue>;
    /// A response with other headers besides those of one without a body.
    #[wasm_bindgen(catch, js_name = respondLike)]
    pub(super) fn respond_like(model: &Response, head: &str) -> Result<Response, JsValue>;
    pub(super) fn keep(context: &Context, promise: &Promise);
    /// What [`super::entry::fetch`] gives of a request that goes on when a promise is settled.
    pub(super) fn pause(promise: &Promise, ticket: u32) -> JsValue;

    /// What is answered and logged when the upstream does not answer.
    #[wasm_bindgen(js_name = failed)]
    pub(super) fn failure(status: u16, head: &str, body: Option<&str>, line: &str) -> JsValue;
    /// The function that passes a request on.
    pub(super) fn forward(
        env: &Env,
        request: &Request,
        service: Option<&str>,
        url: Option<&str>,
        dropped: &str,
        head: &str,
        has_body: bool,
        failure: &JsValue,
    ) -> JsValue;
    /// The response that was promised, or that of the function that was.
    #[wasm_bindgen(js_name = andUpstream)]
    pub(super) fn and_upstream(decided: &Promise) -> Promise;
}

#[wasm_bindgen(module = "/src/edge/glue.js")]
extern "C" {
    /// The body in bytes, or `undefined` when there are more than that.
    #[wasm_bindgen(catch)]
    pub(super) async fn read(source: &JsValue, limit: u32) -> Result<JsValue, JsValue>;

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
    /// Its answer in bytes. Errors say `absent`, `late`, `overloaded`, `retryable` or `failed`.
    #[wasm_bindgen(js_name = ledgerAsk)]
    pub(super) fn ledger_ask(env: &Env, shard: &str, call: &[u8], milliseconds: f64) -> Promise;
    #[wasm_bindgen(catch)]
    pub(super) fn query(sql: &JsValue, statement: &str, values: Array) -> Result<Array, JsValue>;
    #[wasm_bindgen(js_name = databaseSize)]
    pub(super) fn database_size(sql: &JsValue) -> f64;
    /// Undoes all writes of `act` when that gives `false` or throws. Gives the error, if any; a trap passes through.
    pub(super) fn transaction(storage: &DurableObjectStorage, act: &mut dyn FnMut() -> bool) -> JsValue;

    #[wasm_bindgen(js_name = setAlarm)]
    pub(super) fn set_alarm(storage: &DurableObjectStorage, moment: f64);
    #[wasm_bindgen(js_name = ensureAlarm)]
    pub(super) fn ensure_alarm(storage: &DurableObjectStorage, moment: f64);

    /// Texts that say what is wrong, and `null` for each entry that was written.
    #[wasm_bindgen(catch, js_name = kvWrite)]
    pub(super) async fn kv_write(writer: &JsValue, name: &str, entries: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = kvPutBytes)]
    pub(super) async fn kv_put_bytes(
        env: &Env,
        name: &str,
        key: &str,
        value: &[u8],
        expiration: Option<u32>,
        expiration_ttl: Option<u32>,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = kvGetBytes)]
    pub(super) async fn kv_get_bytes(env: &Env, name: &str, key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = kvList)]
    pub(super) async fn kv_list(env: &Env, name: &str, prefix: &str, cursor: Option<&str>) -> Result<JsValue, JsValue>;

    /// Whether one more look-up is within the limit of the rate limiting binding; always, without one.
    #[wasm_bindgen(catch, js_name = isWithinLimit)]
    pub(super) async fn is_within_limit(env: &Env, key: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    pub(super) async fn recall(url: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub(super) async fn share(url: &str, bytes: &[u8], seconds: u32) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = importKey)]
    pub(super) async fn import_key(jwk: &str, algorithm: &str, usage: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub(super) fn verify(key: &JsValue, signature: &[u8], input: &[u8]) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch)]
    pub(super) async fn sign(key: &JsValue, input: &[u8]) -> Result<JsValue, JsValue>;

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
