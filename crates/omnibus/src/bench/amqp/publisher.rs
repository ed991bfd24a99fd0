//! One connection that publishes: as much as its confirms allow, or what is due.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use omnibus_amqp::wire::{FrameKind, Method};
use omnibus_io::Clock;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use super::Period;
use super::client::{self, CHANNEL, Client, Word};
use super::sheet::{Model, Sheet, Stamp};
use crate::bench::meter::{Latencies, Meter};
use crate::bench::supply::{Due, Supply};

/// Flat out, so much of the window is free before more is written: messages then go together, as answers come.
const WINDOW_SHARE: usize = 8;

/// What `basic.ack` begins with.
const ACK: [u8; 4] = [0, 60, 0, 80];

/// A publisher that has not begun yet.
#[derive(Debug)]
pub(super) struct Publisher {
    number: u16,
    client: Client,
    sheet: Sheet,
    /// How many may be unconfirmed; without it, none is confirmed.
    window: Option<usize>,
    /// How many are written at once, at least.
    least: usize,
    unconfirmed: Unconfirmed,
    made: u64,
    /// Those of them that were written while it was measured.
    counted: u64,
    confirmed: Latencies,
    blocked: Blocked,
}

/// What a publisher has done.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) number: u16,
    pub(super) made: u64,
    pub(super) counted: u64,
    /// From when a message was due to its confirm.
    pub(super) confirmed: Latencies,
    pub(super) blocked: Duration,
}

/// How long the broker took nothing.
#[derive(Debug, Default)]
struct Blocked {
    since: Option<Duration>,
    before: Duration,
}

/// Messages under way, and when each was due; those that are confirmed before older ones leave a gap.
#[derive(Debug)]
struct Unconfirmed {
    /// The number of the oldest on the wire.
    first: u64,
    due: VecDeque<Option<Duration>>,
    /// How many are not confirmed.
    count: usize,
}

impl Publisher {
    pub(super) async fn open(mut client: Client, number: u16, model: &Model, window: usize) -> Result<Self> {
        let window = (window > 0).then_some(window);
        if window.is_some() {
            client.ask(&Method::ConfirmSelect { no_wait: false }, (85, 11)).await?;
        }
        let sheet = Sheet::new(model, client.frame_max);
        Ok(Self {
            number,
            client,
            sheet,
            window,
            least: window.map_or(1, |window| (window / WINDOW_SHARE).max(1)),
            unconfirmed: Unconfirmed { first: 1, due: VecDeque::new(), count: 0 },
            made: 0,
            counted: 0,
            confirmed: Latencies::new()?,
            blocked: Blocked::default(),
        })
    }

    /// At a fixed rate a message is not kept back for others.
    pub(super) const fn at_once(mut self) -> Self {
        self.least = 1;
        self
    }

    /// How many messages it writes at a time, at most.
    pub(super) const fn at_a_time(&self) -> u64 {
        self.sheet.copies() as u64
    }

    /// Publishes what there is to publish, and waits until all of it is confirmed.
    pub(super) async fn run(
        mut self,
        mut supply: Supply,
        (meter, period): (Arc<Meter>, Period),
        mut stop: watch::Receiver<bool>,
    ) -> Result<Published> {
        let mut is_over = false;
        while !is_over || !self.sheet.is_sent() || self.unconfirmed.count > 0 {
            let (room, may_make) = (self.room(), !is_over && self.may_make());
            let Client { socket, incoming, .. } = &mut self.client;
            let (mut reading, mut writing) = socket.split();
            tokio::select! {
                biased;
                read = incoming.fill(&mut reading) => {
                    read?;
                    self.hear(&meter, period)?;
                }
                written = writing.write(self.sheet.unsent()), if !self.sheet.is_sent() => self.sheet.sent(written?),
                due = supply.next_up_to(room as u64), if may_make => match due {
                    Some(due) => self.make(&due, &meter, period),
                    None => is_over = true,
                },
                _ = stop.wait_for(|stop| *stop), if !is_over => is_over = true,
            }
        }
        self.blocked.end(meter.clock.elapsed());
        let Self { number, client, made, counted, confirmed, blocked, .. } = self;
        client.close().await?;
        Ok(Published { number, made, counted, confirmed, blocked: blocked.before })
    }

