//! The request that a proxy asks about, by which a guard's rule is found.

use crate::http::{Request, split_url};

/// The headers in which a proxy tells of the original request. Only one family is looked at, and which one the proxy's
/// own configuration says: a client could send the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `X-Forwarded-Method`, `X-Forwarded-Host`, `X-Forwarded-Uri`: Traefik and Caddy.
    Forwarded,
    /// `X-Original-Method`, `X-Original-Host`, `X-Original-URI` or, as ingress-nginx has it, `X-Original-URL`.
    Original,
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
            _ => None,
        }
    }
}

impl Original {
    /// What the headers tell, `None` when they do not tell it clearly. The host is the request's own where they say none.
    #[must_use]
    pub fn forwarded(request: &impl Request, family: Family, host: &str) -> Option<Self> {
        let (method, of_host, uri) = match family {
            Family::Forwarded => ("x-forwarded-method", "x-forwarded-host", request.header("x-forwarded-uri")),
            Family::Original => {
                let uri = request.header("x-original-uri").or_else(|| request.header("x-original-url"));
                ("x-original-method", "x-original-host", uri)
            }
        };
        let uri = uri?;
        let of_url = uri.contains("://").then(|| split_url(&uri).host.to_owned());
        let path = if uri.contains("://") { split_url(&uri).path } else { uri.split(['?', '#']).next()? };
        let host = of_url.or_else(|| request.header(of_host)).unwrap_or_else(|| host.to_owned());
        // A host may come with its port.
        Self::clear(request.header(method)?, split_url(&host).host, path)
    }

    /// What a proxy has appended to the path, with the request's own method and host.
    #[must_use]
    pub fn appended(request: &impl Request, host: &str, path: &str) -> Option<Self> {
        Self::clear(request.method().to_owned(), host, path)
    }

    /// A path that servers might read otherwise than this one matches nothing.
    fn clear(method: String, host: &str, path: &str) -> Option<Self> {
        let lower = path.to_ascii_lowercase();
        let is_clear = path.starts_with('/')
            && path.bytes().all(|byte| byte.is_ascii_graphic())
            && !["//", "\\", "%2e", "%2f", "%5c"].iter().any(|part| lower.contains(part))
            && !path.split('/').any(|segment| matches!(segment, "." | ".."));
        is_clear.then(|| Self { method, host: host.to_owned(), path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_can_be_read_otherwise_match_nothing() {
        let clear = |path: &str| Original::clear("GET".to_owned(), "api.example", path).is_some();
        assert!(clear("/api/orders/1") && clear("/") && clear("/a%20b") && clear("/a.b/..c"));
        for path in [
            "",
            "api",
            "/api//x",
            "/api/../x",
            "/api/./x",
            "/api/%2E%2e/x",
            "/api%2fx",
            "/api\\x",
            "/%5cx",
            "/a b",
            "/\u{e9}",
        ] {
            assert!(!clear(path), "{path}");
        }
    }
}
