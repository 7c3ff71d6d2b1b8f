//! What the core asks of the platform. `edge` answers with Cloudflare's; tests answer natively.

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

/// Something outside did not answer as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// All that the service needs.
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
