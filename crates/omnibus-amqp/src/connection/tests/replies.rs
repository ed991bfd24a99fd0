//! Who asks and who answers are connected to different nodes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use omnibus_engine::parcels::{Parcel, Recipients};
use omnibus_engine::peers::{Asking, PeerError, Peers};

use super::*;

/// The way between two nodes, which can be cut.
#[derive(Debug, Default)]
struct Way {
    engines: OnceLock<[Engine; 2]>,
    is_cut: AtomicBool,
}

impl Peers for Way {
    fn reaches(&self, _node: NodeId) -> bool {
        !self.is_cut.load(Ordering::SeqCst)
    }

    fn ask(&self, node: NodeId, request: Bytes) -> Asking {
        let engine = self.engines.get().and_then(|engines| engines.get(node.0 as usize - 1)).cloned();
        let engine = engine.filter(|_| self.reaches(node));
        Box::pin(async move {
            let engine = engine.ok_or(PeerError::Unreachable { node })?;
            Ok(engine.answer_peer(request).await)
        })
    }
}

fn two_nodes() -> ([Node; 2], Arc<Way>) {
    let node = |node: u32| Node::on(FaultDisk::new(node.into()), Settings { node, ..Settings::default() });
    let (nodes, way) = ([node(1), node(2)], Arc::<Way>::default());
    for node in &nodes {
        node.door.engine.connect(Arc::<Way>::clone(&way));
    }
    way.engines.set([0, 1].map(|node: usize| nodes[node].door.engine.clone())).unwrap();
    (nodes, way)
}

/// Who waits for replies, and the name under which he does.
async fn who_asks(node: &Node) -> (Client, String) {
    let mut client = node.connect().await;
    client.declare("q").await;
    assert!(matches!(client.ask(consume("amq.rabbitmq.reply-to", "r", true)).await, Method::BasicConsumeOk { .. }));
    let asks = Properties { reply_to: Some(Bytes::from_static(b"amq.rabbitmq.reply-to")), ..Properties::default() };
    client.publish("", "q", &asks, b"question").await;
    let question = client.get("q", true).await.unwrap();
    let waits_at = String::from_utf8(question.properties.reply_to.unwrap().to_vec()).unwrap();
    (client, waits_at)
}

fn looks_for(queue: &str) -> Method {
    let Method::QueueDeclare { reserved, durable, exclusive, auto_delete, no_wait, arguments, .. } = DECLARE.method()
    else {
        unreachable!("it declares a queue")
    };
    let queue = queue.into();
    Method::QueueDeclare { reserved, queue, passive: true, durable, exclusive, auto_delete, no_wait, arguments }
}

#[tokio::test]
async fn what_replies_go_to_is_there_whoever_looks_for_it() {
    let node = Node::new();
    let mut client = node.connect().await;
    let ok = Method::QueueDeclareOk { queue: "amq.rabbitmq.reply-to".into(), message_count: 0, consumer_count: 1 };
    assert_eq!(client.ask(looks_for("amq.rabbitmq.reply-to")).await, ok);
    assert_eq!(client.declare("amq.rabbitmq.reply-to").await, ok);
}

#[tokio::test]
async fn who_asks_at_one_node_is_answered_by_who_is_at_another() {
    let (nodes, _way) = two_nodes();
    let (mut asks, waits_at) = who_asks(&nodes[0]).await;
    assert!(waits_at.starts_with("amq.rabbitmq.reply-to.1."), "{waits_at}");
    let mut answers = nodes[1].connect().await;
    let found = answers.ask(looks_for(&waits_at)).await;
    assert!(matches!(found, Method::QueueDeclareOk { message_count: 0, consumer_count: 1, .. }), "{found:?}");
    let properties = Properties { correlation_id: Some(Bytes::from_static(b"7")), ..Properties::default() };
    answers.ask(Method::ConfirmSelect { no_wait: false }).await;
    answers.publish("", &waits_at, &properties, &[b'x'; 3 * FRAME_MAX]).await;
    assert!(matches!(answers.hear().await.1, Method::BasicAck { delivery_tag: 1, .. }));
    let answer = asks.message().await;
    assert_eq!((answer.body.len(), answer.properties), (3 * FRAME_MAX, properties));
    let deliver = Method::BasicDeliver {
        consumer_tag: "r".into(),
        delivery_tag: 2,
        redelivered: false,
        exchange: "".into(),
        routing_key: (&*waits_at).into(),
    };
    assert_eq!(answer.method, deliver);
}

#[tokio::test]
async fn reply_for_one_who_has_gone_or_is_cut_off_reaches_nobody() {
    let (nodes, way) = two_nodes();
    let (mut asks, waits_at) = who_asks(&nodes[0]).await;
    let mut answers = nodes[1].connect().await;
    asks.ask(Method::BasicCancel { consumer_tag: "r".into(), no_wait: false }).await;
    let text = format!("NOT_FOUND - no queue '{waits_at}' in vhost '/'");
    assert_eq!(answers.refused(looks_for(&waits_at)).await, (404, text));
    // That he has gone is known where he was; here it counts as routed.
    answers.publish("", &waits_at, &Properties::default(), b"late").await;
    assert!(matches!(answers.ask(Method::ConfirmSelect { no_wait: false }).await, Method::ConfirmSelectOk {}));
    way.is_cut.store(true, Ordering::SeqCst);
    answers.publish("", &waits_at, &Properties::default(), b"nowhere").await;
    let Message { method, body, .. } = answers.message().await;
    assert!(matches!(method, Method::BasicReturn { code: 312, .. }), "{method:?}");
    assert_eq!(body, "nowhere");
    assert!(matches!(answers.hear().await.1, Method::BasicAck { delivery_tag: 1, .. }));
    // A node that nobody has.
    answers.publish("", &waits_at.replace(".1.", ".9."), &Properties::default(), b"nowhere").await;
    assert!(matches!(answers.message().await.method, Method::BasicReturn { code: 312, .. }));
}

#[tokio::test]
async fn what_is_no_reply_is_not_taken() {
    let (nodes, _way) = two_nodes();
    let (_asks, waits_at) = who_asks(&nodes[0]).await;
    let token = u128::from_str_radix(waits_at.rsplit('.').next().unwrap(), 16).unwrap();
    let replies = &nodes[0].door.replies;
    let parcel =
        |parts: &[&'static [u8]]| Parcel { to: token, parts: parts.iter().copied().map(Bytes::from).collect() };
    let properties = Properties::default().write();
    let right = Parcel { parts: vec![Bytes::new(), "k".into(), properties, "answer".into()], ..parcel(&[]) };
    assert!(replies.awaits(token) && !replies.awaits(token + 1));
    assert!(!replies.take(parcel(&[b"", b"k", b"\xff", b"answer"])) && !replies.take(parcel(&[b""])));
    assert!(!replies.take(Parcel { to: token + 1, ..right.clone() }));
    assert!(replies.take(right));
}
