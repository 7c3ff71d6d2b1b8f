//! Asymmetric signatures by the runtime's WebCrypto: 16 to 24 times cheaper than in wasm, and no code of ours.

use std::cell::RefCell;
use std::collections::HashMap;

use js_sys::{Array, JSON, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto, WorkerGlobalScope};

use crate::token::{Algorithm, KeyMembers, PrivateKey, PublicKey, SigningInput};

thread_local! {
    /// Imported keys by their slot: a `CryptoKey` belongs to the isolate, not to a request.
    static IMPORTED: RefCell<HashMap<u32, CryptoKey>> = RefCell::new(HashMap::new());
}

/// Whether a signature verifies.
pub(super) async fn verify(key: &PublicKey, input: SigningInput<'_>, signature: &[u8]) -> Result<bool, JsValue> {
    let imported = import(key.slot, &public_jwk(&key.members)?, key.algorithm, "verify").await?;
    // Copies: a view into the wasm's memory would be lost when that grows.
    let (signature, data) = (Uint8Array::from(signature), Uint8Array::from(input.0.as_bytes()));
    let verified = subtle()?.verify_with_object_and_js_u8_array_and_js_u8_array(
        &parameters(key.algorithm)?,
        &imported,
        &signature,
        &data,
    )?;
    Ok(JsFuture::from(verified).await?.is_truthy())
}

/// The signature of a private key.
pub(super) async fn sign(key: &PrivateKey, input: SigningInput<'_>) -> Result<Vec<u8>, JsValue> {
    let jwk: Object = JSON::parse(key.jwk.expose())?.unchecked_into();
    // What the JWK says of its use was judged with the configuration; the runtime must not judge it again, otherwise.
    for member in ["alg", "key_ops", "use", "ext"] {
        Reflect::delete_property(&jwk, &member.into())?;
    }
    let imported = import(key.slot, &jwk, key.algorithm, "sign").await?;
    let data = Uint8Array::from(input.0.as_bytes());
    let signed = subtle()?.sign_with_object_and_js_u8_array(&parameters(key.algorithm)?, &imported, &data)?;
    Ok(Uint8Array::new(&JsFuture::from(signed).await?).to_vec())
}

async fn import(slot: u32, jwk: &Object, algorithm: Algorithm, usage: &str) -> Result<CryptoKey, JsValue> {
    if let Some(key) = IMPORTED.with_borrow(|imported| imported.get(&slot).cloned()) {
        return Ok(key);
    }
    let usages = Array::of1(&usage.into());
    let importing = subtle()?.import_key_with_object("jwk", jwk, &parameters(algorithm)?, false, &usages)?;
    let key: CryptoKey = JsFuture::from(importing).await?.dyn_into()?;
    IMPORTED.with_borrow_mut(|imported| imported.insert(slot, key.clone()));
    Ok(key)
}

/// The algorithm as WebCrypto names it: good for importing, signing and verifying alike.
fn parameters(algorithm: Algorithm) -> Result<Object, JsValue> {
    let (name, extra, salt_length) = match algorithm {
        Algorithm::Rs256 => ("RSASSA-PKCS1-v1_5", ("hash", "SHA-256"), None),
        Algorithm::Rs384 => ("RSASSA-PKCS1-v1_5", ("hash", "SHA-384"), None),
        Algorithm::Rs512 => ("RSASSA-PKCS1-v1_5", ("hash", "SHA-512"), None),
        Algorithm::Ps256 => ("RSA-PSS", ("hash", "SHA-256"), Some(32)),
        Algorithm::Ps384 => ("RSA-PSS", ("hash", "SHA-384"), Some(48)),
        Algorithm::Ps512 => ("RSA-PSS", ("hash", "SHA-512"), Some(64)),
        Algorithm::Es256 => ("ECDSA", ("hash", "SHA-256"), None),
        Algorithm::Es384 => ("ECDSA", ("hash", "SHA-384"), None),
        Algorithm::EdDsa => ("Ed25519", ("hash", "SHA-512"), None),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return Err("HMAC is computed in the core".into()),
    };
    let parameters = object(&[("name", name.into()), (extra.0, extra.1.into())])?;
    match algorithm {
        Algorithm::Es256 => set(&parameters, "namedCurve", &"P-256".into())?,
        Algorithm::Es384 => set(&parameters, "namedCurve", &"P-384".into())?,
        _ => {}
    }
    if let Some(length) = salt_length {
        set(&parameters, "saltLength", &JsValue::from_f64(f64::from(length)))?;
    }
    Ok(parameters)
}

fn public_jwk(members: &KeyMembers) -> Result<Object, JsValue> {
    match members {
        KeyMembers::Rsa { n, e } => object(&[("kty", "RSA".into()), ("n", n.into()), ("e", e.into())]),
        KeyMembers::Ec { curve, x, y } => {
            object(&[("kty", "EC".into()), ("crv", (*curve).into()), ("x", x.into()), ("y", y.into())])
        }
        KeyMembers::Okp { curve, x } => object(&[("kty", "OKP".into()), ("crv", (*curve).into()), ("x", x.into())]),
    }
}

fn object(members: &[(&str, JsValue)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in members {
        set(&object, name, value)?;
    }
    Ok(object)
}

fn set(object: &Object, name: &str, value: &JsValue) -> Result<(), JsValue> {
    Reflect::set(object, &name.into(), value).map(|_| ())
}

/// The runtime's crypto; the scope's type is a tag for wasm-bindgen only.
fn subtle() -> Result<SubtleCrypto, JsValue> {
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    Ok(global.crypto()?.subtle())
}
