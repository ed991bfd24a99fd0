//! CreateTopic, DeleteTopic, GetTopicAttributes and SetTopicAttributes.

use std::collections::BTreeMap;

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::session::Call;
use crate::sns::names::{TopicArn, check_name};
use crate::topics::Topic;
use crate::topics::topic_attributes::{self, FIFO};
use crate::wire::sns::{
    CreateTopicInput, CreateTopicResponse, DeleteTopicInput, GetTopicAttributesInput, GetTopicAttributesResponse,
    SetTopicAttributesInput,
};

use super::{invalid, tags, topic, topic_arn};

pub(super) async fn create(call: &Call) -> Result<Answer, ApiError> {
    let request: CreateTopicInput = call.read()?;
    let name = request.name.clone().unwrap_or_default();
    let is_fifo = request.attributes.get(FIFO).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    check_name(&name, is_fifo)?;
    let mut promises = request.attributes.clone();
    promises
        .extend(request.data_protection_policy.clone().map(|it| (topic_attributes::DATA_PROTECTION.to_owned(), it)));
    topic_attributes::check_promises(&call.door.settings, &promises)?;
    let wanted_tags = tags::read(&request.tags)?;
    let mut config = topic_attributes::create(&request.attributes)?;
    config.tags.clone_from(&wanted_tags);
    if let Some(policy) = request.data_protection_policy.clone().filter(|policy| !policy.is_empty()) {
        super::permissions::check_json(&policy)?;
        config.attributes.insert(topic_attributes::DATA_PROTECTION.to_owned(), policy);
    }
    let arn = TopicArn { account: call.signer.account.clone(), region: call.region().to_owned(), name };
    if let Some(present) = call.door.topic_if_any(&arn)? {
        same(&present, &request)?;
    } else if call.door.create_topic(&arn, config).await?.is_none() {
        // Somebody else was faster.
        same(&call.door.topic(&arn)?, &request)?;
    }
    call.answer(&CreateTopicResponse { topic_arn: Some(arn.text()) })
}

fn same(present: &Topic, request: &CreateTopicInput) -> Result<(), ApiError> {
    let config = &present.exchange.config;
    if !topic_attributes::same(config, &request.attributes)? {
        return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
    }
    let tags = tags::read(&request.tags)?;
    if !tags.iter().all(|(key, value)| config.tags.get(key) == Some(value)) {
        return Err(invalid("Tags Reason: Topic already exists with different tags"));
    }
    Ok(())
}

pub(super) async fn delete(call: &Call) -> Result<Answer, ApiError> {
    let request: DeleteTopicInput = call.read()?;
    call.door.delete_topic(&topic_arn(call, request.topic_arn.as_deref(), "TopicArn")?).await?;
    call.done()
}

pub(super) fn attributes(call: &Call) -> Result<Answer, ApiError> {
    let request: GetTopicAttributesInput = call.read()?;
    let topic = topic(call, request.topic_arn.as_deref())?;
    call.answer(&GetTopicAttributesResponse { attributes: topic_attributes::show(&topic, &call.door.settings) })
}

pub(super) async fn set_attribute(call: &Call) -> Result<Answer, ApiError> {
    let request: SetTopicAttributesInput = call.read()?;
    let arn = topic_arn(call, request.topic_arn.as_deref(), "TopicArn")?;
    let name = request.attribute_name.unwrap_or_default();
    let value = request.attribute_value.unwrap_or_default();
    let given = BTreeMap::from([(name.clone(), value.clone())]);
    topic_attributes::check_promises(&call.door.settings, &given)?;
    call.door.alter_topic(&arn, |config| topic_attributes::change(config, &name, &value)).await?;
    call.done()
}
