//! What each refusal and failure is called on the wire: codes, scopes and texts. The only place that knows.
//!
//! The texts are RabbitMQ's, which clients and their tests read.

#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use omnibus_engine::consumers::Occupied;
use omnibus_engine::consuming::{ConsumeError, PullError};
use omnibus_engine::{ReadError, SubmitError};
use omnibus_model::Refusal;
use thiserror::Error;

use crate::hosts::{Host, Named, plain};
use crate::rights::Right;
use crate::wire::{FrameError, MethodError};

/// What goes down with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Channel,
    Connection,
}

/// A reply code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) number: u16,
    pub(crate) name: &'static str,
    pub(crate) scope: Scope,
}

const fn soft(number: u16, name: &'static str) -> Code {
    Code { number, name, scope: Scope::Channel }
}

const fn hard(number: u16, name: &'static str) -> Code {
    Code { number, name, scope: Scope::Connection }
}

const ACCESS_REFUSED: Code = soft(403, "ACCESS_REFUSED");
const NOT_FOUND: Code = soft(404, "NOT_FOUND");
const RESOURCE_LOCKED: Code = soft(405, "RESOURCE_LOCKED");
const PRECONDITION_FAILED: Code = soft(406, "PRECONDITION_FAILED");
const CONNECTION_FORCED: Code = hard(320, "CONNECTION_FORCED");
const LOGIN_REFUSED: Code = hard(403, "ACCESS_REFUSED");
const FRAME_ERROR: Code = hard(501, "FRAME_ERROR");
const SYNTAX_ERROR: Code = hard(502, "SYNTAX_ERROR");
const COMMAND_INVALID: Code = hard(503, "COMMAND_INVALID");
const CHANNEL_ERROR: Code = hard(504, "CHANNEL_ERROR");
const UNEXPECTED_FRAME: Code = hard(505, "UNEXPECTED_FRAME");
const RESOURCE_ERROR: Code = hard(506, "RESOURCE_ERROR");
const NOT_ALLOWED: Code = hard(530, "NOT_ALLOWED");
const NOT_IMPLEMENTED: Code = hard(540, "NOT_IMPLEMENTED");
const INTERNAL_ERROR: Code = hard(541, "INTERNAL_ERROR");

