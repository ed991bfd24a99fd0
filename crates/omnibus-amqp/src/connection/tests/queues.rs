use omnibus_model::command::CreateQueue;
use omnibus_model::{Command, ShardId, TopicId, TopicName};

use super::*;

fn bodies(drained: &[(String, bool)]) -> Vec<&str> {
    drained.iter().map(|(body, _)| body.as_str()).collect()
}

/// A queue of so many messages, called 1, 2 and so on.
async fn queue(client: &mut Client, name: &'static str, messages: u32) {
    client.declare(name).await;
    for number in 1..=messages {
        client.publish("", name, &Properties::default(), number.to_string().as_bytes()).await;
    }
}

async fn fetch(client: &mut Client, queue: &str) -> u64 {
    match client.get(queue, false).await.unwrap().method {
        Method::BasicGetOk { delivery_tag, .. } => delivery_tag,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn message_comes_back_as_it_was_sent() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.declare("q").await;
    let properties = Properties {
        headers: Some(Table::from([("b", Value::I32(1)), ("a", Value::Void)])),
        priority: Some(255),
        user_id: Some(Bytes::from_static(b"guest")),
        ..Properties::default()
    };
    let body = vec![7; 3 * FRAME_MAX];
    client.publish("", "q", &properties, &body).await;
    let message = client.get("q", true).await.unwrap();
    assert_eq!((message.properties, message.body.to_vec()), (properties, body));
    let got = Method::BasicGetOk {
        delivery_tag: 1,
        redelivered: false,
        exchange: "".into(),
        routing_key: "q".into(),
        message_count: 0,
    };
    assert_eq!(message.method, got);
    assert!(client.get("q", true).await.is_none());
}

#[tokio::test]
async fn declaration_says_what_is_there() {
    let node = Node::new();
    let mut client = node.connect().await;
    queue(&mut client, "q", 3).await;
    client.get("q", false).await.unwrap();
    client.ask(consume("q", "t", false)).await;
    for _ in 0..2 {
        client.message().await;
    }
    let ok = Method::QueueDeclareOk { queue: "q".into(), message_count: 0, consumer_count: 1 };
    assert_eq!(client.declare("q").await, ok);
    let Method::QueueDeclareOk { queue, .. } = client.declare("").await else { panic!("not declared") };
    assert!(queue.lossy().starts_with("amq.gen-"));
    let reserved = "ACCESS_REFUSED - queue name 'amq.foo' contains reserved prefix 'amq.*'";
    assert_eq!(client.refused(declare("amq.foo")).await, (403, reserved.to_owned()));
}

#[tokio::test]
async fn nothing_stands_for_the_last_declared() {
    let node = Node::new();
    let mut client = node.connect().await;
    let purge = Method::QueuePurge { reserved: 0, queue: "".into(), no_wait: false };
    assert_eq!(client.refused(purge.clone()).await.0, 404);
    queue(&mut client, "q", 2).await;
    assert_eq!(client.ask(purge).await, Method::QueuePurgeOk { message_count: 2 });
}

#[tokio::test]
async fn what_is_refused_comes_again_in_its_place() {
    let node = Node::new();
    let mut client = node.connect().await;
    queue(&mut client, "q", 5).await;
    for wanted in 1..=3 {
        assert_eq!(fetch(&mut client, "q").await, wanted);
    }
    for tag in [2, 1, 3] {
        client.say(1, Method::BasicReject { delivery_tag: tag, requeue: true }).await;
    }
    let drained = client.drain("q").await;
    assert_eq!(bodies(&drained), ["1", "2", "3", "4", "5"]);
    assert_eq!(drained.iter().map(|(_, again)| *again).collect::<Vec<_>>(), [true, true, true, false, false]);
}

#[tokio::test]
async fn one_word_settles_all_up_to_a_tag() {
    let node = Node::new();
    let mut client = node.connect().await;
    queue(&mut client, "q", 5).await;
    for _ in 0..4 {
        fetch(&mut client, "q").await;
    }
    client.say(1, Method::BasicAck { delivery_tag: 2, multiple: true }).await;
    client.say(1, Method::BasicNack { delivery_tag: 3, multiple: true, requeue: true }).await;
    assert_eq!(bodies(&client.drain("q").await), ["3", "5"]);
    assert_eq!(client.ask(Method::BasicRecover { requeue: true }).await, Method::BasicRecoverOk {});
    assert_eq!(bodies(&client.drain("q").await), ["4"]);
}

#[tokio::test]
async fn closing_a_channel_gives_back_what_it_held() {
    let node = Node::new();
    let mut client = node.connect().await;
    queue(&mut client, "q", 3).await;
    client.ask(consume("q", "t", false)).await;
    for _ in 0..3 {
        client.message().await;
    }
    client.say(1, ack(2)).await;
    client.ask(Method::ChannelClose { code: 200, text: "".into(), class: 0, method: 0 }).await;
    client.channel(1).await;
    assert_eq!(client.drain("q").await, [("1".to_owned(), true), ("3".to_owned(), true)]);
}

#[tokio::test]
async fn lost_connection_gives_back_what_it_held() {
    let node = Node::new();
    let mut client = node.connect().await;
    queue(&mut client, "q", 2).await;
    fetch(&mut client, "q").await;
    let mut other = node.connect().await;
    other.ask(consume("q", "t", false)).await;
    assert_eq!(other.message().await.body, "2");
    drop(client);
    assert_eq!(other.message().await.body, "1");
}

#[tokio::test]
async fn prefetch_bounds_what_a_consumer_holds() {
    let node = Node::new();
    let mut client = node.connect().await;
    queue(&mut client, "q", 5).await;
    let qos = Method::BasicQos { prefetch_size: 0, prefetch_count: 2, global: false };
    assert_eq!(client.ask(qos).await, Method::BasicQosOk {});
    assert_eq!(client.ask(consume("q", "t", false)).await, Method::BasicConsumeOk { consumer_tag: "t".into() });
    assert_eq!((client.message().await.body, client.message().await.body), ("1".into(), "2".into()));
    let ok = Method::QueueDeclareOk { queue: "q".into(), message_count: 3, consumer_count: 1 };
    assert_eq!(client.declare("q").await, ok);
    client.say(1, ack(1)).await;
    assert_eq!(client.message().await.body, "3");
    client.say(1, Method::BasicAck { delivery_tag: 0, multiple: true }).await;
    assert_eq!((client.message().await.body, client.message().await.body), ("4".into(), "5".into()));
}

#[tokio::test]
async fn consumers_of_a_channel_share_its_prefetch() {
    let node = Node::new();
    let mut client = node.connect().await;
    queue(&mut client, "q", 6).await;
    let qos = Method::BasicQos { prefetch_size: 0, prefetch_count: 3, global: true };
    assert_eq!(client.ask(qos).await, Method::BasicQosOk {});
    client.ask(consume("q", "a", false)).await;
    let (mut other, mut bodies) = (Some(consume("q", "b", false)), Vec::new());
    while bodies.len() < 3 {
        match client.hear().await.1 {
            method @ Method::BasicDeliver { .. } => bodies.push(client.rest_of(method).await.body),
            other => panic!("{other:?}"),
        }
        if let Some(consume) = other.take() {
            client.say(1, consume).await;
            // Its answer may come behind messages.
            loop {
                match client.hear().await.1 {
                    Method::BasicConsumeOk { .. } => break,
                    method => bodies.push(client.rest_of(method).await.body),
                }
            }
        }
    }
    client.say(1, ack(2)).await;
    client.message().await;
    // Nothing more comes: what does is the answer to this.
    assert!(matches!(client.declare("other").await, Method::QueueDeclareOk { .. }));
    for tag in ["a", "b"] {
        client.ask(Method::BasicCancel { consumer_tag: tag.into(), no_wait: false }).await;
    }
    let drained = client.drain("q").await;
    assert_eq!((drained.len(), drained.iter().any(|(_, again)| *again)), (2, false));
}

#[tokio::test]
async fn what_a_channel_may_not_hold_stays_for_others() {
    let node = Node::new();
    let (mut client, mut other) = (node.connect().await, node.connect().await);
    for name in ["one", "two"] {
        queue(&mut client, name, 6).await;
    }
    let qos = Method::BasicQos { prefetch_size: 0, prefetch_count: 3, global: true };
    assert_eq!(client.ask(qos).await, Method::BasicQosOk {});
    client.ask(consume("one", "a", false)).await;
    for _ in 0..3 {
        client.message().await;
    }
    client.ask(consume("two", "b", false)).await;
    // There is room for one, for which both queues have something.
    client.say(1, ack(1)).await;
    client.message().await;
    let mut ready = 0;
    while ready != 8 {
        ready = 0;
        for name in ["one", "two"] {
            let Method::QueueDeclareOk { message_count, .. } = other.declare(name).await else { panic!("no answer") };
            ready += message_count;
        }
    }
    assert!(matches!(client.declare("nothing else comes").await, Method::QueueDeclareOk { .. }));
    // And nothing of it has been anywhere.
    client.say(1, Method::ChannelClose { code: 200, text: "".into(), class: 0, method: 0 }).await;
    assert_eq!(client.hear().await.1, Method::ChannelCloseOk {});
    let again = other.drain("two").await.into_iter().chain(other.drain("one").await);
    assert_eq!(again.filter(|(_, again)| *again).count(), 3);
}

#[tokio::test]
async fn cancelled_consumer_keeps_what_it_was_given() {
    let node = Node::new();
    let mut client = node.connect().await;
    queue(&mut client, "q", 1).await;
    client.ask(consume("q", "t", false)).await;
    client.message().await;
    let cancel = Method::BasicCancel { consumer_tag: "t".into(), no_wait: false };
    let cancelled = Method::BasicCancelOk { consumer_tag: "t".into() };
    assert_eq!(client.ask(cancel.clone()).await, cancelled);
    assert_eq!(client.drain("q").await, []);
    client.say(1, ack(1)).await;
    client.publish("", "q", &Properties::default(), b"2").await;
    assert_eq!(bodies(&client.drain("q").await), ["2"]);
    assert_eq!(client.ask(cancel).await, cancelled);
}

#[tokio::test]
async fn consumer_that_is_cancelled_at_once_is_gone() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.declare("q").await;
    // The consumer has not run yet when it is told: both come in one piece.
    let mut both = BytesMut::new();
    consume("q", "t", true).put(&mut both, 1);
    Method::BasicCancel { consumer_tag: "t".into(), no_wait: false }.put(&mut both, 1);
    client.send(&both).await;
    assert_eq!(client.hear().await.1, Method::BasicConsumeOk { consumer_tag: "t".into() });
    assert_eq!(client.hear().await.1, Method::BasicCancelOk { consumer_tag: "t".into() });
    let ok = Method::QueueDeclareOk { queue: "q".into(), message_count: 0, consumer_count: 0 };
    assert_eq!(client.declare("q").await, ok);
}

