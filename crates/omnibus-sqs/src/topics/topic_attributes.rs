//! The attributes of a topic: which can be set, to what, and how they are shown.

use std::collections::BTreeMap;

use omnibus_model::exchange::ExchangeConfig;
use serde_json::{Map, Value, json};

use crate::access;
use crate::errors::ApiError;
use crate::settings::{Encryption, Settings};
use crate::sns::retries::TopicDeliveryPolicy;
use crate::sns::routing::{DELIVERY_POLICY, has_ended, is_pending, topic_delivery_policy};
use crate::sns_error::SnsError;
use crate::topics::Topic;

pub(crate) const FIFO: &str = "FifoTopic";
pub(crate) const DEDUP_BY_CONTENT: &str = "ContentBasedDeduplication";
pub(crate) const POLICY: &str = "Policy";
/// Not shown with the others; it has actions of its own.
pub(crate) const DATA_PROTECTION: &str = "DataProtectionPolicy";

const DISPLAY_NAME: &str = "DisplayName";
const KMS_KEY: &str = "KmsMasterKeyId";
const THROUGHPUT_SCOPE: &str = "FifoThroughputScope";
const SIGNATURE_VERSION: &str = "SignatureVersion";
const MESSAGE_BYTES_MAX: &str = "MaximumMessageSize";
const TRACING: &str = "TracingConfig";

/// Attributes whose value is not looked at here.
const KEPT: [&str; 3] = [DISPLAY_NAME, POLICY, KMS_KEY];

const DISPLAY_NAME_CHARACTERS_MAX: usize = 100;
const TEXT_BYTES_MAX: usize = 64 << 10;
const MESSAGE_BYTES_DEFAULT: usize = 256 << 10;
const MESSAGE_BYTES: std::ops::RangeInclusive<usize> = 1_024..=1 << 20;

/// Checks attributes that promise protection: where callers are checked, nobody keeps these promises.
pub(crate) fn check_promises(settings: &Settings, given: &BTreeMap<String, String>) -> Result<(), SnsError> {
    let is_given = |name: &str| given.get(name).is_some_and(|value| !value.is_empty());
    let refused = |text: &str| Err(SnsError::InvalidParameter(text.to_owned()));
    if settings.is_open() {
        return Ok(());
    }
    if let Some(Err(reason)) = given.get(POLICY).filter(|policy| !policy.is_empty()).map(|policy| access::check(policy))
    {
        return refused(&format!("Policy: {reason}"));
    }
    if is_given(DATA_PROTECTION) {
        return refused("DataProtectionPolicy: this broker looks for no personal data in messages");
    }
    if is_given(KMS_KEY) && settings.encryption == Encryption::None {
        return refused("KmsMasterKeyId: messages are stored as they are, unless sqs.encryption = disk");
    }
    Ok(())
}

/// Reads the attributes of a topic that is to be created.
pub(crate) fn create(attributes: &BTreeMap<String, String>) -> Result<ExchangeConfig, ApiError> {
    let mut config = ExchangeConfig::default();
    for (name, value) in attributes {
        if name == FIFO {
            // A topic that is no FIFO topic says nothing of it.
            if parse_bool(FIFO, value)? {
                config.attributes.insert(FIFO.to_owned(), "true".to_owned());
            }
            continue;
        }
        set(&mut config, name, value, "Attributes Reason: ")?;
    }
    if is_fifo(&config) {
        config.attributes.entry(DEDUP_BY_CONTENT.to_owned()).or_insert_with(|| "false".to_owned());
    } else {
        check_of_fifo_only(&config)?;
    }
    Ok(config)
}

fn check_of_fifo_only(config: &ExchangeConfig) -> Result<(), SnsError> {
    let of_fifo_only = [DEDUP_BY_CONTENT, THROUGHPUT_SCOPE];
    match of_fifo_only.into_iter().find(|name| config.attributes.contains_key(*name)) {
        Some(name) => {
            Err(SnsError::InvalidParameter(format!("Attributes Reason: {name} can only be set for a FIFO topic")))
        }
        None => Ok(()),
    }
}

