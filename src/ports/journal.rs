//! What is said outside of any request's own log line.

/// What is said of an issuer's published keys, outside of any request's own log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyEvent<'a> {
    /// `key_refused` or `keys_fetch_failed`.
    pub event: &'static str,
    /// The issuer's name in the configuration.
    pub issuer: &'a str,
    /// Why, in one word.
    pub reason: &'static str,
    /// The `kid` of the key, where it can be logged.
    pub key_id: Option<&'a str>,
    /// The requested URL, without its query, which may hold a secret.
    pub url: Option<&'a str>,
    /// The status of its answer, if any.
    pub status: Option<u16>,
}

/// The log.
pub trait Journal {
    /// Notes what has happened to an issuer's keys.
    fn note(&self, event: &KeyEvent<'_>);
}
