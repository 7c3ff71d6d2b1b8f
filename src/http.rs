//! HTTP requests and responses, independent of the platform.

mod header_name;
mod path;
mod url;

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

pub use header_name::{is_override, is_reserved, lenient_byte};
pub use path::{is_unambiguous_path, is_unchanged_by_url_parser, lenient_path, percent_decoded};
pub use url::{Authority, Target, Url, is_host, without_query};

/// The maximum body size of a logout, in bytes. Larger bodies are answered with 413.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The body is larger than the limit.
    TooLarge,
    /// The client disconnected, or the stream failed.
    Interrupted,
}

/// A request. Headers are read on demand, because each one costs a call into the runtime.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Request {
    /// The method, case-sensitive (RFC 9110 section 9.1).
    fn method(&self) -> &str;

    /// The absolute URL, normalized according to the URL Standard.
    fn url(&self) -> &str;

    /// The value of a header; `None` if it is missing. Several headers with one name are joined with `", "` (RFC 9110
    /// section
    /// 5.3).
    fn header(&self, name: &str) -> Option<String>;

    /// Whether the request came through the entrypoint `Internal`, which only service bindings can reach.
    fn is_internal(&self) -> bool {
        false
    }

    /// Reads the body, up to `limit` bytes.
    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError>;
}

/// Whether a media type is JSON: `application/json` or `application/*+json` (RFC 6839 section 3.1).
///
/// As in FastAPI, a value that does not have exactly one slash is not a media type.
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

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// The headers in order.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Option<Cow<'static, str>>,
    /// A prepared response. If present, the other fields are ignored.
    pub prepared: Option<Rc<Prepared>>,
}

/// A response without a body that is sent repeatedly. The platform may cache its own representation.
#[derive(Debug)]
pub struct Prepared {
    /// Status code.
    pub status: u16,
    /// Headers that many responses have in common, which the platform can copy from a template.
    pub common: Vec<(&'static str, Cow<'static, str>)>,
    /// The other headers.
    pub own: Vec<(&'static str, Cow<'static, str>)>,
    /// Whether one runtime response may serve several requests.
    pub is_shared: bool,
    /// The platform's cached representation.
    pub form: OnceCell<Box<dyn Any>>,
    /// Whether it was sent before. Only repeated responses are cached: most tokens are checked once.
    pub was_sent: Cell<bool>,
}

impl PartialEq for Prepared {
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status && self.common == other.common && self.own == other.own
    }
}

impl Eq for Prepared {}

impl Reply {
    /// Creates a response without a body.
    #[must_use]
    pub const fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None, prepared: None }
    }

    /// Creates a response from a prepared one.
    #[must_use]
    pub fn prepared(prepared: &Rc<Prepared>) -> Self {
        Self { prepared: Some(Rc::clone(prepared)), ..Self::empty(prepared.status) }
    }

    /// Creates a response with a JSON text as body.
    #[must_use]
    pub fn json_text(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self::empty(status).with("Content-Type", "application/json").with_body(text)
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a header if `value` is not `None`.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Into<Cow<'static, str>>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The value of the first header with a name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let prepared = self.prepared.iter().flat_map(|prepared| prepared.common.iter().chain(&prepared.own));
        let mut all = self.headers.iter().chain(prepared);
        all.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }

    fn with_body(mut self, body: impl Into<Cow<'static, str>>) -> Self {
        self.body = Some(body.into());
        self
    }
}
