//! The Worker's own code for `npm run check`, which runs it in Node. A separate crate keeps it out of the Worker's
//! wasm: optimisers cannot remove it from a wasm's tables and data.
#![cfg(target_arch = "wasm32")]

use edge_logout::edge::tool;
use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// The refusals of a table, as a JSON list of texts.
///
/// # Errors
/// Why the question cannot be read.
#[wasm_bindgen]
pub fn findings(question: &str) -> Result<String, JsValue> {
    edge_logout::tool::findings(question).map_err(JsValue::from)
}

/// Warnings about settings that are accepted, but probably not meant, as a JSON list of texts.
///
/// # Errors
/// Why the question cannot be read.
#[wasm_bindgen]
pub fn warnings(question: &str) -> Result<String, JsValue> {
    edge_logout::tool::warnings(question).map_err(JsValue::from)
}

/// Reports on published keys and on a sample token, as JSON.
#[wasm_bindgen]
pub fn judge(question: String) -> Promise {
    tool::judge(question)
}
