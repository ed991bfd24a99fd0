//! RabbitMQ's management HTTP API over the AMQP door, for tools and clients that look after a broker by it.
//!
//! Reading order: what listens (`server`), what is served where (`routes`), what each request does (`requests`), how
//! lists are cut (`listing`) and values written (`json`), and what all of them know (`site`).
//!
//! **Never:** decisions; what AMQP's clients may do is the door's to say.

pub mod server;
mod routes;
mod requests;
mod login;
mod listing;
mod answers;
mod json;
mod keys;
mod entrance;
pub mod site;

pub use server::Server;
pub use site::{Listening, Site};
