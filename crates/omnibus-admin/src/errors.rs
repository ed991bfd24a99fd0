//! Every refusal and failure, as a problem with a code: the only place that knows both.

#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use omnibus_admin_api::{Code, Problem};
use omnibus_engine::{ReadError, SubmitError};
use omnibus_model::{NameError, Refusal};

/// An answer that is a problem.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Problem);

/// What a request answers.
pub(crate) type Answer<T> = Result<Json<T>, Failure>;

pub(crate) async fn unknown_path() -> Failure {
    Problem::new(Code::UnknownPath, "there is nothing at this path")
        .next("the paths are /healthz, /metrics and /v1/…")
        .into()
}

pub(crate) async fn unknown_method() -> (StatusCode, Json<Problem>) {
    let problem = Problem::new(Code::UnknownPath, "this path does not take this method");
    (StatusCode::METHOD_NOT_ALLOWED, Json(problem))
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(problem = %self.0, "a request failed");
        }
        (status, Json(self.0)).into_response()
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        let code = match &error {
            SubmitError::Refused(refusal) => return refused(refusal).into(),
            SubmitError::NotLeader { .. } => Code::NotLeader,
            SubmitError::DiskFull => Code::DiskFull,
            SubmitError::TooLarge { .. } => Code::TooLarge,
            SubmitError::Broken | SubmitError::Closing | SubmitError::Lost { .. } | SubmitError::NotUnderstood => {
                Code::Unavailable
            }
        };
        Problem::new(code, error.to_string()).into()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        refused(&refusal).into()
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let code = match &error {
            ReadError::OutOfRange { .. } => Code::OffsetOutOfRange,
            ReadError::Damaged { .. } => Code::Damaged,
            ReadError::Disk { .. } => Code::Internal,
        };
        Problem::new(code, error.to_string()).into()
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Problem::new(Code::Invalid, error.to_string()).into()
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        let code = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { Code::TooLarge } else { Code::Invalid };
        Problem::new(code, rejection.body_text()).into()
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Problem::new(Code::Invalid, rejection.body_text()).into()
    }
}

impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Problem::new(Code::Invalid, rejection.body_text()).into()
    }
}

pub(crate) fn refused(refusal: &Refusal) -> Problem {
    let problem = Problem::new(code(refusal), refusal.to_string());
    match next(refusal) {
        Some(next) => problem.next(next),
        None => problem,
    }
}

fn code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::UnknownTopic { .. } | Refusal::StreamDropped { .. } | Refusal::UnknownQueue { .. } => {
            Code::UnknownTopic
        }
        Refusal::UnknownPartition { .. } => Code::UnknownPartition,
        Refusal::TopicExists { .. } => Code::TopicExists,
        Refusal::ConfigChangedMeanwhile { .. } | Refusal::SettingsChangedMeanwhile | Refusal::MoveRunning { .. } => {
            Code::Changed
        }
        Refusal::LimitReached { .. }
        | Refusal::GroupFull { .. }
        | Refusal::LeasesFull { .. }
        | Refusal::QueueFull { .. } => Code::LimitReached,
        Refusal::OffsetOutOfRange { .. } => Code::OffsetOutOfRange,
        Refusal::UnknownGroup { .. } => Code::UnknownGroup,
        Refusal::UnknownNode { .. } => Code::UnknownNode,
        Refusal::NodeRemoved { .. } => Code::NodeRemoved,
        Refusal::GroupNotEmpty { .. }
        | Refusal::GroupSubscribed { .. }
        | Refusal::UnknownMember { .. }
        | Refusal::NotAMember { .. }
        | Refusal::IllegalGeneration { .. }
        | Refusal::RebalanceInProgress
        | Refusal::MemberEpochFenced { .. }
        | Refusal::MemberEpochStale { .. }
        | Refusal::InstanceFenced
        | Refusal::InstanceUnreleased => Code::GroupNotEmpty,
        Refusal::PartitionCountInvalid { .. }
        | Refusal::PartitionsOnlyGrow { .. }
        | Refusal::SequenceOutOfOrder { .. }
        | Refusal::ProducerFenced { .. }
        | Refusal::InconsistentProtocol
        | Refusal::SessionTimeoutInvalid { .. }
        | Refusal::GroupKindMismatch
        | Refusal::UnsupportedAssignor { .. }
        | Refusal::RequestTooOld
        | Refusal::NotAQueue { .. }
        | Refusal::TopicIsQueue { .. }
        | Refusal::RecordGroupMissing
        | Refusal::QueueOrderFixed
        | Refusal::HistoryNotKept
        | Refusal::UnknownMove { .. }
        | Refusal::UnknownHolder { .. }
        | Refusal::UnknownExchange { .. }
        | Refusal::ExchangeExists { .. }
        | Refusal::UnknownBinding { .. }
        | Refusal::BindingExists { .. }
        | Refusal::RequestInvalid { .. } => Code::Invalid,
    }
}

/// What to do about a refusal, where that is not obvious.
fn next(refusal: &Refusal) -> Option<&'static str> {
    match code(refusal) {
        Code::UnknownTopic => Some("`omnibus topic ls` lists the topics"),
        Code::UnknownGroup => Some("`omnibus group ls` lists the groups"),
        Code::UnknownNode => Some("`omnibus cluster nodes` lists the nodes"),
        Code::NodeRemoved => Some("choose a number that no node ever had, and an empty data directory"),
        Code::GroupNotEmpty => Some("stop its members and try again; `omnibus group describe` names them"),
        Code::Changed => Some("look at it again and repeat the change"),
        Code::UnknownPartition
        | Code::UnknownPath
        | Code::TopicExists
        | Code::NodeNeeded
        | Code::OffsetOutOfRange
        | Code::Invalid
        | Code::TooLarge
        | Code::LimitReached
        | Code::DiskFull
        | Code::Damaged
        | Code::NotLeader
        | Code::Unavailable
        | Code::Internal => None,
    }
}