    fn may_make(&self) -> bool {
        self.sheet.is_sent() && self.blocked.since.is_none() && self.room() >= self.least
    }

    fn room(&self) -> usize {
        self.window.map_or(usize::MAX, |window| window.saturating_sub(self.unconfirmed.count))
    }

    /// Stamps messages that are due; they go as soon as the socket takes them.
    fn make(&mut self, due: &Due, meter: &Meter, period: Period) {
        let Self { number: publisher, made, .. } = *self;
        let stamps = (0..due.count).map(|place| (made + place, due.schedule.at(place)));
        self.sheet.fill(stamps.clone().map(|(number, due)| Stamp { publisher, number, due }));
        if self.window.is_some() {
            stamps.for_each(|(_, due)| self.unconfirmed.add(due));
        }
        self.made += due.count;
        if period.holds(meter.clock.elapsed()) {
            self.counted += due.count;
        }
    }

    /// Takes what the broker has said.
    fn hear(&mut self, meter: &Meter, period: Period) -> Result<()> {
        let now = meter.clock.elapsed();
        while let Some(frame) = self.client.incoming.next()? {
            match frame.kind {
                FrameKind::Heartbeat => {}
                FrameKind::Method if frame.channel == CHANNEL && frame.payload.starts_with(&ACK) => {
                    let (number, is_multiple) = confirm(frame.payload).context("a confirm that cannot be read")?;
                    let confirmed = &mut self.confirmed;
                    self.unconfirmed.confirm(number, is_multiple, |due, count| {
                        if period.holds(due) {
                            confirmed.take(now.saturating_sub(due), count);
                        }
                    });
                }
                FrameKind::Method => match client::word(frame.payload)? {
                    Word::Blocked => self.blocked.begin(now),
                    Word::Unblocked => self.blocked.end(now),
                },
                FrameKind::Header | FrameKind::Body => anyhow::bail!("the broker sent a publisher a message"),
            }
        }
        Ok(())
    }
}

/// The number of a confirm, and whether it is for all before, too.
fn confirm(payload: &[u8]) -> Option<(u64, bool)> {
    let (number, multiple) = payload.get(ACK.len()..)?.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), multiple.first()? & 1 == 1))
}

impl Unconfirmed {
    fn add(&mut self, due: Duration) {
        self.due.push_back(Some(due));
        self.count += 1;
    }

    /// Tells of what is confirmed when it was due: neighbours that were due at one time together.
    fn confirm(&mut self, number: u64, is_multiple: bool, mut tell: impl FnMut(Duration, u64)) {
        let Some(place) = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok()) else { return };
        // Numbers of messages that were never sent confirm nothing.
        let end = (place + 1).min(self.due.len());
        let begin = if is_multiple { 0 } else { place.min(end) };
        let mut same = None;
        for due in self.due.range_mut(begin..end).filter_map(Option::take) {
            self.count -= 1;
            same = match same {
                Some((before, count)) if before == due => Some((before, count + 1)),
                Some((before, count)) => {
                    tell(before, count);
                    Some((due, 1))
                }
                None => Some((due, 1)),
            };
        }
        same.into_iter().for_each(|(due, count)| tell(due, count));
        while self.due.front() == Some(&None) {
            self.due.pop_front();
            self.first += 1;
        }
    }
}

