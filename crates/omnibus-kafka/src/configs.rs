//! Kafka's configurations: their names, types and defaults, and what of them Omnibus keeps.
//!
//! A config that Omnibus does not keep is reported with Kafka's default, which is then what
//! Omnibus does, and cannot be set to anything else.

pub(crate) mod topic;
mod topic_table;
mod field;
pub(crate) mod group;
pub(crate) mod broker;
mod entry;

pub(crate) use entry::{ConfigError, Entry, Synonym};
