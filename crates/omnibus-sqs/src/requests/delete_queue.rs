//! DeleteQueue and PurgeQueue.

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::session::Call;
use crate::settings::Pace;
use crate::wire::messages::{DeleteQueueRequest, PurgeQueueRequest};

pub(crate) async fn delete(call: &Call) -> Result<Answer, ApiError> {
    let request: DeleteQueueRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    call.door.delete(&queue).await?;
    call.door.rest.delete(&queue.name, call.door.engine.now());
    call.done()
}

pub(crate) async fn purge(call: &Call) -> Result<Answer, ApiError> {
    let request: PurgeQueueRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    let (door, now) = (&call.door, call.door.engine.now());
    if door.settings.pace == Pace::Strict && door.rest.was_purged(&queue.name, now) {
        return Err(ApiError::PurgeQueueInProgress { queue: queue.name.name });
    }
    door.purge(&queue).await?;
    door.rest.purge(&queue.name, now);
    call.done()
}
