//! When messages can be received, and in which order.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use aws_sdk_sqs::operation::send_message::SendMessageOutput;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName as Name};

use super::{Queue, bodies, only, taken};
use crate::equal;

const BY_CONTENT: [(Name, &str); 2] = [(Name::FifoQueue, "true"), (Name::ContentBasedDeduplication, "true")];

pub(super) async fn visibility(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[(Name::VisibilityTimeout, "1")]).await?;
    queue.sending("x").send().await?;
    let since = Instant::now();
    let first = only(queue.receive().await?)?;
    let second = queue.later(since, 1).await?;
    equal(second.message_id(), first.message_id(), "the message")?;
    let count = second.attributes().and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    equal(count.map(String::as_str), Some("2"), "how often it came")?;
    ensure!(first.receipt_handle() != second.receipt_handle(), "the handles are the same");
    Ok(())
}

pub(super) async fn visibility_changed(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[(Name::VisibilityTimeout, "600")]).await?;
    queue.sending("x").send().await?;
    let first = only(taken(queue.receiving().visibility_timeout(4)).await?)?;
    let since = Instant::now();
    queue.hold(&first, 6).await?;
    let second = queue.later(since, 6).await?;
    equal(queue.receive().await?, vec![], "while it is held")?;
    queue.hold(&second, 0).await?;
    equal(bodies(&queue.receive().await?), vec!["x"], "once it is given back")
}

pub(super) async fn delay(endpoint: &str) -> Result<()> {
    for (queue, message) in [(None, Some(1)), (Some((Name::DelaySeconds, "1")), None)] {
        let queue = Queue::new(endpoint, queue.as_slice()).await?;
        let since = Instant::now();
        queue.sending("x").set_delay_seconds(message).send().await?;
        equal(queue.later(since, 1).await?.body(), Some("x"), "afterwards")?;
    }
    let queue = Queue::new(endpoint, &[]).await?;
    queue.sending("x").delay_seconds(900).send().await?;
    equal(queue.receive().await?, vec![], "while it is delayed")?;
    equal(queue.counts().await?, ["0", "0", "1"].map(str::to_owned), "what is where")
}

async fn send(queue: &Queue, body: &str, group: &str, deduplication: Option<&str>) -> Result<SendMessageOutput> {
    let request = queue.sending(body).message_group_id(group);
    Ok(request.set_message_deduplication_id(deduplication.map(str::to_owned)).send().await?)
}

pub(super) async fn fifo_order(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &BY_CONTENT).await?;
    let mut numbers = Vec::new();
    for body in ["a0", "b0", "a1", "b1", "a2", "b2"] {
        numbers.push(send(&queue, body, &body[..1], None).await?.sequence_number);
    }
    ensure!(numbers.is_sorted(), "sequence numbers fall: {numbers:?}");
    let first = only(taken(queue.receiving().max_number_of_messages(1)).await?)?;
    let (wanted, rest) = match first.body() {
        Some("a0") => (vec!["b0", "b1", "b2"], vec!["a1", "a2"]),
        _ => (vec!["a0", "a1", "a2"], vec!["b1", "b2"]),
    };
    equal(bodies(&queue.receive().await?), wanted, "the other group, in order")?;
    equal(queue.receive().await?, vec![], "while both are held")?;
    queue.remove(&first).await?;
    equal(bodies(&queue.receive().await?), rest, "the rest of the first group")
}

pub(super) async fn fifo_dedup(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &BY_CONTENT).await?;
    let first = send(&queue, "same", "g", None).await?;
    let again = send(&queue, "same", "g", None).await?;
    equal(again.message_id(), first.message_id(), "by content")?;
    equal(again.sequence_number(), first.sequence_number(), "the sequence number")?;
    let one = send(&queue, "one", "g", Some("id")).await?;
    let two = send(&queue, "two", "g", Some("id")).await?;
    equal(two.message_id(), one.message_id(), "by id")?;
    equal(bodies(&queue.receive().await?), vec!["same", "one"], "what is there")
}

pub(super) async fn fifo_scope(endpoint: &str) -> Result<()> {
    let per_group = [
        (Name::FifoQueue, "true"),
        (Name::DeduplicationScope, "messageGroup"),
        (Name::FifoThroughputLimit, "perMessageGroupId"),
    ];
    let queue = Queue::new(endpoint, &per_group).await?;
    for group in ["a", "b", "a"] {
        send(&queue, group, group, Some("id")).await?;
    }
    let mut messages: Vec<Message> = queue.receive().await?;
    messages.extend(queue.receive().await?);
    let mut bodies = bodies(&messages);
    bodies.sort_unstable();
    equal(bodies.first().copied().context("nothing came")?, "a", "the first")?;
    equal(bodies, vec!["a", "b"], "one per group")
}
