//! A verified token, as isolates cache it.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::fmt::Write as _;
use std::rc::Rc;

use crate::config::{Issuer, Tokens};
use crate::http::{Prepared, Reply};
use crate::keys::KeyMark;
use crate::revocation::{Freshness, Matchable, RevocableToken};
use crate::time::Timestamp;
use crate::token::{Confirmation, OpaqueToken, VerifiedToken};

/// A verified (or opaque) token with everything that a check needs, except its revocation status.
#[derive(Debug)]
pub struct KnownToken {
    /// The issuer.
    pub issuer: Rc<Issuer>,
    /// The revocations that match the token.
    pub matchable: Matchable,
    /// When it expires, leeway included; `None` for opaque tokens.
    pub expires_at: Option<Timestamp>,
    /// Whether it lacks the issuer's required claims.
    pub lacks_required_claims: bool,
    /// The `kid` of the key that verified it.
    pub key_id: Option<String>,
    /// The key that verified it; `None` for opaque tokens.
    pub key_mark: Option<Cell<KeyMark>>,
    /// What responses disclose about it.
    pub facts: Facts,
    /// The prepared responses to passed checks, one per freshness.
    passed: [OnceCell<Rc<Prepared>>; 3],
}

/// What responses disclose about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// The subject.
    pub subject: Option<String>,
    /// The session id.
    pub session: Option<String>,
    /// The `jti`, or the claim that is configured instead.
    pub token_id: Option<String>,
    /// `exp`, in seconds of Unix time.
    pub expires: Option<i64>,
    /// The scopes (RFC 8693 section 4.2), separated by spaces.
    pub scope: Option<String>,
    /// The key that the token is bound to, if the issuer has `confirmation = "pass_on"`.
    pub confirmation: Option<Confirmation>,
    /// Whether the signature was verified; `false` for opaque tokens.
    pub verified: bool,
}

impl KnownToken {
    /// Creates the entry of a JWT that was verified with its issuer's keys.
    #[must_use]
    pub fn verified(token: &VerifiedToken, issuer: &Rc<Issuer>) -> Self {
        let lacks_claims = match &issuer.tokens {
            Tokens::Jwt(rules) => token.lacks(&rules.required_claims).is_some(),
            Tokens::Opaque => false,
        };
        let scope = token.claims().texts("scope").ok().filter(|words| !words.is_empty()).map(|words| words.join(" "));
        Self {
            matchable: Matchable::new(RevocableToken::Jwt(token), &issuer.revocation),
            expires_at: Some(token.expires_at().plus(issuer.revocation.leeway)),
            lacks_required_claims: lacks_claims,
            key_id: token.key_id().map(str::to_owned),
            key_mark: Some(Cell::new(token.key_mark())),
            facts: Facts {
                issuer: issuer.name.clone(),
                subject: token.subject().map(str::to_owned),
                session: token.session().map(str::to_owned),
                token_id: token.id().jwt_id().map(str::to_owned),
                expires: Some(token.expires_at().as_seconds_rounded_up()),
                scope,
                confirmation: token.confirmation().cloned(),
                verified: true,
            },
            passed: Default::default(),
            issuer: Rc::clone(issuer),
        }
    }

    /// Creates the entry of an opaque token.
    #[must_use]
    pub fn opaque(token: OpaqueToken<'_>, issuer: &Rc<Issuer>) -> Self {
        Self {
            matchable: Matchable::new(RevocableToken::Opaque(token), &issuer.revocation),
            expires_at: None,
            lacks_required_claims: false,
            key_id: None,
            key_mark: None,
            facts: Facts {
                issuer: issuer.name.clone(),
                subject: None,
                session: None,
                token_id: None,
                expires: None,
                scope: None,
                confirmation: None,
                verified: false,
            },
            passed: Default::default(),
            issuer: Rc::clone(issuer),
        }
    }
}

