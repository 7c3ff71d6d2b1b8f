//! A circuit breaker for one shard of the ledger: while the shard fails, an isolate asks it only now and then. Pure.

use std::time::Duration;

use crate::ports::LedgerError;
use crate::time::{CLOCK_SKEW, Timestamp};

/// The first pause without jitter; each further one is twice as long, up to [`LONGEST_PAUSE`]. Jitter shortens it by up
/// to half, so that isolates do not probe at the same time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A shard that does not answer a call for this long gets one call at a time.
const SLOW: Duration = Duration::from_millis(750);
/// How long checks wait for the next call to a shard that failed once: mostly a connection was lost.
const SECOND_OPINION: Duration = Duration::from_millis(200);
/// How long a probe blocks other calls. Longer than any call takes, but limited, since its request may be gone.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// The least time between calls of logouts while the shard fails.
const BETWEEN_LOGOUTS: Duration = Duration::from_millis(100);

/// What a call is for. A check fails fast; a logout gets its try even while the shard fails, since its user may not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Check,
    Logout,
}

/// The breaker's answer to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Call, with this number.
    Go(u64),
    /// Ask again in a moment, or fail with this error.
    Wait(LedgerError),
    /// Do not call: the shard failed like this a moment ago.
    Refuse(LedgerError),
}

/// The state of a shard, as one isolate knows it.
#[derive(Debug, Default)]
pub struct Breaker {
    /// The number of the latest call.
    calls: u64,
    /// The number of the latest call that was answered.
    answered: u64,
    /// The first call without an answer or failure since.
    waiting: Option<Call>,
    open: Option<Open>,
    /// When a logout last called although the shard was failing.
    logout_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    number: u64,
    begun_at: Timestamp,
}

/// The shard is failing.
#[derive(Debug)]
struct Open {
    cause: LedgerError,
    /// The latest call before the failure. Answers up to this number do not close the breaker.
    after: u64,
    /// The number of pauses so far. Before the first pause, one more call is let through.
    pauses: u32,
    until: Timestamp,
    probe: Option<Call>,
}

impl Breaker {
    /// Whether a call may be made now. Whoever makes it must report its end by `succeed`, `fail` or `abandon`.
    pub fn admit(&mut self, purpose: Purpose, now: Timestamp) -> Admission {
        self.look_at_waiting(now);
        let refusal = self.open.as_ref().and_then(|open| open.refusal(now));
        match (refusal, purpose) {
            (None, _) => Admission::Go(self.begin(now)),
            (Some(refusal), Purpose::Check) => refusal,
            (Some(Admission::Wait(cause) | Admission::Refuse(cause)), Purpose::Logout)
                if !self.logout_at.is_none_or(|at| at.has_passed(BETWEEN_LOGOUTS, now)) =>
            {
                Admission::Wait(cause)
            }
            (Some(_), Purpose::Logout) => {
                self.logout_at = Some(now);
                self.calls = self.calls.saturating_add(1);
                Admission::Go(self.calls)
            }
        }
    }

    /// The error with which a check would be refused now, if any.
    pub fn refuses(&self, now: Timestamp) -> Option<LedgerError> {
        match self.open.as_ref()?.refusal(now)? {
            Admission::Refuse(cause) => Some(cause),
            Admission::Go(_) | Admission::Wait(_) => None,
        }
    }

    /// Notes that a call was answered.
    pub fn succeed(&mut self, number: u64) {
        self.answered = self.answered.max(number);
        self.waiting = self.waiting.filter(|call| call.number > number);
        self.open = self.open.take().filter(|open| number <= open.after);
    }

    /// Notes that a call has failed; `chance` is the jitter.
    pub fn fail(&mut self, number: u64, cause: LedgerError, now: Timestamp, chance: u8) {
        match &mut self.open {
            // The shard has answered since: one lost connection says nothing of the others.
            None if number < self.answered => {}
            None => {
                let pauses = u32::from(matches!(cause, LedgerError::Overloaded | LedgerError::TimedOut));
                let until = if pauses > 0 { now.plus(pause(pauses, chance)) } else { now };
                self.open = Some(Open { cause, after: self.calls, pauses, until, probe: None });
                self.waiting = None;
            }
            Some(open) if open.is_probe(number) => {
                open.cause = cause;
                open.pauses = open.pauses.saturating_add(1);
                open.until = now.plus(pause(open.pauses, chance));
                open.probe = None;
            }
            // It was only slow so far; now a call has timed out.
            Some(open) if open.pauses == 0 && number > open.after && cause == LedgerError::TimedOut => {
                open.pauses = 1;
                open.until = now.plus(pause(open.pauses, chance));
            }
            // It began before the failure, or is a logout, whose failures must not delay the probe.
            Some(_) => {}
        }
    }

    /// Notes that a call was dropped without an answer: its request has ended, or has waited long enough.
    pub fn abandon(&mut self, number: u64, begun_at: Timestamp, now: Timestamp, chance: u8) {
        if begun_at.has_passed(SLOW, now) {
            return self.fail(number, LedgerError::TimedOut, now, chance);
        }
        self.waiting = self.waiting.filter(|call| call.number != number);
        if let Some(open) = self.open.as_mut().filter(|open| open.is_probe(number)) {
            open.probe = None;
        }
    }

    /// Opens when a call had no answer for [`SLOW`]: it hangs, or its request is gone. The next call shows which.
    fn look_at_waiting(&mut self, now: Timestamp) {
        if let Some(call) = self.waiting.filter(|call| call.begun_at.has_passed(SLOW, now)) {
            let (cause, after) = (LedgerError::TimedOut, call.number.saturating_sub(1));
            self.waiting = None;
            self.open.get_or_insert(Open { cause, after, pauses: 0, until: now, probe: None });
        }
    }

    fn begin(&mut self, now: Timestamp) -> u64 {
        self.calls = self.calls.saturating_add(1);
        let call = Call { number: self.calls, begun_at: now };
        match &mut self.open {
            Some(open) => open.probe = Some(call),
            None => {
                self.waiting.get_or_insert(call);
            }
        }
        self.calls
    }
}

impl Open {
    fn refusal(&self, now: Timestamp) -> Option<Admission> {
        let is_probing = self.probe.is_some_and(|call| !call.begun_at.has_passed(PROBE_LIMIT, now));
        let is_promising = |call: Call| self.pauses == 0 && !call.begun_at.has_passed(SECOND_OPINION, now);
        if is_probing && self.probe.is_some_and(is_promising) {
            return Some(Admission::Wait(self.cause));
        }
        // An end further away than any pause is from before a clock was set back.
        let is_paused = now < self.until && self.until <= now.plus(LONGEST_PAUSE).plus(CLOCK_SKEW);
        (is_probing || is_paused).then_some(Admission::Refuse(self.cause))
    }

    fn is_probe(&self, number: u64) -> bool {
        self.probe.is_some_and(|call| call.number == number)
    }
}

/// The length of the pause with this number, shortened by jitter.
fn pause(place: u32, chance: u8) -> Duration {
    let doublings = place.saturating_sub(1).min(8);
    let longest = FIRST_PAUSE.saturating_mul(1_u32.wrapping_shl(doublings)).min(LONGEST_PAUSE);
    let jitter = longest.saturating_mul(chance.into()).checked_div(510).unwrap_or_default();
    longest.saturating_sub(jitter)
}
