//! Asymmetric signatures with the runtime's Web Crypto API, which is faster than WebAssembly.

use std::cell::RefCell;

use wasm_bindgen::JsValue;

use super::glue;
use super::pause::Awaited;
use crate::json::Object;
use crate::token::{Algorithm, KeyMembers, PrivateKey, PublicKey, SigningInput};

thread_local! {
    /// Imported keys by slot, each with its algorithm. A `CryptoKey` can be used by all requests of an isolate.
    static IMPORTED: RefCell<Vec<(u32, JsValue)>> = const { RefCell::new(Vec::new()) };
}

/// Verifies a signature.
pub(super) async fn verify(key: &PublicKey, input: SigningInput<'_>, signature: &[u8]) -> Result<bool, JsValue> {
    let imported = match imported(key.slot) {
        Some(imported) => imported,
        None => import(key.slot, &public_jwk(&key.members), key.algorithm, "verify").await?,
    };
    let verified = Awaited::cancelable(glue::verify(&imported, signature, input.0.as_bytes())?).await?;
    Ok(verified.is_truthy())
}

/// Signs with a private key.
pub(super) async fn sign(key: &PrivateKey, input: SigningInput<'_>) -> Result<Vec<u8>, JsValue> {
    let imported = match imported(key.slot) {
        Some(imported) => imported,
        None => import(key.slot, key.jwk.expose(), key.algorithm, "sign").await?,
    };
    let signature = glue::sign(&imported, input.0.as_bytes()).await?;
    glue::bytes(&signature).ok_or(JsValue::UNDEFINED)
}

fn imported(slot: u32) -> Option<JsValue> {
    IMPORTED.with_borrow(|imported| imported.iter().find(|(own, _)| *own == slot).map(|(_, key)| key.clone()))
}

async fn import(slot: u32, jwk: &str, algorithm: Algorithm, usage: &str) -> Result<JsValue, JsValue> {
    let key = glue::import_key(jwk, algorithm.name(), usage).await?;
    IMPORTED.with_borrow_mut(|imported| imported.push((slot, key.clone())));
    Ok(key)
}

/// Drops the imported key of a slot.
pub(super) fn forget(slot: u32) {
    IMPORTED.with_borrow_mut(|imported| imported.retain(|(own, _)| *own != slot));
}

fn public_jwk(members: &KeyMembers) -> String {
    let jwk = match members {
        KeyMembers::Rsa { n, e } => Object::new().text("kty", "RSA").text("n", n).text("e", e),
        KeyMembers::Ec { curve, x, y } => Object::new().text("kty", "EC").text("crv", curve).text("x", x).text("y", y),
        KeyMembers::Okp { curve, x } => Object::new().text("kty", "OKP").text("crv", curve).text("x", x),
    };
    jwk.finish()
}
