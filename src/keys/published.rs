//! What an isolate knows of an issuer's published keys, and when it asks for them: pure, apart from its memory.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::set::{RefusedKey, judge_set};
use super::source::KeySource;
use crate::time::Timestamp;
use crate::token::KeyRing;

/// How long one request may fetch before another one begins to: the first may be gone, with its client.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// How far the clocks of two requests may be apart; what is further in the future was noted before a clock was set back.
const CLOCKS_APART: Duration = Duration::from_mins(1);
/// The pause after a first failure; every further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// So long before their end, at the most, are keys fetched anew: a fifth of their life.
const LONGEST_LEAD: Duration = Duration::from_mins(5);

/// An issuer's published keys as an isolate knows them. No borrow outlives a call, so none can meet another.
#[derive(Debug)]
pub struct PublishedKeys {
    /// Where they come from.
    pub source: KeySource,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    ring: Rc<KeyRing>,
    known: Option<Known>,
    /// The digests of the text that the ring was made of, and of the one that was judged last.
    made_of: Option<[u8; 32]>,
    judged: Option<[u8; 32]>,
    /// Whose turn it is to fetch, and since when.
    turn: Option<(u32, Timestamp)>,
    turns: u32,
    ended: u32,
    failures: u32,
    failed_at: Option<Timestamp>,
    asked_for_unknown_at: Option<Timestamp>,
    /// Slots that went with the ring before: a signature that was being checked may have imported them once more.
    gone: Vec<u32>,
}

/// When keys were asked for, and until when they are fresh.
#[derive(Clone, Copy, Debug)]
struct Known {
    asked_at: Timestamp,
    fresh_until: Timestamp,
}

/// What keys are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A token has to be verified.
    Keys,
    /// A token names a key that is not known.
    UnknownKey,
    /// Nobody waits: so that nobody will have to.
    Refresh,
}

/// What whoever needs keys does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Go by what is known.
    GoOn,
    /// Look again in a moment: another request fetches.
    Wait,
    /// Fetch, with this turn.
    Fetch(u32),
}

/// What has become of a set that was taken in.
#[derive(Debug, Default)]
pub struct Taken {
    /// The keys that were refused, told once for each version of the set.
    pub refused: Vec<RefusedKey>,
    /// The slots of keys that are no longer the issuer's.
    pub gone: Vec<u32>,
    /// Why nothing of it is used, when nothing is.
    pub problem: Option<&'static str>,
}

impl PublishedKeys {
    /// Keys of which nothing is known yet.
    #[must_use]
    pub fn new(source: KeySource) -> Self {
        Self { source, state: RefCell::default() }
    }