/// Sets one attribute of a topic that is there.
pub(crate) fn change(config: &mut ExchangeConfig, name: &str, value: &str) -> Result<(), ApiError> {
    set(config, name, value, "")?;
    if !is_fifo(config) {
        check_of_fifo_only(config)?;
    }
    Ok(())
}

fn set(config: &mut ExchangeConfig, name: &str, value: &str, prefix: &str) -> Result<(), SnsError> {
    let refused = |text: String| SnsError::InvalidParameter(format!("{prefix}{text}"));
    if value.len() > TEXT_BYTES_MAX {
        return Err(refused(format!("{name}: at most {TEXT_BYTES_MAX} bytes")));
    }
    let value = match name {
        DEDUP_BY_CONTENT => parse_bool(name, value)?.to_string(),
        THROUGHPUT_SCOPE => one_of(name, value, &["Topic", "MessageGroup"], prefix)?,
        SIGNATURE_VERSION => one_of(name, value, &["1", "2"], prefix)?,
        TRACING if value == "PassThrough" => value.to_owned(),
        MESSAGE_BYTES_MAX => {
            let valid = value.parse().is_ok_and(|bytes: usize| MESSAGE_BYTES.contains(&bytes));
            valid
                .then(|| value.to_owned())
                .ok_or_else(|| refused(format!("{MESSAGE_BYTES_MAX}: must be an integer from 1024 to 1048576")))?
        }
        DELIVERY_POLICY => {
            // Without one, what AWS does by default counts.
            let parsed = if value.is_empty() { Ok(()) } else { TopicDeliveryPolicy::parse(value).map(drop) };
            parsed.map(|()| value.to_owned()).map_err(|reason| refused(format!("{name}: {reason}")))?
        }
        DISPLAY_NAME if value.chars().count() > DISPLAY_NAME_CHARACTERS_MAX => {
            return Err(refused(format!("{name}: at most {DISPLAY_NAME_CHARACTERS_MAX} characters")));
        }
        POLICY if !value.is_empty() && serde_json::from_str::<Map<String, Value>>(value).is_err() => {
            return Err(refused("Policy: failed to parse JSON.".to_owned()));
        }
        name if KEPT.contains(&name) => value.to_owned(),
        _ => {
            return Err(match unsupported(name) {
                Some(reason) => refused(format!("{name}: {reason}")),
                None if prefix.is_empty() => SnsError::InvalidParameter("AttributeName".to_owned()),
                None => refused(format!("Unknown attribute {name}")),
            });
        }
    };
    let is_removal = value.is_empty() && name != DISPLAY_NAME;
    match is_removal {
        true => config.attributes.remove(name),
        false => config.attributes.insert(name.to_owned(), value),
    };
    Ok(())
}

/// Why an attribute that AWS has cannot be set here.
fn unsupported(name: &str) -> Option<&'static str> {
    const FEEDBACK: [&str; 3] = ["SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"];
    const BY: [&str; 5] = ["HTTP", "Firehose", "Lambda", "Application", "SQS"];
    let is_feedback =
        |name: &str| BY.into_iter().any(|by| name.strip_prefix(by).is_some_and(|it| FEEDBACK.contains(&it)));
    match name {
        TRACING => Some("must be PassThrough; this broker sends no segments to X-Ray"),
        "ArchivePolicy" => Some("this broker keeps no archive of what is published"),
        name if is_feedback(name) => Some("this broker writes no delivery status to CloudWatch"),
        _ => None,
    }
}

fn one_of(name: &str, value: &str, known: &[&str], prefix: &str) -> Result<String, SnsError> {
    if known.contains(&value) {
        return Ok(value.to_owned());
    }
    Err(SnsError::InvalidParameter(format!("{prefix}{name}: Invalid value [{value}]. Must be {}.", known.join(" or "))))
}

