//! How reading fails, in Python's terms.

/// Why a text was not read.
#[derive(Debug)]
pub enum Failure {
    /// Python's `JSONDecodeError`: its `msg`, and its `pos` in code points.
    Syntax { message: &'static str, position: usize },
    /// Python's `RecursionError`, or its `ValueError` for an integer that is too long.
    Unsupported,
}