    /// The keys, as long as they may be used.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> Option<Rc<KeyRing>> {
        let state = self.state.borrow();
        state.known.filter(|known| known.is_usable(now, &self.source)).map(|_| Rc::clone(&state.ring))
    }

    /// Whether the keys are those of this generation, and fresh.
    #[must_use]
    pub fn is_unchanged(&self, generation: u32, now: Timestamp) -> bool {
        let state = self.state.borrow();
        state.ring.generation == generation && state.known.is_some_and(|known| known.is_fresh(now))
    }

    /// How many fetches have ended: whoever sees that number change need not fetch any more.
    #[must_use]
    pub fn ended(&self) -> u32 {
        self.state.borrow().ended
    }

    /// Whether keys are known that were asked for at a moment or later.
    #[must_use]
    pub(super) fn is_as_recent_as(&self, asked_at: Timestamp, now: Timestamp) -> bool {
        self.state.borrow().known.is_some_and(|known| known.is_past(now) && known.asked_at >= asked_at)
    }

    /// Whether what was found in the location's memory will do, so that the provider need not be asked.
    #[must_use]
    pub(super) fn is_enough(&self, need: Need, now: Timestamp) -> bool {
        self.state.borrow().known.is_some_and(|known| match need {
            Need::Keys => known.is_fresh(now),
            Need::UnknownKey => known.is_fresh(now) && !known.asked_at.has_passed(self.source.unknown_kid, now),
            Need::Refresh => known.is_fresh(now) && !known.wants_refresh(now),
        })
    }

    /// Whether the last fetch has failed, so that the provider's keys may be others than those that are known.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.state.borrow().failures > 0
    }

    /// Whether they are to be fetched.
    #[must_use]
    pub fn is_due(&self, need: Need, now: Timestamp) -> bool {
        let state = self.state.borrow();
        let has_paused = state.failed_at.is_none_or(|at| at.has_passed(state.pause(), now));
        match need {
            Need::Keys => match state.known.filter(|known| known.is_usable(now, &self.source)) {
                None => has_paused,
                // Once it has failed nobody waits for what the refresh behind the answers does as well.
                Some(known) => !known.is_fresh(now) && state.failures == 0,
            },
            Need::UnknownKey => {
                has_paused && state.asked_for_unknown_at.is_none_or(|at| at.has_passed(self.source.unknown_kid, now))
            }
            Need::Refresh => {
                has_paused && !state.is_being_fetched(now) && state.known.is_some_and(|known| known.wants_refresh(now))
            }
        }
    }

    /// What a request does next that has found `ended` fetches to have ended when it came.
    pub fn step(&self, need: Need, ended: u32, now: Timestamp) -> Step {
        let is_due = self.is_due(need, now);
        let mut state = self.state.borrow_mut();
        let is_being_fetched = state.is_being_fetched(now);
        if state.ended != ended {
            return Step::GoOn;
        }
        let lacks_keys = || state.known.is_none_or(|known| !known.is_usable(now, &self.source));
        if is_being_fetched && need != Need::Refresh && (is_due || need == Need::UnknownKey || lacks_keys()) {
            return Step::Wait;
        }
        if !is_due || is_being_fetched {
            return Step::GoOn;
        }
        state.turns = state.turns.wrapping_add(1);
        state.turn = Some((state.turns, now));
        if need == Need::UnknownKey {
            state.asked_for_unknown_at = Some(now);
        }
        Step::Fetch(state.turns)
    }

    /// Gives a turn back. `has_ended` says that the provider was asked to the end, good or bad.
    pub fn give_back(&self, turn: u32, has_ended: bool) {
        let mut state = self.state.borrow_mut();
        state.turn = state.turn.filter(|(own, _)| *own != turn);
        if has_ended {
            state.ended = state.ended.wrapping_add(1);
        }
    }

    /// Notes that no keys could be had.
    pub fn fail(&self, now: Timestamp) {
        let mut state = self.state.borrow_mut();
        state.failures = state.failures.saturating_add(1);
        state.failed_at = Some(now);
    }

    /// Takes in a set that was asked for at a moment and is fresh until another. One without any good key changes
    /// nothing: a provider that publishes nonsense must not end everybody's session.
    pub fn take(&self, text: &str, asked_at: Timestamp, fresh_until: Timestamp) -> Taken {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let mut state = self.state.borrow_mut();
        let known = Some(Known { asked_at, fresh_until });
        if state.made_of == Some(digest) {
            state.known = known;
            state.succeed();
            return Taken::default();
        }
        let is_news = state.judged != Some(digest);
        state.judged = Some(digest);
        let judged = judge_set(text, &self.source.algorithms, self.source.allows_development_keys);
        let (keys, refused) = match judged {
            Ok(judged) => (judged.keys, if is_news { judged.refused } else { Vec::new() }),
            Err(problem) => return Taken { problem: Some(problem), ..Taken::default() },
        };
        if keys.is_empty() {
            return Taken { refused, problem: Some("no_usable_key"), ..Taken::default() };
        }
        let mut gone = std::mem::take(&mut state.gone);
        if let Some(next) = state.ring.followed_by(keys) {
            state.gone = state.ring.slots_missing_in(&next);
            gone.extend(&state.gone);
            state.ring = Rc::new(next);
        }
        state.known = known;
        state.made_of = Some(digest);
        state.succeed();
        Taken { refused, gone, problem: None }
    }
}

impl State {
    fn succeed(&mut self) {
        self.failures = 0;
        self.failed_at = None;
    }

    fn is_being_fetched(&self, now: Timestamp) -> bool {
        self.turn.is_some_and(|(_, since)| !since.has_passed(PATIENCE, now))
    }

    /// How long nothing is fetched after the last failure.
    fn pause(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(8);
        FIRST_PAUSE.saturating_mul(1_u32.wrapping_shl(doublings)).min(LONGEST_PAUSE)
    }
}

impl Known {
    fn is_past(self, now: Timestamp) -> bool {
        self.asked_at <= now.plus(CLOCKS_APART)
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
