//! What one connection does, one request after the other.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use omnibus_io::Clock;

use super::client::{Client, Outcome, Received};
use super::{QueueBenchArgs, QueueLoad, is_fifo};
use crate::bench::meter::{Latencies, Meter};
use crate::bench::payload::Payload;

/// How long a message is hidden from others: long enough that none comes twice.
const VISIBILITY_SECONDS: u32 = 600;

/// The longest that SQS waits.
const WAIT_SECONDS: u32 = 20;

/// What ends a measurement.
#[derive(Debug)]
pub(super) struct Until {
    end: Duration,
    left: AtomicU64,
    is_empty: AtomicBool,
}

impl Until {
    pub(super) fn new(end: Duration, records: Option<u64>) -> Self {
        Self { end, left: AtomicU64::new(records.unwrap_or(u64::MAX)), is_empty: AtomicBool::new(false) }
    }

    /// Takes up to `wanted` messages from what is left; none at the end.
    fn take(&self, wanted: u64, now: Duration) -> u64 {
        if now >= self.end || self.is_empty.load(Ordering::Relaxed) {
            return 0;
        }
        let less = |left: u64| Some(left.saturating_sub(wanted));
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        before.unwrap_or_else(|left| left).min(wanted)
    }
}

/// How long the requests of a lane took.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) sent: Latencies,
    pub(super) received: Latencies,
    pub(super) deleted: Latencies,
}

impl Timed {
    fn new() -> Result<Self> {
        Ok(Self { sent: Latencies::new()?, received: Latencies::new()?, deleted: Latencies::new()? })
    }
}

pub(super) struct Lane {
    client: Client,
    url: String,
    batch: u64,
    /// Groups, if the queue is a FIFO queue.
    groups: Option<u64>,
    payload: Payload,
    /// Begins the names of this lane's messages.
    name: String,
    made: u64,
}

impl Lane {
    pub(super) fn new(args: &QueueBenchArgs, number: usize, url: &str, client: Client) -> Result<Self> {
        let groups = is_fifo(&args.queue).then_some(args.groups.get());
        let payload = Payload::new(usize::try_from(args.record.0)?);
        let name = format!("{}-{number}", std::process::id());
        // Lanes begin with different groups.
        let made = number as u64 * u64::from(args.batch);
        Ok(Self { client, url: url.to_owned(), batch: args.batch.into(), groups, payload, name, made })
    }

    /// Goes on until the end.
    pub(super) async fn run(mut self, what: QueueLoad, until: Arc<Until>, meter: Arc<Meter>) -> Result<Option<Timed>> {
        if what == QueueLoad::Wait {
            return self.wait(&until, &meter).await.map(|()| None);
        }
        let mut timed = Timed::new()?;
        loop {
            let count = until.take(self.batch, meter.clock.elapsed());
            if count == 0 {
                return Ok(Some(timed));
            }
            let done = match what {
                QueueLoad::Send => self.send(count, &meter, &mut timed).await?,
                QueueLoad::Cycle => {
                    self.send(count, &meter, &mut timed).await?;
                    self.drain(&meter, &mut timed).await?
                }
                QueueLoad::Drain | QueueLoad::Wait => {
                    let drained = self.drain(&meter, &mut timed).await?;
                    until.is_empty.fetch_or(drained.0 == 0, Ordering::Relaxed);
                    drained
                }
            };
            meter.count(done.0, done.1);
        }
    }

    /// Waits for messages again and again; at the end it is gone while the server waits.
    async fn wait(&mut self, until: &Until, meter: &Meter) -> Result<()> {
        loop {
            let left = until.end.saturating_sub(meter.clock.elapsed());
            match tokio::time::timeout(left, self.receive(WAIT_SECONDS)).await {
                Ok(received) => ensure!(received?.messages.is_empty(), "the queue is not empty"),
                Err(_) => {
                    // Nothing came, but time has passed.
                    meter.count(0, 0);
                    return Ok(());
                }
            }
        }
    }

