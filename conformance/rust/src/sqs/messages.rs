//! What is sent and received.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName, MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
    SendMessageBatchRequestEntry,
};

use super::{Queue, bodies, only, taken};
use crate::equal;

pub(super) async fn send_receive_delete(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[]).await?;
    let text = "plain, \"quoted\", <&>, \r\n\t, äöü, 🚌";
    let sent = queue.sending(text).send().await?;
    let message = only(queue.receive().await?)?;
    equal(message.body(), Some(text), "the body")?;
    equal(message.message_id(), sent.message_id(), "the id")?;
    equal(message.md5_of_body(), sent.md5_of_message_body(), "the digest")?;
    equal(queue.counts().await?, ["0", "1", "0"].map(str::to_owned), "what is where")?;
    queue.remove(&message).await?;
    equal(queue.counts().await?, ["0", "0", "0"].map(str::to_owned), "what is where")
}

fn text(kind: &str, value: &str) -> Result<MessageAttributeValue> {
    Ok(MessageAttributeValue::builder().data_type(kind).string_value(value).build()?)
}

pub(super) async fn attributes(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[]).await?;
    let bytes = MessageAttributeValue::builder().data_type("Binary.png").binary_value(Blob::new([0, 255])).build()?;
    let wanted: HashMap<String, _> = [
        ("text".to_owned(), text("String", "a b")?),
        ("number.of".to_owned(), text("Number.int", "-7")?),
        ("bytes".to_owned(), bytes),
    ]
    .into();
    let header = "Root=1-5759e988-bd862e3fe1be46a994272793";
    let trace = MessageSystemAttributeValue::builder().data_type("String").string_value(header).build()?;
    let request = queue.sending("x").set_message_attributes(Some(wanted.clone()));
    let request = request.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, trace);
    let sent = request.send().await?;
    let message = only(queue.receive().await?)?;
    equal(message.message_attributes(), Some(&wanted), "the attributes")?;
    // By AWS's description of it; this client does not check it.
    let digest = Some("49d4e9525ea8d2518ae2391b3df21327");
    equal(sent.md5_of_message_attributes(), digest, "their digest, sent")?;
    equal(message.md5_of_message_attributes(), digest, "their digest, received")?;
    let shown = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::AwsTraceHeader));
    equal(shown.map(String::as_str), Some(header), "the trace header")
}

pub(super) async fn filtered_attributes(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[(QueueAttributeName::VisibilityTimeout, "0")]).await?;
    let mut request = queue.sending("x");
    for name in ["a.one", "a.two", "b"] {
        request = request.message_attributes(name, text("String", "v")?);
    }
    request.send().await?;
    let all: &[&str] = &["a.one", "a.two", "b"];
    for (names, wanted) in [(vec!["a.*"], &all[..2]), (vec!["b", "c"], &all[2..]), (vec![".*"], all), (vec![], &[])] {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let message = only(taken(queue.receiving().set_message_attribute_names(Some(names.clone()))).await?)?;
        let mut got: Vec<&str> = message.message_attributes().into_iter().flatten().map(|(name, _)| &**name).collect();
        got.sort_unstable();
        equal(&got[..], wanted, &format!("attributes by {names:?}"))?;
    }
    Ok(())
}

pub(super) async fn batches(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[]).await?;
    let mut entries = Vec::new();
    for (id, body) in
        (0..9).map(|number| (number.to_string(), format!("m{number}"))).chain([("bad".into(), "\x01".into())])
    {
        entries.push(SendMessageBatchRequestEntry::builder().id(id).message_body(body).build()?);
    }
    let sent = queue.sqs.send_message_batch().queue_url(&queue.url).set_entries(Some(entries)).send().await?;
    equal(sent.successful().len(), 9, "sent")?;
    let failed: Vec<(&str, &str)> = sent.failed().iter().map(|entry| (entry.id(), entry.code())).collect();
    equal(failed, [("bad", "InvalidMessageContents")].into(), "failed")?;
    let messages = queue.receive().await?;
    equal(messages.len(), 9, "received")?;
    let handles: Vec<&str> = messages.iter().filter_map(Message::receipt_handle).collect();
    hold_all(&queue, &handles).await?;
    let mut entries = Vec::new();
    for (place, handle) in handles.iter().chain(&["garbage"]).enumerate() {
        let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string()).receipt_handle(*handle);
        entries.push(entry.build()?);
    }
    let deleted = queue.sqs.delete_message_batch().queue_url(&queue.url).set_entries(Some(entries)).send().await?;
    equal(deleted.successful().len(), 9, "deleted")?;
    let failed: Vec<&str> = deleted.failed().iter().map(|entry| entry.code()).collect();
    equal(failed, ["ReceiptHandleIsInvalid"].into(), "what was not deleted")?;
    equal(queue.counts().await?, ["0", "0", "0"].map(str::to_owned), "what is where")
}

async fn hold_all(queue: &Queue, handles: &[&str]) -> Result<()> {
    let mut request = queue.sqs.change_message_visibility_batch().queue_url(&queue.url);
    for (place, handle) in handles.iter().enumerate() {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(place.to_string());
        request = request.entries(entry.receipt_handle(*handle).visibility_timeout(60).build()?);
    }
    equal(request.send().await?.successful().len(), handles.len(), "made longer")
}

pub(super) async fn large_message(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[]).await?;
    let large = "x".repeat(1 << 20);
    queue.sending(&large).send().await?;
    let message = only(queue.receive().await?)?;
    ensure!(message.body() == Some(&large), "the body is another");
    let error = queue.sending(large + "x").send().await.err().context("too long a message was accepted")?;
    equal(error.code(), Some("InvalidParameterValue"), "the code")
}

pub(super) async fn long_poll(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[]).await?;
    let started_at = Instant::now();
    let sender = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        queue.sending("wake up").send().await
    };
    let (received, sent) = tokio::join!(taken(queue.receiving().wait_time_seconds(20)), sender);
    sent?;
    equal(bodies(&received?), vec!["wake up"], "what came")?;
    ensure!(started_at.elapsed() < Duration::from_secs(10), "woken after {:?}", started_at.elapsed());
    Ok(())
}
