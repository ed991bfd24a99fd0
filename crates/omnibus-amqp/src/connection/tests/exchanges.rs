use omnibus_model::Command;

use super::*;

fn exchange(name: &str, kind: &str) -> Method {
    declared(name, kind, (false, false), Table::default())
}

fn declared(name: &str, kind: &str, (auto_delete, internal): (bool, bool), arguments: Table) -> Method {
    Method::ExchangeDeclare {
        reserved: 0,
        exchange: name.into(),
        kind: kind.into(),
        passive: false,
        durable: false,
        auto_delete,
        internal,
        no_wait: false,
        arguments,
    }
}

fn bind(queue: &str, exchange: &str, key: &str) -> Method {
    Method::QueueBind {
        reserved: 0,
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: key.into(),
        no_wait: false,
        arguments: Table::default(),
    }
}

fn unbind(queue: &str, exchange: &str, key: &str) -> Method {
    Method::QueueUnbind {
        reserved: 0,
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: key.into(),
        arguments: Table::default(),
    }
}

fn bind_exchange(destination: &str, source: &str, key: &str) -> Method {
    Method::ExchangeBind {
        reserved: 0,
        destination: destination.into(),
        source: source.into(),
        routing_key: key.into(),
        no_wait: false,
        arguments: Table::default(),
    }
}

fn delete(name: &str, if_unused: bool) -> Method {
    Method::ExchangeDelete { reserved: 0, exchange: name.into(), if_unused, no_wait: false }
}

impl Client {
    async fn done(&mut self, methods: impl IntoIterator<Item = Method>) {
        for method in methods {
            let (class, id) = method.id();
            let answer = self.ask(method).await;
            // The number of an answer is the next, but for one.
            assert!(answer.id().0 == class && answer.id().1 > id, "{answer:?}");
        }
    }

    /// How many messages a queue holds.
    async fn count(&mut self, queue: &'static str) -> u32 {
        match self.ask(Declare { queue, passive: true, ..DECLARE }.method()).await {
            Method::QueueDeclareOk { message_count, .. } => message_count,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn one_copy_however_many_ways_lead_to_a_queue() {
    let node = Node::new();
    let mut client = node.connect().await;
    client
        .done([
            declare("q"),
            bind("q", "amq.topic", "a.#"),
            bind("q", "amq.topic", "#.b"),
            bind("q", "amq.topic", "a.#"),
            exchange("x", "fanout"),
            exchange("y", "direct"),
            bind_exchange("x", "amq.topic", "#"),
            bind_exchange("y", "x", ""),
            bind_exchange("x", "y", "a.b"),
            bind("q", "y", "a.b"),
        ])
        .await;
    client.publish("amq.topic", "a.b", &Properties::default(), b"x").await;
    assert_eq!(client.count("q").await, 1);
    let got = client.get("q", true).await.unwrap().method;
    let Method::BasicGetOk { exchange, routing_key, .. } = got else { panic!("nothing was got") };
    assert_eq!((exchange, routing_key), ("amq.topic".into(), "a.b".into()));
}

#[tokio::test]
async fn what_is_bound_can_be_unbound() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.done([declare("q"), bind("q", "amq.direct", "k"), unbind("q", "amq.direct", "other")]).await;
    client.publish("amq.direct", "k", &Properties::default(), b"x").await;
    client.done([unbind("q", "amq.direct", "k"), unbind("nope", "amq.direct", "k"), unbind("q", "nope", "k")]).await;
    client.publish("amq.direct", "k", &Properties::default(), b"x").await;
    assert!(matches!(client.hear().await.1, Method::BasicReturn { code: 312, .. }));
    client.frame().await;
    client.frame().await;
    assert_eq!(client.count("q").await, 1);
}

#[tokio::test]
async fn nothing_and_nothing_binds_the_last_queue_by_its_name() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.done([declare("q"), bind("", "amq.direct", "")]).await;
    client.publish("amq.direct", "q", &Properties::default(), b"x").await;
    assert_eq!(client.count("q").await, 1);
}

#[tokio::test]
async fn bindings_go_with_what_they_lead_to() {
    let node = Node::new();
    let mut client = node.connect().await;
    let delete_queue =
        Method::QueueDelete { reserved: 0, queue: "q".into(), if_unused: false, if_empty: false, no_wait: false };
    client.done([declare("q"), declared("x", "fanout", (true, false), Table::default()), bind("q", "x", "")]).await;
    client.done([declared("y", "fanout", (true, false), Table::default()), bind_exchange("x", "y", "")]).await;
    // The queue takes its binding with it, which takes its exchange, which takes the one before.
    client.done([delete_queue]).await;
    let passive = |name: &str| Method::ExchangeDeclare {
        reserved: 0,
        exchange: name.into(),
        kind: "".into(),
        passive: true,
        durable: false,
        auto_delete: false,
        internal: false,
        no_wait: false,
        arguments: Table::default(),
    };
    for name in ["x", "y"] {
        let gone = (404, format!("NOT_FOUND - no exchange '{name}' in vhost '/'"));
        assert_eq!(client.refused(passive(name)).await, gone);
    }
    client.done([declare("q"), passive("amq.fanout")]).await;
    let default = (403, "ACCESS_REFUSED - operation not permitted on the default exchange".to_owned());
    assert_eq!(client.refused(passive("")).await, default);
}

#[tokio::test]
async fn alternate_takes_what_nobody_wants() {
    let node = Node::new();
    let mut client = node.connect().await;
    let arguments = Table::from([("alternate-exchange", Value::text("ae"))]);
    client.done([declare("q"), exchange("ae", "fanout"), bind("q", "ae", "")]).await;
    client.done([declared("x", "direct", (false, false), arguments)]).await;
    client.publish("x", "k", &Properties::default(), b"x").await;
    assert_eq!(client.count("q").await, 1);
}

#[tokio::test]
async fn copies_go_by_the_keys_of_headers() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.done([declare("a"), declare("b"), declare("c")]).await;
    let list = |name: &str| Value::Array(vec![Value::text(name)]);
    let headers = Table::from([("CC", list("b")), ("BCC", list("c"))]);
    client.publish("", "a", &Properties { headers: Some(headers), ..Properties::default() }, b"x").await;
    for queue in ["a", "b", "c"] {
        let message = client.get(queue, true).await.unwrap();
        assert_eq!(message.properties.headers, Some(Table::from([("CC", list("b"))])));
        assert!(matches!(message.method, Method::BasicGetOk { routing_key, .. } if routing_key == "a".into()));
    }
}

