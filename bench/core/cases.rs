//! What is counted. What the platform answers is a test's: its own part of a number is small, and always the same.

use std::cell::Cell;

use edge_logout::http::{BodyError, Request};
use edge_logout::revocation::feed::{Changes, FeedEntry, Follower};
use edge_logout::revocation::ledger::Ledger;
use edge_logout::revocation::{Digest, LedgerQuestion, Scope, answer_question};
use serde_json::json;

use super::support::asking::Asking;
use super::support::authority::revocation;
use super::support::rows::MemoryRows;
use super::support::run;
use super::support::shards::SETTLING;
use super::support::shipped::CLIENT_SECRET;
use super::support::tokens::{NOW, TestToken};

/// A thing that is done.
pub struct Case {
    pub name: &'static str,
    /// The most allocations that it may make. To be lowered with every improvement.
    pub limit: usize,
    pub prepare: fn() -> Box<dyn FnMut()>,
}

const PAGE: u64 = 2_000;
const BATCH: usize = 100;

pub const CASES: [Case; 8] = [
    Case { name: "warm-check", limit: 5, prepare: warm_check },
    Case { name: "warm-check-revoked", limit: 13, prepare: warm_check_revoked },
    Case { name: "cold-check-hs256", limit: 118, prepare: cold_check },
    Case { name: "refused-check-bad-signature", limit: 40, prepare: refused_check },
    Case { name: "warm-batch-of-100", limit: 870, prepare: warm_batch },
    Case { name: "logout", limit: 380, prepare: logout },
    Case { name: "feed-page-of-2000", limit: 44, prepare: feed_page },
    Case { name: "ledger-record", limit: 48, prepare: ledger_record },
];

/// A request that costs no more than the platform's: a header that is there is one text.
struct Wire {
    method: &'static str,
    url: &'static str,
    authorization: String,
    body: Option<String>,
}

impl Wire {
    fn check(token: &str) -> Self {
        Self { method: "GET", url: "https://edge.example/check", authorization: format!("Bearer {token}"), body: None }
    }
}

impl Request for Wire {
    fn method(&self) -> &str {
        self.method
    }

    fn url(&self) -> &str {
        self.url
    }

    fn header(&self, name: &str) -> Option<String> {
        match name {
            _ if name.eq_ignore_ascii_case("authorization") => Some(self.authorization.clone()),
            _ if name.eq_ignore_ascii_case("content-type") => self.body.as_ref().map(|_| "application/json".to_owned()),
            _ => None,
        }
    }

    async fn body(&self, _limit: usize) -> Result<Vec<u8>, BodyError> {
        Ok(self.body.clone().unwrap_or_default().into_bytes())
    }
}

/// A good token that nobody had before.
fn token(number: usize) -> String {
    let id = |what: &str| json!(format!("{what}-{number}"));
    TestToken::of("commerce-engine-storefront").claim("jti", id("token")).claim("sid", id("session")).sign()
}

fn status(asking: &Asking, request: &Wire) -> u16 {
    run(asking.service.answer(request, &asking.platform)).reply.status
}

/// The same request again and again, which has this status.
fn again(asking: Asking, request: Wire, wanted: u16) -> Box<dyn FnMut()> {
    Box::new(move || assert_eq!(status(&asking, &request), wanted))
}

/// Requests that were made beforehand, one each time.
fn one_by_one(asking: Asking, request: impl Fn(usize) -> Wire, wanted: u16) -> Box<dyn FnMut()> {
    const MANY: usize = 64;
    let requests: Vec<Wire> = (0..MANY).map(request).collect();
    let next = Cell::new(0);
    Box::new(move || {
        assert_eq!(status(&asking, &requests[next.get()]), wanted);
        next.set(next.get() + 1);
    })
}

/// A service that follows the ledger's feed.
fn following() -> Asking {
    let asking = Asking::shipped();
    assert_eq!(status(&asking, &Wire::check(&token(1_000_000))), 200);
    asking
}

fn warm_check() -> Box<dyn FnMut()> {
    again(following(), Wire::check(&token(0)), 200)
}

fn logout_of(token: &str) -> Wire {
    Wire { method: "POST", url: "https://edge.example/auth/logout", ..Wire::check(token) }
}

fn warm_check_revoked() -> Box<dyn FnMut()> {
    let asking = following();
    assert_eq!(status(&asking, &logout_of(&token(0))), 200);
    again(asking, Wire::check(&token(0)), 401)
}

fn cold_check() -> Box<dyn FnMut()> {
    one_by_one(following(), |number| Wire::check(&token(number)), 200)
}

fn refused_check() -> Box<dyn FnMut()> {
    let (one, other) = (token(0), token(1));
    let (signed, signature) = (one.rsplit_once('.').expect("a token").0, other.rsplit_once('.').expect("a token").1);
    again(following(), Wire::check(&format!("{signed}.{signature}")), 401)
}

fn warm_batch() -> Box<dyn FnMut()> {
    let tokens: Vec<String> = (0..BATCH).map(token).collect();
    let request = Wire {
        method: "POST",
        url: "https://edge.example/batch-check",
        authorization: format!("Bearer {CLIENT_SECRET}"),
        body: Some(json!({ "tokens": tokens }).to_string()),
    };
    again(following(), request, 200)
}

fn logout() -> Box<dyn FnMut()> {
    one_by_one(following(), |number| logout_of(&token(number)), 200)
}

/// As text from the ledger into the memory of an isolate that begins to follow.
fn feed_page() -> Box<dyn FnMut()> {
    let entry = |version: u64| FeedEntry(Digest::of("issuer", Scope::Token, &version.to_string()), version, None);
    let page = Changes {
        epoch: "first".to_owned(),
        after: 0,
        trimmed: 0,
        upto: PAGE,
        oldest: 1,
        is_complete: true,
        whole_of: 0,
        entries: (1..=PAGE).map(entry).collect(),
    };
    let text = page.write();
    Box::new(move || {
        let changes = Changes::read(&text).expect("a page");
        let follower = Follower::begin(&changes, NOW, NOW, 100_000).expect("a first page");
        assert_eq!(follower.len(), 2_000);
    })
}

/// A logout's two revocations, from the question's text to the answer's.
fn ledger_record() -> Box<dyn FnMut()> {
    let mut ledger = Ledger { rows: MemoryRows::default(), settling: SETTLING, sole_writer: None };
    let question = |number: usize| {
        let expires_at = NOW.plus(std::time::Duration::from_hours(1));
        let one = |scope| revocation(scope, &format!("name-{number}"), None, expires_at);
        LedgerQuestion::Record(vec![one(Scope::Token), one(Scope::Session)]).write()
    };
    let questions: Vec<String> = (0..64).map(question).collect();
    let mut next = 0;
    Box::new(move || {
        let question = LedgerQuestion::read(&questions[next]).expect("a question");
        let Ok(answer) = answer_question(&mut ledger, &question, NOW);
        assert_eq!(answer, "null");
        next += 1;
    })
}
