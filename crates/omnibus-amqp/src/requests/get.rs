//! One message that a client fetches itself.

use std::collections::btree_map::Entry;

use omnibus_engine::Engine;
use omnibus_engine::consumers::{Access, ConsumerConfig, Settling};
use omnibus_engine::queues::{Deliveries, Delivery};
use omnibus_model::{Command, Outcome};
use omnibus_record::AmqpMessage;

use super::counted::counted;
use super::queue::readable;
use crate::errors::Fault;
use crate::hosts::plain;
use crate::link::Link;
use crate::meter::Counted;
use crate::queues::Queue;
use crate::session::Held;
use crate::wire::method::put_content;
use crate::wire::{Method, ShortText};

pub(crate) async fn get(link: &mut Link, number: u16, queue: &ShortText, no_ack: bool) -> Result<(), Fault> {
    let queue = readable(link, number, queue).await?;
    queue.check_leasable("basic.get")?;
    let got = if no_ack { take(&link.door.engine, &queue).await? } else { lease(link, number, &queue).await? };
    let Some((partition, Delivery { lease, message })) = got else {
        link.meter.add(Counted::GetEmpty, 1);
        link.tell(number, &Method::BasicGetEmpty { reserved: ShortText::default() });
        return Ok(());
    };
    let message_count = link.door.ready(&queue).await?;
    let held = Held { queue: partition, key: Some(lease.key), consumer: None };
    let delivery_tag = link.channel(number)?.deliver((!no_ack).then_some(held));
    link.meter.add(if no_ack { Counted::GotAutomatic } else { Counted::GotManual }, 1);
    link.meter.add(Counted::Redelivered, u64::from(lease.delivery_count > 1));
    let AmqpMessage { native, body } = AmqpMessage::of(&message, plain(queue.name()));
    let got = Method::BasicGetOk {
        delivery_tag,
        redelivered: lease.delivery_count > 1,
        exchange: ShortText(native.exchange),
        routing_key: ShortText(native.routing_key),
        message_count,
    };
    link.tell(number, &got);
    let properties = counted(native.properties, queue.nature.counts_deliveries(), lease.delivery_count);
    put_content(&mut link.out, (number, link.frame_max), &properties, &body);
    Ok(())
}

type Got = Option<(omnibus_model::topic::Partition, Delivery)>;

/// Takes the next message as done.
async fn take(engine: &Engine, queue: &Queue) -> Result<Got, Fault> {
    for partition in queue.place.partitions() {
        let command = Command::Take { stream: partition.stream, count_max: 1 };
        let leases = match engine.submit(partition.shard, command).await? {
            Outcome::Acquired(acquired) => acquired.leases,
            other => unreachable!("taking ended in {other:?}"),
        };
        if leases.is_empty() {
            continue;
        }
        let read = engine.deliveries(partition.stream, &leases).await?;
        return Ok(read.into_iter().next().map(|delivery| (partition, delivery)));
    }
    Ok(None)
}

/// Takes the next message on lease, for as long as the channel is open.
async fn lease(link: &mut Link, number: u16, queue: &Queue) -> Result<Got, Fault> {
    let key = (number, queue.place.lowest.stream);
    let consumer = match link.pulls.entry(key) {
        Entry::Occupied(present) => present.into_mut(),
        Entry::Vacant(place) => {
            let config =
                ConsumerConfig { credit: 0, settling: Settling::ByReceiver, access: Access::Pulls, priority: 0 };
            place.insert(link.door.engine.consume(queue.place, config).await?)
        }
    };
    let first = |Deliveries { queue, deliveries }| Some((queue, deliveries.into_iter().next()?));
    match consumer.pull(1).await {
        Ok(read) => Ok(read.into_iter().find_map(first)),
        Err(error) => {
            // The next get begins anew.
            link.pulls.remove(&key);
            Err(error.into())
        }
    }
}
