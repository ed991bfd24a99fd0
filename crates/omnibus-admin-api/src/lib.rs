//! The JSON of the admin API, shared by its server and its clients.
//!
//! Paths are versioned (`/v1/…`); within a version fields are only ever added. Reading
//! order: what is asked about (`topic`, `queue`, `record`, `group`, `node`, `cluster`, `scrub`), how a refusal looks
//! (`problem`), how bytes, spans and sizes are written down (`data`, `unit`), and
//! what somebody probably meant (`nearest`).
//!
//! **Never:** I/O, what the engine holds behind these words.

pub mod topic;
pub mod queue;
pub mod record;
pub mod group;
pub mod node;
pub mod cluster;
pub mod scrub;
pub mod problem;
pub mod data;
pub mod unit;
pub mod nearest;

pub use data::Data;
pub use nearest::nearest;
pub use problem::{Code, Problem};
pub use unit::{Size, Span, UnitError};
