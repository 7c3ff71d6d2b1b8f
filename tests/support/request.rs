//! Requests to order.

use edge_logout::http::{BodyError, Request};

/// A request.
#[derive(Clone, Debug)]
pub struct TestRequest {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    internal: bool,
}

impl TestRequest {
    /// A request without headers and body.
    pub fn new(method: &str, url: &str) -> Self {
        let url = if url.starts_with('/') { format!("https://edge.example{url}") } else { url.to_owned() };
        Self { method: method.to_owned(), url, headers: Vec::new(), body: Vec::new(), internal: false }
    }

    /// A `POST`.
    pub fn post(url: &str) -> Self {
        Self::new("POST", url)
    }

    /// The same by the entrypoint `Internal`.
    pub fn internal(self) -> Self {
        Self { internal: true, ..self }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a bearer token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With a JSON body.
    pub fn json(self, body: &str) -> Self {
        self.header("content-type", "application/json").body(body.as_bytes())
    }

    /// With a body.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }
}

impl Request for TestRequest {
    fn method(&self) -> &str {
        &self.method
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        if values.is_empty() { None } else { Some(values.join(", ")) }
    }

    fn is_internal(&self) -> bool {
        self.internal
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError> {
        if self.body.len() > limit { Err(BodyError::TooLarge) } else { Ok(self.body.clone()) }
    }
}
