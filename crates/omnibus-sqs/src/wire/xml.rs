//! Answers of the Query protocol.

use serde_json::Value;

use super::shape::{Member, Shape};

/// Writes the answer to `action`; `None` for an action that answers nothing.
#[must_use]
pub fn answer(action: &str, namespace: &str, request_id: &str, result: Option<(&Value, &[Member])>) -> String {
    let mut out = format!("<?xml version=\"1.0\"?>\n<{action}Response xmlns=\"{namespace}\">");
    if let Some((value, members)) = result {
        let mut inner = String::new();
        structure(&mut inner, value, members);
        match inner.is_empty() {
            true => out.push_str(&format!("<{action}Result/>")),
            false => out.push_str(&format!("<{action}Result>{inner}</{action}Result>")),
        }
    }
    out.push_str("<ResponseMetadata>");
    element(&mut out, "RequestId", request_id);
    out.push_str(&format!("</ResponseMetadata></{action}Response>"));
    out
}

/// Writes an error; `detail` is an element that some services have and never fill.
#[must_use]
pub fn error(namespace: &str, request_id: &str, (sender, code, message): (&str, &str, &str), detail: &str) -> String {
    let mut out = format!("<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"{namespace}\"><Error>");
    element(&mut out, "Type", sender);
    element(&mut out, "Code", code);
    element(&mut out, "Message", message);
    out.push_str(detail);
    out.push_str("</Error>");
    element(&mut out, "RequestId", request_id);
    out.push_str("</ErrorResponse>");
    out
}

fn structure(out: &mut String, value: &Value, members: &[Member]) {
    for member in members {
        if let Some(value) = value.get(member.name) {
            named(out, member.name, value, &member.shape);
        }
    }
}

fn named(out: &mut String, name: &str, value: &Value, shape: &Shape) {
    match (shape, value) {
        (Shape::Structure(members), _) => {
            open(out, name);
            structure(out, value, members);
            close(out, name);
        }
        (Shape::List { item, of }, Value::Array(values)) => {
            for value in values {
                named(out, item, value, of);
            }
        }
        (Shape::Map { item, key, value: value_name, of }, Value::Object(values)) => {
            for (entry, value) in values {
                open(out, item);
                element(out, key, entry);
                named(out, value_name, value, of);
                close(out, item);
            }
        }
        (Shape::WrappedList { item, of }, Value::Array(values)) => {
            open(out, name);
            for value in values {
                named(out, item, value, of);
            }
            close(out, name);
        }
        (Shape::WrappedMap { item, key, value: value_name, of }, Value::Object(values)) => {
            open(out, name);
            for (entry, value) in values {
                open(out, item);
                element(out, key, entry);
                named(out, value_name, value, of);
                close(out, item);
            }
            close(out, name);
        }
        (_, Value::String(text)) => element(out, name, text),
        (_, Value::Null) => {}
        (_, other) => element(out, name, &other.to_string()),
    }
}

fn open(out: &mut String, name: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn element(out: &mut String, name: &str, text: &str) {
    open(out, name);
    escape(out, text);
    close(out, name);
}

/// Writes text so that a reader gets the same: parsers make a line feed of a bare carriage return.
fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::messages::{GetQueueAttributesResult, NAMESPACE, ReceiveMessageResult};
    use crate::wire::shape::Structure;

    #[test]
    fn lists_and_maps_are_flat() {
        let value = json!({"Messages": [{"Body": "a\r<&\"", "Attributes": {"SentTimestamp": "1"}}]});
        let written = answer("ReceiveMessage", NAMESPACE, "id", Some((&value, ReceiveMessageResult::MEMBERS)));
        assert_eq!(
            written,
            "<?xml version=\"1.0\"?>\n<ReceiveMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">\
             <ReceiveMessageResult><Message><Attribute><Name>SentTimestamp</Name><Value>1</Value></Attribute>\
             <Body>a&#xD;&lt;&amp;&quot;</Body></Message></ReceiveMessageResult>\
             <ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></ReceiveMessageResponse>"
        );
    }

    #[test]
    fn action_without_an_answer_has_metadata_only() {
        let written = answer("PurgeQueue", NAMESPACE, "id", None);
        assert!(written.ends_with(
            "2012-11-05/\"><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></PurgeQueueResponse>"
        ));
        let empty = answer("GetQueueAttributes", "n", "id", Some((&json!({}), GetQueueAttributesResult::MEMBERS)));
        assert!(empty.contains("<GetQueueAttributesResult/>"), "{empty}");
    }
}
