//! What Prometheus is told.

use omnibus_amqp::Settings;
use omnibus_amqp::wire::{Method, ShortText};
use serde_json::json;

use crate::support::{Broker, Client};

const ALL: &str = "/metrics";
const EACH: &str = "/metrics/per-object";

/// The number of a series of messages.
async fn global(broker: &Broker, name: &str) -> f64 {
    broker.metric(ALL, &format!("rabbitmq_global_{name}{{protocol=\"amqp091\"}}")).await
}

#[tokio::test]
async fn messages_are_counted_by_what_becomes_of_them() {
    let broker = Broker::open().await;
    for queue in ["q", "r"] {
        broker.done("PUT", &format!("queues/%2F/{queue}"), json!({})).await;
        broker.done("POST", &format!("bindings/%2F/e/amq.fanout/q/{queue}"), json!({})).await;
    }
    let mut client = Client::connect(&broker).await;
    client.open_channel(1).await;
    client.publish(1, ("amq.fanout", ""), (false, b"one")).await;
    client.publish(1, ("", "nobody"), (false, b"two")).await;
    client.ask(1, Method::ConfirmSelect { no_wait: false }).await;
    client.publish(1, ("", "nobody"), (true, &[7; 5_000])).await;
    assert!(matches!(client.next().await, Method::BasicReturn { .. }));
    assert!(matches!(client.next().await, Method::BasicAck { .. }));
    let get = |no_ack| Method::BasicGet { reserved: 0, queue: "q".into(), no_ack };
    let Method::BasicGetOk { delivery_tag, .. } = client.ask(1, get(false)).await else { panic!("nothing came") };
    client.say(1, Method::BasicReject { delivery_tag, requeue: true }).await;
    assert!(matches!(client.ask(1, get(true)).await, Method::BasicGetOk { redelivered: true, .. }));
    assert!(matches!(client.ask(1, get(true)).await, Method::BasicGetEmpty { .. }));
    client.consume(1, "r", false).await;
    let Method::BasicDeliver { delivery_tag, .. } = client.next().await else { panic!("nothing came") };
    client.say(1, Method::BasicAck { delivery_tag, multiple: false }).await;
    // Answered when what came before is done.
    client.ask(1, Method::BasicQos { prefetch_size: 0, prefetch_count: 1, global: false }).await;
    let wanted = [
        ("messages_received_total", 3.0),
        ("messages_received_confirm_total", 1.0),
        ("messages_routed_total", 2.0),
        ("messages_unroutable_dropped_total", 1.0),
        ("messages_unroutable_returned_total", 1.0),
        ("messages_confirmed_total", 1.0),
        ("messages_delivered_total", 3.0),
        ("messages_delivered_consume_manual_ack_total", 1.0),
        ("messages_delivered_consume_auto_ack_total", 0.0),
        ("messages_delivered_get_manual_ack_total", 1.0),
        ("messages_delivered_get_auto_ack_total", 1.0),
        ("messages_get_empty_total", 1.0),
        ("messages_redelivered_total", 1.0),
        ("messages_acknowledged_total", 1.0),
        ("publishers", 1.0),
        ("consumers", 1.0),
    ];
    for (name, number) in wanted {
        assert_eq!(global(&broker, name).await, number, "{name}");
    }
    let sizes = |rest: &str| format!("rabbitmq_message_size_bytes_{rest}");
    for (series, number) in [
        ("bucket{protocol=\"amqp091\",le=\"100\"}", 2.0),
        ("bucket{protocol=\"amqp091\",le=\"10000\"}", 3.0),
        ("bucket{protocol=\"amqp091\",le=\"+Inf\"}", 3.0),
        ("count{protocol=\"amqp091\"}", 3.0),
        ("sum{protocol=\"amqp091\"}", 5_006.0),
    ] {
        assert_eq!(broker.metric(ALL, &sizes(series)).await, number, "{series}");
    }
    let overview = broker.get("overview").await;
    for (name, number) in [("publish", 3), ("confirm", 1), ("deliver", 1), ("deliver_get", 3), ("ack", 1)] {
        assert_eq!(overview["message_stats"][name], number, "{name}");
        assert!(overview["message_stats"][format!("{name}_details")]["rate"].is_number(), "{overview}");
    }
    assert_passed(&broker).await;
    client.ask(1, Method::BasicCancel { consumer_tag: "r".into(), no_wait: false }).await;
    assert_eq!(global(&broker, "consumers").await, 0.0);
    close(&mut client).await;
    // What was counted stays when who counted it is gone.
    while broker.metric(ALL, "rabbitmq_connections").await != 0.0 {
        tokio::task::yield_now().await;
    }
    for (name, number) in wanted {
        let number = if matches!(name, "publishers" | "consumers") { 0.0 } else { number };
        assert_eq!(global(&broker, name).await, number, "{name}");
    }
}

