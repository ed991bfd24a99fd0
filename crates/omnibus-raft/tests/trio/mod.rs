//! Three nodes that are driven by hand, and what each was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omnibus_io::fault::FaultDisk;
use omnibus_log::{EntryBatch, EntryKind, Log, LogConfig, Rest, Writer};
use omnibus_model::{LogIndex, NodeId, Offset, ShardId, StreamId, Term, Timestamp};
use omnibus_raft::{ChangeError, Consensus, OpenraftLog, Switchboard};
use omnibus_replication::{OnEvent, Opened, Proposal, ProposeError, ReplicatedLog, ReplicationError, ReplicationEvent};
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

const SHARDS: u16 = 3;
pub(crate) const SHARD: ShardId = ShardId(1);
const STREAM: StreamId = StreamId(9);
/// Longer than this nothing takes.
const PATIENCE_MILLIS: u64 = 60_000;

/// Runs something in one thread, by a clock that goes on when all wait.
pub(crate) fn run(test: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test);
}

/// What was committed, by whoever was told first.
type Acknowledged = Arc<Mutex<BTreeMap<LogIndex, Bytes>>>;

/// Three nodes, or fewer where some are without power.
pub(crate) struct Trio {
    pub(crate) board: Switchboard,
    nodes: BTreeMap<NodeId, Node>,
    disks: BTreeMap<NodeId, FaultDisk>,
    retired: BTreeSet<NodeId>,
    /// Those that lost their disk and are told to join.
    joining: BTreeSet<NodeId>,
    founders: BTreeSet<NodeId>,
    acknowledged: Acknowledged,
    seed: u64,
    starts: u64,
}

pub(crate) struct Node {
    pub(crate) replicated: Arc<OpenraftLog>,
    log: Log,
    writer: Writer,
    book: Arc<Mutex<Book>>,
}

/// What a node was told of the shard.
#[derive(Default)]
struct Book {
    node: u32,
    committed: BTreeMap<LogIndex, Bytes>,
    /// What it proposed in its present leadership, and was not told of.
    own: BTreeMap<LogIndex, Bytes>,
    leads: Option<Term>,
    newest: LogIndex,
    saved: LogIndex,
    /// A state was installed that was not looked at.
    is_installed: bool,
    acknowledged: Acknowledged,
}

impl Book {
    fn note(&mut self, event: ReplicationEvent) {
        match event {
            ReplicationEvent::Committed(index) => {
                self.grow(index);
                let later = self.own.split_off(&index.next());
                for (index, head) in std::mem::replace(&mut self.own, later) {
                    let before = self.acknowledged.lock().insert(index, head.clone());
                    assert!(before.is_none_or(|before| before == head), "node {}: {index} was another", self.node);
                    self.commit(index, head);
                }
            }
            ReplicationEvent::Entry(entry) => {
                assert_eq!(entry.kind, EntryKind::Commands);
                assert!(entry.index > self.newest, "node {}: {} comes after {}", self.node, entry.index, self.newest);
                assert!(self.own.is_empty(), "node {} leads and is told of others' entries", self.node);
                self.grow(entry.index);
                self.commit(entry.index, entry.head);
            }
            ReplicationEvent::Leads { term, from } => {
                self.grow(from);
                assert!(self.own.is_empty() && self.leads < Some(term));
                self.leads = Some(term);
            }
            ReplicationEvent::Follows { .. } => {
                self.leads = None;
                self.own.clear();
            }
            ReplicationEvent::Installed { index, .. } => {
                // It has all that was committed here, which is looked for once it is read.
                assert!(self.newest < index && self.leads.is_none());
                self.committed.clear();
                (self.newest, self.saved, self.is_installed) = (index, index, true);
            }
            ReplicationEvent::Failed(error) => panic!("node {}: {error}", self.node),
        }
    }

    fn grow(&mut self, index: LogIndex) {
        assert!(self.newest <= index, "node {}: {index} comes after {}", self.node, self.newest);
        self.newest = index;
    }

    fn commit(&mut self, index: LogIndex, head: Bytes) {
        assert!(self.committed.insert(index, head).is_none(), "node {}: {index} is told twice", self.node);
    }

    /// What a start has to know.
    fn state(&self) -> String {
        let line = |(index, head): (&LogIndex, &Bytes)| format!("{} {}\n", index.0, str::from_utf8(head).unwrap());
        self.committed.iter().map(line).collect()
    }

    fn recover(&mut self, state: &str) {
        for line in state.lines() {
            let (index, head) = line.split_once(' ').unwrap();
            self.commit(LogIndex(index.parse().unwrap()), Bytes::copy_from_slice(head.as_bytes()));
        }
    }
}

