//! Queues and what is kept about them.

use std::future::Future;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use aws_sdk_sqs::operation::create_queue::{CreateQueueError, CreateQueueOutput};
use aws_sdk_sqs::types::{ListMessageMoveTasksResultEntry, MessageSystemAttributeName, QueueAttributeName as Name};

use super::{Queue, bodies, client, credentials, only, taken};
use crate::{WAIT, equal, fresh};

/// Repeats until the condition holds.
async fn until<F: Future<Output = Result<bool>>>(what: &str, mut condition: impl FnMut() -> F) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    while !condition().await.with_context(|| what.to_owned())? {
        ensure!(Instant::now() < deadline, "never came true: {what}");
    }
    Ok(())
}

/// Makes a queue for dead letters, and one that gives up after so many receives.
async fn with_dead_letters(endpoint: &str, receives_max: u32) -> Result<(Queue, Queue)> {
    let target = Queue::new(endpoint, &[]).await?;
    let arn = target.arn().await?;
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{receives_max}}}"#);
    let attributes = [(Name::VisibilityTimeout, "0"), (Name::RedrivePolicy, &policy)];
    Ok((target, Queue::new(endpoint, &attributes).await?))
}

pub(super) async fn dead_letters(endpoint: &str) -> Result<()> {
    let (target, source) = with_dead_letters(endpoint, 2).await?;
    let sent = source.sending("poison").send().await?;
    until("given up", || async { Ok(source.receive().await?.is_empty()) }).await?;
    let message = only(taken(target.receiving().wait_time_seconds(10)).await?)?;
    equal(message.message_id(), sent.message_id(), "the id")?;
    let from = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::DeadLetterQueueSourceArn));
    equal(from, Some(&source.arn().await?), "where it came from")?;
    let sources = target.sqs.list_dead_letter_source_queues().queue_url(&target.url).send().await?;
    equal(sources.queue_urls(), std::slice::from_ref(&source.url), "the sources")
}

pub(super) async fn move_task(endpoint: &str) -> Result<()> {
    let (target, source) = with_dead_letters(endpoint, 1).await?;
    source.sending("poison").send().await?;
    until("given up", || async { Ok(source.receive().await?.is_empty()) }).await?;
    until("the dead letter", || async { Ok(target.counts().await?[0] == "1") }).await?;
    let arn = target.arn().await?;
    let task = target.sqs.start_message_move_task().source_arn(&arn).send().await?;
    let back = taken(source.receiving().wait_time_seconds(10)).await?;
    equal(bodies(&back), vec!["poison"], "what came back")?;
    until("the task is done", || async { Ok(newest(&target, &arn).await?.status() == Some("COMPLETED")) }).await?;
    equal(newest(&target, &arn).await?.approximate_number_of_messages_moved(), 1, "moved")?;
    let ended = target.sqs.cancel_message_move_task().set_task_handle(task.task_handle).send().await;
    let error = ended.err().context("a task that had ended was ended")?.into_service_error();
    ensure!(error.is_resource_not_found_exception(), "ending what has ended: {error:?}");
    Ok(())
}

async fn newest(queue: &Queue, arn: &str) -> Result<ListMessageMoveTasksResultEntry> {
    let listed = queue.sqs.list_message_move_tasks().source_arn(arn).send().await?;
    listed.results().first().cloned().context("no task is listed")
}

pub(super) async fn purge(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[]).await?;
    for _ in 0..5 {
        queue.sending("old").send().await?;
    }
    taken(queue.receiving().max_number_of_messages(2)).await?;
    queue.sqs.purge_queue().queue_url(&queue.url).send().await?;
    equal(queue.counts().await?, ["0", "0", "0"].map(str::to_owned), "what is where")?;
    queue.sending("new").send().await?;
    equal(bodies(&queue.receive().await?), vec!["new"], "what came afterwards")
}

pub(super) async fn queue_attributes(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[(Name::VisibilityTimeout, "5")]).await?;
    let set = || queue.sqs.set_queue_attributes().queue_url(&queue.url);
    set().attributes(Name::DelaySeconds, "3").attributes(Name::Policy, "{}").send().await?;
    let kept = [
        (Name::VisibilityTimeout, "5"),
        (Name::DelaySeconds, "3"),
        (Name::MaximumMessageSize, "1048576"),
        (Name::Policy, "{}"),
    ];
    for (name, wanted) in kept {
        equal(queue.attribute(name.clone()).await?.as_deref(), Some(wanted), name.as_str())?;
    }
    let again = create_again(&queue, "3").await?;
    equal(again.queue_url(), Some(queue.url.as_str()), "the same queue")?;
    let error = create_again(&queue, "4").await.err().context("another delay was accepted")?;
    ensure!(error.is_queue_name_exists(), "another delay: {error:?}");
    let too_long = set().attributes(Name::VisibilityTimeout, "43201").send().await;
    let error = too_long.err().context("a visibility timeout of 43201 s was accepted")?.into_service_error();
    ensure!(error.is_invalid_attribute_value(), "a visibility timeout of 43201 s: {error:?}");
    Ok(())
}

