//! Whether the process may go on.

/// Whether the process may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Well,
    /// A write failed; nothing is acknowledged any more, and the process should end.
    Broken {
        reason: String,
    },
}
