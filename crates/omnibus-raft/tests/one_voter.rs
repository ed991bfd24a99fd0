//! A log of one voter: what is committed is there after any end, and leads at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use omnibus_io::fault::{Fault, FaultDisk};
use omnibus_log::{EntryBatch, EntryId, EntryKind, Log, LogConfig, Mark, Rest, verify};
use omnibus_model::{LogIndex, NodeId, Offset, ShardId, StreamId, Term, Timestamp};
use omnibus_raft::{Consensus, OpenraftLog};
use omnibus_replication::{
    Leadership, LocalLog, OnEvent, Opened, Proposal, ProposeError, ReplicatedLog, ReplicationError, ReplicationEvent,
};
use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Builder, Handle, Runtime};

const SHARDS: u16 = 17;
const SHARD: ShardId = ShardId(4);

fn runtime() -> Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    runtime.handle().clone()
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 256 << 10,
        block_bytes_max: 64 << 10,
        reserve_bytes: 0,
        identity: 9,
        ..LogConfig::default()
    }
}

/// What was committed, as it was told.
#[derive(Default)]
struct Told {
    state: Mutex<(BTreeMap<ShardId, LogIndex>, bool)>,
    news: Condvar,
}

impl Told {
    fn on_event(self: &Arc<Self>) -> OnEvent {
        let told = Arc::clone(self);
        Box::new(move |shard, event| {
            let mut state = told.state.lock();
            match event {
                ReplicationEvent::Committed(index) | ReplicationEvent::Leads { from: index, .. } => {
                    assert!(state.0.insert(shard, index).is_none_or(|before| before <= index));
                }
                ReplicationEvent::Failed(_) => state.1 = true,
                ReplicationEvent::Entry(_) | ReplicationEvent::Follows { .. } | ReplicationEvent::Installed { .. } => {
                    unreachable!("there is one voter")
                }
            }
            told.news.notify_all();
        })
    }

    /// Waits until an entry is committed; returns false if nothing will be any more.
    fn wait(&self, shard: ShardId, index: LogIndex) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.0.get(&shard).is_some_and(|committed| *committed >= index) {
                return true;
            }
            if state.1 {
                return false;
            }
            self.news.wait(&mut state);
        }
    }
}

/// An open log.
struct Node {
    replicated: Arc<dyn ReplicatedLog>,
    log: Log,
    told: Arc<Told>,
    writer: JoinHandle<()>,
    /// Term, index and head of every entry of commands that was found, by shard.
    found: BTreeMap<ShardId, Vec<(Term, LogIndex, Bytes)>>,
    end: Offset,
}

impl Node {
    fn open(disk: &FaultDisk) -> Result<Self, ReplicationError> {
        let consensus = Consensus::alone(NodeId(1), 3, runtime());
        let mut found = BTreeMap::new();
        let told: Arc<Told> = Arc::default();
        let place = (Arc::new(disk.clone()) as Arc<dyn omnibus_io::Disk>, config());
        let opened = OpenraftLog::open(place, SHARDS, consensus, told.on_event(), |_, entries| {
            collect(&mut found, entries);
            Ok::<(), ReplicationError>(())
        })?;
        Ok(Self::over(opened.shared(), told, found))
    }

    fn over(
        opened: Opened<Arc<dyn ReplicatedLog>>,
        told: Arc<Told>,
        found: BTreeMap<ShardId, Vec<(Term, LogIndex, Bytes)>>,
    ) -> Self {
        let Opened { replicated, log, writer, .. } = opened;
        for (shard, entries) in &found {
            log.publish(*shard, entries.last().unwrap().1);
        }
        let end = log.bounds(StreamId(1)).end;
        let writer = std::thread::spawn(move || writer.run());
        Self { replicated, log, told, writer, found, end }
    }

    fn local(disk: &FaultDisk) -> Result<Self, ReplicationError> {
        let (mut found, told) = (BTreeMap::new(), Arc::<Told>::default());
        let opened = LocalLog::open(Arc::new(disk.clone()), config(), SHARDS, told.on_event(), |_, entries| {
            collect(&mut found, entries);
            Ok::<(), ReplicationError>(())
        })?;
        Ok(Self::over(opened.shared(), told, found))
    }

    fn term(&self, shard: ShardId) -> Term {
        match self.replicated.leadership(shard) {
            Leadership::Here { term } => term,
            Leadership::Elsewhere { leader, .. } => panic!("shard {shard} is led by {leader:?}"),
        }
    }