async fn create_again(queue: &Queue, delay: &str) -> Result<CreateQueueOutput, CreateQueueError> {
    let request = queue.sqs.create_queue().queue_name(queue.name()).attributes(Name::DelaySeconds, delay);
    request.send().await.map_err(aws_sdk_sqs::error::SdkError::into_service_error)
}

pub(super) async fn queue_url(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[]).await?;
    ensure!(queue.url.starts_with(&format!("http://{endpoint}/")), "{} has another host", queue.url);
    let found = queue.sqs.get_queue_url().queue_name(queue.name()).send().await?;
    equal(found.queue_url(), Some(queue.url.as_str()), "the URL of its name")?;
    let by_name = |text: &str| text.replacen("127.0.0.1", "localhost", 1);
    let sqs = client(&by_name(endpoint));
    let url = sqs.get_queue_url().queue_name(queue.name()).send().await?.queue_url.context("no URL")?;
    equal(&url, &by_name(&queue.url), "for one who calls it by another name")?;
    Queue { sqs, url }.sending("x").send().await?;
    equal(bodies(&queue.receive().await?), vec!["x"], "what came by the other URL")
}

pub(super) async fn tags(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[]).await?;
    queue.sqs.tag_queue().queue_url(&queue.url).tags("a", "1").tags("b", "").send().await?;
    queue.sqs.untag_queue().queue_url(&queue.url).tag_keys("a").send().await?;
    let tags = queue.sqs.list_queue_tags().queue_url(&queue.url).send().await?.tags.unwrap_or_default();
    equal(tags, [("b".to_owned(), String::new())].into(), "tags")
}

pub(super) async fn permissions(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[]).await?;
    let permission = queue.sqs.add_permission().queue_url(&queue.url).label("l");
    permission.aws_account_ids("123456789012").actions("SendMessage").send().await?;
    let policy = queue.attribute(Name::Policy).await?.context("no policy")?;
    ensure!(policy.contains("SQS:SendMessage"), "the policy is {policy}");
    queue.sqs.remove_permission().queue_url(&queue.url).label("l").send().await?;
    equal(queue.attribute(Name::Policy).await?, None, "the policy")
}

pub(super) async fn list_pages(endpoint: &str) -> Result<()> {
    let (sqs, prefix, mut urls) = (client(endpoint), fresh("p"), Vec::new());
    for number in 0..5 {
        let made = sqs.create_queue().queue_name(format!("{prefix}-{number}")).send().await?;
        urls.push(made.queue_url.context("no URL")?);
    }
    let listing = || sqs.list_queues().queue_name_prefix(&prefix);
    let mut pages = listing().into_paginator().page_size(2).send();
    let mut listed = Vec::new();
    while let Some(page) = pages.next().await {
        listed.push(page?.queue_urls.unwrap_or_default());
    }
    equal(listed, urls.chunks(2).map(<[String]>::to_vec).collect(), "pages")?;
    sqs.delete_queue().queue_url(&urls[0]).send().await?;
    equal(listing().send().await?.queue_urls(), &urls[1..], "after one was deleted")
}

pub(super) async fn errors(endpoint: &str) -> Result<()> {
    let queue = Queue::new(endpoint, &[]).await?;
    let error = queue.sqs.get_queue_url().queue_name(fresh("none")).send().await.err().context("found")?;
    ensure!(error.as_service_error().is_some_and(|it| it.is_queue_does_not_exist()), "no such queue: {error:?}");
    let error = queue.sqs.delete_message().queue_url(&queue.url).receipt_handle("x").send().await.err();
    let error = error.context("a handle that is none was accepted")?;
    ensure!(error.as_service_error().is_some_and(|it| it.is_receipt_handle_is_invalid()), "no handle: {error:?}");
    let error = queue.sqs.send_message_batch().queue_url(&queue.url).set_entries(Some(vec![])).send().await.err();
    let error = error.context("an empty batch was accepted")?;
    ensure!(error.as_service_error().is_some_and(|it| it.is_empty_batch_request()), "an empty batch: {error:?}");
    let error = queue.sending("\x01").send().await.err().context("a character that is not allowed was accepted")?;
    ensure!(error.as_service_error().is_some_and(|it| it.is_invalid_message_contents()), "the text: {error:?}");
    let error = queue.attribute(Name::from("Nothing")).await.err().context("an attribute that is none was accepted")?;
    let wanted = "InvalidAttributeName";
    ensure!(format!("{error:?}").contains(wanted), "an attribute that is none: {error:?}");
    let error = taken(queue.receiving().wait_time_seconds(21)).await.err().context("21 s were accepted")?;
    ensure!(format!("{error:?}").contains("InvalidParameterValue"), "a wait of 21 s: {error:?}");
    Ok(())
}

pub(super) async fn caller_identity(endpoint: &str) -> Result<()> {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://{endpoint}"))
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials());
    let sts = aws_sdk_sts::Client::from_conf(config.build());
    equal(sts.get_caller_identity().send().await?.account(), Some("000000000000"), "the account")
}
