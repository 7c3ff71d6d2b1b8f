//! A token that was judged once, as an isolate remembers it.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::fmt::Write as _;
use std::rc::Rc;

use crate::config::{Issuer, Tokens};
use crate::http::{Prepared, Reply};
use crate::keys::KeyMark;
use crate::revocation::{Ended, Freshness, Matchable};
use crate::time::Timestamp;
use crate::token::{Confirmation, OpaqueToken, VerifiedToken};

/// A token of which everything is known but whether it is revoked.
#[derive(Debug)]
pub struct KnownToken {
    /// Whose it is.
    pub issuer: Rc<Issuer>,
    /// What can end it.
    pub matchable: Matchable,
    /// From when on it is expired, leeway included; an opaque token does not say.
    pub dead_at: Option<Timestamp>,
    /// Whether it lacks what its issuer's tokens must carry.
    pub is_of_another_kind: bool,
    /// The `kid` of the key that verified it, as configured.
    pub key_id: Option<String>,
    /// Which key that is; none verifies an opaque token.
    pub key_mark: Option<Cell<KeyMark>>,
    /// What others are told of it.
    pub facts: Facts,
    /// The answers to a check that it passes, one for each promise.
    passed: [OnceCell<Rc<Prepared>>; 3],
}

/// What others are told of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// The user.
    pub subject: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// The `jti`, or the claim that the issuer has in its place.
    pub token_id: Option<String>,
    /// `exp`, in seconds of Unix time.
    pub expires: Option<i64>,
    /// The scope (RFC 8693 section 4.2), words separated by spaces.
    pub scope: Option<String>,
    /// The key that it is bound to, if its issuer has `confirmation = "pass_on"`.
    pub confirmation: Option<Confirmation>,
    /// Whether its signature was verified; an opaque token was only looked up.
    pub verified: bool,
}

impl KnownToken {
    /// A JWT of an issuer that has just verified it.
    #[must_use]
    pub fn verified(token: &VerifiedToken, issuer: &Rc<Issuer>) -> Self {
        let lacks = match &issuer.tokens {
            Tokens::Jwt(rules) => token.lacks(&rules.required_claims).is_some(),
            Tokens::Opaque => false,
        };
        let scope = token.claims().texts("scope").ok().filter(|words| !words.is_empty()).map(|words| words.join(" "));
        Self {
            matchable: Matchable::new(Ended::Jwt(token), &issuer.revocation),
            dead_at: Some(token.expires_at().plus(issuer.revocation.leeway)),
            is_of_another_kind: lacks,
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

    /// A token that only its issuer understands.
    #[must_use]
    pub fn opaque(token: OpaqueToken<'_>, issuer: &Rc<Issuer>) -> Self {
        Self {
            matchable: Matchable::new(Ended::Opaque(token), &issuer.revocation),
            dead_at: None,
            is_of_another_kind: false,
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
    /// The reply to a check that it passes. Nothing in it is about the request, and it has no body, so it is made once.
    /// `is_shared`: one response may be handed to several requests.
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

/// How many headers answers of one issuer and promise have alike.
const COMMON_HEADERS: usize = 4;
/// Far more than identifiers have: whoever may choose longer claims must not fill an isolate's memory with them.
const MAX_FACTS_BYTES: usize = 1024;

impl Facts {
    /// Whether they are short enough to be remembered.
    #[must_use]
    pub fn are_small(&self) -> bool {
        let texts = [&self.subject, &self.session, &self.token_id, &self.scope];
        let lengths = texts.into_iter().flatten().map(String::len);
        lengths.fold(0, usize::saturating_add) <= MAX_FACTS_BYTES
    }

    /// The headers that tell them, and what promise was kept; `none` when it could not be told whether it is revoked.
    #[must_use]
    pub fn headers(&self, freshness: Option<Freshness>) -> Vec<(&'static str, Cow<'static, str>)> {
        self.common_headers(freshness).into_iter().chain(self.own_headers()).collect()
    }

    /// Those that all tokens of an issuer have alike.
    fn common_headers(&self, freshness: Option<Freshness>) -> [(&'static str, Cow<'static, str>); 3] {
        [
            ("X-Auth-Issuer", Cow::Owned(self.issuer.clone())),
            ("X-Auth-Verified", Cow::Borrowed(if self.verified { "true" } else { "false" })),
            ("X-Auth-Freshness", Cow::Borrowed(freshness.map_or("none", Freshness::name))),
        ]
    }

    /// Those that are a token's own.
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

/// A claim as the value of a header: what is no visible ASCII character, and `%` itself, is percent-encoded, so that no
/// claim can be a second header. Spaces stay, but for those at the ends, which HTTP would take away.
fn header_value(claim: &str) -> String {
    let mut value = String::with_capacity(claim.len());
    let inner = claim.trim_matches(' ').len();
    let leading = claim.len().saturating_sub(claim.trim_start_matches(' ').len());
    for (place, byte) in claim.bytes().enumerate() {
        let is_inner_space = byte == b' ' && place >= leading && place < leading.saturating_add(inner);
        if (byte.is_ascii_graphic() && byte != b'%') || is_inner_space {
            value.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
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
