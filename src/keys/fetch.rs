//! Fetching published keys: one at a time, from what the location shares or from the provider.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::freshness::freshness;
use super::published::{Need, PublishedKeys, Step, Taken};
use super::set::MAX_SET_BYTES;
use super::source::{KeySource, is_key_url};
use crate::json;
use crate::ports::{Clock, Fetched, Journal, KeyEvent, SharedMemory, Signatures, Web, WebError, within};
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
    if recalled.as_ref().is_some_and(|recalled| take_shared(keys, recalled.as_deref(), platform))
        && keys.is_enough(need, platform.now())
    {
        return false;
    }
    let fetched = within::<P, _>(FETCH_LIMIT, fetch(&keys.source, platform)).await;
    let problem = match fetched.unwrap_or(Err("timed_out")) {
        Err(reason) => Some(reason),
        Ok(set) => {
            let taken = keys.take(&set.text, set.asked_at, set.fresh_until);
            let problem = taken.problem;
            tell(&keys.source, taken, platform);
            // Where the location's memory is slow nothing more is asked of it.
            if problem.is_none() && recalled.is_some() {
                let shared = within::<P, _>(SHARING_LIMIT, share(&keys.source, &name, &set, platform));
                let _ = shared.await;
            }
            problem
        }
    };
    if let Some(reason) = problem {
        keys.fail(platform.now());
        platform.note(&KeyEvent { event: "keys_fetch_failed", issuer: &keys.source.issuer, reason, key_id: None });
    }
    true
}

/// Tells what has become of a set: the log which keys were refused, the platform which ones it may forget.
fn tell<P: Journal + Signatures>(source: &KeySource, taken: Taken, platform: &P) {
    for refused in &taken.refused {
        let (reason, key_id) = (refused.reason, refused.key_id.as_deref());
        platform.note(&KeyEvent { event: "key_refused", issuer: &source.issuer, reason, key_id });
    }
    for slot in taken.gone {
        platform.forget(slot);
    }
}

/// A set as the provider gave it.
struct Set {
    text: String,
    asked_at: Timestamp,
    fresh_until: Timestamp,
}

/// The set that is published now, or why there is none, in one word.
async fn fetch<P: Clock + Web>(source: &KeySource, platform: &P) -> Result<Set, &'static str> {
    let discovered = match &source.discovers {
        None => None,
        Some(iss) => Some(discover(source, iss, platform).await?),
    };
    let asked_at = platform.now();
    let (text, answer) = get(discovered.as_deref().unwrap_or(&source.url), platform).await?;
    let fresh = freshness(source, answer.cache_control.as_deref(), answer.age.as_deref());
    Ok(Set { text, asked_at, fresh_until: asked_at.plus(fresh) })
}

/// Where a discovery document says that the keys are. It has to name the issuer that is configured, or anybody's
/// document would do (RFC 8414 section 3.3, OpenID Connect Discovery 1.0 section 4.3).
async fn discover<P: Web>(source: &KeySource, iss: &[String], platform: &P) -> Result<String, &'static str> {
    let (text, _) = get(&source.url, platform).await?;
    let document = json::read_object(&text).ok_or("unreadable")?;
    let member = |name: &str| document.get(name).and_then(Value::as_str);
    if !member("issuer").is_some_and(|named| iss.iter().any(|own| own == named)) {
        return Err("issuer_mismatch");
    }
    let url = member("jwks_uri").filter(|url| is_key_url(url, source.in_development));
    url.map(str::to_owned).ok_or("bad_jwks_uri")
}

async fn get<P: Web>(url: &str, platform: &P) -> Result<(String, Fetched), &'static str> {
    let mut answer = platform.get(url, MAX_SET_BYTES).await.map_err(WebError::reason)?;
    match answer.status {
        200 => {}
        // Whoever can redirect could say whose keys count.
        300..=399 => return Err("redirected"),
        _ => return Err("bad_status"),
    }
    let text = String::from_utf8(std::mem::take(&mut answer.body)).map_err(|_| "unreadable")?;
    Ok((text, answer))
}

/// Shares a set with the location for as long as it may be used: its two moments, a line feed, and the set itself.
async fn share<P: Clock + SharedMemory>(source: &KeySource, name: &str, set: &Set, platform: &P) {
    let usable = set.fresh_until.plus(source.serve_stale).since(platform.now()).as_secs();
    let text = format!("{} {}\n{}", set.asked_at.as_millis(), set.fresh_until.as_millis(), set.text);
    platform.share(name, &text, u32::try_from(usable).unwrap_or(u32::MAX)).await;
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
