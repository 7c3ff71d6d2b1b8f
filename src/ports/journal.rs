//! Log lines that do not belong to a request.

/// A log line about an issuer's published keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyEvent<'a> {
    /// `key_refused` or `keys_fetch_failed`.
    pub event: &'static str,
    /// The issuer's name in the configuration.
    pub issuer: &'a str,
    /// The reason, as one word.
    pub reason: &'static str,
    /// The `kid` of the key, if it can be logged.
    pub key_id: Option<&'a str>,
    /// The requested URL, without its query, which may hold a secret.
    pub url: Option<&'a str>,
    /// The HTTP status of the response, if any.
    pub status: Option<u16>,
}

/// The log.
pub trait Journal {
    /// Logs an event about an issuer's keys.
    fn note(&self, event: &KeyEvent<'_>);
}
