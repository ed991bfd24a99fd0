//! The node: who it is, what it takes of the machine, and what comes and goes on it.

use omnibus_amqp::meter::Counted;
use omnibus_model::NodeId;

use super::Scope;
use super::text::{Exposition, Kind, Metric};
use crate::requests::health::{disk_alarm, memory_alarm};
use crate::site::{Process, RABBITMQ, Site};

use Kind::{Counter, Gauge, Untyped};

pub(super) fn write(site: &Site, scope: Scope, exposition: &mut Exposition) {
    write_identity(site, scope, exposition);
    write_resources(site, exposition);
    write_alarms(site, exposition);
    write_churn(site, exposition);
}

pub(super) fn write_identity(site: &Site, scope: Scope, exposition: &mut Exposition) {
    let identity = Metric("rabbitmq_identity_info", Untyped, "Which node of which cluster this is; always 1.");
    let labels = [
        ("rabbitmq_node", &*site.name()),
        ("rabbitmq_cluster", &*site.cluster_id),
        ("rabbitmq_cluster_permanent_id", &*site.cluster_id),
        ("rabbitmq_endpoint", scope.name()),
    ];
    exposition.one(identity, &labels, 1);
    let build = Metric("rabbitmq_build_info", Untyped, "What runs, and which RabbitMQ it follows; always 1.");
    let labels =
        [("rabbitmq_version", RABBITMQ), ("product_name", "Omnibus"), ("product_version", env!("CARGO_PKG_VERSION"))];
    exposition.one(build, &labels, 1);
}

fn write_resources(site: &Site, exposition: &mut Exposition) {
    let engine = site.administration.engine();
    let is_cut_off = |node: &&NodeId| **node != site.node && !engine.reaches(**node);
    let unreachable = site.nodes().iter().filter(is_cut_off).count() as u64;
    let Process { memory_bytes, open_files, open_files_max } = (site.read_process)();
    for (name, value, meaning) in [
        ("rabbitmq_process_open_fds", open_files, "Open files and sockets."),
        ("rabbitmq_process_max_fds", open_files_max, "How many the process may have."),
        ("rabbitmq_process_resident_memory_bytes", memory_bytes, "Resident memory."),
        ("rabbitmq_disk_space_available_bytes", Some(engine.log_stats().free_bytes), "Room on the disk."),
        (
            "rabbitmq_disk_space_available_limit_bytes",
            Some(site.disk_reserve_bytes),
            "Room below which publishers wait (storage.reserve).",
        ),
        ("rabbitmq_unreachable_cluster_peers_count", Some(unreachable), "Nodes that this one does not reach."),
    ] {
        if let Some(value) = value {
            exposition.one(Metric(name, Gauge, meaning), &[], value);
        }
    }
    // There is no Erlang, but dashboards list nodes by this name.
    let uptime = Metric("rabbitmq_erlang_uptime_seconds", Gauge, "Seconds since the node began.");
    exposition.one(uptime, &[], site.uptime().as_secs_f64());
}

fn write_alarms(site: &Site, exposition: &mut Exposition) {
    for (name, is_on, meaning) in [
        (
            "rabbitmq_alarms_free_disk_space_watermark",
            disk_alarm(site),
            "Whether publishers wait for room on the disk.",
        ),
        (
            "rabbitmq_alarms_memory_used_watermark",
            memory_alarm(site),
            "Whether publishers wait for memory (amqp.memory).",
        ),
    ] {
        exposition.one(Metric(name, Untyped, meaning), &[], u8::from(is_on));
    }
}

fn write_churn(site: &Site, exposition: &mut Exposition) {
    let (tally, churn) = (site.administration.tally(), site.administration.churn());
    let channels = (Counted::ChannelsOpened, Counted::ChannelsClosed);
    let consumers = (Counted::ConsumersBegun, Counted::ConsumersGone);
    for (name, kind, value, meaning) in [
        ("rabbitmq_connections", Gauge, tally.connections, "Connections that are open."),
        ("rabbitmq_channels", Gauge, tally.counts.present(channels), "Channels that are open."),
        ("rabbitmq_consumers", Gauge, tally.counts.present(consumers), "Consumers of this node's connections."),
        ("rabbitmq_connections_opened_total", Counter, tally.connections_opened, "Connections that were opened."),
        (
            "rabbitmq_connections_closed_total",
            Counter,
            tally.connections_opened - tally.connections,
            "Connections that ended.",
        ),
        (
            "rabbitmq_channels_opened_total",
            Counter,
            tally.counts.of(Counted::ChannelsOpened),
            "Channels that were opened.",
        ),
        ("rabbitmq_channels_closed_total", Counter, tally.counts.of(Counted::ChannelsClosed), "Channels that ended."),
        (
            "rabbitmq_queues_declared_total",
            Counter,
            churn.declared,
            "Queues that were declared, also if they were there.",
        ),
        ("rabbitmq_queues_created_total", Counter, churn.created, "Queues that were created."),
        ("rabbitmq_queues_deleted_total", Counter, churn.deleted, "Queues that were deleted."),
    ] {
        exposition.one(Metric(name, kind, meaning), &[], value);
    }
}
