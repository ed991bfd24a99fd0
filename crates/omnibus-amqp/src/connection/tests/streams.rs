use omnibus_model::TopicName;
use omnibus_model::topic::Limit;

use super::*;
use crate::hosts::Host;
use crate::policy::{ApplyTo, Maker, Policy};

const STREAM: &str = "stream";

fn arguments<const N: usize>(more: [(&'static str, Value); N]) -> Table {
    let mut arguments = Table::from(more);
    arguments.set("x-queue-type", Value::text("stream"));
    arguments
}

fn stream() -> Method {
    Declare { queue: STREAM, ..DECLARE }.with(arguments([]))
}

fn from(tag: &str, start: Option<Value>) -> Method {
    let arguments = start.map_or_else(Table::default, |start| Table::from([("x-stream-offset", start)]));
    asking(tag, arguments)
}

fn asking(tag: &str, wanted: Table) -> Method {
    match consume(STREAM, tag, false) {
        Method::BasicConsume { reserved, queue, consumer_tag, no_local, no_ack, exclusive, no_wait, .. } => {
            let arguments = wanted;
            Method::BasicConsume { reserved, queue, consumer_tag, no_local, no_ack, exclusive, no_wait, arguments }
        }
        other => other,
    }
}

/// What was delivered: the tag of the delivery and of the consumer, the offset, and the body.
#[derive(Debug, PartialEq, Eq)]
struct Delivered {
    tag: u64,
    to: String,
    offset: i64,
    body: String,
}

impl Client {
    async fn qos(&mut self, count: u16) {
        let qos = Method::BasicQos { prefetch_size: 0, prefetch_count: count, global: false };
        assert_eq!(self.ask(qos).await, Method::BasicQosOk {});
    }

    /// Publishes messages that are called by these numbers, and waits until they are confirmed.
    async fn fill(&mut self, numbers: std::ops::Range<u64>) {
        self.ask(Method::ConfirmSelect { no_wait: false }).await;
        for number in numbers {
            self.publish("", STREAM, &Properties::default(), number.to_string().as_bytes()).await;
            assert!(matches!(self.hear().await.1, Method::BasicAck { .. }));
        }
    }

    async fn follow(&mut self, tag: &str, start: Option<Value>) {
        assert_eq!(self.ask(from(tag, start)).await, Method::BasicConsumeOk { consumer_tag: tag.into() });
    }

    async fn delivered(&mut self) -> Delivered {
        let Message { method, properties, body } = self.message().await;
        let Method::BasicDeliver { consumer_tag, delivery_tag, redelivered, .. } = method else { panic!("{method:?}") };
        assert!(!redelivered, "nothing of a stream comes again");
        let offset = properties.headers.and_then(|headers| headers.get("x-stream-offset")?.integer()).unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Delivered { tag: delivery_tag, to: consumer_tag.lossy(), offset, body }
    }

    /// The bodies of what comes, each acknowledged, with their offsets.
    async fn take(&mut self, count: usize) -> Vec<(i64, String)> {
        let mut taken = Vec::new();
        for _ in 0..count {
            let Delivered { tag, offset, body, .. } = self.delivered().await;
            self.say(1, ack(tag)).await;
            taken.push((offset, body));
        }
        taken
    }

    /// Makes sure that nothing has come: the answer to a question is the next that is heard.
    async fn nothing_came(&mut self) {
        assert!(matches!(self.declare("other").await, Method::QueueDeclareOk { .. }));
    }
}

fn numbered(range: std::ops::Range<u64>) -> Vec<(i64, String)> {
    range.map(|number| (i64::try_from(number).unwrap(), number.to_string())).collect()
}

async fn node_with(count: u64) -> (Node, Client) {
    let node = Node::new();
    let mut client = node.connect().await;
    client.ask(stream()).await;
    client.fill(0..count).await;
    (node, client)
}

#[tokio::test]
async fn each_consumer_reads_all_of_it_from_where_it_wants() {
    let (node, mut publisher) = node_with(5).await;
    let starts = [
        (Some(Value::text("first")), 0),
        (Some(Value::text("last")), 4),
        (Some(Value::I32(2)), 2),
        (Some(Value::Timestamp(1)), 0),
        (Some(Value::text("1h")), 0),
        (Some(Value::Timestamp(1 << 40)), 5),
        (Some(Value::text("next")), 5),
        (None, 5),
        (Some(Value::I32(6)), 6),
    ];
    let mut readers = Vec::new();
    for (start, first) in starts {
        let mut reader = node.connect().await;
        reader.qos(3).await;
        reader.follow("t", start).await;
        readers.push((reader, first));
    }
    publisher.fill(5..8).await;
    for (mut reader, first) in readers {
        assert_eq!(reader.take(usize::try_from(8 - first).unwrap()).await, numbered(first..8), "from {first}");
    }
}

#[tokio::test]
async fn consumer_gets_only_what_it_filters() {
    let (node, mut publisher) = node_with(0).await;
    publisher.ask(Method::ConfirmSelect { no_wait: false }).await;
    for number in 0..600_u64 {
        let mut properties = Properties::default();
        match number % 300 {
            7 => properties.headers_mut().set("x-stream-filter-value", Value::text("rare")),
            8 => {}
            _ => properties.headers_mut().set("x-stream-filter-value", Value::text("often")),
        }
        publisher.publish("", STREAM, &properties, number.to_string().as_bytes()).await;
        assert!(matches!(publisher.hear().await.1, Method::BasicAck { .. }));
    }
    for (unfiltered, wanted) in [(false, vec![7, 307]), (true, vec![7, 8, 307, 308])] {
        let mut reader = node.connect().await;
        reader.qos(1).await;
        let wanting = Table::from([
            ("x-stream-offset", Value::text("first")),
            ("x-stream-filter", Value::Array(vec![Value::text("rare"), Value::text("nobody has it")])),
            ("x-stream-match-unfiltered", Value::Bool(unfiltered)),
        ]);
        assert_eq!(reader.ask(asking("t", wanting)).await, Method::BasicConsumeOk { consumer_tag: "t".into() });
        let wanted: Vec<_> = wanted.into_iter().flat_map(|number| numbered(number..number + 1)).collect();
        assert_eq!(reader.take(wanted.len()).await, wanted);
        reader.nothing_came().await;
    }
    let mut reader = node.connect().await;
    reader.qos(1).await;
    let text = "PRECONDITION_FAILED - invalid arg 'x-stream-filter' for queue 'stream' in vhost '/': \
                {unacceptable_type,signedint}";
    let wrong = Table::from([("x-stream-filter", Value::I32(1))]);
    assert_eq!(reader.refused(asking("t", wrong)).await, (406, text.to_owned()));
}

#[tokio::test]
async fn whatever_is_said_of_a_delivery_is_credit_and_nothing_goes() {
    let (_node, mut client) = node_with(10).await;
    client.qos(2).await;
    client.follow("t", Some(Value::text("first"))).await;
    let mut seen = Vec::new();
    let settlements: [fn(u64) -> Method; 4] = [
        |delivery_tag| Method::BasicAck { delivery_tag, multiple: true },
        |delivery_tag| Method::BasicNack { delivery_tag, multiple: true, requeue: true },
        |delivery_tag| Method::BasicNack { delivery_tag, multiple: true, requeue: false },
        |_| Method::BasicRecoverAsync { requeue: true },
    ];
    for settle in settlements {
        let (first, second) = (client.delivered().await, client.delivered().await);
        client.nothing_came().await;
        client.say(1, settle(second.tag)).await;
        seen.extend([first.body, second.body]);
    }
    let last = client.delivered().await;
    client.say(1, Method::BasicReject { delivery_tag: last.tag, requeue: true }).await;
    seen.push(last.body);
    seen.push(client.delivered().await.body);
    assert_eq!(seen, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    let ok = Method::QueueDeclareOk { queue: STREAM.into(), message_count: 10, consumer_count: 1 };
    assert_eq!(client.ask(Declare { queue: STREAM, passive: true, ..DECLARE }.method()).await, ok);
    let cancelled = Method::BasicCancelOk { consumer_tag: "t".into() };
    assert_eq!(client.ask(Method::BasicCancel { consumer_tag: "t".into(), no_wait: false }).await, cancelled);
    // What it holds it may still settle, once.
    client.say(1, Method::BasicAck { delivery_tag: 0, multiple: true }).await;
    client.nothing_came().await;
    client.follow("again", Some(Value::I64(9))).await;
    assert_eq!(client.take(1).await, numbered(9..10));
}

#[tokio::test]
async fn two_consumers_of_a_channel_have_a_prefetch_each() {
    let (_node, mut client) = node_with(4).await;
    client.qos(1).await;
    client.follow("a", Some(Value::text("first"))).await;
    let first = client.delivered().await;
    client.follow("b", Some(Value::text("first"))).await;
    let second = client.delivered().await;
    assert_eq!((first.to.as_str(), first.offset, second.to.as_str(), second.offset), ("a", 0, "b", 0));
    client.say(1, ack(second.tag)).await;
    let third = client.delivered().await;
    assert_eq!((third.to.as_str(), third.offset), ("b", 1));
    client.nothing_came().await;
}

#[tokio::test]
async fn settlements_of_a_transaction_are_credit_when_it_is_committed() {
    let (node, _publisher) = node_with(3).await;
    let mut client = node.connect().await;
    client.ask(Method::TxSelect {}).await;
    client.qos(1).await;
    client.follow("t", Some(Value::text("first"))).await;
    let first = client.delivered().await;
    client.say(1, ack(first.tag)).await;
    client.nothing_came().await;
    assert_eq!(client.ask(Method::TxCommit {}).await, Method::TxCommitOk {});
    assert_eq!(client.delivered().await.offset, 1);
}

#[tokio::test]
async fn large_stream_is_read_in_order_by_a_slow_reader() {
    let (node, mut publisher) = node_with(0).await;
    publisher.ask(Method::ConfirmSelect { no_wait: false }).await;
    for number in 0..400_u64 {
        let mut body = vec![7; 10_000];
        body[..8].copy_from_slice(&number.to_be_bytes());
        publisher.publish("", STREAM, &Properties::default(), &body).await;
    }
    let mut confirmed = 0;
    while confirmed < 400 {
        match publisher.hear().await.1 {
            Method::BasicAck { delivery_tag, .. } => confirmed = delivery_tag,
            other => panic!("{other:?}"),
        }
    }
    let mut reader = node.connect().await;
    reader.qos(300).await;
    reader.follow("t", Some(Value::text("first"))).await;
    for number in 0..400_u64 {
        let Message { method, body, .. } = reader.message().await;
        let Method::BasicDeliver { delivery_tag, .. } = method else { panic!("{method:?}") };
        assert_eq!((delivery_tag, &body[..8], body.len()), (number + 1, &number.to_be_bytes()[..], 10_000));
        reader.say(1, ack(delivery_tag)).await;
    }
}

#[tokio::test]
async fn what_a_stream_does_not_do_is_refused_as_rabbitmq_does() {
    let (node, mut client) = node_with(1).await;
    let no_prefetch = "PRECONDITION_FAILED - consumer prefetch count is not set for stream queue 'stream' in vhost '/'";
    assert_eq!(client.refused(from("t", None)).await, (406, no_prefetch.to_owned()));
    client.qos(1).await;
    let soon = "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 'stream' in vhost '/': \
                {invalid_stream_offset_arg,{longstr,<<\"soon\">>}}";
    assert_eq!(client.refused(from("t", Some(Value::text("soon")))).await, (406, soon.to_owned()));
    client.qos(1).await;
    let priority = Table::from([("x-priority", Value::I32(1))]);
    assert!(client.refused(asking("t", priority)).await.1.ends_with("of queue type rabbit_stream_queue"));
    let server_named = Declare { queue: "", ..DECLARE }.with(arguments([]));
    let text = "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_stream_queue";
    assert_eq!(client.refused(server_named).await, (406, text.to_owned()));
    for (method, text) in [
        (
            Method::BasicGet { reserved: 0, queue: STREAM.into(), no_ack: false },
            "basic.get not supported by stream queues queue 'stream' in vhost '/'",
        ),
        (
            Method::QueuePurge { reserved: 0, queue: STREAM.into(), no_wait: false },
            "queue.purge not supported by stream queues queue 'stream' in vhost '/'",
        ),
        (consume(STREAM, "t", true), "automatic acknowledgement not supported by stream queue 'stream' in vhost '/'"),
    ] {
        let mut client = node.connect().await;
        client.qos(1).await;
        assert_eq!(client.refused(method).await, (540, format!("NOT_IMPLEMENTED - {text}")));
    }
    let mut client = node.connect().await;
    client.qos(1).await;
    client.ask(Method::BasicQos { prefetch_size: 0, prefetch_count: 1, global: true }).await;
    let text = "NOT_IMPLEMENTED - queue 'stream' in vhost '/' does not support global qos";
    assert_eq!(client.refused(from("t", None)).await, (540, text.to_owned()));
}

#[tokio::test]
async fn stream_is_consumed_exclusively_if_one_asks_for_it() {
    let (node, mut client) = node_with(1).await;
    client.qos(1).await;
    let Method::BasicConsume { reserved, queue, consumer_tag, no_local, no_ack, no_wait, arguments, .. } =
        from("t", None)
    else {
        unreachable!("it consumes");
    };
    let alone =
        Method::BasicConsume { reserved, queue, consumer_tag, no_local, no_ack, exclusive: true, no_wait, arguments };
    client.ask(alone).await;
    let mut other = node.connect().await;
    other.qos(1).await;
    let text = "ACCESS_REFUSED - queue 'stream' in vhost '/' in exclusive use";
    assert_eq!(other.refused(from("t", None)).await, (403, text.to_owned()));
}

#[tokio::test]
async fn reader_goes_on_behind_what_retention_has_taken() {
    let (node, mut client) = node_with(6).await;
    client.qos(1).await;
    client.follow("t", Some(Value::text("first"))).await;
    let first = client.delivered().await;
    let place = node.door.find(STREAM).unwrap().place.lowest;
    node.door.engine.trim(place.shard, place.stream, omnibus_model::Offset(4)).await.unwrap();
    client.say(1, ack(first.tag)).await;
    assert_eq!(client.take(2).await, numbered(4..6));
    let ok = Method::QueueDeclareOk { queue: STREAM.into(), message_count: 2, consumer_count: 1 };
    assert_eq!(client.ask(stream()).await, ok);
}

#[tokio::test]
async fn reader_of_a_deleted_stream_is_told() {
    let (_node, mut client) = node_with(2).await;
    client.qos(1).await;
    client.follow("t", None).await;
    let delete =
        Method::QueueDelete { reserved: 0, queue: STREAM.into(), if_unused: false, if_empty: false, no_wait: false };
    client.say(1, delete).await;
    let mut heard = [client.hear().await.1, client.hear().await.1];
    heard.sort_by_key(Method::id);
    assert_eq!(heard[0], Method::QueueDeleteOk { message_count: 2 });
    assert_eq!(heard[1], Method::BasicCancel { consumer_tag: "t".into(), no_wait: true });
}

#[tokio::test]
async fn messages_come_by_exchanges_and_what_would_be_held_back_is_refused() {
    let (_node, mut client) = node_with(0).await;
    let bind = |exchange: &'static str| Method::QueueBind {
        reserved: 0,
        queue: STREAM.into(),
        exchange: exchange.into(),
        routing_key: "k".into(),
        no_wait: false,
        arguments: Table::default(),
    };
    client.ask(bind("amq.topic")).await;
    let short = Properties { expiration: Some(Bytes::from_static(b"0")), ..Properties::default() };
    client.publish("amq.topic", "k", &short, b"0").await;
    assert!(matches!(client.hear().await.1, Method::BasicAck { .. }));
    client.qos(1).await;
    client.follow("t", Some(Value::text("first"))).await;
    // What expires elsewhere is kept here.
    assert_eq!(client.take(1).await, numbered(0..1));
    let delayed = Method::ExchangeDeclare {
        reserved: 0,
        exchange: "later".into(),
        kind: "x-delayed-message".into(),
        passive: false,
        durable: true,
        auto_delete: false,
        internal: false,
        no_wait: false,
        arguments: Table::from([("x-delayed-type", Value::text("direct"))]),
    };
    client.ask(delayed).await;
    client.ask(bind("later")).await;
    let mut later = Properties::default();
    later.headers_mut().set("x-delay", Value::I32(1_000));
    client.publish("later", "k", &later, b"x").await;
    let text = "PRECONDITION_FAILED - queue 'stream' in vhost '/' is a stream, which holds nothing back";
    assert_eq!(client.closed().await, (406, text.to_owned()));
}

#[tokio::test]
async fn stream_keeps_what_its_arguments_and_policies_say() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.ask(Declare { queue: STREAM, ..DECLARE }.with(arguments([("x-max-age", Value::text("1h"))]))).await;
    let kept = || {
        let topic = node.door.engine.topic(&TopicName::new(STREAM).unwrap()).unwrap();
        (topic.config.retention_time, topic.config.retention_bytes)
    };
    let hours = |hours: u64| Some(Limit::AtMost(hours * 3_600_000));
    assert_eq!(kept(), (hours(1), Some(Limit::Unlimited)));
    let definition = Table::from([("max-age", Value::text("2h")), ("max-length-bytes", Value::I64(9))]);
    let (name, pattern) = ("p".to_owned(), ".*".to_owned());
    let (maker, host, apply_to) = (Maker::User, Host::default(), ApplyTo::Streams);
    let policy = Policy { maker, host, name, pattern, apply_to, priority: 0, definition };
    node.door.put_policy(policy).await.unwrap();
    assert_eq!(kept(), (hours(2), Some(Limit::AtMost(9))));
    assert!(node.door.delete_policy(Maker::User, &Host::default(), "p").await.unwrap());
    assert_eq!(kept(), (hours(1), Some(Limit::Unlimited)));
}
