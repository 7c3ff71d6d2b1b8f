//! How a request is read, whose credential it carries, and who may ask for what.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod callers;
mod cookies;
mod guard_paths;
mod originals;
mod token_kinds;
