//! Queues that this node leads: summed up over all nodes, each is counted once.

use omnibus_amqp::administration::{Host, QueueInfo, QueueLoad, plain};
use omnibus_amqp::wire::Value as Field;

use super::Scope;
use super::text::{Exposition, Kind, Metric};
use crate::site::Site;

use Kind::Gauge;

/// A metric of queues, and where its number is.
type Column = (Metric, fn(&QueueLoad) -> u64);

const COLUMNS: [Column; 4] = [
    (Metric("rabbitmq_queue_messages_ready", Gauge, "Messages that could be given out now."), |load| load.ready),
    (
        Metric("rabbitmq_queue_messages_unacked", Gauge, "Messages that were given out and are not acknowledged."),
        |load| load.unacknowledged,
    ),
    (Metric("rabbitmq_queue_messages", Gauge, "Both together."), |load| load.ready + load.unacknowledged),
    (Metric("rabbitmq_queue_consumers", Gauge, "Consumers of a queue."), |load| load.consumers.into()),
];

pub(super) async fn write(site: &Site, scope: Scope, exposition: &mut Exposition) {
    let mut queues = site.administration.queues();
    queues.retain(|queue| site.administration.engine().leader(queue.place.shard()) == Some(site.node));
    exposition.one(Metric("rabbitmq_queues", Gauge, "Queues that this node leads."), &[], queues.len());
    let count = queues.len();
    if scope == Scope::PerObject {
        queues.truncate(usize::try_from(site.metrics_series_max).unwrap_or(usize::MAX));
    }
    let left_out = (count - queues.len()) * (COLUMNS.len() + 1);
    let loads = site.administration.loads(queues).await;
    // One that went to another node meanwhile is told of there.
    let rows: Vec<(QueueInfo, QueueLoad)> =
        loads.into_iter().filter_map(|(queue, load)| Some((queue, load.ok()?))).collect();
    for (metric, number) in COLUMNS {
        match scope {
            Scope::Aggregated => exposition.one(metric, &[], rows.iter().map(|(_, load)| number(load)).sum::<u64>()),
            Scope::PerObject => {
                exposition.head(metric);
                for (queue, load) in &rows {
                    let (host, name) = (Host::of(queue.name.as_str()), plain(queue.name.as_str()));
                    exposition.sample(metric.0, &[("vhost", host.name()), ("queue", name)], number(load));
                }
            }
        }
    }
    if scope == Scope::PerObject {
        write_info(&rows, exposition);
        let meaning = "Series that were left out of this answer, see admin.metrics_series_max.";
        exposition.one(Metric("omnibus_metrics_series_left_out", Gauge, meaning), &[], left_out);
    }
}

fn write_info(rows: &[(QueueInfo, QueueLoad)], exposition: &mut Exposition) {
    let metric = Metric("rabbitmq_queue_info", Gauge, "What kind of queue it is; always 1.");
    exposition.head(metric);
    for (queue, _) in rows {
        let name = queue.name.as_str();
        let is_quorum = queue.arguments.get("x-queue-type").and_then(Field::str) == Some("quorum");
        let kind = if is_quorum { "rabbit_quorum_queue" } else { "rabbit_classic_queue" };
        let host = Host::of(name);
        let labels = [("vhost", host.name()), ("queue", plain(name)), ("queue_type", kind), ("membership", "leader")];
        exposition.sample(metric.0, &labels, 1);
    }
}
