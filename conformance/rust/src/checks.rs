//! What producers and consumers do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use rdkafka::admin::{AdminClient, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::{Check, administration, equal, fresh, until};

/// The time of a check's first record: within every default retention, or housekeeping takes the records away.
pub(crate) static TIME: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    (now - Duration::from_secs(3600)).as_millis() as i64
});
const SHORT: Duration = Duration::from_millis(100);
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) fn find(name: &str) -> Option<Check> {
    Some(match name {
        "compression_none" => |bootstrap| compression(bootstrap, "none"),
        "compression_gzip" => |bootstrap| compression(bootstrap, "gzip"),
        "compression_snappy" => |bootstrap| compression(bootstrap, "snappy"),
        "compression_lz4" => |bootstrap| compression(bootstrap, "lz4"),
        "compression_zstd" => |bootstrap| compression(bootstrap, "zstd"),
        "record_fields" => record_fields,
        "order_per_key" => order_per_key,
        "large_record" => large_record,
        "idempotence" => idempotence,
        "auto_create" => auto_create,
        "seek" => seek,
        "group_resume" => group_resume,
        "group_rebalance" => |bootstrap| rebalance(bootstrap, &[("partition.assignment.strategy", "range")]),
        "group_cooperative" => {
            |bootstrap| rebalance(bootstrap, &[("partition.assignment.strategy", "cooperative-sticky")])
        }
        "group_kip848" => |bootstrap| rebalance(bootstrap, &[("group.protocol", "consumer")]),
        "group_static" => group_static,
        "transactions_refused" => transactions_refused,
        other => return administration::find(other),
    })
}

/// Waits for an answer outside any other asynchronous work.
pub(crate) fn wait<T>(answer: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Runtime::new().expect("a runtime"));
    RUNTIME.block_on(answer)
}

fn config(bootstrap: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("linger.ms", "20");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

pub(crate) fn admin(bootstrap: &str) -> Result<AdminClient<DefaultClientContext>> {
    let mut config = ClientConfig::new();
    Ok(config.set("bootstrap.servers", bootstrap).create()?)
}

pub(crate) fn create(bootstrap: &str, partitions: i32) -> Result<String> {
    let topic = fresh("t");
    let wanted = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1));
    for answer in wait(admin(bootstrap)?.create_topics([&wanted], &Default::default()))? {
        answer.map_err(|(_, code)| code)?;
    }
    Ok(topic)
}

/// One record to send.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Option<OwnedHeaders>,
    pub(crate) time: Option<i64>,
}

pub(crate) fn numbered(count: usize) -> Vec<Record> {
    (0..count).map(|number| Record { value: Some(number.to_string().into_bytes()), ..Record::default() }).collect()
}

/// Sends in order and returns the offsets.
pub(crate) fn produce(
    bootstrap: &str,
    topic: &str,
    records: Vec<Record>,
    settings: &[(&str, &str)],
) -> Result<Vec<i64>> {
    let producer: FutureProducer = config(bootstrap, settings).create()?;
    let mut sent = Vec::new();
    for record in &records {
        let mut message = FutureRecord::<[u8], [u8]>::to(topic);
        (message.key, message.payload) = (record.key.as_deref(), record.value.as_deref());
        (message.headers, message.timestamp) = (record.headers.clone(), record.time);
        sent.push(producer.send_result(message).map_err(|(error, _)| error)?);
    }
    let mut offsets = Vec::new();
    for delivery in sent {
        offsets.push(wait(delivery)?.map_err(|(error, _)| error)?.offset);
    }
    Ok(offsets)
}

fn consumer(bootstrap: &str, group: &str, settings: &[(&str, &str)]) -> Result<BaseConsumer> {
    let mut config = config(bootstrap, &[]);
    config.remove("linger.ms");
    config.set("group.id", group).set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    Ok(config.create()?)
}

fn take(reader: &BaseConsumer, count: usize) -> Result<Vec<OwnedMessage>> {
    let mut taken = Vec::new();
    until("enough records", || {
        if let Some(message) = reader.poll(SHORT) {
            taken.push(BorrowedMessage::detach(&message?));
        }
        Ok(taken.len() >= count)
    })?;
    Ok(taken)
}

fn at(topic: &str, offset: Offset) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, offset)?;
    Ok(list)
}

