//! The attributes of a subscription: which can be set, to what, and how they are shown.

use std::collections::BTreeMap;

use omnibus_model::exchange::{BindingConfig, BindingTarget};
use serde::Deserialize;

use crate::errors::ApiError;
use crate::names::QueueName;
use crate::sns::filter::FilterPolicy;
use crate::sns::names::TopicArn;
use crate::sns::retries::DeliveryPolicy;
use crate::sns::routing::{
    AUTHENTICATED, BASE_URL, CONFIRMED, DELIVERY_POLICY, ENDPOINT, FILTER, FILTER_SCOPE, PENDING, PROTOCOL, RAW,
    REDRIVE, SUBSCRIBER, TOKEN_AT, delivery_policy, scope_of,
};
use crate::sns_error::SnsError;
use crate::topics::topic_attributes::parse_bool;
use crate::topics::{Subscription, Topic};

const TEXT_BYTES_MAX: usize = 256 << 10;

/// What a new subscription is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscribing<'a> {
    pub(crate) topic: &'a TopicArn,
    pub(crate) protocol: &'a str,
    pub(crate) endpoint: &'a str,
}

/// Where a subscription's dead letters go.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedrivePolicy {
    #[serde(rename = "deadLetterTargetArn")]
    target: String,
}

/// Reads the attributes of a subscription that is to be created.
pub(crate) fn create(
    subscribing: Subscribing<'_>,
    attributes: &BTreeMap<String, String>,
) -> Result<BindingConfig, ApiError> {
    let Subscribing { topic, protocol, endpoint } = subscribing;
    let said = [(PROTOCOL, protocol), (ENDPOINT, endpoint)];
    let said = said.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let mut config = BindingConfig { attributes: said.into_iter().collect() };
    for (name, value) in attributes {
        set(&mut config, topic, name, value).map_err(of_subscribe)?;
    }
    check_filter(&config).map_err(of_subscribe)?;
    Ok(config)
}

/// What is wrong with an attribute is told in other words by Subscribe.
fn of_subscribe(error: SnsError) -> SnsError {
    match error {
        SnsError::InvalidParameter(text) if text == "AttributeName" => {
            SnsError::InvalidParameter("Attributes".to_owned())
        }
        SnsError::InvalidParameter(text) => SnsError::InvalidParameter(format!("Attributes Reason: {text}")),
        other => other,
    }
}

/// Sets one attribute of a subscription that is there.
pub(crate) fn change(config: &mut BindingConfig, topic: &TopicArn, name: &str, value: &str) -> Result<(), ApiError> {
    set(config, topic, name, value)?;
    Ok(check_filter(config)?)
}

fn set(config: &mut BindingConfig, topic: &TopicArn, name: &str, value: &str) -> Result<(), SnsError> {
    if value.len() > TEXT_BYTES_MAX {
        return Err(SnsError::InvalidParameter(format!("{name}: at most {TEXT_BYTES_MAX} bytes")));
    }
    let value = match name {
        RAW => parse_bool(name, value)?.to_string(),
        FILTER => value.to_owned(),
        FILTER_SCOPE if ["MessageAttributes", "MessageBody"].contains(&value) => value.to_owned(),
        FILTER_SCOPE => {
            let text = format!(
                "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
            );
            return Err(SnsError::InvalidParameter(text));
        }
        REDRIVE => {
            check_redrive(config, topic, value)?;
            value.to_owned()
        }
        DELIVERY_POLICY => {
            check_delivery(config, value)?;
            value.to_owned()
        }
        "SubscriptionRoleArn" | "ReplayPolicy" => {
            return Err(SnsError::InvalidParameter(format!("{name}: is not supported by this broker")));
        }
        _ => return Err(SnsError::InvalidParameter("AttributeName".to_owned())),
    };
    match value.is_empty() {
        true => config.attributes.remove(name),
        false => config.attributes.insert(name.to_owned(), value),
    };
    Ok(())
}

fn check_filter(config: &BindingConfig) -> Result<(), SnsError> {
    let Some(policy) = config.attributes.get(FILTER) else { return Ok(()) };
    let parsed = FilterPolicy::parse(policy, scope_of(config));
    parsed.map(drop).map_err(|error| SnsError::InvalidParameter(error.to_string()))
}

