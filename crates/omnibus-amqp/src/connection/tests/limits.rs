use std::time::Duration;

use super::*;

fn declared(queue: &'static str, arguments: Table) -> Method {
    Declare { queue, ..DECLARE }.with(arguments)
}

/// A queue whose dead letters go to the queue `dead`.
fn dying<const N: usize>(arguments: [(&'static str, Value); N]) -> Method {
    let mut table = Table::from(arguments);
    table.set("x-dead-letter-exchange", Value::text(""));
    table.set("x-dead-letter-routing-key", Value::text("dead"));
    declared("q", table)
}

impl Client {
    /// Waits until a queue has a message, and takes it.
    async fn await_one(&mut self, queue: &str) -> Message {
        loop {
            match self.get(queue, true).await {
                Some(message) => return message,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn confirms(&mut self, queue: &str, bodies: &[&str]) -> Vec<bool> {
        let mut confirmed = Vec::new();
        for body in bodies {
            self.publish("", queue, &Properties::default(), body.as_bytes()).await;
            confirmed.push(match self.hear().await.1 {
                Method::BasicAck { .. } => true,
                Method::BasicNack { .. } => false,
                other => panic!("{other:?}"),
            });
        }
        confirmed
    }
}

fn deaths(properties: &Properties) -> Table {
    match properties.headers.as_ref().and_then(|headers| headers.get("x-death")) {
        Some(Value::Array(deaths)) => match &deaths[..] {
            [Value::Table(death)] => death.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn bodies(drained: &[(String, bool)]) -> Vec<&str> {
    drained.iter().map(|(body, _)| body.as_str()).collect()
}

#[tokio::test]
async fn rejected_message_goes_by_the_exchange_and_says_so() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.ask(declare("dead")).await;
    client.ask(dying([])).await;
    let properties = Properties { expiration: Some(Bytes::from_static(b"60000")), ..Properties::default() };
    client.publish("", "q", &properties, b"x").await;
    client.get("q", false).await.unwrap();
    client.say(1, Method::BasicReject { delivery_tag: 1, requeue: false }).await;
    let dead = client.await_one("dead").await;
    assert!(matches!(&dead.method, Method::BasicGetOk { routing_key, .. } if *routing_key == "dead".into()));
    let death = deaths(&dead.properties);
    assert_eq!((death.get("reason"), death.get("queue")), (Some(&Value::text("rejected")), Some(&Value::text("q"))));
    assert_eq!((death.get("count"), dead.properties.expiration), (Some(&Value::I64(1)), None));
    assert_eq!(death.get("original-expiration"), Some(&Value::text("60000")));
}

#[tokio::test]
async fn expired_message_goes_round_by_two_queues() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.ask(declare("dead")).await;
    client.ask(dying([("x-message-ttl", Value::I32(20))])).await;
    let mut back = Table::from([("x-message-ttl", Value::I32(20))]);
    back.set("x-dead-letter-exchange", Value::text(""));
    back.set("x-dead-letter-routing-key", Value::text("q"));
    client.ask(declared("wait", back)).await;
    client.publish("", "wait", &Properties::default(), b"x").await;
    let dead = client.await_one("dead").await;
    let headers = dead.properties.headers.unwrap();
    assert_eq!(headers.get("x-first-death-queue"), Some(&Value::text("wait")));
    assert_eq!(headers.get("x-last-death-queue"), Some(&Value::text("q")));
}

#[tokio::test]
async fn message_that_lives_for_no_time_is_for_whoever_waits_for_it() {
    let expiration = Some(Bytes::from_static(b"0"));
    let by_message = (Vec::new(), Properties { expiration, ..Properties::default() });
    let by_queue = (vec![("x-message-ttl", Value::I32(0))], Properties::default());
    for (arguments, properties) in [by_message, by_queue] {
        let node = Node::new();
        let mut client = node.connect().await;
        client.ask(declare("dead")).await;
        let mut table = Table::from([("x-dead-letter-exchange", Value::text(""))]);
        table.set("x-dead-letter-routing-key", Value::text("dead"));
        arguments.into_iter().for_each(|(name, value)| table.set(name, value));
        client.ask(declared("q", table)).await;
        client.publish("", "q", &properties, b"early").await;
        assert!(client.get("q", true).await.is_none());
        let dead = client.await_one("dead").await;
        assert_eq!(
            (&dead.body[..], deaths(&dead.properties).get("reason")),
            (&b"early"[..], Some(&Value::text("expired")))
        );
        client.ask(Method::BasicQos { prefetch_size: 0, prefetch_count: 1, global: false }).await;
        client.ask(consume("q", "c", false)).await;
        client.publish("", "q", &properties, b"awaited").await;
        let Message { method: Method::BasicDeliver { delivery_tag, .. }, body, .. } = client.message().await else {
            panic!("it is delivered")
        };
        assert_eq!(&body[..], b"awaited");
        // Its consumer may hold one, and holds one.
        client.publish("", "q", &properties, b"late").await;
        assert_eq!(&client.await_one("dead").await.body[..], b"late");
        // What comes back is over, however soon that is.
        client.say(1, Method::BasicReject { delivery_tag, requeue: true }).await;
        assert_eq!(&client.await_one("dead").await.body[..], b"awaited");
    }
}

#[tokio::test]
async fn bounded_queue_drops_its_oldest_or_refuses_the_newest() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.ask(declare("dead")).await;
    client.ask(dying([("x-max-length", Value::I32(2))])).await;
    let refuses = [("x-max-length", Value::I32(2)), ("x-overflow", Value::text("reject-publish"))];
    client.ask(declared("full", Table::from(refuses))).await;
    client.ask(Method::ConfirmSelect { no_wait: false }).await;
    assert_eq!(client.confirms("q", &["1", "2", "3", "4"]).await, [true; 4]);
    assert_eq!(bodies(&client.drain("q").await), ["3", "4"]);
    let dead = client.await_one("dead").await;
    assert_eq!(deaths(&dead.properties).get("reason"), Some(&Value::text("maxlen")));
    assert_eq!(client.confirms("full", &["1", "2", "3"]).await, [true, true, false]);
    assert_eq!(bodies(&client.drain("full").await), ["1", "2"]);
}

#[tokio::test]
async fn message_that_came_back_too_often_is_a_dead_letter() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.ask(declare("dead")).await;
    client.ask(dying([("x-queue-type", Value::text("quorum")), ("x-delivery-limit", Value::I32(2))])).await;
    client.publish("", "q", &Properties::default(), b"x").await;
    for (delivery_tag, count) in [(1, None), (2, Some(&Value::I64(1))), (3, Some(&Value::I64(2)))] {
        let message = client.get("q", false).await.unwrap();
        let headers = message.properties.headers.unwrap_or_default();
        assert_eq!(headers.get("x-delivery-count"), count);
        client.say(1, Method::BasicReject { delivery_tag, requeue: true }).await;
    }
    assert!(client.get("q", false).await.is_none());
    let dead = client.await_one("dead").await;
    assert_eq!(deaths(&dead.properties).get("reason"), Some(&Value::text("delivery_limit")));
}

#[tokio::test]
async fn what_a_full_queue_refuses_is_a_dead_letter_if_it_says_so() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.ask(declare("dead")).await;
    client.ask(dying([("x-max-length", Value::I32(1)), ("x-overflow", Value::text("reject-publish-dlx"))])).await;
    client.ask(Method::ConfirmSelect { no_wait: false }).await;
    assert_eq!(client.confirms("q", &["1", "2", "3"]).await, [true, false, false]);
    let (second, third) = (client.await_one("dead").await, client.await_one("dead").await);
    assert_eq!((&second.body[..], &third.body[..]), (&b"2"[..], &b"3"[..]));
    let death = deaths(&second.properties);
    assert_eq!((death.get("reason"), death.get("queue")), (Some(&Value::text("maxlen")), Some(&Value::text("q"))));
    assert_eq!(bodies(&client.drain("q").await), ["1"]);
}

#[tokio::test]
async fn bounded_queue_with_priorities_drops_its_highest_or_refuses_the_newest() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.ask(declare("dead")).await;
    client.ask(dying([("x-max-length", Value::I32(2)), ("x-max-priority", Value::I32(5))])).await;
    let refuses = [
        ("x-max-length", Value::I32(2)),
        ("x-overflow", Value::text("reject-publish")),
        ("x-max-priority", Value::I32(5)),
    ];
    client.ask(declared("full", Table::from(refuses))).await;
    for (priority, body) in [(0, b"a"), (5, b"b"), (1, b"c")] {
        let ranked = Properties { priority: Some(priority), ..Properties::default() };
        client.publish("", "q", &ranked, body).await;
        client.publish("", "full", &ranked, body).await;
    }
    let dead = client.await_one("dead").await;
    assert_eq!(dead.body, "b");
    assert_eq!(deaths(&dead.properties).get("reason"), Some(&Value::text("maxlen")));
    assert_eq!(bodies(&client.drain("q").await), ["c", "a"]);
    assert_eq!(bodies(&client.drain("full").await), ["b", "a"]);
}

#[tokio::test]
async fn full_quorum_queue_gives_up_its_oldest_where_it_was_told_to_refuse_and_bury() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.ask(declare("dead")).await;
    let refuses = ("x-overflow", Value::text("reject-publish-dlx"));
    client.ask(dying([("x-max-length", Value::I32(1)), refuses, ("x-queue-type", Value::text("quorum"))])).await;
    client.ask(Method::ConfirmSelect { no_wait: false }).await;
    assert_eq!(client.confirms("q", &["1", "2"]).await, [true; 2]);
    let dead = client.await_one("dead").await;
    assert_eq!(dead.body, "1");
    assert_eq!(deaths(&dead.properties).get("reason"), Some(&Value::text("maxlen")));
    assert_eq!(bodies(&client.drain("q").await), ["2"]);
}
