//! What each refusal and failure is called on the wire. The only place that knows.

#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use omnibus_engine::{ReadError, SubmitError};
use omnibus_model::Refusal;
use omnibus_model::refusal::Limited;
use thiserror::Error;

use crate::sns_error::SnsError;
use crate::wire::DecodeError;

/// Why a request was not carried out; the texts are AWS's, which clients and their tests read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ApiError {
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    #[error("A queue already exists with the same name and a different value for attribute {attribute}")]
    QueueNameExists { attribute: String },
    #[error("The name is taken by a topic that is not a queue.")]
    NameIsTopic,
    #[error("You must wait 60 seconds after deleting a queue before you can create another with the same name.")]
    QueueDeletedRecently,
    #[error("Only one PurgeQueue operation on {queue} is allowed every 60 seconds.")]
    PurgeQueueInProgress { queue: String },
    #[error("Maximum number of entries per request are 10. You have sent {sent}.")]
    TooManyEntriesInBatchRequest { sent: usize },
    #[error("There should be at least one {entry} in the request.")]
    EmptyBatchRequest { entry: &'static str },
    #[error("Id {id} repeated.")]
    BatchEntryIdsNotDistinct { id: String },
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 \
         letters long."
    )]
    InvalidBatchEntryId,
    #[error("Batch requests cannot be longer than {max} bytes. You have sent {sent} bytes.")]
    BatchRequestTooLong { sent: usize, max: usize },
    #[error("{0}")]
    InvalidParameterValue(String),
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    #[error("{0}")]
    InvalidAttributeName(String),
    #[error("{0}")]
    InvalidAttributeValue(String),
    #[error("The input receipt handle \"{handle}\" is not a valid receipt handle.")]
    ReceiptHandleIsInvalid { handle: String },
    #[error("{0}")]
    OverLimit(String),
    /// More ids in five minutes than a queue remembers: it may be sent again later, and clients do so by themselves.
    #[error("{0}")]
    RequestThrottled(String),
    #[error("{0}")]
    InvalidMessageContents(String),
    #[error("{0}")]
    ResourceNotFound(String),
    #[error("{0}")]
    UnsupportedOperation(String),
    #[error("The address {0} is not valid for this endpoint.")]
    InvalidAddress(String),

    #[error(transparent)]
    Sns(#[from] SnsError),

    #[error("The action {0} is not valid for this endpoint.")]
    InvalidAction(String),
    #[error("Unknown operation.")]
    UnknownOperation,
    #[error("{0}")]
    Serialization(String),
    #[error("Request must contain a signature that conforms to AWS standards")]
    MissingAuthenticationToken,
    #[error("The security token included in the request is invalid.")]
    UnrecognizedClient,
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details."
    )]
    SignatureDoesNotMatch,
    #[error("{0}")]
    IncompleteSignature(String),
    #[error(
        "User: {caller} is not authorized to perform: sqs:{action} on resource: {resource} because no resource-based \
         policy allows the sqs:{action} action"
    )]
    AccessDenied { caller: String, action: &'static str, resource: String },
    #[error("Signature expired: the request is more than {minutes} minutes away from now.")]
    RequestExpired { minutes: i64 },

    #[error("The request body has more than {max} bytes.")]
    BodyTooLong { max: usize },
    #[error("The service is not available: {0}.")]
    ServiceUnavailable(String),
    #[error("The request could not be carried out: {0}.")]
    InternalFailure(String),
}

/// What an error is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    namespace: &'static str,
    shape: &'static str,
    /// Where older clients know the error by another name.
    code: Option<&'static str>,
    pub(crate) status: u16,
}

const SQS: &str = "com.amazonaws.sqs";
const SNS: &str = "com.amazonaws.sns";
const SERVICE: &str = "com.amazon.coral.service";

/// An error that older clients know as `AWS.SimpleQueueService.` and its name.
const fn simple(shape: &'static str, status: u16) -> Kind {
    Kind { namespace: SQS, shape, code: None, status }
}

const fn sqs(shape: &'static str, code: &'static str, status: u16) -> Kind {
    Kind { namespace: SQS, shape, code: Some(code), status }
}

const fn service(shape: &'static str, code: &'static str, status: u16) -> Kind {
    Kind { namespace: SERVICE, shape, code: Some(code), status }
}

impl Kind {
    /// The name of the JSON shape, with its namespace.
    pub(crate) fn shape(&self) -> String {
        format!("{}#{}", self.namespace, self.shape)
    }

