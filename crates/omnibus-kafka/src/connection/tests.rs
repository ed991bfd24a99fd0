//! Frames over a connection in memory: torn, huge, pipelined, unknown.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::{Connection, ConnectionError};
use crate::requests::tests::{Node, batch, frame};
use crate::wire::messages::api_versions_request::ApiVersionsRequest;
use crate::wire::messages::metadata_request::MetadataRequest;
use crate::wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use crate::wire::{ApiKey, ErrorCode, Records};

/// A client's end of a connection that is being served.
struct Wire {
    socket: DuplexStream,
    served: JoinHandle<Result<(), ConnectionError>>,
}

impl Wire {
    fn connect(node: &Node) -> Self {
        let (socket, theirs) = tokio::io::duplex(1 << 16);
        let served = tokio::spawn(Connection::new(theirs, node.context.clone()).serve());
        Self { socket, served }
    }

    async fn send(&mut self, request: &Bytes) {
        self.socket.write_all(&framed(request)).await.unwrap();
    }

    /// Reads one response: its correlation id and what follows.
    async fn receive(&mut self) -> io::Result<(i32, Bytes)> {
        let length = self.socket.read_i32().await?;
        let mut response = vec![0; usize::try_from(length).unwrap()];
        self.socket.read_exact(&mut response).await?;
        let mut response = Bytes::from(response);
        Ok((response.get_i32(), response))
    }

    async fn error(self) -> ConnectionError {
        self.served.await.unwrap().unwrap_err()
    }
}

fn framed(request: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    bytes.put_i32(i32::try_from(request.len()).unwrap());
    bytes.put_slice(request);
    bytes
}

/// The same request with another correlation id and version.
fn relabelled(request: &Bytes, (version, correlation_id): (i16, i32)) -> Bytes {
    let mut bytes = BytesMut::from(&request[..]);
    bytes[2..4].copy_from_slice(&version.to_be_bytes());
    bytes[4..8].copy_from_slice(&correlation_id.to_be_bytes());
    bytes.freeze()
}

fn produce(acks: i16) -> Bytes {
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(Records::from(batch("value"))) }];
    let topic_data = vec![TopicProduceData { name: "orders".into(), partition_data, ..TopicProduceData::default() }];
    frame(9, &ProduceRequest { acks, timeout_ms: 1000, topic_data, ..ProduceRequest::default() })
}

#[tokio::test]
async fn request_may_arrive_byte_by_byte() {
    let node = Node::start();
    let mut wire = Wire::connect(&node);
    for byte in framed(&frame(9, &MetadataRequest::default())) {
        wire.socket.write_u8(byte).await.unwrap();
    }
    wire.receive().await.unwrap();
    node.stop().await;
}

#[tokio::test]
async fn frame_of_two_gibibytes_closes_the_connection() {
    let node = Node::start();
    for length in [i32::MAX, -1, i32::MIN] {
        let mut wire = Wire::connect(&node);
        wire.socket.write_i32(length).await.unwrap();
        assert!(matches!(wire.error().await, ConnectionError::FrameLength { length: told, .. } if told == length));
    }
    node.stop().await;
}

#[tokio::test]
async fn unknown_request_or_version_closes_the_connection() {
    let node = Node::start();
    let metadata = frame(9, &MetadataRequest::default());
    for request in [relabelled(&metadata, (99, 1)), Bytes::from_static(&[0x7f, 0xff, 0, 0, 0, 0, 0, 1])] {
        let mut wire = Wire::connect(&node);
        wire.send(&request).await;
        assert!(matches!(wire.error().await, ConnectionError::Request(_)));
    }
    node.stop().await;
}

#[tokio::test]
async fn api_versions_from_the_future_are_answered_in_version_0() {
    let node = Node::start();
    let mut wire = Wire::connect(&node);
    wire.send(&relabelled(&frame(3, &ApiVersionsRequest::default()), (77, 5))).await;
    let (correlation_id, mut body) = wire.receive().await.unwrap();
    assert_eq!(correlation_id, 5);
    assert_eq!(body.get_i16(), ErrorCode::UnsupportedVersion.number());
    let keys = body.get_i32();
    assert!(keys > 20, "{keys} keys are listed");
    node.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let node = Node::start();
    node.create("orders", 1).await;
    let mut wire = Wire::connect(&node);
    let metadata = frame(9, &MetadataRequest::default());
    let requests = [produce(-1), produce(-1), metadata, produce(1)];
    for (correlation_id, request) in (100..).zip(&requests) {
        let key = i16::from_be_bytes([request[0], request[1]]);
        assert!([ApiKey::Produce.number(), ApiKey::Metadata.number()].contains(&key));
        wire.send(&relabelled(request, (9, correlation_id))).await;
    }
    for correlation_id in 100..104 {
        assert_eq!(wire.receive().await.unwrap().0, correlation_id);
    }
    node.stop().await;
}

#[tokio::test]
async fn produce_without_acks_is_not_answered_and_an_error_hangs_up() {
    let node = Node::start();
    node.create("orders", 1).await;
    let mut wire = Wire::connect(&node);
    wire.send(&relabelled(&produce(0), (9, 1))).await;
    wire.send(&relabelled(&frame(9, &MetadataRequest::default()), (9, 2))).await;
    assert_eq!(wire.receive().await.unwrap().0, 2);

    let topic_data = vec![TopicProduceData {
        name: "nowhere".into(),
        partition_data: vec![PartitionProduceData::default()],
        ..TopicProduceData::default()
    }];
    wire.send(&frame(9, &ProduceRequest { acks: 0, topic_data, ..ProduceRequest::default() })).await;
    assert!(matches!(wire.error().await, ConnectionError::NoAnswer));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn silent_client_is_let_go() {
    let node = Node::start();
    let wire = Wire::connect(&node);
    assert!(matches!(wire.error().await, ConnectionError::Idle));
    node.stop().await;
}
