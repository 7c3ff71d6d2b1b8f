//! A service being asked.

use edge_logout::service::{Answer, Service};
use serde_json::{Value, json};

use super::platform::TestPlatform;
use super::request::TestRequest;
use super::tokens::NOW;
use super::{run, shipped};

/// An isolate's service, and its platform.
pub struct Asking {
    pub service: Service,
    pub platform: TestPlatform,
}

impl Asking {
    /// The service as it is shipped.
    pub fn shipped() -> Self {
        Self::of(shipped::service())
    }

    /// A service.
    pub fn of(service: Service) -> Self {
        Self { service, platform: TestPlatform::at(NOW) }
    }

    /// The shipped service with one more guard.
    pub fn with_guard(settings: &Value) -> Self {
        Self::of(shipped::service_with(|table| shipped::add_guard(table, settings)))
    }

    /// Sends a request.
    pub fn send(&self, request: &TestRequest) -> Answer {
        run(self.service.answer(request, &self.platform))
    }

    /// The status that a check of a bearer token has.
    pub fn check(&self, url: &str, token: &str) -> u16 {
        self.send(&TestRequest::new("GET", url).bearer(token)).reply.status
    }
}

/// The body of an answer.
pub fn body(answer: &Answer) -> Value {
    serde_json::from_str(answer.reply.body.as_deref().unwrap()).unwrap()
}

/// Status, error and reason of a refusal.
pub fn refusal(answer: &Answer) -> (u16, String, String) {
    let body = answer.reply.body.as_ref().map_or(json!({}), |text| serde_json::from_str(text).unwrap());
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (answer.reply.status, text("error"), text("reason"))
}
