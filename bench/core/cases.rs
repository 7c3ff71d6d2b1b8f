//! What is counted. What the platform answers is a test's: its own part of a number is small, and always the same.

use std::cell::Cell;

use edge_logout::http::{BodyError, Request};
use edge_logout::revocation::ledger::{Answer, Call, Ledger, Question, Sizes};
use edge_logout::revocation::{Freshness, Logout, Scope, TokenEntry};
use serde_json::json;

use super::support::asking::Asking;
use super::support::authority::{Isolate, only, revocation, token as opaque};
use super::support::platform::TestPlatform;
use super::support::rows::MemoryRows;
use super::support::run;
use super::support::shards::setup;
use super::support::shipped::CLIENT_SECRET;
use super::support::tokens::{NOW, TestToken};

/// A thing that is done.
pub struct Case {
    pub name: &'static str,
    /// The most allocations that it may make. To be lowered with every improvement.
    pub limit: usize,
    pub prepare: fn() -> Box<dyn FnMut()>,
}

const PAGE: usize = 2_000;
const BATCH: usize = 100;

pub const CASES: [Case; 8] = [
    Case { name: "warm-check", limit: 5, prepare: warm_check },
    Case { name: "warm-check-revoked", limit: 13, prepare: warm_check_revoked },
    Case { name: "cold-check-hs256", limit: 64, prepare: cold_check },
    Case { name: "refused-check-bad-signature", limit: 30, prepare: refused_check },
    Case { name: "warm-batch-of-100", limit: 862, prepare: warm_batch },
    Case { name: "logout", limit: 243, prepare: logout },
    Case { name: "first-sync-of-2000", limit: 70, prepare: first_sync },
    Case { name: "ledger-record", limit: 6, prepare: ledger_record },
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

/// A service that has synced with the ledger.
fn following() -> Asking {
    let asking = Asking::shipped();
    asking.platform.imported.set(true);
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

/// From the ledger into the replica of a new isolate, with a strong check.
fn first_sync() -> Box<dyn FnMut()> {
    let platform = TestPlatform::imported_at(NOW);
    let expires_at = NOW.plus(std::time::Duration::from_hours(1));
    let one = |number: usize| only(revocation(Scope::Token, &number.to_string(), None, expires_at));
    platform.record(setup(0, 1), (0..PAGE).map(one).collect());
    let token = opaque("a");
    Box::new(move || assert!(Isolate::new(1).is_active(&platform, &token, Freshness::Strong)))
}

/// A logout of a session and its token, from the call's bytes to the answer's.
fn ledger_record() -> Box<dyn FnMut()> {
    let mut ledger = Ledger::new(MemoryRows::default(), Sizes::DEFAULT);
    let call = |number: usize| {
        let expires_at = NOW.plus(std::time::Duration::from_hours(1));
        let one = |scope| revocation(scope, &format!("name-{number}"), None, expires_at);
        let token = Some(TokenEntry { digest: one(Scope::Token).digest, expires_at });
        let question = Question::Record(vec![Logout { widest: one(Scope::Session), token }]);
        Call { setup: setup(0, 1), question }.write()
    };
    let calls: Vec<Vec<u8>> = (0..64).map(call).collect();
    let mut next = 0;
    Box::new(move || {
        let call = Call::read(&calls[next]).expect("a call");
        let answer = ledger.answer(&call, NOW).expect("an answer");
        assert_eq!(Answer::read(&answer.write()), Some(Answer::Recorded));
        next += 1;
    })
}
