//! One node with data becomes three over consensus, and the first is not needed any more.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::{Engine, EngineConfig, Opening, Payload, Running, Seams, SubmitError};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{SystemClock, SystemEntropy};
use omnibus_log::LogConfig;
use omnibus_model::command::CreateTopic;
use omnibus_model::topic::{Partition, TopicConfig};
use omnibus_model::{BatchInfo, NodeId, Offset, RecordFormat, ShardId, Timestamp, TopicId, TopicName};
use omnibus_raft::{ChangeError, Consensus, OpenraftLog, Switchboard};
use omnibus_record::{BatchBuilder, Codec, Stamp};
use omnibus_replication::{Leadership, Opened, ReplicatedLog};
use tokio::runtime::Handle;

/// One node of the cluster.
struct Node {
    engine: Engine,
    running: Running,
    replicated: Arc<OpenraftLog>,
}

impl Node {
    fn start(number: u32, founders: &[u32], board: &Switchboard) -> Self {
        let node = NodeId(number);
        let log = LogConfig { segment_bytes: 4 << 20, reserve_bytes: 12 << 20, ..LogConfig::default() };
        let seams = Seams {
            disk: Arc::new(FaultDisk::new(number.into())),
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(SystemEntropy::open().unwrap()),
        };
        let consensus = Consensus {
            node,
            seed: number.into(),
            runtime: Handle::current(),
            peers: Some(board.line(node)),
            founders: founders.iter().copied().map(NodeId).collect(),
        };
        let mut opened = None;
        // The records are of 1970: retention would take them.
        let housekeeping_interval = Duration::from_secs(3600);
        let config = EngineConfig { log, node, housekeeping_interval, ..EngineConfig::default() };
        let (engine, running) = Engine::open_over(seams, config, |opening| {
            let Opening { disk, log, shards, on_event, recover } = opening;
            let Opened { replicated, log, writer, checkpoints, report } =
                OpenraftLog::open((disk, log), shards, consensus, on_event, recover)?;
            let replicated = Arc::new(replicated);
            opened = Some(Arc::clone(&replicated));
            Ok(Opened { replicated: replicated as Arc<dyn ReplicatedLog>, log, writer, checkpoints, report })
        })
        .unwrap();
        let replicated = opened.unwrap();
        board.connect(node, replicated.door());
        Self { engine, running, replicated }
    }

    fn shards(&self) -> impl Iterator<Item = ShardId> {
        std::iter::once(ShardId::METADATA).chain(self.engine.data_shards())
    }

    fn leads(&self, shard: ShardId) -> bool {
        matches!(self.replicated.leadership(shard), Leadership::Here { .. })
    }
}

/// The nodes that run. Who leads which shard may change at any time.
struct Cluster {
    board: Switchboard,
    nodes: Vec<Node>,
}

impl Cluster {
    fn start(&mut self, number: u32, founders: &[u32]) {
        self.nodes.push(Node::start(number, founders, &self.board));
    }

    async fn leader(&self, shard: ShardId) -> &Node {
        loop {
            match self.nodes.iter().find(|node| node.leads(shard)) {
                Some(leader) => return leader,
                None => tokio::task::yield_now().await,
            }
        }
    }

    /// Asks whoever leads until it takes what it is asked.
    async fn ask<T>(&self, shard: ShardId, ask: impl AsyncFn(&Engine) -> Result<T, SubmitError>) -> T {
        loop {
            match ask(&self.leader(shard).await.engine).await {
                Ok(answer) => return answer,
                Err(SubmitError::NotLeader { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn append(&self, place: Partition) -> Offset {
        let append =
            async |engine: &Engine| engine.append(place.shard, place.stream, payload()).await?.appended().await;
        self.ask(place.shard, append).await.base
    }

    /// Makes a node a voter in all shards.
    async fn admit(&self, node: NodeId) {
        let shards: Vec<ShardId> = self.nodes[0].shards().collect();
        for shard in &shards {
            self.change(*shard, async |log| log.add_learner(*shard, node).await).await;
        }
        for shard in &shards {
            let change = async |log: &OpenraftLog| {
                let mut voters: BTreeSet<NodeId> = log.replicas(*shard).voters;
                voters.insert(node);
                log.change_voters(*shard, voters).await
            };
            self.change(*shard, change).await;
        }
    }

    /// Asks whoever leads until it is done, as whoever changes a cluster must.
    async fn change(&self, shard: ShardId, change: impl AsyncFn(&OpenraftLog) -> Result<(), ChangeError>) {
        while change(&self.leader(shard).await.replicated).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

fn payload() -> Payload {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(Timestamp(1_000), Some(b"key"), Some(&[7; 3_000]), &[]);
    let bytes = builder.finish(Stamp::default());
    let batch = BatchInfo {
        format: RecordFormat::KafkaBatch,
        count: 1,
        bytes: u32::try_from(bytes.len()).unwrap(),
        timestamp_max: Timestamp(1_000),
        producer: None,
    };
    Payload { batch, bytes }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_with_data_becomes_three_and_can_go() {
    let mut cluster = Cluster { board: Switchboard::default(), nodes: Vec::new() };
    cluster.start(1, &[1]);
    let name = TopicName::new("orders").unwrap();
    let id = TopicId(cluster.nodes[0].engine.random());
    let create = || CreateTopic { name: name.clone(), id, partitions: 6, config: TopicConfig::default() };
    let topic = cluster.ask(ShardId::METADATA, async |engine| engine.create_topic(create()).await).await;
    for round in 0..20 {
        for partition in &topic.partitions {
            assert_eq!(cluster.append(*partition).await, Offset(round));
        }
    }
    cluster.start(2, &[]);
    cluster.start(3, &[]);
    cluster.admit(NodeId(2)).await;
    cluster.admit(NodeId(3)).await;
    for partition in &topic.partitions {
        assert_eq!(cluster.append(*partition).await, Offset(20));
    }
    cluster.board.disconnect(NodeId(1));
    cluster.nodes.remove(0).running.close().await;
    for partition in &topic.partitions {
        assert_eq!(cluster.append(*partition).await, Offset(21));
        let leader = cluster.leader(partition.shard).await;
        let fetched = leader.engine.read(partition.stream, Offset::ZERO, 1 << 20).await.unwrap();
        assert_eq!(fetched.pieces.into_iter().flat_map(omnibus_record::batches).count(), 22);
    }
    for node in cluster.nodes {
        assert_eq!(node.engine.topic(&name).unwrap().id, topic.id);
        node.running.close().await;
    }
}
