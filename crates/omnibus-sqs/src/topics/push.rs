//! Tells those who subscribed by HTTP: asks them once whether they want to be, then hands each message over.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use omnibus_engine::push::{Push, PushPlan, Pusher, Verdict};
use omnibus_model::TopicName;
use omnibus_model::exchange::{Binding, BindingConfig, BindingTarget, SharedExchange};
use omnibus_record::{Native, SnsForm, SnsNative};
use omnibus_webhook::{BASIC, Post, Poster};
use uuid::Uuid;

use crate::attributes::POLICY;
use crate::door::Door;
use crate::errors::ApiError;
use crate::names::QueueName;
use crate::protection::{Feeding, may_feed};
use crate::sns::endpoint::Endpoint;
use crate::sns::names::{SubscriptionArn, TopicArn};
use crate::sns::routing::{BASE_URL, ENDED, EXPIRED, PENDING, dead_letters_to, delivery_policy};
use crate::topics::envelope::{self, Sender};

/// What AWS calls itself.
const USER_AGENT: &str = "Amazon Simple Notification Service Agent";

/// Carries messages of SNS to HTTP servers.
pub(crate) struct HttpPusher {
    pub(crate) door: Arc<Door>,
    pub(crate) poster: Arc<Poster>,
}

/// What is posted.
struct Letter {
    headers: Vec<(&'static str, String)>,
    body: String,
    /// Whether it asks whether the endpoint wants to be subscribed, or to stay.
    is_question: bool,
}

impl Pusher for HttpPusher {
    fn plan(&self, exchange: &SharedExchange, binding: &Binding) -> Option<PushPlan> {
        let dead_letters_to = dead_letter_queue(&self.door, exchange, &binding.config);
        Some(PushPlan { dead_letters_to, ..delivery_policy(exchange, binding).plan() })
    }

    fn push(&self, push: Push) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
        let (door, poster) = (Arc::clone(&self.door), Arc::clone(&self.poster));
        Box::pin(async move {
            let Some(push) = as_of_now(&door, push) else { return Verdict::Accepted };
            match letter(&door, &push).await {
                Ok(Some(letter)) => hand_over(&poster, &push, letter).await,
                Ok(None) => Verdict::Accepted,
                Err(error) => {
                    tracing::warn!(%error, "a message could not be written for who is told by HTTP");
                    Verdict::Failed
                }
            }
        })
    }
}

impl fmt::Debug for HttpPusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPusher").finish_non_exhaustive()
    }
}

/// Looks the binding up once more: who pushes hears of changes a moment later. `None` if it is gone.
fn as_of_now(door: &Door, push: Push) -> Option<Push> {
    let exchange = door.engine.catalog().exchange(&push.exchange.key)?;
    let binding = exchange.bindings.get(&push.binding.id).cloned()?;
    Some(Push { exchange, binding, ..push })
}

/// The queue for what is given up, if the topic may send there. It need not be there yet.
fn dead_letter_queue(door: &Door, exchange: &SharedExchange, config: &BindingConfig) -> Option<TopicName> {
    let queue = QueueName::of_arn(&dead_letters_to(config)?)?;
    let topic = TopicArn::of_exchange(exchange.key.name.as_str(), &door.settings)?;
    let name = queue.topic(&door.settings).ok()?;
    let present = door.engine.catalog().topic(name.as_str()).and_then(|topic| topic.queue.clone());
    let queue_policy = present.as_ref().and_then(|queue| queue.config.attributes.get(POLICY));
    let feeding = Feeding {
        topic_arn: &topic.text(),
        topic_account: &topic.account,
        queue: &queue,
        queue_policy: queue_policy.map(String::as_str),
    };
    may_feed(&door.settings, feeding).then_some(name)
}

/// Writes what is to be posted; `None` if nobody wants it any more.
async fn letter(door: &Door, push: &Push) -> Result<Option<Letter>, ApiError> {
    // Nobody else writes to this queue, unless a Kafka client knows its name.
    let Native::Sns(native) = &push.message.native else { return Ok(None) };
    let attributes = &push.binding.config.attributes;
    if attributes.contains_key(EXPIRED) {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&push.message.body);
    let key = envelope::key_for(door, std::iter::once(native)).await?;
    let base_url = attributes.get(BASE_URL).map(String::as_str).unwrap_or_default();
    let sender = Sender { base_url, key: key.as_deref() };
    let target = native.targets.iter().find(|target| target.binding == push.binding.id);
    let question =
        |kind: &'static str, token: &str| (kind, envelope::confirmation(sender, native, (kind, token), &text));
    let (kind, body) = match (target, attributes.get(PENDING), attributes.get(ENDED)) {
        (None, Some(token), _) => question("SubscriptionConfirmation", token),
        (None, None, Some(token)) => question("UnsubscribeConfirmation", token),
        // It was asked twice, and has answered once; or what it was to be told came too late.
        (None, None, None) | (Some(_), _, Some(_)) => return Ok(None),
        (Some(target), ..) if target.form == SnsForm::Raw => ("Notification", text.into_owned()),
        (Some(_), ..) => ("Notification", envelope::notification(sender, native, push.binding.id, &text)),
    };
    let mut headers = headers(kind, native, push);
    if target.is_some_and(|target| target.form == SnsForm::Raw) {
        headers.push(("x-amz-sns-rawdelivery", "true".to_owned()));
    }
    Ok(Some(Letter { headers, body, is_question: target.is_none() }))
}

fn headers(kind: &str, native: &SnsNative, push: &Push) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("content-type", delivery_policy(&push.exchange, &push.binding).content_type().to_owned()),
        ("user-agent", USER_AGENT.to_owned()),
        ("x-amz-sns-message-type", kind.to_owned()),
        ("x-amz-sns-message-id", Uuid::from_u128(native.id).to_string()),
        ("x-amz-sns-topic-arn", native.topic.to_string()),
    ];
    if let Ok(topic) = TopicArn::read(Some(&native.topic), "TopicArn") {
        let subscription = SubscriptionArn { topic, id: push.binding.id };
        headers.push(("x-amz-sns-subscription-arn", subscription.text()));
    }
    headers
}

async fn hand_over(poster: &Poster, push: &Push, letter: Letter) -> Verdict {
    let BindingTarget::Push { url } = &push.binding.target else { return Verdict::Refused };
    let headers = letter.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let endpoint = Endpoint::of(url);
    let (url, authorization) = (endpoint.url(), endpoint.authorization());
    let post = Post { url: url.clone(), headers, body: letter.body.into(), authorization };
    let verdict = match poster.post(&post).await {
        Ok(answer) if answer.is_success() => Verdict::Accepted,
        Ok(answer) => {
            tracing::debug!(url, status = answer.status, attempt = push.attempt, "an endpoint did not take a message");
            if post.authorization.is_some() && answer.asks_who() && !answer.asks_who_by(BASIC) {
                tracing::warn!(url, asks = ?answer.challenges, "an endpoint asks who calls in a way that is not spoken");
            }
            if answer.is_permanent() { Verdict::Refused } else { Verdict::Failed }
        }
        Err(error) => {
            tracing::debug!(url, %error, attempt = push.attempt, "an endpoint could not be told");
            if error.is_permanent() { Verdict::Refused } else { Verdict::Failed }
        }
    };
    let is_last = || delivery_policy(&push.exchange, &push.binding).plan().schedule.delay_after(push.attempt).is_none();
    match verdict {
        // A question that nobody hears is no dead letter.
        Verdict::Refused if letter.is_question => Verdict::Accepted,
        Verdict::Failed if letter.is_question && is_last() => Verdict::Accepted,
        verdict => verdict,
    }
}
