//! What is bound to the Worker.

/// What is bound to the Worker.
pub trait Bindings {
    /// Whether there is a binding of this name.
    fn is_bound(&self, name: &str) -> bool;
}
