//! A measurement from its first connection to its last.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use omnibus_io::{Clock, SystemClock};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::address::Address;
use super::client::Client;
use super::consumer::{Consumer, Subscription};
use super::made::Made;
use super::publisher::{Published, Publisher};
use super::sheet::Model;
use super::tally::{Arrived, Tally};
use super::{AmqpReport, LoadArgs, Period};
use crate::bench::meter::{Latencies, Meter, Watcher};
use crate::bench::payload::Payload;
use crate::bench::report::{Percentiles, Report};
use crate::bench::supply::{Bounds, Pacer, PacerRunning, Supply};

/// Between two looks whether it is over.
const LOOK: Duration = Duration::from_millis(10);

/// When nothing has arrived for so long, nothing will.
const STILL: Duration = Duration::from_secs(10);

/// Measures; what it makes is the caller's to delete.
pub(super) async fn run(
    args: &LoadArgs,
    rate: Option<u64>,
    address: &Address,
    made: &mut Made,
    clock: &Arc<SystemClock>,
) -> Result<AmqpReport> {
    let mut control = Client::open(address).await?;
    made.declare(&mut control, args).await?;
    let tally = Rc::new(RefCell::new(tally(args, made)?));
    let consumers = consumers(args, address, made, &tally).await?;
    let publishers = publishers(args, address, made, rate.is_some()).await?;
    control.close().await?;

    let meter = Arc::new(Meter::new(Arc::clone(clock), args.warmup()));
    let period = Period { begin: meter.begin, end: meter.begin + args.duration.duration() };
    let bounds = Arc::new(Bounds::new(Arc::clone(clock), period.end, args.records));
    let watcher = Watcher::start(&meter, args.end(), &args.broker.server_pid);
    let mut running = Running::new(tally)?;
    consumers.into_iter().for_each(|consumer| running.consume(consumer, (&meter, period)));
    let pace = running.publish(publishers, &bounds, rate, (&meter, period));
    while clock.elapsed() < period.end && !running.is_done() {
        running.look().await?;
    }
    let measured = watcher.finish().await?;
    running.drain(clock, args.drain.duration()).await?;
    drop(pace);
    let missing = running.tally.borrow().missing();
    ensure!(missing == 0 || args.confirms == 0, "{missing} messages were confirmed and have not arrived");
    let Outcome { published, confirmed, blocked, arrived } = running.end().await?;

    let what = if rate.is_some() { "amqp latency" } else { "amqp through" };
    let mut report = Report::new(what, args.load(address, rate), measured);
    report.acknowledged = Percentiles::new(&confirmed);
    report.end_to_end = Percentiles::new(&arrived);
    ensure!(report.records > 0, "nothing has arrived in {:?}", args.duration.duration());
    Ok(AmqpReport {
        published_per_second: per_second(published, report.seconds),
        report,
        published,
        blocked_seconds: blocked.as_secs_f64(),
        missing,
    })
}

fn tally(args: &LoadArgs, made: &Made) -> Result<Tally> {
    let (all, each) = (usize::from(args.publishers_in_all()?), usize::from(args.publishers.get()));
    let publishers = |place: usize| if args.fan_out { 0..all } else { place * each..(place + 1) * each };
    let queues = made.queues.iter().enumerate();
    let queues = queues.map(|(place, name)| Arrived::new(name, args.record.0, publishers(place)));
    Ok(Tally::new(queues.collect(), all))
}

async fn consumers(
    args: &LoadArgs,
    address: &Address,
    made: &Made,
    tally: &Rc<RefCell<Tally>>,
) -> Result<Vec<Consumer>> {
    let publishers = usize::from(args.publishers_in_all()?);
    let (prefetch, ack_every) = if args.auto_ack { (0, 0) } else { (args.prefetch, u64::from(args.ack_every.get())) };
    let mut consumers = Vec::new();
    for (place, queue) in made.queues.iter().enumerate() {
        let subscription = Subscription { queue: queue.clone(), place, prefetch, ack_every };
        for _ in 0..args.consumers.get() {
            let client = Client::open(address).await?;
            consumers.push(Consumer::open(client, &subscription, tally, publishers).await?);
        }
    }
    Ok(consumers)
}

async fn publishers(args: &LoadArgs, address: &Address, made: &Made, has_rate: bool) -> Result<Vec<Publisher>> {
    let body = Payload::new(usize::try_from(args.record.0)?).value();
    let mut publishers = Vec::new();
    for number in 0..args.publishers_in_all()? {
        let queue = &made.queues[usize::from(number / args.publishers)];
        let (exchange, routing_key) = match &made.exchange {
            Some(exchange) => (exchange.clone(), String::new()),
            None => (String::new(), queue.clone()),
        };
        let model = Model { exchange, routing_key, is_persistent: !args.transient, body: body.clone() };
        let client = Client::open(address).await?;
        let publisher = Publisher::open(client, number, &model, args.confirms.into()).await?;
        publishers.push(if has_rate { publisher.at_once() } else { publisher });
    }
    Ok(publishers)
}