    /// The code of the Query protocol.
    pub(crate) fn code(&self) -> String {
        self.code.map_or_else(|| format!("AWS.SimpleQueueService.{}", self.shape), str::to_owned)
    }
}

impl ApiError {
    /// What the error is called.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::QueueDoesNotExist => sqs("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400),
            Self::QueueNameExists { .. } | Self::NameIsTopic => sqs("QueueNameExists", "QueueAlreadyExists", 400),
            Self::QueueDeletedRecently => simple("QueueDeletedRecently", 400),
            Self::PurgeQueueInProgress { .. } => simple("PurgeQueueInProgress", 403),
            Self::TooManyEntriesInBatchRequest { .. } => simple("TooManyEntriesInBatchRequest", 400),
            Self::EmptyBatchRequest { .. } => simple("EmptyBatchRequest", 400),
            Self::BatchEntryIdsNotDistinct { .. } => simple("BatchEntryIdsNotDistinct", 400),
            Self::InvalidBatchEntryId => simple("InvalidBatchEntryId", 400),
            Self::BatchRequestTooLong { .. } => simple("BatchRequestTooLong", 400),
            Self::InvalidParameterValue(_) => sqs("InvalidParameterValueException", "InvalidParameterValue", 400),
            Self::MissingParameter(_) => sqs("MissingRequiredParameterException", "MissingParameter", 400),
            Self::InvalidAttributeName(_) => sqs("InvalidAttributeName", "InvalidAttributeName", 400),
            Self::InvalidAttributeValue(_) => sqs("InvalidAttributeValue", "InvalidAttributeValue", 400),
            Self::ReceiptHandleIsInvalid { .. } => sqs("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 400),
            Self::OverLimit(_) => sqs("OverLimit", "OverLimit", 403),
            Self::RequestThrottled(_) => sqs("RequestThrottled", "RequestThrottled", 400),
            Self::InvalidMessageContents(_) => sqs("InvalidMessageContents", "InvalidMessageContents", 400),
            Self::ResourceNotFound(_) => sqs("ResourceNotFoundException", "ResourceNotFoundException", 404),
            Self::UnsupportedOperation(_) => simple("UnsupportedOperation", 400),
            Self::InvalidAddress(_) => sqs("InvalidAddress", "InvalidAddress", 404),
            Self::Sns(error) => {
                let (code, status) = error.code();
                Kind { namespace: SNS, shape: code, code: Some(code), status }
            }
            Self::InvalidAction(_) => service("InvalidAction", "InvalidAction", 400),
            Self::UnknownOperation => service("UnknownOperationException", "UnknownOperationException", 404),
            Self::Serialization(_) => service("SerializationException", "MalformedQueryString", 400),
            Self::MissingAuthenticationToken => {
                service("MissingAuthenticationTokenException", "MissingAuthenticationToken", 403)
            }
            Self::UnrecognizedClient => service("UnrecognizedClientException", "InvalidClientTokenId", 403),
            Self::SignatureDoesNotMatch => service("InvalidSignatureException", "SignatureDoesNotMatch", 403),
            Self::IncompleteSignature(_) => service("IncompleteSignatureException", "IncompleteSignature", 400),
            Self::AccessDenied { .. } => service("AccessDeniedException", "AccessDenied", 403),
            Self::RequestExpired { .. } => service("InvalidSignatureException", "RequestExpired", 400),
            Self::BodyTooLong { .. } => service("RequestEntityTooLargeException", "RequestEntityTooLarge", 413),
            Self::ServiceUnavailable(_) => service("ServiceUnavailableException", "ServiceUnavailable", 503),
            Self::InternalFailure(_) => service("InternalFailure", "InternalFailure", 500),
        }
    }

    /// Whose fault it is: the other side's, or ours.
    pub(crate) const fn fault(&self) -> &'static str {
        if self.kind().status < 500 { "Sender" } else { "Receiver" }
    }

    /// The text in the Query protocol, which differs in one case.
    pub(crate) fn query_message(&self) -> String {
        if *self == Self::QueueDoesNotExist {
            return "The specified queue does not exist for this wsdl version.".to_owned();
        }
        self.to_string()
    }
}

