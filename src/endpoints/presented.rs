//! Reads the credential of an API request: a bearer token, a cookie, or an opaque token in its own header.
//!
//! A request with two credentials is rejected, because the API might use the one that was not checked.

use std::borrow::Cow;
use std::rc::Rc;

use super::original::Original;
use crate::config::{Config, CookieRules, Issuer, Tokens};
use crate::http::{Request, Url, lenient_byte, percent_decoded};
use crate::token::{BearerProblem, bearer_token, is_token};

/// The header for LoyaltyDog's customer sessions.
pub(super) const CUSTOMER_TOKEN: &str = "x-eposn-customer-token";

/// The header of an opaque token, as named in the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenHeader {
    Authorization,
    CustomerToken,
}

/// Why a request has no usable credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialProblem {
    /// The credential is missing or malformed.
    Bearer(BearerProblem),
    /// There are two credentials, and the API might use either.
    Two,
    /// A cookie with another site's `Origin`, or without a required one (cross-site request forgery).
    Origin,
}

impl CredentialProblem {
    /// A malformed credential.
    const MALFORMED: Self = Self::Bearer(BearerProblem::Malformed);

    /// The reason in the log and in the answer.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Bearer(problem) => problem.reason(),
            Self::Two => "two_credentials",
            Self::Origin => "origin_mismatch",
        }
    }
}

/// A credential and its possible issuers.
#[derive(Debug)]
pub(super) struct Presented<'a> {
    /// The value of the header. It ends with the token, which is not copied: this is on the hot path.
    text: String,
    start: usize,
    /// The possible issuers; empty for any issuer with the token's `iss`.
    pub issuers: Cow<'a, [Rc<Issuer>]>,
}

impl Presented<'_> {
    /// The token.
    pub fn token(&self) -> &str {
        self.text.get(self.start..).unwrap_or_default()
    }
}

/// The browser's request, if known.
#[derive(Clone, Copy, Debug)]
pub(super) enum BrowserRequest<'a> {
    /// The request to a guard: its method and URL.
    Guarded(&'a str, &'a Url<'a>),
    /// The original request according to a proxy.
    Proxied(&'a Original),
    /// Unknown: a plain check.
    Unknown,
}

/// Reads the credential of a request. `issuers` are the accepted issuers; empty for any.
pub(super) fn presented<'a, R: Request>(
    config: &Config,
    request: &R,
    issuers: Cow<'a, [Rc<Issuer>]>,
    header: Option<TokenHeader>,
    browser_request: BrowserRequest<'_>,
) -> Result<Presented<'a>, CredentialProblem> {
    let authorization = request.header("authorization");
    let is_opaque = issuers.iter().any(|issuer| matches!(issuer.tokens, Tokens::Opaque));
    let customer = if is_opaque { request.header(CUSTOMER_TOKEN) } else { None };
    if config.reads_cookies
        && header.is_none()
        && let Some(found) = from_cookies(config, request, &issuers)?
    {
        if customer.is_some() || authorization.is_some_and(|value| !value.trim().is_empty()) {
            return Err(CredentialProblem::Two);
        }
        let (token, rules, issuers) = found;
        return if is_same_site(rules, request, browser_request) {
            Ok(Presented { text: token, start: 0, issuers: Cow::Owned(issuers) })
        } else {
            Err(CredentialProblem::Origin)
        };
    }
    let (text, start) = from_headers(header, authorization, customer)?;
    Ok(Presented { text, start, issuers })
}

/// Reads a header value that ends with the token. Returns it with the start of the token. An opaque token may be in
/// either header; if both are present, the query must name one.
fn from_headers(
    header: Option<TokenHeader>,
    authorization: Option<String>,
    customer: Option<String>,
) -> Result<(String, usize), CredentialProblem> {
    match (header, customer) {
        (None | Some(TokenHeader::Authorization), None) | (Some(TokenHeader::Authorization), Some(_)) => {
            let token = bearer_token(authorization.as_deref()).map_err(CredentialProblem::Bearer)?.len();
            let mut text = authorization.unwrap_or_default();
            text.truncate(text.trim_end().len());
            let start = text.len().saturating_sub(token);
            Ok((text, start))
        }
        (Some(TokenHeader::CustomerToken), None) => Err(CredentialProblem::Bearer(BearerProblem::Missing)),
        (None, Some(_)) if authorization.is_some() => Err(CredentialProblem::Two),
        // Several headers of this name arrive joined with commas, which are not allowed in a token.
        (_, Some(token)) if is_token(&token) => Ok((token, 0)),
        (_, Some(_)) => Err(CredentialProblem::MALFORMED),
    }
}

/// A token from a cookie, the cookie's rules, and the issuers that use it.
type FromCookie<'a> = (String, &'a CookieRules, Vec<Rc<Issuer>>);

