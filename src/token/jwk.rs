//! Parses and validates JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037).

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::algorithm::{Algorithm, KeyKind};
use super::keys::{HmacKey, KeyMembers, PublicKey, VerificationKey, VerificationMaterial};

/// The minimum size of an RSA modulus in bits (RFC 7518 section 3.3).
const MIN_RSA_BITS: usize = 2048;
/// The maximum size of an RSA modulus in bits. It limits the cost of a verification.
const MAX_RSA_BITS: usize = 8192;
/// The prefix of key ids in `dev/keys`. Deployments must not use these keys.
const DEVELOPMENT_PREFIX: &str = "development-";
/// The SHA-256 (base64url) of the key material (`k`, `n` or `x`) of each development key, to recognize it by any name.
const DEVELOPMENT_KEYS: [&str; 5] = [
    "5IHIPBZHKfz9-uO444DWaJG6LoU7LP7o1TNytdb3qPM",
    "ZNcLXJETQoI-dHb4Oy6cQoWRS_AXYqf3mvbD7qaoYKU",
    "2ulCv9J609Jv0XWTKi08E1f4NNHRrcx8MGakQCQl_1o",
    "nLgv_NsohbBx0saUAaqREoyN163Xg7Ht4C99rqtbIm0",
    "ZVn-CNyWL0ACQXyQuT0eqK4Py-nH-w8f8inIckYLAOo",
];

/// The members of private keys (RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// The command that prints the public half of a JWK as a table for `wrangler.toml`.
const PUBLIC_HALF: &str = concat!(
    r#"node -e 'const{d,p,q,dp,dq,qi,oth,key_ops,...k}=JSON.parse(require("fs").readFileSync(0));"#,
    r#"console.log("{ "+Object.entries(k).map(([n,v])=>JSON.stringify(n)+" = "+JSON.stringify(v)).join(", ")+" }")'"#,
    " < private.jwk.json"
);

/// A JWK. Unknown members are ignored (RFC 7517 section 4).
pub struct Jwk {
    members: Map<String, Value>,
    /// The symmetric key, kept separately so that it is zeroized.
    symmetric: Option<Zeroizing<String>>,
    has_private_half: bool,
}

/// Why a key is rejected. Messages never contain key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwkProblem {
    /// A symmetric key in the configuration table, which is not secret.
    SecretInPublic,
    /// A public key instead of a symmetric or private one.
    NotSecret,
    /// A private key instead of its public half.
    Private,
    /// `kty` and `crv` do not match the issuer's algorithms.
    NoAlgorithmFits,
    /// `alg` is not one of the issuer's algorithms.
    AlgorithmNotConfigured(String),
    /// `use` or `key_ops` does not allow the operation.
    OtherUse,
    /// A member is missing, or is not base64url of the right length.
    Member(&'static str),
    /// The key is too short or too long.
    Size,
    /// The signing key is not among the issuer's verification keys.
    NotTheIssuers,
    /// The key is a published development key.
    Development,
}

impl JwkProblem {
    /// The reason in the log.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::SecretInPublic | Self::Private => "not_public",
            Self::NotSecret => "public",
            Self::NoAlgorithmFits => "no_algorithm_fits",
            Self::AlgorithmNotConfigured(_) => "algorithm_not_configured",
            Self::OtherUse => "other_use",
            Self::Member(_) => "bad_member",
            Self::Size => "bad_size",
            Self::NotTheIssuers => "not_the_issuers",
            Self::Development => "development_key",
        }
    }

    /// The message for a configuration error.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::SecretInPublic => {
                "is a symmetric key, which must not stand in the table: put it into a Worker secret, and write that \
                 secret's name into `secret`"
                    .to_owned()
            }
            Self::NotSecret => "is a public key: signing takes a private or symmetric one".to_owned(),
            Self::Private => {
                ["is a private key: write its public half into `jwks` instead, as printed by `", PUBLIC_HALF, "`"]
                    .concat()
            }
            Self::NoAlgorithmFits => "has a `kty` or `crv` that fits none of the issuer's `algorithms`".to_owned(),
            Self::AlgorithmNotConfigured(alg) => {
                format!("has `alg` {alg:?}, which is not in the issuer's `algorithms`")
            }
            Self::OtherUse => "is not for signatures: its `use` or `key_ops` says otherwise".to_owned(),
            Self::Member(name) => format!("has no valid `{name}`"),
            Self::Size => "is too short for its algorithm, or longer than 8192 bits".to_owned(),
            Self::NotTheIssuers => "is not one of the issuer's own keys: its signatures would be refused".to_owned(),
            Self::Development => {
                "is a development key, whose private half is public: replace it by the issuer's own".to_owned()
            }
        }
    }
}

