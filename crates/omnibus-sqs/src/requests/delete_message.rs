//! DeleteMessage and its batch.

use omnibus_model::queue::{LeaseRefusal, Settlement};

use crate::answer::Answer;
use crate::attributes;
use crate::errors::ApiError;
use crate::handles::Leased;
use crate::queues::Queue;
use crate::session::Call;
use crate::wire::messages::{
    DeleteMessageBatchRequest, DeleteMessageBatchResult, DeleteMessageBatchResultEntry, DeleteMessageRequest,
};

use super::batch;

pub(crate) async fn delete(call: &Call) -> Result<Answer, ApiError> {
    let request: DeleteMessageRequest = call.read()?;
    let handle = request.receipt_handle.ok_or(ApiError::MissingParameter("ReceiptHandle"))?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    let mut results = delete_all(call, &queue, &[&handle]).await?;
    results.pop().unwrap_or(Ok(()))?;
    call.done()
}

pub(crate) async fn delete_batch(call: &Call) -> Result<Answer, ApiError> {
    let request: DeleteMessageBatchRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    let entries = &request.entries;
    batch::check("DeleteMessageBatchRequestEntry", entries.iter().map(|entry| entry.id.as_deref()))?;
    let handles: Vec<&str> = entries.iter().map(|entry| entry.receipt_handle.as_deref().unwrap_or_default()).collect();
    let results = delete_all(call, &queue, &handles).await?;
    let mut answer = DeleteMessageBatchResult::default();
    for (entry, result) in entries.iter().zip(results) {
        match result {
            Ok(()) => answer.successful.push(DeleteMessageBatchResultEntry { id: entry.id.clone() }),
            Err(error) => answer.failed.push(batch::failed(entry.id.as_deref(), &error)),
        }
    }
    call.answer(&answer)
}

/// Deletes messages in one command; each handle has an answer of its own.
async fn delete_all(call: &Call, queue: &Queue, handles: &[&str]) -> Result<Vec<Result<(), ApiError>>, ApiError> {
    let keys: Vec<Result<Leased, ApiError>> =
        handles.iter().map(|handle| Ok(call.handle_of(queue, handle)?.leased())).collect();
    let known: Vec<Leased> = keys.iter().filter_map(|key| key.as_ref().ok().copied()).collect();
    let mut settled = settle_all(call, queue, known).await?.into_iter();
    let answer = |(handle, key): (&&str, Result<Leased, ApiError>)| {
        key.and_then(|_| match settled.next() {
            // What is gone is deleted, whoever did it.
            Some(Ok(()) | Err(LeaseRefusal::AlreadySettled | LeaseRefusal::Unknown)) | None => Ok(()),
            Some(Err(LeaseRefusal::Lost { .. })) if attributes::is_fifo(queue.config()) => {
                Err(ApiError::InvalidParameterValue(format!(
                    "Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
                )))
            }
            // The message was handed out again since; AWS says yes and may not delete it.
            Some(Err(LeaseRefusal::Lost { .. })) => Ok(()),
        })
    };
    Ok(handles.iter().zip(keys).map(answer).collect())
}

async fn settle_all(call: &Call, queue: &Queue, keys: Vec<Leased>) -> Result<Vec<Result<(), LeaseRefusal>>, ApiError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    call.door.settle(queue, keys.into_iter().map(|key| (key, Settlement::Accept)).collect()).await
}
