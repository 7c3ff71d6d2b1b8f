//! Fetches published keys from the location's cache or from the provider, with one fetch at a time per isolate.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::freshness::freshness;
use super::published::{Need, PublishedKeys, SetUpdate, Step};
use super::set::MAX_SET_BYTES;
use super::source::{KeySource, is_key_url};
use crate::http::without_query;
use crate::json;
use crate::ports::{Clock, Fetched, Journal, KeyEvent, SharedMemory, Signatures, Web, WebError};
use crate::time::Timestamp;
use crate::wait::within;

/// Timeout of a fetch, including the discovery document.
const FETCH_LIMIT: Duration = Duration::from_secs(2);
/// How long a request waits for the fetch of another request.
const WAIT_LIMIT: Duration = Duration::from_secs(2);
/// The polling interval. A Worker cannot await another request's promise.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Timeout of a Cache API operation.
const CACHE_TIMEOUT: Duration = Duration::from_millis(100);

/// Fetches an issuer's keys if that is due, or waits for the fetch of another request. The result is in `keys`.
///
/// `ended` is the number of completed fetches when the request started. No fetch starts that could exceed the deadline.
pub(super) fn update<'a, P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &'a PublishedKeys,
    need: Need,
    ended: u32,
    deadline: Timestamp,
    platform: &'a P,
) -> LocalBoxFuture<'a, ()> {
    // Boxed, because the future is large and rarely needed.
    Box::pin(update_unboxed(keys, need, ended, deadline, platform))
}

async fn update_unboxed<P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &PublishedKeys,
    need: Need,
    ended: u32,
    deadline: Timestamp,
    platform: &P,
) {
    let wait_deadline = deadline.min(platform.now().plus(WAIT_LIMIT));
    loop {
        match keys.step(need, ended, platform.now()) {
            Step::Continue => return,
            Step::Wait if platform.now() >= wait_deadline => return,
            Step::Wait => P::sleep(POLL_INTERVAL).await,
            Step::Fetch(number) => {
                let mut permit = FetchPermit { keys, number, has_ended: false };
                if platform.now().plus(FETCH_LIMIT) > deadline {
                    return;
                }
                permit.has_ended = fetch_keys(keys, need, platform).await;
                return;
            }
        }
    }
}

/// Permission to fetch. Released on drop, so also when the request is canceled.
struct FetchPermit<'a> {
    keys: &'a PublishedKeys,
    number: u32,
    has_ended: bool,
}

impl Drop for FetchPermit<'_> {
    fn drop(&mut self) {
        self.keys.release(self.number, self.has_ended);
    }
}

/// Gets keys from the location's cache or the provider. Returns whether the provider was asked.
async fn fetch_keys<P: Clock + Journal + SharedMemory + Signatures + Web>(
    keys: &PublishedKeys,
    need: Need,
    platform: &P,
) -> bool {
    let name = keys.source.shared_name();
    let recalled = within::<P, _>(CACHE_TIMEOUT, platform.recall(&name)).await;
    if recalled.as_ref().is_some_and(|recalled| take_shared(keys, text_of(recalled.as_deref()), platform))
        && keys.is_sufficient(need, platform.now())
    {
        return false;
    }
    let Attempt { requests, set, taken, .. } = attempt(keys, platform).await;
    let problem = taken.problem;
    report(&keys.source, taken, platform);
    // Skip the cache if it was slow before.
    if let (Some(set), None, Some(_)) = (set, problem, recalled) {
        let _ = within::<P, _>(CACHE_TIMEOUT, share(&keys.source, &name, &set, platform)).await;
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
    /// The URL without its query, which may contain a secret.
    pub url: String,
    /// The HTTP status of the response, if any.
    pub status: Option<u16>,
}

/// One fetch of an issuer's keys, and its result.
#[derive(Debug)]
pub struct Attempt {
    /// The requests in order: the discovery document, if any, and the JWK Set.
    pub requests: Vec<KeyRequest>,
    /// The rejected `issuer` or `jwks_uri` of the discovery document, if any.
    pub found: Option<String>,
    /// The rejected keys, and the reason if there are no usable keys.
    pub taken: SetUpdate,
    set: Option<Set>,
}

/// Fetches the keys from the provider.
pub async fn attempt<P: Clock + Web>(keys: &PublishedKeys, platform: &P) -> Attempt {
    let trace = Trace::default();
    let fetched = within::<P, _>(FETCH_LIMIT, fetch(&keys.source, &trace, platform)).await;
    let (set, taken) = match fetched.unwrap_or(Err("timed_out")) {
        Err(reason) => (None, SetUpdate { problem: Some(reason), ..SetUpdate::default() }),
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

/// A record of a fetch's requests. It survives the future, which is dropped after a timeout.
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

/// Logs rejected keys, and drops removed keys from the platform.
fn report<P: Journal + Signatures>(source: &KeySource, taken: SetUpdate, platform: &P) {
    for refused in &taken.refused {
        let (reason, key_id) = (refused.reason, refused.key_id.as_deref());
        let (event, issuer) = ("key_refused", &source.issuer);
        platform.note(&KeyEvent { event, issuer, reason, key_id, url: None, status: None });
    }
    for slot in taken.gone {
        platform.forget(slot);
    }
}

/// A fetched JWK Set.
#[derive(Debug)]
struct Set {
    text: String,
    asked_at: Timestamp,
    fresh_until: Timestamp,
}

/// Fetches the JWK Set. The error is a reason for the log.
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

/// Reads `jwks_uri` from a discovery document. Its `issuer` must be a configured one (RFC 8414 section 3.3, OpenID
/// Connect Discovery 1.0 section 4.3).
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
        // A redirect could lead to another party's keys.
        Some(300..=399) => return Err("redirected"),
        // Report the status rather than the size of the error page.
        Some(_) => return Err("bad_status"),
    }
    let mut answer = answer.map_err(WebError::reason)?;
    let text = String::from_utf8(std::mem::take(&mut answer.body)).map_err(|_| "unreadable")?;
    // An HTML page, such as a login or error page.
    if text.trim_start().starts_with('<') {
        return Err("html");
    }
    Ok((text, answer))
}

/// Writes a set to the location's cache: its two timestamps, a line feed, and the text. Its lifetime is that of the
/// keys.
async fn share<P: Clock + SharedMemory>(source: &KeySource, name: &str, set: &Set, platform: &P) {
    let usable = set.fresh_until.plus(source.serve_stale).since(platform.now()).as_secs();
    let text = format!("{} {}\n{}", set.asked_at.as_millis(), set.fresh_until.as_millis(), set.text);
    platform.share(name, text.as_bytes(), u32::try_from(usable).unwrap_or(u32::MAX)).await;
}

fn text_of(bytes: Option<&[u8]>) -> Option<&str> {
    str::from_utf8(bytes?).ok()
}

/// Applies a set that another isolate has fetched, if it is more recent. It is validated like any other set, and its
/// lifetime is limited in the same way.
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
    report(source, taken, platform);
    is_taken
}

fn read_shared(shared: &str) -> Option<(Timestamp, Timestamp, &str)> {
    let (moments, text) = shared.split_once('\n')?;
    let (asked_at, fresh_until) = moments.split_once(' ')?;
    let moment = |text: &str| text.parse().ok().map(Timestamp::from_millis);
    Some((moment(asked_at)?, moment(fresh_until)?, text))
}
