//! Signatures in pure Rust: the signature port's native implementation, and the signing side of every algorithm.

use base64ct::{Base64UrlUnpadded, Encoding};
use edge_logout::token::{Algorithm, KeyMembers, PublicKey};
use jwt_compact::AlgorithmSignature;
use jwt_compact::alg::{Ed25519, Es256, Hs256, Hs384, Hs512, Rsa};
use jwt_compact::jwk::JsonWebKey;
use p384::ecdsa::signature::{Signer, Verifier};
use serde_json::{Value, json};

/// Verifies one signature.
pub fn verify(key: &PublicKey, input: &str, signature: &[u8]) -> bool {
    let jwk = public_jwk(&key.members);
    match key.algorithm {
        Algorithm::Rs256 => verify_as(&Rsa::rs256(), &jwk, input, signature),
        Algorithm::Rs384 => verify_as(&Rsa::rs384(), &jwk, input, signature),
        Algorithm::Rs512 => verify_as(&Rsa::rs512(), &jwk, input, signature),
        Algorithm::Ps256 => verify_as(&Rsa::ps256(), &jwk, input, signature),
        Algorithm::Ps384 => verify_as(&Rsa::ps384(), &jwk, input, signature),
        Algorithm::Ps512 => verify_as(&Rsa::ps512(), &jwk, input, signature),
        Algorithm::Es256 => verify_as(&Es256, &jwk, input, signature),
        Algorithm::EdDsa => verify_as(&Ed25519, &jwk, input, signature),
        Algorithm::Es384 => verify_es384(&jwk, input, signature),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => panic!("HMAC never leaves the core"),
    }
}

fn verify_as<A>(algorithm: &A, jwk: &Value, input: &str, signature: &[u8]) -> bool
where
    A: jwt_compact::Algorithm,
    A::VerifyingKey: for<'a> TryFrom<&'a JsonWebKey<'a>>,
{
    if A::Signature::LENGTH.is_some_and(|length| length.get() != signature.len()) {
        return false;
    }
    let jwk: JsonWebKey<'static> = serde_json::from_value(jwk.clone()).unwrap();
    let key = A::VerifyingKey::try_from(&jwk).ok().expect("the key was accepted with the configuration");
    A::Signature::try_from_slice(signature)
        .is_ok_and(|signature| algorithm.verify_signature(&signature, &key, input.as_bytes()))
}

fn verify_es384(jwk: &Value, input: &str, signature: &[u8]) -> bool {
    let sec1 = [vec![4], bytes(jwk, "x"), bytes(jwk, "y")].concat();
    let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(&sec1).unwrap();
    p384::ecdsa::Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify(input.as_bytes(), &signature).is_ok())
}

/// Signs with a private JWK.
pub fn sign(algorithm: Algorithm, jwk: &Value, input: &str) -> Vec<u8> {
    match algorithm {
        Algorithm::Hs256 => sign_as(&Hs256, jwk, input),
        Algorithm::Hs384 => sign_as(&Hs384, jwk, input),
        Algorithm::Hs512 => sign_as(&Hs512, jwk, input),
        Algorithm::Rs256 => sign_as(&Rsa::rs256(), jwk, input),
        Algorithm::Rs384 => sign_as(&Rsa::rs384(), jwk, input),
        Algorithm::Rs512 => sign_as(&Rsa::rs512(), jwk, input),
        Algorithm::Ps256 => sign_as(&Rsa::ps256(), jwk, input),
        Algorithm::Ps384 => sign_as(&Rsa::ps384(), jwk, input),
        Algorithm::Ps512 => sign_as(&Rsa::ps512(), jwk, input),
        Algorithm::Es256 => sign_as(&Es256, jwk, input),
        Algorithm::EdDsa => sign_as(&Ed25519, jwk, input),
        Algorithm::Es384 => {
            let key = p384::ecdsa::SigningKey::from_slice(&bytes(jwk, "d")).unwrap();
            let signature: p384::ecdsa::Signature = key.sign(input.as_bytes());
            signature.to_bytes().to_vec()
        }
    }
}

fn sign_as<A>(algorithm: &A, jwk: &Value, input: &str) -> Vec<u8>
where
    A: jwt_compact::Algorithm,
    A::SigningKey: for<'a> TryFrom<&'a JsonWebKey<'a>>,
{
    let jwk: JsonWebKey<'static> = serde_json::from_value(jwk.clone()).unwrap();
    let key = A::SigningKey::try_from(&jwk).ok().expect("a private key");
    algorithm.sign(&key, input.as_bytes()).as_bytes().into_owned()
}

fn public_jwk(members: &KeyMembers) -> Value {
    match members {
        KeyMembers::Rsa { n, e } => json!({ "kty": "RSA", "n": n, "e": e }),
        KeyMembers::Ec { curve, x, y } => json!({ "kty": "EC", "crv": curve, "x": x, "y": y }),
        KeyMembers::Okp { curve, x } => json!({ "kty": "OKP", "crv": curve, "x": x }),
    }
}

fn bytes(jwk: &Value, member: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(jwk[member].as_str().unwrap()).unwrap()
}