impl Node {
    /// Takes a state that was installed, and saves one that is wanted.
    fn look(&mut self) {
        let mut book = self.book.lock();
        if std::mem::take(&mut book.is_installed) {
            let installed = self.log.checkpoint(SHARD).unwrap().unwrap();
            book.recover(str::from_utf8(&installed.state).unwrap());
        }
        drop(book);
        if self.replicated.wants_checkpoint() {
            self.save();
        }
    }

    fn save(&mut self) {
        let mut book = self.book.lock();
        let newest = book.newest;
        let Some(term) = self.log.term_of(SHARD, newest).filter(|_| newest > book.saved) else { return };
        self.log.save_checkpoint(SHARD, term, newest, book.state().as_bytes()).unwrap();
        book.saved = newest;
        drop(book);
        self.replicated.checkpointed(SHARD, term, newest);
        self.log.maintain().unwrap();
    }
}

fn config(identity: u64) -> LogConfig {
    LogConfig {
        segment_bytes: 128 << 10,
        block_bytes_max: 32 << 10,
        reserve_bytes: 0,
        identity,
        ..LogConfig::default()
    }
}

impl Trio {
    /// Three nodes that know nothing yet.
    pub(crate) async fn found(seed: u64) -> Self {
        Self::found_by(seed, &[1, 2, 3]).await
    }

    /// Some nodes that know nothing yet; others have a disk and no power.
    pub(crate) async fn found_by(seed: u64, founders: &[u32]) -> Self {
        let founders: BTreeSet<NodeId> = founders.iter().copied().map(NodeId).collect();
        let disk = |node: u32| (NodeId(node), FaultDisk::new(seed ^ u64::from(node)));
        let mut trio = Self {
            board: Switchboard::default(),
            nodes: BTreeMap::new(),
            disks: founders.iter().map(|node| node.0).chain(1..=3).map(disk).collect(),
            retired: BTreeSet::new(),
            joining: BTreeSet::new(),
            founders: founders.clone(),
            acknowledged: Acknowledged::default(),
            seed,
            starts: 0,
        };
        founders.into_iter().for_each(|node| trio.start(node));
        trio.pass(1).await;
        trio
    }

    pub(crate) fn start(&mut self, node: NodeId) {
        self.starts += 1;
        let book = Arc::new(Mutex::new(Book {
            node: node.0,
            acknowledged: Arc::clone(&self.acknowledged),
            ..Book::default()
        }));
        let told = Arc::clone(&book);
        let on_event: OnEvent = Box::new(move |shard, event| {
            if shard == SHARD {
                told.lock().note(event);
            }
        });
        let consensus = Consensus {
            node,
            seed: self.seed.wrapping_mul(31).wrapping_add(self.starts * 1_000 + u64::from(node.0) * 100_000),
            runtime: Handle::current(),
            peers: Some(self.board.line(node)),
            founders: if self.joining.contains(&node) { BTreeSet::new() } else { self.founders.clone() },
        };
        let recovered = Arc::clone(&book);
        let place = (Arc::new(self.disks[&node].clone()) as Arc<dyn omnibus_io::Disk>, config(self.seed + self.starts));
        let opened = OpenraftLog::open(place, SHARDS, consensus, on_event, |checkpoints, entries| {
            let mut book = recovered.lock();
            for saved in checkpoints.iter().filter(|saved| saved.shard == SHARD) {
                book.recover(str::from_utf8(&saved.state).unwrap());
                (book.newest, book.saved) = (saved.index, saved.index);
            }
            for entry in entries.filter(|entry| entry.shard == SHARD) {
                book.grow(entry.index);
                if entry.kind == EntryKind::Commands {
                    book.commit(entry.index, entry.head);
                }
            }
            Ok::<(), ReplicationError>(())
        });
        let Opened { replicated, log, writer, .. } = opened.unwrap();
        log.publish(SHARD, book.lock().newest);
        self.board.connect(node, replicated.door());
        self.nodes.insert(node, Node { replicated: Arc::new(replicated), log, writer, book });
    }

    /// Takes a node's power away: what it had not made durable is gone.
    pub(crate) fn lose_power(&mut self, node: NodeId) {
        self.board.disconnect(node);
        let after = self.disks[&node].fork(self.seed + self.starts);
        after.cut_power();
        after.restart();
        self.disks.insert(node, after);
        self.nodes.remove(&node).unwrap();
    }

    /// The same, and it does not come back.
    pub(crate) fn retire(&mut self, node: NodeId) {
        self.lose_power(node);
        self.retired.insert(node);
    }

