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
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
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
