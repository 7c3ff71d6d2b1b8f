//! Secrets as a type: never printed, wiped when dropped, compared in constant time only.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A secret text, as a Worker secret holds it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text in.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether a text is the secret, in a time that says nothing of where they differ.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        // Digests have one length, so that not even the secret's length is told.
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(text.as_bytes())).into()
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}
