//! Consumers: those who are given messages as they come.

use std::collections::VecDeque;
use std::time::Duration;

use omnibus_engine::consumers::{Access, ConsumerConfig, Settling};
use omnibus_engine::consuming::ConsumeError;
use omnibus_engine::queues::{Deliveries, Delivery};
use omnibus_model::topic::Partition;
use omnibus_record::{AmqpMessage, Message};
use tokio::sync::watch;
use tokio::time::sleep;

use super::counted::{counted, placed};
use super::follow;
use super::queue::readable;
use super::reply;
use super::settle;
use crate::consuming;
use crate::errors::Fault;
use crate::hosts::{Named, plain};
use crate::link::{Asked, Link, Parked, Subscription, Wish};
use crate::meter::{Counted, Present};
use crate::queues::Queue;
use crate::replies::DIRECT_REPLY;
use crate::session::{Channel, ConsumerNumber, Held};
use crate::wire::method::put_content;
use crate::wire::{Method, ShortText, Table};

/// How long what others of its channel were faster than waits for room, before it is given back.
const HELD_BACK: Duration = Duration::from_millis(500);

/// How much waits for a client that has set no limit.
const WINDOW: u32 = 2_000;

pub(crate) fn qos(link: &mut Link, number: u16, (size, count): (u32, u16), global: bool) -> Result<(), Fault> {
    if size != 0 {
        return Err(Fault::NotImplemented(format!("prefetch_size!=0 ({size})")));
    }
    let channel = link.channel(number)?;
    if global {
        channel.prefetch_all = count;
        share(link, number);
        unpark(link, number);
    } else {
        channel.prefetch = count;
    }
    link.tell(number, &Method::BasicQosOk {});
    Ok(())
}

/// Lets those consumers of a channel that have no limit of their own have what all of them may hold together: each what it
/// holds, and what is left. So what none of them can be given stays for others.
fn share(link: &mut Link, number: u16) {
    let Some(channel) = link.channels.get(&number) else { return };
    let (all, room) = (u32::from(channel.prefetch_all), channel.room());
    for begun in channel.consumers.values() {
        let Some(subscription) = link.consumers.get_mut(begun).filter(|each| each.shares_limit) else { continue };
        subscription.is_unlimited = all == 0;
        let credit = match all {
            0 => subscription.held.saturating_add(WINDOW),
            all => all.min(subscription.held.saturating_add(room)),
        };
        subscription.wish.send_if_modified(|wish| std::mem::replace(&mut wish.credit, credit) != credit);
    }
}

/// Does so where there is such a limit.
pub(crate) fn share_room(link: &mut Link, number: u16) {
    if link.channels.get(&number).is_some_and(|channel| channel.prefetch_all > 0) {
        share(link, number);
    }
}

pub(crate) async fn consume(link: &mut Link, number: u16, method: Method) -> Result<(), Fault> {
    let Method::BasicConsume { queue, consumer_tag, no_ack, exclusive, no_wait, arguments, .. } = method else {
        unreachable!("only consumers begin here");
    };
    let tag = tag(link, number, consumer_tag)?;
    if queue.0 == DIRECT_REPLY {
        return reply::consume(link, number, tag, (no_ack, no_wait));
    }
    let queue = readable(link, number, &queue).await?;
    if queue.nature.is_stream() {
        let wanted = follow::Wanted { tag, no_ack, is_exclusive: exclusive, arguments };
        let (begun, subscription) = follow::begin(link, number, &queue, wanted).await?;
        return take_in(link, begun, subscription, no_wait);
    }
    let (prefetch, shares_limit) = match link.channel(number)? {
        // What one may hold at most that shares a limit with others.
        Channel { prefetch: 0, prefetch_all, .. } => (*prefetch_all, !no_ack),
        Channel { prefetch, .. } => (*prefetch, false),
    };
    let mut config = config(prefetch, &queue, (no_ack, exclusive), &arguments)?;
    if shares_limit && prefetch > 0 {
        config.credit = link.channel(number)?.room();
    }
    let consumer = link.door.engine.consume(queue.place, config).await.map_err(|error| match error {
        ConsumeError::Occupied(_) => Fault::InExclusiveUse(queue.name().to_owned()),
        error @ ConsumeError::Submit(_) => error.into(),
    })?;
    link.consumers_begun += 1;
    let begun = link.consumers_begun;
    let first = Wish { credit: config.credit, settled: 0, is_cancelled: false };
    let (wish, wishes) = watch::channel(first);
    let task = tokio::spawn(consuming::run(begun, consumer, (first, wishes), link.events.sender()));
    let subscription = Subscription {
        channel: number,
        tag,
        queue: queue.name().to_owned(),
        is_automatic: no_ack,
        counts_deliveries: queue.nature.counts_deliveries(),
        asked: Asked { place: queue.place.lowest, is_exclusive: exclusive, prefetch, arguments },
        is_unlimited: !no_ack && prefetch == 0,
        shares_limit,
        follows: false,
        held: 0,
        is_cancelled: false,
        counted: Some(Present::consumer(&link.meter)),
        is_silent: false,
        is_over: false,
        wish,
        task,
    };
    take_in(link, begun, subscription, no_wait)
}