/// What queues say of the same messages.
async fn assert_passed(broker: &Broker) {
    let of_q =
        [("publish", 1), ("deliver", 1), ("deliver_no_ack", 1), ("deliver_get", 2), ("redeliver", 1), ("ack", 0)];
    let of_r =
        [("publish", 1), ("deliver", 1), ("deliver_no_ack", 0), ("deliver_get", 1), ("redeliver", 0), ("ack", 1)];
    for (queue, wanted) in [("q", of_q), ("r", of_r)] {
        let stats = &broker.get(&format!("queues/%2F/{queue}")).await["message_stats"];
        for (name, number) in wanted {
            assert_eq!(stats[name], number, "{name} of {queue}");
            assert!(stats[format!("{name}_details")]["rate"].is_number(), "{stats}");
        }
    }
    broker.done("PUT", "queues/%2F/unused", serde_json::json!({})).await;
    let listed = broker.get("queues?columns=name,message_stats.publish").await;
    assert_eq!(listed[0], serde_json::json!({"name": "q", "message_stats": {"publish": 1}}));
    // Nothing has happened to it.
    assert_eq!(broker.get("queues/%2F/unused").await.get("message_stats"), None);
}

async fn close(client: &mut Client) {
    let (text, class, method) = (ShortText::default(), 0, 0);
    client.say(0, Method::ConnectionClose { code: 200, text, class, method }).await;
    while client.next().await != (Method::ConnectionCloseOk {}) {}
}

#[tokio::test]
async fn what_comes_and_goes_is_counted() {
    let broker = Broker::open().await;
    broker.done("PUT", "queues/%2F/q", json!({})).await;
    broker.done("PUT", "queues/%2F/q", json!({})).await;
    broker.done("PUT", "queues/%2F/gone", json!({})).await;
    broker.done("DELETE", "queues/%2F/gone", json!({})).await;
    let mut client = Client::connect(&broker).await;
    client.open_channel(1).await;
    client.open_channel(2).await;
    client.consume(1, "q", true).await;
    let close_one = Method::ChannelClose { code: 200, text: ShortText::default(), class: 0, method: 0 };
    client.ask(2, close_one).await;
    // The server closes this one.
    client.open_channel(3).await;
    client.ask(3, Method::BasicGet { reserved: 0, queue: "none".into(), no_ack: true }).await;
    for (name, number) in [
        ("connections", 1.0),
        ("connections_opened_total", 1.0),
        ("connections_closed_total", 0.0),
        ("channels", 1.0),
        ("channels_opened_total", 3.0),
        ("channels_closed_total", 2.0),
        ("consumers", 1.0),
        ("queues", 1.0),
        ("queues_declared_total", 3.0),
        ("queues_created_total", 2.0),
        ("queues_deleted_total", 1.0),
        ("queue_consumers", 1.0),
        ("alarms_free_disk_space_watermark", 0.0),
        ("alarms_memory_used_watermark", 0.0),
        ("process_open_fds", 2.0),
        ("process_resident_memory_bytes", 1.0),
        ("disk_space_available_limit_bytes", 0.0),
        ("unreachable_cluster_peers_count", 0.0),
    ] {
        assert_eq!(broker.metric(ALL, &format!("rabbitmq_{name}")).await, number, "{name}");
    }
    // What the system does not tell is left out.
    assert!(!broker.metrics(ALL).await.contains("rabbitmq_process_max_fds"));
    drop(client);
    while broker.metric(ALL, "rabbitmq_connections_closed_total").await != 1.0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(broker.metric(ALL, "rabbitmq_channels").await, 0.0);
}

/// The states of all connections, and whether there is an alarm for memory.
async fn states(broker: &Broker) -> (Vec<String>, f64) {
    let connections = broker.get("connections?columns=state").await;
    let states = connections.as_array().unwrap().iter().map(|each| each["state"].as_str().unwrap().to_owned());
    (states.collect(), broker.metric(ALL, "rabbitmq_alarms_memory_used_watermark").await)
}

