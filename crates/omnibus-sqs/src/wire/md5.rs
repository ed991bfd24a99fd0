//! The digests by which clients check that nothing was changed on the way.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

use super::base64;
use super::messages::{MessageAttributeValue, MessageSystemAttributeValue};

/// The digest of a body.
#[must_use]
pub fn of_body(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// The digest of attributes, in the order of their names; `None` of none.
#[must_use]
pub fn of_attributes(attributes: &BTreeMap<String, MessageAttributeValue>) -> Option<String> {
    let values = attributes.iter().map(|(name, value)| (name.as_str(), Value::from(value)));
    (!attributes.is_empty()).then(|| of_values(values))
}

/// The digest of system attributes, in the order of their names; `None` of none.
#[must_use]
pub fn of_system_attributes(attributes: &BTreeMap<String, MessageSystemAttributeValue>) -> Option<String> {
    let values = attributes.iter().map(|(name, value)| (name.as_str(), Value::from(value)));
    (!attributes.is_empty()).then(|| of_values(values))
}

/// Bytes in lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

struct Value<'a> {
    data_type: &'a str,
    text: Option<&'a str>,
    binary: Option<&'a str>,
}

impl<'a> From<&'a MessageAttributeValue> for Value<'a> {
    fn from(value: &'a MessageAttributeValue) -> Self {
        Self {
            data_type: value.data_type.as_deref().unwrap_or_default(),
            text: value.string_value.as_deref(),
            binary: value.binary_value.as_deref(),
        }
    }
}

impl<'a> From<&'a MessageSystemAttributeValue> for Value<'a> {
    fn from(value: &'a MessageSystemAttributeValue) -> Self {
        Self {
            data_type: value.data_type.as_deref().unwrap_or_default(),
            text: value.string_value.as_deref(),
            binary: value.binary_value.as_deref(),
        }
    }
}

fn of_values<'a>(values: impl Iterator<Item = (&'a str, Value<'a>)>) -> String {
    let mut digest = Md5::new();
    for (name, value) in values {
        part(&mut digest, name.as_bytes());
        part(&mut digest, value.data_type.as_bytes());
        if value.data_type.starts_with("Binary") {
            digest.update([2]);
            part(&mut digest, &value.binary.and_then(base64::read).unwrap_or_default());
        } else {
            digest.update([1]);
            part(&mut digest, value.text.unwrap_or_default().as_bytes());
        }
    }
    hex(&digest.finalize())
}

fn part(digest: &mut Md5, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    digest.update(length.to_be_bytes());
    digest.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, data_type: &str, value: &str) -> (String, MessageAttributeValue) {
        let (data_type, value) = (Some(data_type.to_owned()), Some(value.to_owned()));
        (name.to_owned(), MessageAttributeValue { data_type, string_value: value, ..Default::default() })
    }

    fn binary(name: &str, value: &[u8]) -> (String, MessageAttributeValue) {
        let (data_type, value) = (Some("Binary".to_owned()), Some(base64::write(value)));
        (name.to_owned(), MessageAttributeValue { data_type, binary_value: value, ..Default::default() })
    }

    /// What the real service answers.
    #[test]
    fn digests_are_those_of_aws() {
        assert_eq!(of_body("message"), "78e731027d8fd50ed642340b7c9a63b3");
        let first = text("attribName1", "String", "attribValue 1");
        let number = text("customNumberTypeAttrib", "Number.float", "4563442423554324324264524243.32543234");
        let bytes = binary("binaryAttribute", b"Hello binary world!");
        for (attributes, expected) in [
            (vec![first], "19e27d4e946b072f3f58da80d94fd778"),
            (vec![number], "9fe1b90bbd9965bdf77bac517c7d2495"),
            (vec![bytes], "31a92b15d92f8db860eda32aceb656c3"),
            (
                vec![
                    text("Hello", "String", "There"),
                    text("General", "String", "Kenobi"),
                    text("Help.Me", "String", "Me"),
                ],
                "4c360f3fdafd970e05fae2f149d997f5",
            ),
        ] {
            assert_eq!(of_attributes(&attributes.into_iter().collect()).as_deref(), Some(expected));
        }
        let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let trace = MessageSystemAttributeValue {
            data_type: Some("String".to_owned()),
            string_value: Some(trace.to_owned()),
            ..Default::default()
        };
        let system = BTreeMap::from([("AWSTraceHeader".to_owned(), trace)]);
        assert_eq!(of_system_attributes(&system).as_deref(), Some("5ae4d5d7636402d80f4eb6d213245a88"));
    }
}
