//! What somebody wants to publish, checked.

use std::collections::BTreeMap;

use bytestring::ByteString;
use omnibus_record::{SqsAttribute, SqsValue};
use serde_json::Value;

use crate::content;
use crate::errors::ApiError;
use crate::sns::routing::Protocol;
use crate::sns_error::SnsError;
use crate::topics::Topic;
use crate::wire::base64;
use crate::wire::sns::{MessageAttributeValue, PublishBatchRequestEntry};

const SUBJECT_CHARACTERS_MAX: usize = 100;
const NAME_BYTES_MAX: usize = 256;
const ATTRIBUTES_MAX: usize = 100;

/// A message on its way to a topic.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) subject: Option<ByteString>,
    body: ByteString,
    /// What some protocols get instead.
    bodies: BTreeMap<Protocol, ByteString>,
    pub(crate) attributes: Vec<SqsAttribute>,
    pub(crate) group: Option<ByteString>,
    pub(crate) dedup: Option<ByteString>,
}

impl Draft {
    /// Checks a message; `place` says which of a batch it is.
    pub(crate) fn of(entry: PublishBatchRequestEntry, place: Option<usize>) -> Result<Self, ApiError> {
        let message = entry.message.filter(|message| !message.is_empty());
        let message = message.ok_or_else(|| invalid("Empty message"))?;
        let (body, bodies) = bodies(message, entry.message_structure.as_deref())?;
        if !body.chars().chain(bodies.values().flat_map(|body| body.chars())).all(content::is_allowed) {
            return Err(invalid("Message Reason: contains characters that are not allowed").into());
        }
        let subject = entry.subject.map(check_subject).transpose()?;
        let attributes = attributes(entry.message_attributes, place)?;
        let (group, dedup) = (entry.message_group_id, entry.message_deduplication_id);
        Ok(Self { subject, body, bodies, attributes, group: group.map(Into::into), dedup: dedup.map(Into::into) })
    }

    /// What the endpoints of a protocol get.
    pub(crate) fn body(&self, protocol: Protocol) -> &ByteString {
        self.bodies.get(&protocol).unwrap_or(&self.body)
    }

    /// Whether protocols get different bodies.
    pub(crate) fn has_bodies(&self) -> bool {
        !self.bodies.is_empty()
    }

    /// The bytes that count against the limits of a message.
    pub(crate) fn bytes(&self) -> usize {
        let bodies = self.bodies.values().map(|body| body.len()).sum::<usize>();
        self.body.len() + bodies + self.attribute_bytes()
    }

    /// The bytes of all attributes.
    pub(crate) fn attribute_bytes(&self) -> usize {
        let of_attribute = |attribute: &SqsAttribute| {
            let value = match &attribute.value {
                SqsValue::Text(text) => text.len(),
                SqsValue::Binary(bytes) => bytes.len(),
            };
            attribute.name.len() + attribute.data_type.len() + value
        };
        self.attributes.iter().map(of_attribute).sum()
    }

    /// Checks what a FIFO topic asks of a message, and fills in the deduplication id that its content gives.
    pub(crate) fn order(&mut self, topic: &Topic) -> Result<(), ApiError> {
        for (parameter, id) in [("MessageGroupId", &self.group), ("MessageDeduplicationId", &self.dedup)] {
            if let Some(id) = id {
                let refused = |_| invalid(&format!("{parameter} Reason: must be 1 to 128 visible characters"));
                content::check_id(parameter, id).map_err(refused)?;
            }
        }
        if !topic.arn.is_fifo() {
            return match &self.dedup {
                None => Ok(()),
                Some(_) => Err(invalid(
                    "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not \
                     valid for this topic type",
                )
                .into()),
            };
        }
        if self.group.is_none() {
            return Err(invalid("The MessageGroupId parameter is required for FIFO topics").into());
        }
        if self.dedup.is_none() {
            if !topic.dedups_by_content() {
                return Err(invalid(
                    "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                     explicitly",
                )
                .into());
            }
            self.dedup = Some(content::digest(&self.body).into());
        }
        Ok(())
    }
}

