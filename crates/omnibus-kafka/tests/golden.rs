//! The codec against bytes that Kafka's own classes wrote (`golden/Golden.java`).

use bytes::Bytes;
use omnibus_kafka::wire::header::{request_header_version, response_header_version};
use omnibus_kafka::wire::messages::CODECS;
use omnibus_kafka::wire::messages::{fetch_response, metadata_request, produce_request};
use omnibus_kafka::wire::{ApiKey, ErrorCode, Input, Records, WireString};
use omnibus_model::TopicId;

/// Message, version and bytes, one to a line.
const VECTORS: &str = include_str!("golden/vectors.txt");

fn vectors() -> impl Iterator<Item = (&'static str, i16, Bytes)> {
    VECTORS.lines().map(|line| {
        let mut words = line.split(' ');
        let name = words.next().expect("a name");
        let version = words.next().expect("a version").parse().expect("a number");
        (name, version, hex(words.next().unwrap_or("")))
    })
}

fn hex(text: &str) -> Bytes {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).expect("hex")).expect("a digit");
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn vector(name: &str, version: i16) -> Input {
    let found = vectors().find(|(n, v, _)| *n == name && *v == version);
    Input::from(found.expect("a vector").2)
}

#[test]
fn what_kafka_wrote_is_read_and_written_the_same() {
    for (name, version, bytes) in vectors() {
        let codec = CODECS.iter().find(|codec| codec.name == name).expect("a codec");
        let echoed = codec.echo(bytes.clone(), version).unwrap_or_else(|e| panic!("{name} {version}: {e}"));
        assert_eq!(echoed.into_bytes(), bytes, "{name} {version}");
    }
}

#[test]
fn every_message_and_version_has_vectors() {
    for codec in CODECS {
        for version in codec.versions.iter() {
            assert_eq!(
                vectors().filter(|(n, v, _)| *n == codec.name && *v == version).count(),
                2,
                "{codec:?} {version}"
            );
        }
    }
}

/// The vectors number their values in the order of the schema, from seven times the version.
#[test]
fn values_land_in_their_fields() {
    let produce = produce_request::ProduceRequest::decode(&mut vector("ProduceRequest", 9), 9).expect("decodes");
    assert_eq!(produce.transactional_id, Some(WireString::from("s64")));
    assert_eq!((produce.acks, produce.timeout_ms), (1065, 1_000_066));
    assert_eq!((produce.topic_data.len(), &*produce.topic_data[0].name), (2, "s67"));
    let partition = &produce.topic_data[0].partition_data[0];
    assert_eq!((partition.index, &partition.records), (1_000_068, &Some(Records::from(Bytes::from_static(b"r69")))));

    let metadata = metadata_request::MetadataRequest::decode(&mut vector("MetadataRequest", 12), 12).expect("decodes");
    let topics = metadata.topics.expect("topics");
    assert_eq!(
        (topics[0].topic_id, topics[0].name.as_deref()),
        (TopicId(85 << 64 | u128::from((-85_i64).cast_unsigned())), Some("s86"))
    );
    assert!(metadata.allow_auto_topic_creation);

    let fetch = fetch_response::FetchResponse::decode(&mut vector("FetchResponse", 16), 16).expect("decodes");
    let partition = &fetch.responses[0].partitions[0];
    assert_eq!(partition.aborted_transactions.as_ref().expect("a list").len(), 2);
    assert_ne!(partition.diverging_epoch.end_offset, -1);
    assert_eq!(fetch.node_endpoints.len(), 2);
}

#[test]
fn only_stable_versions_are_served() {
    for key in ApiKey::ALL {
        let name = format!("{}Request", key.name());
        let codec = CODECS.iter().find(|codec| codec.name == name).expect("a codec");
        let unstable = i16::from(*key == ApiKey::InitProducerId);
        assert_eq!((key.served().min, key.served().max), (codec.versions.min, codec.versions.max - unstable), "{key}");
        assert_eq!(ApiKey::from_number(key.number()), Some(*key));
    }
    assert_eq!((ApiKey::Produce.served().min, ApiKey::Produce.advertised().min), (3, 0));
    assert_eq!(response_header_version(ApiKey::ApiVersions, 4), 0);
    assert_eq!(
        (request_header_version(ApiKey::OffsetDelete, 0), response_header_version(ApiKey::OffsetDelete, 0)),
        (1, 0)
    );
    assert_eq!((request_header_version(ApiKey::Produce, 9), response_header_version(ApiKey::Produce, 9)), (2, 1));
}

#[test]
fn error_codes_are_kafkas() {
    assert_eq!(ErrorCode::ALL.len(), 135);
    assert!(ErrorCode::ALL.windows(2).all(|pair| pair[0].number() + 1 == pair[1].number()));
    assert_eq!((ErrorCode::UnknownTopicId.number(), ErrorCode::UnknownTopicId.name()), (100, "UNKNOWN_TOPIC_ID"));
    assert!(ErrorCode::NotLeaderOrFollower.is_retriable() && !ErrorCode::InvalidRecord.is_retriable());
}
