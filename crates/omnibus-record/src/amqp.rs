//! AMQP's tables and properties, as messages carry them: read, written, and bounded in depth.
//!
//! They are here and not at the door, as readers of other protocols see what is in them, too.

mod value;
mod properties;

use thiserror::Error;

pub use properties::Properties;
pub use value::{Table, Value};

/// Why bytes are no table, or no properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("AMQP's {part} cannot be read")]
pub struct MalformedAmqp {
    pub part: &'static str,
}

const fn malformed(part: &'static str) -> MalformedAmqp {
    MalformedAmqp { part }
}
