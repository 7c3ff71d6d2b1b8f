//! The request that a proxy asks about, by which a guard's rule is found.

use crate::http::{Authority, Request, Target, Url, is_clear_path};

/// Longer than any real method.
const MAX_METHOD_BYTES: usize = 32;

/// The headers in which a proxy tells of the original request. Which family the proxy overwrites its own configuration
/// says: a client could send any other. For the same reason every header of a family has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `X-Forwarded-Method`, `X-Forwarded-Host`, `X-Forwarded-Uri`: Traefik and Caddy.
    Forwarded,
    /// `X-Original-Method`, `X-Original-Host`, `X-Original-URI`: nginx, as it is configured.
    Original,
    /// `X-Original-Method`, `X-Original-URL`: ingress-nginx.
    OriginalUrl,
}

/// Method, host and path of the original request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The method.
    pub method: String,
    /// The host, without port.
    pub host: String,
    /// The port, if the proxy sent one.
    pub port: Option<u16>,
    /// The path, still percent-encoded, without query.
    pub path: String,
}

impl Family {
    /// The family that a query names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "x-forwarded" => Some(Self::Forwarded),
            "x-original" => Some(Self::Original),
            "x-original-url" => Some(Self::OriginalUrl),
            _ => None,
        }
    }
}

impl Original {
    /// What the headers tell, `None` when they do not tell it clearly.
    #[must_use]
    pub fn forwarded(request: &impl Request, family: Family) -> Option<Self> {
        let (method, of_host, of_uri) = match family {
            Family::Forwarded => ("x-forwarded-method", "x-forwarded-host", "x-forwarded-uri"),
            Family::Original => ("x-original-method", "x-original-host", "x-original-uri"),
            Family::OriginalUrl => {
                let url = request.header("x-original-url")?;
                // An original request always has a path. A URL without one was built from a host that ends in `?`.
                let url = Url::read(&url).filter(|read| has_path(&url, read))?;
                return Self::clear(&request.header("x-original-method")?, url.authority, url.target);
            }
        };
        let (host, uri) = (request.header(of_host)?, request.header(of_uri)?);
        Self::clear(&request.header(method)?, Authority::read(&host)?, Target::read(&uri)?)
    }

    /// What a proxy has appended to the path, with the request's own method and host.
    #[must_use]
    pub fn appended(request: &impl Request, authority: Authority<'_>, path: &str) -> Option<Self> {
        Self::clear(request.method(), authority, Target::read(path)?)
    }

    /// A path that servers might read otherwise than this one matches nothing.
    fn clear(method: &str, authority: Authority<'_>, target: Target<'_>) -> Option<Self> {
        (is_method(method) && is_clear_path(target.path)).then(|| Self {
            method: method.to_owned(),
            host: authority.host.to_owned(),
            port: authority.port,
            path: target.path.to_owned(),
        })
    }
}

/// Whether a URL has a path, rather than a query right after its authority.
fn has_path(url: &str, read: &Url<'_>) -> bool {
    let written = url.split_once("://").and_then(|(_, rest)| rest.find(['/', '?']).and_then(|end| rest.get(end..)));
    written.is_some_and(|written| written.starts_with(read.target.path))
}

/// Whether a text is a single method (RFC 9110 section 9.1), not two that a proxy joined with a comma.
fn is_method(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_METHOD_BYTES).contains(&text.len()) && text.bytes().all(is_token)
}
