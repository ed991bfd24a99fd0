//! Messages on their way in: checked, routed, and handed to the engine in the order in which they came.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use omnibus_engine::SubmitError;
use omnibus_engine::fan_out::{Letter as Addressed, Target};
use omnibus_engine::line::Line;
use omnibus_model::outcome::Appended;
use omnibus_model::queue::Envelope;
use omnibus_model::{ExchangeName, Millis, Offset, Refusal, Timestamp};
use omnibus_record::{AmqpNative, Message, Native};

use crate::access::Access;
use crate::budget::Share;
use crate::door::Door;
use crate::errors::{Fault, NO_ROUTE};
use crate::exchanges::Way;
use crate::hosts::{Host, Named};
use crate::later::{Later, begun};
use crate::link::Link;
use crate::meter::Counted;
use crate::nature::more_keys;
use crate::publishes::{Mark, Mortal, Published, Sealed};
use crate::queues::Queue;
use crate::replies::{Address, DIRECT_REPLY};
use crate::rights::Right;
use crate::session::{Content, Mode, Publish};
use crate::wire::method::put_content;
use crate::wire::{Method, Properties, Value};

/// How long a message is held back, in milliseconds.
const DELAY: &str = "x-delay";

/// The delivery mode of what shall survive the broker.
const PERSISTENT: u8 = 2;

/// More routing keys, which receivers do not see.
const BLIND_COPIES: &str = "BCC";

/// Takes a message that has arrived.
pub(crate) async fn publish(link: &mut Link, channel: u16, content: Content) -> Result<(), Fault> {
    let share = link.arriving.remove(&channel).unwrap_or_default();
    link.access.publish(&content.publish.exchange.0)?;
    if link.access.looks_at_keys() {
        let letter = Letter::read(&content, sender(link, channel)?)?;
        check_keys((&link.door, &link.access), &letter, (&content.publish, &link.host))?;
    }
    let mode = &link.channel(channel)?.mode;
    let (is_held_back, is_answered) = (matches!(mode, Mode::Tx(_)), !matches!(mode, Mode::Plain));
    link.meter.receive(content.body.len());
    link.meter.add(Counted::ReceivedConfirm, u64::from(is_answered));
    if !is_held_back {
        return send(link, channel, content, share).await;
    }
    let letter = Letter::read(&content, sender(link, channel)?)?;
    letter.way(&link.door, (&content.publish, &link.host))?;
    match &mut link.channel(channel)?.mode {
        Mode::Tx(transaction) => transaction.publish(content, share),
        Mode::Plain | Mode::Confirm { .. } => unreachable!("it was looked at above"),
    }
}

/// Makes sure that a message may be published by all of its keys.
fn check_keys(
    (door, access): (&Door, &Access),
    letter: &Letter,
    (publish, host): (&Publish, &Host),
) -> Result<(), Fault> {
    let exchange = exchange(publish, host)?;
    letter.keys(publish).iter().try_for_each(|key| access.key(door, (Right::Write, &exchange), key))
}

/// Writes a message to all queues that its exchange and keys lead to, with those that come right behind it. A confirm
/// follows when it is committed.
pub(crate) async fn send(link: &mut Link, channel: u16, content: Content, share: Share) -> Result<(), Fault> {
    let letter = Letter::read(&content, sender(link, channel)?)?;
    let way = way(link, &content.publish, &letter)?;
    let state = link.channel(channel)?;
    let (number, opening) = (state.number_publish(), state.opening);
    let is_taken = match address(&content.publish) {
        Some(to) => Box::pin(link.door.reply(to, content.clone())).await,
        None => false,
    };
    match way.queues.len() as u64 + u64::from(is_taken) {
        0 if content.publish.is_mandatory => give_back(link, channel, &content),
        0 => link.meter.add(Counted::Dropped, 1),
        routed => link.meter.add(Counted::Routed, routed),
    }
    let sealed = letter.sealed(content, &way, link.door.engine.now())?;
    let bytes = sealed.bytes;
    let mark = Mark { channel, opening, number, bytes };
    if link.publishing.push((mark, sealed, share)) {
        hand_over(link).await;
    }
    Ok(())
}

/// Who waits for a message as for a direct reply.
fn address(publish: &Publish) -> Option<Address> {
    Address::of(&publish.routing_key.0).filter(|_| publish.exchange.0.is_empty())
}

