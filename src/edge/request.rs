//! A request of the runtime as the core reads it.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::ReadableStreamDefaultReader;

use crate::http::{BodyError, Request};

/// A request. Headers and body are asked for when they are needed: each is a call out of the wasm.
pub(super) struct EdgeRequest {
    inner: web_sys::Request,
    method: String,
    url: String,
}

impl EdgeRequest {
    pub(super) fn new(inner: web_sys::Request) -> Self {
        let (method, url) = (inner.method(), inner.url());
        Self { inner, method, url }
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
        self.inner.headers().get(name).ok().flatten()
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let Some(stream) = self.inner.body() else { return Ok(Vec::new()) };
        let reader = ReadableStreamDefaultReader::new(&stream).map_err(|_| BodyError::Interrupted)?;
        let mut body = Vec::new();
        while let Some(chunk) = next_chunk(&reader).await.map_err(|_| BodyError::Interrupted)? {
            let length = usize::try_from(chunk.length()).unwrap_or(usize::MAX);
            if body.len().saturating_add(length) > limit {
                // Nothing more is wanted of it; whether the client minds does not matter.
                let _ = reader.cancel();
                return Err(BodyError::TooLarge);
            }
            body.extend(chunk.to_vec());
        }
        Ok(body)
    }
}

async fn next_chunk(reader: &ReadableStreamDefaultReader) -> Result<Option<Uint8Array>, JsValue> {
    let read = JsFuture::from(reader.read()).await?;
    if Reflect::get(&read, &"done".into())?.is_truthy() {
        return Ok(None);
    }
    Reflect::get(&read, &"value".into())?.dyn_into().map(Some)
}
