//! The SQS door: unmodified SQS and SNS clients on the engine.
//!
//! A request comes in at [`server`] and `connection`, `requests` carries it out, `wire` is its bytes.
//! SNS is here, too: it speaks the same protocols to the same callers. `topics` is what it does,
//! [`sns`] what can be said of it without an engine.
//!
//! **Never:** another protocol, the log, the broker; they are behind the engine.

pub mod server;
mod connection;
mod requests;
mod topics;
mod outgoing;
mod session;
mod answer;
mod protection;
mod queues;
mod door;
mod rest;
mod handles;
mod signing;
mod attributes;
mod policy;
mod access;
pub mod sns;
mod content;
mod sigv4;
mod names;
mod errors;
mod sns_error;
pub mod settings;
mod place;
pub mod wire;

pub use server::Server;
pub use settings::{Credential, Encryption, Pace, Settings, Signatures, read_credentials};
