//! Queues that this node leads: summed up over all nodes, each is counted once.

use omnibus_amqp::administration::{Host, QueueInfo, QueueLoad, plain};

use super::text::{Exposition, Kind, Metric};
use crate::site::Site;

use Kind::Gauge;

/// How names begin that RabbitMQ gives to what is asked for by families.
const DETAILED: &str = "rabbitmq_detailed_";

const PREFIX: &str = "rabbitmq_";

/// A metric of queues without the beginning of its name, what it means, and where its number is.
pub(super) type Column = (&'static str, &'static str, fn(&QueueLoad) -> u64);

/// How much there is in them.
pub(super) const MESSAGES: [Column; 3] = [
    ("queue_messages_ready", "Messages that could be given out now.", |load| load.ready),
    ("queue_messages_unacked", "Messages that were given out and are not acknowledged.", |load| load.unacknowledged),
    ("queue_messages", "Both together.", |load| load.ready + load.unacknowledged),
];

/// Who consumes them.
pub(super) const CONSUMERS: [Column; 1] = [("queue_consumers", "Consumers of a queue.", |load| load.consumers.into())];

/// Queues with what is in them, and how many are left out.
struct Looked {
    rows: Vec<(QueueInfo, QueueLoad)>,
    left_out: usize,
}

/// Writes all queues together.
pub(super) async fn write_sums(site: &Site, exposition: &mut Exposition) {
    let queues = led(site);
    write_count(&queues, exposition);
    let Looked { rows, .. } = look(site, (queues, usize::MAX)).await;
    for (name, meaning, number) in columns() {
        let sum: u64 = rows.iter().map(|(_, load)| number(load)).sum();
        exposition.one(Metric(&format!("{PREFIX}{name}"), Gauge, meaning), &[], sum);
    }
}

/// Writes each queue by itself.
pub(super) async fn write_each(site: &Site, exposition: &mut Exposition) {
    let queues = led(site);
    write_count(&queues, exposition);
    let looked = look(site, (queues, series_max(site))).await;
    write_columns(&looked, (PREFIX, &columns()), exposition);
}

/// Writes some columns of each queue of the virtual hosts that are wanted.
pub(super) async fn write_detailed(
    site: &Site,
    (columns, is_wanted): (&[Column], impl Fn(&Host) -> bool),
    exposition: &mut Exposition,
) {
    let mut queues = led(site);
    queues.retain(|queue| is_wanted(&Host::of(queue.name.as_str())));
    let looked = look(site, (queues, series_max(site))).await;
    write_columns(&looked, (DETAILED, columns), exposition);
}

fn columns() -> Vec<Column> {
    MESSAGES.into_iter().chain(CONSUMERS).collect()
}

fn series_max(site: &Site) -> usize {
    usize::try_from(site.metrics_series_max).unwrap_or(usize::MAX)
}

fn led(site: &Site) -> Vec<QueueInfo> {
    let mut queues = site.administration.queues();
    queues.retain(|queue| site.administration.engine().leader(queue.place.shard()) == Some(site.node));
    queues
}

fn write_count(queues: &[QueueInfo], exposition: &mut Exposition) {
    exposition.one(Metric("rabbitmq_queues", Gauge, "Queues that this node leads."), &[], queues.len());
}

async fn look(site: &Site, (mut queues, most): (Vec<QueueInfo>, usize)) -> Looked {
    let left_out = queues.len().saturating_sub(most);
    queues.truncate(most);
    let loads = site.administration.loads(queues).await;
    // One that went to another node meanwhile is told of there.
    let rows = loads.into_iter().filter_map(|(queue, load)| Some((queue, load.ok()?))).collect();
    Looked { rows, left_out }
}

fn write_columns(looked: &Looked, (prefix, columns): (&str, &[Column]), exposition: &mut Exposition) {
    for (name, meaning, number) in columns {
        let metric = format!("{prefix}{name}");
        exposition.head(Metric(&metric, Gauge, meaning));
        for (queue, load) in &looked.rows {
            let (host, name) = (Host::of(queue.name.as_str()), plain(queue.name.as_str()));
            exposition.sample(&metric, &[("vhost", host.name()), ("queue", name)], number(load));
        }
    }
    write_info(&looked.rows, prefix, exposition);
    let meaning = "Series that were left out of this answer, see admin.metrics_series_max.";
    let left_out = looked.left_out * (columns.len() + 1);
    exposition.one(Metric("omnibus_metrics_series_left_out", Gauge, meaning), &[], left_out);
}

fn write_info(rows: &[(QueueInfo, QueueLoad)], prefix: &str, exposition: &mut Exposition) {
    let metric = format!("{prefix}queue_info");
    exposition.head(Metric(&metric, Gauge, "What kind of queue it is; always 1."));
    for (queue, _) in rows {
        let name = queue.name.as_str();
        let kind = format!("rabbit_{}_queue", queue.kind());
        let host = Host::of(name);
        let labels = [("vhost", host.name()), ("queue", plain(name)), ("queue_type", &*kind), ("membership", "leader")];
        exposition.sample(&metric, &labels, 1);
    }
}
