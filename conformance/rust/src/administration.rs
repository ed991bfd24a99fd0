//! What an administrator does.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset};

use crate::checks::{LONG, Record, TIME, admin, create, numbered, produce, read, wait};
use crate::{Check, equal, fresh, until};

pub(crate) fn find(name: &str) -> Option<Check> {
    Some(match name {
        "admin_topics" => topics,
        "admin_configs" => configs,
        "unknown_config_refused" => unknown_config_refused,
        "admin_partitions" => partitions,
        "admin_delete_records" => delete_records,
        "admin_offsets" => offsets,
        "admin_groups" => groups,
        _ => return None,
    })
}

/// The error code that each of an administrator's calls has for one thing.
type Codes = Vec<std::result::Result<String, (String, RDKafkaErrorCode)>>;

fn code(answers: Codes) -> Option<RDKafkaErrorCode> {
    answers.into_iter().find_map(|answer| answer.err().map(|(_, code)| code))
}

fn partition_count(bootstrap: &str, topic: &str) -> Result<usize> {
    let metadata = admin(bootstrap)?.inner().fetch_metadata(Some(topic), LONG)?;
    Ok(metadata.topics()[0].partitions().len())
}

fn topics(bootstrap: &str) -> Result<()> {
    let (topic, client) = (create(bootstrap, 3)?, admin(bootstrap)?);
    equal(partition_count(bootstrap, &topic)?, 3, "partitions")?;
    let again = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    let answers = wait(client.create_topics([&again], &Default::default()))?;
    equal(code(answers), Some(RDKafkaErrorCode::TopicAlreadyExists), "a topic that exists")?;
    equal(code(wait(client.delete_topics(&[&topic], &Default::default()))?), None, "deleting the topic")?;
    until("the topic is gone", || {
        let metadata = client.inner().fetch_metadata(None, LONG)?;
        Ok(!metadata.topics().iter().any(|other| other.name() == topic))
    })?;
    let answers = wait(client.delete_topics(&[&topic], &Default::default()))?;
    equal(code(answers), Some(RDKafkaErrorCode::UnknownTopicOrPartition), "deleting it twice")
}

fn configs(bootstrap: &str) -> Result<()> {
    let (topic, client) = (create(bootstrap, 1)?, admin(bootstrap)?);
    let resource = ResourceSpecifier::Topic(&topic);
    let retention = || -> Result<Option<String>> {
        let described = wait(client.describe_configs([&resource], &Default::default()))?.remove(0)?;
        Ok(described.get("retention.ms").context("no retention.ms")?.value.clone())
    };
    equal(retention()?, Some("604800000".to_owned()), "retention.ms by default")?;
    let change = AlterConfig::new(resource).set("retention.ms", "2000000");
    wait(client.alter_configs([&change], &Default::default()))?.remove(0).map_err(|(_, code)| code)?;
    equal(retention()?, Some("2000000".to_owned()), "retention.ms, altered")
}

fn unknown_config_refused(bootstrap: &str) -> Result<()> {
    let topic = fresh("t");
    let wanted = NewTopic::new(&topic, 1, TopicReplication::Fixed(1)).set("no.such.config", "1");
    let answers = wait(admin(bootstrap)?.create_topics([&wanted], &Default::default()))?;
    equal(code(answers), Some(RDKafkaErrorCode::InvalidConfig), "an unknown config")
}

fn partitions(bootstrap: &str) -> Result<()> {
    let (topic, client) = (create(bootstrap, 2)?, admin(bootstrap)?);
    let grow = |count| wait(client.create_partitions([&NewPartitions::new(&topic, count)], &Default::default()));
    equal(code(grow(5)?), None, "five partitions")?;
    until("five partitions", || Ok(partition_count(bootstrap, &topic)? == 5))?;
    equal(code(grow(1)?), Some(RDKafkaErrorCode::InvalidPartitions), "fewer partitions")
}

fn delete_records(bootstrap: &str) -> Result<()> {
    let (topic, client) = (create(bootstrap, 1)?, admin(bootstrap)?);
    produce(bootstrap, &topic, numbered(100), &[])?;
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&topic, 0, Offset::Offset(60))?;
    let answer = wait(client.delete_records(&before, &Default::default()))?;
    equal(answer.elements()[0].offset(), Offset::Offset(60), "the low watermark")?;
    equal(read(bootstrap, &topic, 1)?[0].offset(), 60, "the first offset")
}

fn offsets(bootstrap: &str) -> Result<()> {
    let topic = create(bootstrap, 1)?;
    for stamp in [1000, 3000, 2000] {
        let record = Record { value: Some(b"x".to_vec()), time: Some(*TIME + stamp), ..Record::default() };
        produce(bootstrap, &topic, vec![record], &[])?;
    }
    let reader: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).set("group.id", fresh("g")).create()?;
    equal(reader.fetch_watermarks(&topic, 0, LONG)?, (0, 3), "earliest and latest")?;
    let by_time = |time| -> Result<Offset> {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_offset(&topic, 0, Offset::Offset(*TIME + time))?;
        Ok(reader.offsets_for_times(wanted, LONG)?.elements()[0].offset())
    };
    equal(by_time(1001)?, Offset::Offset(1), "by time")?;
    equal(by_time(9000)?, Offset::End, "after the newest")
}

fn groups(bootstrap: &str) -> Result<()> {
    let (topic, group, client) = (create(bootstrap, 1)?, fresh("g"), admin(bootstrap)?);
    produce(bootstrap, &topic, numbered(10), &[])?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", &group).set("auto.offset.reset", "earliest");
    let reader: BaseConsumer = config.create()?;
    reader.subscribe(&[&topic])?;
    let mut count = 0;
    until("ten records", || {
        count += usize::from(reader.poll(Duration::from_millis(100)).transpose()?.is_some());
        Ok(count == 10)
    })?;
    reader.commit_consumer_state(CommitMode::Sync)?;
    let listed = client.inner().fetch_group_list(Some(&group), LONG)?;
    equal((listed.groups()[0].state(), listed.groups()[0].members().len()), ("Stable", 1), "the group at work")?;
    let answers = wait(client.delete_groups(&[&group], &Default::default()))?;
    equal(code(answers), Some(RDKafkaErrorCode::NonEmptyGroup), "deleting a group at work")?;
    drop(reader);
    equal(code(wait(client.delete_groups(&[&group], &Default::default()))?), None, "deleting the group")
}
