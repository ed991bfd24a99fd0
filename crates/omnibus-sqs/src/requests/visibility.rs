//! ChangeMessageVisibility and its batch.

use omnibus_model::queue::{LeaseKey, LeaseRefusal};
use omnibus_model::{Millis, Timestamp};

use crate::answer::Answer;
use crate::attributes;
use crate::errors::ApiError;
use crate::handles::{Handle, Leased};
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
    let queue = call.queue(request.queue_url.as_deref()).await?;
    change_all(call, &queue, &[(handle, timeout)]).await?.pop().unwrap_or(Ok(()))?;
    call.done()
}

pub(crate) async fn change_batch(call: &Call) -> Result<Answer, ApiError> {
    let request: ChangeMessageVisibilityBatchRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    let entries = &request.entries;
    batch::check("ChangeMessageVisibilityBatchRequestEntry", entries.iter().map(|entry| entry.id.as_deref()))?;
    let mut answer = ChangeMessageVisibilityBatchResult::default();
    let wanted: Vec<(&str, i64)> = entries
        .iter()
        .map(|entry| {
            (entry.receipt_handle.as_deref().unwrap_or_default(), entry.visibility_timeout.unwrap_or_default())
        })
        .collect();
    for (entry, result) in entries.iter().zip(change_all(call, &queue, &wanted).await?) {
        match result {
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

/// Changes many at once, each with an answer of its own.
async fn change_all(call: &Call, queue: &Queue, wanted: &[(&str, i64)]) -> Result<Vec<Result<(), ApiError>>, ApiError> {
    let now = call.door.engine.now();
    let read = |(handle, seconds): &(&str, i64)| change_of(call.handle_of(queue, handle)?, *seconds, now);
    let changes: Vec<Result<Change, ApiError>> = wanted.iter().map(read).collect();
    let good: Vec<Change> = changes.iter().filter_map(|change| change.as_ref().ok().copied()).collect();
    let mut results = extend(call, queue, good).await?.into_iter();
    let answer = |(change, (handle, _)): (Result<Change, ApiError>, &(&str, i64))| {
        change?;
        let result = results.next().unwrap_or(Err(LeaseRefusal::Unknown));
        result.map_err(|_| {
            ApiError::InvalidParameterValue(format!(
                "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not \
                 available for visibility timeout change."
            ))
        })
    };
    Ok(changes.into_iter().zip(wanted).map(answer).collect())
}

/// A lease, and how long it shall last from now on.
type Change = (Leased, Millis);

/// Checks what is wanted of a lease: it may not last longer than twelve hours in all.
fn change_of(handle: Handle, seconds: i64, now: Timestamp) -> Result<Change, ApiError> {
    let span = timeout(seconds)?;
    let elapsed = i64::try_from(now.since(handle.received_at).0 / 1_000).unwrap_or(i64::MAX);
    if elapsed.saturating_add(seconds) > SECONDS_MAX {
        return Err(ApiError::InvalidParameterValue(format!(
            "Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message \
             is beyond the limit [{SECONDS_MAX} seconds]"
        )));
    }
    Ok((handle.leased(), span))
}

/// Extends leases. A standard queue's handle stands for the message, also when it was handed out
/// again.
async fn extend(call: &Call, queue: &Queue, changes: Vec<Change>) -> Result<Vec<Result<(), LeaseRefusal>>, ApiError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let mut results = call.door.extend(queue, changes.clone()).await?;
    let mut again: Vec<(usize, Change)> = Vec::new();
    for (place, (result, (leased, span))) in results.iter().zip(changes).enumerate() {
        if let Err(LeaseRefusal::Lost { current: Some(epoch) }) = result {
            let key = LeaseKey { epoch: *epoch, ..leased.key };
            again.push((place, (Leased { key, ..leased }, span)));
        }
    }
    if again.is_empty() || attributes::is_fifo(queue.config()) {
        return Ok(results);
    }
    let (places, changes): (Vec<usize>, Vec<Change>) = again.into_iter().unzip();
    for (place, result) in places.into_iter().zip(call.door.extend(queue, changes).await?) {
        results[place] = result;
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use omnibus_model::{LeaseEpoch, Offset, StreamId};

    use super::*;

    #[test]
    fn lease_lasts_twelve_hours_in_all() {
        let key = LeaseKey { offset: Offset(1), epoch: LeaseEpoch(1) };
        let handle = Handle { stream: StreamId(1), key, received_at: Timestamp(10_000) };
        let after = |seconds: i64, span: i64| change_of(handle, span, Timestamp(10_000 + seconds * 1_000)).is_ok();
        assert!(after(0, 43_200));
        assert!(after(43_199, 1));
        assert!(!after(1, 43_200));
        assert!(!after(43_200, 1));
        assert!(after(43_200, 0));
        assert!(!after(43_201, 0));
        assert!(!after(0, -1));
    }
}