    /// Returns how many messages were sent, and their bytes.
    async fn send(&mut self, count: u64, meter: &Meter, timed: &mut Timed) -> Result<(u64, u64)> {
        let mut body = format!(r#"{{"QueueUrl":"{}","#, self.url);
        let mut bytes = 0;
        if self.batch == 1 {
            bytes += self.push_message(&mut body)?;
        } else {
            body.push_str(r#""Entries":["#);
            for number in 0..count {
                write!(body, r#"{}{{"Id":"{number}","#, if number == 0 { "" } else { "," })?;
                bytes += self.push_message(&mut body)?;
                body.push('}');
            }
            body.push(']');
        }
        body.push('}');
        let action = if self.batch == 1 { "SendMessage" } else { "SendMessageBatch" };
        let begun_at = meter.clock.elapsed();
        let outcome: Outcome = self.client.call(action, body).await?;
        note(&mut timed.sent, meter, begun_at);
        if let Some(failed) = outcome.failed.first() {
            anyhow::bail!("a message was refused: {} {}", failed.code, failed.message);
        }
        Ok((count, bytes))
    }

    /// Adds what a message consists of; its body is letters, so nothing needs an escape.
    fn push_message(&mut self, body: &mut String) -> Result<u64> {
        let value = self.payload.value();
        let text = std::str::from_utf8(&value)?;
        write!(body, r#""MessageBody":"{text}""#)?;
        if let Some(groups) = self.groups {
            let (name, made) = (&self.name, self.made);
            let group = made % groups;
            write!(body, r#","MessageGroupId":"{group}","MessageDeduplicationId":"{name}-{made}""#)?;
        }
        self.made += 1;
        Ok(value.len() as u64)
    }

    async fn receive(&mut self, wait_seconds: u32) -> Result<Received> {
        let (url, batch) = (&self.url, self.batch);
        let body = format!(
            r#"{{"QueueUrl":"{url}","MaxNumberOfMessages":{batch},"VisibilityTimeout":{VISIBILITY_SECONDS},"WaitTimeSeconds":{wait_seconds}}}"#
        );
        self.client.call("ReceiveMessage", body).await
    }

    /// Receives what is there at once, and deletes it.
    async fn drain(&mut self, meter: &Meter, timed: &mut Timed) -> Result<(u64, u64)> {
        let begun_at = meter.clock.elapsed();
        let received = self.receive(0).await?;
        note(&mut timed.received, meter, begun_at);
        let count = received.messages.len();
        let bytes: usize = received.messages.iter().map(|message| message.body.len()).sum();
        if count == 0 {
            return Ok((0, 0));
        }
        let mut body = format!(r#"{{"QueueUrl":"{}","#, self.url);
        if self.batch == 1 {
            write!(body, r#""ReceiptHandle":"{}""#, received.messages[0].receipt_handle)?;
        } else {
            body.push_str(r#""Entries":["#);
            for (number, message) in received.messages.iter().enumerate() {
                let comma = if number == 0 { "" } else { "," };
                write!(body, r#"{comma}{{"Id":"{number}","ReceiptHandle":"{}"}}"#, message.receipt_handle)?;
            }
            body.push(']');
        }
        body.push('}');
        let action = if self.batch == 1 { "DeleteMessage" } else { "DeleteMessageBatch" };
        let begun_at = meter.clock.elapsed();
        let outcome: Outcome = self.client.call(action, body).await?;
        note(&mut timed.deleted, meter, begun_at);
        ensure!(outcome.failed.is_empty(), "a message could not be deleted: {}", outcome.failed[0].code);
        Ok((count as u64, bytes as u64))
    }
}

fn note(latencies: &mut Latencies, meter: &Meter, begun_at: Duration) {
    let now = meter.clock.elapsed();
    if now >= meter.begin {
        latencies.take(now - begun_at, 1);
    }
}
