//! What the JMX exporter tells of a Kafka broker, under the names its usual rules give it.

use super::text::{Exposition, Kind, Metric};
use crate::node::Node;

use Kind::{Counter, Gauge};

/// Writes the broker's own metrics.
pub(super) fn write(node: &Node, exposition: &mut Exposition) {
    let counters = node.engine.counters();
    let topics = node.engine.catalog().topics();
    let partitions: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
    for (metric, value) in [
        (
            Metric("kafka_server_brokertopicmetrics_bytesin_total", Counter, "Bytes of record batches appended."),
            counters.bytes_appended.get(),
        ),
        (
            Metric("kafka_server_brokertopicmetrics_bytesout_total", Counter, "Bytes of record batches read."),
            counters.bytes_read.get(),
        ),
        (Metric("kafka_server_replicamanager_partitioncount", Gauge, "Partitions on this node."), partitions as u64),
        (
            Metric("kafka_server_replicamanager_leadercount", Gauge, "Partitions that this node leads."),
            partitions as u64,
        ),
        (
            Metric(
                "kafka_server_replicamanager_underreplicatedpartitions",
                Gauge,
                "Partitions that lack a replica; 0, there is one replica.",
            ),
            0,
        ),
        (
            Metric(
                "kafka_controller_kafkacontroller_activecontrollercount",
                Gauge,
                "Whether this node leads the metadata shard.",
            ),
            1,
        ),
        (
            Metric(
                "kafka_controller_kafkacontroller_offlinepartitionscount",
                Gauge,
                "Partitions without a leader; 0 while this node runs.",
            ),
            0,
        ),
        (
            Metric("kafka_controller_kafkacontroller_globaltopiccount", Gauge, "Topics of the cluster."),
            topics.len() as u64,
        ),
        (
            Metric("kafka_controller_kafkacontroller_globalpartitioncount", Gauge, "Partitions of the cluster."),
            partitions as u64,
        ),
    ] {
        exposition.one(metric, value);
    }
}
