//! The endpoints, without platform code.

pub mod batch_check;
mod body;
mod caller;
pub mod check;
pub mod client_credential;
mod credential;
pub mod guard;
pub mod health;
pub mod judge;
mod known_token;
mod known_user;
pub mod logout;
pub mod openapi;
mod original;
mod presented;
pub mod readiness;
