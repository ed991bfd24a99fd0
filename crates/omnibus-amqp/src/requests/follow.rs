//! Consumers of streams: each reads all of it by itself, from where it wants to.

use omnibus_engine::consumers::{Access, ConsumerConfig, Settling};
use omnibus_engine::consuming::ConsumeError;
use tokio::sync::watch;

use crate::arguments::of_other_kinds;
use crate::errors::Fault;
use crate::following;
use crate::hosts::Named;
use crate::link::{Asked, Link, Subscription, Wish};
use crate::meter::Present;
use crate::queues::Queue;
use crate::session::{Channel, ConsumerNumber};
use crate::stream_arguments::{START, Start};
use crate::stream_filter::{self, Filter};
use crate::tail::Tail;
use crate::wire::{ShortText, Table};

/// What a client asks of a consumer.
pub(super) struct Wanted {
    pub(super) tag: ShortText,
    pub(super) no_ack: bool,
    pub(super) is_exclusive: bool,
    pub(super) arguments: Table,
}

/// Begins to read for a consumer.
pub(super) async fn begin(
    link: &mut Link,
    number: u16,
    queue: &Queue,
    wanted: Wanted,
) -> Result<(ConsumerNumber, Subscription), Fault> {
    // In RabbitMQ's order.
    check(&wanted.arguments, queue)?;
    let prefetch = prefetch(link.channel(number)?, queue, wanted.no_ack)?;
    let place = (start(&wanted.arguments, queue)?, filter(&wanted.arguments, queue)?);
    let Wanted { tag, is_exclusive, arguments, .. } = wanted;
    // The leader knows of it, and gives it nothing.
    let access = if is_exclusive { Access::Exclusive } else { Access::Shared };
    let config = ConsumerConfig { credit: 0, settling: Settling::ByReceiver, access, priority: 0 };
    let presence = link.door.engine.consume(queue.place, config).await.map_err(|error| match error {
        ConsumeError::Occupied(_) => Fault::InExclusiveUse(queue.name().to_owned()),
        error @ ConsumeError::Submit(_) => error.into(),
    })?;
    let tail = Tail::begin(&link.door.engine, queue.place.lowest, place).await?;
    link.consumers_begun += 1;
    let begun = link.consumers_begun;
    let first = Wish { credit: u32::from(prefetch), settled: 0, is_cancelled: false };
    let (wish, wishes) = watch::channel(first);
    let reader = following::Reader { number: begun, presence, tail };
    let task = tokio::spawn(reader.run((first, wishes), link.events.sender()));
    let subscription = Subscription {
        channel: number,
        tag,
        queue: queue.name().to_owned(),
        is_automatic: false,
        counts_deliveries: false,
        asked: Asked { place: queue.place.lowest, is_exclusive, prefetch, arguments },
        is_unlimited: false,
        shares_limit: false,
        follows: true,
        held: 0,
        is_cancelled: false,
        counted: Some(Present::consumer(&link.meter)),
        is_silent: false,
        is_over: false,
        wish,
        task,
    };
    Ok((begun, subscription))
}

/// Whether it says nothing that a stream's consumer cannot.
fn check(arguments: &Table, queue: &Queue) -> Result<(), Fault> {
    const KNOWN: [&str; 3] = [START, stream_filter::WANTED, stream_filter::UNFILTERED];
    for (name, _) in &arguments.0 {
        match &name[..] {
            known if KNOWN.iter().any(|name| name.as_bytes() == known) => {}
            b"x-priority" | b"x-cancel-on-ha-failover" => {
                return Err(of_other_kinds(&String::from_utf8_lossy(name), queue.name()));
            }
            other if other.starts_with(b"x-") => {
                let name = String::from_utf8_lossy(other);
                return Err(Fault::Precondition(format!("invalid arg '{name}' of a consumer: not_supported")));
            }
            // To RabbitMQ it means nothing, either.
            _ => {}
        }
    }
    Ok(())
}

/// From where it reads.
fn start(arguments: &Table, queue: &Queue) -> Result<Start, Fault> {
    Start::read(arguments.get(START)).map_err(|reason| Fault::InvalidArgument {
        arg: START.to_owned(),
        queue: queue.name().to_owned(),
        reason,
    })
}

/// Which records it wants.
fn filter(arguments: &Table, queue: &Queue) -> Result<Option<Filter>, Fault> {
    Filter::read(arguments).map_err(|(arg, given)| Fault::InvalidArgument {
        arg: arg.to_owned(),
        queue: queue.name().to_owned(),
        reason: format!("{{unacceptable_type,{given}}}"),
    })
}

/// How much it may hold.
fn prefetch(channel: &Channel, queue: &Queue, no_ack: bool) -> Result<u16, Fault> {
    let named = Named(queue.name());
    match (channel.prefetch, channel.prefetch_all) {
        (0, _) => Err(Fault::Precondition(format!("consumer prefetch count is not set for stream queue {named}"))),
        _ if no_ack => {
            Err(Fault::NotImplemented(format!("automatic acknowledgement not supported by stream queue {named}")))
        }
        (prefetch, 0) => Ok(prefetch),
        _ => Err(Fault::NotImplemented(format!("queue {named} does not support global qos"))),
    }
}
