//! Fetching published keys: one at a time, from what the location shares or from the provider.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::freshness::freshness;
use super::published::{Need, PublishedKeys, Step, Taken};
use super::set::MAX_SET_BYTES;
use super::source::{KeySource, is_key_url};
use crate::http::without_query;
use crate::json;
use crate::ports::{Clock, Fetched, Journal, KeyEvent, SharedMemory, Signatures, Web, WebError};
use crate::wait::within;
use crate::time::Timestamp;

/// How long fetching may take, a discovery document included.
const FETCH_LIMIT: Duration = Duration::from_secs(2);
/// How long a request waits for another one that fetches.
const WAIT_LIMIT: Duration = Duration::from_secs(2);
/// How often it looks whether that has ended. No future of another request may be waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long the Cache API may take. Nothing depends on it.
const SHARING_LIMIT: Duration = Duration::from_millis(100);

/// Fetches an issuer's keys where that is due, or waits for another request of the isolate that is doing so. What comes
/// of it is in `keys`: the caller goes by what is known then.
///
/// `ended` is how many fetches had ended when the request came. Nothing is begun that could not end `by` then, and nobody
/// is waited for any longer.
pub(super) fn bring_up<'a, P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &'a PublishedKeys,
    need: Need,
    ended: u32,
    by: Timestamp,
    platform: &'a P,
) -> LocalBoxFuture<'a, ()> {
    // Boxed: it is long, and nearly always nothing is to be done.
    Box::pin(bring_up_unboxed(keys, need, ended, by, platform))
}

async fn bring_up_unboxed<P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &PublishedKeys,
    need: Need,
    ended: u32,
    by: Timestamp,
    platform: &P,
) {
    let waits_until = by.min(platform.now().plus(WAIT_LIMIT));
    loop {
        match keys.step(need, ended, platform.now()) {
            Step::GoOn => return,
            Step::Wait if platform.now() >= waits_until => return,
            Step::Wait => P::sleep(LOOK_AGAIN).await,
            Step::Fetch(number) => {
                let mut turn = Turn { keys, number, has_ended: false };
                if platform.now().plus(FETCH_LIMIT) > by {
                    return;
                }
                turn.has_ended = obtain(keys, need, platform).await;
                return;
            }
        }
    }
}

/// A turn at fetching; it ends also when whoever has it is dropped.
struct Turn<'a> {
    keys: &'a PublishedKeys,
    number: u32,
    has_ended: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.keys.give_back(self.number, self.has_ended);
    }
}

/// Gets keys, and says whether the provider itself was asked: what the location shares may be older than a key that a
/// token names.
async fn obtain<P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &PublishedKeys,
    need: Need,
    platform: &P,
) -> bool {
    let name = keys.source.shared_name();
    let recalled = within::<P, _>(SHARING_LIMIT, platform.recall(&name)).await;
    if recalled.as_ref().is_some_and(|recalled| take_shared(keys, text_of(recalled.as_deref()), platform))
        && keys.is_enough(need, platform.now())
    {
        return false;
    }
    let Attempt { requests, set, taken, .. } = attempt(keys, platform).await;
    let problem = taken.problem;
    tell(&keys.source, taken, platform);
    // If the location's shared memory is slow, it is not asked again.
    if let (Some(set), None, Some(_)) = (set, problem, recalled) {
        let _ = within::<P, _>(SHARING_LIMIT, share(&keys.source, &name, &set, platform)).await;
    }
    if let Some(reason) = problem {
        let (event, issuer, latest) = ("keys_fetch_failed", &keys.source.issuer, requests.last());
        let (url, status) = (latest.map(|latest| latest.url.as_str()), latest.and_then(|latest| latest.status));
        platform.note(&KeyEvent { event, issuer, reason, key_id: None, url, status });
    }
    true
}

/// One request for an issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// The URL without its query, which may hold a secret.
    pub url: String,
    /// The status of the answer, if any.
    pub status: Option<u16>,
}

/// One fetch of an issuer's keys, and its result.
#[derive(Debug)]
pub struct Attempt {
    /// The requests in order: for the discovery document, if any, and for the set.
    pub requests: Vec<KeyRequest>,
    /// The wrong `issuer` or `jwks_uri` of the discovery document.
    pub found: Option<String>,
    /// The refused keys, and why there are no usable keys, if there are none.
    pub taken: Taken,
    set: Option<Set>,
}

/// Asks the provider, and reads the keys that it publishes.
pub async fn attempt<P: Clock + Web>(keys: &PublishedKeys, platform: &P) -> Attempt {
    let trace = Trace::default();
    let fetched = within::<P, _>(FETCH_LIMIT, fetch(&keys.source, &trace, platform)).await;
    let (set, taken) = match fetched.unwrap_or(Err("timed_out")) {
        Err(reason) => (None, Taken { problem: Some(reason), ..Taken::default() }),
        Ok(set) => {
            let taken = keys.take(&set.text, set.asked_at, set.fresh_until);
            (Some(set), taken)
        }
    };
    if taken.problem.is_some() {
        keys.fail(platform.now());
    }
    Attempt { requests: trace.requests.take(), found: trace.found.take(), taken, set }
}

/// Notes of a fetch. They outlive its future, which is dropped when it takes too long.
#[derive(Default)]
struct Trace {
    requests: RefCell<Vec<KeyRequest>>,
    found: RefCell<Option<String>>,
}

impl Trace {
    fn begin(&self, url: &str) {
        self.requests.borrow_mut().push(KeyRequest { url: without_query(url).to_owned(), status: None });
    }

