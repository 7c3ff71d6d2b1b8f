//! The Worker's own code for `npm run check`, which runs it in Node. A program of its own, so that nothing of it is in
//! the Worker: what a wasm has in its tables and data cannot be taken out again.
#![cfg(target_arch = "wasm32")]

use edge_logout::edge::tool;
use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// What the Worker refuses of a table.
///
/// # Errors
/// Why the question cannot be read.
#[wasm_bindgen]
pub fn findings(question: &str) -> Result<String, JsValue> {
    edge_logout::tool::findings(question).map_err(JsValue::from)
}

/// What the Worker takes of a table and its deployer may not have meant.
///
/// # Errors
/// Why the question cannot be read.
#[wasm_bindgen]
pub fn warnings(question: &str) -> Result<String, JsValue> {
    edge_logout::tool::warnings(question).map_err(JsValue::from)
}

/// What becomes of published keys and of a sample token.
#[wasm_bindgen]
pub fn judge(question: String) -> Promise {
    tool::judge(question)
}
