//! AMQP 0-9-1 as bytes, pure: frames, methods and their fields, with RabbitMQ's extensions.
//!
//! Tables and properties are `omnibus-record`'s, which reads them in stored messages, too.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod frame;
pub mod method;
pub mod header;
pub mod field;

pub use field::{LongText, ShortText};
pub use frame::{Frame, FrameAt, FrameError, FrameKind};
pub use header::ContentHeader;
pub use method::{Method, MethodError};
pub use omnibus_record::amqp::{Properties, Table, Value};