#[tokio::test]
async fn delayed_message_comes_later() {
    let node = Node::new();
    let mut client = node.connect().await;
    let arguments = Table::from([("x-delayed-type", Value::text("direct"))]);
    client
        .done([declare("q"), declared("x", "x-delayed-message", (false, false), arguments), bind("q", "x", "k")])
        .await;
    let late = Properties { headers: Some(Table::from([("x-delay", Value::I32(200))])), ..Properties::default() };
    client.publish("x", "k", &late, b"late").await;
    client.publish("x", "k", &Properties::default(), b"now").await;
    client.ask(consume("q", "t", true)).await;
    assert_eq!(client.message().await.body, "now");
    let message = client.message().await;
    assert_eq!(message.body, "late");
    assert_eq!(message.properties.headers, Some(Table::from([("x-delay", Value::I64(-200))])));
}

#[tokio::test]
async fn exchanges_are_refused_as_rabbitmq_does() {
    let node = Node::new();
    let mut client = node.connect().await;
    client
        .done([declare("q"), exchange("x", "direct"), declared("internal", "fanout", (false, true), Table::default())])
        .await;
    client.done([bind_exchange("x", "amq.topic", "k"), delete("nope", false)]).await;
    let default = "ACCESS_REFUSED - operation not permitted on the default exchange";
    for (method, code, text) in [
        (exchange("", "direct"), 403, default),
        (delete("", false), 403, default),
        (bind("q", "", "k"), 403, default),
        (
            exchange("amq.foo", "direct"),
            403,
            "ACCESS_REFUSED - exchange name 'amq.foo' contains reserved prefix 'amq.*'",
        ),
        (
            delete("amq.topic", true),
            403,
            "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed",
        ),
        (bind("nope", "amq.direct", "k"), 404, "NOT_FOUND - no queue 'nope' in vhost '/'"),
        (bind("q", "nope", "k"), 404, "NOT_FOUND - no exchange 'nope' in vhost '/'"),
        (exchange("u", "nosuch"), 406, "PRECONDITION_FAILED - unknown exchange type 'nosuch'"),
        (
            exchange("x", "topic"),
            406,
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/': received 'topic' but current \
             is 'direct'",
        ),
    ] {
        assert_eq!(client.refused(method).await, (code, text.to_owned()));
    }
    client.publish("internal", "k", &Properties::default(), b"x").await;
    let refusal = "ACCESS_REFUSED - cannot publish to internal exchange 'internal' in vhost '/'";
    assert_eq!(client.closed().await, (403, refusal.to_owned()));
    client.done([bind("q", "x", "k")]).await;
    assert_eq!(client.refused(delete("x", true)).await.1, "PRECONDITION_FAILED - exchange 'x' in vhost '/' in use");
    client.done([delete("x", false)]).await;
}

