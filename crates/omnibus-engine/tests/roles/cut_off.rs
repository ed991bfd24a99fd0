//! A node that hears too few of the others says so soon, and nothing that might be wrong; one that hears enough waits for
//! the next leader. Time stands still unless it is let pass.

use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::consumers::{Access, ConsumerConfig, Settling};
use omnibus_engine::{Engine, Fate, Running, SubmitError};
use omnibus_io::Clock;
use omnibus_io::fault::FaultDisk;
use omnibus_model::command::{Acquire, CreateQueue};
use omnibus_model::queue::{Envelope, QueueConfig};
use omnibus_model::topic::{Partition, TopicConfig};
use omnibus_model::{TopicId, TopicName};
use omnibus_replication::model::ModelCluster;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance};

use crate::engines::{all_bodies, lead, open_at, pump, pump_to};
use crate::trio::{LEASE, NODES, message};
use crate::wires::Wires;

const STEP: Duration = Duration::from_millis(50);

/// In so much time it is looked who is heard.
const LOOK: Duration = Duration::from_millis(300);

/// The time that is let pass.
#[derive(Debug)]
struct Passing(Instant);

impl Passing {
    #[expect(clippy::disallowed_methods, reason = "a clock of tests, beside tokio's own")]
    fn begin() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Passing {
    fn wall_millis(&self) -> i64 {
        1_792_000_000_000 + i64::try_from(self.0.elapsed().as_millis()).unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Three engines, led by the first, with a queue.
struct Three {
    cluster: ModelCluster,
    engines: Vec<Engine>,
    wires: Wires,
    queue: Partition,
    pumping: JoinHandle<()>,
    clock: Passing,
    _running: Vec<Running>,
}

impl Three {
    async fn start() -> Self {
        let cluster = ModelCluster::new(NODES.len(), crate::node::SHARDS);
        let open = |node| open_at(&cluster, node, &FaultDisk::new(u64::from(node.0)), Arc::new(Passing::begin()));
        let (engines, running): (Vec<_>, Vec<_>) = NODES.into_iter().map(open).unzip();
        let wires = Wires::connect(&engines);
        let pumping = tokio::spawn(pump(cluster.clone()));
        lead(&cluster, &engines, NODES[0]).await;
        let (config, queue) = (TopicConfig::default(), QueueConfig::default());
        let create = CreateQueue { name: TopicName::new("orders").unwrap(), id: TopicId(1), config, queue };
        let queue = engines[2].create_queue(create).await.unwrap().partitions[0];
        Self { cluster, engines, wires, queue, pumping, clock: Passing::begin(), _running: running }
    }

    /// Nobody hears a node any more, and it hears nobody.
    fn cut(&mut self, node: usize) {
        self.wires.cut(NODES[node]);
        self.pumping.abort();
        // Nothing reaches others without the leader, which is the first.
        let others = NODES.into_iter().filter(|other| *other != NODES[node] && node != 0).collect();
        self.pumping = tokio::spawn(pump_to(self.cluster.clone(), others));
    }

    /// The second takes the place of the first.
    fn elect(&mut self) {
        crate::trio::Trio::shards().for_each(|shard| self.cluster.elect(shard, NODES[1]));
        self.pumping.abort();
        self.pumping = tokio::spawn(pump_to(self.cluster.clone(), NODES[1..].to_vec()));
    }

    fn mend(&mut self, node: usize) {
        self.wires.mend(NODES[node]);
        self.pumping.abort();
        self.pumping = tokio::spawn(pump(self.cluster.clone()));
    }

    fn send(&self, node: usize, body: &'static str) -> JoinHandle<Result<(), SubmitError>> {
        let (engine, queue) = (self.engines[node].clone(), self.queue);
        let sent = async move { engine.enqueue(queue, vec![(message(body, Envelope::default()), None)]).await };
        tokio::spawn(async move { sent.await.map(|answers| assert!(answers[0].is_ok())) })
    }

    fn receive(&self, node: usize, wait: Duration) -> JoinHandle<Result<usize, SubmitError>> {
        let (engine, queue) = (self.engines[node].clone(), self.queue);
        let acquire = Acquire { stream: queue.stream, count_max: 7, lease: LEASE, holder: None, attempt: None };
        tokio::spawn(async move { Ok(engine.receive(queue, acquire, wait).await?.leases().count()) })
    }

    fn proposed(&self, node: usize) -> u64 {
        self.engines[node].counters().entries_proposed.get()
    }

    /// Lets time pass until something is answered; says how much it was.
    async fn until<T>(&self, answer: &mut JoinHandle<T>) -> (T, Duration) {
        let began = self.clock.elapsed();
        while !answer.is_finished() {
            self.pass(STEP).await;
        }
        (answer.await.unwrap(), self.clock.elapsed().saturating_sub(began))
    }

    async fn pass(&self, time: Duration) {
        let until = self.clock.elapsed() + time;
        while self.clock.elapsed() < until {
            // All that can be done now is done before it is later.
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            advance(STEP).await;
        }
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_hears_nobody_says_so_after_two_seconds_and_then_at_once() {
    let mut three = Three::start().await;
    three.cut(2);
    let (answer, after) = three.until(&mut three.send(2, "nobody")).await;
    assert_eq!(answer, Err(SubmitError::NotLeader { leader: None }));
    assert!((seconds(2)..=seconds(3)).contains(&after), "{after:?}");
    // Nobody waits twice: neither who asks for something, nor who asks a question, nor who wants to be served.
    let (engine, queue) = (three.engines[2].clone(), three.queue);
    let config = ConsumerConfig { credit: 1, settling: Settling::ByReceiver, access: Access::Shared, priority: 0 };
    let began = three.clock.elapsed();
    assert_eq!(three.send(2, "nobody").await.unwrap(), Err(SubmitError::NotLeader { leader: None }));
    assert_eq!(three.receive(2, seconds(20)).await.unwrap(), Err(SubmitError::NotLeader { leader: None }));
    assert!(matches!(engine.queue_view(queue).await, Err(SubmitError::NotLeader { leader: None })));
    assert!(engine.consume(queue, config).await.is_err());
    assert_eq!(three.clock.elapsed(), began);
    // Who hears others again serves at once.
    three.mend(2);
    three.pass(LOOK).await;
    assert_eq!(three.send(2, "all").await.unwrap(), Ok(()));
    assert_eq!(three.receive(2, seconds(20)).await.unwrap(), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_hears_nobody_does_not_know_of_what_it_took_and_takes_no_more() {
    let mut three = Three::start().await;
    three.cut(0);
    let before = three.proposed(0);
    let mut receiving = three.receive(0, seconds(20));
    let (answer, after) = three.until(&mut three.send(0, "perhaps")).await;
    assert_eq!(answer, Err(SubmitError::Lost { leader: NODES[0] }));
    assert_eq!(answer.unwrap_err().fate(), Fate::Unknown);
    assert!((seconds(2)..=seconds(4)).contains(&after), "{after:?}");
    assert!(three.until(&mut receiving).await.0.is_err(), "who waits for records learns it, too");
    let taken = three.proposed(0);
    assert!(taken > before);
    assert!(three.engines[0].leads(three.queue.shard), "as far as it knows");
    assert_eq!(three.send(0, "never").await.unwrap(), Err(SubmitError::NotLeader { leader: None }));
    assert_eq!(three.proposed(0), taken, "what was refused is not done later");
    three.mend(0);
    three.pass(LOOK).await;
    assert_eq!(three.send(0, "surely").await.unwrap(), Ok(()));
    let bodies: Vec<_> = all_bodies(&three.engines[0], three.queue).await.into_values().collect();
    assert_eq!(bodies, ["perhaps", "surely"]);
}

#[tokio::test(start_paused = true)]
async fn who_hears_enough_of_the_others_waits_for_the_next_leader_however_late() {
    let mut three = Three::start().await;
    three.cut(0);
    let (mut sending, mut receiving) = (three.send(2, "late"), three.receive(1, seconds(20)));
    three.pass(seconds(7)).await;
    assert!(!sending.is_finished() && !receiving.is_finished());
    three.elect();
    assert_eq!(three.until(&mut sending).await.0, Ok(()));
    assert_eq!(three.until(&mut receiving).await.0, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_records_waits_as_long_as_it_wants_where_one_node_is_silent() {
    let mut three = Three::start().await;
    three.cut(1);
    for node in [0, 2] {
        let (answer, after) = three.until(&mut three.receive(node, seconds(20))).await;
        assert_eq!(answer, Ok(0), "node {node}");
        assert!((seconds(20)..seconds(21)).contains(&after), "node {node}: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn looking_for_a_leader_and_waiting_for_its_answer_take_ten_seconds_together() {
    let mut three = Three::start().await;
    three.cut(0);
    let mut sending = three.send(2, "perhaps");
    three.pass(seconds(6)).await;
    // It is heard, and answers nothing.
    three.wires.never_answer(true);
    three.elect();
    three.pass(Duration::from_millis(3_500)).await;
    assert!(!sending.is_finished());
    let (answer, after) = three.until(&mut sending).await;
    assert_eq!(answer, Err(SubmitError::Lost { leader: NODES[1] }));
    assert!(after <= seconds(1), "{after:?} behind 9.5 s");
}
