//! The JSON that SNS puts around a message, written when somebody receives it.

use std::collections::BTreeMap;
use std::sync::Arc;

use omnibus_model::Timestamp;
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
    sequence_number: Option<String>,
    topic_arn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    message: &'a str,
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

/// Puts the envelope around a message; its attributes are in there then.
pub(crate) fn wrap(call: &Call, key: Option<&SigningKey>, wrapped: &Wrapped, message: SqsMessage) -> SqsMessage {
    let Wrapped { native, binding } = wrapped;
    let signature = key.and_then(|key| sign(call, key, native, &message.body));
    let subscription = TopicArn::read(Some(&native.topic), "TopicArn")
        .map(|topic| SubscriptionArn { topic, id: *binding })
        .map(|arn| {
            format!("{}/?Action=Unsubscribe&SubscriptionArn={}", call.base_url("sns", &arn.topic.region), arn.text())
        });
    let notification = Notification {
        kind: "Notification",
        message_id: Uuid::from_u128(native.id).to_string(),
        sequence_number: native.sequence.map(|sequence| sequence.to_string()),
        topic_arn: &native.topic,
        subject: native.subject.as_deref(),
        message: &message.body,
        timestamp: iso(native.published_at),
        signature,
        unsubscribe_url: subscription.ok(),
        message_attributes: native.attributes.iter().map(shown).collect(),
    };
    let body = serde_json::to_string(&notification).unwrap_or_default();
    let mut sqs = message.native;
    sqs.attributes.clear();
    SqsMessage { native: sqs, body: body.into() }
}

/// The key, if there is anything to sign.
pub(crate) async fn key_for<'a>(
    call: &Call,
    wrapped: impl Iterator<Item = &'a Wrapped>,
) -> Result<Option<Arc<SigningKey>>, ApiError> {
    let mut wrapped = wrapped;
    let wanted = wrapped.any(|wrapped| wrapped.native.signing != Signing::None);
    if !wanted || call.door.settings.signatures == Signatures::Off {
        return Ok(None);
    }
    call.door.signer.key().await.map(Some)
}

/// Signs what AWS signs, in its order.
fn sign(call: &Call, key: &SigningKey, native: &SnsNative, message: &str) -> Option<Signature> {
    let id = Uuid::from_u128(native.id).to_string();
    let mut text = format!("Message\n{message}\nMessageId\n{id}\n");
    if let Some(subject) = &native.subject {
        text.push_str(&format!("Subject\n{subject}\n"));
    }
    let timestamp = iso(native.published_at);
    text.push_str(&format!("Timestamp\n{timestamp}\nTopicArn\n{}\nType\nNotification\n", native.topic));
    let region = native.topic.split(':').nth(3).unwrap_or_default();
    Some(Signature {
        signature_version: if native.signing == Signing::Sha256 { "2" } else { "1" },
        signature: key.sign(native.signing, native.id, &text)?,
        certificate: format!("{}{CERTIFICATE}{}.pem", call.base_url("sns", region), key.name),
    })
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