#[tokio::test]
async fn connections_say_that_they_wait() {
    let settings = Settings { memory_bytes_max: 8 << 10, ..Settings::default() };
    let broker = Broker::with(settings, "guest:guest").await;
    let (mut holder, mut waiter) = (Client::connect(&broker).await, Client::connect(&broker).await);
    holder.open_channel(1).await;
    waiter.open_channel(1).await;
    let running = (vec!["running".to_owned(), "running".to_owned()], 0.0);
    assert_eq!(states(&broker).await, running);
    // All but the last frame, which takes all the memory that there is.
    let mut begun = Client::message(1, ("", "q"), (false, &[7; 8_100]));
    let rest = begun.split_off(begun.len() - 172);
    holder.send(&begun).await;
    while states(&broker).await != (vec!["blocking".to_owned(), "blocking".to_owned()], 1.0) {
        tokio::task::yield_now().await;
    }
    waiter.publish(1, ("", "q"), (false, b"x")).await;
    while states(&broker).await != (vec!["blocking".to_owned(), "blocked".to_owned()], 1.0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(broker.get("nodes/omnibus@1").await["mem_alarm"], true);
    let alarms = broker.ask("GET", "health/checks/alarms", None).await;
    assert_eq!((alarms.status, &alarms.body["alarms"][0]["resource"]), (503, &json!("memory")));
    holder.send(&rest).await;
    while states(&broker).await != running {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn queues_are_told_of_together_and_one_by_one() {
    let broker = Broker::open().await;
    broker.done("PUT", "vhosts/staging", json!({})).await;
    let quorum = json!({"durable": true, "arguments": {"x-queue-type": "quorum"}});
    broker.done("PUT", "queues/staging/q", quorum).await;
    broker.done("PUT", "queues/%2F/q", json!({})).await;
    for host in ["staging", "staging", "%2F"] {
        let published = json!({"routing_key": "q", "payload": "x", "payload_encoding": "string"});
        broker.done("POST", &format!("exchanges/{host}/amq.default/publish"), published).await;
    }
    assert_eq!(broker.metric(ALL, "rabbitmq_queue_messages_ready").await, 3.0);
    assert_eq!(broker.metric(ALL, "rabbitmq_queue_messages").await, 3.0);
    let each = |name: &str, host: &str| format!("rabbitmq_{name}{{vhost=\"{host}\",queue=\"q\"}}");
    assert_eq!(broker.metric(EACH, &each("queue_messages_ready", "staging")).await, 2.0);
    assert_eq!(broker.metric(EACH, &each("queue_messages_unacked", "/")).await, 0.0);
    let info =
        "rabbitmq_queue_info{vhost=\"staging\",queue=\"q\",queue_type=\"rabbit_quorum_queue\",membership=\"leader\"}";
    assert_eq!(broker.metric(EACH, info).await, 1.0);
    assert_eq!(broker.metric(EACH, "omnibus_metrics_series_left_out").await, 0.0);
    broker.done("PUT", "queues/%2F/one-too-many", json!({})).await;
    assert_eq!(broker.metric(EACH, "omnibus_metrics_series_left_out").await, 5.0);
    assert_eq!(broker.metric(EACH, "rabbitmq_queues").await, 3.0);
    for (path, endpoint) in [(ALL, "aggregated"), (EACH, "per-object")] {
        let identity = format!(
            "rabbitmq_identity_info{{rabbitmq_node=\"omnibus@1\",rabbitmq_cluster=\"cluster\",\
             rabbitmq_cluster_permanent_id=\"cluster\",rabbitmq_endpoint=\"{endpoint}\"}}"
        );
        assert_eq!(broker.metric(path, &identity).await, 1.0);
    }
    assert_eq!(broker.metrics("/metrics/none").await, "");
}

#[tokio::test]
async fn families_are_told_of_some_hosts() {
    let broker = Broker::open().await;
    broker.done("PUT", "vhosts/staging", json!({})).await;
    for host in ["staging", "%2F"] {
        broker.done("PUT", &format!("queues/{host}/q"), json!({})).await;
        broker.done("POST", &format!("bindings/{host}/e/amq.fanout/q/q"), json!({})).await;
    }
    let path = "/metrics/detailed?vhost=staging&family=queue_coarse_metrics&family=exchange_bindings";
    let labels = "vhost=\"staging\",queue=\"q\"";
    assert_eq!(broker.metric(path, &format!("rabbitmq_detailed_queue_messages{{{labels}}}")).await, 0.0);
    let bindings = "rabbitmq_cluster_exchange_bindings{vhost=\"staging\",exchange=\"amq.fanout\",type=\"fanout\"}";
    assert_eq!(broker.metric(path, bindings).await, 1.0);
    let text = broker.metrics(path).await;
    assert!(!text.contains("vhost=\"/\"") && !text.contains("consumers") && !text.contains("global"), "{text}");
    assert!(text.contains("rabbitmq_endpoint=\"detailed\""), "{text}");
    assert_eq!(broker.metrics("/metrics/detailed?family=channel_metrics").await, "");
}

#[tokio::test]
async fn page_tells_of_every_metric() {
    let broker = Broker::open().await;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rabbitmq-metrics.md")).unwrap();
    broker.done("PUT", "queues/%2F/q", json!({})).await;
    let families = [
        "queue_coarse_metrics",
        "queue_consumer_count",
        "queue_metrics",
        "vhost_status",
        "exchange_names",
        "exchange_bindings",
    ];
    let detailed = format!("/metrics/detailed?family={}", families.join("&family="));
    let text = broker.metrics(ALL).await + &broker.metrics(EACH).await + &broker.metrics(&detailed).await;
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(page.contains(&format!("`{name}`")), "docs/rabbitmq-metrics.md does not tell of {name}");
    }
}
