//! The rate limiting binding.

/// The rate limiting binding, which counts lookups by address over 10 or 60 seconds.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait RateLimits {
    /// Counts a lookup. Returns whether it is within the limit; `true` without a binding and when the binding fails.
    async fn is_within_limit(&self, address: &str) -> bool;
}
