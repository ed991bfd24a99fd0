//! Connections between the nodes of a cluster (`docs/formats/peer-connection.md`).
//!
//! A node asks over connections that it opened itself ([`Lines`]), one for each other node and for
//! all shards, and answers on those that others opened ([`Door`]). What is asked and answered is
//! bytes with a [`Service`] written on them.
//!
//! **Never:** what a request says, a clock beside the runtime's, or a wait without an end: a request
//! is answered, or fails when its connection does.

mod door;
mod lines;
mod line;
mod traffic;
mod hello;
mod frame;

pub use door::{Answering, Answers, Door};
pub use frame::{FRAME_BYTES_MAX, Service};
pub use hello::{Hello, Identity};
pub use line::CallError;
pub use lines::{Calling, Departures, Lines};

/// What a fuzzer feeds.
#[doc(hidden)]
pub mod testing {
    pub use crate::frame::{FrameHeader, HEADER_BYTES};
    pub use crate::hello::read_hello;
}
