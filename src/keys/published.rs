//! The state of an issuer's published keys in an isolate, and the decisions when to fetch them. Does no I/O.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::set::{RefusedKey, judge_set};
use super::source::KeySource;
use crate::time::Timestamp;
use crate::token::KeyRing;

/// After this time another request may start a fetch: the first one may have been canceled.
const SLOW_FETCH: Duration = Duration::from_millis(2_500);
/// The assumed maximum clock difference between requests. Later times were recorded before the clock was set back.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_mins(1);
/// The pause after the first failure. Each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The maximum lead of a refresh. Keys are refreshed in the last fifth of their lifetime.
const LONGEST_LEAD: Duration = Duration::from_mins(5);

/// An issuer's published keys in an isolate. No method holds a `RefCell` borrow across an await.
#[derive(Debug)]
pub struct PublishedKeys {
    /// Where the keys are published.
    pub source: KeySource,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    ring: Rc<KeyRing>,
    times: Option<FetchTimes>,
    /// The digests of the text that the ring was created from, and of the last validated text.
    ring_digest: Option<[u8; 32]>,
    validated: Option<[u8; 32]>,
    /// The number and the start of the fetch in progress.
    turn: Option<(u32, Timestamp)>,
    turns: u32,
    ended: u32,
    failures: u32,
    failed_at: Option<Timestamp>,
    unknown_key_fetch_at: Option<Timestamp>,
    /// Slots removed with the previous ring. A verification in flight may have imported their keys again.
    gone: Vec<u32>,
}

/// When the keys were requested, and until when they are fresh.
#[derive(Clone, Copy, Debug)]
struct FetchTimes {
    asked_at: Timestamp,
    fresh_until: Timestamp,
}

/// Why keys are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To verify a token.
    Keys,
    /// A token has an unknown key.
    UnknownKey,
    /// A background refresh, before the keys become stale.
    Refresh,
}

/// The next action of a request that needs keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Continue with the known keys.
    Continue,
    /// Another request is fetching: ask again soon.
    Wait,
    /// Fetch the keys, under this number.
    Fetch(u32),
}

/// The result of applying a JWK Set.
#[derive(Debug, Default)]
pub struct SetUpdate {
    /// The rejected keys, reported once per version of the set.
    pub refused: Vec<RefusedKey>,
    /// The slots of removed keys.
    pub gone: Vec<u32>,
    /// Why the set was not applied, if so.
    pub problem: Option<&'static str>,
}

impl PublishedKeys {
    /// Creates the state without keys.
    #[must_use]
    pub fn new(source: KeySource) -> Self {
        Self { source, state: RefCell::default() }
    }