/// All publishers and consumers at their work.
struct Running {
    tally: Rc<RefCell<Tally>>,
    publishers: JoinSet<Result<Published>>,
    consumers: JoinSet<Result<Latencies>>,
    stop_publishers: watch::Sender<bool>,
    stop_consumers: watch::Sender<bool>,
    outcome: Outcome,
}

/// What they have done.
struct Outcome {
    /// While it was measured.
    published: u64,
    confirmed: Latencies,
    blocked: Duration,
    arrived: Latencies,
}

impl Running {
    fn new(tally: Rc<RefCell<Tally>>) -> Result<Self> {
        Ok(Self {
            tally,
            publishers: JoinSet::new(),
            consumers: JoinSet::new(),
            stop_publishers: watch::Sender::new(false),
            stop_consumers: watch::Sender::new(false),
            outcome: Outcome {
                published: 0,
                confirmed: Latencies::new()?,
                blocked: Duration::ZERO,
                arrived: Latencies::new()?,
            },
        })
    }

    fn consume(&mut self, consumer: Consumer, (meter, period): (&Arc<Meter>, Period)) {
        let stop = self.stop_consumers.subscribe();
        self.consumers.spawn_local(consumer.run((Arc::clone(meter), period), stop));
    }

    /// Begins to publish; at a rate, publishers are woken until what is returned is dropped.
    fn publish(
        &mut self,
        publishers: Vec<Publisher>,
        bounds: &Arc<Bounds>,
        rate: Option<u64>,
        (meter, period): (&Arc<Meter>, Period),
    ) -> Option<PacerRunning> {
        let mut pacer = Pacer::default();
        let rate_of_each = rate.map(|rate| share_of_rate(rate, publishers.len()));
        for publisher in publishers {
            let (bounds, most) = (Arc::clone(bounds), publisher.at_a_time());
            let supply = match rate_of_each {
                Some(rate) => Supply::paced(bounds, most, rate, &mut pacer),
                None => Supply::flat_out(bounds, most),
            };
            let stop = self.stop_publishers.subscribe();
            self.publishers.spawn_local(publisher.run(supply, (Arc::clone(meter), period), stop));
        }
        rate_of_each.map(|rate| pacer.start(rate))
    }

    /// Waits until something may have changed; an error if somebody had to give up.
    async fn look(&mut self) -> Result<()> {
        tokio::select! {
            Some(published) = self.publishers.join_next() => {
                let Published { number, made, counted, confirmed, blocked } = published??;
                self.tally.borrow_mut().published(number.into(), made);
                self.outcome.published += counted;
                self.outcome.blocked += blocked;
                self.outcome.confirmed.add(&confirmed)
            }
            Some(ended) = self.consumers.join_next() => self.outcome.arrived.add(&ended??),
            () = tokio::time::sleep(LOOK) => Ok(()),
        }
    }

    /// Whether all that was published has arrived.
    fn is_done(&self) -> bool {
        self.publishers.is_empty() && self.tally.borrow().is_complete()
    }

    /// Waits until what is under way has arrived, for as long as something does.
    async fn drain(&mut self, clock: &SystemClock, most: Duration) -> Result<()> {
        self.stop_publishers.send_replace(true);
        let begun_at = clock.elapsed();
        let (mut received, mut since) = (0, begun_at);
        while !self.is_done() {
            self.look().await?;
            let now = clock.elapsed();
            let still_under_way = self.tally.borrow().received;
            if still_under_way != received {
                (received, since) = (still_under_way, now);
            }
            if now > since + STILL || now > begun_at + most {
                break;
            }
        }
        let waiting = self.publishers.len();
        if waiting > 0 {
            bail!("{waiting} publishers wait for a broker that takes or confirms nothing any more");
        }
        Ok(())
    }

    /// Ends the consumers.
    async fn end(mut self) -> Result<Outcome> {
        self.stop_consumers.send_replace(true);
        while !self.consumers.is_empty() {
            self.look().await?;
        }
        Ok(self.outcome)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate, not a count")]
fn share_of_rate(rate: u64, publishers: usize) -> f64 {
    rate as f64 / publishers as f64
}

#[expect(clippy::cast_precision_loss, reason = "told to a few digits")]
fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}
