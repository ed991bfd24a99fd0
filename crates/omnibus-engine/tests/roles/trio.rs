//! Three nodes, and what is asked of them.

use std::time::Duration;

use bytes::Bytes;
use omnibus_engine::SubmitError;
use omnibus_engine::receivers::{self, Receive};
use omnibus_engine::shard::{Appending, Decided, Enqueueing, Request};
use omnibus_io::fault::FaultDisk;
use omnibus_model::command::Acquire;
use omnibus_model::outcome::Appended;
use omnibus_model::queue::{CursorConfig, Envelope, LeaseKey, Settlement};
use omnibus_model::topic::{Partition, QueuePlace};
use omnibus_model::{
    BatchInfo, Command, Millis, NodeId, Offset, Outcome, ProducerEpoch, ProducerId, ProducerStamp, RecordFormat,
    Refusal, ShardId, StreamId, Timestamp,
};
use omnibus_record::{BatchBuilder, Codec, Encoded, Message, Native, SharedMessage, SqsNative, Stamp};
use omnibus_replication::model::ModelCluster;
use tokio::sync::oneshot;

use crate::node::{Node, SHARDS};

pub(crate) const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
pub(crate) const DATA: ShardId = ShardId(1);
pub(crate) const QUEUE: StreamId = StreamId(7);
pub(crate) const LEASE: Millis = Millis(30_000);

pub(crate) type Enqueued = oneshot::Receiver<Result<Decided<Result<Appended, Refusal>>, SubmitError>>;
pub(crate) type Received = oneshot::Receiver<Result<receivers::Received, SubmitError>>;
pub(crate) type Submitted = oneshot::Receiver<Result<Outcome, SubmitError>>;

pub(crate) struct Trio {
    pub(crate) cluster: ModelCluster,
    /// By their numbers from 1.
    pub(crate) nodes: Vec<Node>,
    pub(crate) millis: u64,
}

impl Trio {
    pub(crate) fn start() -> Self {
        let cluster = ModelCluster::new(NODES.len(), SHARDS);
        let open = |id: NodeId| Node::open(&cluster, id, FaultDisk::new(id.0.into()));
        let nodes = NODES.into_iter().map(open).collect();
        Self { cluster, nodes, millis: 0 }
    }

    /// Three nodes of which the first leads, and a queue.
    pub(crate) fn with_a_queue(config: CursorConfig) -> Self {
        let mut trio = Self::start();
        trio.lead(NODES[0]);
        let mut made = trio.submit(NODES[0], Command::ConfigureCursor { stream: QUEUE, config });
        trio.settle();
        assert!(made.try_recv().unwrap().is_ok());
        trio
    }

    pub(crate) fn node(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize - 1]
    }

    pub(crate) fn shards() -> impl Iterator<Item = ShardId> {
        (0..SHARDS).map(ShardId)
    }

    /// Lets a node lead all shards, and everybody know.
    pub(crate) fn lead(&mut self, id: NodeId) {
        for shard in Self::shards() {
            self.cluster.elect(shard, id);
        }
        self.settle();
        assert!(Self::shards().all(|shard| self.node(id).shard(shard).is_leading()));
    }

    /// Writes, replicates and tells until nothing happens any more.
    pub(crate) fn settle(&mut self) {
        for _ in 0..200 {
            for id in NODES {
                self.turn(id);
            }
            for shard in Self::shards() {
                NODES.into_iter().for_each(|id| self.cluster.replicate(shard, id, usize::MAX));
                self.cluster.commit(shard);
            }
        }
    }

    /// Lets one node do what it has to do.
    pub(crate) fn turn(&mut self, id: NodeId) {
        let millis = self.millis;
        let node = self.node(id);
        node.listen(millis);
        node.rebuild(millis);
        node.propose();
        node.write();
        node.save_checkpoints();
    }

    pub(crate) fn submit(&mut self, id: NodeId, command: Command) -> Submitted {
        let (reply, answer) = oneshot::channel();
        self.ask(id, Request::Submit { command, reply });
        answer
    }

    pub(crate) fn enqueue(&mut self, id: NodeId, body: &str, envelope: Envelope) -> Enqueued {
        let (reply, answer) = oneshot::channel();
        let messages = vec![(message(body, envelope), None)];
        self.ask(id, Request::Enqueue(Enqueueing { queue: place(), messages, reply }));
        answer
    }

    pub(crate) fn receive(&mut self, id: NodeId, count_max: u32, wait: Duration) -> Received {
        let (reply, answer) = oneshot::channel();
        let acquire = Acquire { stream: QUEUE, count_max, lease: LEASE, holder: None, attempt: None };
        self.ask(id, Request::Receive(Receive { queue: place(), acquire, wait, reply }));
        answer
    }

    pub(crate) fn accept(&mut self, id: NodeId, key: LeaseKey) -> Submitted {
        let settlements = vec![(key, Settlement::Accept)];
        self.submit(id, Command::Settle { stream: QUEUE, settlements })
    }

    /// Appends a batch of one record, as an idempotent producer's.
    pub(crate) fn append(&mut self, id: NodeId, sequence_first: u32) -> Submitted {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(Timestamp(1_000), Some(b"key"), Some(b"value"), &[]);
        let producer = ProducerStamp { id: ProducerId(5), epoch: ProducerEpoch(0), sequence_first };
        let payload: Bytes = builder.finish(Stamp { producer: Some(producer), ..Stamp::default() });
        let batch = BatchInfo {
            format: RecordFormat::KafkaBatch,
            count: 1,
            bytes: u32::try_from(payload.len()).unwrap(),
            timestamp_max: Timestamp(1_000),
            producer: Some(producer),
        };
        let (reply, answer) = oneshot::channel();
        self.ask(id, Request::Append(Appending { stream: StreamId(9), batch, payload, reply }));
        answer
    }

    /// Brings what a leader has proposed to its disk, and to nobody else.
    pub(crate) fn keep_to_itself(&mut self, id: NodeId) {
        let node = self.node(id);
        node.propose();
        node.write();
    }

    pub(crate) fn ask(&mut self, id: NodeId, request: Request) {
        let millis = self.millis;
        self.node(id).request(millis, DATA, request);
    }

    /// Checks that all three remember the same.
    pub(crate) fn check_alike(&mut self) {
        for shard in Self::shards() {
            let mut known = NODES.map(|id| {
                let shard = self.node(id).shard(shard);
                assert!(shard.is_settled(), "node {id} is not settled");
                (shard.known_committed(), shard.broker().digest())
            });
            known.sort_unstable();
            assert_eq!(known[0], known[2], "shard {shard} differs");
        }
    }

    pub(crate) fn bodies(&mut self, id: NodeId) -> Vec<(Offset, Bytes)> {
        self.node(id).bodies(QUEUE)
    }
}

pub(crate) fn place() -> QueuePlace {
    Partition { stream: QUEUE, shard: DATA }.into()
}

pub(crate) fn message(body: &str, envelope: Envelope) -> Encoded {
    plain(body, envelope).encode().unwrap()
}

/// The same, as it is sent to many queues.
pub(crate) fn shared(body: &str) -> SharedMessage {
    plain(body, Envelope::default()).encode_shared().unwrap()
}

fn plain(body: &str, envelope: Envelope) -> Message {
    let timestamp = Timestamp(1_700_000_000_000);
    let native = SqsNative { id: 7, sent_at: timestamp, ..SqsNative::default() };
    Message {
        offset: Offset::ZERO,
        timestamp,
        envelope,
        native: Native::Sqs(native),
        history: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}
