//! What there is to know of every queue.

use omnibus_engine::queues::QueueView;
use omnibus_model::queue::QueueCounts;
use omnibus_model::topic::SharedTopic;

use super::text::{Exposition, Kind, Metric};
use crate::errors::Failure;
use crate::node::Node;

use Kind::{Counter, Gauge};

/// A queue as it is now.
type Row = (SharedTopic, QueueView);

/// A label's value, and where its number is.
type Column = (&'static str, fn(&QueueCounts) -> u64);

const STATES: [Column; 4] = [
    ("ready", |counts| counts.ready),
    ("leased", |counts| counts.leased),
    ("delayed", |counts| counts.delayed),
    ("dying", |counts| counts.dying),
];

const EVENTS: [Column; 8] = [
    ("enqueued", |counts| counts.enqueued),
    ("rewound", |counts| counts.rewound),
    ("settled", |counts| counts.settled),
    ("expired", |counts| counts.expired),
    ("dropped", |counts| counts.dropped),
    ("dead_lettered", |counts| counts.dead_lettered),
    ("moved", |counts| counts.moved),
    ("purged", |counts| counts.purged),
];

/// Writes the metrics of queues.
pub(super) async fn write(node: &Node, exposition: &mut Exposition) -> Result<(), Failure> {
    let topics = node.engine.catalog().topics();
    let queues: Vec<&SharedTopic> = topics.iter().filter(|topic| topic.queue.is_some()).collect();
    let most = usize::try_from(node.metrics_series_max).unwrap_or(usize::MAX) / EVENTS.len();
    let mut rows: Vec<Row> = Vec::new();
    for topic in queues.iter().take(most) {
        let place = topic.queue_place();
        let Some(place) = place else { continue };
        rows.extend(node.engine.queue_view(place).await?.map(|view| (SharedTopic::clone(topic), view)));
    }
    let left_out = queues.len().saturating_sub(most) * (STATES.len() + EVENTS.len() + 1);
    exposition.leave_out(left_out as u64);
    let records = Metric("omnibus_queue_records", Gauge, "Records of a queue by where they are.");
    family(exposition, records, ("state", &STATES[..]), &rows);
    let totals = Metric("omnibus_queue_records_total", Counter, "What became of a queue's records since it was made.");
    family(exposition, totals, ("event", &EVENTS[..]), &rows);
    let age = Metric("omnibus_queue_oldest_age_seconds", Gauge, "Age of a queue's first record that is not gone.");
    exposition.many(age, &rows, |exposition, metric, (topic, view)| {
        let age = view.oldest.map_or(0, |oldest| node.engine.now().since(oldest).0);
        let seconds = format!("{}.{:03}", age / 1_000, age % 1_000);
        exposition.sample(metric, &[("queue", topic.name.as_str())], seconds);
    });
    Ok(())
}

fn family(exposition: &mut Exposition, metric: Metric, (label, columns): (&str, &[Column]), rows: &[Row]) {
    let cells: Vec<(&Row, &Column)> = rows.iter().flat_map(|row| columns.iter().map(move |cell| (row, cell))).collect();
    exposition.many(metric, &cells, |exposition, metric, ((topic, view), (name, number))| {
        let labels = [("queue", topic.name.as_str()), (label, *name)];
        exposition.sample(metric, &labels, number(&view.counts));
    });
}
