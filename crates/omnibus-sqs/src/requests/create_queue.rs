//! CreateQueue: makes a queue, or finds the one that is there with what was asked for.

use crate::answer::Answer;
use crate::attributes;
use crate::errors::ApiError;
use crate::names::QueueName;
use crate::protection;
use crate::queues::Queue;
use crate::session::Call;
use crate::settings::Pace;
use crate::wire::messages::{CreateQueueRequest, CreateQueueResult};

use super::{queue_attributes, tags};

pub(crate) async fn create(call: &Call) -> Result<Answer, ApiError> {
    let request: CreateQueueRequest = call.read()?;
    let name = request.queue_name.as_deref().ok_or(ApiError::MissingParameter("QueueName"))?;
    let mut config = attributes::create(name, &request.attributes)?;
    protection::check(&call.door.settings, &request.attributes)?;
    let name =
        QueueName { account: call.signer.account.clone(), region: call.region().to_owned(), name: name.to_owned() };
    let door = &call.door;
    tags::check(&request.tags)?;
    config.tags.clone_from(&request.tags);
    if let Some(queue) = door.find_any(&name)? {
        same(&queue, &request)?;
        return answer(call, &name);
    }
    if door.settings.pace == Pace::Strict && door.rest.was_deleted(&name, door.engine.now()) {
        return Err(ApiError::QueueDeletedRecently);
    }
    queue_attributes::resolve_redrive(call, &name, &mut config)?;
    let created = door.create(&name, config).await?;
    if !created.is_new {
        // Somebody else was faster.
        same(&created.queue, &request)?;
    }
    answer(call, &name)
}

fn same(queue: &Queue, request: &CreateQueueRequest) -> Result<(), ApiError> {
    match attributes::difference(queue.config(), &request.attributes)? {
        Some(attribute) => Err(ApiError::QueueNameExists { attribute }),
        None => Ok(()),
    }
}

fn answer(call: &Call, name: &QueueName) -> Result<Answer, ApiError> {
    call.answer(&CreateQueueResult { queue_url: Some(call.url(name)) })
}
