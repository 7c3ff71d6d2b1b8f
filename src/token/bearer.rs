//! The `Authorization` header as a bearer credential (RFC 6750 section 2.1).
//!
//! The header is the only place that is looked at: a token in the query string or in a form is no credential
//! (RFC 9700 section 4.3.2), since URLs end in logs.

/// Why there is no bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerProblem {
    /// There is no `Authorization` header.
    Missing,
    /// The header is no bearer header: another scheme, no token, several headers, or characters that no token has.
    Malformed,
}

impl BearerProblem {
    /// The word that the log has for it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "no_credential",
            Self::Malformed => "credential_malformed",
        }
    }
}

/// The token of an `Authorization` header's value.
///
/// # Errors
/// [`BearerProblem::Missing`] without a header or with an empty one, [`BearerProblem::Malformed`] for anything but one
/// token. Several headers arrive joined with `", "`, which no token contains, so they are malformed too.
///
/// RFC 6750 has a `b64token`; opaque tokens of the wild have other characters besides (`12|a1b2`), so any visible one
/// but a comma is taken. A JWT is judged by its own, stricter, alphabet.
pub fn bearer_token(authorization: Option<&str>) -> Result<&str, BearerProblem> {
    let value = authorization.map(str::trim).filter(|value| !value.is_empty()).ok_or(BearerProblem::Missing)?;
    let (scheme, token) = value.split_once(' ').ok_or(BearerProblem::Malformed)?;
    let token = token.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("Bearer") && is_token(token) { Ok(token) } else { Err(BearerProblem::Malformed) }
}

/// Whether a text can be a token: visible characters, and no comma.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks();
    // By words: byte by byte this was a third of a check.
    !text.is_empty()
        && words.iter().all(|word| are_token_bytes(u64::from_le_bytes(*word)))
        && rest.iter().all(|byte| is_token_byte(*byte))
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b','
}

/// The same of eight bytes at once. No sum carries into the next byte once it is known that all bytes are below 0x80.
const fn are_token_bytes(word: u64) -> bool {
    const HIGH: u64 = all(0x80);
    let is_ascii = word & HIGH == 0;
    let above_space = word.wrapping_add(all(0x80 - 0x21)) & HIGH == HIGH;
    let below_delete = word.wrapping_add(all(1)) & HIGH == 0;
    let no_comma = (word ^ all(b',')).wrapping_add(all(0x7f)) & HIGH == HIGH;
    is_ascii && above_space && below_delete && no_comma
}

/// A byte, eight times.
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
