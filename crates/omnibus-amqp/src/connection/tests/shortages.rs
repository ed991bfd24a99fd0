use super::*;
use crate::budget::Share;
use crate::wire::frame::OVERHEAD;

fn blocked(reason: &str) -> (u16, Method) {
    (0, Method::ConnectionBlocked { reason: reason.into() })
}

const UNBLOCKED: (u16, Method) = (0, Method::ConnectionUnblocked {});

impl Node {
    fn looks_for_shortages(&self) {
        let (door, stopped) = (Arc::clone(&self.door), self.stop.subscribe());
        drop(tokio::spawn(async move { door.look_for_shortages(stopped).await }));
    }
}

impl Client {
    async fn select_confirms(&mut self) {
        assert_eq!(self.ask(Method::ConfirmSelect { no_wait: false }).await, Method::ConfirmSelectOk {});
    }
}

#[tokio::test]
async fn publisher_is_told_that_the_disk_is_full_and_loses_nothing() {
    let disk = FaultDisk::new(1);
    let node = Node::on(disk.clone(), Settings::default());
    node.looks_for_shortages();
    let mut client = node.connect().await;
    client.declare("q").await;
    client.select_confirms().await;
    disk.set_capacity(disk.used_bytes() + (40 << 20));
    let (mut sent, mut acked) = (0_u32, 0);
    let heard = loop {
        client.publish("", "q", &Properties::default(), &[7; 100_000]).await;
        sent += 1;
        match client.hear().await {
            (1, Method::BasicAck { .. }) => acked += 1,
            // What was on its way when the disk became full.
            (1, Method::BasicNack { .. }) => {}
            other => break other,
        }
    };
    assert_eq!(heard, blocked("low on disk"));
    // Nobody else has to wait who does not publish.
    let mut other = node.connect().await;
    let ok = Method::QueueDeclareOk { queue: "q".into(), message_count: acked, consumer_count: 0 };
    assert_eq!(other.declare("q").await, ok);
    assert_eq!(other.get("q", true).await.unwrap().body.len(), 100_000);
    disk.set_capacity(disk.used_bytes() + (1 << 30));
    assert_eq!(client.hear().await, UNBLOCKED);
    assert_eq!(client.hear().await, (1, Method::BasicAck { delivery_tag: sent.into(), multiple: false }));
}

#[tokio::test]
async fn publisher_is_told_that_memory_is_short_and_what_has_begun_is_taken() {
    let settings = Settings { memory_bytes_max: 8 << 10, ..Settings::default() };
    let node = Node::on(FaultDisk::new(1), settings);
    let mut client = node.connect().await;
    client.declare("q").await;
    client.select_confirms().await;
    let publish = Method::BasicPublish {
        reserved: 0,
        exchange: "".into(),
        routing_key: "q".into(),
        mandatory: false,
        immediate: false,
    };
    let (mut begin, mut message) = (BytesMut::new(), BytesMut::new());
    publish.put(&mut begin, 1);
    put_content(&mut message, (1, FRAME_MAX), &Properties::default().write(), b"whole");
    let end = message.split_off(message.len() - "whole".len() - OVERHEAD);
    client.send(&begin).await;
    client.send(&message).await;
    client.channel(2).await;
    let mut share = Share::default();
    assert!(node.door.budget.grow(&mut share, 7 << 10).await);
    let looks_short = (0..5).fold(0, |looks_short, _| node.door.look(looks_short));
    client.send(&end).await;
    assert_eq!(client.hear().await, (1, Method::BasicAck { delivery_tag: 1, multiple: false }));
    client.publish("", "q", &Properties::default(), b"next").await;
    assert_eq!(client.hear().await, blocked("low on memory"));
    drop(share);
    node.door.look(looks_short);
    assert_eq!(client.hear().await, UNBLOCKED);
    assert_eq!(client.hear().await, (1, Method::BasicAck { delivery_tag: 2, multiple: false }));
    assert_eq!(client.drain("q").await, [("whole".to_owned(), false), ("next".to_owned(), false)]);
}