/// Where a message goes: as the last one of the same exchange and key, unless it says more, or something has changed since.
fn way(link: &mut Link, publish: &Publish, letter: &Letter) -> Result<Arc<Way>, Fault> {
    // Asked first: if something changes meanwhile, the next message is looked at anew.
    let version = link.door.engine.catalog().version();
    if letter.more_keys.is_empty()
        && let Some(way) = link.ways.of(publish, version)
    {
        return Ok(way);
    }
    let way = Arc::new(letter.way(&link.door, (publish, &link.host))?);
    // Each answer has another address.
    if letter.more_keys.is_empty() && address(publish).is_none() {
        link.ways.learn(publish, &way);
    }
    Ok(way)
}

/// Hands what has come so far to the engine: it is in its place when this returns, before whatever the client asks next.
pub(crate) async fn hand_over(link: &mut Link) {
    let batch = link.publishing.take_batch();
    if batch.is_empty() {
        return;
    }
    let (door, line) = (Arc::clone(&link.door), link.line.clone());
    let later: Later<Vec<Published>> = Box::pin(async move {
        let (mut marks, mut messages, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for (mark, sealed, share) in batch {
            marks.push(mark);
            messages.push(sealed);
            shares.push(share);
        }
        let results = write(&door, &line, messages).await;
        // The messages are on disk, or never will be.
        drop(shares);
        marks.into_iter().zip(results).map(|(mark, result)| Published { mark, result }).collect()
    });
    match begun(later).await {
        Ok(published) => link.publishing.under_way.push_back(Box::pin(std::future::ready(published))),
        Err(later) => link.publishing.under_way.push_back(later),
    }
}

/// Writes a message for a user who has no channel, and waits until it is on disk; returns whether anybody gets it.
pub(crate) async fn post(door: &Door, content: Content, (user, host): (&str, &Host)) -> Result<bool, Fault> {
    let mut access = Access::of(door, user, host);
    access.publish(&content.publish.exchange.0)?;
    let sender = Sender { user, is_impersonator: access.is_impersonator, replying: None };
    let letter = Letter::read(&content, sender)?;
    check_keys((door, &access), &letter, (&content.publish, host))?;
    let way = letter.way(door, (&content.publish, host))?;
    let sealed = letter.sealed(content, &way, door.engine.now())?;
    let is_wanted = !sealed.letter.targets.is_empty();
    for result in write(door, &Line::default(), vec![sealed]).await {
        result?;
    }
    Ok(is_wanted)
}

/// Who publishes by a channel.
fn sender(link: &Link, channel: u16) -> Result<Sender<'_>, Fault> {
    let channel = link.channels.get(&channel).ok_or(Fault::ChannelState("expected 'channel.open'"))?;
    let node = link.door.engine.node();
    let replying = channel.replying.as_ref().map(|(token, _)| Address { node, token: *token });
    let is_impersonator = link.access.is_impersonator;
    Ok(Sender { user: &link.user, is_impersonator, replying })
}

/// Writes messages in their order; returns what has become of each.
async fn write(door: &Door, line: &Line, messages: Vec<Sealed>) -> Vec<Result<(), SubmitError>> {
    let (letters, mortals): (Vec<Addressed>, Vec<Option<Mortal>>) =
        messages.into_iter().map(|Sealed { letter, mortal, .. }| (letter, mortal)).unzip();
    let answers = door.engine.fan_out_in_line(line, &letters).await;
    let mut results = Vec::with_capacity(answers.len());
    for ((letter, mortal), answers) in letters.iter().zip(mortals).zip(answers) {
        results.push(match answers {
            Ok(answers) => answered(door, letter, (mortal, answers)).await,
            Err(error) => Err(error),
        });
    }
    results
}

/// Takes what the queues of a message say; it is refused if one of them refuses it.
async fn answered(
    door: &Door,
    letter: &Addressed,
    (mortal, answers): (Option<Mortal>, Vec<Result<Appended, Refusal>>),
) -> Result<(), SubmitError> {
    let mut refused = None;
    for (target, result) in letter.targets.iter().zip(answers) {
        match result {
            // A queue that went meanwhile has taken it with it.
            Ok(_) | Err(Refusal::StreamDropped { .. } | Refusal::UnknownQueue { .. }) => {}
            Err(refusal) => {
                if let (Refusal::QueueFull { .. }, Some(mortal)) = (&refusal, &mortal) {
                    mortal.die(door, target).await;
                }
                refused = refused.or(Some(refusal));
            }
        }
    }
    refused.map_or(Ok(()), |refusal| Err(refusal.into()))
}

impl Mortal {
    /// Sends a message on that a full queue has refused, if that is one of those.
    async fn die(&self, door: &Door, refused_by: &Target) {
        let Some(queue) = self.queues.iter().find(|queue| queue.place == refused_by.queue) else { return };
        let Some((letter, queues)) = door.refused_letter(queue, &self.message) else { return };
        let target = |queue: &Queue| Target { queue: queue.place, envelope: letter.envelope };
        let targets: Vec<Target> = queues.iter().map(target).collect();
        let Ok(shared) = letter.encode_shared() else { return };
        if !targets.is_empty()
            && let Err(error) = door.engine.fan_out(&shared, &targets).await
        {
            tracing::warn!(queue = queue.name(), %error, "a message that a full queue refused was not sent on");
        }
    }
}

