//! A queue's attributes: texts on the wire, a configuration for the engine.

use std::collections::BTreeMap;

use omnibus_model::queue::{CursorConfig, DeadLetters, DeliveryOrder, LateHolders, QueueConfig};
use omnibus_model::{Millis, MoveId, Timestamp, TopicName};
use serde_json::Value;

use crate::content;
use crate::errors::ApiError;
use crate::names::QueueName;

/// A record that comes back after so many deliveries goes behind all others, as on AWS.
const BACK_AFTER: u32 = 3;

/// A group of a FIFO queue goes there with the first record that comes back, as on AWS.
const GROUP_BACK_AFTER: u32 = 1;

/// What messages a standard queue may have out on lease, and a FIFO queue looks at.
pub(crate) const IN_FLIGHT_MAX: u32 = 120_000;

const SECOND: u64 = 1_000;
const LEASE: u64 = 30;
const RETENTION: u64 = 345_600;

/// Names of attributes whose texts are kept as they came.
pub(crate) const POLICY: &str = "Policy";
pub(crate) const REDRIVE: &str = "RedrivePolicy";
const REDRIVE_ALLOW: &str = "RedriveAllowPolicy";
const FIFO: &str = "FifoQueue";
const CONTENT_DEDUP: &str = "ContentBasedDeduplication";
const SCOPE: &str = "DeduplicationScope";
const SCOPE_AT_CREATION: &str = "omnibus.DeduplicationScope";
/// What the names begin with under which the targets of move tasks are kept.
const MOVE_TARGET: &str = "omnibus.MoveTarget.";
/// When somebody last changed the queue, in milliseconds since 1970, if the broker has written something down since.
const ALTERED_AT: &str = "omnibus.AlteredAt";
const THROUGHPUT: &str = "FifoThroughputLimit";
pub(crate) const KMS_KEY: &str = "KmsMasterKeyId";
pub(crate) const KMS_REUSE: &str = "KmsDataKeyReusePeriodSeconds";
pub(crate) const SSE: &str = "SqsManagedSseEnabled";

/// What can be asked for and not set, in the order of the model.
pub(crate) const COUNTED: [&str; 3] =
    ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"];
const TOLD: [&str; 3] = ["CreatedTimestamp", "LastModifiedTimestamp", "QueueArn"];

/// Numbers that can be set, in seconds but for the size.
const NUMBERS: [(&str, std::ops::RangeInclusive<u64>); 6] = [
    ("VisibilityTimeout", 0..=43_200),
    ("DelaySeconds", 0..=900),
    ("MessageRetentionPeriod", 60..=1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0..=20),
    ("MaximumMessageSize", 1_024..=1_048_576),
    (KMS_REUSE, 60..=86_400),
];

/// A redrive policy, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    pub(crate) target: QueueName,
    pub(crate) deliveries_max: u32,
}

/// The configuration of a new queue.
pub(crate) fn create(name: &str, given: &BTreeMap<String, String>) -> Result<QueueConfig, ApiError> {
    let is_fifo = match given.get(FIFO) {
        None => false,
        Some(text) if is_true(text) => true,
        // AWS takes the attribute of FIFO queues only.
        Some(_) => return Err(unknown(FIFO)),
    };
    crate::names::check_name(name, is_fifo)?;
    let mut config = if is_fifo { fifo() } else { standard() };
    change(&mut config, given)?;
    if let Some(scope) = config.attributes.get(SCOPE).cloned() {
        config.attributes.insert(SCOPE_AT_CREATION.to_owned(), scope);
    }
    Ok(config)
}

fn standard() -> QueueConfig {
    let cursor = CursorConfig {
        leases_max: IN_FLIGHT_MAX,
        back_after: Some(BACK_AFTER),
        late: LateHolders::Heard,
        ..CursorConfig::default()
    };
    QueueConfig {
        cursor,
        lease: Millis(LEASE * SECOND),
        retention: Some(Millis(RETENTION * SECOND)),
        record_bytes_max: u32::try_from(content::BYTES_MAX).ok(),
        ..QueueConfig::default()
    }
}

fn fifo() -> QueueConfig {
    let mut config = standard();
    config.cursor.order = DeliveryOrder::Ordered;
    config.cursor.back_after = Some(GROUP_BACK_AFTER);
    config.cursor.late = LateHolders::Refused;
    config
}

