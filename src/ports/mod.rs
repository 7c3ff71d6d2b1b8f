//! The interfaces between the core and the platform. `edge` implements them for Cloudflare Workers, the tests natively.

mod bindings;
mod clock;
mod directory;
mod index;
mod journal;
mod ledger;
mod rate_limits;
mod session_store;
mod shared_memory;
mod signatures;
mod web;

pub use self::bindings::Bindings;
pub use self::clock::Clock;
pub use self::directory::Directory;
pub use self::index::{Index, IndexError, KvEntry, KvLifetime};
pub use self::journal::{Journal, KeyEvent};
pub use self::ledger::{LedgerError, LedgerShards};
pub use self::rate_limits::RateLimits;
pub use self::session_store::SessionStore;
pub use self::shared_memory::SharedMemory;
pub use self::signatures::Signatures;
pub use self::web::{Fetched, Web, WebError};

/// An external service failed or did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// All ports that the service needs.
pub trait Platform:
    Bindings
    + Clock
    + Directory
    + Index
    + Journal
    + LedgerShards
    + RateLimits
    + SessionStore
    + SharedMemory
    + Signatures
    + Web
{
}

impl<T> Platform for T where
    T: Bindings
        + Clock
        + Directory
        + Index
        + Journal
        + LedgerShards
        + RateLimits
        + SessionStore
        + SharedMemory
        + Signatures
        + Web
{
}
