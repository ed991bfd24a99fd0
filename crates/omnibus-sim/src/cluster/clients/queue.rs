//! Sends messages to a queue by any node, and takes and settles them by any other.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use omnibus_engine::queues::Deliveries;
use omnibus_model::command::Acquire;
use omnibus_model::queue::{Envelope, LeaseKey, Origin, QueueCounts, Settlement};
use omnibus_model::topic::QueuePlace;
use omnibus_model::{Millis, Offset};
use omnibus_record::{Encoded, Message, Native, SqsNative};
use tokio::time::sleep;

use super::{Client, PAUSE, QUEUE, Told};
use crate::cluster::site::Access;

const RULE: &str = "what a queue takes it gives out until it is settled";

/// How long a lease lasts, and a receive waits.
const LEASE: Millis = Millis(2_000);
const WAIT: Duration = Duration::from_millis(300);

/// Looks until the queue must be empty.
const DRAINING_MAX: u32 = 400;

impl Client {
    fn queue(&mut self) -> Option<QueuePlace> {
        self.topic(QUEUE)?.queue_place()
    }
}

/// Sends until it is told to stop; nothing twice.
pub(super) async fn send(mut client: Client) {
    while !client.is_over() {
        client.pause().await;
        let Some(queue) = client.queue() else { continue };
        let Some(access) = client.any() else { continue };
        let count = client.chance.within(1..=3);
        let (numbers, messages): (Vec<u64>, Vec<_>) = (0..count).map(|_| message(&mut client, &access)).unzip();
        let told = access.ask(access.engine.enqueue(queue, messages)).await;
        match client.told(told) {
            Told::Yes(each) => {
                for (number, appended) in numbers.iter().zip(each) {
                    match appended {
                        Ok(appended) => {
                            client.site.world.note("queued", &[*number, appended.base.0]);
                            let place = (queue.lowest.stream, appended.base);
                            client.site.world.check(RULE, |ledger| ledger.queues.acknowledged(*number, place));
                        }
                        // Its creation may be under way.
                        Err(_) => client.site.world.with(|state| state.ledger.queues.refused(*number)),
                    }
                }
            }
            Told::No(_) => client.site.world.with(|state| {
                numbers.iter().for_each(|number| state.ledger.queues.refused(*number));
            }),
            Told::Unknown => {}
        }
    }
}

/// A new message and its number, which its body begins with.
fn message(client: &mut Client, access: &Access) -> (u64, (Encoded, Option<Origin>)) {
    let length = usize::try_from(client.chance.below(600)).expect("a few hundred");
    let rest = client.chance.bytes(length);
    let number = client.site.world.with(|state| state.ledger.queues.send(&rest));
    let body = [&number.to_le_bytes()[..], &rest].concat();
    let message = Message {
        offset: Offset::ZERO,
        timestamp: access.engine.now(),
        envelope: Envelope::default(),
        native: Native::Sqs(SqsNative::default()),
        history: None,
        body: Bytes::from(body),
    };
    (number, (message.encode().expect("a short message"), None))
}

/// Takes and settles until it is told to stop.
pub(super) async fn receive(mut client: Client) {
    while !client.is_over() {
        client.pause().await;
        let Some(queue) = client.queue() else { continue };
        take_some(&mut client, queue, Held::Sometimes).await;
    }
}

/// Whether a lease runs out now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Never,
    Sometimes,
}

async fn take_some(client: &mut Client, queue: QueuePlace, held: Held) {
    let Some(access) = client.any() else { return };
    let mut settled_before = BTreeSet::new();
    client.site.world.with(|state| settled_before = state.ledger.queues.settled_by_now());
    let count_max = u32::try_from(client.chance.within(1..=6)).expect("a few");
    let stream = queue.lowest.stream;
    let acquire = Acquire { stream, count_max, lease: LEASE, holder: None, attempt: None };
    let engine = access.engine.clone();
    let taken = access.ask(async move {
        let received = engine.receive(queue, acquire, WAIT).await.ok()?;
        engine.received(&received).await.ok()
    });
    let Some(Some(taken)) = taken.await else { return };
    for Deliveries { queue: partition, deliveries } in taken {
        let mut keys = Vec::new();
        for delivery in &deliveries {
            let (start, rest) = delivery.message.body.split_at_checked(8).unwrap_or_default();
            let number = start.try_into().map_or(0, u64::from_le_bytes);
            let LeaseKey { offset, epoch } = delivery.lease.key;
            client.site.world.note("delivered", &[access.node.0.into(), number, offset.0, epoch.0]);
            client.site.world.with(|state| state.tally.receives += 1);
            let place = ((partition.stream, offset), epoch.0);
            client.site.world.check(RULE, |ledger| ledger.queues.delivered((number, rest), place, &settled_before));
            keys.push((number, delivery.lease.key));
        }
        if held == Held::Sometimes && client.chance.once_in(5) {
            continue;
        }
        settle(client, partition, keys).await;
    }
}

async fn settle(client: &mut Client, partition: omnibus_model::topic::Partition, keys: Vec<(u64, LeaseKey)>) {
    let Some(access) = client.any() else { return };
    client.site.world.with(|state| state.ledger.queues.tried.extend(keys.iter().map(|(number, _)| *number)));
    let settlements = keys.iter().map(|(_, key)| (*key, Settlement::Accept)).collect();
    let told = access.ask(access.engine.settle(partition, settlements)).await;
    let Told::Yes(each) = client.told(told) else { return };
    for ((number, _), settled) in keys.into_iter().zip(each) {
        if settled.is_ok() {
            client.site.world.note("settled", &[number]);
            client.site.world.with(|state| {
                state.tally.settled += 1;
                state.ledger.queues.settled(number);
            });
        }
    }
}

/// Takes and settles all that is left; says why if something stays.
pub(crate) async fn drain(mut client: Client) -> Result<(), String> {
    let mut left = None;
    for _ in 0..DRAINING_MAX {
        let Some(queue) = client.queue() else { return Ok(()) };
        let Some(access) = client.any() else { return Err("no node is there".to_owned()) };
        let view = access.ask(access.engine.queue_view(queue)).await;
        if let Some(Ok(view)) = view {
            let QueueCounts { ready, leased, delayed, dying, .. } = view.map(|view| view.counts).unwrap_or_default();
            if ready + leased + delayed + dying == 0 {
                let mut drained = Ok(());
                client.site.world.with(|state| drained = state.ledger.queues.drained());
                return drained;
            }
            left = view;
        }
        take_some(&mut client, queue, Held::Never).await;
        sleep(PAUSE).await;
    }
    Err(format!("the queue does not run empty: {left:?}"))
}