/// Takes in a consumer that has begun, and tells its client.
fn take_in(link: &mut Link, begun: ConsumerNumber, subscription: Subscription, no_wait: bool) -> Result<(), Fault> {
    let (number, consumer_tag) = (subscription.channel, subscription.tag.clone());
    link.consumers.insert(begun, Box::new(subscription));
    link.channel(number)?.consumers.insert(consumer_tag.clone(), begun);
    if !no_wait {
        link.tell(number, &Method::BasicConsumeOk { consumer_tag });
    }
    Ok(())
}

/// What a consumer is called: nothing stands for a new name.
fn tag(link: &mut Link, number: u16, wanted: ShortText) -> Result<ShortText, Fault> {
    if wanted.0.is_empty() {
        return Ok(ShortText::from(&*format!("amq.ctag-{:032x}", link.door.engine.random())));
    }
    if link.channel(number)?.consumers.contains_key(&wanted) {
        return Err(Fault::ConsumerTagTaken(wanted.lossy()));
    }
    Ok(wanted)
}

fn config(
    prefetch: u16,
    queue: &Queue,
    (no_ack, exclusive): (bool, bool),
    arguments: &Table,
) -> Result<ConsumerConfig, Fault> {
    let access = match (exclusive, queue.nature.is_single_active()) {
        (true, true) => {
            let text = format!("queue {} has a single active consumer", Named(queue.name()));
            return Err(Fault::Precondition(text));
        }
        (true, false) => Access::Exclusive,
        (false, true) => Access::SingleActive,
        (false, false) => Access::Shared,
    };
    let mut priority = 0;
    for (name, value) in &arguments.0 {
        match &name[..] {
            b"x-priority" => {
                let number = value.integer().and_then(|number| i32::try_from(number).ok());
                priority = number.ok_or_else(|| {
                    Fault::Precondition(format!(
                        "invalid arg 'x-priority': expected integer, got {}",
                        value.type_name()
                    ))
                })?;
            }
            // There are no mirrors to fail over to.
            b"x-cancel-on-ha-failover" => {}
            other if other.starts_with(b"x-") => {
                let name = String::from_utf8_lossy(other);
                return Err(Fault::Precondition(format!("invalid arg '{name}' of a consumer: not_supported")));
            }
            // To RabbitMQ it means nothing, either.
            _ => {}
        }
    }
    let settling = if no_ack { Settling::Automatic } else { Settling::ByReceiver };
    let credit = if no_ack || prefetch == 0 { WINDOW } else { u32::from(prefetch) };
    Ok(ConsumerConfig { credit, settling, access, priority })
}

pub(crate) fn cancel(link: &mut Link, number: u16, consumer_tag: ShortText, no_wait: bool) -> Result<(), Fault> {
    reply::cancel(link, number, &consumer_tag)?;
    let begun = link.channel(number)?.consumers.remove(&consumer_tag);
    match begun.and_then(|begun| link.consumers.get_mut(&begun)) {
        Some(subscription) => {
            // What was on its way comes first; then it is told.
            subscription.is_cancelled = true;
            subscription.counted = None;
            subscription.is_silent = no_wait;
            subscription.wish.send_modify(|wish| wish.is_cancelled = true);
        }
        None if no_wait => {}
        None => link.tell(number, &Method::BasicCancelOk { consumer_tag }),
    }
    Ok(())
}

