//! The Kafka door: unmodified Kafka clients on the engine.
//!
//! A frame comes in at [`connection`], `requests` carries it out, `wire` is its bytes.
//!
//! **Never:** another protocol, the log, the broker; they are behind the engine.

pub mod server;
mod connection;
mod requests;
mod cluster;
pub mod session;
pub mod client;
mod budget;
mod patterns;
mod listed;
mod configs;
mod errors;
pub mod wire;

pub use cluster::DOOR;
pub use server::Server;
pub use session::Settings;