#[tokio::test]
async fn consumers_tag_is_its_own() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.declare("q").await;
    client.ask(consume("q", "t", true)).await;
    let refused = client.refused(consume("q", "t", true)).await;
    assert_eq!(refused, (530, "NOT_ALLOWED - attempt to reuse consumer tag 't'".to_owned()));
}

#[tokio::test]
async fn deletion_is_told_to_consumers() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.declare("q").await;
    client.ask(consume("q", "t", true)).await;
    let mut other = node.connect().await;
    let delete = |if_unused, if_empty| Method::QueueDelete {
        reserved: 0,
        queue: "q".into(),
        if_unused,
        if_empty,
        no_wait: false,
    };
    let in_use = (406, "PRECONDITION_FAILED - queue 'q' in vhost '/' in use".to_owned());
    assert_eq!(other.refused(delete(true, false)).await, in_use);
    assert_eq!(other.ask(delete(false, false)).await, Method::QueueDeleteOk { message_count: 0 });
    assert_eq!(client.hear().await.1, Method::BasicCancel { consumer_tag: "t".into(), no_wait: true });
    queue(&mut other, "q", 1).await;
    let not_empty = (406, "PRECONDITION_FAILED - queue 'q' in vhost '/' not empty".to_owned());
    assert_eq!(other.refused(delete(false, true)).await, not_empty);
    assert_eq!(other.ask(delete(true, false)).await, Method::QueueDeleteOk { message_count: 1 });
    assert_eq!(other.ask(delete(true, false)).await, Method::QueueDeleteOk { message_count: 0 });
}

