//! SNS: topics, and who gets what is published to them.

pub(crate) mod routing;
pub(crate) mod retries;
pub mod filter;
pub(crate) mod names;
pub(crate) mod endpoint;
pub(crate) mod sequences;