/// Passes on that nothing more comes, as the client wished.
pub(crate) async fn cancelled(link: &mut Link, consumer: ConsumerNumber) {
    let Some(subscription) = link.consumers.get(&consumer) else { return };
    let (channel, consumer_tag) = (subscription.channel, subscription.tag.clone());
    let (queue, is_silent) = (subscription.queue.clone(), subscription.is_silent);
    let is_automatic = subscription.is_automatic;
    let undelivered = take_parked(link, channel, consumer);
    if is_automatic {
        // It is done, and would be lost.
        undelivered.into_iter().for_each(|parked| write(link, channel, parked));
    } else {
        let held =
            |parked: Parked| Held { queue: parked.queue, key: parked.lease.map(|lease| lease.key), consumer: None };
        settle::begin(link, undelivered.into_iter().map(held), settle::NEVER_HAPPENED).await;
    }
    release_if_done(link, consumer);
    link.lost_consumer(&queue).await;
    if !is_silent {
        link.tell(channel, &Method::BasicCancelOk { consumer_tag });
    }
}

/// Passes on that nothing more comes, which the client did not wish.
pub(crate) fn ended(link: &mut Link, consumer: ConsumerNumber) {
    let Some(subscription) = link.consumers.remove(&consumer) else { return };
    let Subscription { channel, tag, is_cancelled, is_silent, .. } = *subscription;
    if is_cancelled {
        // The client waits for its answer.
        if !is_silent {
            link.tell(channel, &Method::BasicCancelOk { consumer_tag: tag });
        }
        return;
    }
    if let Some(state) = link.channels.get_mut(&channel) {
        state.consumers.remove(&tag);
    }
    if link.hears_cancels {
        link.tell(channel, &Method::BasicCancel { consumer_tag: tag, no_wait: true });
    }
}

/// Writes messages for a consumer, as far as its channel's consumers may hold them.
pub(crate) fn deliver(link: &mut Link, consumer: ConsumerNumber, Deliveries { queue, deliveries }: Deliveries) {
    let parked = |Delivery { lease, message }| Parked { consumer, queue, lease: Some(lease), message };
    arrive(link, consumer, deliveries.into_iter().map(parked));
    let Some(subscription) = link.consumers.get(&consumer).filter(|each| each.shares_limit) else { return };
    let number = subscription.channel;
    if link.parked.contains_key(&number) {
        share_room(link, number);
        link.giving_back.get_or_insert_with(|| Box::pin(sleep(HELD_BACK)));
    }
}

/// Gives back what clients may not hold, as other consumers of their channels were faster: somebody else may have it. By now
/// nothing is on its way that was handed out behind it, so what comes again comes in its order.
pub(crate) async fn give_all_back(link: &mut Link) {
    link.giving_back = None;
    for number in link.parked.keys().copied().collect::<Vec<_>>() {
        give_back(link, number).await;
    }
}

async fn give_back(link: &mut Link, number: u16) {
    let Some(waiting) = link.parked.get_mut(&number) else { return };
    let shares = |parked: &Parked| link.consumers.get(&parked.consumer).is_some_and(|each| each.shares_limit);
    let (back, others): (VecDeque<Parked>, VecDeque<Parked>) = std::mem::take(waiting).into_iter().partition(shares);
    *waiting = others;
    if back.is_empty() {
        return;
    }
    let held = |parked: Parked| Held { queue: parked.queue, key: parked.lease.map(|lease| lease.key), consumer: None };
    settle::begin(link, back.into_iter().map(held), settle::NEVER_HAPPENED).await;
}

/// Does so with what a consumer has read of a stream.
pub(crate) fn read(link: &mut Link, consumer: ConsumerNumber, (queue, messages): (Partition, Vec<Message>)) {
    arrive(link, consumer, messages.into_iter().map(|message| Parked { consumer, queue, lease: None, message }));
}

