//! One connection that consumes: it looks at each message where it lies, and acknowledges some at a time.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::BytesMut;
use omnibus_amqp::wire::{FrameKind, Method, Table};
use omnibus_io::Clock;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use super::Period;
use super::client::{self, CHANNEL, Client, Incoming};
use super::sheet::Stamp;
use super::tally::{Order, Tally};
use crate::bench::meter::{Latencies, Meter};

/// What `basic.deliver` begins with.
const DELIVER: [u8; 4] = [0, 60, 0, 60];

/// Which queue is consumed, and how.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) queue: String,
    /// Its place among all queues.
    pub(super) place: usize,
    /// How many messages may be unacknowledged; 0 is any number.
    pub(super) prefetch: u16,
    /// How many are acknowledged at a time; 0 is none: the broker takes them as acknowledged.
    pub(super) ack_every: u64,
}

/// A consumer.
#[derive(Debug)]
pub(super) struct Consumer {
    client: Client,
    place: usize,
    delivery: Delivery,
    acks: Acks,
    order: Order,
    tally: Rc<RefCell<Tally>>,
    latencies: Latencies,
}

/// The message of which something has arrived.
#[derive(Debug, Default)]
struct Delivery {
    tag: u64,
    body_bytes: u64,
    left: u64,
    stamp: Option<Stamp>,
}

/// Messages that are to be acknowledged.
#[derive(Debug)]
struct Acks {
    every: u64,
    /// The last that came, and how many since the last acknowledgement.
    tag: u64,
    waiting: u64,
    /// One acknowledgement as it goes over the wire.
    frame: BytesMut,
}

impl Consumer {
    /// Begins to consume.
    pub(super) async fn open(
        mut client: Client,
        subscription: &Subscription,
        tally: &Rc<RefCell<Tally>>,
        publishers: usize,
    ) -> Result<Self> {
        let Subscription { queue, place, prefetch, ack_every } = subscription;
        let qos = Method::BasicQos { prefetch_size: 0, prefetch_count: *prefetch, global: false };
        client.ask(&qos, (60, 11)).await?;
        let consume = Method::BasicConsume {
            reserved: 0,
            queue: queue.as_str().into(),
            consumer_tag: "b".into(),
            no_local: false,
            no_ack: *ack_every == 0,
            exclusive: false,
            no_wait: false,
            arguments: Table::default(),
        };
        client.ask(&consume, (60, 21)).await.with_context(|| format!("queue {queue}"))?;
        Ok(Self {
            client,
            place: *place,
            delivery: Delivery::default(),
            acks: Acks::new(*ack_every),
            order: Order::new(publishers),
            tally: Rc::clone(tally),
            latencies: Latencies::new()?,
        })
    }