    /// The current keys; `None` if there are none or they are too old.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> Option<Rc<KeyRing>> {
        let state = self.state.borrow();
        state.times.filter(|times| times.is_usable(now, &self.source)).map(|_| Rc::clone(&state.ring))
    }

    /// Whether the keys are fresh and of this generation.
    #[must_use]
    pub fn is_unchanged(&self, generation: u32, now: Timestamp) -> bool {
        let state = self.state.borrow();
        state.ring.generation == generation && state.times.is_some_and(|times| times.is_fresh(now))
    }

    /// The number of completed fetches. When it changes, waiting requests need not fetch.
    #[must_use]
    pub fn ended(&self) -> u32 {
        self.state.borrow().ended
    }

    /// Whether the known keys were requested at `asked_at` or later.
    #[must_use]
    pub(super) fn is_as_recent_as(&self, asked_at: Timestamp, now: Timestamp) -> bool {
        self.state.borrow().times.is_some_and(|times| times.is_past(now) && times.asked_at >= asked_at)
    }

    /// Whether keys from the location's cache are sufficient, so that the provider need not be asked.
    #[must_use]
    pub(super) fn is_sufficient(&self, need: Need, now: Timestamp) -> bool {
        self.state.borrow().times.is_some_and(|times| match need {
            Need::Keys => times.is_fresh(now),
            Need::UnknownKey => times.is_fresh(now) && !times.asked_at.has_passed(self.source.unknown_kid, now),
            Need::Refresh => times.is_fresh(now) && !times.wants_refresh(now),
        })
    }

    /// Whether the last fetch has failed, so the known keys may be outdated.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.state.borrow().failures > 0
    }

    /// Whether a fetch is due.
    #[must_use]
    pub fn is_due(&self, need: Need, now: Timestamp) -> bool {
        let state = self.state.borrow();
        let has_paused = state.failed_at.is_none_or(|at| at.has_passed(state.pause(), now));
        match need {
            Need::Keys => match state.times.filter(|times| times.is_usable(now, &self.source)) {
                None => has_paused,
                // After a failure, requests do not wait: the background refresh retries.
                Some(times) => !times.is_fresh(now) && state.failures == 0,
            },
            Need::UnknownKey => {
                has_paused && state.unknown_key_fetch_at.is_none_or(|at| at.has_passed(self.source.unknown_kid, now))
            }
            Need::Refresh => {
                has_paused && !state.is_being_fetched(now) && state.times.is_some_and(|times| times.wants_refresh(now))
            }
        }
    }

    /// The next action of a request. `ended` is the value of [`Self::ended`] when the request started.
    pub fn step(&self, need: Need, ended: u32, now: Timestamp) -> Step {
        let is_due = self.is_due(need, now);
        let mut state = self.state.borrow_mut();
        let is_being_fetched = state.is_being_fetched(now);
        if state.ended != ended {
            return Step::Continue;
        }
        let lacks_keys = || state.times.is_none_or(|times| !times.is_usable(now, &self.source));
        if is_being_fetched && need != Need::Refresh && (is_due || need == Need::UnknownKey || lacks_keys()) {
            return Step::Wait;
        }
        if !is_due || is_being_fetched {
            return Step::Continue;
        }
        state.turns = state.turns.wrapping_add(1);
        state.turn = Some((state.turns, now));
        if need == Need::UnknownKey {
            state.unknown_key_fetch_at = Some(now);
        }
        Step::Fetch(state.turns)
    }

    /// Ends the fetch with this number. `has_ended`: the provider answered or failed; the fetch was not canceled.
    pub fn release(&self, turn: u32, has_ended: bool) {
        let mut state = self.state.borrow_mut();
        state.turn = state.turn.filter(|(own, _)| *own != turn);
        if has_ended {
            state.ended = state.ended.wrapping_add(1);
        }
    }

    /// Records a failed fetch.
    pub fn fail(&self, now: Timestamp) {
        let mut state = self.state.borrow_mut();
        state.failures = state.failures.saturating_add(1);
        state.failed_at = Some(now);
    }

    /// Applies a JWK Set. A set without any valid key is ignored, so that a faulty provider does not invalidate all
    /// tokens.
    pub fn take(&self, text: &str, asked_at: Timestamp, fresh_until: Timestamp) -> SetUpdate {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let mut state = self.state.borrow_mut();
        let times = Some(FetchTimes { asked_at, fresh_until });
        if state.ring_digest == Some(digest) {
            state.times = times;
            state.succeed();
            return SetUpdate::default();
        }
        let is_new_text = state.validated != Some(digest);
        state.validated = Some(digest);
        let validated = judge_set(text, &self.source.algorithms, self.source.allows_development_keys);
        let (keys, refused) = match validated {
            Ok(validated) => (validated.keys, if is_new_text { validated.refused } else { Vec::new() }),
            Err(problem) => return SetUpdate { problem: Some(problem), ..SetUpdate::default() },
        };
        if keys.is_empty() {
            return SetUpdate { refused, problem: Some("no_usable_key"), ..SetUpdate::default() };
        }
        let mut gone = std::mem::take(&mut state.gone);
        if let Some(next) = state.ring.followed_by(keys) {
            state.gone = state.ring.slots_missing_in(&next);
            gone.extend(&state.gone);
            state.ring = Rc::new(next);
        }
        state.times = times;
        state.ring_digest = Some(digest);
        state.succeed();
        SetUpdate { refused, gone, problem: None }
    }
}

impl State {
    fn succeed(&mut self) {
        self.failures = 0;
        self.failed_at = None;
    }

    fn is_being_fetched(&self, now: Timestamp) -> bool {
        self.turn.is_some_and(|(_, since)| !since.has_passed(SLOW_FETCH, now))
    }

    /// The pause after the last failure.
    fn pause(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(8);
        FIRST_PAUSE.saturating_mul(1_u32.wrapping_shl(doublings)).min(LONGEST_PAUSE)
    }
}

impl FetchTimes {
    fn is_past(self, now: Timestamp) -> bool {
        self.asked_at <= now.plus(MAX_CLOCK_DIFFERENCE)
    }

    fn is_fresh(self, now: Timestamp) -> bool {
        self.is_past(now) && now < self.fresh_until
    }

    fn is_usable(self, now: Timestamp, source: &KeySource) -> bool {
        self.is_past(now) && now < self.fresh_until.plus(source.serve_stale)
    }

    fn wants_refresh(self, now: Timestamp) -> bool {
        let life = self.fresh_until.since(self.asked_at);
        let lead = life.checked_div(5).unwrap_or_default().min(LONGEST_LEAD);
        !self.is_past(now) || now >= self.fresh_until.minus(lead)
    }
}
