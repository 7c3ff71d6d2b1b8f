//! Cross-origin requests (CORS protocol: Fetch Standard, section 3.3).

use std::borrow::Cow;

use crate::config::{Cors, Origins};
use crate::http::{Reply, Request};

/// The maximum length of `Access-Control-Request-Headers`. Longer preflights get no permission.
const MAX_REQUESTED_HEADERS_BYTES: usize = 1024;
/// Response headers that a page may read.
const EXPOSED: &str = "X-Request-Id, WWW-Authenticate, Retry-After, Revocation-Effective";

/// The response to `OPTIONS` on a route: permissions for a preflight, `Allow` otherwise.
#[must_use]
pub fn options(cors: Option<&Cors>, methods: &'static str, request: &impl Request) -> Reply {
    let reply = Reply::empty(204).with("Allow", methods);
    let Some(cors) = cors else { return reply };
    let reply = reply.with("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    let Some(origin) = allowed_origin(cors, request) else { return reply };
    if request.header("access-control-request-method").is_none() {
        return reply;
    }
    let requested = request.header("access-control-request-headers").filter(|names| is_header_list(names));
    // Permit all requested headers: unknown ones are ignored.
    permissions(reply, cors, origin)
        .with("Access-Control-Allow-Methods", methods)
        .with(
            "Access-Control-Allow-Headers",
            requested.map_or(Cow::Borrowed("authorization, content-type"), Cow::Owned),
        )
        .with("Access-Control-Max-Age", cors.max_age_seconds.to_string())
}

/// Adds the CORS headers to a response.
#[must_use]
pub fn share(reply: Reply, cors: Option<&Cors>, request: &impl Request) -> Reply {
    let Some(cors) = cors else { return reply };
    let reply = if cors.origins == Origins::Any { reply } else { reply.with("Vary", "Origin") };
    match allowed_origin(cors, request) {
        Some(origin) => permissions(reply, cors, origin).with("Access-Control-Expose-Headers", EXPOSED),
        None => reply,
    }
}

fn permissions(reply: Reply, cors: &Cors, origin: Cow<'static, str>) -> Reply {
    let credentials = cors.allow_credentials.then_some("true");
    reply.with("Access-Control-Allow-Origin", origin).with_some("Access-Control-Allow-Credentials", credentials)
}

/// The value of `Access-Control-Allow-Origin`; `None` if the request's origin is not allowed.
fn allowed_origin(cors: &Cors, request: &impl Request) -> Option<Cow<'static, str>> {
    let origin = request.header("origin")?;
    match &cors.origins {
        Origins::Any => Some(Cow::Borrowed("*")),
        Origins::Listed(allowed) => allowed.contains(&origin).then_some(Cow::Owned(origin)),
    }
}

/// Whether a text is a list of header names, so that it is safe to echo.
fn is_header_list(names: &str) -> bool {
    names.len() <= MAX_REQUESTED_HEADERS_BYTES
        && names.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b',' | b' '))
}
