//! The use cases, in the words of the domain.

mod body;
mod credential;
pub mod health;
mod known_user;
pub mod logout;
pub mod openapi;