/// What a message without a queue is returned with.
pub(crate) const NO_ROUTE: (u16, &str) = (312, "NO_ROUTE");

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    #[error("no queue {}", Named(.0))]
    NoQueue(String),
    #[error("no previously declared queue")]
    NoLastQueue,
    #[error("no exchange {}", Named(.0))]
    NoExchange(String),
    #[error("exchange name '{}' contains reserved prefix 'amq.*'", plain(.0))]
    ExchangeNameReserved(String),
    #[error("deletion of system exchange {} not allowed", Named(.0))]
    SystemExchange(String),
    #[error("cannot publish to internal exchange {}", Named(.0))]
    InternalExchange(String),
    #[error("exchange {} in use", Named(.0))]
    ExchangeInUse(String),
    #[error("cannot switch from {from} to {to} mode")]
    ModeFixed { from: &'static str, to: &'static str },
    #[error("reply consumer already set")]
    ReplyConsumerSet,
    #[error("reply consumer cannot acknowledge")]
    ReplyConsumerAcknowledges,
    #[error("fast reply consumer does not exist")]
    NoReplyConsumer,
    #[error("channel is not transactional")]
    NotTransactional,
    #[error("queue name '{}' contains reserved prefix 'amq.*'", plain(.0))]
    QueueNameReserved(String),
    #[error("operation not permitted on the default exchange")]
    DefaultExchange,
    #[error("{right} access to {what} {} refused for user '{user}'", Named(.name))]
    NotPermitted { right: Right, what: &'static str, name: String, user: String },
    #[error("{right} access to topic '{key}' in exchange {} refused for user '{user}'", Named(.exchange))]
    KeyNotPermitted { right: Right, key: String, exchange: String, user: String },
    #[error("queue {} in exclusive use", Named(.0))]
    InExclusiveUse(String),
    #[error(
        "cannot obtain exclusive access to locked queue {}. It could be originally declared on another connection or the \
         exclusive property value does not match that of the original declaration.",
        Named(.0)
    )]
    Locked(String),
    #[error("inequivalent arg '{arg}' for {what} {}: received {received} but current is {current}", Named(.name))]
    Inequivalent { what: &'static str, name: String, arg: String, received: String, current: String },
    #[error("invalid arg '{arg}' for queue {}: {reason}", Named(.queue))]
    InvalidArgument { arg: String, queue: String, reason: String },
    #[error("invalid property '{property}' for queue {}", Named(.queue))]
    InvalidProperty { property: &'static str, queue: String },
    #[error("queue {} not empty", Named(.0))]
    NotEmpty(String),
    #[error("queue {} in use", Named(.0))]
    InUse(String),
    #[error("the name {} cannot be a queue's: {}", Named(.0), .1)]
    NameUnusable(String, &'static str),
    #[error("unknown delivery tag {0}")]
    UnknownDeliveryTag(u64),
    #[error("invalid expiration '{value}': {reason}")]
    InvalidExpiration { value: String, reason: String },
    #[error("user_id property set to '{claimed}' but authenticated user was '{user}'")]
    WrongUser { claimed: String, user: String },
    #[error("message size {bytes} is larger than configured max size {max}")]
    MessageTooLarge { bytes: u64, max: u64 },
    #[error("{0}")]
    Precondition(String),

    #[error("Login was refused using authentication mechanism {mechanism}. For details see the broker logfile.")]
    LoginRefused { mechanism: String },
    #[error("unknown authentication mechanism '{0}'")]
    MechanismUnknown(String),
    #[error("access to vhost '{host}' refused for user '{user}': connection limit ({max}) is reached")]
    HostConnectionsReached { host: String, user: String, max: u64 },
    #[error("connection refused for user '{user}': user connection limit ({max}) is reached")]
    UserConnectionsReached { user: String, max: u64 },
    #[error("number of channels opened for user '{user}' has reached the maximum allowed user limit of ({max})")]
    UserChannelsReached { user: String, max: u64 },
    #[error("cannot declare queue '{}': queue limit in vhost '{}' ({max}) is reached", plain(.queue), Host::of(.queue).name())]
    QueuesReached { queue: String, max: u64 },
    #[error("vhost {0} not found")]
    NoVirtualHost(String),
    #[error("access to vhost '{host}' refused for user '{user}'")]
    HostRefused { host: String, user: String },
    #[error("negotiated {what} = {value} is {relation} allowed value ({bound})")]
    Negotiation { what: &'static str, value: String, relation: &'static str, bound: u64 },
    #[error("attempt to reuse consumer tag '{0}'")]
    ConsumerTagTaken(String),
    #[error("number of channels opened ({0}) has reached the negotiated channel_max ({0})")]
    TooManyChannels(u64),
    #[error("{0}")]
    NotImplemented(String),
    #[error("{0}")]
    ChannelState(&'static str),
    #[error("expected content {expected} frame, got non content {expected} frame instead")]
    ContentExpected { expected: &'static str },
    #[error("expected content header for class 60, got one for class {0} instead")]
    ContentClass(u16),
    #[error("expected method frame, got non method frame instead")]
    MethodExpected,
    #[error("heartbeat frame on channel {0}")]
    HeartbeatOnChannel(u16),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("content body of {received} octets is longer than the {declared} of its header")]
    BodyTooLong { received: u64, declared: u64 },
    #[error("{0}")]
    Method(#[from] MethodError),
    #[error("the properties of a message cannot be read")]
    Properties,
    #[error("method {method} of class {class} is not one that clients send")]
    Unsolicited { class: u16, method: u16 },
    #[error("the memory for messages is used up")]
    OutOfMemory,
    #[error("{0}")]
    Limit(String),
    #[error("vhost '{0}' is deleted")]
    HostDeleted(String),
    #[error("user '{0}' is deleted")]
    UserDeleted(String),
    #[error("broker forced connection closure with reason 'shutdown'")]
    Shutdown,
    #[error("{0}")]
    Forced(String),
    #[error("{0}")]
    Internal(String),
}

impl Fault {
    /// What it is called, and what goes down with it.
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::NoQueue(_) | Self::NoLastQueue | Self::NoExchange(_) => NOT_FOUND,
            Self::QueueNameReserved(_)
            | Self::ExchangeNameReserved(_)
            | Self::SystemExchange(_)
            | Self::InternalExchange(_)
            | Self::DefaultExchange
            | Self::NotPermitted { .. }
            | Self::KeyNotPermitted { .. }
            | Self::InExclusiveUse(_) => ACCESS_REFUSED,
            Self::Locked(_) => RESOURCE_LOCKED,
            Self::Inequivalent { .. }
            | Self::InvalidArgument { .. }
            | Self::InvalidProperty { .. }
            | Self::NotEmpty(_)
            | Self::ExchangeInUse(_)
            | Self::ModeFixed { .. }
            | Self::NotTransactional
            | Self::ReplyConsumerSet
            | Self::ReplyConsumerAcknowledges
            | Self::NoReplyConsumer
            | Self::InUse(_)
            | Self::NameUnusable(..)
            | Self::UnknownDeliveryTag(_)
            | Self::InvalidExpiration { .. }
            | Self::WrongUser { .. }
            | Self::MessageTooLarge { .. }
            | Self::QueuesReached { .. }
            | Self::Precondition(_) => PRECONDITION_FAILED,
            Self::LoginRefused { .. } => LOGIN_REFUSED,
            Self::MechanismUnknown(_) => COMMAND_INVALID,
            Self::NoVirtualHost(_)
            | Self::HostRefused { .. }
            | Self::HostConnectionsReached { .. }
            | Self::UserConnectionsReached { .. }
            | Self::UserChannelsReached { .. }
            | Self::Negotiation { .. }
            | Self::ConsumerTagTaken(_)
            | Self::TooManyChannels(_) => NOT_ALLOWED,
            Self::NotImplemented(_) => NOT_IMPLEMENTED,
            Self::ChannelState(_) => CHANNEL_ERROR,
            Self::ContentExpected { .. }
            | Self::ContentClass(_)
            | Self::MethodExpected
            | Self::HeartbeatOnChannel(_) => UNEXPECTED_FRAME,
            Self::Frame(_) | Self::BodyTooLong { .. } => FRAME_ERROR,
            Self::Method(_) | Self::Properties => SYNTAX_ERROR,
            Self::Unsolicited { .. } => COMMAND_INVALID,
            Self::OutOfMemory | Self::Limit(_) => RESOURCE_ERROR,
            Self::Shutdown | Self::Forced(_) | Self::HostDeleted(_) | Self::UserDeleted(_) => CONNECTION_FORCED,
            Self::Internal(_) => INTERNAL_ERROR,
        }
    }

    /// The whole text, as long as a short text may be.
    pub(crate) fn reply_text(&self) -> String {
        let mut text = format!("{} - {self}", self.code().name);
        while text.len() > usize::from(u8::MAX) {
            text.pop();
        }
        text
    }
}

impl From<ConsumeError> for Fault {
    fn from(error: ConsumeError) -> Self {
        match error {
            ConsumeError::Submit(error) => error.into(),
            ConsumeError::Occupied(Occupied) => Self::InExclusiveUse(String::new()),
        }
    }
}

impl From<PullError> for Fault {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Submit(error) => error.into(),
            PullError::Read(error) => error.into(),
            PullError::Ended(ended) => Self::Internal(ended.to_string()),
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<SubmitError> for Fault {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(refusal) => of_refusal(refusal),
            SubmitError::Closing => Self::Shutdown,
            SubmitError::TooLarge { bytes, bytes_max } => {
                let count = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
                Self::MessageTooLarge { bytes: count(bytes), max: count(bytes_max) }
            }
            error @ (SubmitError::NotLeader { .. }
            | SubmitError::DiskFull
            | SubmitError::Broken
            | SubmitError::Lost { .. }
            | SubmitError::NotUnderstood) => Self::Internal(error.to_string()),
        }
    }
}

fn of_refusal(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::UnknownTopic { topic } => Fault::NoQueue(topic.as_str().to_owned()),
        Refusal::NotAQueue { topic } => Fault::NameUnusable(topic.as_str().to_owned(), "a topic has it"),
        refusal @ (Refusal::LimitReached { .. } | Refusal::LeasesFull { .. }) => Fault::Limit(refusal.to_string()),
        refusal @ (Refusal::StreamDropped { .. } | Refusal::UnknownQueue { .. }) => {
            Fault::Precondition(refusal.to_string())
        }
        refusal @ (Refusal::TopicExists { .. }
        | Refusal::ConfigChangedMeanwhile { .. }
        | Refusal::SettingsChangedMeanwhile
        | Refusal::RecordGroupMissing
        | Refusal::QueueOrderFixed
        | Refusal::HistoryNotKept
        | Refusal::MoveRunning { .. }
        | Refusal::UnknownMove { .. }
        | Refusal::TopicIsQueue { .. }
        | Refusal::UnknownHolder { .. }
        | Refusal::QueueFull { .. }
        | Refusal::RequestInvalid { .. }) => Fault::Precondition(refusal.to_string()),
        refusal @ (Refusal::UnknownPartition { .. }
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
        | Refusal::GroupKindMismatch
        | Refusal::GroupFull { .. }
        | Refusal::MemberEpochFenced { .. }
        | Refusal::MemberEpochStale { .. }
        | Refusal::UnsupportedAssignor { .. }
        | Refusal::RequestTooOld
        | Refusal::UnknownExchange { .. }
        | Refusal::ExchangeExists { .. }
        | Refusal::UnknownBinding { .. }
        | Refusal::BindingExists { .. }
        | Refusal::UnknownNode { .. }
        | Refusal::NodeRemoved { .. }) => Fault::Internal(refusal.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_codes_are_rabbitmqs() {
        for (fault, number, scope, text) in [
            (Fault::NoQueue("q".into()), 404, Scope::Channel, "NOT_FOUND - no queue 'q' in vhost '/'"),
            (
                Fault::InExclusiveUse("q".into()),
                403,
                Scope::Channel,
                "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use",
            ),
            (Fault::UnknownDeliveryTag(77), 406, Scope::Channel, "PRECONDITION_FAILED - unknown delivery tag 77"),
            (
                Fault::ConsumerTagTaken("t".into()),
                530,
                Scope::Connection,
                "NOT_ALLOWED - attempt to reuse consumer tag 't'",
            ),
            (
                Fault::QueuesReached { queue: "/staging/q".into(), max: 2 },
                406,
                Scope::Channel,
                "PRECONDITION_FAILED - cannot declare queue 'q': queue limit in vhost 'staging' (2) is reached",
            ),
            (Fault::NotImplemented("requeue=false".into()), 540, Scope::Connection, "NOT_IMPLEMENTED - requeue=false"),
        ] {
            assert_eq!((fault.code().number, fault.code().scope), (number, scope));
            assert_eq!(fault.reply_text(), text);
        }
    }

    #[test]
    fn text_is_no_longer_than_the_wire_lets_it_be() {
        let text = Fault::Locked("ü".repeat(120)).reply_text();
        assert!(text.len() <= 255 && text.starts_with("RESOURCE_LOCKED"));
    }
}