/// Puts what was given into a configuration.
pub(crate) fn change(config: &mut QueueConfig, given: &BTreeMap<String, String>) -> Result<(), ApiError> {
    for (name, text) in given {
        check_known(config, name)?;
        match name.as_str() {
            FIFO => check_still_fifo(text)?,
            POLICY => set_document(config, POLICY, text)?,
            REDRIVE => set_redrive(config, text)?,
            REDRIVE_ALLOW => set_redrive_allow(config, text)?,
            CONTENT_DEDUP | SSE => set_flag(config, name, text)?,
            SCOPE => set_choice(config, name, text, &["queue", "messageGroup"])?,
            THROUGHPUT => set_choice(config, name, text, &["perQueue", "perMessageGroupId"])?,
            KMS_KEY => set_text(config, KMS_KEY, text),
            _ => set_number(config, name, text)?,
        }
    }
    check_together(config, given)
}

/// What a queue says of an attribute; `None` if it has it not.
pub(crate) fn show(config: &QueueConfig, name: &str) -> Option<String> {
    let seconds = |span: Millis| (span.0 / SECOND).to_string();
    let kept = || config.attributes.get(name).cloned();
    match name {
        "VisibilityTimeout" => Some(seconds(config.lease)),
        "DelaySeconds" => Some(seconds(if is_fifo(config) { config.cursor.delay } else { config.delay })),
        "MessageRetentionPeriod" => Some(seconds(config.retention.unwrap_or(Millis(RETENTION * SECOND)))),
        "ReceiveMessageWaitTimeSeconds" => Some(seconds(config.wait)),
        "MaximumMessageSize" => Some(bytes_max(config).to_string()),
        FIFO => is_fifo(config).then(|| "true".to_owned()),
        CONTENT_DEDUP => is_fifo(config).then(|| kept().unwrap_or_else(|| "false".to_owned())),
        SCOPE => is_fifo(config).then(|| kept().unwrap_or_else(|| "queue".to_owned())),
        THROUGHPUT => is_fifo(config).then(|| kept().unwrap_or_else(|| "perQueue".to_owned())),
        SSE => Some(kept().unwrap_or_else(|| (!config.attributes.contains_key(KMS_KEY)).to_string())),
        // Somebody else may have changed what it says.
        REDRIVE => kept().filter(|_| redrive_in_force(config).is_some()),
        POLICY | REDRIVE_ALLOW | KMS_KEY | KMS_REUSE => kept(),
        _ => None,
    }
}

/// All names that [`show`] knows, in alphabetical order.
pub(crate) const SHOWN: [&str; 15] = [
    CONTENT_DEDUP,
    SCOPE,
    "DelaySeconds",
    FIFO,
    THROUGHPUT,
    KMS_REUSE,
    KMS_KEY,
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    POLICY,
    "ReceiveMessageWaitTimeSeconds",
    REDRIVE_ALLOW,
    REDRIVE,
    SSE,
    "VisibilityTimeout",
];

/// Checks the names that somebody wants to see; returns whether they are all.
pub(crate) fn check_wanted(names: &[String]) -> Result<(), ApiError> {
    let is_known =
        |name: &str| name == "All" || SHOWN.contains(&name) || COUNTED.contains(&name) || TOLD.contains(&name);
    match names.iter().find(|name| !is_known(name)) {
        Some(name) => Err(unknown(name)),
        None => Ok(()),
    }
}

/// The first attribute that was given and is another than the queue's.
pub(crate) fn difference(config: &QueueConfig, given: &BTreeMap<String, String>) -> Result<Option<String>, ApiError> {
    let mut wanted = config.clone();
    change(&mut wanted, given)?;
    Ok(given.keys().find(|name| show(&wanted, name) != show(config, name)).cloned())
}

pub(crate) fn is_fifo(config: &QueueConfig) -> bool {
    config.cursor.order == DeliveryOrder::Ordered
}

/// Whether a body stands for its own deduplication id.
pub(crate) fn dedups_by_content(config: &QueueConfig) -> bool {
    config.attributes.get(CONTENT_DEDUP).is_some_and(|text| is_true(text))
}

/// Whether deduplication ids are told apart by group: as it was when the queue was created.
pub(crate) fn dedups_by_group(config: &QueueConfig) -> bool {
    config.attributes.get(SCOPE_AT_CREATION).is_some_and(|scope| scope == "messageGroup")
}

/// When somebody last changed a queue whose configuration changed at `changed_at`.
pub(crate) fn altered_at(config: &QueueConfig, changed_at: Timestamp) -> Timestamp {
    let noted = config.attributes.get(ALTERED_AT).and_then(|text| text.parse().ok());
    noted.map_or(changed_at, Timestamp)
}

/// Writes down that somebody changes a queue now.
pub(crate) fn note_change(config: &mut QueueConfig) {
    config.attributes.remove(ALTERED_AT);
}

