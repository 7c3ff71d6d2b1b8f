//! A circuit breaker for one shard of the ledger. While the shard fails, an isolate sends it only occasional probes.
//! The breaker does no I/O.

use std::time::Duration;

use crate::ports::LedgerError;
use crate::time::{CLOCK_SKEW, Timestamp};

/// The first pause without jitter; each further one is twice as long, up to [`LONGEST_PAUSE`]. Jitter shortens it by up
/// to half, so that isolates do not probe at the same time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// When a call is unanswered for this long, the breaker opens.
const SLOW_CALL: Duration = Duration::from_millis(750);
/// How long checks wait for the first probe. After a single failure, usually a lost connection, it tends to succeed.
const FIRST_PROBE_WAIT: Duration = Duration::from_millis(200);
/// How long a probe blocks other calls. Longer than any call takes; limited because the probe's request may be
/// canceled.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// The minimum time between two logout calls while the breaker is open.
const LOGOUT_INTERVAL: Duration = Duration::from_millis(100);

/// The purpose of a call. A check fails fast. A logout is attempted even while the breaker is open, because the user
/// may not retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Check,
    Logout,
}

/// Whether a call is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Call now. Report the result under this number.
    Allow(u64),
    /// Not now. Ask again soon, or fail with this error.
    Wait(LedgerError),
    /// Do not call. Fail with this error, the shard's last one.
    Refuse(LedgerError),
}

/// The breaker of one shard in one isolate.
#[derive(Debug, Default)]
pub struct Breaker {
    /// The number of the latest call.
    calls: u64,
    /// The number of the latest answered call.
    answered: u64,
    /// The oldest call that is unanswered since the last answer or failure.
    unanswered: Option<PendingCall>,
    open: Option<Open>,
    /// When a logout last called while the breaker was open.
    logout_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct PendingCall {
    number: u64,
    started_at: Timestamp,
}

/// The state of an open breaker.
#[derive(Debug)]
struct Open {
    cause: LedgerError,
    /// The latest call before the failure. Answers to calls up to this number do not close the breaker.
    after: u64,
    /// The number of pauses so far. At 0, the next call is a probe without a pause before it.
    pauses: u32,
    until: Timestamp,
    probe: Option<PendingCall>,
}

impl Breaker {
    /// Whether a call may be made now. The caller must report the result with `succeed`, `fail` or `abandon`.
    pub fn admit(&mut self, purpose: Purpose, now: Timestamp) -> Admission {
        self.open_if_unanswered(now);
        let refusal = self.open.as_ref().and_then(|open| open.refusal(now));
        match (refusal, purpose) {
            (None, _) => Admission::Allow(self.begin(now)),
            (Some(refusal), Purpose::Check) => refusal,
            (Some(Admission::Wait(cause) | Admission::Refuse(cause)), Purpose::Logout)
                if !self.logout_at.is_none_or(|at| at.has_passed(LOGOUT_INTERVAL, now)) =>
            {
                Admission::Wait(cause)
            }
            (Some(_), Purpose::Logout) => {
                self.logout_at = Some(now);
                self.calls = self.calls.saturating_add(1);
                Admission::Allow(self.calls)
            }
        }
    }

    /// The error that a check would get now; `None` if it may call or wait.
    pub fn refuses(&self, now: Timestamp) -> Option<LedgerError> {
        match self.open.as_ref()?.refusal(now)? {
            Admission::Refuse(cause) => Some(cause),
            Admission::Allow(_) | Admission::Wait(_) => None,
        }
    }

    /// Reports an answered call.
    pub fn succeed(&mut self, number: u64) {
        self.answered = self.answered.max(number);
        self.unanswered = self.unanswered.filter(|call| call.number > number);
        self.open = self.open.take().filter(|open| number <= open.after);
    }

