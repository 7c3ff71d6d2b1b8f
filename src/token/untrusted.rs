//! A JWT that nobody has verified yet: its size, shape and header (RFC 7515 sections 4 and 7.1).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jwt_compact::{Header, UntrustedToken};
use serde_json::Value;

use super::TokenProblem;
use super::claims::Claims;
use crate::json::{self, StrictObject};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// What the signature covers: header and payload as they were sent, with the dot between them.
#[derive(Clone, Copy)]
pub struct SigningInput<'a>(pub &'a str);

/// A JWT of which nothing is known but its shape. Its header is good for finding a key; its claims stay closed until
/// the signature has been verified.
pub struct UntrustedJwt<'a> {
    signing_input: SigningInput<'a>,
    header: Rc<JudgedHeader>,
    /// The claims as JSON, and the signature after them.
    decoded: Vec<u8>,
    claims_bytes: usize,
    /// The claims, where they were read for the `iss` that they claim: reading them is a third of the work.
    read: Cell<Option<Claims>>,
}

impl<'a> UntrustedJwt<'a> {
    /// Reads a token's parts and judges its header.
    ///
    /// Base64url is strict: no padding, no stray bits, so that one signature has one spelling. Duplicate header
    /// members are refused. Keys in the header (`jwk`, `jku`, `x5u`, `x5c`) are not looked at (RFC 8725 section 3.10).
    ///
    /// # Errors
    /// The problem, as long as it shows without a key.
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

    /// The header's `alg`. It chooses nothing: a key's own algorithm must agree with it.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.header.algorithm
    }

    /// The header's `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.header.key_id.as_deref()
    }

    /// What the signature covers.
    #[must_use]
    pub const fn signing_input(&self) -> SigningInput<'a> {
        self.signing_input
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.decoded.get(self.claims_bytes..).unwrap_or_default()
    }

    /// The `iss` that it claims, for finding whose keys to verify it with. Not verified, and good for nothing else.
    #[must_use]
    pub fn claimed_issuer(&self) -> Option<String> {
        let claims = self.claims().ok()?;
        let claimed = claims.get("iss").and_then(Value::as_str).map(str::to_owned);
        self.read.set(Some(claims));
        claimed
    }

    /// The claims; only [`super::verify`] may ask, and only once the signature has been verified.
    pub(super) fn claims(&self) -> Result<Claims, TokenProblem> {
        if let Some(claims) = self.read.take() {
            return Ok(claims);
        }
        let json = self.decoded.get(..self.claims_bytes).unwrap_or_default();
        serde_json::from_slice(json).map(Claims::new).map_err(|_| TokenProblem::MalformedClaims)
    }
}

/// What is kept of a good header.
struct JudgedHeader {
    algorithm: String,
    key_id: Option<String>,
}

/// How many headers are remembered: all tokens that one key has signed have the same.
const HEADERS: usize = 32;
/// No header without keys or certificates is longer.
const MAX_HEADER_BYTES: usize = 512;

type Judged = Vec<(Box<str>, Rc<JudgedHeader>)>;

thread_local! {
    /// The last good headers by their text, and which of them is replaced next.
    static JUDGED: RefCell<(Judged, usize)> = const { RefCell::new((Judged::new(), 0)) };
}

impl JudgedHeader {
    /// The header that is encoded in a text, judged now or before.
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
        // RFC 7515 section 4.1.9: a media type, case-insensitive, whose `application/` may be left out.
        let lower = token_type.to_ascii_lowercase();
        matches!(lower.strip_prefix("application/").unwrap_or(&lower), "jwt" | "at+jwt")
    });
    if is_access_token { Ok(()) } else { Err(TokenProblem::NotAnAccessToken) }
}

/// Refuses a `typ` or `kid` that is no text (RFC 7515 sections 4.1.4 and 4.1.9). The parser reads `null` as absent,
/// which another reader might not.
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
