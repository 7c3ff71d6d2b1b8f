//! Servers elsewhere.

/// What a server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// `Cache-Control`, where it is there.
    pub cache_control: Option<String>,
    /// `Age`, where it is there.
    pub age: Option<String>,
}

/// Why a server has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebError {
    /// It could not be reached, or broke off.
    Unreachable,
    /// Its answer, with this status, is larger than the limit.
    TooLarge(u16),
}

impl WebError {
    /// The word that the log has for it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TooLarge(_) => "too_large",
        }
    }
}

/// Servers elsewhere.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Web {
    /// What a server answers to a `GET`, with at most `limit` bytes of a body. No redirect is followed, no cache asked,
    /// and a request that is dropped is broken off.
    async fn get(&self, url: &str, limit: usize) -> Result<Fetched, WebError>;
}
