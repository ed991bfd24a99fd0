//! Brings a message to all who want it.

use std::collections::BTreeMap;

use omnibus_engine::SubmitError;
use omnibus_engine::fan_out::Target;
use omnibus_model::exchange::BindingId;
use omnibus_model::outcome::Appended;
use omnibus_model::queue::Envelope;
use omnibus_model::topic::{QueuePlace, SharedTopic};
use omnibus_model::{Millis, Offset, Refusal, ShardId, Timestamp};
use omnibus_record::{Message, Native, Signing, SnsForm, SnsNative, SnsTarget, SqsAttribute, SqsValue};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::attributes;
use crate::door::Door;
use crate::errors::ApiError;
use crate::names::QueueName;
use crate::outgoing::{dedup_hash, group_hash};
use crate::protection::{Feeding, may_feed};
use crate::sns::filter::{Attribute, FilterMessage};
use crate::sns::routing::{Protocol, Route, Routes};
use crate::topics::Topic;
use crate::topics::draft::Draft;
use crate::topics::envelope;

/// The most attributes that a queue takes without an envelope around them.
const RAW_ATTRIBUTES_MAX: usize = 10;

/// What a publisher is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    pub(crate) id: Uuid,
    pub(crate) sequence: Option<u64>,
}

/// A queue that a message goes to, and by which route.
struct Addressed {
    topic: SharedTopic,
    place: QueuePlace,
    route: Route,
}

/// A message, and where it was published.
#[derive(Clone, Copy)]
struct Letter<'a> {
    topic: &'a Topic,
    draft: &'a Draft,
    native: &'a SnsNative,
}

/// Which of the written messages a target shares. What one stream gets twice is written twice.
type Share = (ShardId, Protocol, u32);

/// Publishes a message; it is on disk with all who get it when this returns.
pub(crate) async fn publish(
    door: &Door,
    topic: &Topic,
    draft: &Draft,
    trace: Option<SqsAttribute>,
) -> Result<Published, ApiError> {
    let now = door.engine.now();
    let sequence = topic.arn.is_fifo().then(|| door.sequences.next(now));
    let native = SnsNative {
        id: door.uuid().as_u128(),
        published_at: now,
        topic: topic.arn.text().into(),
        subject: draft.subject.clone(),
        group: draft.group.clone(),
        dedup: draft.dedup.clone(),
        sequence,
        signing: signing(topic),
        attributes: draft.attributes.clone(),
        system_attributes: trace.into_iter().collect(),
        targets: Vec::new(),
    };
    let routes = door.routing.of(&topic.exchange);
    let letter = Letter { topic, draft, native: &native };
    let addressed = wanted(&routes, draft).into_iter().filter_map(|route| address(door, letter, route)).collect();
    let refused = send(door, topic, draft, &native, addressed).await?;
    // Queues that went in this moment.
    let dead = refused.into_iter().filter_map(|addressed| dead_letters(door, topic, &addressed.route)).collect();
    for lost in send(door, topic, draft, &native, dead).await? {
        tracing::warn!(topic = %topic.arn.text(), queue = %lost.topic.name, "a dead letter was lost with its queue");
    }
    Ok(Published { id: Uuid::from_u128(native.id), sequence })
}

/// Asks an endpoint that is told by HTTP something that it answers by confirming: a message for none of the
/// topic's subscriptions, in the queue of the binding.
pub(crate) async fn ask(door: &Door, topic: &Topic, (binding, text): (BindingId, String)) -> Result<(), ApiError> {
    let native = SnsNative {
        id: door.uuid().as_u128(),
        published_at: door.engine.now(),
        topic: topic.arn.text().into(),
        signing: signing(topic),
        ..SnsNative::default()
    };
    let queue = door.engine.catalog().topic(binding.push_queue().as_str());
    let queue = queue.and_then(|queue| queue.queue_place());
    // Somebody has unsubscribed meanwhile.
    let Some(queue) = queue else { return Ok(()) };
    let message = Message {
        offset: Offset::ZERO,
        timestamp: native.published_at,
        envelope: Envelope::default(),
        native: Native::Sns(native),
        history: None,
        body: text.into(),
    };
    let shared = message.encode_shared().map_err(|error| ApiError::InternalFailure(error.to_string()))?;
    let asked = door.engine.fan_out(&shared, &[Target { queue, envelope: Envelope::default() }]).await?;
    asked.into_iter().try_for_each(|asked| arrived(asked).map(drop))
}

