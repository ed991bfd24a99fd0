//! The checks of the AWS SDK for Rust.

mod messages;
mod order;
mod queues;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::operation::receive_message::builders::ReceiveMessageFluentBuilder;
use aws_sdk_sqs::operation::send_message::builders::SendMessageFluentBuilder;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};

use crate::checks::wait;
use crate::{Check, equal, fresh};

/// The broker counts whole milliseconds, and its clock and ours are read at different moments.
const CLOCKS_APART: Duration = Duration::from_millis(20);

pub(crate) fn find(name: &str) -> Option<Check> {
    Some(match name {
        "send_receive_delete" => |at| wait(messages::send_receive_delete(at)),
        "attributes" => |at| wait(messages::attributes(at)),
        "filtered_attributes" => |at| wait(messages::filtered_attributes(at)),
        "batches" => |at| wait(messages::batches(at)),
        "large_message" => |at| wait(messages::large_message(at)),
        "long_poll" => |at| wait(messages::long_poll(at)),
        "visibility" => |at| wait(order::visibility(at)),
        "visibility_changed" => |at| wait(order::visibility_changed(at)),
        "delay" => |at| wait(order::delay(at)),
        "fifo_order" => |at| wait(order::fifo_order(at)),
        "fifo_dedup" => |at| wait(order::fifo_dedup(at)),
        "fifo_scope" => |at| wait(order::fifo_scope(at)),
        "dead_letters" => |at| wait(queues::dead_letters(at)),
        "move_task" => |at| wait(queues::move_task(at)),
        "purge" => |at| wait(queues::purge(at)),
        "queue_attributes" => |at| wait(queues::queue_attributes(at)),
        "queue_url" => |at| wait(queues::queue_url(at)),
        "tags" => |at| wait(queues::tags(at)),
        "permissions" => |at| wait(queues::permissions(at)),
        "list_pages" => |at| wait(queues::list_pages(at)),
        "errors" => |at| wait(queues::errors(at)),
        "caller_identity" => |at| wait(queues::caller_identity(at)),
        _ => return None,
    })
}

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "conformance")
}

fn client(endpoint: &str) -> Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://{endpoint}"))
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        .build();
    Client::from_conf(config)
}

/// A queue, and the calls that name it.
#[derive(Clone)]
struct Queue {
    sqs: Client,
    url: String,
}

impl Queue {
    async fn new(endpoint: &str, attributes: &[(QueueAttributeName, &str)]) -> Result<Self> {
        let sqs = client(endpoint);
        let attributes: HashMap<_, _> =
            attributes.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
        let ending = if attributes.contains_key(&QueueAttributeName::FifoQueue) { ".fifo" } else { "" };
        let request = sqs.create_queue().queue_name(fresh("q") + ending).set_attributes(Some(attributes));
        let url = request.send().await?.queue_url.context("no URL")?;
        Ok(Self { sqs, url })
    }

    fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    fn sending(&self, body: impl Into<String>) -> SendMessageFluentBuilder {
        self.sqs.send_message().queue_url(&self.url).message_body(body)
    }

    fn receiving(&self) -> ReceiveMessageFluentBuilder {
        let request = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(10);
        request.message_attribute_names("All").message_system_attribute_names(MessageSystemAttributeName::All)
    }

    async fn receive(&self) -> Result<Vec<Message>> {
        taken(self.receiving()).await
    }

    /// Receives what comes back or becomes visible, which must take at least so long from `since` on.
    async fn later(&self, since: Instant, seconds: u64) -> Result<Message> {
        let message = only(taken(self.receiving().wait_time_seconds(15)).await?)?;
        let early = since.elapsed() + CLOCKS_APART < Duration::from_secs(seconds);
        ensure!(!early, "it came after {:?}, wanted {seconds} s", since.elapsed());
        Ok(message)
    }

    async fn remove(&self, message: &Message) -> Result<()> {
        let request = self.sqs.delete_message().queue_url(&self.url);
        request.set_receipt_handle(message.receipt_handle.clone()).send().await?;
        Ok(())
    }

    async fn hold(&self, message: &Message, seconds: i32) -> Result<()> {
        let request = self.sqs.change_message_visibility().queue_url(&self.url).visibility_timeout(seconds);
        request.set_receipt_handle(message.receipt_handle.clone()).send().await?;
        Ok(())
    }

    async fn attribute(&self, name: QueueAttributeName) -> Result<Option<String>> {
        let request = self.sqs.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        Ok(request.send().await?.attributes.unwrap_or_default().remove(&name))
    }

    async fn arn(&self) -> Result<String> {
        self.attribute(QueueAttributeName::QueueArn).await?.context("no ARN")
    }

    /// How many messages can be received, are held, and are delayed.
    async fn counts(&self) -> Result<[String; 3]> {
        use QueueAttributeName as Name;
        let all = self.sqs.get_queue_attributes().queue_url(&self.url).attribute_names(Name::All).send().await?;
        let mut shown = all.attributes.unwrap_or_default();
        let names = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::ApproximateNumberOfMessagesDelayed,
        ];
        Ok(names.map(|name| shown.remove(&name).unwrap_or_default()))
    }
}

async fn taken(request: ReceiveMessageFluentBuilder) -> Result<Vec<Message>> {
    Ok(request.send().await?.messages.unwrap_or_default())
}

fn only(messages: Vec<Message>) -> Result<Message> {
    equal(messages.len(), 1, "messages")?;
    messages.into_iter().next().context("no message")
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(Message::body).collect()
}