#[tokio::test]
async fn transaction_counts_when_it_is_committed() {
    let node = Node::new();
    let mut client = node.connect().await;
    let mut other = node.connect().await;
    client.done([declare("q"), Method::TxSelect {}]).await;
    for body in [b"1", b"2"] {
        client.publish("", "q", &Properties::default(), body).await;
    }
    client.done([declare("q")]).await;
    assert_eq!(other.count("q").await, 0);
    client.done([Method::TxCommit {}]).await;
    assert_eq!(other.count("q").await, 2);
    client.publish("", "q", &Properties::default(), b"3").await;
    client.get("q", false).await.unwrap();
    client.say(1, ack(1)).await;
    client.done([Method::TxRollback {}]).await;
    assert_eq!(other.count("q").await, 1);
    client.say(1, ack(1)).await;
    client.done([Method::TxCommit {}]).await;
    client.ask(Method::ChannelClose { code: 200, text: "".into(), class: 0, method: 0 }).await;
    assert_eq!(other.count("q").await, 1);
}

#[tokio::test]
async fn what_is_recovered_goes_back_before_the_transaction_ends() {
    let node = Node::new();
    let mut client = node.connect().await;
    let mut other = node.connect().await;
    client.done([declare("q"), Method::TxSelect {}]).await;
    for body in [b"1", b"2"] {
        other.publish("", "q", &Properties::default(), body).await;
        other.declare("q").await;
        client.get("q", false).await.unwrap();
    }
    client.say(1, ack(1)).await;
    assert_eq!(client.ask(Method::BasicRecover { requeue: true }).await, Method::BasicRecoverOk {});
    assert_eq!(other.drain("q").await, [("2".to_owned(), true)]);
    client.done([Method::TxCommit {}]).await;
    assert_eq!(other.count("q").await, 0);
}

#[tokio::test]
async fn what_was_lost_before_it_was_settled_is_not_told_as_settled() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.done([declare("q"), Method::TxSelect {}]).await;
    client.publish("", "q", &Properties::default(), b"1").await;
    client.done([Method::TxCommit {}]).await;
    client.get("q", false).await.unwrap();
    // As whoever begins to lead the queue does.
    let shard = node.door.find("q").unwrap().place.lowest.shard;
    node.door.engine.submit(shard, Command::EndSessions).await.unwrap();
    client.say(1, ack(1)).await;
    let refused = client.refused(Method::TxCommit {}).await;
    let text = "PRECONDITION_FAILED - 1 of what is settled was given back before";
    assert_eq!(refused, (406, text.to_owned()));
    assert_eq!(client.drain("q").await, [("1".to_owned(), true)]);
}

#[tokio::test]
async fn modes_of_a_channel_exclude_each_other() {
    let node = Node::new();
    let mut client = node.connect().await;
    let refused = client.refused(Method::TxCommit {}).await;
    assert_eq!(refused, (406, "PRECONDITION_FAILED - channel is not transactional".to_owned()));
    client.done([Method::TxSelect {}]).await;
    let refused = client.refused(Method::ConfirmSelect { no_wait: false }).await;
    assert_eq!(refused, (406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode".to_owned()));
    client.done([Method::ConfirmSelect { no_wait: false }]).await;
    let refused = client.refused(Method::TxSelect {}).await;
    assert_eq!(refused, (406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode".to_owned()));
}

fn consume_replies(no_ack: bool) -> Method {
    consume("amq.rabbitmq.reply-to", "r", no_ack)
}

#[tokio::test]
async fn who_asks_is_answered_directly() {
    let node = Node::new();
    let mut client = node.connect().await;
    let asks = Properties { reply_to: Some(Bytes::from_static(b"amq.rabbitmq.reply-to")), ..Properties::default() };
    client.publish("", "q", &asks, b"question").await;
    let nobody = (406, "PRECONDITION_FAILED - fast reply consumer does not exist".to_owned());
    assert_eq!(client.closed().await, nobody);
    let acknowledges = (406, "PRECONDITION_FAILED - reply consumer cannot acknowledge".to_owned());
    assert_eq!(client.refused(consume_replies(false)).await, acknowledges);
    client.done([declare("q"), consume_replies(true)]).await;
    client.publish("", "q", &asks, b"question").await;
    let mut other = node.connect().await;
    let question = other.get("q", true).await.unwrap();
    let waits_at = String::from_utf8(question.properties.reply_to.unwrap().to_vec()).unwrap();
    assert!(waits_at.starts_with("amq.rabbitmq.reply-to."), "{waits_at}");
    other.publish("", &waits_at, &Properties::default(), b"answer").await;
    let answer = client.message().await;
    assert_eq!(answer.body, "answer");
    let deliver = Method::BasicDeliver {
        consumer_tag: "r".into(),
        delivery_tag: 1,
        redelivered: false,
        exchange: "".into(),
        routing_key: (&*waits_at).into(),
    };
    assert_eq!(answer.method, deliver);
    client.done([Method::BasicCancel { consumer_tag: "r".into(), no_wait: false }]).await;
    other.publish("", &waits_at, &Properties::default(), b"late").await;
    assert!(matches!(other.hear().await.1, Method::BasicReturn { code: 312, .. }));
}
