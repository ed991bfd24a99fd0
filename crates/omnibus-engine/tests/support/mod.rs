//! An engine on a disk in memory, and queues on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use omnibus_engine::queues::{Deliveries, Delivery};
use omnibus_engine::{Engine, EngineConfig, EngineError, Opening, Payload, Running, Seams};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{Clock, SystemClock, SystemEntropy};
use omnibus_log::LogConfig;
use omnibus_model::command::{Acquire, CreateQueue};
use omnibus_model::queue::{Envelope, QueueConfig, QueueCounts, QueueLimits};
use omnibus_model::topic::{Partition, QueuePlace, TopicConfig};
use omnibus_model::{BatchInfo, Millis, NodeId, Offset, RecordFormat, Timestamp, TopicId, TopicName};
use omnibus_raft::{Consensus, OpenraftLog};
use omnibus_record::{BatchBuilder, Codec, Encoded, Message, Native, SharedMessage, SqsNative, Stamp};
use omnibus_replication::Opened;
use tokio::runtime::{Builder, Handle, Runtime};

/// A running engine.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    running: Running,
    pub(crate) disk: FaultDisk,
    clock: Arc<dyn Clock>,
}

/// A clock that stands until it is moved.
#[derive(Debug, Default)]
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn turn_back(&self, millis: u64) {
        self.0.fetch_sub(millis, Ordering::SeqCst);
    }

    pub(crate) fn millis(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Clock for ManualClock {
    fn wall_millis(&self) -> i64 {
        1_700_000_000_000 + i64::try_from(self.millis()).unwrap()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.millis())
    }
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::by(Arc::new(SystemClock::default()))
    }

    /// Starts a node by another clock.
    pub(crate) fn by(clock: Arc<dyn Clock>) -> Self {
        Self::on(FaultDisk::new(1), clock)
    }

    fn on(disk: FaultDisk, clock: Arc<dyn Clock>) -> Self {
        let log = LogConfig { segment_bytes: 4 << 20, reserve_bytes: 12 << 20, ..LogConfig::default() };
        let seams = Seams {
            disk: Arc::new(disk.clone()),
            clock: Arc::clone(&clock),
            entropy: Arc::new(SystemEntropy::open().unwrap()),
        };
        let (engine, running) = open(seams, EngineConfig { log, ..EngineConfig::default() });
        Self { engine, running, disk, clock }
    }

    /// What is there after the power went away at this moment.
    pub(crate) fn restarted_after_a_power_cut(self) -> Self {
        let after = self.disk.fork(2);
        after.cut_power();
        after.restart();
        Self::on(after, self.clock)
    }

    pub(crate) async fn stop(self) {
        self.running.close().await;
    }

    /// Waits until every shard has taken all that was asked so far.
    pub(crate) async fn settled(&self) {
        tokio::task::yield_now().await;
        for shard in self.engine.data_shards() {
            self.engine.submit(shard, omnibus_model::Command::Tick).await.unwrap();
        }
    }

    /// Asks again and again until something is so, or nothing works any more.
    pub(crate) async fn until(&self, is_so: impl AsyncFn() -> Option<bool>) -> bool {
        loop {
            match is_so().await {
                Some(true) => return true,
                Some(false) => self.settled_or_broken().await,
                None => return false,
            }
        }
    }

    async fn settled_or_broken(&self) {
        for shard in self.engine.data_shards() {
            drop(self.engine.submit(shard, omnibus_model::Command::Tick).await);
        }
    }

    pub(crate) async fn counts(&self, queue: impl Into<QueuePlace>) -> Option<QueueCounts> {
        self.engine.queue_view(queue).await.ok()?.map(|view| view.counts)
    }

    pub(crate) async fn queue(&self, name: &str, queue: QueueConfig) -> Partition {
        let create = CreateQueue {
            name: TopicName::new(name).unwrap(),
            id: TopicId(self.engine.random()),
            config: TopicConfig::default(),
            queue,
        };
        self.engine.create_queue(create).await.unwrap().partitions[0]
    }

    pub(crate) async fn priority_queue(&self, name: &str, queue: QueueConfig, priorities: u8) -> QueuePlace {
        let create = CreateQueue {
            name: TopicName::new(name).unwrap(),
            id: TopicId(self.engine.random()),
            config: TopicConfig::default(),
            queue,
        };
        self.engine.create_priority_queue(create, priorities).await.unwrap().queue_place().unwrap()
    }

    pub(crate) async fn limited_queue(&self, name: &str, queue: QueueConfig, limits: QueueLimits) -> Partition {
        self.limited_priority_queue(name, queue, (0, limits)).await.lowest
    }

    pub(crate) async fn limited_priority_queue(
        &self,
        name: &str,
        queue: QueueConfig,
        limited: (u8, QueueLimits),
    ) -> QueuePlace {
        let create = CreateQueue {
            name: TopicName::new(name).unwrap(),
            id: TopicId(self.engine.random()),
            config: TopicConfig::default(),
            queue,
        };
        self.engine.create_limited_queue(create, limited).await.unwrap().queue_place().unwrap()
    }

    /// Sends messages; returns their offsets.
    pub(crate) async fn send(&self, queue: Partition, bodies: &[&str]) -> Vec<u64> {
        let messages = bodies.iter().map(|body| (message(body), None)).collect();
        let answers = self.engine.enqueue(queue, messages).await.unwrap();
        answers.into_iter().map(|answer| answer.unwrap().base.0).collect()
    }

    /// Appends one batch of Kafka's.
    pub(crate) async fn produce(&self, queue: Partition, values: &[&str]) {
        let mut builder = BatchBuilder::new(Codec::Lz4);
        for value in values {
            builder.push(Timestamp(1_000), Some(b"key"), Some(value.as_bytes()), &[]);
        }
        let bytes = builder.finish(Stamp::default());
        let batch = BatchInfo {
            format: RecordFormat::KafkaBatch,
            count: u32::try_from(values.len()).unwrap(),
            bytes: u32::try_from(bytes.len()).unwrap(),
            timestamp_max: Timestamp(1_000),
            producer: None,
        };
        let commit = self.engine.append(queue.shard, queue.stream, Payload { batch, bytes }).await.unwrap();
        commit.appended().await.unwrap();
    }

    /// Takes what is ready, without waiting.
    pub(crate) async fn receive(&self, queue: impl Into<QueuePlace>, count_max: u32) -> Vec<Delivery> {
        let received = self.received(queue, count_max).await;
        received.into_iter().flat_map(|deliveries| deliveries.deliveries).collect()
    }

    /// The same, partition by partition.
    pub(crate) async fn received(&self, queue: impl Into<QueuePlace>, count_max: u32) -> Vec<Deliveries> {
        let queue = queue.into();
        let received = self.engine.receive(queue, acquire(queue.lowest, count_max), Duration::ZERO).await.unwrap();
        self.engine.received(&received).await.unwrap()
    }
}

