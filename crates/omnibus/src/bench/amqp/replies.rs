//! Reply queues: each is its connection's alone, gets the answers to what was asked, and goes with the connection.

use std::cell::RefCell;
use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::{Bytes, BytesMut};
use omnibus_admin::process::Usage;
use omnibus_admin_api::{Size, Span};
use omnibus_amqp::wire::method::put_content;
use omnibus_amqp::wire::{ContentHeader, FrameKind, Method, Properties, ShortText, Table};
use omnibus_io::{Clock, SystemClock};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::address::Address;
use super::client::{self, CHANNEL, Client, Incoming, PATIENCE};
use super::{BrokerArgs, Period};
use crate::bench::meter::{Latencies, Meter, Watcher};
use crate::bench::payload::Payload;
use crate::bench::report::{Percentiles, Report};
use crate::output::{self, Format, Misuse};

/// What `basic.deliver` begins with.
const DELIVER: [u8; 4] = [0, 60, 0, 60];

/// A request says which it is with its first bytes.
const NUMBER_BYTES: usize = 8;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct RepliesArgs {
    #[command(flatten)]
    pub(super) broker: BrokerArgs,
    /// Reply queues, all of them together; each is exclusive, named by the broker, and consumed without acknowledgements.
    #[arg(long, default_value = "10000")]
    queues: NonZeroU32,
    /// Connections that ask, each with its share of the queues and one request under way.
    #[arg(long, default_value = "100")]
    connections: NonZeroU16,
    /// The size of a request's body and of its answer's, at least 8 B.
    #[arg(long, default_value = "64", value_name = "SIZE")]
    record: Size,
    /// For how long is asked.
    #[arg(long, default_value = "10s", value_name = "SPAN")]
    duration: Span,
    /// What is asked before is not counted.
    #[arg(long, default_value = "1s", value_name = "SPAN")]
    warmup: Span,
}

/// What the broker was made to do.
#[derive(Debug, Serialize)]
struct Load {
    address: String,
    queues: u32,
    connections: u16,
    record_bytes: u64,
}

/// What was measured; the records of the report are answers.
#[derive(Debug, Serialize)]
pub(super) struct RepliesReport {
    #[serde(flatten)]
    report: Report<Load>,
    /// Declared and consumed, by all connections at the same time.
    declared_per_second: f64,
    /// Gone with their connections, all of which end at the same time.
    deleted_per_second: f64,
    /// What the server's memory grew by while they were declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes_per_queue: Option<f64>,
}

impl RepliesArgs {
    /// Refuses what cannot be measured.
    pub(super) fn check(&self) -> Result<()> {
        if self.record.0 < NUMBER_BYTES as u64 {
            bail!(Misuse(format!("--record: a request says which it is, which takes {NUMBER_BYTES} B")));
        }
        if self.queues.get() < u32::from(self.connections.get()) {
            bail!(Misuse("--queues: at least one for each of the --connections".to_owned()));
        }
        Ok(())
    }

    /// How many queues a connection has.
    fn share(&self, connection: u16) -> u32 {
        let (queues, connections) = (self.queues.get(), u32::from(self.connections.get()));
        queues / connections + u32::from(u32::from(connection) < queues % connections)
    }

    fn memory(&self) -> Result<Option<u64>> {
        let pids = &self.broker.server_pid;
        let memory = |pid: &u32| Ok(Usage::of(*pid).with_context(|| format!("process {pid}"))?.memory_bytes);
        pids.iter().map(memory).sum::<Result<u64>>().map(|bytes| (!pids.is_empty()).then_some(bytes))
    }
}

