//! The node, its process and its log.

use omnibus_engine::Health;
use omnibus_engine::counters::Counters;

use super::text::{Exposition, Kind, Metric};
use crate::log_counters::log_counters;
use crate::node::Node;
use crate::process::{Usage, open_files};

use Kind::{Counter, Gauge};

/// Writes the metrics of the node.
pub(super) fn write(node: &Node, exposition: &mut Exposition) {
    write_node(node, exposition);
    write_engine(node, exposition);
    write_scrub(node, exposition);
    write_process(node, exposition);
    for (name, value, meaning) in log_counters(&node.engine) {
        exposition.one(Metric(name, kind(name), meaning), value);
    }
}

fn write_node(node: &Node, exposition: &mut Exposition) {
    let build = Metric("omnibus_build_info", Gauge, "The version that runs.");
    exposition.many(build, &[env!("CARGO_PKG_VERSION")], |exposition, metric, version| {
        exposition.sample(metric, &[("version", version)], 1);
    });
    let healthy = u8::from(node.engine.health() == Health::Well);
    exposition.one(Metric("omnibus_healthy", Gauge, "Whether the node can still acknowledge."), healthy);
    let uptime = node.engine.clock().elapsed().as_secs_f64();
    exposition.one(Metric("omnibus_uptime_seconds", Gauge, "Seconds since the process began."), uptime);
    // A node of its own introduces itself to nobody.
    let nodes = node.engine.catalog().nodes().len().max(1);
    exposition.one(Metric("kafka_brokers", Gauge, "Nodes of the cluster."), nodes);
    let (address, id) = (node.kafka.to_string(), node.node_id.to_string());
    let info = Metric("kafka_broker_info", Gauge, "The address of a node.");
    exposition.many(info, &[(address, id)], |exposition, metric, (address, id)| {
        exposition.sample(metric, &[("address", address), ("id", id)], 1);
    });
}

fn write_engine(node: &Node, exposition: &mut Exposition) {
    let counters = node.engine.counters();
    for (name, count, meaning) in [
        ("omnibus_batches_appended_total", &counters.batches_appended, "Record batches appended."),
        ("omnibus_records_appended_total", &counters.records_appended, "Records appended."),
        ("omnibus_bytes_appended_total", &counters.bytes_appended, "Bytes of record batches appended."),
        ("omnibus_bytes_read_total", &counters.bytes_read, "Bytes of record batches read."),
        ("omnibus_entries_proposed_total", &counters.entries_proposed, "Commit groups handed to the log."),
        ("omnibus_commands_refused_total", &counters.commands_refused, "Commands that the broker refused."),
    ] {
        exposition.one(Metric(name, Counter, meaning), count.get());
    }
    write_pushes(counters, exposition);
}

fn write_pushes(counters: &Counters, exposition: &mut Exposition) {
    let results = [
        ("accepted", counters.pushes_accepted.get()),
        ("failed", counters.pushes_failed.get()),
        ("refused", counters.pushes_refused.get()),
    ];
    let ended = Metric("omnibus_pushes_total", Counter, "Pushes that ended, by what became of them.");
    exposition.many(ended, &results, |exposition, metric, (result, count)| {
        exposition.sample(metric, &[("result", result)], count);
    });
    let begun = Metric("omnibus_pushes_begun_total", Counter, "Pushes that began; what has not ended is under way.");
    exposition.one(begun, counters.pushes_begun.get());
}

fn write_scrub(node: &Node, exposition: &mut Exposition) {
    let status = node.engine.scrub_status();
    let last_end = status.last_end.map_or(0, |end| end.0 / 1000);
    for (name, value, meaning) in [
        ("omnibus_scrub_bytes_total", status.bytes_read, "Bytes at rest that were read again."),
        ("omnibus_scrub_passes_total", status.passes, "Times that all data at rest was read again."),
        ("omnibus_mended_places_total", status.mended_places, "Places on disk that had rotted and were mended."),
        ("omnibus_mended_records_total", status.mended_records, "Records that could not be read, and can be again."),
        ("omnibus_damaged_places", status.damaged.len() as u64, "Places on disk that have rotted, and are not mended."),
        ("omnibus_damaged_records", status.damaged_records(), "Records that cannot be read on this node's disk."),
        ("omnibus_damaged_bytes", status.damaged_bytes(), "Their bytes."),
    ] {
        exposition.one(Metric(name, kind(name), meaning), value);
    }
    let when = "When all data at rest had been read again last, since 1970; 0: not since the process began.";
    exposition.one(Metric("omnibus_scrub_last_end_seconds", Gauge, when), last_end);
}

/// The process, by the names that Prometheus' own clients use.
fn write_process(node: &Node, exposition: &mut Exposition) {
    let Ok(usage) = Usage::own() else { return };
    let processor = usage.processor_time.as_secs_f64();
    exposition.one(Metric("process_cpu_seconds_total", Counter, "Processor time used."), processor);
    exposition.one(Metric("process_resident_memory_bytes", Gauge, "Resident memory."), usage.memory_bytes);
    exposition.one(Metric("process_threads", Gauge, "Threads of the process."), usage.threads);
    if let Ok(files) = open_files() {
        exposition.one(Metric("process_open_fds", Gauge, "Open files and sockets."), files);
    }
    let clock = node.engine.clock();
    let began = clock.wall_millis() / 1000 - i64::try_from(clock.elapsed().as_secs()).unwrap_or(i64::MAX);
    exposition.one(Metric("process_start_time_seconds", Gauge, "When the process began, since 1970."), began);
}

fn kind(name: &str) -> Kind {
    if name.ends_with("_total") { Counter } else { Gauge }
}
