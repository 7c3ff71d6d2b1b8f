//! The Worker's bindings.

/// The Worker's bindings.
pub trait Bindings {
    /// Whether a binding with this name exists.
    fn is_bound(&self, name: &str) -> bool;
}
