//! What there is to know of every topic and partition.

use omnibus_model::topic::SharedTopic;

use super::text::{Exposition, Kind, Metric};
use crate::node::Node;
use crate::requests::topics::numbered;

use Kind::{Counter, Gauge};

/// One partition, and what is measured of it.
struct Row {
    topic: SharedTopic,
    partition: String,
    start: u64,
    end: u64,
    bytes: u64,
}

/// A metric of partitions, and where its number is.
type Column = (Metric, fn(&Row, &Node) -> u64);

const COLUMNS: [Column; 9] = [
    (Metric("omnibus_partition_bytes", Gauge, "Bytes of a partition on disk."), |row, _| row.bytes),
    (
        Metric("kafka_topic_partition_current_offset", Gauge, "The offset that a partition's next record will take."),
        |row, _| row.end,
    ),
    (
        Metric("kafka_topic_partition_oldest_offset", Gauge, "The first offset of a partition that can be read."),
        |row, _| row.start,
    ),
    (Metric("kafka_topic_partition_leader", Gauge, "The node that leads a partition."), |_, node| {
        u64::from(node.node_id)
    }),
    (Metric("kafka_topic_partition_leader_is_preferred", Gauge, "Whether that is its preferred node."), |_, _| 1),
    (Metric("kafka_topic_partition_replicas", Gauge, "Replicas of a partition."), |_, _| 1),
    (Metric("kafka_topic_partition_in_sync_replica", Gauge, "Replicas of a partition that have all of it."), |_, _| 1),
    (
        Metric("kafka_topic_partition_under_replicated_partition", Gauge, "Whether a partition lacks a replica."),
        |_, _| 0,
    ),
    (Metric("kafka_log_log_size", Gauge, "Bytes of a partition on disk."), |row, _| row.bytes),
];

/// Writes the metrics of topics and partitions.
pub(super) fn write(node: &Node, exposition: &mut Exposition) {
    let topics = node.engine.catalog().topics();
    write_topics(node, &topics, exposition);
    let most = usize::try_from(node.metrics_series_max).unwrap_or(usize::MAX);
    let rows: Vec<Row> = topics.iter().flat_map(|topic| rows(node, topic)).take(most).collect();
    let partitions: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
    exposition.leave_out(((partitions - rows.len()) * COLUMNS.len()) as u64);
    for (metric, number) in COLUMNS {
        exposition.many(metric, &rows, |exposition, metric, row| {
            let labels = [("topic", row.topic.name.as_str()), ("partition", row.partition.as_str())];
            exposition.sample(metric, &labels, number(row, node));
        });
    }
}

fn write_topics(node: &Node, topics: &[SharedTopic], exposition: &mut Exposition) {
    let partitions = Metric("kafka_topic_partitions", Gauge, "Partitions of a topic.");
    exposition.many(partitions, topics, |exposition, metric, topic| {
        exposition.sample(metric, &[("topic", topic.name.as_str())], topic.partitions.len());
    });
    let messages = Metric(
        "kafka_server_brokertopicmetrics_messagesin_total",
        Counter,
        "Records appended: to each topic since it was made, and to all since the process began.",
    );
    exposition.many(messages, topics, |exposition, metric, topic| {
        let ends = topic.partitions.iter().map(|partition| node.engine.bounds(partition.stream).end.0);
        exposition.sample(metric, &[("topic", topic.name.as_str())], ends.sum::<u64>());
    });
    exposition.sample(messages, &[], node.engine.counters().records_appended.get());
}

fn rows<'a>(node: &'a Node, topic: &'a SharedTopic) -> impl Iterator<Item = Row> + 'a {
    numbered(topic).map(|(number, partition)| {
        let bounds = node.engine.bounds(partition.stream);
        Row {
            topic: topic.clone(),
            partition: number.to_string(),
            start: bounds.start.0,
            end: bounds.end.0,
            bytes: node.engine.stream_bytes(partition.stream),
        }
    })
}
