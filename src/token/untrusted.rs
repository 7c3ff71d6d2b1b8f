//! Unverified JWTs: size, structure and header (RFC 7515 sections 4 and 7.1).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jwt_compact::{Header, UntrustedToken};
use serde_json::Value;

use super::TokenProblem;
use super::claims::Claims;
use crate::json::{self, StrictObject};

/// The maximum length of a token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The signing input: the encoded header and payload, joined with a dot.
#[derive(Clone, Copy)]
pub struct SigningInput<'a>(pub &'a str);

/// An unverified JWT. Its header is available, to find a key. Its claims are not accessible until the signature is
/// verified.
pub struct UntrustedJwt<'a> {
    signing_input: SigningInput<'a>,
    header: Rc<JudgedHeader>,
    /// The JSON of the claims, followed by the signature.
    decoded: Vec<u8>,
    claims_bytes: usize,
    /// The parsed claims, if they were parsed to find `iss`. Parsing is expensive.
    read: Cell<Option<Claims>>,
}

impl<'a> UntrustedJwt<'a> {
    /// Parses a token and validates its header.
    ///
    /// Base64url is strict: no padding and no trailing bits, so a signature has exactly one encoding. Duplicate header
    /// members are rejected. Keys in the header (`jwk`, `jku`, `x5u`, `x5c`) are ignored (RFC 8725 section 3.10).
    ///
    /// # Errors
    /// The first problem that is visible without a key.
    pub fn parse(token: &'a str) -> Result<Self, TokenProblem> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenProblem::TooLarge);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(TokenProblem::Malformed)?;
        let (header, claims) = signing_input.split_once('.').ok_or(TokenProblem::Malformed)?;
        let mut decoded = Vec::with_capacity(token.len());
        let mut decode = |text: &str| {
            BASE64_URL_SAFE_NO_PAD.decode_vec(text, &mut decoded).map_err(|_| TokenProblem::Malformed)?;
            Ok(decoded.len())
        };
        let claims_bytes = decode(claims)?;
        decode(signature)?;
        let header = JudgedHeader::of(header)?;
        let signing_input = SigningInput(signing_input);
        Ok(Self { signing_input, header, decoded, claims_bytes, read: Cell::new(None) })
    }

    /// The header's `alg`. It must match the algorithm of the key, and does not choose one.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.header.algorithm
    }

    /// The header's `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.header.key_id.as_deref()
    }

    /// The signing input.
    #[must_use]
    pub const fn signing_input(&self) -> SigningInput<'a> {
        self.signing_input
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.decoded.get(self.claims_bytes..).unwrap_or_default()
    }

    /// The unverified `iss`. Use it only to find the keys for verification.
    #[must_use]
    pub fn claimed_issuer(&self) -> Option<String> {
        let claims = self.claims().ok()?;
        let claimed = claims.get("iss").and_then(Value::as_str).map(str::to_owned);
        self.read.set(Some(claims));
        claimed
    }

    /// The claims. Only [`super::verify`] may call this, after it has verified the signature.
    pub(super) fn claims(&self) -> Result<Claims, TokenProblem> {
        if let Some(claims) = self.read.take() {
            return Ok(claims);
        }
        let json = self.decoded.get(..self.claims_bytes).unwrap_or_default();
        serde_json::from_slice(json).map(Claims::new).map_err(|_| TokenProblem::MalformedClaims)
    }
}

/// A validated header.
struct JudgedHeader {
    algorithm: String,
    key_id: Option<String>,
}

/// The size of the header cache. All tokens of a key have the same header.
const HEADERS: usize = 32;
/// The maximum length of a cached header. Longer ones contain keys or certificates.
const MAX_HEADER_BYTES: usize = 512;

type Judged = Vec<(Box<str>, Rc<JudgedHeader>)>;

thread_local! {
    /// The last valid headers by text, and the index of the next one to replace.
    static JUDGED: RefCell<(Judged, usize)> = const { RefCell::new((Judged::new(), 0)) };
}

impl JudgedHeader {
    /// Parses and validates an encoded header, or finds it in the cache.
    fn of(encoded: &str) -> Result<Rc<Self>, TokenProblem> {
        let known = JUDGED.with_borrow(|(judged, _)| {
            judged.iter().find(|(own, _)| **own == *encoded).map(|(_, header)| Rc::clone(header))
        });
        if let Some(header) = known {
            return Ok(header);
        }
        let header = Rc::new(Self::judge(encoded)?);
        if encoded.len() <= MAX_HEADER_BYTES {
            JUDGED.with_borrow_mut(|(judged, next)| {
                let entry = (encoded.into(), Rc::clone(&header));
                match judged.get_mut(*next) {
                    Some(oldest) => *oldest = entry,
                    None => judged.push(entry),
                }
                *next = next.saturating_add(1).checked_rem(HEADERS).unwrap_or(0);
            });
        }
        Ok(header)
    }

    fn judge(encoded: &str) -> Result<Self, TokenProblem> {
        let alone = [encoded, ".."].concat();
        let jwt = UntrustedToken::<StrictObject>::try_from(alone.as_str()).map_err(|_| TokenProblem::Malformed)?;
        judge_header(jwt.header())?;
        judge_absent_texts(jwt.header(), encoded)?;
        Ok(Self { algorithm: jwt.algorithm().to_owned(), key_id: jwt.header().key_id.clone() })
    }
}

fn judge_header(header: &Header<StrictObject>) -> Result<(), TokenProblem> {
    if header.other_fields.0.contains_key("crit") {
        return Err(TokenProblem::CriticalHeader);
    }
    let is_access_token = header.token_type.as_deref().is_none_or(|token_type| {
        // RFC 7515 section 4.1.9: a case-insensitive media type. The prefix `application/` may be omitted.
        let lower = token_type.to_ascii_lowercase();
        matches!(lower.strip_prefix("application/").unwrap_or(&lower), "jwt" | "at+jwt")
    });
    if is_access_token { Ok(()) } else { Err(TokenProblem::NotAnAccessToken) }
}

/// Rejects `typ` and `kid` with types other than string (RFC 7515 sections 4.1.4 and 4.1.9). The parser treats `null`
/// as absent, which other implementations may not.
fn judge_absent_texts(header: &Header<StrictObject>, encoded: &str) -> Result<(), TokenProblem> {
    let absent: Vec<&str> = [("typ", header.token_type.is_none()), ("kid", header.key_id.is_none())]
        .into_iter()
        .filter_map(|(name, is_absent)| is_absent.then_some(name))
        .collect();
    if absent.is_empty() {
        return Ok(());
    }
    let text = BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenProblem::Malformed)?;
    let members = str::from_utf8(&text).ok().and_then(json::read_object).ok_or(TokenProblem::Malformed)?;
    if absent.iter().any(|name| members.contains_key(*name)) { Err(TokenProblem::Malformed) } else { Ok(()) }
}