fn signing(topic: &Topic) -> Signing {
    match topic.signature_version() {
        _ if topic.arn.is_fifo() => Signing::None,
        "2" => Signing::Sha256,
        _ => Signing::Sha1,
    }
}

/// The routes that the message takes; who gets a body of its own is asked about that one.
fn wanted(routes: &Routes, draft: &Draft) -> Vec<Route> {
    let text = |attribute: &SqsAttribute| match &attribute.value {
        SqsValue::Text(text) => text.clone(),
        SqsValue::Binary(_) => "".into(),
    };
    let texts: Vec<_> = draft.attributes.iter().map(text).collect();
    let named = draft.attributes.iter().zip(&texts);
    let attributes: Vec<Attribute<'_>> = named
        .map(|(attribute, value)| Attribute { name: &attribute.name, data_type: &attribute.data_type, value })
        .collect();
    let matching =
        |protocol: Protocol| routes.matching(&FilterMessage { attributes: &attributes, body: draft.body(protocol) });
    if !draft.has_bodies() {
        return matching(Protocol::Sqs).into_iter().cloned().collect();
    }
    let of = |protocol| matching(protocol).into_iter().filter(move |route| route.protocol == protocol).cloned();
    Protocol::ALL.into_iter().flat_map(of).collect()
}

/// Finds the queue of a route, or the one for its dead letters.
fn address(door: &Door, letter: Letter<'_>, route: Route) -> Option<Addressed> {
    let topic = letter.topic;
    if route.protocol != Protocol::Sqs {
        // Its queue is our own.
        let found = door.engine.catalog().topic(route.queue.as_str());
        return found.and_then(|queue| Addressed::of(queue, &route)).or_else(|| dead_letters(door, topic, &route));
    }
    let found = door.engine.catalog().topic(route.queue.as_str());
    let found = found.and_then(|queue| Addressed::of(queue, &route)).filter(|addressed| addressed.takes(letter));
    match found.filter(|addressed| addressed.is_open_to(door, topic)) {
        Some(addressed) => Some(addressed),
        None => dead_letters(door, topic, &route),
    }
}

fn dead_letters(door: &Door, topic: &Topic, route: &Route) -> Option<Addressed> {
    let name = QueueName::of_arn(route.dead_letters_to.as_deref()?)?.topic(&door.settings).ok()?;
    let found = Addressed::of(door.engine.catalog().topic(name.as_str())?, route);
    found.filter(|addressed| addressed.is_open_to(door, topic))
}

impl Addressed {
    fn of(topic: SharedTopic, route: &Route) -> Option<Self> {
        let place = topic.queue_place()?;
        Some(Self { topic, place, route: route.clone() })
    }

    /// Whether the queue takes a message of this size, and with so many attributes.
    fn takes(&self, letter: Letter<'_>) -> bool {
        let Letter { draft, native, .. } = letter;
        let is_too_much = self.route.form == SnsForm::Raw && draft.attributes.len() > RAW_ATTRIBUTES_MAX;
        let config = self.topic.queue.as_deref().map(|queue| &queue.config);
        let bytes_max = config.map_or(0, attributes::bytes_max);
        let body = draft.body(self.route.protocol);
        let fits = match self.route.form {
            SnsForm::Raw => body.len() + draft.attribute_bytes() <= bytes_max,
            SnsForm::Envelope => envelope::fits(native, self.route.binding, body, bytes_max),
        };
        fits && !is_too_much
    }

    /// Whether the topic may send there.
    fn is_open_to(&self, door: &Door, topic: &Topic) -> bool {
        let policy = self.topic.queue.as_deref().and_then(|queue| queue.config.attributes.get(attributes::POLICY));
        let name = QueueName::of_topic(self.topic.name.as_str(), &door.settings);
        name.is_some_and(|queue| {
            let (topic_arn, queue_policy) = (&topic.arn.text(), policy.map(String::as_str));
            may_feed(
                &door.settings,
                Feeding { topic_arn, topic_account: &topic.arn.account, queue: &queue, queue_policy },
            )
        })
    }

