use bytes::Bytes;
use omnibus_model::Timestamp;
use omnibus_record::{BatchBuilder, BatchHeader, Codec, Header, Records as RecordsOf, Stamp};

use super::Node;
use crate::wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use crate::wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use crate::wire::messages::fetch_response::PartitionData;
use crate::wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use crate::wire::messages::produce_response::PartitionProduceResponse;
use crate::wire::{ErrorCode, Records};

/// The last versions before clients knew zstd, and versions that name topics.
const PRODUCE_BEFORE_ZSTD: i16 = 6;
const FETCH_BEFORE_ZSTD: i16 = 9;
const PRODUCE: i16 = 12;
const FETCH: i16 = 12;

async fn create(node: &Node, name: &str, configs: &[(&str, &str)]) {
    let config =
        |(name, value): &(&str, &str)| CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: configs.iter().map(config).collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    assert_eq!(node.ask(7, request).await.topics[0].error_code, 0);
}

fn batch(codec: Codec, value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    let header = Header { key: "h".into(), value: None };
    builder.push(Timestamp(1_000), Some(b"a"), Some(value), &[header]);
    builder.push(Timestamp(2_000), None, None, &[]);
    builder.finish(Stamp::default())
}

async fn produce(node: &Node, version: i16, topic: &str, batch: Bytes) -> PartitionProduceResponse {
    let data = PartitionProduceData { records: Some(Records(vec![batch])), ..PartitionProduceData::default() };
    let topic = TopicProduceData { name: topic.into(), partition_data: vec![data], ..TopicProduceData::default() };
    let request = ProduceRequest { acks: -1, topic_data: vec![topic], ..ProduceRequest::default() };
    node.ask(version, request).await.responses.remove(0).partition_responses.remove(0)
}

async fn fetch(node: &Node, version: i16, topic: &str) -> PartitionData {
    let wanted = FetchPartition { partition_max_bytes: 1 << 20, ..FetchPartition::default() };
    let topic = FetchTopic { topic: topic.into(), partitions: vec![wanted], ..FetchTopic::default() };
    let request = FetchRequest { max_bytes: 1 << 20, topics: vec![topic], ..FetchRequest::default() };
    node.ask(version, request).await.responses.remove(0).partitions.remove(0)
}

async fn kept(node: &Node, topic: &str) -> Bytes {
    let records = fetch(node, FETCH, topic).await.records.unwrap();
    records.0.concat().into()
}

#[tokio::test]
async fn batch_is_kept_in_the_codec_that_its_topic_wants() {
    let node = Node::start();
    let wanted = [
        ("producer", Codec::Gzip),
        ("uncompressed", Codec::None),
        ("gzip", Codec::Gzip),
        ("snappy", Codec::Snappy),
        ("lz4", Codec::Lz4),
        ("zstd", Codec::Zstd),
    ];
    for (text, codec) in wanted {
        create(&node, text, &[("compression.type", text)]).await;
        let sent = batch(Codec::Gzip, b"value");
        assert_eq!(produce(&node, PRODUCE, text, sent.clone()).await.error_code, 0);
        let kept = kept(&node, text).await;
        assert_eq!(BatchHeader::read(&kept).unwrap().codec(), Ok(codec), "{text}");
        let records = |batch: &Bytes| RecordsOf::of(batch, 1 << 20).unwrap().map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(records(&kept), records(&sent), "{text}");
    }
    node.stop().await;
}

#[tokio::test]
async fn batch_has_the_brokers_time_in_the_codec_that_its_topic_wants() {
    let node = Node::start();
    create(&node, "a", &[("compression.type", "lz4"), ("message.timestamp.type", "LogAppendTime")]).await;
    let response = produce(&node, PRODUCE, "a", batch(Codec::None, b"value")).await;
    let kept = BatchHeader::read(&kept(&node, "a").await).unwrap();
    assert_eq!((kept.codec(), kept.has_broker_time()), (Ok(Codec::Lz4), true));
    assert_eq!(kept.max_timestamp, response.log_append_time_ms);
    node.stop().await;
}

#[tokio::test]
async fn batch_that_grows_beyond_its_topics_limit_is_refused() {
    let node = Node::start();
    create(&node, "a", &[("compression.type", "uncompressed"), ("max.message.bytes", "1000")]).await;
    let response = produce(&node, PRODUCE, "a", batch(Codec::Zstd, &[0; 2000])).await;
    assert_eq!(response.error_code, ErrorCode::MessageTooLarge.number());
    node.stop().await;
}

#[tokio::test]
async fn client_that_does_not_know_zstd_is_told_so() {
    let node = Node::start();
    create(&node, "a", &[("compression.type", "zstd")]).await;
    let unsupported = ErrorCode::UnsupportedCompressionType.number();
    let refused = produce(&node, PRODUCE_BEFORE_ZSTD, "a", batch(Codec::Zstd, b"")).await;
    assert_eq!(refused.error_code, unsupported);
    assert_eq!(produce(&node, PRODUCE_BEFORE_ZSTD, "a", batch(Codec::Gzip, b"")).await.error_code, 0);
    assert_eq!(fetch(&node, FETCH_BEFORE_ZSTD, "a").await.error_code, unsupported);
    node.stop().await;
}
