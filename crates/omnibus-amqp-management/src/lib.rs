//! RabbitMQ's management HTTP API and its metrics over the AMQP door, for tools that look after a broker by them.
//!
//! Reading order: what listens (`server`), what is served where (`routes`), what each request does (`requests`), what
//! Prometheus is told under RabbitMQ's names (`metrics`), how lists are cut (`listing`) and values written (`json`), and what all of them know (`site`).
//!
//! **Never:** decisions; what AMQP's clients may do is the door's to say.

pub mod server;
mod routes;
mod metrics;
mod requests;
mod login;
mod caller;
mod listing;
mod answers;
mod json;
mod keys;
mod rates;
mod entrance;
pub mod site;

pub use server::Server;
pub use site::{Listening, Process, Site};
