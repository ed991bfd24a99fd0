use super::*;

#[tokio::test]
async fn channel_is_opened_once_and_can_be_opened_again() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.say(1, Method::ChannelClose { code: 200, text: "".into(), class: 0, method: 0 }).await;
    assert_eq!(client.hear().await, (1, Method::ChannelCloseOk {}));
    client.channel(1).await;
    let refused = client.refused(Method::ChannelOpen { reserved: ShortText::default() }).await;
    assert_eq!(refused, (504, "CHANNEL_ERROR - second 'channel.open' seen".to_owned()));
}

#[tokio::test]
async fn so_many_channels_are_open_as_was_agreed_whatever_their_numbers() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.channel(65_535).await;
    for number in 2..=2_046 {
        client.channel(number).await;
    }
    client.say(2_047, Method::ChannelOpen { reserved: ShortText::default() }).await;
    let text = "NOT_ALLOWED - number of channels opened (2047) has reached the negotiated channel_max (2047)";
    assert_eq!(client.closed().await, (530, text.to_owned()));
}

#[tokio::test]
async fn channel_must_be_opened() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.say(2, declare("q")).await;
    assert_eq!(client.closed().await.0, 504);
}

#[tokio::test]
async fn what_still_comes_by_a_closed_channel_counts_for_nothing() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.publish("nope", "q", &Properties::default(), b"x").await;
    client.say(1, declare("late")).await;
    client.publish("nope", "q", &Properties::default(), b"x").await;
    let gone = (404, "NOT_FOUND - no exchange 'nope' in vhost '/'".to_owned());
    assert_eq!(client.closed().await, gone);
    let refused = client.refused(Declare { queue: "late", passive: true, ..DECLARE }.method()).await;
    assert_eq!(refused, (404, "NOT_FOUND - no queue 'late' in vhost '/'".to_owned()));
}

#[tokio::test]
async fn other_channels_stay_open() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.channel(7).await;
    client.refused(ack(1)).await;
    client.say(7, declare("q")).await;
    assert!(matches!(client.hear().await, (7, Method::QueueDeclareOk { .. })));
}

#[tokio::test]
async fn what_is_not_there_is_refused() {
    let node = Node::new();
    for (method, text) in [
        (Method::ChannelFlow { active: false }, "active=false"),
        (Method::BasicRecover { requeue: false }, "requeue=false"),
        (Method::BasicQos { prefetch_size: 10, prefetch_count: 0, global: false }, "prefetch_size!=0 (10)"),
    ] {
        let refused = node.connect().await.refused(method).await;
        assert_eq!(refused, (540, format!("NOT_IMPLEMENTED - {text}")));
    }
}

#[tokio::test]
async fn frames_that_make_no_sense_close_the_connection() {
    let node = Node::new();
    let mut body = BytesMut::new();
    Frame::put(&mut body, FrameKind::Body, 1, b"x");
    let mut heartbeat = BytesMut::new();
    Frame::put(&mut heartbeat, FrameKind::Heartbeat, 1, b"");
    let mut long = BytesMut::new();
    Frame::put(&mut long, FrameKind::Method, 1, &[0; FRAME_MAX + 1]);
    for (bytes, code) in [(&body[..], 505), (&heartbeat, 505), (&long, 501), (b"\x09\0\x01\0\0\0\0\xce", 501)] {
        let mut client = node.connect().await;
        client.send(bytes).await;
        assert_eq!(client.closed().await.0, code, "{bytes:?}");
    }
    let mut client = node.connect().await;
    client.say(1, Method::BasicGetEmpty { reserved: ShortText::default() }).await;
    assert_eq!(client.closed().await.0, 503);
}

#[tokio::test]
async fn confirms_are_for_the_channel_that_has_published() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.declare("q").await;
    for _ in 0..20 {
        client.ask(Method::ConfirmSelect { no_wait: false }).await;
        for _ in 0..5 {
            client.publish("", "q", &Properties::default(), b"x").await;
        }
        client.say(1, Method::ChannelClose { code: 200, text: "".into(), class: 0, method: 0 }).await;
        while client.hear().await.1 != (Method::ChannelCloseOk {}) {}
        client.channel(1).await;
    }
    client.ask(Method::ConfirmSelect { no_wait: false }).await;
    client.publish("", "q", &Properties::default(), b"x").await;
    assert_eq!(client.hear().await.1, ack(1));
}

#[tokio::test]
async fn who_still_speaks_behind_his_goodbye_is_heard_out() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.say(0, Method::ConnectionClose { code: 200, text: "".into(), class: 0, method: 0 }).await;
    assert_eq!(client.hear().await, (0, Method::ConnectionCloseOk {}));
    // More than fits on the way: it goes only if somebody reads it.
    client.send(&vec![0; 2 << 20]).await;
    assert_eq!(client.socket.read_buf(&mut client.received).await.unwrap(), 0);
}
