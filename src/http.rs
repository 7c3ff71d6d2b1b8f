//! The wire, free of the platform: what a request offers and what a reply is.

mod header_name;
mod path;
mod url;

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

pub use header_name::{is_override, is_reserved, lenient_byte};
pub use path::{is_clear_path, is_kept_path, lenient_path, percent_decoded};
pub use url::{Authority, Target, Url, is_host, without_query};

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

    /// Whether it came by the entrypoint `Internal`, which only bound Workers can reach.
    fn is_internal(&self) -> bool {
        false
    }

    /// The whole body, at most `limit` bytes of it.
    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError>;
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
    /// Headers that many answers have alike: the platform may copy them from one to the next.
    pub common: Vec<(&'static str, Cow<'static, str>)>,
    /// The others.
    pub own: Vec<(&'static str, Cow<'static, str>)>,
    /// Whether one response may be handed to several requests.
    pub is_shared: bool,
    /// What the platform has made of it.
    pub form: OnceCell<Box<dyn Any>>,
    /// Whether it was sent before: what is wanted once, as most tokens' answers are, is not worth keeping.
    pub was_sent: Cell<bool>,
}

impl PartialEq for Prepared {
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status && self.common == other.common && self.own == other.own
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
        let prepared = self.prepared.iter().flat_map(|prepared| prepared.common.iter().chain(&prepared.own));
        let mut all = self.headers.iter().chain(prepared);
        all.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }

    fn with_body(mut self, body: impl Into<Cow<'static, str>>) -> Self {
        self.body = Some(body.into());
        self
    }
}
