//! Messages, all of a protocol together, since the node began.

use omnibus_amqp::meter::{Counted, Counts, SIZES};
use omnibus_amqp::registry::Tally;

use super::text::{Exposition, Kind, Metric};

use Counted::{
    Acknowledged, Confirmed, ConsumersBegun, ConsumersGone, DeliveredAutomatic, DeliveredManual, Dropped, GetEmpty,
    GotAutomatic, GotManual, PublishersBegun, PublishersGone, Received, ReceivedConfirm, Redelivered, Returned, Routed,
};
use Kind::{Counter, Gauge, Histogram};

/// Of this door.
const PROTOCOL: (&str, &str) = ("protocol", "amqp091");

const COUNTERS: [(&str, Counted, &str); 13] = [
    ("rabbitmq_global_messages_received_total", Received, "Messages that publishers sent."),
    ("rabbitmq_global_messages_received_confirm_total", ReceivedConfirm, "Those of them that are to be confirmed."),
    ("rabbitmq_global_messages_routed_total", Routed, "Queues that messages went to, one for each message and queue."),
    ("rabbitmq_global_messages_unroutable_dropped_total", Dropped, "Messages that no queue got."),
    ("rabbitmq_global_messages_unroutable_returned_total", Returned, "Messages that went back to their publishers."),
    ("rabbitmq_global_messages_confirmed_total", Confirmed, "Messages that were confirmed."),
    (
        "rabbitmq_global_messages_delivered_consume_manual_ack_total",
        DeliveredManual,
        "Messages that consumers were given and acknowledge.",
    ),
    (
        "rabbitmq_global_messages_delivered_consume_auto_ack_total",
        DeliveredAutomatic,
        "Messages that consumers were given and do not acknowledge.",
    ),
    (
        "rabbitmq_global_messages_delivered_get_manual_ack_total",
        GotManual,
        "Messages that were fetched and are acknowledged.",
    ),
    (
        "rabbitmq_global_messages_delivered_get_auto_ack_total",
        GotAutomatic,
        "Messages that were fetched and are not acknowledged.",
    ),
    ("rabbitmq_global_messages_get_empty_total", GetEmpty, "Fetches that found no message."),
    ("rabbitmq_global_messages_redelivered_total", Redelivered, "Messages that were given out not for the first time."),
    ("rabbitmq_global_messages_acknowledged_total", Acknowledged, "Messages that were acknowledged."),
];

pub(super) fn write(Tally { counts, .. }: &Tally, exposition: &mut Exposition) {
    for (name, counted, meaning) in COUNTERS {
        exposition.one(Metric(name, Counter, meaning), &[PROTOCOL], counts.of(counted));
    }
    let delivered = [DeliveredManual, DeliveredAutomatic, GotManual, GotAutomatic].iter().map(|each| counts.of(*each));
    let meaning = "Messages that were given out, however.";
    let metric = Metric("rabbitmq_global_messages_delivered_total", Counter, meaning);
    exposition.one(metric, &[PROTOCOL], delivered.sum::<u64>());
    for (name, there, meaning) in [
        ("rabbitmq_global_publishers", (PublishersBegun, PublishersGone), "Open channels that have published."),
        ("rabbitmq_global_consumers", (ConsumersBegun, ConsumersGone), "Consumers of this node's connections."),
    ] {
        exposition.one(Metric(name, Gauge, meaning), &[PROTOCOL], counts.present(there));
    }
    write_sizes(counts, exposition);
}

fn write_sizes(counts: &Counts, exposition: &mut Exposition) {
    let meaning = "Sizes of the bodies of messages that publishers sent.";
    exposition.head(Metric("rabbitmq_message_size_bytes", Histogram, meaning));
    let mut sum = 0;
    let bounds = SIZES.iter().map(u64::to_string).chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(counts.sizes) {
        sum += count;
        exposition.sample("rabbitmq_message_size_bytes_bucket", &[PROTOCOL, ("le", &bound)], sum);
    }
    exposition.sample("rabbitmq_message_size_bytes_count", &[PROTOCOL], sum);
    exposition.sample("rabbitmq_message_size_bytes_sum", &[PROTOCOL], counts.of(Counted::BodyBytes));
}
