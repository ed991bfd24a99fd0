//! ReceiveMessage: takes leases, waits for them if it must, and tells what they are of.

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_model::Millis;
use omnibus_model::command::Acquire;
use omnibus_record::{SqsAttribute, SqsMessage, SqsValue};
use uuid::Uuid;

use crate::answer::Answer;
use crate::attributes;
use crate::content;
use crate::errors::ApiError;
use crate::handles::{Handle, Leased};
use crate::outgoing;
use crate::queues::{Queue, Received};
use crate::session::Call;
use crate::signing::SigningKey;
use crate::topics::envelope;
use crate::wire::messages::{Message, MessageAttributeValue, ReceiveMessageRequest, ReceiveMessageResult};
use crate::wire::{base64, md5};

use super::send_message::sequence;
use super::visibility;

const MESSAGES_MAX: i64 = 10;
const WAIT_SECONDS_MAX: i64 = 20;

/// How long a message is kept that is asked for without keeping it.
const GLANCE: Millis = Millis(1_000);

pub(crate) async fn receive(call: &Call) -> Result<Answer, ApiError> {
    let request: ReceiveMessageRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    let wanted = Wanted::of(&request)?;
    let lease = request.visibility_timeout.map(visibility::timeout).transpose()?.unwrap_or(queue.config().lease);
    let acquire = Acquire {
        stream: queue.stream(),
        count_max: count(&request)?,
        lease: if lease == Millis(0) { GLANCE } else { lease },
        holder: None,
        attempt: attempt(&queue, &request)?,
    };
    let received = call.door.receive(&queue, acquire, wait(&queue, &request)?).await?;
    if lease == Millis(0) && !received.is_empty() {
        let leased = |received: &Received| Leased { stream: received.stream, key: received.lease.key };
        let keys = received.iter().map(|received| (leased(received), Millis(0))).collect();
        drop(call.door.extend(&queue, keys).await?);
    }
    let wrapped = received.iter().filter_map(|received| received.wrapped.as_ref());
    let key = envelope::key_for(&call.door, wrapped.map(|wrapped| &wrapped.native)).await?;
    let show = |received| shown(call, &queue, received, (&wanted, key.as_deref()));
    let messages = received.into_iter().map(show).collect();
    call.answer(&ReceiveMessageResult { messages })
}

fn count(request: &ReceiveMessageRequest) -> Result<u32, ApiError> {
    let count = request.max_number_of_messages.unwrap_or(1);
    let valid = u32::try_from(count).ok().filter(|_| (1..=MESSAGES_MAX).contains(&count));
    valid.ok_or_else(|| {
        ApiError::InvalidParameterValue(format!(
            "Value {count} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."
        ))
    })
}

fn wait(queue: &Queue, request: &ReceiveMessageRequest) -> Result<Duration, ApiError> {
    let Some(seconds) = request.wait_time_seconds else {
        return Ok(Duration::from_millis(queue.config().wait.0));
    };
    let valid = u64::try_from(seconds).ok().filter(|_| seconds <= WAIT_SECONDS_MAX);
    valid.map(Duration::from_secs).ok_or_else(|| {
        ApiError::InvalidParameterValue(format!(
            "Value {seconds} for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."
        ))
    })
}

fn attempt(queue: &Queue, request: &ReceiveMessageRequest) -> Result<Option<omnibus_model::AttemptHash>, ApiError> {
    let Some(id) = &request.receive_request_attempt_id else { return Ok(None) };
    content::check_id("ReceiveRequestAttemptId", id)?;
    if attributes::is_fifo(queue.config()) {
        return Ok(Some(outgoing::attempt_hash(id)));
    }
    Err(ApiError::InvalidParameterValue(format!(
        "Value {id} for parameter ReceiveRequestAttemptId is invalid. Reason: The request include parameter that is not \
         valid for this queue type."
    )))
}

/// What a receiver wants to know beside the body.
struct Wanted {
    system: Vec<String>,
    user: Vec<String>,
}

