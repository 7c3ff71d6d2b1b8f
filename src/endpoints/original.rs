//! The original request that a proxy describes in a forward authentication request.

use crate::http::{Authority, Request, Target, Url, is_unambiguous_path};

/// The maximum length of a method.
const MAX_METHOD_BYTES: usize = 32;

/// The families of headers that describe the original request. The query names the one that the proxy sets; a client
/// could forge the others. All headers of a family are required.
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
    /// The family with a name in the query.
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
    /// Reads the original request from headers; `None` if they are missing or ambiguous.
    #[must_use]
    pub fn forwarded(request: &impl Request, family: Family) -> Option<Self> {
        let (method, of_host, of_uri) = match family {
            Family::Forwarded => ("x-forwarded-method", "x-forwarded-host", "x-forwarded-uri"),
            Family::Original => ("x-original-method", "x-original-host", "x-original-uri"),
            Family::OriginalUrl => {
                let url = request.header("x-original-url")?;
                // A request always has a path. Without one, the URL was built from a forged host that ends in `?`.
                let url = Url::read(&url).filter(|read| has_path(&url, read))?;
                return Self::clear(&request.header("x-original-method")?, url.authority, url.target);
            }
        };
        let (host, uri) = (request.header(of_host)?, request.header(of_uri)?);
        Self::clear(&request.header(method)?, Authority::read(&host)?, Target::read(&uri)?)
    }

    /// Reads the original path that a proxy has appended to `/check`. Method and host are those of the request.
    #[must_use]
    pub fn appended(request: &impl Request, authority: Authority<'_>, path: &str) -> Option<Self> {
        Self::clear(request.method(), authority, Target::read(path)?)
    }

    /// Creates the original request; `None` if another server could read its path differently.
    fn clear(method: &str, authority: Authority<'_>, target: Target<'_>) -> Option<Self> {
        (is_method(method) && is_unambiguous_path(target.path)).then(|| Self {
            method: method.to_owned(),
            host: authority.host.to_owned(),
            port: authority.port,
            path: target.path.to_owned(),
        })
    }
}

/// Whether a URL has a path, and not a query directly after its authority.
fn has_path(url: &str, read: &Url<'_>) -> bool {
    let written = url.split_once("://").and_then(|(_, rest)| rest.find(['/', '?']).and_then(|end| rest.get(end..)));
    written.is_some_and(|written| written.starts_with(read.target.path))
}

/// Whether a text is one valid method (RFC 9110 section 9.1), and not two that a proxy has joined with a comma.
fn is_method(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_METHOD_BYTES).contains(&text.len()) && text.bytes().all(is_token)
}
