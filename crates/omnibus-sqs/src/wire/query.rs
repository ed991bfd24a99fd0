//! The Query protocol: parameters like `SendMessageBatchRequestEntry.2.MessageBody` are put in
//! the shape that JSON has.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::DecodeError;
use super::shape::{Member, Shape};

/// Parameters by the parts of their names.
#[derive(Debug, Default)]
struct Tree {
    value: Option<String>,
    children: BTreeMap<String, Self>,
}

/// Parts of one name; the deepest the model has is six.
const DEPTH_MAX: usize = 8;

/// Puts `parameters` in the shape of `members`; what the members do not name is left out.
///
/// # Errors
/// [`DecodeError::NotANumber`].
pub fn read(parameters: Vec<(String, String)>, members: &[Member]) -> Result<Value, DecodeError> {
    let mut tree = Tree::default();
    for (name, value) in parameters {
        if let Some(leaf) = tree.descend(&name) {
            leaf.value = Some(value);
        }
    }
    Ok(structure(&mut tree, members)?.unwrap_or_else(|| Value::Object(Map::new())))
}

impl Tree {
    fn descend(&mut self, name: &str) -> Option<&mut Self> {
        let mut node = self;
        for (depth, part) in name.split('.').enumerate() {
            if depth == DEPTH_MAX {
                return None;
            }
            node = node.children.entry(part.to_owned()).or_default();
        }
        Some(node)
    }

    /// The children that are numbered, in the order of their numbers.
    fn numbered(&mut self) -> Vec<Self> {
        let children = std::mem::take(&mut self.children).into_iter();
        let numbered = children.filter_map(|(name, child)| Some((name.parse::<u32>().ok()?, child)));
        let sorted: BTreeMap<u32, Self> = numbered.collect();
        sorted.into_values().collect()
    }
}

fn value(name: &str, tree: &mut Tree, shape: &Shape) -> Result<Option<Value>, DecodeError> {
    match shape {
        Shape::Text => Ok(tree.value.take().map(Value::String)),
        Shape::Integer => tree.value.take().map(|text| integer(name, &text)).transpose(),
        Shape::Boolean => Ok(tree.value.take().map(|text| Value::Bool(text.eq_ignore_ascii_case("true")))),
        Shape::Structure(members) => structure(tree, members),
        Shape::List { item, of } => list(item, tree, of),
        Shape::Map { key, value: value_name, of, .. } => map((*key, *value_name), tree, of),
        Shape::WrappedList { item, of } => list(item, &mut tree.children.remove(*item).unwrap_or_default(), of),
        Shape::WrappedMap { item, key, value: value_name, of } => {
            map((*key, *value_name), &mut tree.children.remove(*item).unwrap_or_default(), of)
        }
    }
}

fn integer(name: &str, text: &str) -> Result<Value, DecodeError> {
    let number = text.trim().parse::<i64>();
    let wrong = |_| DecodeError::NotANumber { name: name.to_owned(), value: text.to_owned() };
    number.map(Value::from).map_err(wrong)
}

/// Reads a structure; `None` if none of its members is there.
fn structure(tree: &mut Tree, members: &[Member]) -> Result<Option<Value>, DecodeError> {
    let mut found = Map::new();
    for member in members {
        // Lists and maps are flat: their elements stand under the element's name.
        let names = match &member.shape {
            Shape::List { item, .. } | Shape::Map { item, .. } => [Some(*item), Some(member.name)],
            _ => [Some(member.name), None],
        };
        let child = names.into_iter().flatten().find(|name| tree.children.contains_key(*name));
        let Some(mut child) = child.and_then(|name| tree.children.remove(name)) else { continue };
        if let Some(value) = value(member.name, &mut child, &member.shape)? {
            found.insert(member.name.to_owned(), value);
        }
    }
    Ok((!found.is_empty()).then_some(Value::Object(found)))
}

fn list(item: &str, tree: &mut Tree, of: &Shape) -> Result<Option<Value>, DecodeError> {
    let mut items = Vec::new();
    for mut child in tree.numbered() {
        items.extend(value(item, &mut child, of)?);
    }
    Ok(Some(Value::Array(items)))
}

fn map((key, value_name): (&str, &str), tree: &mut Tree, of: &Shape) -> Result<Option<Value>, DecodeError> {
    let mut items = Map::new();
    for mut child in tree.numbered() {
        let Some(key) = child.children.remove(key).and_then(|key| key.value) else { continue };
        let Some(mut child) = child.children.remove(value_name) else { continue };
        if let Some(value) = value(value_name, &mut child, of)? {
            items.insert(key, value);
        }
    }
    Ok(Some(Value::Object(items)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::form;
    use crate::wire::messages::Action;
    use crate::wire::shape::Structure;
    use crate::wire::sns;

    fn read_as(action: Action, text: &str) -> Result<Value, DecodeError> {
        read(form::read(text.as_bytes()).unwrap(), action.request())
    }

    #[test]
    fn flat_names_become_nested_values() {
        let text = "SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=2\
            &SendMessageBatchRequestEntry.10.Id=c\
            &SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.DelaySeconds=7\
            &SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n\
            &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String\
            &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=v&QueueUrl=q&Other=x";
        let expected = json!({
            "QueueUrl": "q",
            "Entries": [
                {"Id": "a", "DelaySeconds": 7,
                    "MessageAttributes": {"n": {"DataType": "String", "StringValue": "v"}}},
                {"Id": "b", "MessageBody": "2"},
                {"Id": "c"},
            ],
        });
        assert_eq!(read_as(Action::SendMessageBatch, text), Ok(expected));
    }

    #[test]
    fn maps_have_names_and_values() {
        let read =
            read_as(Action::CreateQueue, "Attribute.1.Name=DelaySeconds&Attribute.1.Value=3&Tag.1.Key=k&Tag.1.Value=");
        assert_eq!(read, Ok(json!({"Attributes": {"DelaySeconds": "3"}, "tags": {"k": ""}})));
    }

    #[test]
    fn wrapped_lists_and_maps_have_a_name_of_their_own() {
        let text = "Name=n&Attributes.entry.2.key=b&Attributes.entry.2.value=2&Attributes.entry.1.key=a\
            &Attributes.entry.1.value=1&Tags.member.1.Key=k&Tags.member.1.Value=v&Tags.member=x&Attributes=y";
        let read = read(form::read(text.as_bytes()).unwrap(), sns::CreateTopicInput::MEMBERS);
        let expected = json!({"Name": "n", "Attributes": {"a": "1", "b": "2"}, "Tags": [{"Key": "k", "Value": "v"}]});
        assert_eq!(read, Ok(expected));
        let text = "MessageAttributes.entry.1.Name=n&MessageAttributes.entry.1.Value.DataType=String\
            &MessageAttributes.entry.1.Value.StringValue=v";
        let read = super::read(form::read(text.as_bytes()).unwrap(), sns::PublishInput::MEMBERS);
        let expected = json!({"MessageAttributes": {"n": {"DataType": "String", "StringValue": "v"}}});
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn word_for_a_number_is_refused() {
        let wrong = DecodeError::NotANumber { name: "WaitTimeSeconds".to_owned(), value: "long".to_owned() };
        assert_eq!(read_as(Action::ReceiveMessage, "WaitTimeSeconds=long"), Err(wrong));
    }

    #[test]
    fn empty_value_is_a_value() {
        assert_eq!(read_as(Action::SendMessage, "MessageBody="), Ok(json!({"MessageBody": ""})));
    }
}
