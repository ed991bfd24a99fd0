//! Answers of the Query protocol for those who would rather have JSON.
//!
//! It is not the JSON of the other protocol: every member is there, `null` where nothing is to say; maps
//! are lists of their entries; and messages have a small letter. So says AWS, of which only examples
//! are public.

use serde_json::{Map, Value, json};

use super::shape::{Member, Shape};

/// Writes a structure.
#[must_use]
pub fn structure(value: &Value, members: &[Member]) -> Value {
    let member = |member: &Member| {
        let name = if member.name == "Messages" { "messages" } else { member.name };
        (name.to_owned(), value.get(member.name).map_or(Value::Null, |value| of(value, &member.shape)))
    };
    Value::Object(members.iter().map(member).collect::<Map<String, Value>>())
}

fn of(value: &Value, shape: &Shape) -> Value {
    match (shape, value) {
        (Shape::Structure(members), _) => structure(value, members),
        (Shape::List { of: element, .. }, Value::Array(values)) => {
            values.iter().map(|value| of(value, element)).collect()
        }
        (Shape::Map { key, value: value_name, of: element, .. }, Value::Object(entries)) => {
            let entry = |(name, value): (&String, &Value)| json!({(*key): name, (*value_name): of(value, element)});
            entries.iter().map(entry).collect()
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::{GetQueueAttributesResult, ReceiveMessageResult, SendMessageResult};
    use super::super::shape::Structure;
    use super::*;

    #[test]
    fn maps_are_lists_and_what_is_absent_is_null() {
        let attributes = json!({"Attributes": {"QueueArn": "arn"}});
        assert_eq!(
            structure(&attributes, GetQueueAttributesResult::MEMBERS),
            json!({"Attributes": [{"Name": "QueueArn", "Value": "arn"}]})
        );
        let received = json!({"Messages": [{"Body": "b", "MessageAttributes": {"n": {"DataType": "String"}}}]});
        let received = structure(&received, ReceiveMessageResult::MEMBERS);
        let told = |place: &str| received.pointer(&format!("/messages/0/{place}"));
        assert_eq!((told("Body"), told("Attributes")), (Some(&json!("b")), Some(&Value::Null)));
        assert_eq!(told("MessageAttributes/0/Name"), Some(&json!("n")));
        assert_eq!(told("MessageAttributes/0/Value/DataType"), Some(&json!("String")));
        assert_eq!(structure(&json!({}), ReceiveMessageResult::MEMBERS), json!({"messages": null}));
        let sent = structure(&json!({"MessageId": "m"}), SendMessageResult::MEMBERS);
        assert_eq!((sent.get("MessageId"), sent.get("SequenceNumber")), (Some(&json!("m")), Some(&Value::Null)));
    }
}