#[tokio::test]
async fn exclusive_queue_is_its_connections_and_goes_with_it() {
    let node = Node::new();
    let mut client = node.connect().await;
    let exclusive = Declare { durable: false, exclusive: true, ..DECLARE }.method();
    client.ask(exclusive.clone()).await;
    client.ask(exclusive.clone()).await;
    let mut other = node.connect().await;
    for method in [exclusive.clone(), consume("q", "t", true), declare("q")] {
        assert_eq!(other.refused(method).await.0, 405);
    }
    client.say(0, Method::ConnectionClose { code: 200, text: "".into(), class: 0, method: 0 }).await;
    assert_eq!(client.hear().await, (0, Method::ConnectionCloseOk {}));
    assert!(matches!(other.ask(exclusive).await, Method::QueueDeclareOk { .. }));
}

#[tokio::test]
async fn exclusive_queues_of_an_earlier_life_are_gone() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.ask(Declare { durable: false, exclusive: true, ..DECLARE }.method()).await;
    client.declare("stays").await;
    node.door.forget_old_owners().await;
    assert!(node.door.find("q").is_none() && node.door.find("stays").is_some());
}

#[tokio::test]
async fn queue_that_is_to_go_with_its_last_consumer_does() {
    let node = Node::new();
    let mut client = node.connect().await;
    let wanted = Declare { auto_delete: true, ..DECLARE }.method();
    client.ask(wanted.clone()).await;
    client.ask(consume("q", "a", true)).await;
    client.ask(consume("q", "b", true)).await;
    for (tag, is_there) in [("a", true), ("b", false)] {
        client.ask(Method::BasicCancel { consumer_tag: tag.into(), no_wait: false }).await;
        assert_eq!(node.door.find("q").is_some(), is_there);
    }
    client.ask(wanted).await;
    client.get("q", true).await;
    assert!(node.door.find("q").is_some());
}

