//! Calls to the ledger.

use std::time::Duration;

/// Why a call to the ledger failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LedgerError {
    /// The Worker has no ledger binding.
    Absent,
    /// A transient error. A retry with a new stub may succeed.
    Retryable,
    /// The object is overloaded. A retry makes this worse.
    Overloaded,
    /// Any other error, or a malformed answer.
    Failed,
    /// No answer within the time limit.
    TimedOut,
    /// The shard's storage is full: it records no more logouts.
    Full,
}

impl LedgerError {
    /// The reason in the log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Absent => "ledger_absent",
            Self::Retryable => "ledger_unreachable",
            Self::Overloaded => "ledger_overloaded",
            Self::Failed => "ledger_failed",
            Self::TimedOut => "ledger_timed_out",
            Self::Full => "ledger_full",
        }
    }
}

/// The shards of the ledger.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait LedgerShards {
    /// Sends an encoded [`crate::revocation::ledger::Call`] to a shard. Returns the encoded
    /// [`crate::revocation::ledger::Answer`].
    ///
    /// # Errors
    /// [`LedgerError::TimedOut`] when there is no answer within `limit`, or another error of the call.
    async fn ask(&self, shard: u32, call: &[u8], limit: Duration) -> Result<Vec<u8>, LedgerError>;
}
