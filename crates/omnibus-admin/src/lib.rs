//! The admin door: health, metrics, and the JSON API that the command line speaks.
//!
//! Reading order: what listens (`server`), what is served where (`routes`), what each
//! request does (`requests`, `metrics`), and what they know of the node (`node`).
//!
//! **Never:** decisions; this door shows and asks, the engine decides. Never a wire type of
//! another protocol.

pub mod server;
mod routes;
mod metrics;
mod requests;
mod errors;
pub mod node;
mod topic_config;
mod queue_config;
mod log_counters;
pub mod process;

pub use node::Node;
pub use queue_config::{QUEUE_KEYS, QueueKey};
pub use routes::router;
pub use server::Listener;
pub use topic_config::{TOPIC_KEYS, TopicKey};
