//! SNS: topics, and who gets what is published to them.

pub mod filter;
