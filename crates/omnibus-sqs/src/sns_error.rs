//! What SNS says no with. Its codes are not the names of its shapes.

use thiserror::Error;

/// Why SNS did not carry out a request; the texts are AWS's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum SnsError {
    #[error("Invalid parameter: {0}")]
    InvalidParameter(String),
    /// One that AWS words in another way.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    ParameterValueInvalid(String),
    #[error(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    )]
    MemberMissing { member: String },
    #[error("{what} does not exist")]
    NotFound { what: &'static str },
    #[error("User is not authorized to perform: SNS:{action} on resource: {resource}")]
    AuthorizationError { action: &'static str, resource: String },
    #[error("Resource does not exist")]
    ResourceNotFound,
    #[error("The batch request contains more entries than permissible.")]
    TooManyEntriesInBatchRequest,
    #[error("The batch request doesn't contain any entries.")]
    EmptyBatchRequest,
    #[error("Two or more batch entries in the request have the same Id.")]
    BatchEntryIdsNotDistinct,
    #[error("The length of all the messages put together is more than the limit.")]
    BatchRequestTooLong,
    #[error("The Id of a batch entry in the batch request {0}")]
    InvalidBatchEntryId(String),
    #[error("Could not complete request: tag quota of per resource exceeded")]
    TagLimitExceeded,
    #[error("The limit is reached: {0}")]
    TopicLimitExceeded(String),
    #[error("The limit is reached: {0}")]
    SubscriptionLimitExceeded(String),
    #[error("The topic has {max} subscriptions with a filter policy, the most it may")]
    FilterPolicyLimitExceeded { max: usize },
    #[error("The topic is changed by others all the time; try again")]
    ConcurrentAccess,
    #[error("The operation {action} is not supported: {reason}")]
    OperationUnsupported { action: &'static str, reason: &'static str },
}

impl SnsError {
    /// The code on the wire, and the status of the answer.
    pub(crate) const fn code(&self) -> (&'static str, u16) {
        match self {
            Self::InvalidParameter(_) | Self::Invalid(_) => ("InvalidParameter", 400),
            Self::ParameterValueInvalid(_) => ("ParameterValueInvalid", 400),
            Self::MemberMissing { .. } => ("ValidationError", 400),
            Self::NotFound { .. } => ("NotFound", 404),
            Self::AuthorizationError { .. } => ("AuthorizationError", 403),
            Self::ResourceNotFound => ("ResourceNotFound", 404),
            Self::TooManyEntriesInBatchRequest => ("TooManyEntriesInBatchRequest", 400),
            Self::EmptyBatchRequest => ("EmptyBatchRequest", 400),
            Self::BatchEntryIdsNotDistinct => ("BatchEntryIdsNotDistinct", 400),
            Self::BatchRequestTooLong => ("BatchRequestTooLong", 400),
            Self::InvalidBatchEntryId(_) => ("InvalidBatchEntryId", 400),
            Self::TagLimitExceeded => ("TagLimitExceeded", 400),
            Self::TopicLimitExceeded(_) => ("TopicLimitExceeded", 403),
            Self::SubscriptionLimitExceeded(_) => ("SubscriptionLimitExceeded", 403),
            Self::FilterPolicyLimitExceeded { .. } => ("FilterPolicyLimitExceeded", 403),
            Self::ConcurrentAccess => ("ConcurrentAccess", 400),
            Self::OperationUnsupported { .. } => ("InvalidAction", 400),
        }
    }
}