    /// Takes what comes until told to stop; returns how long messages took that were due while it was measured.
    pub(super) async fn run(
        mut self,
        (meter, period): (Arc<Meter>, Period),
        mut stop: watch::Receiver<bool>,
    ) -> Result<Latencies> {
        loop {
            self.take_all(&meter, period)?;
            let Client { socket, incoming, out, .. } = &mut self.client;
            let (mut reading, mut writing) = socket.split();
            tokio::select! {
                biased;
                written = writing.write_buf(out), if !out.is_empty() => {
                    written?;
                }
                read = incoming.fill(&mut reading) => read?,
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        self.acks.finish(&mut self.client.out);
        self.client.close().await?;
        Ok(self.latencies)
    }

    /// Takes all that has arrived.
    fn take_all(&mut self, meter: &Meter, period: Period) -> Result<()> {
        let Self { client, place, delivery, acks, order, tally, latencies } = self;
        let Client { incoming, out, .. } = client;
        let now = meter.clock.elapsed();
        let mut tally = tally.borrow_mut();
        let (mut count, mut bytes) = (0, 0);
        let mut same = (Duration::ZERO, 0);
        while let Some(stamp) = delivery.next(incoming)? {
            tally.take(*place, delivery.body_bytes, stamp, order)?;
            acks.take(delivery.tag, out);
            (count, bytes) = (count + 1, bytes + delivery.body_bytes);
            if same.0 != stamp.due {
                note(latencies, same, now, period);
                same = (stamp.due, 0);
            }
            same.1 += 1;
        }
        note(latencies, same, now, period);
        if count > 0 && period.holds(now) {
            meter.count(count, bytes);
        }
        Ok(())
    }
}

/// Takes so many messages that were due at the same time.
fn note(latencies: &mut Latencies, (due, count): (Duration, u64), now: Duration, period: Period) {
    if count > 0 && period.holds(due) {
        latencies.take(now.saturating_sub(due), count);
    }
}

impl Delivery {
    /// Goes on to the end of the next message, if all of it has arrived.
    fn next(&mut self, incoming: &mut Incoming) -> Result<Option<Stamp>> {
        while let Some(frame) = incoming.next()? {
            match frame.kind {
                FrameKind::Heartbeat => {}
                FrameKind::Method if frame.channel == CHANNEL && frame.payload.starts_with(&DELIVER) => {
                    self.tag = tag(frame.payload).context("a delivery that cannot be read")?;
                }
                // That it takes no messages is for publishers to know.
                FrameKind::Method => {
                    client::word(frame.payload)?;
                }
                FrameKind::Header => {
                    self.begin(frame.payload).context("a content header that cannot be read")?;
                    anyhow::ensure!(self.left > 0, "a message came that has no body");
                }
                FrameKind::Body => {
                    if self.stamp.is_none() {
                        self.stamp =
                            Some(Stamp::read(frame.payload).context("a message came that is not of this run")?);
                    }
                    self.left = self.left.saturating_sub(frame.payload.len() as u64);
                    if self.left == 0 {
                        return Ok(self.stamp);
                    }
                }
            }
        }
        Ok(None)
    }

    fn begin(&mut self, header: &[u8]) -> Option<()> {
        self.body_bytes = u64::from_be_bytes(*header.get(4..)?.first_chunk()?);
        self.left = self.body_bytes;
        self.stamp = None;
        Some(())
    }
}

/// The number of a delivery, which stands behind the name of the consumer.
fn tag(payload: &[u8]) -> Option<u64> {
    let (name_bytes, rest) = payload.get(DELIVER.len()..)?.split_first()?;
    Some(u64::from_be_bytes(*rest.get(usize::from(*name_bytes)..)?.first_chunk()?))
}

impl Acks {
    /// Where the number stands in an acknowledgement: behind the head of the frame, class and method.
    const TAG: std::ops::Range<usize> = 11..19;

    fn new(every: u64) -> Self {
        let mut frame = BytesMut::new();
        Method::BasicAck { delivery_tag: 0, multiple: every > 1 }.put(&mut frame, CHANNEL);
        Self { every, tag: 0, waiting: 0, frame }
    }

    /// Takes a message, and acknowledges it with those before it when it is time.
    fn take(&mut self, tag: u64, out: &mut BytesMut) {
        self.tag = tag;
        self.waiting += 1;
        if self.waiting == self.every {
            self.put(out);
        }
    }

    /// Acknowledges what is left.
    fn finish(&mut self, out: &mut BytesMut) {
        if self.every > 0 && self.waiting > 0 {
            self.put(out);
        }
    }

    fn put(&mut self, out: &mut BytesMut) {
        self.frame[Self::TAG].copy_from_slice(&self.tag.to_be_bytes());
        out.extend_from_slice(&self.frame);
        self.waiting = 0;
    }
}

#[cfg(test)]
mod tests {
    use omnibus_amqp::wire::method::put_content;
    use omnibus_amqp::wire::{Frame, Properties};

    use super::*;

    fn acknowledged(out: &mut BytesMut) -> Vec<(u64, bool)> {
        let mut all = Vec::new();
        while let Some(frame) = Frame::take(out, 4_096).unwrap() {
            let Method::BasicAck { delivery_tag, multiple } = Method::read(&frame.payload).unwrap() else {
                panic!("{frame:?}")
            };
            all.push((delivery_tag, multiple));
        }
        all
    }

    #[test]
    fn some_are_acknowledged_at_a_time_and_the_rest_at_the_end() {
        for (every, expected) in [
            (0, vec![]),
            (1, (1..=7).map(|tag| (tag, false)).collect()),
            (3, vec![(3, true), (6, true), (7, true)]),
            (7, vec![(7, true)]),
        ] {
            let (mut acks, mut out) = (Acks::new(every), BytesMut::new());
            (1..=7).for_each(|tag| acks.take(tag, &mut out));
            acks.finish(&mut out);
            assert_eq!(acknowledged(&mut out), expected, "every {every}");
        }
    }

    #[tokio::test]
    async fn messages_are_read_from_as_many_frames_as_they_take() {
        let mut out = BytesMut::new();
        let stamp = |number| Stamp { publisher: 1, number, due: Duration::from_millis(number) };
        for number in 0..3 {
            Method::BasicDeliver {
                consumer_tag: "name".into(),
                delivery_tag: number + 1,
                redelivered: false,
                exchange: "".into(),
                routing_key: "q".into(),
            }
            .put(&mut out, CHANNEL);
            let mut body = stamp(number).write().to_vec();
            body.resize(100, 0);
            put_content(&mut out, (CHANNEL, 48), &Properties::default().write(), &body);
        }
        let (mut incoming, mut delivery) = (Incoming::new(4_096), Delivery::default());
        let mut taken = Vec::new();
        for mut piece in out.chunks(33) {
            incoming.fill(&mut piece).await.unwrap();
            while let Some(stamp) = delivery.next(&mut incoming).unwrap() {
                taken.push((delivery.tag, delivery.body_bytes, stamp));
            }
        }
        assert_eq!(taken, [0, 1, 2].map(|number| (number + 1, 100, stamp(number))));
    }
}
