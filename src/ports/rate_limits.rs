//! The rate limiting binding.

/// The rate limiting binding: the platform counts look-ups by address, for 10 or 60 seconds.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait RateLimits {
    /// Counts one more look-up; whether it is within the limit. True without a binding, and when the binding fails.
    async fn is_within_limit(&self, address: &str) -> bool;
}
