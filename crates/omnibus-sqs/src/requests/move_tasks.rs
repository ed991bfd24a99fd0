//! StartMessageMoveTask, CancelMessageMoveTask and ListMessageMoveTasks.

use omnibus_model::MoveId;
use omnibus_model::queue::{Move, MoveState};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::Answer;
use crate::attributes;
use crate::errors::ApiError;
use crate::names::QueueName;
use crate::queues::Queue;
use crate::session::Call;
use crate::wire::base64;
use crate::wire::messages::{
    CancelMessageMoveTaskRequest, CancelMessageMoveTaskResult, ListMessageMoveTasksRequest, ListMessageMoveTasksResult,
    ListMessageMoveTasksResultEntry, StartMessageMoveTaskRequest, StartMessageMoveTaskResult,
};

const RATE_MAX: i64 = 500;
const RESULTS_MAX: i64 = 10;

pub(crate) async fn start(call: &Call) -> Result<Answer, ApiError> {
    let request: StartMessageMoveTaskRequest = call.read()?;
    let source = queue(call, "SourceArn", request.source_arn.as_deref())?;
    if call.door.sources_of(&source).is_empty() {
        return invalid("Source queue must be configured as a Dead Letter Queue.");
    }
    let target = match request.destination_arn.as_deref() {
        None => None,
        Some(arn) => Some(queue(call, "DestinationArn", Some(arn))?),
    };
    let rate_max = match request.max_number_of_messages_per_second {
        None => None,
        Some(rate) => match u32::try_from(rate).ok().filter(|_| (1..=RATE_MAX).contains(&rate)) {
            Some(rate) => Some(rate),
            None => {
                return invalid(&format!(
                    "Value {rate} for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a value \
                     from 1 to 500."
                ));
            }
        },
    };
    if target.as_ref().is_some_and(|target| target.name == source.name) {
        return invalid("Source queue arn and destination queue arn cannot be the same.");
    }
    let task = call.door.start_move(&source, target.as_ref(), rate_max).await?;
    call.answer(&StartMessageMoveTaskResult { task_handle: Some(handle(&source, task)) })
}

pub(crate) async fn cancel(call: &Call) -> Result<Answer, ApiError> {
    let request: CancelMessageMoveTaskRequest = call.read()?;
    let handle = request.task_handle.as_deref().ok_or(ApiError::MissingParameter("TaskHandle"))?;
    let (task, arn) = read_handle(handle)
        .ok_or_else(|| ApiError::InvalidParameterValue("Value for parameter TaskHandle is invalid.".to_owned()))?;
    let source = queue(call, "SourceArn", Some(&arn))?;
    let task = task.ok_or_else(|| ApiError::ResourceNotFound("Task does not exist.".to_owned()))?;
    let moved = call.door.cancel_move(&source, task).await?;
    let moved = i64::try_from(moved).unwrap_or(i64::MAX);
    call.answer(&CancelMessageMoveTaskResult { approximate_number_of_messages_moved: Some(moved) })
}

pub(crate) async fn list(call: &Call) -> Result<Answer, ApiError> {
    let request: ListMessageMoveTasksRequest = call.read()?;
    let source = queue(call, "SourceArn", request.source_arn.as_deref())?;
    let count = request.max_results.unwrap_or(1);
    let Some(count) = usize::try_from(count).ok().filter(|_| (1..=RESULTS_MAX).contains(&count)) else {
        return invalid(&format!(
            "Value {count} for parameter MaxResults is invalid. Reason: Must be between 1 and 10, if provided."
        ));
    };
    let mut tasks = call.door.moves(&source).await?;
    // The newest first.
    tasks.sort_by_key(|task| std::cmp::Reverse(task.id));
    let results = tasks.iter().take(count).map(|task| shown(call, &source, task)).collect();
    call.answer(&ListMessageMoveTasksResult { results })
}

fn shown(call: &Call, source: &Queue, task: &Move) -> ListMessageMoveTasksResultEntry {
    let number = |count: u64| Some(i64::try_from(count).unwrap_or(i64::MAX));
    let target = task.target.map(|stream| call.door.name_of(stream));
    let has_failed = task.state == MoveState::Cancelled && target == Some(None);
    let destination = || target.flatten().map(|name| name.arn());
    let status = match task.state {
        MoveState::Running | MoveState::Finishing => "RUNNING",
        MoveState::Completed => "COMPLETED",
        MoveState::Cancelled if has_failed => "FAILED",
        MoveState::Cancelled => "CANCELLED",
    };
    ListMessageMoveTasksResultEntry {
        task_handle: (status == "RUNNING").then(|| handle(source, task.id)),
        status: Some(status.to_owned()),
        source_arn: Some(source.name.arn()),
        destination_arn: attributes::move_target(source.config(), task.id).or_else(destination),
        max_number_of_messages_per_second: task.rate_max.map(i64::from),
        approximate_number_of_messages_moved: number(task.moved),
        approximate_number_of_messages_to_move: number(task.planned),
        failure_reason: has_failed.then(|| ApiError::QueueDoesNotExist.kind().code()),
        started_timestamp: Some(task.started_at.0),
    }
}

fn queue(call: &Call, parameter: &'static str, arn: Option<&str>) -> Result<Queue, ApiError> {
    let arn = arn.ok_or(ApiError::MissingParameter(parameter))?;
    let missing = || {
        ApiError::ResourceNotFound(format!(
            "The resource that you specified for the {parameter} parameter doesn't exist."
        ))
    };
    let name = QueueName::of_arn(arn).ok_or_else(missing)?;
    call.permitted(call.door.find(&name).map_err(|_| missing())?)
}

/// Writes a task's handle as AWS does: JSON in base64.
fn handle(source: &Queue, task: MoveId) -> String {
    let task = json!({"taskId": Uuid::from_u128(u128::from(task.0)).to_string(), "sourceArn": source.name.arn()});
    base64::write(task.to_string().as_bytes())
}

/// Reads a handle; the task is `None` if no task is called so.
fn read_handle(handle: &str) -> Option<(Option<MoveId>, String)> {
    let value: Value = serde_json::from_slice(&base64::read(handle)?).ok()?;
    let (task, arn) = (value.get("taskId")?.as_str()?, value.get("sourceArn")?.as_str()?);
    let task = Uuid::parse_str(task).ok().and_then(|id| u64::try_from(id.as_u128()).ok());
    Some((task.map(MoveId), arn.to_owned()))
}

fn invalid<T>(text: &str) -> Result<T, ApiError> {
    Err(ApiError::InvalidParameterValue(text.to_owned()))
}
