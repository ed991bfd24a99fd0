//! One shard by hand: sessions of classic members whose clients hang up.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use omnibus_broker::{Broker, BrokerLimits};
use omnibus_engine::SubmitError;
use omnibus_engine::catalog::Catalog;
use omnibus_engine::chores::Chores;
use omnibus_engine::configs::Configs;
use omnibus_engine::counters::Counters;
use omnibus_engine::reached::Reached;
use omnibus_engine::shard::{Moment, Office, Request, Shard, Shared};
use omnibus_engine::waiting::JoinAnswer;
use omnibus_engine::watch::Watches;
use omnibus_io::fault::FaultDisk;
use omnibus_log::{LogConfig, Writer};
use omnibus_model::command::{ConsumerHeartbeat, JoinGroup, SyncGroup};
use omnibus_model::config::{ConfigChange, GroupConfig};
use omnibus_model::group::{ClientInfo, ProtocolOffer, Subscription};
use omnibus_model::{Command, GroupName, LogIndex, MemberId, Millis, NodeId, Refusal, ShardId, Term, Timestamp};
use omnibus_replication::{LocalLog, ReplicationError, ReplicationEvent};
use tokio::sync::oneshot::{self, error::TryRecvError};

const HERE: ShardId = ShardId(1);
const SHARDS: u16 = 2;
/// Events that nobody has looked at yet.
const EVENTS_MAX: usize = 100;

/// A shard and what its actor would do for it.
struct Driven {
    shard: Shard,
    writer: Writer,
    events: Receiver<ReplicationEvent>,
}

impl Driven {
    fn new() -> Self {
        let (events_in, events) = sync_channel(EVENTS_MAX);
        let on_event = Box::new(move |shard, event| {
            if shard == HERE {
                events_in.send(event).expect("the test listens");
            }
        });
        let config = LogConfig { segment_bytes: 4 << 20, reserve_bytes: 12 << 20, ..LogConfig::default() };
        let disk = Arc::new(FaultDisk::new(1));
        let opened = LocalLog::open::<ReplicationError>(disk, config, SHARDS, on_event, |_, _| Ok(())).unwrap();
        let shared = Shared {
            log: opened.log,
            replicated: Arc::new(opened.replicated),
            watches: Arc::new(Watches::default()),
            catalog: Arc::new(Catalog::default()),
            counters: Arc::new(Counters::default()),
            configs: Arc::new(Configs::new(NodeId(1), &BrokerLimits::default())),
            chores: Arc::new(Chores::default()),
            reached: Arc::new(Reached::new(SHARDS)),
            vacancies: Arc::default(),
        };
        let nothing = (LogIndex(0), Term(0));
        let shard = Shard::new(HERE, Broker::new(BrokerLimits::default()), nothing, shared);
        let mut driven = Self { shard, writer: opened.writer, events };
        assert!(driven.listen().contains(&Office::Taken), "one node leads its shards");
        driven
    }

    fn handle(&mut self, second: u64, request: Request) {
        self.shard.handle(at(second), request);
        self.settle();
    }

    fn tick(&mut self, second: u64) {
        self.shard.tick(at(second));
        self.settle();
    }

    /// Writes until nothing waits for a commit.
    fn settle(&mut self) {
        self.shard.propose();
        while self.shard.has_pending() {
            self.writer.step();
            self.listen();
            self.shard.propose();
        }
    }

    /// Brings what the log has told.
    fn listen(&mut self) -> Vec<Office> {
        let told = self.events.try_iter().map(|event| self.shard.told(at(0), event).unwrap());
        told.collect()
    }

    fn join(&mut self, second: u64, name: &str, session: Millis) -> oneshot::Receiver<Result<JoinAnswer, SubmitError>> {
        let (reply, answer) = oneshot::channel();
        self.handle(second, Request::Join { command: Box::new(join(name, session)), reply });
        answer
    }
}

fn at(second: u64) -> Moment {
    let elapsed = Duration::from_secs(second);
    Moment { wall: Timestamp(1_000 * i64::try_from(second).unwrap()), elapsed }
}

fn group() -> GroupName {
    GroupName::new("g").unwrap()
}

fn join(name: &str, session_timeout: Millis) -> JoinGroup {
    JoinGroup {
        group: group(),
        member: None,
        member_new: MemberId::new(name).unwrap(),
        instance: None,
        client: ClientInfo { id: "c".to_owned(), host: "h".to_owned(), rack: None },
        session_timeout,
        rebalance_timeout: Millis(300_000),
        protocol_type: "consumer".to_owned(),
        protocols: vec![ProtocolOffer { name: "range".to_owned(), metadata: Bytes::new() }],
        subscription: Subscription::Topics(Vec::new()),
        member_id_required: false,
        skip_assignment_supported: false,
        reason: None,
    }
}

/// The leader hangs up while it waits for its first round to close, which happens in the moment
/// in which its session would lapse.
#[test]
fn leader_that_hung_up_lapses_once_its_round_is_closed() {
    let mut driven = Driven::new();
    drop(driven.join(0, "a", Millis(6_000)));
    let mut joined = driven.join(1, "b", Millis(60_000));
    driven.tick(3);
    driven.tick(6);
    let Ok(Ok(JoinAnswer::Joined(joined))) = joined.try_recv() else { panic!("the round is closed") };
    let (reply, mut share) = oneshot::channel();
    let command = SyncGroup {
        group: group(),
        member: MemberId::new("b").unwrap(),
        instance: None,
        generation: joined.generation,
        protocol_type: None,
        protocol: None,
        assignments: Vec::new(),
    };
    driven.handle(6, Request::Sync { command: Box::new(command), reply });
    assert!(matches!(share.try_recv(), Err(TryRecvError::Empty)), "the leader has not shared out anything");
    driven.tick(12);
    assert!(matches!(share.try_recv(), Ok(Err(SubmitError::Refused(Refusal::RebalanceInProgress)))));
}

fn consume() -> Command {
    Command::ConsumerHeartbeat(Box::new(ConsumerHeartbeat {
        group: group(),
        member: MemberId::new("a").unwrap(),
        member_epoch: 0,
        instance: None,
        client: ClientInfo::default(),
        rebalance_timeout: Some(Millis(300_000)),
        subscribed: Some(Vec::new()),
        subscribed_pattern: None,
        assignor: None,
        owned: Some(Vec::new()),
        topics: Some(Vec::new()),
    }))
}

#[test]
fn member_lives_as_long_as_its_group_is_configured_to() {
    let mut driven = Driven::new();
    let after = GroupConfig { session_timeout: Some(Millis(50_000)), heartbeat_interval: None };
    let change = ConfigChange { before: GroupConfig::default(), after };
    for command in [Command::AlterGroup { group: group(), change }, consume()] {
        let (reply, mut outcome) = oneshot::channel();
        driven.handle(0, Request::Submit { command, reply });
        assert!(matches!(outcome.try_recv(), Ok(Ok(_))));
    }
    driven.tick(49);
    assert_eq!(driven.shard.broker().members(&group()).len(), 1);
    driven.tick(50);
    assert_eq!(driven.shard.broker().members(&group()).len(), 0);
}
