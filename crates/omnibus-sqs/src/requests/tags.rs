//! TagQueue, UntagQueue and ListQueueTags.

use std::collections::BTreeMap;

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::session::Call;
use crate::wire::messages::{ListQueueTagsRequest, ListQueueTagsResult, TagQueueRequest, UntagQueueRequest};

const TAGS_MAX: usize = 50;
const KEY_CHARACTERS_MAX: usize = 128;
const VALUE_CHARACTERS_MAX: usize = 256;

pub(crate) async fn list(call: &Call) -> Result<Answer, ApiError> {
    let request: ListQueueTagsRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    call.answer(&ListQueueTagsResult { tags: queue.config().tags.clone() })
}

pub(crate) async fn tag(call: &Call) -> Result<Answer, ApiError> {
    let request: TagQueueRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    if request.tags.is_empty() {
        return Err(ApiError::MissingParameter("Tags"));
    }
    call.door
        .alter(&queue, |config| {
            config.tags.extend(request.tags.clone());
            check(&config.tags)
        })
        .await?;
    call.done()
}

pub(crate) async fn untag(call: &Call) -> Result<Answer, ApiError> {
    let request: UntagQueueRequest = call.read()?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    if request.tag_keys.is_empty() {
        return Err(ApiError::MissingParameter("TagKeys"));
    }
    call.door
        .alter(&queue, |config| {
            config.tags.retain(|key, _| !request.tag_keys.contains(key));
            Ok(())
        })
        .await?;
    call.done()
}

pub(super) fn check(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if tags.len() > TAGS_MAX {
        return Err(ApiError::InvalidParameterValue(format!("Too many tags added: a queue has at most {TAGS_MAX}.")));
    }
    let is_valid = |(key, value): (&String, &String)| {
        (1..=KEY_CHARACTERS_MAX).contains(&key.chars().count()) && value.chars().count() <= VALUE_CHARACTERS_MAX
    };
    if tags.iter().all(is_valid) {
        return Ok(());
    }
    Err(ApiError::InvalidParameterValue(format!(
        "A tag's key has 1 to {KEY_CHARACTERS_MAX} characters, its value at most {VALUE_CHARACTERS_MAX}."
    )))
}