const SYSTEM_NAMES: [&str; 10] = [
    "All",
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

impl Wanted {
    fn of(request: &ReceiveMessageRequest) -> Result<Self, ApiError> {
        // The older name of the parameter took the names of queue attributes, too.
        let is_known = |name: &str| SYSTEM_NAMES.contains(&name);
        attributes::check_wanted(
            &request.attribute_names.iter().filter(|name| !is_known(name)).cloned().collect::<Vec<_>>(),
        )?;
        if let Some(name) = request.message_system_attribute_names.iter().find(|name| !is_known(name)) {
            return Err(ApiError::InvalidAttributeName(format!("Unknown Attribute {name}.")));
        }
        let system = request.attribute_names.iter().chain(&request.message_system_attribute_names).cloned().collect();
        Ok(Self { system, user: request.message_attribute_names.clone() })
    }

    fn wants_system(&self, name: &str) -> bool {
        self.system.iter().any(|each| each == name || each == "All")
    }

    fn wants(&self, name: &str) -> bool {
        self.user.iter().any(|each| match each.strip_suffix(".*") {
            // The dot belongs to the star, not to the prefix.
            Some(prefix) => name.starts_with(prefix),
            None => each == "All" || each == "*" || each == name,
        })
    }
}

fn shown(call: &Call, queue: &Queue, received: Received, (wanted, key): (&Wanted, Option<&SigningKey>)) -> Message {
    let system = system(queue, &received);
    let Received { stream, lease, received_at, message, wrapped, .. } = received;
    let SqsMessage { native, body } = match &wrapped {
        Some(wrapped) => envelope::wrap(call, key, wrapped, message),
        None => message,
    };
    let user: BTreeMap<String, MessageAttributeValue> =
        native.attributes.into_iter().filter(|attribute| wanted.wants(&attribute.name)).map(attribute).collect();
    Message {
        attributes: system.into_iter().filter(|(name, _)| wanted.wants_system(name)).collect(),
        md5_of_body: Some(md5::of_body(&body)),
        body: Some(body.to_string()),
        md5_of_message_attributes: md5::of_attributes(&user),
        message_attributes: user,
        message_id: Some(Uuid::from_u128(native.id).to_string()),
        receipt_handle: Some(call.door.seal.write(Handle { stream, key: lease.key, received_at })),
    }
}

fn system(queue: &Queue, received: &Received) -> BTreeMap<String, String> {
    let Received { lease, message: SqsMessage { native, .. }, receive_count, dead_letter_source, .. } = received;
    let is_fifo = attributes::is_fifo(queue.config());
    let trace = native.system_attributes.iter().find(|attribute| &*attribute.name == "AWSTraceHeader");
    let trace = trace.and_then(|attribute| match &attribute.value {
        SqsValue::Text(text) => Some(text.to_string()),
        SqsValue::Binary(_) => None,
    });
    let all = [
        ("SenderId", Some(native.sender.to_string()).filter(|sender| !sender.is_empty())),
        ("SentTimestamp", Some(native.sent_at.0.to_string())),
        ("ApproximateReceiveCount", Some(receive_count.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(lease.first_delivered_at.0.to_string())),
        ("SequenceNumber", is_fifo.then(|| sequence(lease.key.offset))),
        ("MessageDeduplicationId", native.dedup.as_ref().filter(|_| is_fifo).map(ToString::to_string)),
        ("MessageGroupId", native.group.as_ref().map(ToString::to_string)),
        ("AWSTraceHeader", trace),
        ("DeadLetterQueueSourceArn", dead_letter_source.clone()),
    ];
    all.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect()
}

fn attribute(attribute: SqsAttribute) -> (String, MessageAttributeValue) {
    let SqsAttribute { name, data_type, value } = attribute;
    let (text, binary) = match value {
        SqsValue::Text(text) => (Some(text.to_string()), None),
        SqsValue::Binary(bytes) => (None, Some(base64::write(&bytes))),
    };
    let value = MessageAttributeValue {
        data_type: Some(data_type.to_string()),
        string_value: text,
        binary_value: binary,
        ..MessageAttributeValue::default()
    };
    (name.to_string(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_wanted_by_name_or_by_prefix() {
        let wanted =
            |names: &[&str]| Wanted { system: Vec::new(), user: names.iter().map(|name| (*name).to_owned()).collect() };
        for (names, name, expected) in [
            (&["All"][..], "a", true),
            (&[".*"], "a", true),
            (&["*"], "a", true),
            (&["a"], "a", true),
            (&["A"], "a", false),
            (&["Hel.*"], "Help.Me", true),
            (&["Hel.*"], "Hello", true),
            (&["Hel.*"], "General", false),
            (&["x", "a"], "a", true),
            (&[], "a", false),
        ] {
            assert_eq!(wanted(names).wants(name), expected, "{names:?} {name}");
        }
    }
}