fn check_delivery(config: &BindingConfig, policy: &str) -> Result<(), SnsError> {
    let refused = |text: &str| Err(SnsError::InvalidParameter(format!("{DELIVERY_POLICY}: {text}")));
    if config.attributes.get(PROTOCOL).is_none_or(|protocol| protocol == "sqs") {
        return refused("only of subscriptions by http or https");
    }
    match DeliveryPolicy::parse(policy) {
        Err(reason) if !policy.is_empty() => refused(&reason),
        _ => Ok(()),
    }
}

fn check_redrive(config: &BindingConfig, topic: &TopicArn, policy: &str) -> Result<(), SnsError> {
    let refused = |text: String| Err(SnsError::InvalidParameter(format!("RedrivePolicy: {text}")));
    if policy.is_empty() {
        return Ok(());
    }
    let redrive: RedrivePolicy = match serde_json::from_str(policy) {
        Ok(redrive) => redrive,
        Err(error) if error.is_data() => return refused(wrong_member(policy)),
        Err(error) => return refused(format!("failed to parse JSON. {error}")),
    };
    let Some(target) = QueueName::of_arn(&redrive.target) else {
        return refused("deadLetterTargetArn is an invalid arn".to_owned());
    };
    let endpoint = config.attributes.get(ENDPOINT).map(String::as_str).unwrap_or_default();
    if topic.is_fifo() && endpoint.ends_with(".fifo") && !target.name.ends_with(".fifo") {
        return refused("must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.".to_owned());
    }
    Ok(())
}

/// What AWS calls a redrive policy that is JSON and none.
fn wrong_member(policy: &str) -> String {
    let members: BTreeMap<String, serde_json::Value> = serde_json::from_str(policy).unwrap_or_default();
    match members.keys().find(|name| *name != "deadLetterTargetArn") {
        Some(unknown) => format!("invalid JSON. Attribute {unknown} is unknown."),
        None => "deadLetterTargetArn is required".to_owned(),
    }
}

/// Whether a subscription that is there has all that is asked for.
pub(crate) fn same(present: &BindingConfig, wanted: &BTreeMap<String, String>) -> bool {
    let default = |name: &str| match name {
        RAW => "false",
        FILTER_SCOPE => "MessageAttributes",
        _ => "",
    };
    wanted.iter().all(|(name, value)| {
        let present = present.attributes.get(name).map_or_else(|| default(name), String::as_str);
        let as_word = name == RAW && present.eq_ignore_ascii_case(value);
        as_word || present == value
    })
}

impl Subscription {
    /// The account that has subscribed.
    pub(crate) fn owner(&self) -> &str {
        self.binding.config.attributes.get(SUBSCRIBER).unwrap_or(&self.arn.topic.account)
    }

    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.binding.config.attributes.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// What is told of a subscription.
pub(crate) fn show(topic: &Topic, subscription: &Subscription) -> BTreeMap<String, String> {
    let mut shown = subscription.binding.config.attributes.clone();
    let is_pending = shown.remove(PENDING).is_some();
    for ours in [CONFIRMED, BASE_URL, TOKEN_AT, SUBSCRIBER] {
        shown.remove(ours);
    }
    let is_push = matches!(subscription.binding.target, BindingTarget::Push { .. });
    shown.entry(AUTHENTICATED.to_owned()).or_insert_with(|| (!is_push).to_string());
    if is_push {
        let policy = serde_json::to_string(&delivery_policy(&topic.exchange, &subscription.binding));
        shown.insert("EffectiveDeliveryPolicy".to_owned(), policy.unwrap_or_default());
    }
    match shown.contains_key(FILTER) {
        true => drop(shown.entry(FILTER_SCOPE.to_owned()).or_insert_with(|| "MessageAttributes".to_owned())),
        false => drop(shown.remove(FILTER_SCOPE)),
    }
    shown.entry(RAW.to_owned()).or_insert_with(|| "false".to_owned());
    let topic = &subscription.arn.topic;
    shown.extend([
        ("Owner".to_owned(), subscription.owner().to_owned()),
        ("PendingConfirmation".to_owned(), is_pending.to_string()),
        ("SubscriptionArn".to_owned(), subscription.arn.text()),
        // Who has signed is not kept.
        ("SubscriptionPrincipal".to_owned(), format!("arn:aws:iam::{}:user/anonymous", subscription.owner())),
        ("TopicArn".to_owned(), topic.text()),
    ]);
    shown
}
