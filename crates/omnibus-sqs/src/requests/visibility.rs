//! ChangeMessageVisibility and its batch.

use omnibus_model::Millis;
use omnibus_model::queue::{LeaseKey, LeaseRefusal};

use crate::answer::Answer;
use crate::attributes;
use crate::errors::ApiError;
use crate::queues::Queue;
use crate::session::Call;
use crate::wire::messages::{
    ChangeMessageVisibilityBatchRequest, ChangeMessageVisibilityBatchResult, ChangeMessageVisibilityBatchResultEntry,
    ChangeMessageVisibilityRequest,
};

use super::batch;

const SECONDS_MAX: i64 = 43_200;

pub(crate) async fn change(call: &Call) -> Result<Answer, ApiError> {
    let request: ChangeMessageVisibilityRequest = call.read()?;
    let handle = request.receipt_handle.as_deref().ok_or(ApiError::MissingParameter("ReceiptHandle"))?;
    let timeout = request.visibility_timeout.ok_or(ApiError::MissingParameter("VisibilityTimeout"))?;
    let queue = call.queue(request.queue_url.as_deref())?;
    change_one(call, &queue, handle, timeout).await?;
    call.done()
}

pub(crate) async fn change_batch(call: &Call) -> Result<Answer, ApiError> {
    let request: ChangeMessageVisibilityBatchRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref())?;
    let entries = &request.entries;
    batch::check("ChangeMessageVisibilityBatchRequestEntry", entries.iter().map(|entry| entry.id.as_deref()))?;
    let mut answer = ChangeMessageVisibilityBatchResult::default();
    for entry in entries {
        let handle = entry.receipt_handle.as_deref().unwrap_or_default();
        match change_one(call, &queue, handle, entry.visibility_timeout.unwrap_or_default()).await {
            Ok(()) => answer.successful.push(ChangeMessageVisibilityBatchResultEntry { id: entry.id.clone() }),
            Err(error) => answer.failed.push(batch::failed(entry.id.as_deref(), &error)),
        }
    }
    call.answer(&answer)
}

/// Reads a visibility timeout.
pub(super) fn timeout(seconds: i64) -> Result<Millis, ApiError> {
    let valid = u64::try_from(seconds).ok().filter(|_| seconds <= SECONDS_MAX);
    valid.map(|seconds| Millis(seconds * 1_000)).ok_or_else(|| {
        ApiError::InvalidParameterValue(format!(
            "Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if provided."
        ))
    })
}

async fn change_one(call: &Call, queue: &Queue, handle: &str, seconds: i64) -> Result<(), ApiError> {
    let key = call.lease_of(queue, handle)?;
    let timeout = timeout(seconds)?;
    let mut result = extend(call, queue, key, timeout).await?;
    if let Err(LeaseRefusal::Lost { current: Some(epoch) }) = result
        && !attributes::is_fifo(queue.config())
    {
        // A standard queue's handle stands for the message, also when it was handed out again.
        result = extend(call, queue, LeaseKey { offset: key.offset, epoch }, timeout).await?;
    }
    result.map_err(|_| {
        ApiError::InvalidParameterValue(format!(
            "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available \
             for visibility timeout change."
        ))
    })
}

async fn extend(
    call: &Call,
    queue: &Queue,
    key: LeaseKey,
    timeout: Millis,
) -> Result<Result<(), LeaseRefusal>, ApiError> {
    let mut results = call.door.extend(queue, vec![(key, timeout)]).await?;
    Ok(results.pop().unwrap_or(Err(LeaseRefusal::Unknown)))
}
