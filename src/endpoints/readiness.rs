//! `GET /readyz`: whether the ledger, Workers KV and key providers are available. The endpoint is public, so an isolate
//! checks at most once per second, and only authenticated clients get the details.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join3};

use super::client_credential::client_of;
use super::judge::Judge;
use crate::config::{Issuer, Tokens};
use crate::http::{Reply, Request};
use crate::json::Object;
use crate::keys::readiness;
use crate::log::Notes;
use crate::ports::{IndexError, LedgerError, Platform};
use crate::time::Timestamp;
use crate::wait::{all, within};

/// How long a report is reused.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// Timeout of the ledger and Workers KV.
const STORAGE_LIMIT: Duration = Duration::from_millis(1_500);
/// Timeout of key providers. Longer than a fetch may take, because a fetch only starts if it can finish in time.
const KEYS_LIMIT: Duration = Duration::from_millis(2_200);
/// How long a request waits for the check of another request.
const WAIT_LIMIT: Duration = Duration::from_millis(2_200);
/// After this time another request may start a check: the first one may have been canceled.
const CHECK_LIMIT: Duration = Duration::from_secs(3);
/// The polling interval. A Worker cannot await another request's promise.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

const OK: &str = "ok";
/// The provider fails, and the last valid keys are still used.
const STALE: &str = "keys_stale";

/// The latest report of the isolate.
#[derive(Debug, Default)]
pub struct Readiness(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    /// When the check in progress started, if any.
    started_at: Option<Timestamp>,
    latest: Option<(Timestamp, Rc<Report>)>,
}

/// The state of each dependency: `ok`, or the reason for a failure.
#[derive(Debug)]
struct Report {
    /// By shard; empty without a ledger.
    ledger: Vec<&'static str>,
    kv: &'static str,
    /// By issuer with fetched keys.
    keys: Vec<(Rc<Issuer>, &'static str)>,
}

enum Step {
    Recent(Rc<Report>),
    Wait,
    Check,
}

/// Handles a readiness request.
pub(crate) async fn readyz<R: Request, P: Platform>(
    readiness: &Readiness,
    judge: &Judge<'_, P>,
    request: &R,
    notes: &mut Notes,
) -> Reply {
    let client = client_of(judge.config, request);
    notes.client = client.map(|client| client.name.clone());
    let report = readiness.report(judge).await;
    let is_ready = report.as_ref().is_some_and(|report| report.is_ready());
    let body = Object::new().text("status", if is_ready { "ok" } else { "unavailable" });
    let body = match (client, report) {
        (None, _) => body,
        (Some(_), Some(report)) => report.add_to(body),
        (Some(_), None) => body.text("reason", "timed_out"),
    };
    if is_ready {
        return Reply::json_text(200, body.finish());
    }
    notes.failed("not_ready");
    Reply::json_text(503, body.finish()).with("Retry-After", "1")
}

impl Readiness {
    /// A report of the last second, by any request of the isolate; `None` after a timeout.
    async fn report<P: Platform>(&self, judge: &Judge<'_, P>) -> Option<Rc<Report>> {
        let started_at = judge.platform.now();
        loop {
            let now = judge.platform.now();
            match self.step(now) {
                Step::Recent(report) => return Some(report),
                Step::Wait if now.since(started_at) >= WAIT_LIMIT => return None,
                Step::Wait => P::sleep(POLL_INTERVAL).await,
                Step::Check => {
                    let report = Rc::new(check_all(judge).await);
                    let latest = Some((judge.platform.now(), Rc::clone(&report)));
                    *self.0.borrow_mut() = State { started_at: None, latest };
                    return Some(report);
                }
            }
        }
    }

    /// A canceled check blocks others for [`CHECK_LIMIT`], so that aborted requests do not cause more checks.
    fn step(&self, now: Timestamp) -> Step {
        let mut state = self.0.borrow_mut();
        if let Some((at, report)) = &state.latest
            && !at.has_passed(SHARED_FOR, now)
        {
            return Step::Recent(Rc::clone(report));
        }
        if state.started_at.is_some_and(|started_at| !started_at.has_passed(CHECK_LIMIT, now)) {
            return Step::Wait;
        }
        state.started_at = Some(now);
        Step::Check
    }
}

impl Report {
    fn is_ready(&self) -> bool {
        let keys = self.keys.iter().map(|(_, word)| *word);
        self.ledger.iter().copied().chain([self.kv]).chain(keys).all(|word| word == OK || word == STALE)
    }

    fn add_to(&self, body: Object) -> Object {
        let by_shard = |object: Object, (shard, word): (usize, &&'static str)| object.text(&shard.to_string(), word);
        let ledger = self.ledger.iter().enumerate().fold(Object::new(), by_shard);
        let keys = self.keys.iter().fold(Object::new(), |keys, (issuer, word)| keys.text(&issuer.name, word));
        body.raw("ledger", &ledger.finish()).text("kv", self.kv).raw("keys", &keys.finish())
    }
}

/// Checks all shards, Workers KV and the key providers concurrently.
async fn check_all<P: Platform>(judge: &Judge<'_, P>) -> Report {
    let (platform, authority) = (judge.platform, judge.authority());
    let authority = &authority;
    let deadline = platform.now().plus(KEYS_LIMIT);
    let shards = 0..judge.isolate.replica.shards();
    let shard = |shard: u32| async move { authority.ask_shard(shard, STORAGE_LIMIT).await }.boxed_local();
    let keys = |issuer: &Rc<Issuer>| -> Option<LocalBoxFuture<'_, _>> {
        let issuer = Rc::clone(issuer);
        matches!(&issuer.tokens, Tokens::Jwt(_)).then(|| check_keys(issuer, deadline, platform).boxed_local())
    };
    let keys = all(judge.config.issuers.iter().filter_map(keys).collect());
    let (ledger, kv, keys) = join3(all(shards.map(shard).collect()), ask_kv(platform), keys).await;
    Report {
        ledger: ledger.into_iter().map(|answered| answered.map_or_else(LedgerError::reason, |()| OK)).collect(),
        kv: kv.map_or_else(IndexError::reason, |()| OK),
        keys: keys.into_iter().flatten().collect(),
    }
}

async fn check_keys<P: Platform>(
    issuer: Rc<Issuer>,
    deadline: Timestamp,
    platform: &P,
) -> Option<(Rc<Issuer>, &'static str)> {
    let word = match &issuer.tokens {
        Tokens::Jwt(rules) => match readiness(&rules.keys, deadline, platform).await? {
            Ok(()) => OK,
            Err(None) => STALE,
            Err(Some(reason)) => reason,
        },
        Tokens::Opaque => return None,
    };
    Some((issuer, word))
}

/// Reads a unique key, because the location may answer other keys from its cache for 30 seconds.
async fn ask_kv<P: Platform>(platform: &P) -> Result<(), IndexError> {
    let keys = [["readyz:", &platform.now().as_millis().to_string()].concat()];
    let found = within::<P, _>(STORAGE_LIMIT, platform.find(&keys)).await.unwrap_or(Err(IndexError::TimedOut))?;
    if found.len() == 1 { Ok(()) } else { Err(IndexError::Permanent) }
}
