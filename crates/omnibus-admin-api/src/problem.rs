//! How a refusal looks: the body of every answer that is not 2xx.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wrong, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: Code,
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What kind of problem it is; programs may rely on these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    UnknownTopic,
    UnknownPartition,
    UnknownGroup,
    UnknownNode,
    UnknownPath,
    TopicExists,
    GroupNotEmpty,
    NodeRemoved,
    NodeNeeded,
    OffsetOutOfRange,
    Invalid,
    TooLarge,
    LimitReached,
    Changed,
    DiskFull,
    Damaged,
    NotLeader,
    Unavailable,
    Internal,
}

impl Code {
    /// The status that an answer with this code has.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::UnknownTopic
            | Self::UnknownPartition
            | Self::UnknownGroup
            | Self::UnknownNode
            | Self::UnknownPath => 404,
            Self::TopicExists | Self::GroupNotEmpty | Self::NodeRemoved | Self::NodeNeeded | Self::Changed => 409,
            Self::OffsetOutOfRange => 416,
            Self::Invalid => 400,
            Self::TooLarge => 413,
            Self::LimitReached => 422,
            Self::DiskFull => 507,
            Self::NotLeader | Self::Unavailable => 503,
            Self::Damaged | Self::Internal => 500,
        }
    }
}

impl Problem {
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), next: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.next {
            Some(next) => write!(f, "; {next}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