impl KnownToken {
    /// The response to a passed check. It does not depend on the request, so it is created once. `is_shared`: one
    /// runtime response may serve several requests.
    #[must_use]
    pub fn passed(&self, freshness: Freshness, is_shared: bool) -> Reply {
        let [strong, bounded, eventual] = &self.passed;
        let prepared = match freshness {
            Freshness::Strong => strong,
            Freshness::Bounded(_) => bounded,
            Freshness::Eventual => eventual,
        };
        let prepare = || {
            let mut common = Vec::with_capacity(COMMON_HEADERS);
            common.extend(self.facts.common_headers(Some(freshness)));
            common.push(("Cache-Control", Cow::Borrowed("no-store")));
            let own = self.facts.own_headers().collect();
            let (form, was_sent) = (OnceCell::new(), Cell::new(false));
            Rc::new(Prepared { status: 200, common, own, is_shared, form, was_sent })
        };
        Reply::prepared(prepared.get_or_init(prepare))
    }
}

/// The number of headers that all responses of an issuer and freshness have in common.
const COMMON_HEADERS: usize = 4;
/// The maximum size of cached claims. It limits the memory that a user with long claims can occupy.
const MAX_FACTS_BYTES: usize = 1024;

impl Facts {
    /// Whether the claims are small enough to be cached.
    #[must_use]
    pub fn are_small(&self) -> bool {
        let texts = [&self.subject, &self.session, &self.token_id, &self.scope];
        let lengths = texts.into_iter().flatten().map(String::len);
        lengths.fold(0, usize::saturating_add) <= MAX_FACTS_BYTES
    }

    /// The `X-Auth-*` headers. `freshness` is that of the check; `None` if the revocation status is unknown.
    #[must_use]
    pub fn headers(&self, freshness: Option<Freshness>) -> Vec<(&'static str, Cow<'static, str>)> {
        self.common_headers(freshness).into_iter().chain(self.own_headers()).collect()
    }

    /// The headers that are equal for all tokens of an issuer.
    fn common_headers(&self, freshness: Option<Freshness>) -> [(&'static str, Cow<'static, str>); 3] {
        [
            ("X-Auth-Issuer", Cow::Owned(self.issuer.clone())),
            ("X-Auth-Verified", Cow::Borrowed(if self.verified { "true" } else { "false" })),
            ("X-Auth-Freshness", Cow::Borrowed(freshness.map_or("none", Freshness::name))),
        ]
    }

    /// The headers that are specific to a token.
    fn own_headers(&self) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
        let confirmation = self.confirmation.as_ref();
        let texts = [
            ("X-Auth-Subject", self.subject.as_deref()),
            ("X-Auth-Session", self.session.as_deref()),
            ("X-Auth-Token-Id", self.token_id.as_deref()),
            ("X-Auth-Scope", self.scope.as_deref()),
            ("X-Auth-Confirmation", confirmation.map(|confirmation| confirmation.thumbprint.as_str())),
            ("X-Auth-Confirmation-Method", confirmation.map(|confirmation| confirmation.method)),
        ];
        let texts = texts.into_iter().filter_map(|(name, value)| Some((name, Cow::Owned(header_value(value?)))));
        let expires = self.expires.map(|seconds| ("X-Auth-Expires", Cow::Owned(seconds.to_string())));
        texts.chain(expires)
    }
}

/// Encodes a claim as a header value. Percent-encodes `%` and all characters except visible ASCII, so that a claim
/// cannot inject a header. Inner spaces are kept; leading and trailing ones, which HTTP would strip, are encoded.
fn header_value(claim: &str) -> String {
    let mut value = String::with_capacity(claim.len());
    let inner = claim.trim_matches(' ').len();
    let leading = claim.len().saturating_sub(claim.trim_start_matches(' ').len());
    for (index, byte) in claim.bytes().enumerate() {
        let is_inner_space = byte == b' ' && index >= leading && index < leading.saturating_add(inner);
        if (byte.is_ascii_graphic() && byte != b'%') || is_inner_space {
            value.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(value, "%{byte:02X}");
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::header_value;

    #[test]
    fn no_claim_is_a_second_header() {
        let cases = [
            ("jane@example.com", "jane@example.com"),
            ("read write", "read write"),
            (" padded ", "%20padded%20"),
            ("   ", "%20%20%20"),
            ("100%", "100%25"),
            ("a\r\nX-Auth-Subject: b", "a%0D%0AX-Auth-Subject: b"),
            ("Jürgen", "J%C3%BCrgen"),
            ("\0\u{7f}", "%00%7F"),
            ("", ""),
        ];
        for (claim, value) in cases {
            assert_eq!(header_value(claim), value);
        }
    }
}
