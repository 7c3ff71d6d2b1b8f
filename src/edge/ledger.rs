//! The way to the ledger's shards.

use js_sys::Reflect;
use wasm_bindgen::JsValue;
use worker::{Env, Error, Method, ObjectNamespace, Request, RequestInit, Stub};

use crate::config::LEDGER;
use crate::ports::LedgerError;

/// The answer of a shard. A new stub every time: one that has met an error stays broken.
pub(super) async fn ask(env: &Env, shard: u32, question: &str) -> Result<String, LedgerError> {
    let stub = stub(env, shard)?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(JsValue::from_str(question)));
    let request = Request::new_with_init("https://ledger.invalid/", &init).map_err(|error| classify(&error))?;
    let mut response = stub.fetch_with_request(request).await.map_err(|error| classify(&error))?;
    match response.status_code() {
        200 => response.text().await.map_err(|error| classify(&error)),
        _ => Err(LedgerError::Failed),
    }
}

/// A name that only this deployment's ledger has: its first shard's id.
pub(super) fn id(env: &Env) -> Option<String> {
    let namespace = env.durable_object(LEDGER).ok()?;
    Some(namespace.id_from_name(&name(0)).ok()?.to_string())
}

fn stub(env: &Env, shard: u32) -> Result<Stub, LedgerError> {
    let namespace: ObjectNamespace = env.durable_object(LEDGER).map_err(|_| LedgerError::Absent)?;
    namespace.get_by_name(&name(shard)).map_err(|error| classify(&error))
}

fn name(shard: u32) -> String {
    format!("shard-{shard}")
}

/// The runtime marks what may be tried again, and what must not be.
fn classify(error: &Error) -> LedgerError {
    let Error::UnknownJsError { original, .. } = error else { return LedgerError::Failed };
    let is_marked = |mark: &str| Reflect::get(original, &mark.into()).is_ok_and(|mark| mark.is_truthy());
    if is_marked("overloaded") {
        LedgerError::Overloaded
    } else if is_marked("retryable") {
        LedgerError::Retryable
    } else {
        LedgerError::Failed
    }
}