/// Tells publishers what has become of their messages: confirms, in order, with as few words as possible.
pub(crate) fn confirm(link: &mut Link, first: Vec<Published>) {
    let mut next = Some(first);
    let mut acked: Option<(u16, u64, bool)> = None;
    while let Some(batch) = next.take() {
        for published in batch {
            tell(link, published, &mut acked);
        }
        next = futures_util::FutureExt::now_or_never(link.publishing.under_way.next()).flatten();
    }
    tell_acked(link, acked);
}

/// Tells of one message, unless one that comes behind it may speak for it, too.
fn tell(link: &mut Link, Published { mark, result }: Published, acked: &mut Option<(u16, u64, bool)>) {
    link.publishing.done(mark);
    let Mark { channel, opening, number, .. } = mark;
    let open = link.channels.get_mut(&channel).filter(|channel| channel.opening == opening);
    let number = open.zip(number).map(|(channel, number)| channel.note_answer(number));
    match (number, result) {
        (Some(number), Ok(())) => {
            link.meter.add(Counted::Confirmed, 1);
            *acked = match acked.take() {
                Some((same, _, _)) if same == channel => Some((channel, number, true)),
                other => {
                    tell_acked(link, other);
                    Some((channel, number, false))
                }
            };
        }
        (Some(number), Err(error)) => {
            // A queue that is full says so to every publisher.
            if !matches!(error, SubmitError::Refused(Refusal::QueueFull { .. })) {
                tracing::warn!(%error, "a message was refused");
            }
            tell_acked(link, acked.take());
            link.tell(channel, &Method::BasicNack { delivery_tag: number, multiple: false, requeue: false });
        }
        (None, Ok(())) => {}
        (None, Err(SubmitError::Refused(Refusal::QueueFull { .. }))) => {}
        (None, Err(error)) => tracing::warn!(%error, "a message was lost for which no confirm was asked"),
    }
}

fn tell_acked(link: &mut Link, acked: Option<(u16, u64, bool)>) {
    if let Some((channel, delivery_tag, multiple)) = acked {
        link.tell(channel, &Method::BasicAck { delivery_tag, multiple });
    }
}

/// What a message says beside its body, checked.
struct Letter {
    /// Those of its headers.
    more_keys: Vec<Bytes>,
    properties: Properties,
    expiration: Option<Millis>,
    is_changed: bool,
}

/// Who publishes.
struct Sender<'a> {
    user: &'a str,
    /// He may say that somebody else does.
    is_impersonator: bool,
    /// Where direct replies reach it.
    replying: Option<Address>,
}

impl Letter {
    fn read(content: &Content, sender: Sender<'_>) -> Result<Self, Fault> {
        let mut properties = Properties::read(&content.properties).map_err(|_| Fault::Properties)?;
        if !sender.is_impersonator {
            check(sender.user, &properties)?;
        }
        let asks = properties.reply_to.as_deref() == Some(DIRECT_REPLY.as_bytes());
        if asks {
            let address = sender.replying.ok_or(Fault::NoReplyConsumer)?;
            properties.reply_to = Some(address.name().into());
        }
        let expiration = expiration(&properties)?;
        let more_keys = properties.headers.as_ref().map(more_keys).transpose()?.unwrap_or_default();
        Ok(Self { more_keys, properties, expiration, is_changed: asks })
    }

    /// By which keys it is published: its own and those of its headers.
    fn keys(&self, publish: &Publish) -> Vec<Bytes> {
        std::iter::once(&publish.routing_key.0).chain(&self.more_keys).cloned().collect()
    }

    /// Looks up where it goes.
    fn way(&self, door: &Door, (publish, host): (&Publish, &Host)) -> Result<Way, Fault> {
        door.route(&exchange(publish, host)?, &self.keys(publish), &self.properties)
    }

