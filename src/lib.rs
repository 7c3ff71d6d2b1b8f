//! Edge logout ends sessions at the edge.
//!
//! A Cloudflare Worker that implements the published logout endpoints of five vendors, verifies their bearer tokens,
//! records revocations with lifetimes that match the tokens, and tells APIs whether a token is still active.
//!
//! # Project layout
//!
//! In the order in which a request passes the modules:
//!
//! | module | content |
//! |---|---|
//! | [`service`] | request handling: routing, the endpoint, the response and its log line |
//! | [`route_table`] | routing by method, host and path |
//! | [`endpoints`] | logout, check, batch check, guards, health, readiness, OpenAPI |
//! | [`contracts`] | the vendors' published endpoints: paths, credentials, scopes, response bodies |
//! | [`token`] | bearer header, signature and claims: token verification |
//! | [`keys`] | the issuers' keys: configured ones, and published ones, which are fetched and rotate |
//! | [`revocation`] | revocations: the ledger, the replica in each isolate, Workers KV |
//! | [`config`] | the configuration table in `wrangler.toml`: parsing and error messages |
//! | [`json`] | a JSON reader and writer |
//! | [`tool`] | the code behind `npm run check`: configuration errors, published keys, a sample token |
//! | [`wait`] | timeouts, and waiting for several futures |
//! | [`ports`] | the interfaces to the platform: clock, ledger, Workers KV, signatures |
//!
//! Only `edge` uses Cloudflare's APIs. It is compiled only for wasm32, so the compiler enforces that the core does not
//! depend on them, and `cargo test` runs everything else natively.

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