fn from_cookies<'a>(
    config: &'a Config,
    request: &impl Request,
    issuers: &'a [Rc<Issuer>],
) -> Result<Option<FromCookie<'a>>, CredentialProblem> {
    let asked = if issuers.is_empty() { &config.issuers } else { issuers };
    // Opaque issuers must be named explicitly, since any string could be their token.
    let is_candidate = |issuer: &&Rc<Issuer>| !issuers.is_empty() || matches!(issuer.tokens, Tokens::Jwt(_));
    let with_cookies = asked.iter().filter(is_candidate).filter_map(|issuer| Some((issuer, issuer.cookie.as_ref()?)));
    let with_cookies: Vec<_> = with_cookies.collect();
    if with_cookies.is_empty() {
        return Ok(None);
    }
    let Some(header) = request.header("cookie") else { return Ok(None) };
    let is_named = |name: &str| with_cookies.iter().any(|(_, rules)| may_be_equal(&rules.name, name));
    // Servers differ in which of two equal cookies they use, which names they treat as equal, and what a comma means.
    match header.split([';', ',']).filter(|pair| is_named(name_of(pair))).count() {
        0 => return Ok(None),
        1 => {}
        _ => return Err(CredentialProblem::Two),
    }
    let rules_of = |name: &str| with_cookies.iter().find(|(_, rules)| rules.name == name).map(|(_, rules)| *rules);
    let found = cookies(&header).find_map(|(name, value)| Some((rules_of(name)?, value)));
    let (rules, value) = found.filter(|(_, value)| is_token(value)).ok_or(CredentialProblem::MALFORMED)?;
    let cookie_issuers =
        with_cookies.iter().filter(|(_, own)| own.name == rules.name).map(|(issuer, _)| Rc::clone(issuer));
    Ok(Some((value.to_owned(), rules, cookie_issuers.collect())))
}

/// The cookies of a header (RFC 6265 section 4.2.1) as names and values, not decoded.
fn cookies(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim(), value.trim()))
    })
}

/// The name of a cookie pair; the whole pair if it has no value.
fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name).trim()
}

/// Whether a server may treat two names as equal. PHP percent-decodes names, replaces all characters except letters and
/// digits by `_`, and reads `token[0]` as `token`.
fn may_be_equal(one: &str, other: &str) -> bool {
    let comparable = |name: &str| -> Vec<u8> {
        percent_decoded(name.as_bytes()).into_iter().take_while(|byte| *byte != b'[').map(lenient_byte).collect()
    };
    comparable(one) == comparable(other)
}

/// Removes the token cookies of these issuers from the header `Cookie`; `None` if no cookie is left.
pub(super) fn without_tokens(header: &str, issuers: &[Rc<Issuer>]) -> Option<String> {
    let rules = || issuers.iter().filter_map(|issuer| issuer.cookie.as_ref()).filter(|rules| !rules.passes_on);
    let is_token_cookie =
        |pair: &str| pair.split(',').any(|part| rules().any(|rules| may_be_equal(&rules.name, name_of(part))));
    let remains = |pair: &&str| !pair.is_empty() && !is_token_cookie(pair);
    let kept: Vec<&str> = header.split(';').map(str::trim).filter(remains).collect();
    (!kept.is_empty()).then(|| kept.join("; "))
}

/// Whether the `Origin` of a request with a cookie is allowed. Safe methods do not need one.
fn is_same_site(rules: &CookieRules, request: &impl Request, browser_request: BrowserRequest<'_>) -> bool {
    let is_safe = match browser_request {
        BrowserRequest::Guarded(method, _) => is_safe_method(method) && request.header("upgrade").is_none(),
        BrowserRequest::Proxied(original) => is_safe_method(&original.method),
        BrowserRequest::Unknown => false,
    };
    let Some(origin) = request.header("origin") else { return is_safe };
    rules.origins.contains(&origin) || Url::read(&origin).is_some_and(|origin| is_own_origin(&origin, browser_request))
}

/// Whether a method is safe (RFC 9110 section 9.2.1). Upper case only, because servers differ on other spellings.
fn is_safe_method(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

/// Whether an origin is the called server's own.
fn is_own_origin(origin: &Url<'_>, browser_request: BrowserRequest<'_>) -> bool {
    let default_port = if origin.is_secure { 443 } else { 80 };
    let (host, port) = match browser_request {
        BrowserRequest::Guarded(_, url) if url.is_secure == origin.is_secure => {
            (url.authority.host, url.authority.port)
        }
        // A proxy does not send the scheme, so accept `http` origins on localhost only.
        BrowserRequest::Proxied(original) if origin.is_secure || origin.is_loopback() => {
            (original.host.as_str(), original.port)
        }
        _ => return false,
    };
    origin.target.path == "/"
        && origin.target.query.is_empty()
        && origin.authority.host.eq_ignore_ascii_case(host)
        && origin.authority.port.unwrap_or(default_port) == port.unwrap_or(default_port)
}

#[cfg(test)]
mod tests {
    use super::{cookies, may_be_equal};

    #[test]
    fn cookies_are_pairs() {
        let all: Vec<_> = cookies("a=1; b = 2 ;c==; d, e=3;;=4").collect();
        assert_eq!(all, [("a", "1"), ("b", "2"), ("c", "="), ("d, e", "3"), ("", "4")]);
    }

    #[test]
    fn names_that_php_takes_for_one_are_alike() {
        for other in ["__Host-t", "__Host_t", "..host.t", "__HOST-T", "__Host-t[0]", "__Host%2Dt", "%5f%5FHost-t[]"] {
            assert!(may_be_equal("__Host-t", other), "{other}");
        }
        for other in ["__Host-", "x__Host-t", "__Host-u"] {
            assert!(!may_be_equal("__Host-t", other), "{other}");
        }
    }
}
