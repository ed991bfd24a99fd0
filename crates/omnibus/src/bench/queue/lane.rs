//! What one connection does, one request after the other.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// Who drains and finds nothing waits so long the next time: others may hold what is left.
const EMPTY_WAIT_SECONDS: u32 = 1;
/// A queue is empty for whom it was empty so many times in a row.
const EMPTY_MAX: u32 = 3;

/// What ends a measurement.
#[derive(Debug)]
pub(super) struct Until {
    end: Duration,
    left: AtomicU64,
}

impl Until {
    pub(super) fn new(end: Duration, records: Option<u64>) -> Self {
        Self { end, left: AtomicU64::new(records.unwrap_or(u64::MAX)) }
    }

    /// Takes up to `wanted` messages from what is left; none at the end.
    fn take(&self, wanted: u64, now: Duration) -> u64 {
        if now >= self.end {
            return 0;
        }
        let less = |left: u64| Some(left.saturating_sub(wanted));
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        before.unwrap_or_else(|left| left).min(wanted)
    }

    /// Leaves to others what was taken and not done.
    fn give_back(&self, count: u64) {
        self.left.fetch_add(count, Ordering::Relaxed);
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
    /// Begins the names of the queues that this lane makes.
    queues: String,
    made: u64,
}

impl Lane {
    pub(super) fn new(args: &QueueBenchArgs, number: usize, url: &str, client: Client) -> Result<Self> {
        let groups = is_fifo(&args.queue).then_some(args.groups.get());
        let payload = Payload::new(usize::try_from(args.record.0)?);
        let name = format!("{}-{number}", std::process::id());
        let queues = format!("{}-{number}", args.queue.trim_end_matches(".fifo"));
        // Lanes begin with different groups.
        let made = number as u64 * u64::from(args.batch);
        Ok(Self { client, url: url.to_owned(), batch: args.batch.into(), groups, payload, name, queues, made })
    }

    /// Goes on until the end.
    pub(super) async fn run(mut self, what: QueueLoad, until: Arc<Until>, meter: Arc<Meter>) -> Result<Option<Timed>> {
        if what == QueueLoad::Wait {
            return self.wait(&until, &meter).await.map(|()| None);
        }
        let mut timed = Timed::new()?;
        let mut empty = 0;
        loop {
            let count = until.take(self.batch, meter.clock.elapsed());
            if count == 0 || empty == EMPTY_MAX {
                until.give_back(count);
                return Ok(Some(timed));
            }
            let done = match what {
                QueueLoad::Create => self.create(count).await?,
                QueueLoad::Send => self.send(count, &meter, &mut timed).await?,
                QueueLoad::Cycle => {
                    self.send(count, &meter, &mut timed).await?;
                    self.drain((self.batch, 0), &meter, &mut timed).await?
                }
                QueueLoad::Drain | QueueLoad::Wait => {
                    let wait_seconds = if empty > 0 { EMPTY_WAIT_SECONDS } else { 0 };
                    let drained = self.drain((count, wait_seconds), &meter, &mut timed).await?;
                    until.give_back(count.saturating_sub(drained.0));
                    empty = if drained.0 == 0 { empty + 1 } else { 0 };
                    drained
                }
            };
            if done.0 > 0 {
                meter.count(done.0, done.1);
            }
        }
    }

    /// Makes so many queues.
    async fn create(&mut self, count: u64) -> Result<(u64, u64)> {
        for _ in 0..count {
            let (stem, made) = (&self.queues, self.made);
            let name = if self.groups.is_some() { format!("{stem}-{made}.fifo") } else { format!("{stem}-{made}") };
            self.client.create_queue(&name, self.groups.is_some()).await?;
            self.made += 1;
        }
        Ok((count, 0))
    }

    /// Waits for messages again and again; at the end it is gone while the server waits.
    async fn wait(&mut self, until: &Until, meter: &Meter) -> Result<()> {
        loop {
            let left = until.end.saturating_sub(meter.clock.elapsed());
            match tokio::time::timeout(left, self.receive(self.batch, WAIT_SECONDS)).await {
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

    async fn receive(&mut self, batch: u64, wait_seconds: u32) -> Result<Received> {
        let url = &self.url;
        let body = format!(
            r#"{{"QueueUrl":"{url}","MaxNumberOfMessages":{batch},"VisibilityTimeout":{VISIBILITY_SECONDS},"WaitTimeSeconds":{wait_seconds}}}"#
        );
        self.client.call("ReceiveMessage", body).await
    }

    /// Receives up to so many messages and deletes them; without any it waits.
    async fn drain(
        &mut self,
        (batch, wait_seconds): (u64, u32),
        meter: &Meter,
        timed: &mut Timed,
    ) -> Result<(u64, u64)> {
        let begun_at = meter.clock.elapsed();
        let received = self.receive(batch, wait_seconds).await?;
        let count = received.messages.len();
        let bytes: usize = received.messages.iter().map(|message| message.body.len()).sum();
        if count == 0 {
            return Ok((0, 0));
        }
        note(&mut timed.received, meter, begun_at);
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
