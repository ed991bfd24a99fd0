//! Whether a request is to be carried out.

/// What is wanted of a request that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    CarryOut,
    /// Say whether it could be done, and do nothing.
    Check,
}

impl From<bool> for Mode {
    /// Reads the flag `validate_only`.
    fn from(validate_only: bool) -> Self {
        if validate_only { Self::Check } else { Self::CarryOut }
    }
}