    /// Takes a node's power and its disk; it starts with another one, and is told to join.
    pub(crate) fn wipe(&mut self, node: NodeId) {
        self.lose_power(node);
        self.disks.insert(node, FaultDisk::new(self.seed + 1_000 + self.starts));
        self.joining.insert(node);
        self.start(node);
    }

    /// Lets time pass, and everybody do what there is to do.
    pub(crate) async fn pass(&mut self, millis: u64) {
        for _ in 0..millis.max(1) {
            self.step();
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.step();
        }
    }

    fn step(&mut self) {
        for node in self.nodes.values_mut() {
            while node.writer.step() {}
            node.look();
            let newest = node.book.lock().newest;
            node.log.publish(SHARD, newest);
            node.replicated.applied(SHARD, newest);
        }
    }

    pub(crate) fn node(&self, node: NodeId) -> &Node {
        &self.nodes[&node]
    }

    pub(crate) fn alive(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    pub(crate) fn others(&self, node: NodeId) -> Vec<NodeId> {
        self.nodes.keys().copied().filter(|other| *other != node).collect()
    }

    pub(crate) fn term(&self, node: NodeId) -> Option<Term> {
        self.nodes[&node].book.lock().leads
    }

    /// Waits until somebody leads; of two it is the one that the other does not know of yet.
    pub(crate) async fn leader(&mut self) -> NodeId {
        self.wait_for_leader(|_| true).await.0
    }

    /// Waits until another node leads; says how long that took.
    pub(crate) async fn leader_other_than(&mut self, old: NodeId) -> (NodeId, u64) {
        self.wait_for_leader(|node| node != old).await
    }

    async fn wait_for_leader(&mut self, is_meant: impl Fn(NodeId) -> bool) -> (NodeId, u64) {
        for millis in 0..PATIENCE_MILLIS {
            let leading = self.nodes.iter().filter_map(|(node, state)| Some((state.book.lock().leads?, *node)));
            if let Some((_, node)) = leading.max().filter(|(_, node)| is_meant(*node)) {
                return (node, millis);
            }
            self.pass(1).await;
        }
        panic!("nobody leads")
    }

    /// Cuts a node off from all others, or lets it back.
    pub(crate) fn isolate(&self, node: NodeId, is_cut: bool) {
        for other in self.disks.keys().copied().filter(|other| *other != node) {
            self.board.set_cut(node, other, is_cut);
            self.board.set_cut(other, node, is_cut);
        }
    }

    /// Lets two nodes hear each other.
    pub(crate) fn connect(&self, one: NodeId, other: NodeId) {
        self.board.set_cut(one, other, false);
        self.board.set_cut(other, one, false);
    }

    pub(crate) fn propose(&mut self, node: NodeId, head: &str) -> Result<(), ProposeError> {
        let state = self.nodes.get_mut(&node).unwrap();
        let mut book = state.book.lock();
        let Some(term) = book.leads else { return Err(ProposeError::NotLeader { leader: None }) };
        let base = Offset((book.committed.len() + book.own.len()) as u64);
        let batch = EntryBatch {
            stream: STREAM,
            base,
            count: 1,
            timestamp_max: Timestamp(0),
            prefix: Bytes::copy_from_slice(head.as_bytes()),
            rest: Rest::Own(Bytes::from(vec![7; 2_000])),
        };
        let head = Bytes::copy_from_slice(head.as_bytes());
        let proposal = Proposal { shard: SHARD, term, head: head.clone(), bodies: Vec::new(), batches: vec![batch] };
        let index = state.replicated.propose(proposal)?;
        book.own.insert(index, head);
        Ok(())
    }

    /// Changes who votes while the leader goes on to propose.
    pub(crate) async fn change_under_load(
        &mut self,
        leader: NodeId,
        change: impl Future<Output = Result<(), ChangeError>> + Send + 'static,
    ) {
        let changing = tokio::spawn(change);
        let mut number = 0;
        while !changing.is_finished() {
            number += 1;
            match self.propose(leader, &format!("load {number}")) {
                Ok(()) | Err(ProposeError::Busy) => {}
                Err(error) => panic!("{error}"),
            }
            self.pass(1).await;
            assert!(number < PATIENCE_MILLIS, "the change does not end");
        }
        changing.await.unwrap().unwrap();
        self.propose(leader, "changed").unwrap();
    }

    /// Lets a node that has nothing become a voter beside others, while the leader goes on to propose.
    pub(crate) async fn admit(&mut self, leader: NodeId, node: NodeId) {
        let log = self.log(leader);
        self.change_under_load(leader, async move { log.add_learner(SHARD, node).await }).await;
        self.promote(leader, node).await;
    }

    /// Gives a learner a vote once it is full.
    pub(crate) async fn promote(&mut self, leader: NodeId, node: NodeId) {
        for _ in 0..PATIENCE_MILLIS {
            let log = self.log(leader);
            let mut voters = log.replicas(SHARD).voters;
            voters.insert(node);
            let changing = tokio::spawn(async move { log.change_voters(SHARD, voters).await });
            while !changing.is_finished() {
                self.pass(1).await;
            }
            match changing.await.unwrap() {
                Ok(()) => return,
                Err(ChangeError::NotFull { .. }) => self.pass(20).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("node {node} does not get full: {:?}", self.ends())
    }

    /// Waits until a leader says of a voter that it must leave.
    pub(crate) async fn loses(&mut self, leader: NodeId, voter: NodeId) {
        for _ in 0..PATIENCE_MILLIS {
            if self.node(leader).replicated.replicas(SHARD).lost.contains(&voter) {
                return;
            }
            self.pass(1).await;
        }
        panic!("node {voter} is not missed: {:?}", self.ends())
    }

    /// Asks whether a node leads in a term for certain.
    pub(crate) async fn confirms(&mut self, node: NodeId, term: Term) -> bool {
        let confirming = tokio::spawn(self.log(node).confirm(SHARD, term).unwrap());
        while !confirming.is_finished() {
            self.pass(1).await;
        }
        confirming.await.unwrap().is_ok()
    }

    pub(crate) fn log(&self, node: NodeId) -> Arc<OpenraftLog> {
        Arc::clone(&self.nodes[&node].replicated)
    }

    /// Saves a node's state.
    pub(crate) fn save(&mut self, node: NodeId) {
        self.nodes.get_mut(&node).unwrap().save();
    }

    /// The oldest entry that a node has for others, if it has any.
    pub(crate) fn first_kept(&self, node: NodeId) -> Option<LogIndex> {
        self.nodes[&node].log.first_kept(SHARD)
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.lock().len()
    }

    pub(crate) fn heads(&self, node: NodeId) -> Vec<String> {
        let book = self.nodes[&node].book.lock();
        book.committed.values().map(|head| String::from_utf8(head.to_vec()).unwrap()).collect()
    }

    /// Lets all come to the same, and checks that they do.
    pub(crate) async fn end(&mut self) {
        for node in self.disks.keys().copied().collect::<Vec<_>>() {
            if !self.nodes.contains_key(&node) && !self.retired.contains(&node) {
                self.start(node);
            }
        }
        let mut millis = 0;
        while !self.is_settled() {
            self.pass(20).await;
            millis += 20;
            assert!(millis < PATIENCE_MILLIS, "they do not come to the same: {:?}", self.ends());
        }
        let mut all = self.nodes.values().map(|node| node.book.lock().committed.clone());
        let first = all.next().unwrap();
        assert!(all.all(|other| other == first), "they have different histories");
        for (index, head) in self.acknowledged.lock().iter() {
            assert_eq!(first.get(index), Some(head), "{index} was acknowledged");
        }
        for (node, state) in &self.nodes {
            assert_eq!(contents(&state.log), first.values().cloned().collect::<Vec<_>>(), "node {node}");
        }
    }

    fn ends(&self) -> Vec<(NodeId, LogIndex, LogIndex, Option<Term>)> {
        let end = |(node, state): (&NodeId, &Node)| {
            let book = state.book.lock();
            (*node, book.newest, state.replicated.newest(SHARD), book.leads)
        };
        self.nodes.iter().map(end).collect()
    }

    fn is_settled(&self) -> bool {
        let ends = self.ends();
        let newest = ends[0].1;
        let leads = ends.iter().any(|(.., leads)| leads.is_some());
        leads && ends.iter().all(|(_, told, has, _)| (*told, *has) == (newest, newest))
    }
}

/// What the records of the stream begin with.
fn contents(log: &Log) -> Vec<Bytes> {
    let (mut found, end) = (Vec::new(), log.bounds(STREAM).end);
    while Offset(found.len() as u64) < end {
        let plan = log.plan_range(STREAM, Offset(found.len() as u64)..Offset(found.len() as u64 + 1), 1).unwrap();
        let bytes = log.load(&plan).unwrap().concat();
        let padding = bytes.len() - 2_000;
        assert!(bytes[padding..].iter().all(|byte| *byte == 7));
        found.push(Bytes::copy_from_slice(&bytes[..padding]));
    }
    found
}