/// Reads a word for yes or no, whatever its case.
pub(crate) fn parse_bool(name: &str, value: &str) -> Result<bool, SnsError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(SnsError::InvalidParameter(format!("{name}: Invalid value [{value}]. Must be true or false."))),
    }
}

/// Whether a topic that is there has all that is asked for.
pub(crate) fn same(present: &ExchangeConfig, wanted: &BTreeMap<String, String>) -> Result<bool, ApiError> {
    let has = |(name, value): (&String, &String)| match present.attributes.get(name) {
        Some(present) => present.eq_ignore_ascii_case(value),
        None => name == FIFO && value.eq_ignore_ascii_case("false"),
    };
    create(wanted)?;
    Ok(wanted.iter().all(has))
}

fn is_fifo(config: &ExchangeConfig) -> bool {
    config.attributes.get(FIFO).is_some_and(|value| value == "true")
}

impl Topic {
    pub(crate) fn dedups_by_content(&self) -> bool {
        self.attribute(DEDUP_BY_CONTENT) == Some("true")
    }

    /// Whether each group has deduplication ids of its own.
    pub(crate) fn dedups_by_group(&self) -> bool {
        self.attribute(THROUGHPUT_SCOPE) == Some("MessageGroup")
    }

    pub(crate) fn signature_version(&self) -> &str {
        self.attribute(SIGNATURE_VERSION).unwrap_or("1")
    }

    /// The most bytes of one message, and of a batch.
    pub(crate) fn message_bytes_max(&self) -> usize {
        self.attribute(MESSAGE_BYTES_MAX).and_then(|text| text.parse().ok()).unwrap_or(MESSAGE_BYTES_DEFAULT)
    }

    /// The policy, or what counts if there is none.
    pub(crate) fn policy(&self) -> Value {
        let said = self.attribute(POLICY).and_then(|text| serde_json::from_str(text).ok());
        said.unwrap_or_else(|| default_policy(self))
    }
}

/// What is told of a topic.
pub(crate) fn show(topic: &Topic, settings: &Settings) -> BTreeMap<String, String> {
    let mut shown = topic.exchange.config.attributes.clone();
    shown.remove(DATA_PROTECTION);
    if !settings.is_open() && settings.encryption == Encryption::None {
        // It was set when nobody was checked.
        shown.remove(KMS_KEY);
    }
    shown.entry(DISPLAY_NAME.to_owned()).or_default();
    let bindings = topic.exchange.bindings.values().filter(|binding| !has_ended(binding));
    let (pending, confirmed): (Vec<_>, Vec<_>) = bindings.partition(|binding| is_pending(binding));
    let effective =
        serde_json::to_string(&topic_delivery_policy(&topic.exchange.config).effective()).unwrap_or_default();
    shown.entry(POLICY.to_owned()).or_insert_with(|| topic.policy().to_string());
    shown.extend([
        ("EffectiveDeliveryPolicy".to_owned(), effective),
        ("Owner".to_owned(), topic.arn.account.clone()),
        ("SubscriptionsConfirmed".to_owned(), confirmed.len().to_string()),
        // Those that have ended are forgotten.
        ("SubscriptionsDeleted".to_owned(), "0".to_owned()),
        ("SubscriptionsPending".to_owned(), pending.len().to_string()),
        ("TopicArn".to_owned(), topic.arn.text()),
    ]);
    shown
}

fn default_policy(topic: &Topic) -> Value {
    let actions = [
        "SNS:GetTopicAttributes",
        "SNS:SetTopicAttributes",
        "SNS:AddPermission",
        "SNS:RemovePermission",
        "SNS:DeleteTopic",
        "SNS:Subscribe",
        "SNS:ListSubscriptionsByTopic",
        "SNS:Publish",
    ];
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": actions,
            "Resource": topic.arn.text(),
            "Condition": {"StringEquals": {"AWS:SourceOwner": topic.arn.account}},
        }],
    })
}
