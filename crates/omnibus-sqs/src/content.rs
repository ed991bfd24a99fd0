//! What a message may consist of, checked before it goes anywhere.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::errors::ApiError;
use crate::wire::base64;
use crate::wire::md5::hex;
use crate::wire::messages::{MessageAttributeValue, MessageSystemAttributeValue};

/// The most bytes of a message, and of all messages of a batch together.
pub(crate) const BYTES_MAX: usize = 1 << 20;

/// Attributes of one message.
const ATTRIBUTES_MAX: usize = 10;
const NAME_CHARACTERS_MAX: usize = 256;
const TYPE_CHARACTERS_MAX: usize = 256;
const ID_CHARACTERS_MAX: usize = 128;

const TRACE_HEADER: &str = "AWSTraceHeader";

pub(crate) type Attributes = BTreeMap<String, MessageAttributeValue>;
pub(crate) type SystemAttributes = BTreeMap<String, MessageSystemAttributeValue>;

/// The bytes that count against the limits: the body, and each attribute's name, type and value.
pub(crate) fn bytes(body: &str, attributes: &Attributes) -> usize {
    let of_attribute = |(name, value): (&String, &MessageAttributeValue)| {
        let text = value.string_value.as_ref().map_or(0, String::len);
        let binary = value.binary_value.as_deref().and_then(base64::read).map_or(0, |bytes| bytes.len());
        name.len() + value.data_type.as_ref().map_or(0, String::len) + text + binary
    };
    body.len() + attributes.iter().map(of_attribute).sum::<usize>()
}

/// Checks that a body has only characters that XML could carry.
pub(crate) fn check_body(body: Option<&str>) -> Result<&str, ApiError> {
    let body = body.filter(|body| !body.is_empty()).ok_or(ApiError::MissingParameter("MessageBody"))?;
    match body.chars().find(|letter| !is_allowed(*letter)) {
        None => Ok(body),
        Some(letter) => Err(ApiError::InvalidMessageContents(format!(
            "Invalid characters found. Valid unicode values are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | \
             #x10000 to #x10FFFF, and not #x{:X}.",
            u32::from(letter)
        ))),
    }
}

/// Whether XML can carry a letter.
pub(crate) fn is_allowed(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Checks the attributes that a sender chose.
pub(crate) fn check_attributes(attributes: &Attributes) -> Result<(), ApiError> {
    if attributes.len() > ATTRIBUTES_MAX {
        return invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [10].",
            attributes.len()
        ));
    }
    for (name, value) in attributes {
        check_attribute_name(name)?;
        let data_type = value.data_type.as_deref().unwrap_or_default();
        check_type(name, data_type)?;
        if !value.string_list_values.is_empty() || !value.binary_list_values.is_empty() {
            return Err(ApiError::UnsupportedOperation(format!(
                "Message attribute list values in SendMessage operation are not supported: '{name}'."
            )));
        }
        if data_type.starts_with("Binary") {
            check_binary(name, value)?;
        } else {
            check_text(name, data_type, value)?;
        }
    }
    Ok(())
}

fn check_attribute_name(name: &str) -> Result<(), ApiError> {
    // Not documented, and taken by AWS: letters of Latin-1 and Latin Extended-A.
    let allowed =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | '\u{c0}'..='\u{17f}');
    let lower = name.to_ascii_lowercase();
    let is_reserved = ["aws.", "amazon."].iter().any(|prefix| lower.starts_with(prefix));
    if name.is_empty() || name.chars().count() > NAME_CHARACTERS_MAX {
        return invalid(format!("Message (user) attribute name '{name}' must be 1 to 256 characters long."));
    }
    if !name.chars().all(allowed) {
        return invalid(format!(
            "Message (user) attribute name '{name}' can only contain alphanumeric characters, underscores, hyphens and \
             periods."
        ));
    }
    if is_reserved || name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return invalid(format!(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.', or with periods at an end or in \
             succession. These strings are reserved: '{name}'."
        ));
    }
    Ok(())
}

fn check_type(name: &str, data_type: &str) -> Result<(), ApiError> {
    let base = data_type.split_once('.').map_or(data_type, |(base, _)| base);
    if data_type.is_empty() {
        return invalid(format!("The message attribute '{name}' must contain a non-empty message attribute type."));
    }
    if !["String", "Number", "Binary"].contains(&base) {
        return invalid(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes \
             is Binary, Number, and String."
        ));
    }
    if data_type.chars().count() > TYPE_CHARACTERS_MAX {
        return invalid(format!("The type of the message attribute '{name}' must be at most 256 characters long."));
    }
    Ok(())
}

fn check_text(name: &str, data_type: &str, value: &MessageAttributeValue) -> Result<(), ApiError> {
    let text = value.string_value.as_deref().unwrap_or_default();
    if text.is_empty() {
        return invalid(format!(
            "Message (user) attribute '{name}' must contain a non-empty value of type '{}'.",
            data_type.split_once('.').map_or(data_type, |(base, _)| base)
        ));
    }
    if !text.chars().all(is_allowed) {
        return invalid(format!("Message (user) attribute '{name}' contains characters that are not allowed."));
    }
    if data_type.starts_with("Number") && !is_number(text) {
        return invalid(format!("Can't cast the value of message (user) attribute '{name}' to a number."));
    }
    Ok(())
}

