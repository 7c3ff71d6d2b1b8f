//! The platform of `npm run check`, which runs in Node. The Worker does not include this module.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Promise, Reflect};
use wasm_bindgen::JsValue;

use super::platform::EdgeClock;
use super::{promise, web, webcrypto};
use crate::http::without_query;
use crate::json::Object;
use crate::ports::{Clock, Fetched, Journal, KeyEvent, SharedMemory, Signatures, Unavailable, Web, WebError};
use crate::time::Timestamp;
use crate::token::{PrivateKey, PublicKey, SigningInput};
use crate::tool;

/// Checks published keys and a sample token; see [`tool::judge`]. Resolves to `{"report": …, "errors": {URL: CODE}}`.
pub fn judge(question: String) -> Promise {
    promise(async move {
        let platform = ToolPlatform { online: tool::is_online(&question), errors: Rc::default() };
        let report = tool::judge(&question, &platform).await?;
        let errors = platform.errors.take();
        let errors = errors.iter().fold(Object::new(), |object, (url, code)| object.text(url, code));
        Ok(Object::new().raw("report", &report).raw("errors", &errors.finish()).finish().into())
    })
}

/// The platform in Node: clock, HTTP and signatures only.
struct ToolPlatform {
    online: bool,
    /// Network error codes by URL.
    errors: Rc<RefCell<Vec<(String, String)>>>,
}

impl Clock for ToolPlatform {
    fn now(&self) -> Timestamp {
        EdgeClock.now()
    }

    async fn sleep(duration: Duration) {
        EdgeClock::sleep(duration).await;
    }
}

impl Journal for ToolPlatform {
    /// Not logged: the report includes it.
    fn note(&self, _: &KeyEvent<'_>) {}
}

impl SharedMemory for ToolPlatform {
    async fn recall(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    async fn share(&self, _: &str, _: &[u8], _: u32) {}
}

impl Web for ToolPlatform {
    async fn get(&self, url: &str, limit: usize) -> Result<Fetched, WebError> {
        if !self.online {
            return Err(WebError::Unreachable);
        }
        web::get(url, limit).await.unwrap_or_else(|error| {
            self.errors.borrow_mut().push((without_query(url).to_owned(), code(&error)));
            Err(WebError::Unreachable)
        })
    }
}

/// Node's error code (`ECONNREFUSED`, `CERT_HAS_EXPIRED`), which is in the `cause` of a `fetch` error.
fn code(error: &JsValue) -> String {
    let cause = Reflect::get(error, &"cause".into()).unwrap_or_default();
    let code = Reflect::get(&cause, &"code".into()).ok().and_then(|code| code.as_string());
    code.unwrap_or_default()
}

impl Signatures for ToolPlatform {
    async fn verify(&self, key: &PublicKey, input: SigningInput<'_>, signature: &[u8]) -> Result<bool, Unavailable> {
        webcrypto::verify(key, input, signature).await.map_err(|_| Unavailable)
    }

    async fn sign(&self, _: &PrivateKey, _: SigningInput<'_>) -> Result<Vec<u8>, Unavailable> {
        Err(Unavailable)
    }
}
