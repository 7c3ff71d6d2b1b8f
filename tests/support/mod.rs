//! What the native tests share: the shipped configuration, a platform that answers natively, and tokens to order.
#![allow(dead_code, missing_docs, clippy::missing_panics_doc, clippy::must_use_candidate)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, clippy::string_slice, clippy::unused_self)]

pub mod asking;
pub mod authority;
pub mod clock;
pub mod crypto;
pub mod fragile;
pub mod issuers;
pub mod keys;
pub mod platform;
pub mod request;
pub mod rows;
pub mod shards;
pub mod shipped;
pub mod tokens;
pub mod web;

pub use clock::run;
