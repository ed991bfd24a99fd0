//! Very many topics: create them, write to their partitions at random, and check every record.
//!
//! Where a record goes and what it holds follows from its number alone, so that a later run,
//! after a restart of the broker, can check what an earlier one wrote.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use omnibus_io::{Clock, SystemClock};
use omnibus_kafka::client::{Answer, Client, Connection, check};
use omnibus_kafka::wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use omnibus_kafka::wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use omnibus_kafka::wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use omnibus_kafka::wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use omnibus_kafka::wire::messages::produce_response::ProduceResponse;
use omnibus_kafka::wire::{ApiKey, Records as WireRecords, WireString};
use omnibus_model::{Timestamp, TopicId};
use omnibus_record::{BatchBuilder, BatchHeader, Codec, Records, Stamp};
use serde::Serialize;

use crate::brokers::KafkaArgs;
use crate::output::{self, Format};

/// Kafka creates at most so many partitions for one request.
const CREATE_PARTITIONS_MAX: usize = 10_000;
/// Topics that one Metadata request asks for.
const METADATA_TOPICS: usize = 500;
/// Records that one Produce request brings.
const WRITE_RECORDS: u64 = 2_000;
const WRITES_IN_FLIGHT: usize = 4;
/// Partitions that one Fetch request asks for.
const READ_PARTITIONS: usize = 1_000;
const READ_PARTITION_BYTES: i32 = 64 << 10;
const TIMEOUT_MS: i32 = 60_000;
const VALUE_BYTES: usize = 100;
const DECOMPRESSED_BYTES_MAX: u64 = 1 << 20;

/// Creates, writes to or checks very many topics.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct TopicsArgs {
    #[arg(value_enum)]
    step: Step,
    /// How many topics.
    #[arg(long, default_value_t = 10_000)]
    topics: u32,
    /// Partitions of each.
    #[arg(long, default_value_t = 16)]
    partitions: u32,
    /// Records to write, or to check.
    #[arg(long, default_value_t = 200_000)]
    records: u64,
    /// Records that an earlier run has written, or checked.
    #[arg(long, default_value_t = 0)]
    skip: u64,
    #[command(flatten)]
    kafka: KafkaArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Step {
    /// Creates the topics.
    Create,
    /// Writes records to random partitions.
    Write,
    /// Reads every partition that has records, from its beginning, and compares.
    Check,
    /// Does so with one partition only.
    Probe,
}

/// What was done.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    step: Step,
    /// Topics created, or records written or found as they were written.
    count: u64,
    /// Partitions that hold records.
    partitions: u64,
    seconds: f64,
}

/// A partition: the number of its topic and its own.
type Place = (u32, u32);

/// The ids of topics by their names.
type Ids = BTreeMap<WireString, TopicId>;

/// Runs one step.
pub(super) async fn run(args: &TopicsArgs, clock: &SystemClock) -> Result<Told> {
    let client = args.kafka.cluster().await?.into_client();
    let work = Work { connection: client.any().clone(), args };
    let begun = clock.elapsed();
    let (count, partitions) = match args.step {
        Step::Create => work.create().await?,
        Step::Write => work.write(clock).await?,
        Step::Check => work.check(work.placed(0..args.skip + args.records)).await?,
        Step::Probe => work.check(work.placed(0..args.skip + args.records).into_iter().take(1).collect()).await?,
    };
    drop::<Client>(client);
    Ok(Told { step: args.step, count, partitions, seconds: (clock.elapsed() - begun).as_secs_f64() })
}

impl Told {
    /// Prints it.
    pub(super) fn print(&self, format: Format) -> Result<()> {
        if format == Format::Json {
            return output::json(self);
        }
        let Self { step, count, partitions, seconds } = self;
        output::line(format_args!("{step:?}: {count} in {partitions} partitions, {seconds:.2} s"))
    }
}

/// The step's connection and arguments.
struct Work<'a> {
    connection: Connection,
    args: &'a TopicsArgs,
}

