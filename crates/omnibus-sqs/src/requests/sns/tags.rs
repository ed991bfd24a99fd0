//! TagResource, UntagResource and ListTagsForResource.

use std::collections::BTreeMap;

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::session::Call;
use crate::sns::names::TopicArn;
use crate::sns_error::SnsError;
use crate::wire::sns::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, Tag, TagResourceRequest, TagResourceResponse,
    UntagResourceRequest, UntagResourceResponse,
};

use super::{invalid, missing, topic_arn};

const TAGS_MAX: usize = 50;
const KEY_CHARACTERS_MAX: usize = 128;
const VALUE_CHARACTERS_MAX: usize = 256;

/// Reads tags; a key stands once.
pub(super) fn read(tags: &[Tag]) -> Result<BTreeMap<String, String>, ApiError> {
    let mut read = BTreeMap::new();
    for tag in tags {
        let (key, value) = (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
        let lengths = (key.chars().count(), value.chars().count());
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tags Reason: keys that begin with aws: are AWS's own"));
        }
        if !(1..=KEY_CHARACTERS_MAX).contains(&lengths.0) || lengths.1 > VALUE_CHARACTERS_MAX {
            return Err(invalid("Tags Reason: a key has 1 to 128 characters, a value at most 256"));
        }
        if read.insert(key, value).is_some() {
            return Err(invalid("Duplicated keys are not allowed."));
        }
    }
    check_count(&read)?;
    Ok(read)
}

fn check_count(tags: &BTreeMap<String, String>) -> Result<(), SnsError> {
    if tags.len() > TAGS_MAX { Err(SnsError::TagLimitExceeded) } else { Ok(()) }
}

pub(super) fn list(call: &Call) -> Result<Answer, ApiError> {
    let request: ListTagsForResourceRequest = call.read()?;
    let topic = call.door.topic(&resource(call, request.resource_arn.as_deref())?).map_err(unknown)?;
    let tags = topic.exchange.config.tags.iter();
    let tags = tags.map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect();
    call.answer(&ListTagsForResourceResponse { tags })
}

pub(super) async fn tag(call: &Call) -> Result<Answer, ApiError> {
    let request: TagResourceRequest = call.read()?;
    let arn = resource(call, request.resource_arn.as_deref())?;
    if request.tags.is_empty() {
        return Err(missing("tags"));
    }
    let tags = read(&request.tags)?;
    let altered = call.door.alter_topic(&arn, |config| {
        config.tags.extend(tags.clone());
        Ok(check_count(&config.tags)?)
    });
    altered.await.map_err(unknown)?;
    call.answer(&TagResourceResponse {})
}

pub(super) async fn untag(call: &Call) -> Result<Answer, ApiError> {
    let request: UntagResourceRequest = call.read()?;
    let arn = resource(call, request.resource_arn.as_deref())?;
    if request.tag_keys.is_empty() {
        return Err(missing("tagKeys"));
    }
    let altered = call.door.alter_topic(&arn, |config| {
        config.tags.retain(|key, _| !request.tag_keys.contains(key));
        Ok(())
    });
    altered.await.map_err(unknown)?;
    call.answer(&UntagResourceResponse {})
}

fn resource(call: &Call, arn: Option<&str>) -> Result<TopicArn, ApiError> {
    topic_arn(call, arn, "ResourceArn")
}

fn unknown(error: ApiError) -> ApiError {
    match error {
        ApiError::Sns(SnsError::NotFound { .. }) => SnsError::ResourceNotFound.into(),
        other => other,
    }
}
