//! What attributes of queues and topics ask of whoever runs the broker: policies, and encryption.
//!
//! Both mean something once there are credentials. An open door takes everybody for whom they say
//! they are, so that it can protect nothing; it keeps these attributes for whoever asks, and says
//! so when it opens.

use std::collections::BTreeMap;

use crate::access::{self, Question, Verdict};
use crate::attributes::{KMS_KEY, KMS_REUSE, POLICY, SSE};
use crate::errors::ApiError;
use crate::names::QueueName;
use crate::policy::GRANTED;
use crate::queues::Queue;
use crate::settings::{Encryption, Settings};
use crate::sigv4::Signer;
use crate::sns::names::TopicArn;
use crate::sns_error::SnsError;

/// Who owns a queue can always see and change who may use it.
const NEVER_DENIED: [&str; 3] = ["GetQueueAttributes", "RemovePermission", "SetQueueAttributes"];

/// Checks that somebody may do something with a queue.
pub(crate) fn authorize(
    settings: &Settings,
    (signer, is_secure): (&Signer, bool),
    action: &'static str,
    queue: &Queue,
) -> Result<(), ApiError> {
    if settings.is_open() {
        return Ok(());
    }
    let account = &signer.account;
    let name = action.trim_end_matches("Batch");
    let arn = &queue.name.arn();
    let context = [
        ("aws:PrincipalAccount", account.clone()),
        ("aws:PrincipalArn", signer.arn()),
        ("aws:SecureTransport", is_secure.to_string()),
    ];
    let names = [account.clone()];
    let question = Question { caller: ("AWS", &names), action: ("sqs", name), resource: arn, context: &context };
    let policy = queue.config().attributes.get(POLICY);
    let verdict = policy.map_or(Verdict::Silent, |policy| access::verdict(policy, question));
    let owns = *account == queue.name.account;
    let is_granted = GRANTED.contains(&name) || action == "ListDeadLetterSourceQueues";
    let may = match verdict {
        Verdict::Denied => owns && NEVER_DENIED.contains(&action),
        Verdict::Allowed => owns || is_granted,
        Verdict::Silent => owns,
    };
    if may { Ok(()) } else { Err(ApiError::AccessDenied { caller: signer.arn(), action: name, resource: arn.clone() }) }
}

/// What others can be allowed to do with a topic.
pub(crate) const GRANTED_OF_TOPICS: [&str; 10] = [
    "AddPermission",
    "DeleteTopic",
    "GetTopicAttributes",
    "GetDataProtectionPolicy",
    "ListSubscriptionsByTopic",
    "Publish",
    "PutDataProtectionPolicy",
    "RemovePermission",
    "SetTopicAttributes",
    "Subscribe",
];

/// Who owns a topic can always see and change who may use it.
const NEVER_DENIED_OF_TOPICS: [&str; 3] = ["GetTopicAttributes", "RemovePermission", "SetTopicAttributes"];

/// Checks that somebody may do something with a topic, which need not be there; `more` is what a policy may ask
/// besides.
pub(crate) fn authorize_topic(
    settings: &Settings,
    (signer, is_secure): (&Signer, bool),
    action: &'static str,
    (topic, policy): (&TopicArn, Option<&str>),
    more: &[(&'static str, String)],
) -> Result<(), SnsError> {
    if settings.is_open() {
        return Ok(());
    }
    let account = &signer.account;
    let name = action.trim_end_matches("Batch");
    let arn = &topic.text();
    let known = [
        ("aws:PrincipalAccount", account.clone()),
        ("aws:PrincipalArn", signer.arn()),
        ("aws:SecureTransport", is_secure.to_string()),
        // What the policy that AWS gives every topic asks for.
        ("aws:SourceOwner", account.clone()),
    ];
    let context = [&known[..], more].concat();
    let names = [account.clone()];
    let question = Question { caller: ("AWS", &names), action: ("sns", name), resource: arn, context: &context };
    let owns = *account == topic.account;
    let may = match policy.map_or(Verdict::Silent, |policy| access::verdict(policy, question)) {
        Verdict::Denied => owns && NEVER_DENIED_OF_TOPICS.contains(&name),
        Verdict::Allowed => owns || GRANTED_OF_TOPICS.contains(&name),
        Verdict::Silent => owns,
    };
    if may { Ok(()) } else { Err(SnsError::AuthorizationError { action: name, resource: arn.clone() }) }
}

/// A topic that has something for a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feeding<'a> {
    pub(crate) topic_arn: &'a str,
    pub(crate) topic_account: &'a str,
    pub(crate) queue: &'a QueueName,
    pub(crate) queue_policy: Option<&'a str>,
}

/// Whether a topic may send to a queue: to one of its own account unless the queue's policy denies it, to
/// another's if that policy allows it.
pub(crate) fn may_feed(settings: &Settings, feeding: Feeding<'_>) -> bool {
    let Feeding { topic_arn, topic_account, queue, queue_policy } = feeding;
    if settings.is_open() {
        return true;
    }
    let context = [
        ("aws:SourceArn", topic_arn.to_owned()),
        ("aws:SourceAccount", topic_account.to_owned()),
        ("aws:SourceOwner", topic_account.to_owned()),
        ("aws:SecureTransport", true.to_string()),
    ];
    let names = ["sns.amazonaws.com".to_owned()];
    let question = Question {
        caller: ("Service", &names),
        action: ("sqs", "SendMessage"),
        resource: &queue.arn(),
        context: &context,
    };
    match queue_policy.map_or(Verdict::Silent, |policy| access::verdict(policy, question)) {
        Verdict::Denied => false,
        Verdict::Allowed => true,
        Verdict::Silent => queue.account == topic_account,
    }
}

/// Checks attributes that somebody sets, as far as they promise protection.
pub(crate) fn check(settings: &Settings, given: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if settings.is_open() {
        return Ok(());
    }
    let text = |name: &str| given.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let refused = |name: &str, reason: &str| {
        let text = format!("Invalid value for the parameter {name}. Reason: {reason}.");
        Err(ApiError::InvalidAttributeValue(text))
    };
    if let Some(Err(reason)) = text(POLICY).map(access::check) {
        return refused(POLICY, &reason);
    }
    let wants_encryption = [(KMS_KEY, true), (SSE, text(SSE).is_some_and(|text| text.eq_ignore_ascii_case("true")))];
    let wanted = wants_encryption.into_iter().find(|(name, wants)| *wants && text(name).is_some());
    match wanted {
        Some((name, _)) if settings.encryption == Encryption::None => refused(
            name,
            "messages are stored as they are; sqs.encryption = disk says that the disk below them is encrypted",
        ),
        _ => Ok(()),
    }
}

/// Takes promises out of what is shown that nobody keeps.
pub(crate) fn show(settings: &Settings, shown: &mut BTreeMap<String, String>) {
    if settings.is_open() || settings.encryption == Encryption::Disk {
        return;
    }
    shown.remove(KMS_KEY);
    shown.remove(KMS_REUSE);
    if let Some(text) = shown.get_mut(SSE) {
        "false".clone_into(text);
    }
}
