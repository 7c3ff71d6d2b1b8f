//! The runtime's `Request` as the core's [`Request`].

use std::cell::RefCell;

use super::glue;
use crate::http::{BodyError, Request};

/// The size of the shared buffer, in bytes. Larger requests allocate their own.
const USUAL_BYTES: usize = 4096;

thread_local! {
    /// A buffer that is allocated and zeroed once.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; USUAL_BYTES]);
}

/// Method, URL and `Authorization` header of a request, one per line, as `wire.js` writes them.
fn lines(request: &web_sys::Request) -> String {
    BUFFER.with_borrow_mut(|buffer| {
        let needed = place(glue::request_lines(request, buffer));
        match buffer.get(..needed) {
            Some(lines) => String::from_utf8_lossy(lines).into_owned(),
            None => {
                let mut larger = vec![0; needed];
                let length = place(glue::request_lines(request, &mut larger));
                larger.truncate(length);
                String::from_utf8_lossy(&larger).into_owned()
            }
        }
    })
}

fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A request. What every check asks for is read by one call out of the wasm; other headers and the body when they are
/// needed.
pub(super) struct EdgeRequest {
    inner: web_sys::Request,
    /// A line each: the method, the URL and, where there is one, the value of `Authorization`.
    lines: String,
    is_internal: bool,
}

impl EdgeRequest {
    pub(super) fn new(inner: web_sys::Request, is_internal: bool) -> Self {
        let lines = lines(&inner);
        Self { inner, lines, is_internal }
    }

    fn line(&self, number: usize) -> Option<&str> {
        self.lines.splitn(3, '\n').nth(number)
    }

    /// The runtime's request, for forwarding.
    pub(super) const fn raw(&self) -> &web_sys::Request {
        &self.inner
    }
}

impl Request for EdgeRequest {
    fn method(&self) -> &str {
        self.line(0).unwrap_or_default()
    }

    fn url(&self) -> &str {
        self.line(1).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<String> {
        if name == "authorization" { self.line(2).map(str::to_owned) } else { glue::header(&self.inner, name) }
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
