//! What clients say of what was delivered.

use std::collections::BTreeMap;

use omnibus_engine::SubmitError;
use omnibus_model::queue::{Delivery, LeaseKey, LeaseRefusal, Settlement};
use omnibus_model::topic::Partition;
use omnibus_model::{Millis, ShardId, StreamId};

use super::consume;
use crate::errors::Fault;
use crate::later::{Later, begun};
use crate::link::{Link, Settled};
use crate::meter::Counted;
use crate::session::{ConsumerNumber, Held, Mode};
use crate::wire::Method;

pub(crate) async fn carry_out(link: &mut Link, number: u16, method: &Method) -> Result<(), Fault> {
    match *method {
        Method::BasicAck { delivery_tag, multiple } => settle(link, number, (delivery_tag, multiple), accept()).await,
        Method::BasicNack { delivery_tag, multiple, requeue } => {
            settle(link, number, (delivery_tag, multiple), refuse(requeue)).await
        }
        Method::BasicReject { delivery_tag, requeue } => {
            settle(link, number, (delivery_tag, false), refuse(requeue)).await
        }
        Method::BasicRecover { requeue: false } | Method::BasicRecoverAsync { requeue: false } => {
            Err(Fault::NotImplemented("requeue=false".to_owned()))
        }
        Method::BasicRecover { requeue: true } => {
            recover(link, number).await?;
            link.tell(number, &Method::BasicRecoverOk {});
            Ok(())
        }
        Method::BasicRecoverAsync { requeue: true } => recover(link, number).await,
        ref other => unreachable!("{other:?} does not settle"),
    }
}

/// What was handed out and never reached its client.
pub(crate) const NEVER_HAPPENED: Settlement =
    Settlement::Release { delay: Millis(0), delivery: Delivery::DidNotHappen };

const fn accept() -> Settlement {
    Settlement::Accept
}

const fn refuse(requeue: bool) -> Settlement {
    if requeue { Settlement::Release { delay: Millis(0), delivery: Delivery::Counts } } else { Settlement::Reject }
}

/// Settles deliveries. It is in its place when this returns, before whatever the client asks next.
async fn settle(
    link: &mut Link,
    number: u16,
    (tag, is_multiple): (u64, bool),
    settlement: Settlement,
) -> Result<(), Fault> {
    let channel = link.channel(number)?;
    let taken = channel.take_held(tag, is_multiple)?;
    if let Mode::Tx(transaction) = &mut channel.mode {
        transaction.settlements.push((taken, settlement));
        return Ok(());
    }
    settle_now(link, number, taken, settlement).await;
    Ok(())
}

/// Gives back all that the client was given by a channel, also in the midst of a transaction: that is about what the client says of
/// single messages.
async fn recover(link: &mut Link, number: u16) -> Result<(), Fault> {
    let taken = link.channel(number)?.take_held(0, true)?;
    settle_now(link, number, taken, refuse(true)).await;
    Ok(())
}

async fn settle_now(link: &mut Link, number: u16, taken: Vec<(u64, Held)>, settlement: Settlement) {
    begin(link, taken.into_iter().map(|(_, held)| held), settlement).await;
    consume::unpark(link, number);
    consume::share_room(link, number);
}

/// Settles what was taken out of a channel.
pub(crate) async fn begin(link: &mut Link, taken: impl Iterator<Item = Held>, settlement: Settlement) {
    for later in by_queue(link, taken, settlement) {
        match begun(later).await {
            Ok(done) => settled(link, done),
            Err(later) => link.settling.push(later),
        }
    }
}

/// The settlements of what was taken out of a channel, by partition. None has begun.
pub(crate) fn by_queue(link: &Link, taken: impl Iterator<Item = Held>, settlement: Settlement) -> Vec<Later<Settled>> {
    let mut by_queue: BTreeMap<(ShardId, StreamId), Part> = BTreeMap::new();
    let mut count = 0;
    // What was read of streams has readers that may go on, whatever is said of it.
    let mut read = BTreeMap::new();
    for Held { queue, key, consumer } in taken {
        count += 1;
        let consumers = match key {
            Some(key) => {
                let part = by_queue.entry((queue.shard, queue.stream)).or_default();
                part.settlements.push((key, settlement));
                &mut part.consumers
            }
            None => &mut read,
        };
        consumer.into_iter().for_each(|consumer| *consumers.entry(consumer).or_default() += 1);
    }
    if settlement == Settlement::Accept {
        link.meter.add(Counted::Acknowledged, count);
    }
    // What the client has published before is in its place before what it settles now.
    let is_in_turn = link.publishing.count > 0;
    let later = |((shard, stream), Part { settlements, consumers })| {
        let engine = link.door.engine.clone();
        let later: Later<Settled> = Box::pin(async move {
            let queue = Partition { stream, shard };
            let result = match is_in_turn {
                true => engine.settle_in_turn(queue, settlements).await,
                false => engine.settle(queue, settlements).await,
            };
            Settled {
                consumers,
                result: result.map(|results| results.iter().filter(|result| was_lost(result)).count()),
            }
        });
        later
    };
    let read = (!read.is_empty()).then(|| {
        let done: Later<Settled> = Box::pin(std::future::ready(Settled { consumers: read, result: Ok(0) }));
        done
    });
    by_queue.into_iter().map(later).chain(read).collect()
}

/// Whether a delivery was not its holder's any more, and comes again. What is gone was purged: nobody needs to hear of it.
const fn was_lost(result: &Result<(), LeaseRefusal>) -> bool {
    matches!(result, Err(LeaseRefusal::Lost { .. } | LeaseRefusal::Unknown))
}

/// What is settled of one partition of a queue, and whose it was.
#[derive(Default)]
struct Part {
    settlements: Vec<(LeaseKey, Settlement)>,
    consumers: BTreeMap<ConsumerNumber, u32>,
}

/// Notes what became of settlements.
pub(crate) fn settled(link: &mut Link, Settled { consumers, result }: Settled) {
    match result {
        // Who only settles is not answered: what was lost meanwhile comes again, and says so.
        Ok(_) | Err(SubmitError::Refused(_)) => {}
        Err(error) => tracing::warn!(%error, "deliveries were not settled, and come again"),
    }
    for (consumer, count) in consumers {
        consume::settled(link, consumer, count);
    }
}
