//! Subscribe, Unsubscribe, GetSubscriptionAttributes and SetSubscriptionAttributes.

use omnibus_model::exchange::{Binding, BindingId, BindingTarget};
use omnibus_webhook::Poster;

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::names::QueueName;
use crate::session::Call;
use crate::sns::endpoint::Endpoint;
use crate::sns::names::SubscriptionArn;
use crate::sns::routing::{AUTHENTICATED, BASE_URL, FILTER, PENDING, Protocol, SUBSCRIBER, has_ended, is_pending};
use crate::sns_error::SnsError;
use crate::topics::delivery;
use crate::topics::subscription_attributes::{self, Subscribing};
use crate::topics::{Subscription, Topic, farewells};
use crate::wire::sns::{
    GetSubscriptionAttributesInput, GetSubscriptionAttributesResponse, SetSubscriptionAttributesInput, SubscribeInput,
    SubscribeResponse, UnsubscribeInput,
};

use super::{devices, invalid, subscription_arn, topic_arn_with};

/// What AWS delivers by, and this broker does not.
const UNSUPPORTED: [&str; 6] = ["application", "email", "email-json", "firehose", "lambda", "sms"];

/// Subscriptions of a topic that have a filter policy.
const FILTERS_MAX: usize = 200;

pub(super) async fn subscribe(call: &Call) -> Result<Answer, ApiError> {
    let request: SubscribeInput = call.read()?;
    let protocol = request.protocol.as_deref().unwrap_or_default();
    let endpoint = request.endpoint.as_deref().unwrap_or_default();
    let topic = topic(call, &request)?;
    let subscribing = Subscribing { topic: &topic.arn, protocol, endpoint };
    check_protocol(&topic, protocol)?;
    if protocol == "sms" && !devices::is_number(endpoint) {
        return Err(SnsError::Invalid(format!("Invalid SMS endpoint: {endpoint}")).into());
    }
    let mut config = subscription_attributes::create(subscribing, &request.attributes)?;
    if call.signer.account != topic.arn.account {
        config.attributes.insert(SUBSCRIBER.to_owned(), call.signer.account.clone());
    }
    if UNSUPPORTED.contains(&protocol) {
        return Err(invalid(&format!("Protocol Reason: this broker does not deliver by {protocol}")));
    }
    let target = match protocol {
        "sqs" => queue(call, &topic, endpoint)?,
        _ => {
            config.attributes.insert(PENDING.to_owned(), farewells::token(&call.door));
            farewells::stamp(&mut config, call.door.engine.now());
            config.attributes.insert(BASE_URL.to_owned(), call.base_url("sns", &topic.arn.region));
            url(protocol, endpoint)?
        }
    };
    check_filters(&topic, config.attributes.contains_key(FILTER))?;
    let label = format!("{protocol} {endpoint}");
    match topic.exchange.bindings.values().find(|binding| binding.label == label) {
        // Its endpoint has ended it, and is asked anew.
        Some(past) if has_ended(past) => {
            call.door.unsubscribe(&SubscriptionArn { topic: topic.arn.clone(), id: past.id }).await?;
        }
        Some(present) => return again(call, &topic, present, &request).await,
        None => {}
    }
    let is_pending = matches!(target, BindingTarget::Push { .. });
    let id = call.door.subscribe(&topic, label, target, config).await?;
    subscribed(call, &topic, (id, is_pending), &request).await
}

/// The topic, for somebody who may subscribe this endpoint to it.
fn topic(call: &Call, request: &SubscribeInput) -> Result<Topic, ApiError> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let more = [("sns:Protocol", text(&request.protocol)), ("sns:Endpoint", text(&request.endpoint))];
    call.door.topic(&topic_arn_with(call, request.topic_arn.as_deref(), "TopicArn", &more)?)
}

/// Answers who subscribes; an endpoint that has not confirmed yet is asked to.
async fn subscribed(
    call: &Call,
    topic: &Topic,
    (id, is_pending): (BindingId, bool),
    request: &SubscribeInput,
) -> Result<Answer, ApiError> {
    if is_pending {
        let text = format!(
            "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit the SubscribeURL \
             included in this message.",
            topic.arn.text()
        );
        delivery::ask(&call.door, topic, (id, text)).await?;
    }
    let arn = match is_pending && request.return_subscription_arn != Some(true) {
        true => "pending confirmation".to_owned(),
        false => SubscriptionArn { topic: topic.arn.clone(), id }.text(),
    };
    call.answer(&SubscribeResponse { subscription_arn: Some(arn) })
}