/// Measures; what it makes goes with its connections.
pub(super) async fn run(args: &RepliesArgs, address: &Address, clock: &Arc<SystemClock>) -> Result<RepliesReport> {
    let mut service = Service::open(address).await?;
    let mut askers = Vec::new();
    for connection in 0..args.connections.get() {
        let client = Client::open(address).await?;
        let share = args.share(connection);
        askers.push(Asker { client, arriving: Arriving::default(), share, queues: Vec::new() });
    }
    let (memory_before, begun_at) = (args.memory()?, clock.elapsed());
    let askers = all(askers.into_iter().map(Asker::declare)).await?;
    let (declared_after, memory) = (clock.elapsed() - begun_at, args.memory()?);

    let meter = Arc::new(Meter::new(Arc::clone(clock), args.warmup.duration()));
    let period = Period { begin: meter.begin, end: meter.begin + args.duration.duration() };
    let length = args.warmup.duration() + args.duration.duration();
    let watcher = Watcher::start(&meter, length, &args.broker.server_pid);
    let latencies = Rc::new(RefCell::new(Latencies::new()?));
    let asking = Asking {
        requests: service.queue.clone(),
        body: Payload::new(usize::try_from(args.record.0)?).value(),
        meter,
        period,
        latencies: Rc::clone(&latencies),
    };
    let askers = tokio::select! {
        asked = all(askers.into_iter().map(|asker| asker.ask(asking.clone()))) => asked?,
        served = service.run() => bail!(served.err().unwrap_or_else(|| anyhow!("the service ended"))),
    };
    let measured = watcher.finish().await?;

    let begun_at = clock.elapsed();
    all(askers.into_iter().map(|asker| asker.client.close())).await?;
    let deleted_after = clock.elapsed() - begun_at;
    service.client.close().await?;

    let queues = f64::from(args.queues.get());
    let load = Load {
        address: address.authority.clone(),
        queues: args.queues.get(),
        connections: args.connections.get(),
        record_bytes: args.record.0,
    };
    let mut report = Report::new("amqp replies", load, measured);
    ensure!(report.records > 0, "nothing was answered in {:?}", args.duration.duration());
    report.end_to_end = Percentiles::new(&latencies.borrow());
    Ok(RepliesReport {
        report,
        declared_per_second: queues / declared_after.as_secs_f64(),
        deleted_per_second: queues / deleted_after.as_secs_f64(),
        memory_bytes_per_queue: memory_before.zip(memory).map(|(before, after)| grown(before, after) / queues),
    })
}

/// Does all of it at the same time.
async fn all<T: 'static>(tasks: impl Iterator<Item = impl Future<Output = Result<T>> + 'static>) -> Result<Vec<T>> {
    let mut running = JoinSet::new();
    tasks.for_each(|task| {
        running.spawn_local(task);
    });
    let mut done = Vec::with_capacity(running.len());
    while let Some(ended) = running.join_next().await {
        done.push(ended??);
    }
    Ok(done)
}

#[expect(clippy::cast_precision_loss, reason = "told to a few digits")]
const fn grown(before: u64, after: u64) -> f64 {
    after.saturating_sub(before) as f64
}

/// Somebody who answers whatever is asked by saying it again.
#[derive(Debug)]
struct Service {
    client: Client,
    arriving: Arriving,
    queue: ShortText,
}

/// A connection that asks.
#[derive(Debug)]
struct Asker {
    client: Client,
    arriving: Arriving,
    /// How many queues it has.
    share: u32,
    queues: Vec<ShortText>,
}

/// What asks, and what comes of it.
#[derive(Clone, Debug)]
struct Asking {
    /// The queue of the service.
    requests: ShortText,
    body: Vec<u8>,
    meter: Arc<Meter>,
    period: Period,
    latencies: Rc<RefCell<Latencies>>,
}

impl Service {
    async fn open(address: &Address) -> Result<Self> {
        let mut client = Client::open(address).await?;
        let queue = declare(&mut client).await?;
        Ok(Self { client, arriving: Arriving::default(), queue })
    }

