//! Cloudflare's platform: the only place that names it. Thin: what is decided is decided in the core.

mod entry;
mod environment;
mod kv;
mod platform;
mod redis;
mod request;
mod response;
mod webcrypto;