/// Answers who subscribes what is subscribed.
async fn again(call: &Call, topic: &Topic, present: &Binding, request: &SubscribeInput) -> Result<Answer, ApiError> {
    if !subscription_attributes::same(&present.config, &request.attributes) {
        return Err(invalid("Attributes Reason: Subscription already exists with different attributes"));
    }
    let is_pending = is_pending(present);
    if is_pending {
        let arn = SubscriptionArn { topic: topic.arn.clone(), id: present.id };
        let now = call.door.engine.now();
        let stamped = call.door.alter_subscription(&arn, |config| {
            farewells::stamp(config, now);
            Ok(())
        });
        stamped.await?;
    }
    subscribed(call, topic, (present.id, is_pending), request).await
}

fn check_protocol(topic: &Topic, protocol: &str) -> Result<(), ApiError> {
    if Protocol::of(protocol).is_none() && !UNSUPPORTED.contains(&protocol) {
        return Err(invalid(&format!("Amazon SNS does not support this protocol string: {protocol}")));
    }
    if topic.arn.is_fifo() && protocol != Protocol::Sqs.name() {
        return Err(invalid(&format!("Invalid protocol type: {protocol}")));
    }
    Ok(())
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

/// The server that an endpoint names.
fn url(protocol: &str, endpoint: &str) -> Result<BindingTarget, ApiError> {
    if !endpoint.starts_with(&format!("{protocol}://")) {
        return Err(invalid("Endpoint must match the specified protocol"));
    }
    Poster::check(&Endpoint::of(endpoint).url()).map_err(|error| invalid(&format!("Endpoint Reason: {error}")))?;
    Ok(BindingTarget::Push { url: endpoint.to_owned() })
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
    let arn = request.subscription_arn.as_deref();
    let ended = match call.signer.access_key {
        Some(_) => end(call, arn).await,
        None => leave(call, arn).await,
    };
    match ended {
        // What never was is over, too.
        Ok(()) | Err(ApiError::Sns(SnsError::NotFound { .. })) => call.done(),
        Err(error) => Err(error),
    }
}

/// Ends a subscription for its owner: nothing is left of it, not even what its endpoint could take back.
async fn end(call: &Call, arn: Option<&str>) -> Result<(), ApiError> {
    call.door.unsubscribe(&subscription_arn(call, arn)?).await
}

/// Ends a subscription for somebody without a key. One by HTTP anybody may end who was told its ARN, as whoever is
/// told by it is, unless its owner has confirmed it; its endpoint may take that back.
async fn leave(call: &Call, arn: Option<&str>) -> Result<(), ApiError> {
    let found = SubscriptionArn::read(arn).map_err(ApiError::from).and_then(|arn| call.door.subscription(&arn));
    let is_push = |found: &Subscription| matches!(found.binding.target, BindingTarget::Push { .. });
    if !call.door.settings.is_open() && !found.as_ref().is_ok_and(is_push) {
        return Err(ApiError::MissingAuthenticationToken);
    }
    let subscription = found?;
    let arn = &subscription.arn;
    if subscription.attribute(AUTHENTICATED) == "true" {
        return Err(SnsError::AuthorizationError { action: call.action, resource: arn.text() }.into());
    }
    match is_push(&subscription) {
        true => farewells::dismiss(&call.door, &call.door.topic(&arn.topic)?, arn).await,
        false => call.door.unsubscribe(arn).await,
    }
}

pub(super) fn attributes(call: &Call) -> Result<Answer, ApiError> {
    let request: GetSubscriptionAttributesInput = call.read()?;
    let arn = subscription_arn(call, request.subscription_arn.as_deref())?;
    let subscription = call.door.subscription(&arn)?;
    let attributes = subscription_attributes::show(&call.door.topic(&arn.topic)?, &subscription);
    call.answer(&GetSubscriptionAttributesResponse { attributes })
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
