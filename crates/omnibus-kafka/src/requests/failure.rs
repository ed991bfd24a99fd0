//! Why something was not done, in a code and in words.

use omnibus_engine::SubmitError;

use crate::configs::ConfigError;
use crate::errors::submit_error;
use crate::wire::{ErrorCode, WireString};

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) error: ErrorCode,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }

    pub(super) fn wire_message(&self) -> Option<WireString> {
        Some(self.message.as_str().into())
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        Self::new(submit_error(&error), error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let code = match &error {
            ConfigError::NotDynamic { .. } => ErrorCode::InvalidRequest,
            _ => ErrorCode::InvalidConfig,
        };
        Self::new(code, error.to_string())
    }
}