/// Opens an engine over its usual log; with `OMNIBUS_TEST_LOG=openraft` over consensus.
fn open(seams: Seams, config: EngineConfig) -> (Engine, Running) {
    match std::env::var("OMNIBUS_TEST_LOG").as_deref() {
        Ok("openraft") => open_over_consensus(seams, config).unwrap(),
        Ok(other) => panic!("there is no log called {other}"),
        Err(_) => Engine::open(seams, config).unwrap(),
    }
}

/// Opens an engine over consensus groups with one voter each.
pub(crate) fn open_over_consensus(seams: Seams, config: EngineConfig) -> Result<(Engine, Running), EngineError> {
    let consensus = Consensus::alone(NodeId(1), 7, runtime());
    Engine::open_over(seams, config, |opening| {
        let Opening { disk, log, shards, on_event, recover } = opening;
        OpenraftLog::open((disk, log), shards, consensus, on_event, recover).map(Opened::shared)
    })
}

/// Consensus has a thread of its own: the test's may wait for it.
fn runtime() -> Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    runtime.handle().clone()
}

/// What a queue is if its creator has no wishes.
pub(crate) fn queue_config() -> QueueConfig {
    QueueConfig { lease: Millis(30_000), ..QueueConfig::default() }
}

pub(crate) fn acquire(queue: Partition, count_max: u32) -> Acquire {
    Acquire { stream: queue.stream, count_max, lease: Millis(30_000), holder: None, attempt: None }
}

pub(crate) fn message(body: &str) -> Encoded {
    enveloped(body, Envelope::default())
}

pub(crate) fn enveloped(body: &str, envelope: Envelope) -> Encoded {
    whole(body, envelope).encode().unwrap()
}

/// A message for many queues.
pub(crate) fn shared(body: &str) -> SharedMessage {
    whole(body, Envelope::default()).encode_shared().unwrap()
}

fn whole(body: &str, envelope: Envelope) -> Message {
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

pub(crate) fn bodies(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| String::from_utf8(delivery.message.body.to_vec()).unwrap()).collect()
}