pub(crate) fn read(bootstrap: &str, topic: &str, count: usize) -> Result<Vec<OwnedMessage>> {
    let reader = consumer(bootstrap, &fresh("g"), &[])?;
    reader.assign(&at(topic, Offset::Beginning)?)?;
    take(&reader, count)
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "missing".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn value(message: &OwnedMessage) -> String {
    text(message.payload())
}

fn compression(bootstrap: &str, codec: &str) -> Result<()> {
    let topic = create(bootstrap, 1)?;
    produce(bootstrap, &topic, numbered(500), &[("compression.type", codec)])?;
    for (number, message) in read(bootstrap, &topic, 500)?.iter().enumerate() {
        equal(value(message), number.to_string(), "value")?;
    }
    Ok(())
}

fn record_fields(bootstrap: &str) -> Result<()> {
    let topic = create(bootstrap, 1)?;
    let mut headers = OwnedHeaders::new();
    for (key, value) in [("a", Some("1")), ("a", Some("2")), ("empty", Some("")), ("missing", None)] {
        headers = headers.insert(Header { key, value });
    }
    let record = |key: &str, value: &str, time| Record {
        key: Some(key.into()),
        value: Some(value.into()),
        time: Some(*TIME + time),
        ..Record::default()
    };
    let full = Record { headers: Some(headers), ..record("key", "value", 123) };
    let bare = Record { time: Some(*TIME + 125), ..Record::default() };
    produce(bootstrap, &topic, vec![full, record("", "", 124), bare], &[])?;
    let got = read(bootstrap, &topic, 3)?;
    let fields: Vec<String> = got.iter().map(|message| format!("{} {}", text(message.key()), value(message))).collect();
    equal(fields, ["key value", " ", "missing missing"].map(str::to_owned).to_vec(), "keys and values")?;
    let times: Vec<Option<i64>> = got.iter().map(|message| message.timestamp().to_millis()).collect();
    equal(times, [123, 124, 125].map(|time| Some(*TIME + time)).to_vec(), "timestamps")?;
    let headers =
        got[0].headers().map(|headers| headers.iter().map(|h| format!("{}={}", h.key, text(h.value))).collect());
    equal(headers, Some(["a=1", "a=2", "empty=", "missing=missing"].map(str::to_owned).to_vec()), "headers")
}

fn order_per_key(bootstrap: &str) -> Result<()> {
    let topic = create(bootstrap, 4)?;
    let mut records = numbered(10_000);
    for (number, record) in records.iter_mut().enumerate() {
        record.key = Some((number % 100).to_string().into_bytes());
    }
    produce(bootstrap, &topic, records, &[])?;
    let reader = consumer(bootstrap, &fresh("g"), &[])?;
    reader.subscribe(&[&topic])?;
    let mut last = BTreeMap::new();
    for message in take(&reader, 10_000)? {
        let number: i64 = value(&message).parse()?;
        let before = last.insert(text(message.key()), number).unwrap_or(number % 100 - 100);
        equal(before, number - 100, "the record before")?;
    }
    equal(last.len(), 100, "keys")
}

fn large_record(bootstrap: &str) -> Result<()> {
    let topic = create(bootstrap, 1)?;
    let body: Vec<u8> = (0..=255).cycle().take(900_000).collect();
    let record = Record { value: Some(body.clone()), ..Record::default() };
    produce(bootstrap, &topic, vec![record], &[("compression.type", "none")])?;
    ensure!(read(bootstrap, &topic, 1)?[0].payload() == Some(&body), "not the same bytes");
    Ok(())
}

fn idempotence(bootstrap: &str) -> Result<()> {
    let topic = create(bootstrap, 1)?;
    let offsets = produce(bootstrap, &topic, numbered(2000), &[("enable.idempotence", "true")])?;
    equal(offsets, (0..2000).collect(), "offsets")
}

fn auto_create(bootstrap: &str) -> Result<()> {
    let topic = fresh("auto");
    produce(bootstrap, &topic, numbered(1), &[])?;
    let metadata = admin(bootstrap)?.inner().fetch_metadata(None, LONG)?;
    equal(metadata.topics().iter().any(|other| other.name() == topic), true, "the topic exists")
}

fn seek(bootstrap: &str) -> Result<()> {
    let topic = create(bootstrap, 1)?;
    let mut records = numbered(100);
    for (record, time) in records.iter_mut().zip(*TIME..) {
        record.time = Some(time);
    }
    produce(bootstrap, &topic, records, &[])?;
    let reader = consumer(bootstrap, &fresh("g"), &[])?;
    reader.assign(&at(&topic, Offset::Beginning)?)?;
    take(&reader, 100)?;
    let found = reader.offsets_for_times(at(&topic, Offset::Offset(*TIME + 70))?, LONG)?;
    let by_time = found.elements()[0].offset();
    for (offset, wanted) in [(Offset::Offset(40), "40"), (by_time, "70"), (Offset::Beginning, "0")] {
        reader.seek(&topic, 0, offset, LONG)?;
        equal(value(&take(&reader, 1)?[0]), wanted.to_owned(), "the first record after seeking")?;
    }
    Ok(())
}

fn group_resume(bootstrap: &str) -> Result<()> {
    let (topic, group) = (create(bootstrap, 1)?, fresh("g"));
    produce(bootstrap, &topic, numbered(100), &[])?;
    let first = consumer(bootstrap, &group, &[])?;
    first.subscribe(&[&topic])?;
    take(&first, 30)?;
    let position = at(&topic, Offset::Offset(30))?;
    if let Some(mut partition) = position.find_partition(&topic, 0) {
        partition.set_metadata("a note");
    }
    first.commit(&position, CommitMode::Sync)?;
    drop(first);
    let second = consumer(bootstrap, &group, &[])?;
    let committed = second.committed_offsets(at(&topic, Offset::Invalid)?, LONG)?;
    let committed = &committed.elements()[0];
    equal((committed.offset(), committed.metadata()), (Offset::Offset(30), "a note"), "committed")?;
    second.subscribe(&[&topic])?;
    equal(value(&take(&second, 1)?[0]), "30".to_owned(), "the next record")
}

/// Polls until the readers' shares have these sizes.
fn shares(readers: &[&BaseConsumer], wanted: &[usize]) -> Result<()> {
    until(&format!("shares of {wanted:?}"), || {
        let (mut sizes, mut owned) = (Vec::new(), BTreeSet::new());
        for reader in readers {
            reader.poll(SHORT).transpose()?;
            let share = reader.assignment()?;
            sizes.push(share.count());
            owned.extend(share.elements().iter().map(|partition| partition.partition()));
        }
        Ok(sizes == wanted && owned.len() == 4)
    })
}

fn member(bootstrap: &str, topic: &str, group: &str, settings: &[(&str, &str)]) -> Result<BaseConsumer> {
    let member = consumer(bootstrap, group, settings)?;
    member.subscribe(&[topic])?;
    Ok(member)
}

fn rebalance(bootstrap: &str, settings: &[(&str, &str)]) -> Result<()> {
    let (topic, group) = (create(bootstrap, 4)?, fresh("g"));
    let first = member(bootstrap, &topic, &group, settings)?;
    let second = member(bootstrap, &topic, &group, settings)?;
    shares(&[&first, &second], &[2, 2])?;
    drop(first);
    shares(&[&second], &[4])?;
    produce(bootstrap, &topic, numbered(40), &[])?;
    take(&second, 40)?;
    Ok(second.commit_consumer_state(CommitMode::Sync)?)
}

/// The partitions of a reader as plain numbers: a list of the library's own would keep the
/// reader from closing.
fn owned(reader: &BaseConsumer) -> Result<Vec<i32>> {
    Ok(reader.assignment()?.elements().iter().map(|partition| partition.partition()).collect())
}

fn group_static(bootstrap: &str) -> Result<()> {
    let (topic, group) = (create(bootstrap, 4)?, fresh("g"));
    let join =
        |name| member(bootstrap, &topic, &group, &[("group.instance.id", name), ("session.timeout.ms", "30000")]);
    let (one, two) = (join("one")?, join("two")?);
    shares(&[&one, &two], &[2, 2])?;
    let before = owned(&one)?;
    drop(one);
    std::thread::sleep(Duration::from_secs(1));
    two.poll(SHORT).transpose()?;
    equal(two.assignment()?.count(), 2, "the other's share while the member is away")?;
    let one = join("one")?;
    shares(&[&one, &two], &[2, 2])?;
    equal(owned(&one)?, before, "its share when it is back")
}

fn transactions_refused(bootstrap: &str) -> Result<()> {
    let name = fresh("x");
    let producer: FutureProducer = config(bootstrap, &[("transactional.id", &name)]).create()?;
    ensure!(producer.init_transactions(LONG).is_err(), "a transaction was accepted");
    Ok(())
}
