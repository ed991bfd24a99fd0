//! Messages that are published and looked at by hand.

use bytes::Bytes;
use omnibus_engine::consumers::{Access, ConsumerConfig, Settling};
use omnibus_engine::queues::{Deliveries, Delivery};
use omnibus_model::Millis;
use omnibus_model::queue::{Delivery as Counting, Settlement};
use omnibus_record::AmqpMessage;

use super::{Administration, Refused};
use crate::errors::Fault;
use crate::hosts::{Host, plain};
use crate::publishing;
use crate::queues::Queue;
use crate::session::{Content, Publish};
use crate::wire::{Properties, ShortText};

/// What is taken of a queue at a time.
const PART: u32 = 100;

/// Nothing more is taken once so many bytes were.
const GOT_BYTES_MAX: usize = 64 << 20;

/// What becomes of messages that were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// They are done.
    Accept,
    /// They are there again.
    Requeue,
    /// They are dead letters.
    Reject,
}

/// A message that was looked at.
#[derive(Clone, Debug)]
pub struct Got {
    pub exchange: Bytes,
    pub key: Bytes,
    pub properties: Properties,
    pub body: Bytes,
    pub is_redelivered: bool,
    /// How many more there were.
    pub left: u64,
}

/// A message that is to be published.
#[derive(Clone, Debug, Default)]
pub struct Posted {
    /// The virtual host of the exchange.
    pub host: Host,
    pub exchange: String,
    pub key: String,
    pub properties: Properties,
    pub body: Bytes,
}

impl Administration {
    /// Publishes a message for a user, and waits until it is on disk; returns whether any queue gets it.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn publish(&self, posted: Posted, user: &str) -> Result<bool, Refused> {
        let Posted { host, exchange, key, properties, body } = posted;
        let bytes_max = self.door.settings.message_bytes_max;
        if body.len() > bytes_max {
            let count = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
            return Err(Fault::MessageTooLarge { bytes: count(body.len()), max: count(bytes_max) }.into());
        }
        let publish =
            Publish { exchange: ShortText::from(&*exchange), routing_key: ShortText::from(&*key), is_mandatory: true };
        let content = Content { publish, properties: properties.write(), body };
        Ok(publishing::post(&self.door, content, (user, &host)).await?)
    }

    /// Takes up to so many messages that are ready, and says what becomes of them.
    ///
    /// # Errors
    /// [`Refused`]; 404 if there is no such queue.
    pub async fn get(&self, queue: &str, count: u32, after: After) -> Result<Vec<Got>, Refused> {
        let queue = self.open(queue).await?;
        queue.check_leasable("basic.get")?;
        let config = ConsumerConfig { credit: 0, settling: Settling::ByReceiver, access: Access::Pulls, priority: 0 };
        let mut consumer = self.door.engine.consume(queue.place, config).await.map_err(Fault::from)?;
        let (mut read, mut taken, mut bytes) = (Vec::new(), 0, 0);
        while taken < count && bytes < GOT_BYTES_MAX {
            let part = consumer.pull(PART.min(count - taken)).await.map_err(Fault::from)?;
            let got: usize = part.iter().map(|each| each.deliveries.len()).sum();
            if got == 0 {
                break;
            }
            taken = taken.saturating_add(u32::try_from(got).unwrap_or(u32::MAX));
            bytes += part.iter().flat_map(|each| &each.deliveries).map(|each| each.message.body.len()).sum::<usize>();
            read.extend(part);
        }
        let left = self.door.ready(&queue).await?;
        for Deliveries { queue: place, deliveries } in &read {
            let settlements = deliveries.iter().map(|delivery| (delivery.lease.key, settlement(after))).collect();
            self.door.engine.settle(*place, settlements).await.map_err(Fault::from)?;
        }
        consumer.close().await.map_err(Fault::from)?;
        let all: Vec<Delivery> = read.into_iter().flat_map(|each| each.deliveries).collect();
        let behind = (0..all.len() as u64).rev();
        Ok(behind.zip(all).map(|(behind, delivery)| got(&queue, delivery, u64::from(left) + behind)).collect())
    }
}

const fn settlement(after: After) -> Settlement {
    match after {
        After::Accept => Settlement::Accept,
        After::Requeue => Settlement::Release { delay: Millis(0), delivery: Counting::Counts },
        After::Reject => Settlement::Reject,
    }
}

fn got(queue: &Queue, Delivery { lease, message }: Delivery, left: u64) -> Got {
    let AmqpMessage { native, body } = AmqpMessage::of(&message, plain(queue.name()));
    Got {
        exchange: native.exchange,
        key: native.routing_key,
        // What came by another door, or was checked at this one.
        properties: Properties::read(&native.properties).unwrap_or_default(),
        body,
        is_redelivered: lease.delivery_count > 1,
        left,
    }
}
