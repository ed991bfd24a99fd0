//! The codec: bytes to messages and back. Pure; survives any bytes.
//!
//! The messages and the table of API keys are generated from Kafka's own schemas
//! (`cargo xtask codegen`, ADR 0030). What is written by hand is what they stand on:
//! [`Input`] and [`Output`], and how a frame begins ([`header`]).
//!
//! **Never:** a panic, an unchecked index, an allocation that the bytes received do not pay for.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod messages;
pub mod header;
pub mod exchange;
pub mod api_key;
mod key_table;
pub mod error_code;
pub mod output;
pub mod input;
pub mod primitive;

pub use api_key::ApiKey;
pub use error_code::ErrorCode;
pub use exchange::{Message, Request};
pub use input::{DecodeError, Input};
pub use output::{EncodeError, Output, Records};
pub use primitive::{Form, Versions, WireString};