fn arrive(link: &mut Link, consumer: ConsumerNumber, arriving: impl Iterator<Item = Parked>) {
    // It may have gone meanwhile: who closed it has released what it held.
    let Some(subscription) = link.consumers.get(&consumer) else { return };
    let number = subscription.channel;
    // Also what is done when it is handed out waits while others hold as much as all may.
    link.parked.entry(number).or_default().extend(arriving);
    unpark(link, number);
    if let Some(subscription) = link.consumers.get(&consumer) {
        subscription.widen();
    }
}

/// Writes what has waited, as far as the channel's consumers may hold it.
pub(crate) fn unpark(link: &mut Link, number: u16) {
    while let Some(waiting) = link.parked.get_mut(&number)
        && link.channels.get(&number).is_some_and(|channel| !channel.is_full())
    {
        match waiting.pop_front() {
            Some(parked) => write(link, number, parked),
            None => drop(link.parked.remove(&number)),
        }
    }
}

fn write(link: &mut Link, number: u16, Parked { consumer, queue, lease, message }: Parked) {
    let Some(subscription) = link.consumers.get_mut(&consumer) else { return };
    let Some(channel) = link.channels.get_mut(&number) else { return };
    let held = Held { queue, key: lease.map(|lease| lease.key), consumer: Some(consumer) };
    let deliveries = lease.map_or(1, |lease| lease.delivery_count);
    let delivery_tag = channel.deliver((!subscription.is_automatic).then_some(held));
    subscription.held += u32::from(!subscription.is_automatic);
    let delivered = if subscription.is_automatic { Counted::DeliveredAutomatic } else { Counted::DeliveredManual };
    link.meter.add(delivered, 1);
    link.meter.add(Counted::Redelivered, u64::from(deliveries > 1));
    let AmqpMessage { native, body } = AmqpMessage::of(&message, plain(&subscription.queue));
    let deliver = Method::BasicDeliver {
        consumer_tag: subscription.tag.clone(),
        delivery_tag,
        redelivered: deliveries > 1,
        exchange: ShortText(native.exchange),
        routing_key: ShortText(native.routing_key),
    };
    deliver.put(&mut link.out, number);
    let properties = if subscription.follows {
        placed(native.properties, message.offset)
    } else {
        counted(native.properties, subscription.counts_deliveries, deliveries)
    };
    put_content(&mut link.out, (number, link.frame_max), &properties, &body);
}

/// Takes out what waits for a consumer that wants nothing more.
fn take_parked(link: &mut Link, number: u16, consumer: ConsumerNumber) -> VecDeque<Parked> {
    let Some(waiting) = link.parked.get_mut(&number) else { return VecDeque::new() };
    let (of_it, others): (VecDeque<Parked>, VecDeque<Parked>) =
        std::mem::take(waiting).into_iter().partition(|parked| parked.consumer == consumer);
    *waiting = others;
    of_it
}

impl Subscription {
    /// Lets more come to a client that has set no limit.
    fn widen(&self) {
        let wanted = self.held.saturating_add(WINDOW);
        if self.is_unlimited && wanted > self.wish.borrow().credit.saturating_add(WINDOW / 2) {
            self.wish.send_modify(|wish| wish.credit = wanted);
        }
    }
}

/// Notes that so many deliveries of a consumer are settled.
pub(crate) fn settled(link: &mut Link, consumer: ConsumerNumber, count: u32) {
    if let Some(subscription) = link.consumers.get_mut(&consumer) {
        subscription.held = subscription.held.saturating_sub(count);
        if subscription.follows {
            subscription.wish.send_modify(|wish| wish.settled += u64::from(count));
        }
        let (number, shares_limit) = (subscription.channel, subscription.shares_limit);
        if subscription.is_over {
            release_if_done(link, consumer);
        }
        if shares_limit {
            share_room(link, number);
        }
    }
}

/// Lets a cancelled consumer go when its client holds nothing more of it.
fn release_if_done(link: &mut Link, consumer: ConsumerNumber) {
    if let Some(subscription) = link.consumers.get_mut(&consumer) {
        subscription.is_over = true;
        if subscription.held == 0 {
            link.consumers.remove(&consumer);
        }
    }
}