    /// The message as it is written, for whom, and how many bytes it has.
    fn sealed(mut self, mut content: Content, way: &Way, now: Timestamp) -> Result<Sealed, Fault> {
        let delay = if way.is_delayed { self.take_delay() } else { None };
        if let Some(properties) = self.rewritten() {
            content.properties = properties;
        }
        // What is persistent counts only in a queue that is.
        let is_transient = self.properties.delivery_mode != Some(PERSISTENT)
            || way.queues.iter().all(|queue| !queue.nature.is_durable);
        let targets = way.queues.iter().map(|queue| self.target(queue, (now, delay))).collect::<Result<_, _>>()?;
        let bytes = content.body.len().saturating_add(content.properties.len());
        let message = message(content, now);
        let shared = message.encode_shared().map_err(|error| Fault::Internal(error.to_string()))?;
        let queues: Vec<Queue> = way.queues.iter().filter(|queue| queue.nature.refused_die()).cloned().collect();
        let mortal = (!queues.is_empty()).then_some(Mortal { queues, message });
        Ok(Sealed { letter: Addressed { message: shared, targets, is_transient }, bytes, mortal })
    }

    /// How long the message is held back; its receivers see that it was.
    fn take_delay(&mut self) -> Option<Millis> {
        let headers = self.properties.headers.as_mut()?;
        let delay = headers.get(DELAY)?.integer().filter(|delay| *delay > 0)?;
        headers.set(DELAY, Value::I64(-delay));
        self.is_changed = true;
        u64::try_from(delay).ok().map(Millis)
    }

    /// The properties as receivers see them, if they see others than the publisher has sent.
    fn rewritten(&mut self) -> Option<Bytes> {
        if let Some(headers) = &mut self.properties.headers
            && headers.get(BLIND_COPIES).is_some()
        {
            headers.remove(BLIND_COPIES);
            self.is_changed = true;
        }
        self.is_changed.then(|| self.properties.write())
    }

    fn target(&self, queue: &Queue, (now, delay): (Timestamp, Option<Millis>)) -> Result<Target, Fault> {
        if queue.nature.is_stream() {
            // What is in it is there for everybody, at once and until it is too old.
            let target = Target { queue: queue.place, envelope: Envelope::default() };
            let held_back = || format!("queue {} is a stream, which holds nothing back", Named(queue.name()));
            return if delay.is_some() { Err(Fault::Precondition(held_back())) } else { Ok(target) };
        }
        let deliver_at = delay.map(|delay| now.plus(delay));
        let envelope = Envelope {
            deliver_at,
            // Who is held back begins to live later.
            expires_at: self.expiration.map(|lives| deliver_at.unwrap_or(now).plus(lives)),
            priority: self.properties.priority.unwrap_or(0),
            ..Envelope::default()
        };
        Ok(Target { queue: queue.place, envelope })
    }
}

/// The whole name of the exchange that a message is published to.
fn exchange(publish: &Publish, host: &Host) -> Result<ExchangeName, Fault> {
    let missing = || Fault::NoExchange(host.full(&publish.exchange.lossy()));
    let plain = std::str::from_utf8(&publish.exchange.0).map_err(|_| missing())?;
    ExchangeName::new(&host.full(plain)).map_err(|_| missing())
}

/// What a publisher may not say.
fn check(user: &str, properties: &Properties) -> Result<(), Fault> {
    match &properties.user_id {
        Some(claimed) if claimed != user.as_bytes() => {
            Err(Fault::WrongUser { claimed: String::from_utf8_lossy(claimed).into_owned(), user: user.to_owned() })
        }
        _ => Ok(()),
    }
}

/// How long a message lives, if its publisher says so.
fn expiration(properties: &Properties) -> Result<Option<Millis>, Fault> {
    let Some(text) = &properties.expiration else { return Ok(None) };
    let value = String::from_utf8_lossy(text).into_owned();
    match value.parse::<i64>() {
        Ok(millis) => match u64::try_from(millis) {
            Ok(millis) => Ok(Some(Millis(millis))),
            Err(_) => Err(Fault::InvalidExpiration { reason: format!("{{value_negative,{millis}}}"), value }),
        },
        Err(_) => Err(Fault::InvalidExpiration { value, reason: "no_integer".to_owned() }),
    }
}

fn message(content: Content, now: Timestamp) -> Message {
    let Content { publish: Publish { exchange, routing_key, .. }, properties, body } = content;
    Message {
        offset: Offset::ZERO,
        timestamp: now,
        envelope: Envelope::default(),
        native: Native::Amqp(AmqpNative { exchange: exchange.0, routing_key: routing_key.0, properties }),
        history: None,
        body,
    }
}

/// Returns a message that no queue gets to its publisher.
fn give_back(link: &mut Link, channel: u16, content: &Content) {
    link.meter.add(Counted::Returned, 1);
    let (code, text) = NO_ROUTE;
    let Publish { exchange, routing_key, .. } = content.publish.clone();
    link.tell(channel, &Method::BasicReturn { code, text: text.into(), exchange, routing_key });
    let body: &Bytes = &content.body;
    put_content(&mut link.out, (channel, link.frame_max), &content.properties, body);
}