impl From<DecodeError> for ApiError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::NotANumber { name, value } => Self::InvalidParameterValue(format!(
                "Value {value} for parameter {name} is invalid. Reason: Must be an integer."
            )),
            DecodeError::Json { .. } | DecodeError::Form | DecodeError::TooManyParameters { .. } => {
                Self::Serialization(error.to_string())
            }
        }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(refusal) => refusal.into(),
            SubmitError::TooLarge { .. } => Self::InvalidParameterValue(error.to_string()),
            SubmitError::NotLeader { .. }
            | SubmitError::DiskFull
            | SubmitError::Broken
            | SubmitError::Closing
            | SubmitError::Lost { .. }
            | SubmitError::NotUnderstood => Self::ServiceUnavailable(error.to_string()),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::OutOfRange { .. } | ReadError::Damaged { .. } | ReadError::Disk { .. } => {
                Self::InternalFailure(error.to_string())
            }
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownTopic { .. }
            | Refusal::UnknownPartition { .. }
            | Refusal::NotAQueue { .. }
            | Refusal::UnknownQueue { .. }
            | Refusal::StreamDropped { .. } => Self::QueueDoesNotExist,
            Refusal::TopicExists { .. } => Self::NameIsTopic,
            Refusal::LimitReached { what: Limited::DeduplicationIds, .. } => Self::RequestThrottled(refusal.to_string()),
            Refusal::LeasesFull { .. } | Refusal::QueueFull { .. } | Refusal::LimitReached { .. } => {
                Self::OverLimit(refusal.to_string())
            }
            Refusal::MoveRunning { .. } => Self::InvalidParameterValue(
                "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
                    .to_owned(),
            ),
            Refusal::UnknownMove { .. } => Self::ResourceNotFound("Task does not exist.".to_owned()),
            Refusal::RecordGroupMissing => Self::MissingParameter("MessageGroupId"),
            Refusal::QueueOrderFixed => Self::InvalidAttributeValue(refusal.to_string()),
            // What the queues cannot do yet.
            Refusal::HistoryNotKept | Refusal::RequestInvalid { .. } => Self::UnsupportedOperation(refusal.to_string()),
            Refusal::ConfigChangedMeanwhile { .. } | Refusal::SettingsChangedMeanwhile => Self::ServiceUnavailable(refusal.to_string()),
            Refusal::TopicIsQueue { .. }
            | Refusal::PartitionCountInvalid { .. }
            | Refusal::PartitionsOnlyGrow { .. }
            | Refusal::OffsetOutOfRange { .. }
            | Refusal::SequenceOutOfOrder { .. }
            | Refusal::ProducerFenced { .. }
            | Refusal::UnknownGroup { .. }
            | Refusal::UnknownMember { .. }
            | Refusal::NotAMember { .. }
            | Refusal::IllegalGeneration { .. }
            | Refusal::RebalanceInProgress
            | Refusal::InconsistentProtocol
            | Refusal::InstanceFenced
            | Refusal::InstanceUnreleased
            | Refusal::SessionTimeoutInvalid { .. }
            | Refusal::GroupNotEmpty { .. }
            | Refusal::GroupSubscribed { .. }
            | Refusal::UnknownExchange { .. }
            | Refusal::ExchangeExists { .. }
            | Refusal::UnknownBinding { .. }
            | Refusal::BindingExists { .. }
            | Refusal::UnknownNode { .. }
            | Refusal::NodeRemoved { .. }
            | Refusal::UnknownHolder { .. }
            | Refusal::GroupKindMismatch
            | Refusal::GroupFull { .. }
            | Refusal::MemberEpochFenced { .. }
            | Refusal::MemberEpochStale { .. }
            | Refusal::UnsupportedAssignor { .. }
            | Refusal::RequestTooOld => Self::InternalFailure(refusal.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_that_clients_know() {
        for (error, shape, code, status) in [
            (
                ApiError::QueueDoesNotExist,
                "com.amazonaws.sqs#QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue",
                400,
            ),
            (
                ApiError::from(Refusal::LimitReached { what: Limited::DeduplicationIds, max: 1 }),
                "com.amazonaws.sqs#RequestThrottled",
                "RequestThrottled",
                400,
            ),
            (
                ApiError::PurgeQueueInProgress { queue: "q".to_owned() },
                "com.amazonaws.sqs#PurgeQueueInProgress",
                "AWS.SimpleQueueService.PurgeQueueInProgress",
                403,
            ),
            (
                ApiError::MissingParameter("MessageBody"),
                "com.amazonaws.sqs#MissingRequiredParameterException",
                "MissingParameter",
                400,
            ),
            (
                ApiError::ResourceNotFound("x".to_owned()),
                "com.amazonaws.sqs#ResourceNotFoundException",
                "ResourceNotFoundException",
                404,
            ),
        ] {
            let kind = error.kind();
            assert_eq!((kind.shape().as_str(), kind.code().as_str(), kind.status), (shape, code, status));
        }
    }
}
