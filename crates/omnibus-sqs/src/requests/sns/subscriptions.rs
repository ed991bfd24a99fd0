//! Subscribe, Unsubscribe, GetSubscriptionAttributes and SetSubscriptionAttributes.

use omnibus_model::exchange::{Binding, BindingTarget};

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::names::QueueName;
use crate::session::Call;
use crate::sns::names::SubscriptionArn;
use crate::sns::routing::FILTER;
use crate::sns_error::SnsError;
use crate::topics::Topic;
use crate::topics::subscription_attributes::{self, Subscribing};
use crate::wire::sns::{
    GetSubscriptionAttributesInput, GetSubscriptionAttributesResponse, SetSubscriptionAttributesInput, SubscribeInput,
    SubscribeResponse, UnsubscribeInput,
};

use super::{devices, invalid, subscription_arn, topic};

/// What AWS delivers by, and this broker does not.
const UNSUPPORTED: [&str; 8] = ["application", "email", "email-json", "firehose", "http", "https", "lambda", "sms"];

/// Subscriptions of a topic that have a filter policy.
const FILTERS_MAX: usize = 200;

pub(super) async fn subscribe(call: &Call) -> Result<Answer, ApiError> {
    let request: SubscribeInput = call.read()?;
    let topic = topic(call, request.topic_arn.as_deref())?;
    let protocol = request.protocol.as_deref().unwrap_or_default();
    let endpoint = request.endpoint.as_deref().unwrap_or_default();
    let subscribing = Subscribing { topic: &topic.arn, protocol, endpoint };
    check_protocol(protocol)?;
    if protocol == "sms" && !devices::is_number(endpoint) {
        return Err(SnsError::Invalid(format!("Invalid SMS endpoint: {endpoint}")).into());
    }
    let config = subscription_attributes::create(subscribing, &request.attributes)?;
    if UNSUPPORTED.contains(&protocol) {
        return Err(invalid(&format!("Protocol Reason: this broker does not deliver by {protocol}")));
    }
    let target = queue(call, &topic, endpoint)?;
    check_filters(&topic, config.attributes.contains_key(FILTER))?;
    let label = format!("{protocol} {endpoint}");
    if let Some(present) = topic.exchange.bindings.values().find(|binding| binding.label == label) {
        return again(call, &topic, present, &request);
    }
    let id = call.door.subscribe(&topic, label, target, config).await?;
    let arn = SubscriptionArn { topic: topic.arn, id };
    call.answer(&SubscribeResponse { subscription_arn: Some(arn.text()) })
}

/// Answers who subscribes what is subscribed.
fn again(call: &Call, topic: &Topic, present: &Binding, request: &SubscribeInput) -> Result<Answer, ApiError> {
    if !subscription_attributes::same(&present.config, &request.attributes) {
        return Err(invalid("Attributes Reason: Subscription already exists with different attributes"));
    }
    let arn = SubscriptionArn { topic: topic.arn.clone(), id: present.id };
    call.answer(&SubscribeResponse { subscription_arn: Some(arn.text()) })
}

fn check_protocol(protocol: &str) -> Result<(), ApiError> {
    if protocol == "sqs" || UNSUPPORTED.contains(&protocol) {
        return Ok(());
    }
    Err(invalid(&format!("Amazon SNS does not support this protocol string: {protocol}")))
}

/// The queue that an endpoint names; it need not be there.
fn queue(call: &Call, topic: &Topic, endpoint: &str) -> Result<BindingTarget, ApiError> {
    let name = QueueName::of_arn(endpoint).ok_or_else(|| invalid("SQS endpoint ARN"))?;
    if name.name.ends_with(".fifo") && !topic.arn.is_fifo() {
        return Err(invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        ));
    }
    Ok(BindingTarget::Queue(name.topic(&call.door.settings)?))
}

fn check_filters(topic: &Topic, is_filtered: bool) -> Result<(), SnsError> {
    let bindings = topic.exchange.bindings.values();
    let filters = bindings.filter(|binding| binding.config.attributes.contains_key(FILTER)).count();
    if is_filtered && filters >= FILTERS_MAX {
        return Err(SnsError::FilterPolicyLimitExceeded { max: FILTERS_MAX });
    }
    Ok(())
}

pub(super) async fn unsubscribe(call: &Call) -> Result<Answer, ApiError> {
    let request: UnsubscribeInput = call.read()?;
    match subscription_arn(call, request.subscription_arn.as_deref()) {
        Ok(arn) => call.door.unsubscribe(&arn).await?,
        // What never was is over, too.
        Err(ApiError::Sns(SnsError::NotFound { .. })) => {}
        Err(error) => return Err(error),
    }
    call.done()
}

pub(super) fn attributes(call: &Call) -> Result<Answer, ApiError> {
    let request: GetSubscriptionAttributesInput = call.read()?;
    let arn = subscription_arn(call, request.subscription_arn.as_deref())?;
    let subscription = call.door.subscription(&arn)?;
    call.answer(&GetSubscriptionAttributesResponse { attributes: subscription_attributes::show(&subscription) })
}

pub(super) async fn set_attribute(call: &Call) -> Result<Answer, ApiError> {
    let request: SetSubscriptionAttributesInput = call.read()?;
    let arn = subscription_arn(call, request.subscription_arn.as_deref())?;
    let name = request.attribute_name.unwrap_or_default();
    let value = request.attribute_value.unwrap_or_default();
    let present = call.door.subscription(&arn)?;
    let is_new_filter = name == FILTER && !value.is_empty() && present.attribute(FILTER).is_empty();
    check_filters(&call.door.topic(&arn.topic)?, is_new_filter)?;
    call.door
        .alter_subscription(&arn, |config| subscription_attributes::change(config, &arn.topic, &name, &value))
        .await?;
    call.done()
}
