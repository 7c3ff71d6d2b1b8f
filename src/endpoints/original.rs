//! The request that a proxy asks about, by which a guard's rule is found.

use crate::http::{Request, is_clear_path, split_url};

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
                let url = ["https://", "http://"].into_iter().any(|scheme| url.starts_with(scheme)).then_some(url)?;
                let parts = split_url(&url);
                return Self::clear(request.header("x-original-method")?, parts.host, parts.path);
            }
        };
        let (host, uri) = (request.header(of_host)?, request.header(of_uri)?);
        // A host may come with its port.
        Self::clear(request.header(method)?, split_url(&host).host, uri.split(['?', '#']).next()?)
    }

    /// What a proxy has appended to the path, with the request's own method and host.
    #[must_use]
    pub fn appended(request: &impl Request, host: &str, path: &str) -> Option<Self> {
        Self::clear(request.method().to_owned(), host, path)
    }

    /// A path that servers might read otherwise than this one matches nothing.
    fn clear(method: String, host: &str, path: &str) -> Option<Self> {
        is_clear_path(path).then(|| Self { method, host: host.to_owned(), path: path.to_owned() })
    }
}