impl Jwk {
    /// Parses a JWK Set (RFC 7517 section 5) or a single JWK; `None` if the text is neither.
    #[must_use]
    pub fn read_set(value: Value) -> Option<Vec<Self>> {
        let Value::Object(mut members) = value else { return None };
        match members.remove("keys") {
            Some(Value::Array(keys)) => keys.into_iter().map(Self::read).collect(),
            Some(_) => None,
            None => Self::read(Value::Object(members)).map(|jwk| vec![jwk]),
        }
    }

    /// Parses a single JWK; `None` if the text is not a JWK.
    #[must_use]
    pub fn read(value: Value) -> Option<Self> {
        let Value::Object(mut members) = value else { return None };
        members.get("kty").filter(|kty| kty.is_string())?;
        if members.get("kid").is_some_and(|kid| !kid.is_string()) {
            return None;
        }
        let has_private_half = PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name));
        let mut take_secret = |name| match members.remove(name) {
            Some(Value::String(text)) => Some(Zeroizing::new(text)),
            _ => None,
        };
        let symmetric = take_secret("k");
        // Any of these members reveals the private key, even without `d` (RFC 7518 section 6.3.2).
        for name in PRIVATE_MEMBERS {
            drop(take_secret(name));
        }
        Some(Self { members, symmetric, has_private_half })
    }

    fn text(&self, name: &str) -> String {
        self.member(name).unwrap_or_default().to_owned()
    }

    fn member(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// The key id (`kid`).
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.member("kid")
    }

    /// Whether the key is one of those in `dev/keys`.
    #[must_use]
    pub fn is_for_development(&self) -> bool {
        let own =
            self.symmetric.as_deref().map(String::as_str).or_else(|| self.member("n")).or_else(|| self.member("x"));
        let fingerprint = own.map(|member| Base64UrlUnpadded::encode_string(&Sha256::digest(member)));
        self.key_id().is_some_and(|kid| kid.starts_with(DEVELOPMENT_PREFIX))
            || fingerprint.is_some_and(|fingerprint| DEVELOPMENT_KEYS.contains(&fingerprint.as_str()))
    }

    /// Converts the JWK into a verification key for one of the issuer's `algorithms`.
    ///
    /// `secret`: the JWK is from a Worker secret, so it may be symmetric. Otherwise it must be public.
    ///
    /// # Errors
    /// The reason for which the key is rejected.
    pub fn verification_key(&self, algorithms: &[Algorithm], secret: bool) -> Result<VerificationKey, JwkProblem> {
        self.check_usage("verify")?;
        let symmetric = self.is_kind("oct");
        if !secret && (symmetric || self.symmetric.is_some()) {
            return Err(JwkProblem::SecretInPublic);
        }
        if self.has_private_half {
            return Err(JwkProblem::Private);
        }
        let algorithm = self.fitting(algorithms)?;
        Ok(VerificationKey::new(self.key_id().map(str::to_owned), algorithm, self.verification_material(algorithm)?))
    }

    /// The key material for verification: the symmetric key, or the public half.
    pub(super) fn verification_material(&self, algorithm: Algorithm) -> Result<VerificationMaterial, JwkProblem> {
        if self.is_kind("oct") {
            return self.hmac_key(algorithm).map(VerificationMaterial::Hmac);
        }
        Ok(VerificationMaterial::Public(PublicKey::new(algorithm, self.public_members(algorithm)?)))
    }

    /// Chooses the one of `algorithms` that the key is for.
    pub(super) fn fitting(&self, algorithms: &[Algorithm]) -> Result<Algorithm, JwkProblem> {
        let named = match self.member("alg") {
            None => None,
            Some(alg) => Some(
                Algorithm::from_name(alg)
                    .filter(|named| algorithms.contains(named))
                    .ok_or_else(|| JwkProblem::AlgorithmNotConfigured(alg.to_owned()))?,
            ),
        };
        let fitting: Vec<_> = algorithms
            .iter()
            .copied()
            .filter(|algorithm| named.is_none_or(|named| named == *algorithm))
            .filter(|algorithm| match algorithm.key_kind() {
                KeyKind::Symmetric { .. } => self.is_kind("oct"),
                KeyKind::Rsa => self.is_kind("RSA"),
                KeyKind::Ec(curve) => self.is_kind("EC") && self.member("crv") == Some(curve),
                KeyKind::Okp(curve) => self.is_kind("OKP") && self.member("crv") == Some(curve),
            })
            .collect();
        match fitting.as_slice() {
            [] => Err(JwkProblem::NoAlgorithmFits),
            [algorithm] => Ok(*algorithm),
            // Ambiguous: the token's header must not choose the algorithm (RFC 8725 section 3.1).
            _ => Err(JwkProblem::Member("alg")),
        }
    }

    /// The symmetric key for an algorithm.
    pub(super) fn hmac_key(&self, algorithm: Algorithm) -> Result<HmacKey, JwkProblem> {
        let bytes = Zeroizing::new(decode(self.symmetric.as_deref().map(String::as_str), "k")?);
        HmacKey::new(algorithm, &bytes).ok_or(JwkProblem::Size)
    }

    /// Whether the key has private members.
    pub(super) const fn is_private(&self) -> bool {
        self.has_private_half
    }

    fn is_kind(&self, kind: &str) -> bool {
        self.member("kty") == Some(kind)
    }

    /// Whether `use` and `key_ops`, if present, allow an operation.
    pub(super) fn check_usage(&self, operation: &str) -> Result<(), JwkProblem> {
        let usage = self.members.get("use").is_none_or(|usage| usage == "sig");
        let operations = self.members.get("key_ops").is_none_or(|operations| {
            operations.as_array().is_some_and(|operations| operations.iter().any(|own| own == operation))
        });
        if usage && operations { Ok(()) } else { Err(JwkProblem::OtherUse) }
    }

    pub(super) fn public_members(&self, algorithm: Algorithm) -> Result<KeyMembers, JwkProblem> {
        match algorithm.key_kind() {
            KeyKind::Symmetric { .. } => Err(JwkProblem::NoAlgorithmFits),
            KeyKind::Rsa => {
                let modulus = decode(self.member("n"), "n")?;
                let bits = modulus.len().saturating_mul(8).saturating_sub(leading_zero_bits(&modulus));
                if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
                    return Err(JwkProblem::Size);
                }
                let exponent = decode(self.member("e"), "e")?;
                // With exponent 1, a signature equals its message.
                if exponent == [1] || exponent.last().is_none_or(|byte| byte % 2 == 0) {
                    return Err(JwkProblem::Member("e"));
                }
                Ok(KeyMembers::Rsa { n: self.text("n"), e: self.text("e") })
            }
            KeyKind::Ec(curve) => {
                let length = if curve == "P-256" { 32 } else { 48 };
                exactly(length, self.member("x"), "x")?;
                exactly(length, self.member("y"), "y")?;
                Ok(KeyMembers::Ec { curve, x: self.text("x"), y: self.text("y") })
            }
            KeyKind::Okp(curve) => {
                exactly(32, self.member("x"), "x")?;
                Ok(KeyMembers::Okp { curve, x: self.text("x") })
            }
        }
    }
}

fn decode(member: Option<&str>, name: &'static str) -> Result<Vec<u8>, JwkProblem> {
    member
        .filter(|text| !text.is_empty())
        .and_then(|text| Base64UrlUnpadded::decode_vec(text).ok())
        .ok_or(JwkProblem::Member(name))
}

fn exactly(length: usize, member: Option<&str>, name: &'static str) -> Result<(), JwkProblem> {
    if decode(member, name)?.len() == length { Ok(()) } else { Err(JwkProblem::Member(name)) }
}

fn leading_zero_bits(bytes: &[u8]) -> usize {
    let zero_bytes = bytes.iter().take_while(|byte| **byte == 0).count();
    let next = bytes.get(zero_bytes).map_or(0, |byte| byte.leading_zeros() as usize);
    zero_bytes.saturating_mul(8).saturating_add(next)
}
