//! Bearer tokens in the `Authorization` header (RFC 6750 section 2.1).
//!
//! Tokens in the query string or in a form are not accepted (RFC 9700 section 4.3.2), because URLs are logged.

/// Why there is no bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerProblem {
    /// The `Authorization` header is missing.
    Missing,
    /// The header is malformed: another scheme, no token, several headers, or invalid characters.
    Malformed,
}

impl BearerProblem {
    /// The reason in the log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "no_credential",
            Self::Malformed => "credential_malformed",
        }
    }
}

/// Extracts the token from the value of an `Authorization` header.
///
/// Accepts any visible ASCII characters except commas. RFC 6750 only allows a `b64token`, but opaque tokens in use have
/// other characters too (`12|a1b2`). The JWT parser is stricter.
///
/// # Errors
/// [`BearerProblem::Missing`] if the header is missing or empty, [`BearerProblem::Malformed`] if it is not exactly one
/// token. Several headers arrive joined with `", "`, so they are malformed.
pub fn bearer_token(authorization: Option<&str>) -> Result<&str, BearerProblem> {
    let value = authorization.map(str::trim).filter(|value| !value.is_empty()).ok_or(BearerProblem::Missing)?;
    let (scheme, token) = value.split_once(' ').ok_or(BearerProblem::Malformed)?;
    let token = token.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("Bearer") && is_token(token) { Ok(token) } else { Err(BearerProblem::Malformed) }
}

/// Whether a text can be a token: visible ASCII characters except commas.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks();
    // Eight bytes at a time, because this is on the hot path.
    !text.is_empty()
        && words.iter().all(|word| are_token_bytes(u64::from_le_bytes(*word)))
        && rest.iter().all(|byte| is_token_byte(*byte))
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b','
}

/// The same for eight bytes at once (SWAR). Sums do not carry into the next byte, because all bytes are below 0x80.
const fn are_token_bytes(word: u64) -> bool {
    const HIGH: u64 = all(0x80);
    let is_ascii = word & HIGH == 0;
    let above_space = word.wrapping_add(all(0x80 - 0x21)) & HIGH == HIGH;
    let below_delete = word.wrapping_add(all(1)) & HIGH == 0;
    let no_comma = (word ^ all(b',')).wrapping_add(all(0x7f)) & HIGH == HIGH;
    is_ascii && above_space && below_delete && no_comma
}

/// Repeats a byte eight times.
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_bearer_token() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", " Bearer a.b.c "] {
            assert_eq!(bearer_token(Some(value)), Ok("a.b.c"), "{value}");
        }
        assert_eq!(bearer_token(Some("Bearer abc-._~+/==")), Ok("abc-._~+/=="));
        assert_eq!(bearer_token(Some("Bearer 12|a1b2")), Ok("12|a1b2"));
    }

    #[test]
    fn eight_bytes_at_once_are_judged_as_each_by_itself() {
        for place in 0..8 {
            for byte in 0..=u8::MAX {
                let mut word = [b'a'; 8];
                if let Some(one) = word.get_mut(place) {
                    *one = byte;
                }
                assert_eq!(are_token_bytes(u64::from_le_bytes(word)), is_token_byte(byte), "{byte} at {place}");
            }
        }
        for pair in 0..=u16::MAX {
            let [one, other] = pair.to_le_bytes();
            let word = u64::from_le_bytes([b'~', one, other, b'!', b'~', b'!', b'~', b'!']);
            assert_eq!(are_token_bytes(word), is_token_byte(one) && is_token_byte(other), "{one} {other}");
        }
    }

    #[test]
    fn takes_nothing_else() {
        assert_eq!(bearer_token(None), Err(BearerProblem::Missing));
        assert_eq!(bearer_token(Some("")), Err(BearerProblem::Missing));
        let malformed = [
            "Bearer",
            "Basic dTpw",
            "a.b.c",
            "Bearer a b",
            "Bearer a, Bearer b",
            "Bearer a,b",
            "Bearer ä",
            "Bearer\ta",
            "Bearera.b.c x",
        ];
        for value in malformed {
            assert_eq!(bearer_token(Some(value)), Err(BearerProblem::Malformed), "{value}");
        }
    }
}
