//! The wire, free of the platform: what a request offers and what a reply is.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

/// The largest body that any endpoint reads, in bytes. More is answered with 413 before anything is parsed.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// Why a request's body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than the limit.
    TooLarge,
    /// The client broke off, or the stream failed.
    Interrupted,
}

/// A request as the core sees it. Nothing is read before it is asked for: each header costs a call into the runtime.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Request {
    /// The method's name, in upper case as HTTP has it.
    fn method(&self) -> &str;

    /// The absolute URL, normalised as the URL standard has it.
    fn url(&self) -> &str;

    /// The value of a header, `None` when there is none. Several headers of one name are joined with `", "`
    /// (RFC 9110 section 5.3).
    fn header(&self, name: &str) -> Option<String>;

    /// The whole body, at most `limit` bytes of it.
    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError>;
}

/// The parts of an absolute URL that routing needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlParts<'a> {
    /// Host without port.
    pub host: &'a str,
    /// Path, still percent-encoded, without query and fragment.
    pub path: &'a str,
    /// Query, still percent-encoded, without its question mark; empty when there is none.
    pub query: &'a str,
}

/// Splits a URL that the URL standard has already normalised. A full URL parser would add 175 KB to the wasm.
#[must_use]
pub fn split_url(url: &str) -> UrlParts<'_> {
    let rest = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
    let rest = rest.split_once('#').map_or(rest, |(rest, _fragment)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match rest.find('/') {
        Some(start) => rest.split_at(start),
        None => (rest, "/"),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_user, host)| host);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    UrlParts { host, path, query }
}

/// Whether every server reads a path alike: no empty or dot segments, no parameters of segments, and nothing
/// percent-encoded that some decode before they look (RFC 3986 sections 2.4, 3.3 and 6.2.2).
#[must_use]
pub fn is_clear_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b';');
    path.starts_with('/')
        && path.bytes().all(is_plain)
        && !path.contains("//")
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
        && path.split('%').skip(1).all(|rest| rest.get(..2).is_some_and(stays_encoded))
}

/// Whether what two hexadecimal digits stand for has to be encoded in a path, and means nothing to servers.
fn stays_encoded(digits: &str) -> bool {
    let Ok(byte) = u8::from_str_radix(digits, 16) else { return false };
    let is_unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !is_unreserved && !byte.is_ascii_control() && !matches!(byte, b'/' | b'\\' | b'%' | b';')
}

/// Whether a media type is JSON: `application/json` or `application/*+json` (RFC 6839 section 3.1).
///
/// What does not have exactly one slash is none, as FastAPI reads the header, too.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.split_once('/').is_some_and(|(kind, subtype)| {
        let subtype = subtype.to_ascii_lowercase();
        kind.eq_ignore_ascii_case("application")
            && !subtype.contains('/')
            && (subtype == "json" || subtype.ends_with("+json"))
    })
}

/// A reply: status, headers and, unless it has none, a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Headers in the order in which they are sent.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Option<Cow<'static, str>>,
    /// The whole answer, where it is the same every time; nothing else of the reply counts then.
    pub prepared: Option<Rc<Prepared>>,
}

/// An answer without a body that is the same every time, of which the platform may keep a form of its own.
#[derive(Debug)]
pub struct Prepared {
    /// Status code.
    pub status: u16,
    /// Headers in the order in which they are sent.
    pub headers: Vec<(&'static str, String)>,
    /// What the platform has made of it.
    pub form: OnceCell<Box<dyn Any>>,
    /// Whether it was sent before: what is wanted once, as most tokens' answers are, is not worth keeping.
    pub was_sent: Cell<bool>,
}

impl PartialEq for Prepared {
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status && self.headers == other.headers
    }
}

impl Eq for Prepared {}

impl Reply {
    /// A reply without a body.
    #[must_use]
    pub const fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None, prepared: None }
    }

    /// The reply that a prepared answer is.
    #[must_use]
    pub fn prepared(prepared: &Rc<Prepared>) -> Self {
        Self { prepared: Some(Rc::clone(prepared)), ..Self::empty(prepared.status) }
    }

    /// A reply whose body is JSON text already.
    #[must_use]
    pub fn json_text(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self::empty(status).with("Content-Type", "application/json").with_body(text)
    }

    /// This reply with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// This reply with `name` set to `value` when there is a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Into<Cow<'static, str>>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The value of the first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let prepared = self.prepared.iter().flat_map(|prepared| &prepared.headers);
        let prepared = prepared.map(|(own, value)| (*own, value.as_str()));
        let mut all = self.headers.iter().map(|(own, value)| (*own, value.as_ref())).chain(prepared);
        all.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn with_body(mut self, body: impl Into<Cow<'static, str>>) -> Self {
        self.body = Some(body.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_urls() {
        let cases = [
            ("https://shop.example/auth/logout?x=/y?z#a?b", "shop.example", "/auth/logout", "x=/y?z"),
            ("http://127.0.0.1:8787/", "127.0.0.1", "/", ""),
            ("http://[::1]:8787/a#b?c", "[::1]", "/a", ""),
            ("http://[::1]/a", "[::1]", "/a", ""),
            ("https://user:pw@shop.example:443/a", "shop.example", "/a", ""),
            ("https://shop.example", "shop.example", "/", ""),
            ("https://shop.example?x", "shop.example", "/", "x"),
            ("", "", "/", ""),
        ];
        for (url, host, path, query) in cases {
            assert_eq!(split_url(url), UrlParts { host, path, query }, "{url}");
        }
    }

    #[test]
    fn paths_that_can_be_read_otherwise_match_nothing() {
        for path in ["/", "/api/orders/1", "/a%20b", "/a.b/..c", "/J%C3%BCrgen", "/a:b@c,d=e", "/a/"] {
            assert!(is_clear_path(path), "{path}");
        }
        let unclear = [
            "",
            "api",
            "/api//x",
            "//api",
            "/api/../x",
            "/api/./x",
            "/api/..",
            "/api/%2E%2e/x",
            "/api%2fx",
            "/api%2Fx",
            "/api\\x",
            "/%5cx",
            "/a b",
            "/\u{e9}",
            "/api/%61dmin",
            "/api;a/x",
            "/api%3Bx",
            "/%2561pi",
            "/%00",
            "/%0A",
            "/%7F",
            "/%",
            "/%4",
            "/%zz",
            "/%+1",
        ];
        for path in unclear {
            assert!(!is_clear_path(path), "{path}");
        }
    }
}