#[tokio::test]
async fn confirms_come_in_order_and_behind_returns() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.declare("q").await;
    assert_eq!(client.ask(Method::ConfirmSelect { no_wait: false }).await, Method::ConfirmSelectOk {});
    for number in 1..=20 {
        let key = if number == 7 { "nowhere" } else { "q" };
        client.publish("", key, &Properties::default(), b"x").await;
    }
    let (mut confirmed, mut returned_at) = (0, None);
    while confirmed < 20 {
        match client.hear().await.1 {
            Method::BasicAck { delivery_tag, multiple } => {
                assert!(multiple || delivery_tag == confirmed + 1, "{delivery_tag} after {confirmed}");
                confirmed = delivery_tag;
            }
            method @ Method::BasicReturn { code: 312, .. } => {
                returned_at = Some(confirmed);
                assert_eq!(client.rest_of(method).await.body, "x");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(returned_at.is_some_and(|at| at < 7), "{returned_at:?}");
}

#[tokio::test]
async fn order_is_that_of_publishing_however_much_comes_at_once() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.declare("q").await;
    let numbers: Vec<String> = (0..2_000).map(|number| number.to_string()).collect();
    for number in &numbers {
        client.publish("", "q", &Properties::default(), number.as_bytes()).await;
    }
    client.ask(consume("q", "t", true)).await;
    for number in &numbers {
        assert_eq!(client.message().await.body, number.as_bytes());
    }
}

#[tokio::test]
async fn publishers_are_refused_as_rabbitmq_does() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.declare("q").await;
    let text = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    for (properties, refusal) in [
        (Properties { expiration: text("abc"), ..Properties::default() }, "invalid expiration 'abc': no_integer"),
        (
            Properties { expiration: text("-1"), ..Properties::default() },
            "invalid expiration '-1': {value_negative,-1}",
        ),
        (
            Properties { user_id: text("nobody"), ..Properties::default() },
            "user_id property set to 'nobody' but authenticated user was 'guest'",
        ),
    ] {
        client.publish("", "q", &properties, b"x").await;
        assert_eq!(client.closed().await, (406, format!("PRECONDITION_FAILED - {refusal}")));
    }
}