    fn propose(&mut self, head: &str) -> Result<LogIndex, ProposeError> {
        let batch = EntryBatch {
            stream: StreamId(1),
            base: self.end,
            count: 1,
            timestamp_max: Timestamp(0),
            prefix: Bytes::from_static(b"prefix"),
            rest: Rest::Own(Bytes::from(vec![7; 3000])),
        };
        let (head, term) = (Bytes::copy_from_slice(head.as_bytes()), self.term(SHARD));
        let proposal = Proposal { shard: SHARD, term, head, bodies: Vec::new(), batches: vec![batch] };
        let index = self.replicated.propose(proposal)?;
        self.end = self.end.plus(1);
        Ok(index)
    }

    /// Proposes and waits; says whether it is committed.
    fn commit(&mut self, head: &str) -> bool {
        self.propose(head).is_ok_and(|index| {
            let committed = self.told.wait(SHARD, index);
            if committed {
                self.log.publish(SHARD, index);
            }
            committed
        })
    }

    fn heads(&self) -> Vec<String> {
        let found = self.found.get(&SHARD).into_iter().flatten();
        found.map(|(_, _, head)| String::from_utf8(head.to_vec()).unwrap()).collect()
    }

    fn close(self) {
        self.log.close();
        self.writer.join().unwrap();
    }
}

fn collect(
    found: &mut BTreeMap<ShardId, Vec<(Term, LogIndex, Bytes)>>,
    entries: &mut dyn Iterator<Item = omnibus_log::ReplayEntry>,
) {
    for entry in entries.filter(|entry| entry.kind == EntryKind::Commands) {
        found.entry(entry.shard).or_default().push((entry.term, entry.index, entry.head));
    }
}

#[test]
fn all_shards_are_led_here_when_the_log_is_open_and_terms_grow() {
    let disk = FaultDisk::new(1);
    let mut terms = Vec::new();
    for _ in 0..3 {
        let node = Node::open(&disk).unwrap();
        (0..SHARDS).for_each(|shard| assert!(node.term(ShardId(shard)) > Term(0)));
        terms.push(node.term(SHARD));
        node.close();
    }
    assert!(terms[0] < terms[1] && terms[1] < terms[2], "{terms:?}");
}