    /// Reports a failed call. `jitter` is a random byte.
    pub fn fail(&mut self, number: u64, cause: LedgerError, now: Timestamp, jitter: u8) {
        match &mut self.open {
            // A later call was answered, so only this connection failed.
            None if number < self.answered => {}
            None => {
                let pauses = u32::from(matches!(cause, LedgerError::Overloaded | LedgerError::TimedOut));
                let until = if pauses > 0 { now.plus(pause(pauses, jitter)) } else { now };
                self.open = Some(Open { cause, after: self.calls, pauses, until, probe: None });
                self.unanswered = None;
            }
            Some(open) if open.is_probe(number) => {
                open.cause = cause;
                open.pauses = open.pauses.saturating_add(1);
                open.until = now.plus(pause(open.pauses, jitter));
                open.probe = None;
            }
            // The breaker opened because of a slow call; now a call has timed out.
            Some(open) if open.pauses == 0 && number > open.after && cause == LedgerError::TimedOut => {
                open.pauses = 1;
                open.until = now.plus(pause(open.pauses, jitter));
            }
            // The call started before the failure, or is a logout, whose failures must not postpone the probe.
            Some(_) => {}
        }
    }

    /// Reports a call that was canceled before its answer, together with its request or by a timeout of the caller.
    pub fn abandon(&mut self, number: u64, started_at: Timestamp, now: Timestamp, jitter: u8) {
        if started_at.has_passed(SLOW_CALL, now) {
            return self.fail(number, LedgerError::TimedOut, now, jitter);
        }
        self.unanswered = self.unanswered.filter(|call| call.number != number);
        if let Some(open) = self.open.as_mut().filter(|open| open.is_probe(number)) {
            open.probe = None;
        }
    }

    /// Opens the breaker when a call is unanswered for [`SLOW_CALL`]: it hangs, or its request was canceled without a
    /// report.
    fn open_if_unanswered(&mut self, now: Timestamp) {
        if let Some(call) = self.unanswered.filter(|call| call.started_at.has_passed(SLOW_CALL, now)) {
            let (cause, after) = (LedgerError::TimedOut, call.number.saturating_sub(1));
            self.unanswered = None;
            self.open.get_or_insert(Open { cause, after, pauses: 0, until: now, probe: None });
        }
    }

    fn begin(&mut self, now: Timestamp) -> u64 {
        self.calls = self.calls.saturating_add(1);
        let call = PendingCall { number: self.calls, started_at: now };
        match &mut self.open {
            Some(open) => open.probe = Some(call),
            None => {
                self.unanswered.get_or_insert(call);
            }
        }
        self.calls
    }
}

impl Open {
    fn refusal(&self, now: Timestamp) -> Option<Admission> {
        let is_probing = self.probe.is_some_and(|call| !call.started_at.has_passed(PROBE_LIMIT, now));
        let is_first_probe = |call: PendingCall| self.pauses == 0 && !call.started_at.has_passed(FIRST_PROBE_WAIT, now);
        if is_probing && self.probe.is_some_and(is_first_probe) {
            return Some(Admission::Wait(self.cause));
        }
        // A pause that ends later than the longest pause was set before the clock was set back.
        let is_paused = now < self.until && self.until <= now.plus(LONGEST_PAUSE).plus(CLOCK_SKEW);
        (is_probing || is_paused).then_some(Admission::Refuse(self.cause))
    }

    fn is_probe(&self, number: u64) -> bool {
        self.probe.is_some_and(|call| call.number == number)
    }
}

/// The length of the pause with this number, shortened by jitter, a random byte.
fn pause(place: u32, jitter: u8) -> Duration {
    let doublings = place.saturating_sub(1).min(8);
    let longest = FIRST_PAUSE.saturating_mul(1_u32.wrapping_shl(doublings)).min(LONGEST_PAUSE);
    let reduction = longest.saturating_mul(jitter.into()).checked_div(510).unwrap_or_default();
    longest.saturating_sub(reduction)
}