/// Writes down where a move task of a queue goes, so that it can be told even if that queue is deleted. Nobody has
/// changed the queue by that.
pub(crate) fn note_move(config: &mut QueueConfig, altered_at: Timestamp, (task, target): (MoveId, String)) {
    /// So many tasks are kept by the broker.
    const MOVES_MAX: u64 = 10;
    let is_old = |name: &str| {
        let id = name.strip_prefix(MOVE_TARGET).and_then(|id| id.parse::<u64>().ok());
        id.is_some_and(|id| id.saturating_add(MOVES_MAX) <= task.0)
    };
    config.attributes.retain(|name, _| !is_old(name));
    config.attributes.insert(format!("{MOVE_TARGET}{}", task.0), target);
    config.attributes.insert(ALTERED_AT.to_owned(), altered_at.0.to_string());
}

/// The ARN of the queue that a move task of a queue goes to.
pub(crate) fn move_target(config: &QueueConfig, task: MoveId) -> Option<String> {
    config.attributes.get(&format!("{MOVE_TARGET}{}", task.0)).cloned()
}

/// The most bytes of one message.
pub(crate) fn bytes_max(config: &QueueConfig) -> usize {
    config.record_bytes_max.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(content::BYTES_MAX)
}

/// The redrive policy that somebody gave a queue.
pub(crate) fn redrive(config: &QueueConfig) -> Option<Redrive> {
    config.attributes.get(REDRIVE).and_then(|text| read_redrive(text).ok())
}

/// The redrive policy of a queue, if the queue does what it says.
pub(crate) fn redrive_in_force(config: &QueueConfig) -> Option<Redrive> {
    redrive(config).filter(|redrive| {
        let goes_there = |target: &TopicName| target.as_str().ends_with(&redrive.target.name);
        let counts = config.cursor.deliveries_max == Some(redrive.deliveries_max);
        counts && config.dead_letters_to.as_ref().is_none_or(goes_there)
    })
}

/// Whether the dead letters of `source` may go into the queue with this configuration.
pub(crate) fn allows_redrive_from(config: &QueueConfig, source: &QueueName) -> bool {
    let Some(text) = config.attributes.get(REDRIVE_ALLOW) else { return true };
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    match policy.get("redrivePermission").and_then(Value::as_str) {
        Some("denyAll") => false,
        Some("byQueue") => {
            let arns = policy.get("sourceQueueArns").and_then(Value::as_array);
            arns.is_some_and(|arns| arns.iter().any(|arn| arn.as_str() == Some(&source.arn())))
        }
        _ => true,
    }
}

fn check_known(config: &QueueConfig, name: &str) -> Result<(), ApiError> {
    let of_fifo = matches!(name, CONTENT_DEDUP | SCOPE | THROUGHPUT | FIFO);
    if of_fifo && !is_fifo(config) {
        return Err(match name {
            SCOPE | THROUGHPUT => ApiError::InvalidAttributeName(format!(
                "You can specify the {name} only when FifoQueue is set to true."
            )),
            _ => unknown(name),
        });
    }
    let is_known = SHOWN.contains(&name);
    if is_known { Ok(()) } else { Err(unknown(name)) }
}

fn unknown(name: &str) -> ApiError {
    ApiError::InvalidAttributeName(format!("Unknown Attribute {name}."))
}

fn invalid(name: &str) -> ApiError {
    ApiError::InvalidAttributeValue(format!("Invalid value for the parameter {name}."))
}

fn invalid_because(name: &str, reason: &str) -> ApiError {
    ApiError::InvalidAttributeValue(format!("Invalid value for the parameter {name}. Reason: {reason}"))
}

fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

fn check_still_fifo(text: &str) -> Result<(), ApiError> {
    if is_true(text) { Ok(()) } else { Err(invalid_because(FIFO, "Modifying queue type is not supported.")) }
}

/// Keeps a text; an empty one takes the attribute away.
fn set_text(config: &mut QueueConfig, name: &str, text: &str) {
    if text.is_empty() {
        config.attributes.remove(name);
    } else {
        config.attributes.insert(name.to_owned(), text.to_owned());
    }
}

fn set_document(config: &mut QueueConfig, name: &str, text: &str) -> Result<(), ApiError> {
    let is_object = text.is_empty() || serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object());
    if !is_object {
        return Err(invalid(name));
    }
    set_text(config, name, text);
    Ok(())
}

fn set_flag(config: &mut QueueConfig, name: &str, text: &str) -> Result<(), ApiError> {
    let lower = text.to_ascii_lowercase();
    if !["true", "false"].contains(&lower.as_str()) {
        return Err(invalid(name));
    }
    config.attributes.insert(name.to_owned(), lower);
    Ok(())
}

fn set_choice(config: &mut QueueConfig, name: &str, text: &str, choices: &[&str]) -> Result<(), ApiError> {
    if !choices.contains(&text) {
        return Err(invalid(name));
    }
    config.attributes.insert(name.to_owned(), text.to_owned());
    Ok(())
}