    fn answered(&self, status: u16) {
        if let Some(latest) = self.requests.borrow_mut().last_mut() {
            latest.status = Some(status);
        }
    }
}

/// Tells what has become of a set: the log which keys were refused, the platform which ones it may forget.
fn tell<P: Journal + Signatures>(source: &KeySource, taken: Taken, platform: &P) {
    for refused in &taken.refused {
        let (reason, key_id) = (refused.reason, refused.key_id.as_deref());
        let (event, issuer) = ("key_refused", &source.issuer);
        platform.note(&KeyEvent { event, issuer, reason, key_id, url: None, status: None });
    }
    for slot in taken.gone {
        platform.forget(slot);
    }
}

/// A set as the provider gave it.
#[derive(Debug)]
struct Set {
    text: String,
    asked_at: Timestamp,
    fresh_until: Timestamp,
}

/// The set that is published now, or why there is none, in one word.
async fn fetch<P: Clock + Web>(source: &KeySource, trace: &Trace, platform: &P) -> Result<Set, &'static str> {
    let discovered = match &source.discovers {
        None => None,
        Some(iss) => Some(discover(source, iss, trace, platform).await?),
    };
    let asked_at = platform.now();
    let (text, answer) = get(discovered.as_deref().unwrap_or(&source.url), trace, platform).await?;
    let fresh = freshness(source, answer.cache_control.as_deref(), answer.age.as_deref());
    Ok(Set { text, asked_at, fresh_until: asked_at.plus(fresh) })
}

/// Where a discovery document says that the keys are. It has to name the issuer that is configured, or anybody's
/// document would do (RFC 8414 section 3.3, OpenID Connect Discovery 1.0 section 4.3).
async fn discover<P: Web>(
    source: &KeySource,
    iss: &[String],
    trace: &Trace,
    platform: &P,
) -> Result<String, &'static str> {
    let (text, _) = get(&source.url, trace, platform).await?;
    let document = json::read_object(&text).ok_or("unreadable")?;
    let member = |name: &str| document.get(name).and_then(Value::as_str);
    if !member("issuer").is_some_and(|named| iss.iter().any(|own| own == named)) {
        trace.found.replace(member("issuer").map(str::to_owned));
        return Err("issuer_mismatch");
    }
    match member("jwks_uri") {
        Some(url) if is_key_url(url, source.in_development) => Ok(url.to_owned()),
        other => {
            trace.found.replace(other.map(str::to_owned));
            Err("bad_jwks_uri")
        }
    }
}

async fn get<P: Web>(url: &str, trace: &Trace, platform: &P) -> Result<(String, Fetched), &'static str> {
    trace.begin(url);
    let answer = platform.get(url, MAX_SET_BYTES).await;
    let status = match &answer {
        Ok(answer) => Some(answer.status),
        Err(WebError::TooLarge(status)) => Some(*status),
        Err(WebError::Unreachable) => None,
    };
    if let Some(status) = status {
        trace.answered(status);
    }
    match status {
        None | Some(200) => {}
        // Whoever can redirect could say whose keys count.
        Some(300..=399) => return Err("redirected"),
        // Whatever the size of its page.
        Some(_) => return Err("bad_status"),
    }
    let mut answer = answer.map_err(WebError::reason)?;
    let text = String::from_utf8(std::mem::take(&mut answer.body)).map_err(|_| "unreadable")?;
    // A login or error page: no JSON begins with `<`.
    if text.trim_start().starts_with('<') {
        return Err("html");
    }
    Ok((text, answer))
}

/// Shares a set with the location for as long as it may be used: its two moments, a line feed, and the set itself.
async fn share<P: Clock + SharedMemory>(source: &KeySource, name: &str, set: &Set, platform: &P) {
    let usable = set.fresh_until.plus(source.serve_stale).since(platform.now()).as_secs();
    let text = format!("{} {}\n{}", set.asked_at.as_millis(), set.fresh_until.as_millis(), set.text);
    platform.share(name, text.as_bytes(), u32::try_from(usable).unwrap_or(u32::MAX)).await;
}

fn text_of(bytes: Option<&[u8]>) -> Option<&str> {
    str::from_utf8(bytes?).ok()
}

/// Takes in what another isolate has fetched, when it is later than what is known here. It is judged like any other
/// set, and lives no longer than a set may.
fn take_shared<P: Clock + Journal + Signatures>(keys: &PublishedKeys, shared: Option<&str>, platform: &P) -> bool {
    let Some((asked_at, fresh_until, text)) = shared.and_then(read_shared) else { return false };
    let (source, now) = (&keys.source, platform.now());
    let is_sound = asked_at <= now
        && fresh_until >= asked_at
        && fresh_until <= asked_at.plus(source.most)
        && now < fresh_until.plus(source.serve_stale)
        && !keys.is_as_recent_as(asked_at, now);
    if !is_sound {
        return false;
    }
    let taken = keys.take(text, asked_at, fresh_until);
    let is_taken = taken.problem.is_none();
    tell(source, taken, platform);
    is_taken
}

fn read_shared(shared: &str) -> Option<(Timestamp, Timestamp, &str)> {
    let (moments, text) = shared.split_once('\n')?;
    let (asked_at, fresh_until) = moments.split_once(' ')?;
    let moment = |text: &str| text.parse().ok().map(Timestamp::from_millis);
    Some((moment(asked_at)?, moment(fresh_until)?, text))
}
