//! The AMQP door: unmodified AMQP 0-9-1 clients on the engine, with RabbitMQ's semantics.
//!
//! A frame comes in at [`server`] and `connection`, `requests` carries out what it asks, `link` is what they work
//! on, `session` what a channel remembers, `wire` its bytes.
//!
//! **Never:** another protocol, the log, the broker; they are behind the engine.

pub mod server;
pub mod administration;
mod expiry;
mod shortages;
mod connection;
mod handshake;
mod requests;
mod publishing;
mod following;
mod consuming;
mod link;
mod ways;
mod publishes;
mod later;
mod deaths;
mod policies;
mod exchanges;
mod virtual_hosts;
mod queues;
mod limiting;
mod access;
mod users;
mod keeping;
mod tail;
mod door;
mod replies;
mod inbox;
mod session;
pub mod registry;
mod declaring;
pub mod meter;
mod routing;
mod terms;
mod natures;
mod host_nature;
mod account;
mod nature;
mod arguments;
mod alarms;
mod policy;
mod budget;
mod stream_filter;
mod stream_arguments;
mod errors;
mod rights;
mod hosts;
mod limits;
pub mod settings;
pub mod wire;

pub use server::Server;
pub use settings::{Credential, RABBITMQ_VERSION, Settings, read_credentials};
