//! GetQueueAttributes and SetQueueAttributes.

use std::collections::BTreeMap;

use omnibus_model::queue::{QueueConfig, QueueCounts};

use crate::answer::Answer;
use crate::attributes::{self, COUNTED};
use crate::errors::ApiError;
use crate::names::QueueName;
use crate::protection;
use crate::queues::Queue;
use crate::session::Call;
use crate::wire::messages::{GetQueueAttributesRequest, GetQueueAttributesResult, SetQueueAttributesRequest};

pub(crate) async fn get(call: &Call) -> Result<Answer, ApiError> {
    let request: GetQueueAttributesRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    let wanted = &request.attribute_names;
    attributes::check_wanted(wanted)?;
    let wants = |name: &str| wanted.iter().any(|each| each == name || each == "All");
    let mut shown = BTreeMap::new();
    for name in attributes::SHOWN.into_iter().filter(|name| wants(name)) {
        shown.extend(attributes::show(queue.config(), name).map(|text| (name.to_owned(), text)));
    }
    if COUNTED.into_iter().any(wants) {
        let counts = call.door.counts(&queue).await?;
        shown.extend(counted(&counts).into_iter().filter(|(name, _)| wants(name)));
    }
    protection::show(&call.door.settings, &mut shown);
    shown.extend(told(&queue).into_iter().filter(|(name, _)| wants(name)));
    call.answer(&GetQueueAttributesResult { attributes: shown })
}

fn counted(counts: &QueueCounts) -> [(String, String); 3] {
    let [ready, leased, delayed] = COUNTED;
    [(ready, counts.ready), (leased, counts.leased), (delayed, counts.delayed)]
        .map(|(name, count)| (name.to_owned(), count.to_string()))
}

fn told(queue: &Queue) -> [(String, String); 3] {
    let seconds = |time: omnibus_model::Timestamp| (time.0 / 1_000).to_string();
    [
        ("CreatedTimestamp".to_owned(), seconds(queue.created_at())),
        ("LastModifiedTimestamp".to_owned(), seconds(queue.altered_at())),
        ("QueueArn".to_owned(), queue.name.arn()),
    ]
}

pub(crate) async fn set(call: &Call) -> Result<Answer, ApiError> {
    let request: SetQueueAttributesRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    if request.attributes.is_empty() {
        return Err(ApiError::MissingParameter("Attributes"));
    }
    protection::check(&call.door.settings, &request.attributes)?;
    call.door
        .alter(&queue, |config| {
            attributes::change(config, &request.attributes)?;
            if request.attributes.contains_key(attributes::REDRIVE) {
                resolve_redrive(call, &queue.name, config)?;
            }
            Ok(())
        })
        .await?;
    call.done()
}

/// Finds the queue that a redrive policy names, and asks it whether dead letters may come.
pub(super) fn resolve_redrive(call: &Call, source: &QueueName, config: &mut QueueConfig) -> Result<(), ApiError> {
    let Some(redrive) = attributes::redrive(config) else {
        config.dead_letters_to = None;
        return Ok(());
    };
    let refused = |reason: &str| {
        let policy = config.attributes.get(attributes::REDRIVE).cloned().unwrap_or_default();
        let text = format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}");
        Err(ApiError::InvalidParameterValue(text))
    };
    if (&redrive.target.account, &redrive.target.region) != (&source.account, &source.region) {
        return refused("Dead letter target owner or region is another.");
    }
    let Ok(target) = call.door.find(&redrive.target) else {
        return refused("Dead letter target does not exist.");
    };
    if attributes::is_fifo(target.config()) != attributes::is_fifo(config) {
        return refused("Dead-letter queue must be the same type of queue as the source.");
    }
    if !attributes::allows_redrive_from(target.config(), source) {
        return refused("The redrive allow policy of the dead-letter queue does not allow this queue.");
    }
    config.dead_letters_to = Some(target.topic.name.clone());
    Ok(())
}
