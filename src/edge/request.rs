//! A request of the runtime as the core reads it.

use super::glue;
use crate::http::{BodyError, Request};

/// A request. Headers and body are asked for when they are needed: each is a call out of the wasm.
pub(super) struct EdgeRequest {
    inner: web_sys::Request,
    method: String,
    url: String,
    is_internal: bool,
}

impl EdgeRequest {
    pub(super) fn new(inner: web_sys::Request, is_internal: bool) -> Self {
        let (method, url) = (inner.method(), inner.url());
        Self { inner, method, url, is_internal }
    }

    /// The runtime's own request, to be passed on.
    pub(super) const fn raw(&self) -> &web_sys::Request {
        &self.inner
    }
}

impl Request for EdgeRequest {
    fn method(&self) -> &str {
        &self.method
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn header(&self, name: &str) -> Option<String> {
        if name == "authorization" { glue::authorization(&self.inner) } else { glue::header(&self.inner, name) }
    }

    fn is_internal(&self) -> bool {
        self.is_internal
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let body = glue::read(&self.inner, limit).await.map_err(|_| BodyError::Interrupted)?;
        glue::bytes(&body).ok_or(BodyError::TooLarge)
    }
}