impl Work<'_> {
    async fn create(&self) -> Result<(u64, u64)> {
        let TopicsArgs { topics, partitions, .. } = *self.args;
        let at_once = (CREATE_PARTITIONS_MAX / usize::try_from(partitions)?).max(1);
        let names: Vec<WireString> = (0..topics).map(name).collect();
        for names in names.chunks(at_once) {
            let topic = |name: &WireString| {
                Ok(CreatableTopic {
                    name: name.clone(),
                    num_partitions: i32::try_from(partitions)?,
                    replication_factor: -1,
                    ..CreatableTopic::default()
                })
            };
            let topics = names.iter().map(topic).collect::<Result<_>>()?;
            let request = CreateTopicsRequest { topics, timeout_ms: TIMEOUT_MS, validate_only: false };
            for topic in self.connection.call(&request).await?.topics {
                check(ApiKey::CreateTopics, topic.error_code).with_context(|| topic.name.to_string())?;
            }
        }
        Ok((u64::from(topics), u64::from(topics) * u64::from(partitions)))
    }

    async fn write(&self, clock: &SystemClock) -> Result<(u64, u64)> {
        let ids = self.ids((0..self.args.topics).collect()).await?;
        let TopicsArgs { records, skip, .. } = *self.args;
        let now = Timestamp(clock.wall_millis());
        let mut answers = VecDeque::new();
        let mut next = skip;
        while next < skip + records {
            let end = (next + WRITE_RECORDS).min(skip + records);
            if answers.len() >= WRITES_IN_FLIGHT {
                written(answers.pop_front()).await?;
            }
            answers.push_back(self.connection.start(&self.produce(next..end, &ids, now)).await?);
            next = end;
        }
        while !answers.is_empty() {
            written(answers.pop_front()).await?;
        }
        Ok((records, self.placed(skip..skip + records).len() as u64))
    }

    fn produce(&self, records: Range<u64>, ids: &Ids, now: Timestamp) -> ProduceRequest {
        let mut topics: BTreeMap<u32, Vec<PartitionProduceData>> = BTreeMap::new();
        for ((topic, partition), records) in self.placed(records) {
            let mut builder = BatchBuilder::new(Codec::None);
            for record in records {
                builder.push(now, None, Some(&value(record)), &[]);
            }
            let records = Some(WireRecords::from(builder.finish(Stamp::default())));
            let data = PartitionProduceData { index: number(partition), records };
            topics.entry(topic).or_default().push(data);
        }
        let data =
            |(topic, partition_data)| TopicProduceData { name: name(topic), topic_id: id(ids, topic), partition_data };
        let topic_data = topics.into_iter().map(data).collect();
        ProduceRequest { transactional_id: None, acks: -1, timeout_ms: TIMEOUT_MS, topic_data }
    }

    /// Checks partitions, which hold what this and earlier runs have written.
    async fn check(&self, placed: BTreeMap<Place, Vec<u64>>) -> Result<(u64, u64)> {
        let topics: Vec<u32> = placed.keys().map(|(topic, _)| *topic).collect();
        let ids = self.ids(topics).await?;
        let records = placed.values().map(|records| records.len() as u64).sum();
        let count = placed.len() as u64;
        let mut left: Vec<Left> = placed.into_iter().map(|(place, records)| Left { place, records, read: 0 }).collect();
        while !left.is_empty() {
            let rest = left.split_off(left.len().min(READ_PARTITIONS));
            let before: usize = left.iter().map(|left| left.read).sum();
            self.read(&mut left, &ids).await?;
            let has_read = left.iter().map(|left| left.read).sum::<usize>() > before;
            ensure!(has_read, "{:?} and others do not give all their records", left[0].place);
            left.retain(|left| left.read < left.records.len());
            left.extend(rest);
        }
        Ok((records, count))
    }

    /// Reads what one answer brings of these partitions, which are in order.
    async fn read(&self, left: &mut [Left], ids: &Ids) -> Result<()> {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for wanted in &*left {
            let topic = name(wanted.place.0);
            if topics.last().is_none_or(|last| last.topic != topic) {
                let topic_id = id(ids, wanted.place.0);
                topics.push(FetchTopic { topic, topic_id, ..FetchTopic::default() });
            }
            if let Some(last) = topics.last_mut() {
                last.partitions.push(wanted.request());
            }
        }
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: i32::MAX,
            session_epoch: -1,
            topics,
            ..FetchRequest::default()
        };
        let response = self.connection.call(&request).await?;
        check(ApiKey::Fetch, response.error_code)?;
        let answers: BTreeMap<(WireString, TopicId, i32), _> = response
            .responses
            .into_iter()
            .flat_map(|topic| topic.partitions.into_iter().map(move |data| (topic.topic.clone(), topic.topic_id, data)))
            .map(|(topic, id, data)| ((topic, id, data.partition_index), data))
            .collect();
        for wanted in left {
            let (topic, partition) = wanted.place;
            let (named, id) = (name(topic), id(ids, topic));
            let by_id = answers.get(&(WireString::default(), id, number(partition)));
            let data = by_id.or_else(|| answers.get(&(named, TopicId::default(), number(partition))));
            let data = data.with_context(|| format!("no answer for {:?}", wanted.place))?;
            check(ApiKey::Fetch, data.error_code).with_context(|| format!("{:?}", wanted.place))?;
            wanted.take(data.records.clone().unwrap_or_default())?;
        }
        Ok(())
    }

    /// Which records each partition gets, in order.
    fn placed(&self, records: Range<u64>) -> BTreeMap<Place, Vec<u64>> {
        let mut placed: BTreeMap<Place, Vec<u64>> = BTreeMap::new();
        for record in records {
            placed.entry(place(record, self.args)).or_default().push(record);
        }
        placed
    }

    async fn ids(&self, mut numbers: Vec<u32>) -> Result<Ids> {
        numbers.dedup();
        let mut ids = Ids::new();
        for numbers in numbers.chunks(METADATA_TOPICS) {
            let named = |topic: &u32| MetadataRequestTopic { name: Some(name(*topic)), topic_id: TopicId::default() };
            let topics = Some(numbers.iter().map(named).collect());
            let request = MetadataRequest { topics, allow_auto_topic_creation: false, ..MetadataRequest::default() };
            for topic in self.connection.call(&request).await?.topics {
                let name = topic.name.unwrap_or_default();
                check(ApiKey::Metadata, topic.error_code).with_context(|| name.to_string())?;
                ensure!(topic.partitions.len() == usize::try_from(self.args.partitions)?, "{name} lacks partitions");
                ids.insert(name, topic.topic_id);
            }
        }
        ensure!(ids.len() == numbers.len(), "the broker knows {} of {} topics", ids.len(), numbers.len());
        Ok(ids)
    }
}

