//! `omnibus sub`: records become lines.

mod member;
mod show;

use anyhow::{Result, ensure};
use omnibus_record::Records;

use crate::brokers::{Brokers, Fetched, KafkaArgs, Place, Reader, TopicAt};
use crate::client::block_on;
use crate::output::{self, Format, Misuse};
use crate::signals::Signals;
use member::Member;
use show::Style;

/// How long a broker may wait for something new.
const WAIT_MS: i32 = 500;

/// What one partition may add to one answer.
const FETCH_BYTES: i32 = 1 << 20;

/// A batch that holds more than this is not shown.
const DECOMPRESSED_BYTES_MAX: u64 = 1 << 30;

/// Shows messages as they come, or as they are.
#[derive(Debug, clap::Args)]
pub(crate) struct SubArgs {
    /// The topic.
    topic: String,
    /// beginning, end, or an offset (of one --partition). With a group: where it begins if it
    /// has read nothing yet.
    #[arg(short, long, default_value = "end", value_name = "PLACE", value_parser = from)]
    from: From,
    /// All partitions if absent.
    #[arg(short, long, conflicts_with = "group")]
    partition: Option<i32>,
    /// Shares the topic with the other members of this consumer group, and remembers what was read.
    #[arg(short, long)]
    group: Option<String>,
    /// Ends after as many messages.
    #[arg(short = 'n', long)]
    count: Option<u64>,
    /// Ends at what is the end now.
    #[arg(short = 'e', long, conflicts_with = "group")]
    until_end: bool,
    /// Shows the key, too, and this behind it.
    #[arg(short = 'K', long, value_name = "SEPARATOR")]
    key_separator: Option<String>,
    #[command(flatten)]
    kafka: KafkaArgs,
}

/// Where to begin.
#[derive(Clone, Copy, Debug)]
enum From {
    Place(Place),
    Offset(i64),
}

fn from(text: &str) -> Result<From, String> {
    match text {
        "beginning" | "earliest" => Ok(From::Place(Place::Beginning)),
        "end" | "latest" => Ok(From::Place(Place::End)),
        _ => text.parse().map(From::Offset).map_err(|_| "write beginning, end or an offset".to_owned()),
    }
}

/// Shows messages until told to end, by count, by place or by a signal.
pub(crate) fn run(args: SubArgs, format: Format) -> Result<()> {
    block_on(async {
        let mut shown = Shown::new(&args, format);
        let mut cluster = args.kafka.cluster().await?;
        let topic = cluster.topic(&args.topic).await?;
        if let (From::Offset(_), None) = (args.from, args.partition) {
            let misuse = || Misuse("--from: an offset belongs to one partition; add --partition".to_owned());
            ensure!(topic.partitions.len() == 1, misuse());
        }
        let mut signals = Signals::listen()?;
        match &args.group {
            Some(group) => {
                let mut member = Member::join(cluster, topic, group).await?;
                let result = tokio::select! {
                    result = follow_group(&mut member, args.from, &mut shown) => result,
                    _ = signals.next() => Ok(()),
                };
                member.leave().await?;
                result
            }
            None => tokio::select! {
                result = follow(cluster, topic, &args, &mut shown) => result,
                _ = signals.next() => Ok(()),
            },
        }
    })
}

/// Reads without a group; nothing is remembered.
async fn follow(mut cluster: Brokers, topic: TopicAt, args: &SubArgs, shown: &mut Shown) -> Result<()> {
    if let Some(partition) = args.partition {
        topic.check_partition(partition)?;
    }
    let wanted = topic.partitions.iter().filter(|(partition, _)| args.partition.is_none_or(|only| only == *partition));
    let wanted: Vec<(i32, i32)> = wanted.copied().collect();
    let mut readers: Vec<(i32, Reader)> = Vec::new();
    let mut ends = Vec::new();
    for (partition, leader) in wanted {
        let offset = start(&mut cluster, &topic, partition, args.from).await?;
        if args.until_end {
            ends.push((partition, cluster.offset(&topic, partition, Place::End).await?));
        }
        let connection = cluster.leader(&topic, partition).await?;
        let known = readers.iter().position(|(of, _)| *of == leader);
        let known = known.unwrap_or_else(|| {
            readers.push((leader, Reader::new(connection, topic.clone(), FETCH_BYTES)));
            readers.len() - 1
        });
        readers[known].1.add(partition, offset);
    }
    while !(shown.is_enough() || args.until_end && is_at_end(&readers, &ends)) {
        for (_, reader) in &mut readers {
            let fetched = reader.fetch(WAIT_MS).await?;
            shown.show(&fetched)?;
        }
    }
    Ok(())
}

/// Reads what the group gives this member, and commits what was shown.
async fn follow_group(member: &mut Member, from: From, shown: &mut Shown) -> Result<()> {
    while !shown.is_enough() {
        member.keep_up(from).await?;
        for fetched in member.fetch().await? {
            let read = shown.show(std::slice::from_ref(&fetched))?;
            if let Some(next) = read {
                member.has_read(fetched.partition, next);
            }
            if shown.is_enough() {
                break;
            }
        }
        member.commit().await?;
    }
    Ok(())
}

/// The offset at which a partition is read first.
async fn start(cluster: &mut Brokers, topic: &TopicAt, partition: i32, from: From) -> Result<i64> {
    match from {
        From::Place(place) => cluster.offset(topic, partition, place).await,
        From::Offset(offset) => {
            let start = cluster.offset(topic, partition, Place::Beginning).await?;
            let end = cluster.offset(topic, partition, Place::End).await?;
            let is_there = (start..=end).contains(&offset);
            ensure!(
                is_there,
                "offset {offset} is not there: {} partition {partition} holds {start} to {end}",
                topic.name
            );
            Ok(offset)
        }
    }
}

fn is_at_end(readers: &[(i32, Reader)], ends: &[(i32, i64)]) -> bool {
    let position = |partition: &i32| readers.iter().find_map(|(_, reader)| reader.positions().get(partition));
    ends.iter().all(|(partition, end)| position(partition).is_some_and(|position| position >= end))
}

/// What was shown, and how.
struct Shown {
    style: Style,
    left: Option<u64>,
}

impl Shown {
    fn new(args: &SubArgs, format: Format) -> Self {
        let style = match format {
            Format::Json => Style::Json,
            Format::Table => Style::Lines { key_separator: args.key_separator.clone() },
        };
        Self { style, left: args.count }
    }

    fn is_enough(&self) -> bool {
        self.left == Some(0)
    }

    /// Shows records until it is enough; returns the offset behind the last.
    fn show(&mut self, fetched: &[Fetched]) -> Result<Option<i64>> {
        let mut behind = None;
        let mut shown = Vec::new();
        for batch in fetched {
            behind = self.write(batch, &mut shown)?.or(behind);
        }
        output::raw(&shown)?;
        output::flush()?;
        Ok(behind)
    }

    fn write(&mut self, fetched: &Fetched, shown: &mut Vec<u8>) -> Result<Option<i64>> {
        if fetched.header.is_control() {
            return Ok(Some(fetched.header.last_offset() + 1));
        }
        let mut behind = None;
        for record in Records::of(&fetched.batch, DECOMPRESSED_BYTES_MAX)? {
            let record = record?;
            let offset = i64::try_from(record.offset.0)?;
            if self.is_enough() {
                break;
            }
            if offset >= fetched.from {
                self.style.write(fetched.partition, &record, shown)?;
                self.left = self.left.map(|left| left - 1);
                behind = Some(offset + 1);
            }
        }
        Ok(behind)
    }
}
