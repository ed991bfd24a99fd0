//! The client against a broker made of a few lines, over memory.

use bytes::Bytes;
use omnibus_kafka::client::{ClientError, Connection};
use omnibus_kafka::wire::header::{read_request_header, write_response_header};
use omnibus_kafka::wire::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use omnibus_kafka::wire::messages::heartbeat_request::HeartbeatRequest;
use omnibus_kafka::wire::messages::heartbeat_response::HeartbeatResponse;
use omnibus_kafka::wire::messages::metadata_request::MetadataRequest;
use omnibus_kafka::wire::{ApiKey, ErrorCode, Input, Output};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// The newest version of ApiVersions that the broker knows.
const NEWEST: i16 = 2;

async fn read_frame(socket: &mut DuplexStream) -> Option<Input> {
    let length = socket.read_i32().await.ok()?;
    let mut frame = vec![0; usize::try_from(length).expect("a length")];
    socket.read_exact(&mut frame).await.ok()?;
    Some(Input::from(Bytes::from(frame)))
}

/// Answers requests until asked for metadata, then hangs up.
async fn broker(mut socket: DuplexStream) {
    let mut asked = 0;
    while let Some(mut input) = read_frame(&mut socket).await {
        let (key, header) = read_request_header(&mut input).expect("a header");
        let mut version = header.request_api_version;
        let mut out = Output::framed();
        if key == ApiKey::ApiVersions && version > NEWEST {
            version = 0;
        }
        write_response_header(&mut out, key, version, header.correlation_id).expect("a header");
        match key {
            ApiKey::ApiVersions => api_versions(header.request_api_version).encode(&mut out, version),
            ApiKey::Heartbeat => {
                asked += 1;
                HeartbeatResponse { error_code: asked, ..HeartbeatResponse::default() }.encode(&mut out, version)
            }
            _ => return,
        }
        .expect("an answer");
        socket.write_all(&out.into_bytes()).await.expect("written");
    }
}

fn api_versions(asked: i16) -> ApiVersionsResponse {
    let known = |key: ApiKey, max| ApiVersion { api_key: key.number(), min_version: 0, max_version: max };
    let unsupported = asked > NEWEST;
    ApiVersionsResponse {
        error_code: if unsupported { ErrorCode::UnsupportedVersion.number() } else { 0 },
        api_keys: vec![known(ApiKey::ApiVersions, NEWEST), known(ApiKey::Heartbeat, 99), known(ApiKey::Metadata, 3)],
        ..ApiVersionsResponse::default()
    }
}

async fn connected() -> Connection {
    let (ours, theirs) = tokio::io::duplex(1 << 10);
    drop(tokio::spawn(broker(theirs)));
    Connection::over(ours, "memory", "test").await.expect("connects")
}

#[tokio::test]
async fn the_newest_common_version_is_used() {
    let connection = connected().await;
    assert_eq!(connection.version(ApiKey::Heartbeat).expect("common"), HeartbeatRequest::VERSIONS.max);
    assert_eq!(connection.version(ApiKey::Metadata).expect("common"), 3);
    let unsupported = connection.version(ApiKey::Fetch).expect_err("not spoken");
    assert!(matches!(unsupported, ClientError::VersionUnsupported { key: ApiKey::Fetch, .. }));
}

#[tokio::test]
async fn requests_are_sent_ahead_and_answered_in_order() {
    let connection = connected().await;
    let mut answers = Vec::new();
    for _ in 0..100 {
        answers.push(connection.start(&HeartbeatRequest::default()).await.expect("sent"));
    }
    for (expected, answer) in (1..).zip(answers) {
        assert_eq!(answer.wait().await.expect("answered").error_code, expected);
    }
}

#[tokio::test]
async fn who_waits_learns_that_the_other_side_hung_up() {
    let connection = connected().await;
    let hung_up = connection.call(&MetadataRequest::default()).await.expect_err("no answer");
    assert_eq!(hung_up.to_string(), "the connection is closed: the other side hung up");
    assert!(!connection.is_open());
}