fn bodies(message: String, structure: Option<&str>) -> Result<(ByteString, BTreeMap<Protocol, ByteString>), SnsError> {
    match structure {
        None => return Ok((message.into(), BTreeMap::new())),
        Some("json") => {}
        Some(_) => return Err(invalid("MessageStructure")),
    }
    let unreadable = |_| invalid("Message Structure - JSON message body failed to parse");
    let parsed: Value = serde_json::from_str(&message).map_err(unreadable)?;
    let text = |name: &str| parsed.get(name).and_then(Value::as_str).map(|text| ByteString::from(text.to_owned()));
    let default =
        text("default").ok_or_else(|| invalid("Message Structure - No default entry in JSON message body"))?;
    let bodies = Protocol::ALL.into_iter().filter_map(|protocol| Some((protocol, text(protocol.name())?)));
    Ok((default, bodies.collect()))
}

fn check_subject(subject: String) -> Result<ByteString, SnsError> {
    let starts_well = subject.chars().next().is_some_and(|first| !first.is_whitespace());
    let is_plain = !subject.chars().any(char::is_control);
    if starts_well && is_plain && subject.chars().count() <= SUBJECT_CHARACTERS_MAX {
        return Ok(subject.into());
    }
    Err(invalid("Subject"))
}

fn attributes(
    attributes: BTreeMap<String, MessageAttributeValue>,
    place: Option<usize>,
) -> Result<Vec<SqsAttribute>, SnsError> {
    if attributes.len() > ATTRIBUTES_MAX {
        return Err(invalid(&format!("MessageAttributes Reason: at most {ATTRIBUTES_MAX}")));
    }
    attributes.into_iter().map(|(name, value)| attribute(name, value, place)).collect()
}

fn attribute(name: String, value: MessageAttributeValue, place: Option<usize>) -> Result<SqsAttribute, SnsError> {
    check_name(&name)?;
    let Some(data_type) = value.data_type else {
        let of_batch = place.map(|place| format!("publishBatchRequestEntries.{place}.member.")).unwrap_or_default();
        return Err(SnsError::MemberMissing { member: format!("{of_batch}messageAttributes.{name}.member.dataType") });
    };
    let base = data_type.split_once('.').map_or(data_type.as_str(), |(base, _)| base);
    let refused = |text: String| Err(SnsError::ParameterValueInvalid(format!("The message attribute '{name}' {text}")));
    let field = match base {
        _ if data_type.split_once('.').is_some_and(|(_, label)| label.is_empty()) => "",
        "String" | "Number" => "String",
        "Binary" => "Binary",
        _ => "",
    };
    if field.is_empty() {
        let text =
            "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.";
        return refused(text.to_owned());
    }
    let (text, binary) = (value.string_value.unwrap_or_default(), value.binary_value.unwrap_or_default());
    let (wanted, other) = if field == "String" { (&text, &binary) } else { (&binary, &text) };
    if wanted.is_empty() && !other.is_empty() {
        return refused(format!("with type '{base}' must use field '{field}'."));
    }
    if wanted.is_empty() {
        return refused(format!("must contain non-empty message attribute value for message attribute type '{base}'."));
    }
    let value = if field == "Binary" {
        match base64::read(&binary) {
            Some(bytes) => SqsValue::Binary(bytes.into()),
            None => return refused("is not base64.".to_owned()),
        }
    } else if text.chars().all(content::is_allowed) {
        SqsValue::Text(text.into())
    } else {
        return refused("contains characters that are not allowed.".to_owned());
    };
    Ok(SqsAttribute { name: name.into(), data_type: data_type.into(), value })
}

fn check_name(name: &str) -> Result<(), SnsError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let refused = |text: String| Err(SnsError::ParameterValueInvalid(text));
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return refused("Length of message attribute name must be less than 256 bytes.".to_owned());
    }
    if let Some(letter) = name.chars().find(|letter| !allowed(*letter)) {
        return refused(format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only include \
             alphanumeric characters, hyphens, underscores, or dots.",
            u32::from(letter)
        ));
    }
    if name.starts_with('.') {
        return refused("Invalid message attribute name starting with character '.' was found.".to_owned());
    }
    if name.ends_with('.') {
        return refused("Invalid message attribute name ending with character '.' was found.".to_owned());
    }
    if name.contains("..") {
        return refused("Message attribute name can not have successive '.' character.".to_owned());
    }
    Ok(())
}

fn invalid(text: &str) -> SnsError {
    SnsError::InvalidParameter(text.to_owned())
}
