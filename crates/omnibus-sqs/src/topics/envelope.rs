//! The JSON that SNS puts around a message, written when somebody receives it.

use std::collections::BTreeMap;
use std::sync::Arc;

use omnibus_model::Timestamp;
use omnibus_model::exchange::BindingId;
use omnibus_record::{Signing, SnsNative, SqsAttribute, SqsMessage, SqsValue};
use serde::Serialize;
use uuid::Uuid;

use crate::door::Door;
use crate::errors::ApiError;
use crate::queues::Wrapped;
use crate::session::Call;
use crate::settings::Signatures;
use crate::signing::SigningKey;
use crate::sns::names::{SubscriptionArn, TopicArn};
use crate::wire::base64;

/// What the path of a certificate begins with.
const CERTIFICATE: &str = "/SimpleNotificationService-";

/// A notification, its members in AWS's order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Notification<'a> {
    #[serde(rename = "Type")]
    kind: &'static str,
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
    topic_arn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    message: &'a str,
    #[serde(rename = "SubscribeURL", skip_serializing_if = "Option::is_none")]
    subscribe_url: Option<String>,
    timestamp: String,
    #[serde(flatten)]
    signature: Option<Signature>,
    #[serde(rename = "UnsubscribeURL", skip_serializing_if = "Option::is_none")]
    unsubscribe_url: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<&'a str, ShownAttribute<'a>>,
}

/// By what a receiver can tell that a notification is ours.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Signature {
    signature_version: &'static str,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    certificate: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownAttribute<'a> {
    #[serde(rename = "Type")]
    data_type: &'a str,
    value: String,
}

/// Where an envelope's addresses lead, and who signs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    /// The URL of SNS without a slash at its end.
    pub(crate) base_url: &'a str,
    /// `None` if nobody signs.
    pub(crate) key: Option<&'a SigningKey>,
}

/// Puts the envelope around a message; its attributes are in there then.
pub(crate) fn wrap(call: &Call, key: Option<&SigningKey>, wrapped: &Wrapped, message: SqsMessage) -> SqsMessage {
    let Wrapped { native, binding } = wrapped;
    let base_url = call.base_url("sns", region_of(&native.topic));
    let body = notification(Sender { base_url: &base_url, key }, native, *binding, &message.body);
    let mut sqs = message.native;
    sqs.attributes.clear();
    SqsMessage { native: sqs, body: body.into() }
}

/// Writes a message for one of a topic's subscriptions.
pub(crate) fn notification(sender: Sender<'_>, native: &SnsNative, binding: BindingId, message: &str) -> String {
    let subscription = TopicArn::read(Some(&native.topic), "TopicArn")
        .map(|topic| SubscriptionArn { topic, id: binding })
        .map(|arn| format!("{}/?Action=Unsubscribe&SubscriptionArn={}", sender.base_url, arn.text()));
    let notification = Notification {
        sequence_number: native.sequence.map(|sequence| sequence.to_string()),
        subject: native.subject.as_deref(),
        unsubscribe_url: subscription.ok(),
        message_attributes: native.attributes.iter().map(shown).collect(),
        ..Notification::of("Notification", native, message)
    };
    notification.write(sender, native)
}

/// Whether a queue takes the envelope of a message: what counts is what AWS would put into it, however long our own
/// addresses are.
pub(crate) fn fits(native: &SnsNative, binding: BindingId, message: &str, bytes_max: usize) -> bool {
    /// Its version, 256 bytes in base64 and the address of a certificate, with their names.
    const SIGNATURE_BYTES: usize = 520;
    /// A letter that is escaped has six bytes at most.
    const ESCAPED: usize = 6;
    /// What is neither message nor attribute.
    const REST_BYTES_MAX: usize = 4 << 10;
    let attributes = native.attributes.iter().map(|attribute| {
        let value = match &attribute.value {
            SqsValue::Text(text) => text.len(),
            SqsValue::Binary(bytes) => bytes.len(),
        };
        attribute.name.len() + attribute.data_type.len() + value + ESCAPED * 8
    });
    let at_most = (message.len() + attributes.sum::<usize>()) * ESCAPED + REST_BYTES_MAX;
    at_most <= bytes_max || {
        let base_url = format!("https://sns.{}.amazonaws.com", region_of(&native.topic));
        let unsigned = notification(Sender { base_url: &base_url, key: None }, native, binding, message).len();
        unsigned + if native.signing == Signing::None { 0 } else { SIGNATURE_BYTES } <= bytes_max
    }
}