impl Blocked {
    fn begin(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    fn end(&mut self, now: Duration) {
        self.before += self.since.take().map_or(Duration::ZERO, |since| now.saturating_sub(since));
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::bench::supply::Schedule;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn each_message_is_confirmed_once_in_whichever_order() {
        let mut unconfirmed = Unconfirmed { first: 1, due: VecDeque::new(), count: 0 };
        [1, 1, 1, 4, 5, 5].into_iter().for_each(|due| unconfirmed.add(millis(due)));
        let mut confirm = |number, is_multiple| {
            let mut told = Vec::new();
            unconfirmed.confirm(number, is_multiple, |due, count| told.push((due, count)));
            (told, unconfirmed.count)
        };
        assert_eq!(confirm(2, false), (vec![(millis(1), 1)], 5));
        assert_eq!(confirm(2, false), (vec![], 5));
        assert_eq!(confirm(4, true), (vec![(millis(1), 2), (millis(4), 1)], 2));
        assert_eq!(confirm(3, true), (vec![], 2));
        assert_eq!(confirm(7, false), (vec![], 2));
        assert_eq!(confirm(6, true), (vec![(millis(5), 2)], 0));
        assert_eq!((unconfirmed.first, unconfirmed.due.len()), (7, 0));
    }

    #[test]
    fn confirm_is_read_as_it_is_written() {
        for multiple in [false, true] {
            let payload = Method::BasicAck { delivery_tag: 1 << 40, multiple }.write();
            assert!(payload.starts_with(&ACK));
            assert_eq!(confirm(&payload), Some((1 << 40, multiple)));
        }
        assert_eq!(confirm(&ACK), None);
    }

    /// A publisher for which the broker has said this, and where it measures.
    async fn publisher(said: &[Method], window: usize) -> (Publisher, Meter, Period, TcpStream) {
        let model =
            Model { exchange: String::new(), routing_key: "q".to_owned(), is_persistent: true, body: vec![0; 16] };
        let (client, broker) = Client::told(said).await;
        let publisher = Publisher::open(client, 0, &model, window).await.unwrap();
        let meter = Meter::new(Arc::new(omnibus_io::SystemClock::default()), Duration::ZERO);
        (publisher, meter, Period { begin: Duration::ZERO, end: Duration::from_secs(3_600) }, broker)
    }

    async fn hear(publisher: &mut Publisher, method: &Method, (meter, period): (&Meter, Period)) -> Result<()> {
        let mut out = bytes::BytesMut::new();
        method.put(&mut out, if method.id().0 == 10 { 0 } else { CHANNEL });
        publisher.client.incoming.fill(&mut &out[..]).await.unwrap();
        publisher.hear(meter, period)
    }

    #[tokio::test]
    async fn blocked_publisher_waits_until_it_is_told() {
        let (mut publisher, meter, period, _broker) = publisher(&[], 0).await;
        assert!(publisher.may_make());
        let blocked = Method::ConnectionBlocked { reason: "low on disk".into() };
        hear(&mut publisher, &blocked, (&meter, period)).await.unwrap();
        assert!(!publisher.may_make());
        hear(&mut publisher, &Method::ConnectionUnblocked {}, (&meter, period)).await.unwrap();
        assert!(publisher.may_make() && publisher.blocked.before > Duration::ZERO);
    }

    #[tokio::test]
    async fn window_is_filled_again_when_an_eighth_is_confirmed() {
        let (mut publisher, meter, period, _broker) = publisher(&[Method::ConfirmSelectOk {}], 16).await;
        publisher.make(&Due { count: 16, schedule: Schedule::Now(Duration::ZERO) }, &meter, period);
        assert!(!publisher.may_make(), "it is not written yet");
        publisher.sheet.sent(publisher.sheet.unsent().len());
        assert!(!publisher.may_make(), "all may still be lost");
        for (delivery_tag, multiple, may_make) in [(7, false, false), (7, false, false), (2, true, true)] {
            hear(&mut publisher, &Method::BasicAck { delivery_tag, multiple }, (&meter, period)).await.unwrap();
            assert_eq!(publisher.may_make(), may_make, "{delivery_tag}");
        }
        assert_eq!((publisher.room(), publisher.confirmed.0.len()), (3, 3));
        let refused = Method::BasicNack { delivery_tag: 9, multiple: false, requeue: false };
        let error = hear(&mut publisher, &refused, (&meter, period)).await.unwrap_err();
        assert_eq!(error.to_string(), "the broker refused message 9");
    }

    #[test]
    fn time_is_blocked_from_the_first_word_to_the_last() {
        let mut blocked = Blocked::default();
        blocked.end(millis(1));
        blocked.begin(millis(2));
        blocked.begin(millis(3));
        blocked.end(millis(5));
        blocked.begin(millis(7));
        blocked.end(millis(8));
        assert_eq!(blocked.before, millis(4));
    }
}