/// What is still to be read of a partition.
struct Left {
    place: Place,
    /// All that it should hold.
    records: Vec<u64>,
    read: usize,
}

impl Left {
    fn request(&self) -> FetchPartition {
        FetchPartition {
            partition: number(self.place.1),
            current_leader_epoch: -1,
            fetch_offset: i64::try_from(self.read).unwrap_or(i64::MAX),
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: READ_PARTITION_BYTES,
            ..FetchPartition::default()
        }
    }

    fn take(&mut self, records: WireRecords) -> Result<()> {
        let mut bytes = BytesMut::new();
        records.0.iter().for_each(|piece| bytes.extend_from_slice(piece));
        for batch in omnibus_record::batches(bytes.freeze()) {
            self.take_batch(&batch)?;
        }
        Ok(())
    }

    fn take_batch(&mut self, batch: &Bytes) -> Result<()> {
        let offsets = BatchHeader::read(batch)?.base_offset..;
        for (offset, record) in offsets.zip(Records::of(batch, DECOMPRESSED_BYTES_MAX)?) {
            let record = record?;
            // The answer may begin with a batch that was partly read before.
            if offset == i64::try_from(self.read)? {
                let expected = self.records.get(self.read).with_context(|| format!("{:?} has too much", self.place))?;
                let is_same = record.value.as_deref() == Some(value(*expected).as_slice());
                ensure!(is_same, "{:?} holds something else at offset {offset}", self.place);
                self.read += 1;
            }
        }
        Ok(())
    }
}

async fn written(answer: Option<Answer<ProduceResponse>>) -> Result<()> {
    let Some(answer) = answer else { return Ok(()) };
    for topic in answer.wait().await?.responses {
        for partition in topic.partition_responses {
            check(ApiKey::Produce, partition.error_code)?;
        }
    }
    Ok(())
}

fn name(topic: u32) -> WireString {
    format!("many-{topic}").as_str().into()
}

fn id(ids: &Ids, topic: u32) -> TopicId {
    ids.get(&name(topic)).copied().unwrap_or_default()
}

fn number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// Where a record goes.
fn place(record: u64, args: &TopicsArgs) -> Place {
    let within = |bits: u64, count: u32| u32::try_from(bits % u64::from(count.max(1))).unwrap_or_default();
    let mixed = mix(record);
    (within(mixed >> 32, args.topics), within(mixed & u64::from(u32::MAX), args.partitions))
}

/// What a record holds.
fn value(record: u64) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    let mut state = record;
    for word in value.chunks_mut(8) {
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
        state = mix(state);
    }
    value
}

/// The output function of SplitMix64.
const fn mix(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let seed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ seed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ seed >> 31
}
