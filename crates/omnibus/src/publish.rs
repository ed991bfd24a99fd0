//! `omnibus pub`: lines become records.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use omnibus_io::{Clock, SystemClock};
use omnibus_model::Timestamp;
use omnibus_record::{BatchBuilder, Codec, Header, Stamp};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::brokers::{Acks, Batch, Brokers, CodecName, KafkaArgs, Sent, TopicAt, partition_of_key, send};
use crate::client::block_on;
use crate::output::{self, Format, Misuse};

/// Lines that may wait to be sent.
const LINES_MAX: usize = 1000;

/// A batch is sent when it has as many bytes.
const BATCH_BYTES: usize = 512 << 10;

/// Publishes messages: those on the command line, or else every line of standard input.
#[derive(Debug, clap::Args)]
pub(crate) struct PubArgs {
    /// The topic; made if it is not there.
    topic: String,
    /// The messages; none for standard input.
    messages: Vec<String>,
    /// Publishes every line of this file instead.
    #[arg(short, long, value_name = "FILE", conflicts_with = "messages")]
    file: Option<PathBuf>,
    /// The key of every message.
    #[arg(short, long, conflicts_with = "key_separator")]
    key: Option<String>,
    /// What stands before this is the key of the message.
    #[arg(short = 'K', long, value_name = "SEPARATOR")]
    key_separator: Option<String>,
    /// A header of every message.
    #[arg(short = 'H', long = "header", value_name = "KEY=VALUE")]
    headers: Vec<String>,
    /// Chosen by key, or in turn, if absent.
    #[arg(short, long)]
    partition: Option<i32>,
    /// What to wait for.
    #[arg(short, long, value_enum, default_value_t)]
    acks: Acks,
    /// How to compress.
    #[arg(short = 'z', long, value_enum, default_value_t)]
    compression: CodecName,
    #[command(flatten)]
    kafka: KafkaArgs,
}

/// What was published.
#[derive(Debug, Serialize)]
struct Published {
    topic: String,
    records: u64,
}

/// A message before it has a partition.
struct Message {
    key: Option<Vec<u8>>,
    value: Vec<u8>,
}

/// Publishes everything.
pub(crate) fn run(args: PubArgs, format: Format) -> Result<()> {
    block_on(async {
        let mut publisher = Publisher::new(&args).await?;
        let mut lines = lines(&args)?;
        let mut waiting = Vec::with_capacity(LINES_MAX);
        while lines.recv_many(&mut waiting, LINES_MAX).await > 0 {
            let messages = waiting.drain(..).map(|line| args.message(line?)).collect::<Result<Vec<_>>>()?;
            publisher.publish(&messages).await?;
        }
        let published = Published { topic: args.topic.clone(), records: publisher.published };
        match format {
            Format::Json => output::json(&published),
            Format::Table => output::line(format_args!("published {} to {}", published.records, published.topic)),
        }
    })
}

impl PubArgs {
    fn message(&self, line: Vec<u8>) -> Result<Message> {
        let Some(separator) = &self.key_separator else {
            return Ok(Message { key: self.key.clone().map(String::into_bytes), value: line });
        };
        let at = line.windows(separator.len().max(1)).position(|window| window == separator.as_bytes());
        let at =
            at.with_context(|| format!("{:?} has no {separator:?} that ends its key", String::from_utf8_lossy(&line)))?;
        Ok(Message { key: Some(line[..at].to_vec()), value: line[at + separator.len()..].to_vec() })
    }

    fn headers(&self) -> Result<Vec<Header>> {
        let header = |text: &String| match text.split_once('=') {
            Some((key, value)) => {
                Ok(Header { key: Bytes::copy_from_slice(key.as_bytes()), value: Some(value.to_owned().into()) })
            }
            None => bail!(Misuse(format!("--header {text}: write KEY=VALUE"))),
        };
        self.headers.iter().map(header).collect()
    }
}

/// Everything that stays the same from batch to batch.
struct Publisher<'a> {
    args: &'a PubArgs,
    cluster: Brokers,
    topic: TopicAt,
    headers: Vec<Header>,
    clock: SystemClock,
    /// Messages without a key go to the partitions in turn.
    turn: usize,
    published: u64,
}

impl<'a> Publisher<'a> {
    async fn new(args: &'a PubArgs) -> Result<Self> {
        let headers = args.headers()?;
        let mut cluster = args.kafka.cluster().await?;
        let topic = match cluster.find(&args.topic).await? {
            Some(topic) => topic,
            None => cluster.create(&args.topic, None).await?,
        };
        if let Some(partition) = args.partition {
            topic.check_partition(partition)?;
        }
        Ok(Self { args, cluster, topic, headers, clock: SystemClock::default(), turn: 0, published: 0 })
    }

    /// Sends messages in batches, and waits for them.
    async fn publish(&mut self, messages: &[Message]) -> Result<()> {
        let now = Timestamp(self.clock.wall_millis());
        let codec = Codec::from(self.args.compression);
        let mut builders: BTreeMap<i32, BatchBuilder> = BTreeMap::new();
        let mut sent = Vec::new();
        for message in messages {
            let partition = self.partition(message);
            let builder = builders.entry(partition).or_insert_with(|| BatchBuilder::new(codec));
            builder.push(now, message.key.as_deref(), Some(&message.value), &self.headers);
            if builder.bytes() >= BATCH_BYTES {
                let bytes = builder.finish(Stamp::default());
                sent.push(self.send(Batch { partition, bytes }).await?);
            }
        }
        for (partition, mut builder) in builders {
            if builder.count() > 0 {
                let bytes = builder.finish(Stamp::default());
                sent.push(self.send(Batch { partition, bytes }).await?);
            }
        }
        for batch in sent {
            batch.written().await?;
        }
        self.turn += 1;
        self.published += messages.len() as u64;
        Ok(())
    }

    async fn send(&mut self, batch: Batch) -> Result<Sent> {
        let connection = self.cluster.leader(&self.topic, batch.partition).await?;
        send(&connection, &self.topic, batch, self.args.acks).await
    }

    fn partition(&self, message: &Message) -> i32 {
        if let Some(partition) = self.args.partition {
            return partition;
        }
        let count = self.topic.partitions.len();
        let place = message.key.as_ref().map_or(self.turn % count.max(1), |key| partition_of_key(key, count));
        self.topic.partitions[place].0
    }
}

/// Hands over messages one by one; a reader's pace is kept by the channel.
fn lines(args: &PubArgs) -> Result<mpsc::Receiver<Result<Vec<u8>>>> {
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    let messages: Vec<Vec<u8>> = args.messages.iter().map(|message| message.clone().into_bytes()).collect();
    let source: Box<dyn Iterator<Item = Result<Vec<u8>>> + Send> = match &args.file {
        Some(file) => {
            let open = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
            Box::new(lines_of(open))
        }
        None if messages.is_empty() => Box::new(lines_of(std::io::stdin())),
        None => Box::new(messages.into_iter().map(Ok)),
    };
    std::thread::spawn(move || {
        for line in source {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    Ok(receiver)
}

fn lines_of(source: impl Read) -> impl Iterator<Item = Result<Vec<u8>>> {
    BufReader::new(source).split(b'\n').map(|line| {
        let mut line = line.context("reading messages")?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line)
    })
}
