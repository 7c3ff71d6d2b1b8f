//! Parsing of requests, their credentials, and what callers may ask for.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod callers;
mod cookies;
mod guard_paths;
mod originals;
mod token_kinds;
