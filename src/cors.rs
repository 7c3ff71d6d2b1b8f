//! Cross-origin requests of browsers (Fetch Standard, section 3.3: the CORS protocol).

use std::borrow::Cow;

use crate::config::{Cors, Origins};
use crate::http::{Reply, Request};

/// More than any page asks for; beyond it a preflight gets no permission.
const MAX_REQUESTED_HEADERS_BYTES: usize = 1024;
/// Headers of answers that a page may read.
const EXPOSED: &str = "X-Request-Id, WWW-Authenticate, Retry-After, Revocation-Effective";

/// The answer to `OPTIONS` on a route: to a preflight with the permissions it may have, otherwise with `Allow`.
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
    // What a client sends along is its own affair: headers that are not known are not read.
    permissions(reply, cors, origin)
        .with("Access-Control-Allow-Methods", methods)
        .with(
            "Access-Control-Allow-Headers",
            requested.map_or(Cow::Borrowed("authorization, content-type"), Cow::Owned),
        )
        .with("Access-Control-Max-Age", cors.max_age_seconds.to_string())
}

/// An answer as a page of another origin may read it.
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

/// The value of `Access-Control-Allow-Origin`, when the request's origin may have one.
fn allowed_origin(cors: &Cors, request: &impl Request) -> Option<Cow<'static, str>> {
    let origin = request.header("origin")?;
    match &cors.origins {
        Origins::Any => Some(Cow::Borrowed("*")),
        Origins::Listed(allowed) => allowed.contains(&origin).then_some(Cow::Owned(origin)),
    }
}

/// Whether a text is a list of header names and nothing else, so that it can be sent back.
fn is_header_list(names: &str) -> bool {
    names.len() <= MAX_REQUESTED_HEADERS_BYTES
        && names.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b',' | b' '))
}