#[test]
fn places_are_given_in_order_and_committed_in_order() {
    let disk = FaultDisk::new(2);
    let mut node = Node::open(&disk).unwrap();
    let first = node.replicated.newest(SHARD);
    let indexes: Vec<LogIndex> = (0..100).map(|number| node.propose(&format!("{number}")).unwrap()).collect();
    for (number, index) in (1..).zip(&indexes) {
        assert_eq!(*index, LogIndex(first.0 + number));
    }
    assert!(node.told.wait(SHARD, indexes[99]));
    assert_eq!(node.replicated.newest(SHARD), indexes[99]);
    node.close();
    let node = Node::open(&disk).unwrap();
    assert_eq!(node.heads(), (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(node.end, Offset(100));
    node.close();
}

#[test]
fn a_proposal_of_another_term_is_refused() {
    let node = Node::open(&FaultDisk::new(3)).unwrap();
    let term = Term(node.term(SHARD).0 + 1);
    let proposal = Proposal { shard: SHARD, term, head: Bytes::new(), bodies: Vec::new(), batches: Vec::new() };
    assert_eq!(node.replicated.propose(proposal), Err(ProposeError::NotLeader { leader: None }));
    node.close();
}

#[test]
fn an_entry_that_is_too_long_is_refused_before_it_has_a_place() {
    let node = Node::open(&FaultDisk::new(4)).unwrap();
    let (term, newest) = (node.term(SHARD), node.replicated.newest(SHARD));
    let head = Bytes::from(vec![0; 65 << 20]);
    let proposal = Proposal { shard: SHARD, term, head, bodies: Vec::new(), batches: Vec::new() };
    assert!(matches!(node.replicated.propose(proposal), Err(ProposeError::TooLarge { .. })));
    assert_eq!(node.replicated.newest(SHARD), newest);
    node.close();
}

/// Lives until the disk fails; returns what was committed.
fn live(disk: &FaultDisk, life: usize) -> Vec<String> {
    let Ok(mut node) = Node::open(disk) else { return Vec::new() };
    let mut committed = Vec::new();
    for number in 0..12 {
        let head = format!("{life}.{number}");
        if !node.commit(&head) {
            break;
        }
        committed.push(head);
        if number == 6 {
            let (term, index) = (node.term(SHARD), node.replicated.newest(SHARD));
            if node.log.save_checkpoint(SHARD, term, index, b"state").is_ok() {
                node.replicated.checkpointed(SHARD, term, index);
            }
        }
    }
    node.close();
    committed
}

#[test]
fn what_was_committed_is_there_after_a_failure_at_any_operation() {
    let whole = FaultDisk::new(0);
    assert_eq!(live(&whole, 0).len(), 12);
    let operations = whole.operations();
    for operation in (1..operations + 20).step_by(7) {
        for fault in [Fault::PowerCut, Fault::Error] {
            let disk = FaultDisk::new(operation);
            disk.fail_at(operation, fault);
            let first = live(&disk, 1);
            disk.restart();
            let second = live(&disk, 2);
            assert_eq!(second.len(), 12, "{fault:?} at {operation}");
            disk.restart();
            let node = Node::open(&disk).unwrap();
            let heads = node.heads();
            // What a checkpoint holds is not repeated; each life takes one after its seventh.
            let behind = second.iter().skip(7);
            let there = behind.clone().all(|head| heads.contains(head));
            assert!(there, "{fault:?} at {operation}: {heads:?} lacks some of {second:?}");
            assert!(node.end.0 >= (first.len() + second.len()) as u64, "{fault:?} at {operation}");
            node.close();
            assert!(verify(&(Arc::new(disk.clone()) as Arc<dyn omnibus_io::Disk>)).unwrap().is_sound());
        }
    }
}

#[test]
fn a_failed_write_ends_all_committing() {
    let disk = FaultDisk::new(5);
    let mut node = Node::open(&disk).unwrap();
    assert!(node.commit("before"));
    disk.fail_at(disk.operations() + 1, Fault::Error);
    assert!(!node.commit("after"));
    assert!(node.told.state.lock().1);
}

#[test]
fn segments_behind_a_checkpoint_are_recycled() {
    let disk = FaultDisk::new(6);
    let mut node = Node::open(&disk).unwrap();
    let mut recycled = 0;
    for round in 0..40 {
        (0..20).for_each(|number| assert!(node.commit(&format!("{round}.{number}"))));
        node.log.trim(StreamId(1), node.end);
        for shard in (0..SHARDS).map(ShardId) {
            let (term, index) = (node.term(shard), node.replicated.newest(shard));
            node.log.publish(shard, index);
            node.log.save_checkpoint(shard, term, index, b"state").unwrap();
            node.replicated.checkpointed(shard, term, index);
        }
        recycled += node.log.maintain().unwrap().segments_recycled;
    }
    assert!(recycled > 0);
    let (term, end) = (node.term(SHARD), node.end);
    node.close();
    disk.restart();
    let mut node = Node::open(&disk).unwrap();
    assert!(node.term(SHARD) > term);
    assert_eq!(node.log.bounds(StreamId(1)).end, end);
    assert!(node.commit("after"));
    node.close();
}

#[test]
fn a_log_of_one_node_becomes_a_replicated_one_and_stays_one() {
    let disk = FaultDisk::new(7);
    let mut node = Node::local(&disk).unwrap();
    let before = node.term(SHARD);
    (0..5).for_each(|number| assert!(node.commit(&format!("local {number}"))));
    node.close();
    for life in 0..3 {
        let mut node = Node::open(&disk).unwrap();
        assert!(node.term(SHARD) > before, "clients have seen that number");
        assert_eq!(node.heads().len(), 5 + life);
        assert!(node.commit(&format!("replicated {life}")));
        node.close();
        disk.restart();
    }
    assert!(matches!(Node::local(&disk).err(), Some(ReplicationError::Replicated)));
}

#[test]
fn a_log_with_other_voters_is_refused() {
    let disk = FaultDisk::new(8);
    let node = Node::open(&disk).unwrap();
    // Version 1, one config of two voters, no addresses.
    let mut membership = vec![1, 1, 2, 2];
    [1_u64, 2].into_iter().for_each(|node| membership.extend(node.to_le_bytes()));
    for voter in [1_u64, 2] {
        membership.extend(voter.to_le_bytes());
        membership.extend(0_u16.to_le_bytes());
    }
    let id = EntryId { term: node.term(SHARD), index: node.replicated.newest(SHARD) };
    node.log.mark(SHARD, Mark::Membership(id, Bytes::from(membership)), Box::new(|written| written.unwrap()));
    node.close();
    assert!(matches!(Node::open(&disk).err(), Some(ReplicationError::OtherVoters { shard: SHARD })));
}