#[tokio::test]
async fn expired_message_is_not_delivered() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.declare("q").await;
    let expired = Properties { expiration: Some(Bytes::from_static(b"0")), ..Properties::default() };
    client.publish("", "q", &expired, b"gone").await;
    client.publish("", "q", &Properties::default(), b"stays").await;
    assert_eq!(bodies(&client.drain("q").await), ["stays"]);
}

#[tokio::test]
async fn highest_priority_comes_first() {
    let node = Node::new();
    let mut client = node.connect().await;
    let arguments = Table::from([("x-max-priority", Value::I32(10))]);
    client.ask(DECLARE.with(arguments)).await;
    for priority in [Some(0), Some(5), Some(9), None, Some(20), Some(5)] {
        let body = format!("{priority:?}");
        client.publish("", "q", &Properties { priority, ..Properties::default() }, body.as_bytes()).await;
    }
    let drained = client.drain("q").await;
    assert_eq!(bodies(&drained), ["Some(20)", "Some(9)", "Some(5)", "Some(5)", "Some(0)", "None"]);
}

#[tokio::test]
async fn queue_that_nobody_uses_expires_and_one_that_somebody_uses_does_not() {
    let node = Node::new();
    let mut client = node.connect().await;
    let expiring = |queue: &'static str| {
        let arguments = Table::from([("x-expires", Value::I32(400))]);
        Declare { queue, ..DECLARE }.with(arguments)
    };
    for queue in ["consumed", "asked", "idle"] {
        client.ask(expiring(queue)).await;
    }
    client.ask(consume("consumed", "t", false)).await;
    let (door, stopped) = (Arc::clone(&node.door), node.stop.subscribe());
    let expiry = tokio::spawn(async move { door.expire_queues(stopped).await });
    while node.door.find("idle").is_some() {
        assert!(matches!(client.ask(expiring("asked")).await, Method::QueueDeclareOk { .. }));
    }
    assert!(node.door.find("asked").is_some() && node.door.find("consumed").is_some());
    let cancel = Method::BasicCancel { consumer_tag: "t".into(), no_wait: false };
    assert_eq!(client.ask(cancel).await, Method::BasicCancelOk { consumer_tag: "t".into() });
    while node.door.find("consumed").is_some() || node.door.find("asked").is_some() {
        tokio::task::yield_now().await;
    }
    let passive = Declare { queue: "consumed", passive: true, ..DECLARE }.method();
    assert_eq!(client.refused(passive).await.0, 404);
    node.stop.send_replace(true);
    expiry.await.unwrap();
}