    /// Answers for as long as it is polled.
    async fn run(&mut self) -> Result<()> {
        let Client { socket, incoming, out, frame_max } = &mut self.client;
        loop {
            while let Some(Message { properties, body }) = self.arriving.next(incoming)? {
                let asked = Properties::read(&properties).context("the properties of a request")?;
                let reply_to = asked.reply_to.context("a request that says nobody to answer")?;
                put(out, *frame_max, (&ShortText(reply_to), None), &body);
            }
            socket.write_all_buf(out).await?;
            incoming.fill(socket).await?;
        }
    }
}

impl Asker {
    /// Declares its queues and consumes them, one after the other.
    async fn declare(mut self) -> Result<Self> {
        for _ in 0..self.share {
            self.queues.push(declare(&mut self.client).await?);
        }
        Ok(self)
    }

    /// Asks again and again, answered in one queue after the other.
    async fn ask(mut self, asking: Asking) -> Result<Self> {
        let Asking { requests, mut body, meter, period, latencies } = asking;
        let mut number = 0_u64;
        for queue in self.queues.iter().cycle() {
            let asked_at = meter.clock.elapsed();
            if asked_at >= period.end {
                break;
            }
            number += 1;
            body[..NUMBER_BYTES].copy_from_slice(&number.to_le_bytes());
            let Client { socket, incoming, out, frame_max } = &mut self.client;
            put(out, *frame_max, (&requests, Some(queue)), &body);
            socket.write_all_buf(out).await?;
            let answer = timeout(PATIENCE, self.arriving.wait(incoming, socket)).await;
            let answer = answer.with_context(|| format!("no answer for {} s", PATIENCE.as_secs()))??;
            ensure!(answer.body == body, "an answer to another request came");
            let now = meter.clock.elapsed();
            if period.holds(now) {
                meter.count(1, body.len() as u64);
                latencies.borrow_mut().take(now.saturating_sub(asked_at), 1);
            }
        }
        Ok(self)
    }
}

/// Declares a queue that is the connection's alone, and consumes it; returns its name.
async fn declare(client: &mut Client) -> Result<ShortText> {
    let declare = Method::QueueDeclare {
        reserved: 0,
        queue: "".into(),
        passive: false,
        durable: false,
        exclusive: true,
        auto_delete: true,
        no_wait: false,
        arguments: Table::default(),
    };
    let Method::QueueDeclareOk { queue, .. } = client.ask(&declare, (50, 11)).await? else { bail!("no declare-ok") };
    let consume = Method::BasicConsume {
        reserved: 0,
        queue: queue.clone(),
        consumer_tag: "".into(),
        no_local: false,
        no_ack: true,
        exclusive: false,
        no_wait: false,
        arguments: Table::default(),
    };
    client.ask(&consume, (60, 21)).await?;
    Ok(queue)
}

/// Writes a message to a queue, and in which it is to be answered.
fn put(out: &mut BytesMut, frame_max: usize, (queue, reply_to): (&ShortText, Option<&ShortText>), body: &[u8]) {
    let publish = Method::BasicPublish {
        reserved: 0,
        exchange: "".into(),
        routing_key: queue.clone(),
        mandatory: false,
        immediate: false,
    };
    publish.put(out, CHANNEL);
    let reply_to = reply_to.map(|queue| queue.0.clone());
    let properties = Properties { delivery_mode: Some(1), reply_to, ..Properties::default() };
    put_content(out, (CHANNEL, frame_max), &properties.write(), body);
}

/// A message that has arrived.
#[derive(Debug)]
struct Message {
    properties: Bytes,
    body: Vec<u8>,
}

/// The message of which something has arrived.
#[derive(Debug, Default)]
struct Arriving {
    properties: Bytes,
    body: Vec<u8>,
    left: u64,
}

