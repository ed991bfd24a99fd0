//! Posts to other people's HTTP servers: what a broker tells those who want to be told.
//!
//! A [`Poster`] makes one request at a time per connection, keeps connections that may be used again,
//! follows no redirect, reads little of an answer, and calls no address that its [`Reach`] forbids,
//! whatever a name resolves to.
//!
//! **Never:** what is posted, or what becomes of it when nobody takes it.

mod poster;
mod pool;
mod connecting;
mod challenge;
mod target;
mod tls;
pub mod reach;
mod error;

pub use error::{PostError, SetupError};
pub use poster::{Answer, BASIC, Post, Poster, Settings};
pub use reach::Reach;