fn set_number(config: &mut QueueConfig, name: &str, text: &str) -> Result<(), ApiError> {
    let (_, range) = NUMBERS.iter().find(|(each, _)| *each == name).ok_or_else(|| unknown(name))?;
    let number =
        text.trim().parse::<u64>().ok().filter(|number| range.contains(number)).ok_or_else(|| invalid(name))?;
    let span = Millis(number * SECOND);
    match name {
        "VisibilityTimeout" => config.lease = span,
        "DelaySeconds" if is_fifo(config) => config.cursor.delay = span,
        "DelaySeconds" => config.delay = span,
        "MessageRetentionPeriod" => config.retention = Some(span),
        "ReceiveMessageWaitTimeSeconds" => config.wait = span,
        "MaximumMessageSize" => config.record_bytes_max = u32::try_from(number).ok(),
        // The default is as good as no choice.
        _ => set_text(config, name, if number == 300 { "" } else { text.trim() }),
    }
    Ok(())
}

fn set_redrive(config: &mut QueueConfig, text: &str) -> Result<(), ApiError> {
    set_text(config, REDRIVE, text);
    config.cursor.deliveries_max = None;
    config.cursor.dead_letters = DeadLetters::Dropped;
    if !text.is_empty() {
        config.cursor.deliveries_max = Some(read_redrive(text)?.deliveries_max);
        config.cursor.dead_letters = DeadLetters::Moved;
    }
    Ok(())
}

fn read_redrive(text: &str) -> Result<Redrive, ApiError> {
    let refused = |reason: &str| {
        let text = format!("Value {text} for parameter {REDRIVE} is invalid. Reason: {reason}");
        ApiError::InvalidParameterValue(text)
    };
    let policy: Value = serde_json::from_str(text).map_err(|_| refused("Redrive policy is not a valid JSON map."))?;
    let target = policy.get("deadLetterTargetArn").and_then(Value::as_str);
    let target =
        target.ok_or_else(|| refused("Redrive policy does not contain mandatory attribute: deadLetterTargetArn."))?;
    let target = QueueName::of_arn(target).ok_or_else(|| refused("Invalid value for deadLetterTargetArn."))?;
    let count = policy.get("maxReceiveCount");
    let count =
        count.ok_or_else(|| refused("Redrive policy does not contain mandatory attribute: maxReceiveCount."))?;
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok()).filter(|count| (1..=1000).contains(count));
    let deliveries_max = count.and_then(|count| u32::try_from(count).ok());
    let deliveries_max =
        deliveries_max.ok_or_else(|| refused("Invalid value for maxReceiveCount: must be between 1 and 1000."))?;
    Ok(Redrive { target, deliveries_max })
}

fn set_redrive_allow(config: &mut QueueConfig, text: &str) -> Result<(), ApiError> {
    set_document(config, REDRIVE_ALLOW, text)?;
    if text.is_empty() {
        return Ok(());
    }
    let policy: Value = serde_json::from_str(text).map_err(|_| invalid(REDRIVE_ALLOW))?;
    let arns = policy.get("sourceQueueArns").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let are_queues = arns.iter().all(|arn| arn.as_str().and_then(QueueName::of_arn).is_some());
    match policy.get("redrivePermission").and_then(Value::as_str) {
        Some("allowAll" | "denyAll") if arns.is_empty() => Ok(()),
        Some("byQueue") if (1..=10).contains(&arns.len()) && are_queues => Ok(()),
        _ => Err(invalid(REDRIVE_ALLOW)),
    }
}

/// Checks what attributes say of each other.
fn check_together(config: &mut QueueConfig, given: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let choice = |name: &str| config.attributes.get(name).map(String::as_str);
    if choice(THROUGHPUT) == Some("perMessageGroupId") && choice(SCOPE) != Some("messageGroup") {
        return Err(invalid_because(THROUGHPUT, "perMessageGroupId requires DeduplicationScope to be messageGroup."));
    }
    let has_key = given.get(KMS_KEY).is_some_and(|key| !key.is_empty());
    match given.get(SSE) {
        Some(text) if is_true(text) && has_key => {
            Err(invalid_because(SSE, "You can use one type of server-side encryption at one time."))
        }
        Some(text) if is_true(text) => {
            config.attributes.remove(KMS_KEY);
            config.attributes.remove(KMS_REUSE);
            Ok(())
        }
        Some(_) => Ok(()),
        None => {
            // One kind of encryption replaces the other, and none comes back by itself.
            if given.contains_key(KMS_KEY) {
                config.attributes.insert(SSE.to_owned(), "false".to_owned());
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
