//! Publish and PublishBatch.

use std::collections::BTreeSet;

use omnibus_record::{SqsAttribute, SqsValue};

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::session::Call;
use crate::sns::names::TopicArn;
use crate::sns_error::SnsError;
use crate::topics::delivery::{self, Published};
use crate::topics::draft::Draft;
use crate::wire::sns::{
    BatchResultErrorEntry, PublishBatchInput, PublishBatchRequestEntry, PublishBatchResponse, PublishBatchResultEntry,
    PublishInput, PublishResponse,
};

use super::{devices, invalid, topic, topic_arn};

const ENTRIES_MAX: usize = 10;
const ID_CHARACTERS_MAX: usize = 80;

pub(super) async fn publish(call: &Call) -> Result<Answer, ApiError> {
    let mut request: PublishInput = call.read()?;
    if let Some(number) = request.phone_number.take() {
        return Err(phone(&number));
    }
    let arn = target(call, &request)?;
    let entry = PublishBatchRequestEntry {
        id: None,
        message: request.message,
        message_attributes: request.message_attributes,
        message_deduplication_id: request.message_deduplication_id,
        message_group_id: request.message_group_id,
        message_structure: request.message_structure,
        subject: request.subject,
    };
    let mut draft = Draft::of(entry, None)?;
    let topic = call.door.topic(&arn)?;
    if draft.bytes() > topic.message_bytes_max() {
        return Err(invalid("Message too long"));
    }
    draft.order(&topic)?;
    let Published { id, sequence } = delivery::publish(&call.door, &topic, &draft, trace(call)).await?;
    call.answer(&PublishResponse {
        message_id: Some(id.to_string()),
        sequence_number: sequence.map(|sequence| sequence.to_string()),
    })
}

fn target(call: &Call, request: &PublishInput) -> Result<TopicArn, ApiError> {
    match (&request.topic_arn, &request.target_arn) {
        (Some(_), Some(_)) => Err(invalid("TopicArn or TargetArn: only one of them can be given")),
        (Some(arn), None) => topic_arn(call, Some(arn), "TopicArn"),
        (None, Some(arn)) if arn.contains(":endpoint/") => {
            Err(invalid("TargetArn Reason: No endpoint found for the target arn specified"))
        }
        (None, Some(arn)) => topic_arn(call, Some(arn), "TargetArn"),
        (None, None) => Err(invalid("TopicArn or TargetArn Reason: no value for required parameter")),
    }
}

fn phone(number: &str) -> ApiError {
    if devices::is_number(number) {
        return SnsError::OperationUnsupported { action: "Publish", reason: devices::NO_PHONES }.into();
    }
    invalid(&format!("PhoneNumber Reason: {number} is not valid to publish to"))
}

/// The trace that an HTTP request belongs to.
fn trace(call: &Call) -> Option<SqsAttribute> {
    let header = call.arrived.header("x-amzn-trace-id").filter(|header| !header.is_empty())?;
    let is_text = header.chars().all(crate::content::is_allowed);
    is_text.then(|| SqsAttribute {
        name: "AWSTraceHeader".into(),
        data_type: "String".into(),
        value: SqsValue::Text(header.to_owned().into()),
    })
}

pub(super) async fn publish_batch(call: &Call) -> Result<Answer, ApiError> {
    let request: PublishBatchInput = call.read()?;
    let topic = topic(call, request.topic_arn.as_deref())?;
    let entries = request.publish_batch_request_entries;
    check_ids(&entries)?;
    let mut drafts = Vec::new();
    for (place, entry) in (1..).zip(entries) {
        let id = entry.id.clone();
        let mut draft = Draft::of(entry, Some(place))?;
        draft.order(&topic)?;
        drafts.push((id, draft));
    }
    if drafts.iter().map(|(_, draft)| draft.bytes()).sum::<usize>() > topic.message_bytes_max() {
        return Err(SnsError::BatchRequestTooLong.into());
    }
    let mut answer = PublishBatchResponse::default();
    for (id, draft) in drafts {
        // One after the other: a group's order is the batch's.
        match delivery::publish(&call.door, &topic, &draft, trace(call)).await {
            Ok(published) => answer.successful.push(succeeded(id, published)),
            Err(error) => answer.failed.push(failed(id, &error)),
        }
    }
    call.answer(&answer)
}

fn check_ids(entries: &[PublishBatchRequestEntry]) -> Result<(), SnsError> {
    if entries.is_empty() {
        return Err(SnsError::EmptyBatchRequest);
    }
    if entries.len() > ENTRIES_MAX {
        return Err(SnsError::TooManyEntriesInBatchRequest);
    }
    let mut ids = BTreeSet::new();
    for entry in entries {
        let id = entry.id.as_deref().unwrap_or_default();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || !id.bytes().all(allowed) {
            return Err(SnsError::InvalidBatchEntryId(format!("contains an impermissible character: {id}")));
        }
        if id.len() > ID_CHARACTERS_MAX {
            return Err(SnsError::InvalidBatchEntryId(format!("is too long: {id}")));
        }
        if !ids.insert(id) {
            return Err(SnsError::BatchEntryIdsNotDistinct);
        }
    }
    Ok(())
}

fn succeeded(id: Option<String>, published: Published) -> PublishBatchResultEntry {
    PublishBatchResultEntry {
        id,
        message_id: Some(published.id.to_string()),
        sequence_number: published.sequence.map(|sequence| sequence.to_string()),
    }
}

fn failed(id: Option<String>, error: &ApiError) -> BatchResultErrorEntry {
    BatchResultErrorEntry {
        code: Some(error.kind().code()),
        id,
        message: Some(error.to_string()),
        sender_fault: Some(error.fault() == "Sender"),
    }
}