    /// What the queue acts on. The ids of a FIFO queue are those of who sends there directly, too.
    fn envelope(&self, topic: &Topic, draft: &Draft, now: Timestamp) -> Envelope {
        let Some(config) = self.topic.queue.as_deref().map(|queue| &queue.config) else { return Envelope::default() };
        let group = draft.group.as_deref();
        if attributes::is_fifo(config) {
            let by_group = attributes::dedups_by_group(config) && (topic.dedups_by_group() || !topic.arn.is_fifo());
            let scope = group.filter(|_| by_group).unwrap_or_default();
            let dedup = draft.dedup.as_deref().map(|id| dedup_hash(scope, id));
            return Envelope { group: group.map(group_hash), dedup, ..Envelope::default() };
        }
        let deliver_at = (config.delay > Millis(0)).then(|| now.plus(config.delay));
        if !topic.arn.is_fifo() {
            return Envelope { deliver_at, group: group.map(group_hash), ..Envelope::default() };
        }
        // Another topic's ids are not this one's, and the queue has none of its own.
        let scope = group.filter(|_| topic.dedups_by_group()).unwrap_or_default();
        let scope = format!("{}\n{scope}", topic.arn.text());
        Envelope { deliver_at, dedup: draft.dedup.as_deref().map(|id| dedup_hash(&scope, id)), ..Envelope::default() }
    }
}

/// Sends to all; returns those whose queues were gone.
async fn send(
    door: &Door,
    topic: &Topic,
    draft: &Draft,
    native: &SnsNative,
    addressed: Vec<Addressed>,
) -> Result<Vec<Addressed>, ApiError> {
    let mut sending = JoinSet::new();
    for ((_, protocol, _), share) in shares(addressed) {
        let targets = share.iter().map(|addressed| SnsTarget {
            stream: addressed.place.lowest.stream,
            binding: addressed.route.binding,
            form: addressed.route.form,
        });
        let message = Message {
            offset: Offset::ZERO,
            timestamp: native.published_at,
            envelope: Envelope::default(),
            native: Native::Sns(SnsNative { targets: targets.collect(), ..native.clone() }),
            history: None,
            body: draft.body(protocol).as_bytes().clone(),
        };
        let shared = message.encode_shared().map_err(|error| ApiError::InternalFailure(error.to_string()))?;
        let target = |addressed: &Addressed| Target {
            queue: addressed.place,
            envelope: addressed.envelope(topic, draft, native.published_at),
        };
        let targets: Vec<Target> = share.iter().map(target).collect();
        let engine = door.engine.clone();
        sending.spawn(async move { (engine.fan_out(&shared, &targets).await, share) });
    }
    let mut gone = Vec::new();
    while let Some(sent) = sending.join_next().await {
        let (results, share) = sent.map_err(|error| ApiError::InternalFailure(error.to_string()))?;
        for (result, addressed) in results?.into_iter().zip(share) {
            if !arrived(result)? {
                gone.push(addressed);
            }
        }
    }
    Ok(gone)
}

/// Puts together what shares one entry of the log, each with its targets in the order of streams.
fn shares(addressed: Vec<Addressed>) -> BTreeMap<Share, Vec<Addressed>> {
    let mut shares: BTreeMap<Share, Vec<Addressed>> = BTreeMap::new();
    let mut sorted = addressed;
    sorted.sort_by_key(|addressed| (addressed.place.lowest.stream, addressed.route.binding));
    let mut before = None;
    let mut again = 0;
    for addressed in sorted {
        let stream = addressed.place.lowest.stream;
        again = if before == Some(stream) { again + 1 } else { 0 };
        before = Some(stream);
        shares.entry((addressed.place.shard(), addressed.route.protocol, again)).or_default().push(addressed);
    }
    shares
}

/// Whether a queue has taken the message; `false` if it is gone.
fn arrived(result: Result<Appended, Refusal>) -> Result<bool, ApiError> {
    match result {
        Ok(_) => Ok(true),
        Err(Refusal::StreamDropped { .. } | Refusal::UnknownQueue { .. } | Refusal::RecordGroupMissing) => Ok(false),
        Err(refusal) => Err(SubmitError::from(refusal).into()),
    }
}