impl Arriving {
    /// Goes on to the end of the next message, if all of it has arrived.
    fn next(&mut self, incoming: &mut Incoming) -> Result<Option<Message>> {
        while let Some(frame) = incoming.next()? {
            match frame.kind {
                FrameKind::Heartbeat => {}
                FrameKind::Method if frame.payload.starts_with(&DELIVER) => {}
                FrameKind::Method => {
                    client::word(frame.payload)?;
                }
                FrameKind::Header => {
                    let header = ContentHeader::read(Bytes::copy_from_slice(frame.payload));
                    let header = header.context("a content header that cannot be read")?;
                    ensure!(header.body_bytes > 0, "a message came that has no body");
                    (self.properties, self.left) = (header.properties, header.body_bytes);
                }
                FrameKind::Body => {
                    self.body.extend_from_slice(frame.payload);
                    self.left = self.left.saturating_sub(frame.payload.len() as u64);
                    if self.left == 0 {
                        let Self { properties, body, .. } = std::mem::take(self);
                        return Ok(Some(Message { properties, body }));
                    }
                }
            }
        }
        Ok(None)
    }

    async fn wait(&mut self, incoming: &mut Incoming, socket: &mut TcpStream) -> Result<Message> {
        loop {
            if let Some(message) = self.next(incoming)? {
                return Ok(message);
            }
            incoming.fill(socket).await?;
        }
    }
}

impl RepliesReport {
    /// Prints it.
    pub(super) fn print(&self, format: Format) -> Result<()> {
        if format == Format::Json {
            return output::json(self);
        }
        self.report.print(format)?;
        let Self { declared_per_second, deleted_per_second, .. } = self;
        output::line(format_args!(
            "\nqueues: {declared_per_second:.0} declared and consumed per second, {deleted_per_second:.0} deleted"
        ))?;
        if let Some(bytes) = self.memory_bytes_per_queue {
            output::line(format_args!("memory of the server: {bytes:.0} B more for each"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, queues, connections, record_bytes } = self;
        write!(
            f,
            "{address}: {queues} exclusive queues of {connections} connections, each asking one thing at a time, of {record_bytes} B"
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use omnibus_amqp::wire::{Frame, FrameAt};

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: RepliesArgs,
    }

    fn args(words: &[&str]) -> RepliesArgs {
        Line::parse_from([&["bench"][..], words].concat()).args
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        assert!(args(&[]).check().is_ok());
        assert!(args(&["--record", "7"]).check().is_err());
        assert!(args(&["--queues", "9", "--connections", "10"]).check().is_err());
    }

    #[test]
    fn every_queue_is_somebodys() {
        let args = args(&["--queues", "1003", "--connections", "10"]);
        let shares: Vec<u32> = (0..10).map(|connection| args.share(connection)).collect();
        assert_eq!((shares.iter().sum::<u32>(), shares[2], shares[3]), (1_003, 101, 100));
    }

    #[tokio::test]
    async fn message_is_whole_however_it_arrives() {
        let mut out = BytesMut::new();
        let body: Vec<u8> = (0..200).collect();
        put(&mut out, 128, (&"requests".into(), Some(&"answers".into())), &body);
        // A broker delivers instead of publishing.
        let mut received = BytesMut::new();
        let publish = FrameAt::look(&out, 4_096).unwrap().unwrap().bytes();
        Frame::put(&mut received, FrameKind::Method, CHANNEL, &DELIVER);
        received.extend_from_slice(&out[publish..]);
        for piece in [1, 10, received.len()] {
            let (mut incoming, mut arriving) = (Incoming::new(4_096), Arriving::default());
            let mut messages = Vec::new();
            for mut arrived in received.chunks(piece) {
                incoming.fill(&mut arrived).await.unwrap();
                messages.extend(arriving.next(&mut incoming).unwrap());
            }
            let [message] = &messages[..] else { panic!("{} messages", messages.len()) };
            assert_eq!(message.body, body);
            assert_eq!(Properties::read(&message.properties).unwrap().reply_to.as_deref(), Some(&b"answers"[..]));
        }
    }
}
