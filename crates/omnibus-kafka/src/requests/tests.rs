//! Bytes in, bytes out: requests of every version, put to a real engine on a disk in memory.

mod groups;
mod consumer_groups;
mod offsets;
mod topics;
mod queues;
mod configs;
mod compression;
mod cluster;
mod following;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use omnibus_engine::{Engine, EngineConfig, Opening, Running, Seams};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{SystemClock, SystemEntropy};
use omnibus_log::LogConfig;
use omnibus_model::{Millis, NodeId, TopicId};
use omnibus_replication::Opened;
use omnibus_replication::model::ModelCluster;

use super::{Call, Context, Reply, Started, start};
use crate::patterns::Patterns;
use crate::session::{Client, Ends, Settings};
use crate::wire::header::{request_header_version, response_header_version};
use crate::wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use crate::wire::messages::request_header::RequestHeader;
use crate::wire::messages::response_header::ResponseHeader;
use crate::wire::{Input, Message, Output, Request};

const CORRELATION_ID: i32 = 7;

/// A broker to ask.
pub(crate) struct Node {
    pub(crate) context: Context,
    running: Running,
}

impl Node {
    /// Starts a broker that lets groups begin without waiting for company.
    pub(crate) fn start() -> Self {
        let mut config = EngineConfig {
            log: LogConfig { segment_bytes: 4 << 20, reserve_bytes: 12 << 20, ..LogConfig::default() },
            ..EngineConfig::default()
        };
        config.limits.initial_rebalance_delay = Millis(0);
        Self::with(Engine::open(seams(1), config).unwrap(), Settings::default())
    }

    /// A broker over a replicated log that somebody else opens.
    pub(crate) fn over(node: NodeId, cluster: &ModelCluster) -> Self {
        let number = i32::try_from(node.0).unwrap();
        let mut config = EngineConfig {
            node,
            log: LogConfig { segment_bytes: 4 << 20, reserve_bytes: 0, ..LogConfig::default() },
            ..EngineConfig::default()
        };
        config.limits.data_shards = 1;
        let (engine, running) = Engine::open_over(seams(node.0.into()), config, |opening| {
            let Opening { disk, log, on_event, recover, .. } = opening;
            cluster.open(node, (disk, log), on_event, recover).map(Opened::shared)
        })
        .unwrap();
        let settings = Settings { node_id: number, rack: Some(format!("rack-{number}")), ..Settings::default() };
        Self::with((engine, running), settings)
    }

    fn with((engine, running): (Engine, Running), settings: Settings) -> Self {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 9092));
        let client = Client { host: "/127.0.0.1".into(), ..Client::default() };
        let settings = Arc::new(settings);
        let budget = crate::budget::Budget::new(settings.memory_bytes_max);
        let (patterns, ends) = (Patterns::default(), Ends { local: here, peer: here });
        Self { context: Context { engine, settings, budget, patterns, client, ends }, running }
    }

    /// Sends a request as bytes and reads the bytes of its response.
    async fn ask<R: Request>(&self, version: i16, request: R) -> R::Response {
        let call = Call::read(&self.context, frame(version, &request)).unwrap();
        let reply = match start(call).await.unwrap() {
            Started::Overlapping(reply) | Started::Exclusive(reply) => reply.await,
        };
        let Reply::Chunks(chunks) = reply else { panic!("{} version {version}: {reply:?}", R::KEY) };
        let mut input = Input::from(bytes::Bytes::from(chunks.concat()).slice(4..));
        let header = ResponseHeader::decode(&mut input, response_header_version(R::KEY, version)).unwrap();
        assert_eq!(header.correlation_id, CORRELATION_ID);
        let response = R::Response::decode(&mut input, version).unwrap();
        input.finish().unwrap();
        response
    }

    /// Sends an empty request in every version, and expects an answer that can be read.
    async fn answers_every_version<R: Request + Default>(&self) {
        for version in R::KEY.served().iter() {
            self.ask(version, R::default()).await;
        }
    }

    pub(crate) async fn create(&self, name: &str, partitions: i32) -> TopicId {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: -1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
        let response = self.ask(7, request).await;
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
        response.topics[0].topic_id
    }

    pub(crate) async fn stop(self) {
        drop(self.context);
        self.running.close().await;
    }
}

fn seams(seed: u64) -> Seams {
    Seams {
        disk: Arc::new(FaultDisk::new(seed)),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy::open().unwrap()),
    }
}

/// A request as bytes.
pub(crate) fn frame<R: Request>(version: i16, request: &R) -> bytes::Bytes {
    let header = RequestHeader {
        request_api_key: R::KEY.number(),
        request_api_version: version,
        correlation_id: CORRELATION_ID,
        client_id: Some("tester".into()),
    };
    let mut out = Output::new();
    header.encode(&mut out, request_header_version(R::KEY, version)).unwrap();
    request.encode(&mut out, version).unwrap();
    out.into_bytes()
}

/// A batch of one record.
pub(crate) fn batch(value: &str) -> bytes::Bytes {
    let mut builder = omnibus_record::BatchBuilder::new(omnibus_record::Codec::None);
    builder.push(omnibus_model::Timestamp(1_000), Some(b"key"), Some(value.as_bytes()), &[]);
    builder.finish(omnibus_record::Stamp::default())
}
