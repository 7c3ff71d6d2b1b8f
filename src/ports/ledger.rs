//! The way to the ledger.

use std::time::Duration;

/// Why the ledger did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LedgerError {
    /// Nothing is bound as the ledger.
    Absent,
    /// A fault that may be gone at the next try, with a new stub.
    Retryable,
    /// It has too much to do: trying again makes it worse.
    Overloaded,
    /// Any other refusal, or an answer that cannot be read.
    Failed,
    /// No answer within the time that a request may wait for it.
    TimedOut,
    /// Its storage is full: it takes no more logouts.
    Full,
}

impl LedgerError {
    /// The word that the log has for it.
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

/// The ledger: the durable, ordered authority on revocations, in shards.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait LedgerShards {
    /// The answer of a shard to a call; see [`crate::revocation::ledger::Call`] and [`crate::revocation::ledger::Answer`].
    ///
    /// # Errors
    /// [`LedgerError::TimedOut`] when there is none within `limit`.
    async fn ask(&self, shard: u32, call: &[u8], limit: Duration) -> Result<Vec<u8>, LedgerError>;
}
