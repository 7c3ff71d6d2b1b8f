//! Edge logout ends sessions at the edge.
//!
//! A Cloudflare Worker that answers the published logout endpoints of five systems, verifies their bearer tokens,
//! records revocations with lifetimes that match the tokens' own, and tells every API that asks whether a token is good.
//!
//! # Project layout
//!
//! A request passes these modules in this order:
//!
//! | module | what it decides |
//! |---|---|
//! | [`service`] | the way of a request, from the wire to the reply and its log line |
//! | [`route_table`] | method, host and path: what answers |
//! | [`endpoints`] | the use cases: log out, judge a token, guard an API, say that the service is well |
//! | [`contracts`] | what each vendor publishes: paths, credential, scopes, success and failure bodies |
//! | [`token`] | bearer header, signature, claims: what makes a token good |
//! | [`keys`] | whose keys count: those that are configured, and those that are fetched and rotate |
//! | [`revocation`] | what is recorded when a session ends, for how long; the ledger, its feed, and what a revoked token is |
//! | [`config`] | the one table in `wrangler.toml`: parsing and refusals |
//! | [`json`] | how JSON is read and written |
//! | [`tool`] | what `npm run check` runs: a table's refusals, published keys, a sample token |
//! | [`wait`] | limits of time, and waiting for several futures |
//! | [`ports`] | what the core asks of the platform: clock, ledger, index, signatures |
//!
//! Only `edge` names Cloudflare's platform, and it is compiled for wasm32 alone, so the compiler itself keeps the core
//! free of it and everything else runs in `cargo test` natively.

pub mod config;
pub mod contracts;
pub mod cors;
pub mod endpoints;
pub mod http;
pub mod json;
pub mod keys;
pub mod log;
pub mod ports;
pub mod revocation;
pub mod route_table;
pub mod service;
pub mod time;
pub mod token;
pub mod tool;
pub mod wait;

#[cfg(target_arch = "wasm32")]
pub mod edge;
