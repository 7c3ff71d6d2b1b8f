//! The servers elsewhere: identity providers that publish keys, and what goes wrong with them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use edge_logout::ports::{Fetched, Journal, KeyEvent, Web, WebError};
use serde_json::Value;

use super::clock;
use super::platform::TestPlatform;

/// What a server does.
#[derive(Clone, Debug)]
pub enum Served {
    /// It answers this.
    Answer(Fetched),
    /// It does not answer.
    Error(WebError),
    /// It never ends.
    Hangs,
    /// It answers after so long.
    After(Duration, Fetched),
}

/// A line of the log.
#[derive(Clone, Debug)]
pub struct Noted {
    pub event: &'static str,
    pub reason: &'static str,
    pub key_id: Option<String>,
    pub url: Option<String>,
    pub status: Option<u16>,
}

/// Everybody else's servers.
#[derive(Default)]
pub struct TestWeb {
    /// What is at each URL; nothing can be reached at any other.
    pub at: RefCell<BTreeMap<String, Served>>,
    /// The URLs that were asked for, in order.
    pub asked: RefCell<Vec<String>>,
    /// How many are being asked now, and at the most ever.
    pub at_once: Cell<usize>,
    pub most_at_once: Cell<usize>,
}

impl TestWeb {
    /// From now on a URL has this.
    pub fn serve(&self, url: &str, served: Served) {
        self.at.borrow_mut().insert(url.to_owned(), served);
    }

    /// From now on a URL has this JSON.
    pub fn serve_json(&self, url: &str, json: &Value, cache_control: Option<&str>) {
        self.serve(url, Served::Answer(answer(200, &json.to_string(), cache_control)));
    }

    /// How often a URL was asked for.
    pub fn count(&self, url: &str) -> usize {
        self.asked.borrow().iter().filter(|asked| *asked == url).count()
    }
}

/// An answer.
pub fn answer(status: u16, body: &str, cache_control: Option<&str>) -> Fetched {
    Fetched { status, body: body.as_bytes().to_vec(), cache_control: cache_control.map(str::to_owned), age: None }
}

/// Counts a request for as long as it is under way.
struct UnderWay<'a>(&'a TestWeb);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.at_once.set(self.0.at_once.get() - 1);
    }
}

impl Web for TestPlatform {
    async fn get(&self, url: &str, limit: usize) -> Result<Fetched, WebError> {
        self.web.asked.borrow_mut().push(url.to_owned());
        self.web.at_once.set(self.web.at_once.get() + 1);
        self.web.most_at_once.set(self.web.most_at_once.get().max(self.web.at_once.get()));
        let _under_way = UnderWay(&self.web);
        let served = self.web.at.borrow().get(url).cloned();
        let answer = match served {
            None => return Err(WebError::Unreachable),
            Some(Served::Error(error)) => return Err(error),
            Some(Served::Hangs) => std::future::pending().await,
            Some(Served::After(duration, answer)) => {
                clock::sleep(duration).await;
                answer
            }
            Some(Served::Answer(answer)) => answer,
        };
        if answer.body.len() > limit { Err(WebError::TooLarge(answer.status)) } else { Ok(answer) }
    }
}

impl Journal for TestPlatform {
    fn note(&self, event: &KeyEvent<'_>) {
        assert_eq!(event.issuer, "worth", "the one issuer of these tests whose keys are fetched");
        let (key_id, url) = (event.key_id.map(str::to_owned), event.url.map(str::to_owned));
        let noted = Noted { event: event.event, reason: event.reason, key_id, url, status: event.status };
        self.journal.borrow_mut().push(noted);
    }
}