fn is_number(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    text.bytes().all(allowed) && text.parse::<f64>().is_ok()
}

fn check_binary(name: &str, value: &MessageAttributeValue) -> Result<(), ApiError> {
    match value.binary_value.as_deref().map(base64::read) {
        Some(Some(bytes)) if !bytes.is_empty() => Ok(()),
        Some(None) => Err(ApiError::Serialization(format!("The value of '{name}' is not base64."))),
        _ => invalid(format!("Message (user) attribute '{name}' must contain a non-empty value of type 'Binary'.")),
    }
}

/// Checks the attributes that a sender sets for the system: a trace header, and no other.
pub(crate) fn check_system_attributes(attributes: &SystemAttributes) -> Result<(), ApiError> {
    for (name, value) in attributes {
        if name != TRACE_HEADER {
            return invalid(format!(
                "Message system attribute name '{name}' is invalid. Only '{TRACE_HEADER}' can be set."
            ));
        }
        let data_type = value.data_type.as_deref().unwrap_or_default();
        let text = value.string_value.as_deref().unwrap_or_default();
        if data_type != "String" || text.is_empty() || !text.chars().all(is_allowed) {
            return invalid(format!(
                "Message (system) attribute '{name}' must contain a non-empty value of type 'String'."
            ));
        }
    }
    Ok(())
}

/// Puts the trace header of an HTTP request where the sender set none itself.
pub(crate) fn add_trace(attributes: &SystemAttributes, header: Option<&str>) -> SystemAttributes {
    let mut all = attributes.clone();
    if let Some(header) = header.filter(|header| !header.is_empty() && header.chars().all(is_allowed)) {
        all.entry(TRACE_HEADER.to_owned()).or_insert_with(|| MessageSystemAttributeValue {
            data_type: Some("String".to_owned()),
            string_value: Some(header.to_owned()),
            ..MessageSystemAttributeValue::default()
        });
    }
    all
}

/// The deduplication id that a message's content gives it.
pub(crate) fn digest(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes()))
}

/// Checks the id of a group, a deduplication or an attempt.
pub(crate) fn check_id(parameter: &str, id: &str) -> Result<(), ApiError> {
    let is_valid = (1..=ID_CHARACTERS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_valid {
        return Ok(());
    }
    invalid(format!(
        "Value {id} for parameter {parameter} is invalid. Reason: {parameter} can only include alphanumeric and \
         punctuation characters. 1 to 128 in length."
    ))
}

fn invalid<T>(text: String) -> Result<T, ApiError> {
    Err(ApiError::InvalidParameterValue(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, data_type: &str, value: &str) -> Attributes {
        let value = MessageAttributeValue {
            data_type: Some(data_type.to_owned()),
            string_value: Some(value.to_owned()),
            ..MessageAttributeValue::default()
        };
        BTreeMap::from([(name.to_owned(), value)])
    }

    #[test]
    fn attributes_are_of_three_types_and_say_something() {
        for (name, data_type, value) in
            [("attr.1øßä", "String", "v"), ("n", "Number.int", "-1e5"), ("n", "String.x", "ä")]
        {
            assert_eq!(check_attributes(&text(name, data_type, value)), Ok(()));
        }
        for (name, data_type, value) in [
            ("a", "String", ""),
            ("a", "String", "a\u{b}"),
            ("a", "Number", "one"),
            ("a", "Invalid", "v"),
            ("a", "Stringy", "v"),
            ("a", "", "v"),
            ("aWs.a", "String", "v"),
            ("AMAZON.a", "String", "v"),
            (".a", "String", "v"),
            ("a.", "String", "v"),
            ("a..b", "String", "v"),
            ("a§", "String", "v"),
            ("", "String", "v"),
            ("a", "Binary", "v"),
        ] {
            let error = check_attributes(&text(name, data_type, value)).unwrap_err();
            assert!(matches!(error, ApiError::InvalidParameterValue(_)), "{name} {data_type} {value}: {error}");
        }
    }

    #[test]
    fn body_is_text_that_xml_can_carry() {
        assert_eq!(check_body(Some("a\t\r\nä\u{1f600}")), Ok("a\t\r\nä\u{1f600}"));
        for letter in ['\0', '\u{8}', '\u{b}', '\u{fffe}', '\u{ffff}'] {
            let error = check_body(Some(&letter.to_string())).unwrap_err();
            assert!(matches!(error, ApiError::InvalidMessageContents(_)));
        }
        assert_eq!(check_body(Some("")), Err(ApiError::MissingParameter("MessageBody")));
    }

    #[test]
    fn size_is_counted_in_bytes() {
        assert_eq!(bytes("ä", &text("k", "String", "x")), 2 + 1 + 6 + 1);
    }

    #[test]
    fn ids_are_printable_and_short() {
        assert!(check_id("MessageGroupId", "a-b_c!~").is_ok());
        for id in ["", "a b", "ä", &"a".repeat(129)] {
            assert!(check_id("MessageGroupId", id).is_err());
        }
    }
}
