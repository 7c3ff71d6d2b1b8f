//! The use cases, in the words of the domain.

pub mod batch_check;
mod body;
pub mod check;
mod client_credential;
mod credential;
pub mod guard;
pub mod health;
pub mod judge;
mod known_token;
mod known_user;
pub mod logout;
pub mod openapi;
mod original;
pub mod readiness;
