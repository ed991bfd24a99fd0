//! SendMessage and its batch.

use omnibus_model::Offset;
use omnibus_model::outcome::Appended;
use omnibus_model::queue::QueueConfig;
use omnibus_record::Message;
use uuid::Uuid;

use crate::answer::Answer;
use crate::attributes;
use crate::content::{self, Attributes, SystemAttributes};
use crate::errors::ApiError;
use crate::outgoing;
use crate::queues::Queue;
use crate::session::Call;
use crate::wire::md5;
use crate::wire::messages::{
    SendMessageBatchRequest, SendMessageBatchRequestEntry, SendMessageBatchResult, SendMessageBatchResultEntry,
    SendMessageRequest, SendMessageResult,
};

use super::batch;

/// Sequence numbers have twenty digits; so do these, from the first offset on. Like AWS's they have no
/// run of zeros that could be taken for something else.
const SEQUENCE_FIRST: u128 = 18_765_432_198_765_432_198;

pub(crate) async fn send(call: &Call) -> Result<Answer, ApiError> {
    let request: SendMessageRequest = call.read()?;
    content::check_body(request.message_body.as_deref())?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    let entry = SendMessageBatchRequestEntry {
        id: None,
        delay_seconds: request.delay_seconds,
        message_attributes: request.message_attributes,
        message_body: request.message_body,
        message_deduplication_id: request.message_deduplication_id,
        message_group_id: request.message_group_id,
        message_system_attributes: request.message_system_attributes,
    };
    outgoing::check_order(queue.config(), &entry)?;
    let prepared = prepare(call, &queue, entry)?;
    let Prepared { message, digests, .. } = prepared;
    let id = message_id(&message);
    let appended = call.door.enqueue(&queue, vec![message]).await?.pop().unwrap_or(Err(lost()))?;
    let stored = Stored::of(call, &queue, appended, id).await?;
    call.answer(&SendMessageResult {
        md5_of_message_attributes: digests.attributes,
        md5_of_message_body: Some(digests.body),
        md5_of_message_system_attributes: digests.system_attributes,
        message_id: Some(stored.id.to_string()),
        sequence_number: stored.sequence,
    })
}

pub(crate) async fn send_batch(call: &Call) -> Result<Answer, ApiError> {
    let request: SendMessageBatchRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    batch::check("SendMessageBatchRequestEntry", request.entries.iter().map(|entry| entry.id.as_deref()))?;
    check_size(&request.entries)?;
    for entry in &request.entries {
        // In a batch AWS calls what is missing invalid.
        outgoing::check_order(queue.config(), entry).map_err(|error| match error {
            ApiError::MissingParameter(_) => ApiError::InvalidParameterValue(error.to_string()),
            other => other,
        })?;
    }
    let prepare = |entry: SendMessageBatchRequestEntry| (entry.id.clone(), prepare(call, &queue, entry));
    let prepared: Vec<(Option<String>, Result<Prepared, ApiError>)> =
        request.entries.into_iter().map(prepare).collect();
    let messages = prepared.iter().filter_map(|(_, prepared)| Some(prepared.as_ref().ok()?.message.clone()));
    let mut appended = call.door.enqueue(&queue, messages.collect()).await?.into_iter();
    let mut answer = SendMessageBatchResult::default();
    for (id, prepared) in prepared {
        let stored = match prepared {
            Ok(prepared) => finish(call, &queue, prepared, appended.next()).await,
            Err(error) => Err(error),
        };
        match stored {
            Ok(entry) => answer.successful.push(SendMessageBatchResultEntry { id, ..entry }),
            Err(error) => answer.failed.push(batch::failed(id.as_deref(), &error)),
        }
    }
    call.answer(&answer)
}

async fn finish(
    call: &Call,
    queue: &Queue,
    prepared: Prepared,
    appended: Option<Result<Appended, ApiError>>,
) -> Result<SendMessageBatchResultEntry, ApiError> {
    let Prepared { message, digests } = prepared;
    let stored = Stored::of(call, queue, appended.unwrap_or(Err(lost()))?, message_id(&message)).await?;
    Ok(SendMessageBatchResultEntry {
        id: None,
        md5_of_message_attributes: digests.attributes,
        md5_of_message_body: Some(digests.body),
        md5_of_message_system_attributes: digests.system_attributes,
        message_id: Some(stored.id.to_string()),
        sequence_number: stored.sequence,
    })
}

/// A message that may go, and what its sender is told of its content.
struct Prepared {
    message: Message,
    digests: Digests,
}

struct Digests {
    body: String,
    attributes: Option<String>,
    system_attributes: Option<String>,
}

fn prepare(call: &Call, queue: &Queue, entry: SendMessageBatchRequestEntry) -> Result<Prepared, ApiError> {
    let body = content::check_body(entry.message_body.as_deref())?;
    content::check_attributes(&entry.message_attributes)?;
    content::check_system_attributes(&entry.message_system_attributes)?;
    check_bytes(queue.config(), content::bytes(body, &entry.message_attributes))?;
    let digests = digests(body, &entry.message_attributes, &entry.message_system_attributes);
    let message = outgoing::message(call, queue.config(), entry)?;
    Ok(Prepared { message, digests })
}

fn digests(body: &str, attributes: &Attributes, system_attributes: &SystemAttributes) -> Digests {
    Digests {
        body: md5::of_body(body),
        attributes: md5::of_attributes(attributes),
        system_attributes: md5::of_system_attributes(system_attributes),
    }
}

fn check_bytes(config: &QueueConfig, bytes: usize) -> Result<(), ApiError> {
    let max = attributes::bytes_max(config);
    if bytes <= max {
        return Ok(());
    }
    Err(ApiError::InvalidParameterValue(format!(
        "One or more parameters are invalid. Reason: Message must be shorter than {max} bytes."
    )))
}

/// Checks what all messages of a batch take together; the queue's own limit is for each.
fn check_size(entries: &[SendMessageBatchRequestEntry]) -> Result<(), ApiError> {
    let bytes = |entry: &SendMessageBatchRequestEntry| {
        content::bytes(entry.message_body.as_deref().unwrap_or_default(), &entry.message_attributes)
    };
    let sent: usize = entries.iter().map(bytes).sum();
    let max = content::BYTES_MAX;
    if sent > max { Err(ApiError::BatchRequestTooLong { sent, max }) } else { Ok(()) }
}

fn lost() -> ApiError {
    ApiError::InternalFailure("the engine did not say what became of the message".to_owned())
}

fn message_id(message: &Message) -> Uuid {
    outgoing::id_of(message).unwrap_or_default()
}

/// What a sender is told of a message that is there.
struct Stored {
    id: Uuid,
    sequence: Option<String>,
}

impl Stored {
    async fn of(call: &Call, queue: &Queue, appended: Appended, id: Uuid) -> Result<Self, ApiError> {
        let id = match appended.duplicate {
            // The same message was there already, under the id that it had then.
            true => call.door.id_at(queue, appended.base).await?,
            false => id,
        };
        Ok(Self { id, sequence: attributes::is_fifo(queue.config()).then(|| sequence(appended.base)) })
    }
}

/// The place of a message in a FIFO queue, as SQS writes it.
pub(super) fn sequence(offset: Offset) -> String {
    (SEQUENCE_FIRST + u128::from(offset.0)).to_string()
}
