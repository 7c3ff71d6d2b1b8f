//! The use cases, in the words of the domain.

pub mod health;
mod known_user;
pub mod logout;
pub mod openapi;
