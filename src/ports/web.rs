//! HTTP requests to other servers.

/// A server's response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// The header `Cache-Control`, if present.
    pub cache_control: Option<String>,
    /// The header `Age`, if present.
    pub age: Option<String>,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebError {
    /// The server could not be reached, or the connection was lost.
    Unreachable,
    /// The body of the response, with this status, is larger than the limit.
    TooLarge(u16),
}

impl WebError {
    /// The reason in the log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TooLarge(_) => "too_large",
        }
    }
}

/// An HTTP client.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Web {
    /// Sends a `GET` request and reads up to `limit` bytes of the body. Follows no redirects and bypasses caches.
    /// Dropping the future aborts the request.
    async fn get(&self, url: &str, limit: usize) -> Result<Fetched, WebError>;
}