/// Writes the question whether an endpoint wants to be subscribed, or to stay: its kind says which.
pub(crate) fn confirmation(
    sender: Sender<'_>,
    native: &SnsNative,
    (kind, token): (&'static str, &str),
    message: &str,
) -> String {
    let topic = &native.topic;
    let address = format!("{}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}", sender.base_url);
    let confirmation =
        Notification { token: Some(token), subscribe_url: Some(address), ..Notification::of(kind, native, message) };
    confirmation.write(sender, native)
}

impl<'a> Notification<'a> {
    fn of(kind: &'static str, native: &'a SnsNative, message: &'a str) -> Self {
        Self {
            kind,
            message_id: Uuid::from_u128(native.id).to_string(),
            token: None,
            sequence_number: None,
            topic_arn: &native.topic,
            subject: None,
            message,
            subscribe_url: None,
            timestamp: iso(native.published_at),
            signature: None,
            unsubscribe_url: None,
            message_attributes: BTreeMap::new(),
        }
    }

    fn write(mut self, sender: Sender<'_>, native: &SnsNative) -> String {
        self.signature = sender.key.and_then(|key| self.sign(sender.base_url, key, native));
        serde_json::to_string(&self).unwrap_or_default()
    }

    /// Signs what AWS signs, in its order.
    fn sign(&self, base_url: &str, key: &SigningKey, native: &SnsNative) -> Option<Signature> {
        let signed = [
            ("Message", Some(self.message)),
            ("MessageId", Some(self.message_id.as_str())),
            ("Subject", self.subject),
            ("SubscribeURL", self.subscribe_url.as_deref()),
            ("Timestamp", Some(self.timestamp.as_str())),
            ("Token", self.token),
            ("TopicArn", Some(self.topic_arn)),
            ("Type", Some(self.kind)),
        ];
        let lines = signed.iter().filter_map(|(name, value)| value.map(|value| format!("{name}\n{value}\n")));
        Some(Signature {
            signature_version: if native.signing == Signing::Sha256 { "2" } else { "1" },
            signature: key.sign(native.signing, native.id, &lines.collect::<String>())?,
            certificate: format!("{base_url}{CERTIFICATE}{}.pem", key.name),
        })
    }
}

/// The key, if there is anything to sign.
pub(crate) async fn key_for<'a>(
    door: &Door,
    natives: impl Iterator<Item = &'a SnsNative>,
) -> Result<Option<Arc<SigningKey>>, ApiError> {
    let mut natives = natives;
    let wanted = natives.any(|native| native.signing != Signing::None);
    if !wanted || door.settings.signatures == Signatures::Off {
        return Ok(None);
    }
    door.signer.key().await.map(Some)
}

fn region_of(topic: &str) -> &str {
    topic.split(':').nth(3).unwrap_or_default()
}

/// The certificate at an address, if there is one there.
pub(crate) async fn certificate(door: &Door, path: &str) -> Result<Option<String>, ApiError> {
    let name = path.strip_prefix(CERTIFICATE).and_then(|rest| rest.strip_suffix(".pem"));
    let Some(name) = name.filter(|name| name.len() == 32) else { return Ok(None) };
    let key = door.signer.key().await?;
    Ok((key.name == name).then(|| key.certificate.clone()))
}

fn shown(attribute: &SqsAttribute) -> (&str, ShownAttribute<'_>) {
    let value = match &attribute.value {
        SqsValue::Text(text) => text.to_string(),
        SqsValue::Binary(bytes) => base64::write(bytes),
    };
    (&attribute.name, ShownAttribute { data_type: &attribute.data_type, value })
}

/// Writes a time as SNS does: `2023-11-14T22:13:20.000Z`.
pub(crate) fn iso(time: Timestamp) -> String {
    const DAY: i64 = 86_400_000;
    let (days, millis) = (time.0.div_euclid(DAY), time.0.rem_euclid(DAY));
    let (year, month, day) = date(days);
    let (hour, minute) = (millis / 3_600_000, millis / 60_000 % 60);
    let (second, milli) = (millis / 1_000 % 60, millis % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The date so many days after 1970-01-01; years are taken to begin in March, so that leap days are last.
const fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_TO_1970: i64 = 719_468;
    const ERA: i64 = 146_097;
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_that_of_the_calendar() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_700_000_000_000, "2023-11-14T22:13:20.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(iso(Timestamp(millis)), text);
        }
    }
}