#[tokio::test]
async fn who_consumes_is_served_before_who_fetches() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.declare("q").await;
    client.ask(consume("q", "t", false)).await;
    for _ in 0..50 {
        client.publish("", "q", &Properties::default(), b"x").await;
        let get = Method::BasicGet { reserved: 0, queue: "q".into(), no_ack: true };
        client.say(1, get).await;
        let (mut is_delivered, mut is_empty) = (false, false);
        while !(is_delivered && is_empty) {
            match client.hear().await.1 {
                deliver @ Method::BasicDeliver { .. } => {
                    client.rest_of(deliver).await;
                    is_delivered = true;
                }
                Method::BasicGetEmpty { .. } => is_empty = true,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn purge_leaves_what_somebody_holds() {
    let node = Node::new();
    let mut client = node.connect().await;
    queue(&mut client, "q", 4).await;
    fetch(&mut client, "q").await;
    let purge = Method::QueuePurge { reserved: 0, queue: "q".into(), no_wait: false };
    assert_eq!(client.ask(purge.clone()).await, Method::QueuePurgeOk { message_count: 3 });
    assert!(client.drain("q").await.is_empty());
    assert_eq!(client.ask(Method::BasicRecover { requeue: true }).await, Method::BasicRecoverOk {});
    assert_eq!(client.drain("q").await, [("1".to_owned(), true)]);
    assert_eq!(client.ask(purge).await, Method::QueuePurgeOk { message_count: 0 });
}

#[tokio::test]
async fn channels_limit_counts_for_consumers_that_are_there_already() {
    let node = Node::new();
    let mut client = node.connect().await;
    queue(&mut client, "q", 4).await;
    let qos = |prefetch_count| Method::BasicQos { prefetch_size: 0, prefetch_count, global: true };
    assert_eq!(client.ask(qos(1)).await, Method::BasicQosOk {});
    client.ask(consume("q", "t", false)).await;
    assert_eq!(&client.message().await.body[..], b"1");
    for (limit, next) in [(2, vec!["2"]), (0, vec!["3", "4"])] {
        client.say(1, qos(limit)).await;
        assert_eq!(client.hear().await.1, Method::BasicQosOk {});
        for body in next {
            assert_eq!(&client.message().await.body[..], body.as_bytes());
        }
    }
}

#[tokio::test]
async fn who_settles_nothing_waits_while_the_channel_holds_as_much_as_it_may() {
    let node = Node::new();
    let mut client = node.connect().await;
    queue(&mut client, "held", 1).await;
    queue(&mut client, "done", 2).await;
    let qos = Method::BasicQos { prefetch_size: 0, prefetch_count: 1, global: true };
    client.ask(qos).await;
    client.ask(consume("held", "h", false)).await;
    client.message().await;
    client.ask(consume("done", "d", true)).await;
    // It is told that the consumer is there, and gets nothing yet.
    client.channel(2).await;
    client.say(1, ack(1)).await;
    assert_eq!(&client.message().await.body[..], b"1");
    assert_eq!(&client.message().await.body[..], b"2");
}

#[tokio::test]
async fn exclusive_queue_is_unbound_by_its_connection_only() {
    let node = Node::new();
    let mut owner = node.connect().await;
    owner.ask(Declare { exclusive: true, ..DECLARE }.method()).await;
    let mut other = node.connect().await;
    let unbind = Method::QueueUnbind {
        reserved: 0,
        queue: "q".into(),
        exchange: "amq.direct".into(),
        routing_key: "".into(),
        arguments: Table::default(),
    };
    assert_eq!(other.refused(unbind.clone()).await.0, 405);
    assert_eq!(owner.ask(unbind).await, Method::QueueUnbindOk {});
}

/// Somebody creates it by another node: it is among the names, and its shard has not heard of it yet.
#[tokio::test]
async fn who_declares_a_queue_that_is_still_being_created_may_send_to_it() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.declare("like").await;
    let like = node.door.find("like").unwrap().topic;
    let (config, queue) = (like.config.clone(), like.queue.as_deref().unwrap().config.clone());
    let create = CreateQueue { name: TopicName::new("q").unwrap(), id: TopicId(7), config, queue };
    node.door.engine.submit(ShardId::METADATA, Command::CreateQueue(Box::new(create))).await.unwrap();
    let place = node.door.find("q").unwrap().place;
    assert_eq!(node.door.engine.queue_counts(place).await.unwrap(), None);
    client.declare("q").await;
    client.ask(Method::ConfirmSelect { no_wait: false }).await;
    client.publish("", "q", &Properties::default(), b"x").await;
    assert!(matches!(client.hear().await.1, Method::BasicAck { .. }));
    assert_eq!(client.get("q", true).await.unwrap().body, "x");
}
