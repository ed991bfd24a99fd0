//! One change of leader each.

use std::time::Duration;

use bytes::Bytes;
use omnibus_engine::SubmitError;
use omnibus_engine::consumers::{Access, ConsumerConfig, ConsumerRequest, Served, Settling};
use omnibus_engine::shard::Request;
use omnibus_model::command::{CreateTopic, JoinGroup};
use omnibus_model::group::{ClientInfo, ProtocolOffer, Subscription};
use omnibus_model::queue::{CursorConfig, Envelope, RecordState};
use omnibus_model::topic::TopicConfig;
use omnibus_model::{
    Command, DedupHash, GroupName, MemberId, Millis, NodeId, Offset, Outcome, ShardId, TopicId, TopicName,
};
use tokio::sync::oneshot;

use crate::trio::{DATA, NODES, QUEUE, Trio, place};

const ONE: NodeId = NODES[0];
const TWO: NodeId = NODES[1];
const THREE: NodeId = NODES[2];

fn queue() -> Trio {
    Trio::with_a_queue(CursorConfig::default())
}

#[test]
fn followers_remember_the_same_and_refuse_to_answer() {
    let mut trio = queue();
    let mut sent = trio.enqueue(ONE, "a", Envelope::default());
    trio.settle();
    assert_eq!(sent.try_recv().unwrap().unwrap().answers[0].clone().unwrap().base, Offset(0));
    trio.check_alike();
    for id in [TWO, THREE] {
        assert_eq!(trio.bodies(id), [(Offset(0), Bytes::from_static(b"a"))], "followers can read");
        let mut refused = trio.receive(id, 1, Duration::from_secs(20));
        assert_eq!(refused.try_recv().unwrap(), Err(SubmitError::NotLeader { leader: Some(ONE) }));
        assert_eq!(trio.node(id).shard(DATA).next_tick(crate::node::at(0)), None, "followers let nothing happen");
    }
}

#[test]
fn names_are_known_on_all_nodes() {
    let mut trio = Trio::start();
    trio.lead(TWO);
    let (name, id) = (TopicName::new("orders").unwrap(), TopicId(3));
    let create = CreateTopic { name: name.clone(), id, partitions: 4, config: TopicConfig::default() };
    let (reply, mut created) = oneshot::channel();
    trio.node(TWO).request(0, ShardId::METADATA, Request::Submit { command: Command::CreateTopic(create), reply });
    trio.settle();
    assert!(created.try_recv().unwrap().is_ok());
    for id in NODES {
        assert_eq!(trio.node(id).catalog.topic(name.as_str()).unwrap().partitions.len(), 4);
    }
}

#[test]
fn what_was_in_flight_and_survives_is_acknowledged_by_who_was_deposed() {
    let mut trio = queue();
    let mut sent = trio.enqueue(ONE, "a", Envelope::default());
    trio.keep_to_itself(ONE);
    trio.cluster.replicate(DATA, TWO, usize::MAX);
    trio.turn(TWO);
    assert!(sent.try_recv().is_err(), "nobody knows yet");
    trio.lead(TWO);
    assert_eq!(sent.try_recv().unwrap().unwrap().answers[0].clone().unwrap().base, Offset(0));
    trio.check_alike();
    assert_eq!(trio.bodies(THREE).len(), 1);
}

#[test]
fn what_was_in_flight_and_is_lost_is_refused_and_forgotten() {
    let mut trio = queue();
    let mut lost = trio.enqueue(ONE, "lost", Envelope::default());
    trio.keep_to_itself(ONE);
    let mut open = trio.enqueue(ONE, "never proposed", Envelope::default());
    trio.cluster.elect(DATA, TWO);
    trio.settle();
    assert_eq!(lost.try_recv().unwrap(), Err(SubmitError::NotLeader { leader: Some(TWO) }));
    assert_eq!(open.try_recv().unwrap(), Err(SubmitError::NotLeader { leader: Some(TWO) }));
    let mut sent = trio.enqueue(TWO, "kept", Envelope::default());
    trio.settle();
    assert!(sent.try_recv().unwrap().is_ok());
    trio.check_alike();
    for id in NODES {
        assert_eq!(trio.bodies(id), [(Offset(0), Bytes::from_static(b"kept"))]);
    }
}

#[test]
fn no_snapshot_is_named_after_what_was_lost() {
    let mut trio = queue();
    for body in ["a", "b", "c"] {
        drop(trio.enqueue(ONE, body, Envelope::default()));
        trio.keep_to_itself(ONE);
    }
    trio.node(ONE).ask_for_checkpoints(0);
    trio.cluster.elect(DATA, TWO);
    trio.settle();
    trio.node(ONE).ask_for_checkpoints(0);
    trio.settle();
    let decided = trio.node(ONE).shard(DATA).known_committed();
    let saved = trio.node(ONE).log.checkpoint(DATA).unwrap().unwrap().index;
    assert_eq!(saved, decided);
}

#[test]
fn who_lost_the_open_group_alone_goes_on_with_what_was_in_flight() {
    let mut trio = queue();
    let mut sent = trio.enqueue(ONE, "in flight", Envelope::default());
    trio.keep_to_itself(ONE);
    trio.cluster.replicate(DATA, TWO, usize::MAX);
    trio.turn(TWO);
    let mut open = trio.enqueue(ONE, "never proposed", Envelope::default());
    trio.cluster.elect(DATA, TWO);
    // It is rebuilt before it learns what became of the other.
    trio.cluster.depose(DATA, ONE);
    trio.node(ONE).listen(0);
    assert_eq!(open.try_recv().unwrap(), Err(SubmitError::NotLeader { leader: Some(TWO) }));
    assert!(trio.node(ONE).rebuild(0), "its broker is void");
    assert!(sent.try_recv().is_err());
    trio.settle();
    assert!(sent.try_recv().unwrap().is_ok());
    trio.check_alike();
}

#[test]
fn a_broker_is_rebuilt_from_a_checkpoint_and_what_follows() {
    let mut trio = queue();
    for round in 0..6 {
        let mut sent = trio.enqueue(ONE, "x", Envelope::default());
        trio.settle();
        assert!(sent.try_recv().unwrap().is_ok());
        if round == 3 {
            NODES.into_iter().for_each(|id| trio.node(id).ask_for_checkpoints(0));
            trio.settle();
        }
    }
    assert!(trio.node(THREE).log.checkpoint(DATA).unwrap().is_some(), "followers take checkpoints, too");
    drop(trio.enqueue(ONE, "lost", Envelope::default()));
    trio.keep_to_itself(ONE);
    trio.lead(THREE);
    trio.check_alike();
}

#[test]
fn who_waits_at_a_deposed_leader_is_told() {
    let mut trio = queue();
    let mut receiver = trio.receive(ONE, 1, Duration::from_secs(20));
    let (reply, mut begun) = oneshot::channel();
    let config = ConsumerConfig { credit: 1, settling: Settling::ByReceiver, access: Access::Shared, priority: 0 };
    trio.ask(
        ONE,
        Request::Consumer(ConsumerRequest::Begin { queue: place(), config, served: Served::default(), reply }),
    );
    let (reply, mut joined) = oneshot::channel();
    trio.ask(ONE, Request::Join { command: Box::new(join("a")), reply });
    trio.settle();
    let registration = begun.try_recv().unwrap().unwrap().unwrap();
    trio.lead(TWO);
    let moved = SubmitError::NotLeader { leader: Some(TWO) };
    assert_eq!(receiver.try_recv().unwrap(), Err(moved.clone()));
    assert_eq!(joined.try_recv().unwrap(), Err(moved));
    drop(registration);
    trio.check_alike();
}

#[test]
fn leases_survive_and_still_run_out() {
    let mut trio = queue();
    for body in ["a", "b"] {
        drop(trio.enqueue(ONE, body, Envelope::default()));
    }
    let mut received = trio.receive(ONE, 2, Duration::ZERO);
    trio.settle();
    let leases: Vec<_> = received.try_recv().unwrap().unwrap().leases().collect();
    assert_eq!(leases.len(), 2);
    trio.lead(TWO);
    let mut none = trio.receive(TWO, 2, Duration::ZERO);
    let mut accepted = trio.accept(TWO, leases[0].key);
    trio.settle();
    assert!(none.try_recv().unwrap().unwrap().is_empty(), "there is no second holder");
    assert!(
        matches!(accepted.try_recv().unwrap().unwrap(), Outcome::Settled { results, .. } if results == [Ok(())]),
        "the receipt is good at the new leader"
    );
    trio.lead(THREE);
    trio.millis = 31_000;
    NODES.into_iter().for_each(|id| trio.node(id).tick(31_000));
    let mut again = trio.receive(THREE, 2, Duration::ZERO);
    trio.settle();
    let again = again.try_recv().unwrap().unwrap();
    assert_eq!(again.leases().map(|lease| lease.key.offset).collect::<Vec<_>>(), [Offset(1)]);
    trio.check_alike();
}

#[test]
fn duplicates_are_known_to_the_next_leader() {
    let mut trio = queue();
    let envelope = Envelope { dedup: Some(DedupHash(77)), ..Envelope::default() };
    let mut first = trio.enqueue(ONE, "a", envelope);
    let mut batch = trio.append(ONE, 0);
    trio.settle();
    assert!(!first.try_recv().unwrap().unwrap().answers[0].clone().unwrap().duplicate);
    assert!(matches!(batch.try_recv().unwrap().unwrap(), Outcome::Appended(appended) if !appended.duplicate));
    trio.lead(TWO);
    let mut again = trio.enqueue(TWO, "a", envelope);
    let mut same = trio.append(TWO, 0);
    let mut next = trio.append(TWO, 1);
    trio.settle();
    let again = again.try_recv().unwrap().unwrap().answers[0].clone().unwrap();
    assert_eq!((again.duplicate, again.base), (true, Offset(0)));
    assert!(matches!(same.try_recv().unwrap().unwrap(), Outcome::Appended(appended) if appended.duplicate));
    assert!(matches!(next.try_recv().unwrap().unwrap(), Outcome::Appended(appended) if appended.base == Offset(1)));
    trio.check_alike();
}

fn join(name: &str) -> JoinGroup {
    JoinGroup {
        group: GroupName::new("g").unwrap(),
        member: None,
        member_new: MemberId::new(name).unwrap(),
        instance: None,
        client: ClientInfo { id: "c".to_owned(), host: "h".to_owned(), rack: None },
        session_timeout: Millis(10_000),
        rebalance_timeout: Millis(60_000),
        protocol_type: "consumer".to_owned(),
        protocols: vec![ProtocolOffer { name: "range".to_owned(), metadata: Bytes::new() }],
        subscription: Subscription::Topics(Vec::new()),
        member_id_required: false,
        skip_assignment_supported: false,
        reason: None,
    }
}

#[test]
fn members_have_a_whole_session_at_the_next_leader_and_lapse_there() {
    let mut trio = queue();
    let (reply, mut joined) = oneshot::channel();
    trio.ask(ONE, Request::Join { command: Box::new(join("a")), reply });
    trio.settle();
    trio.millis = 5_000;
    NODES.into_iter().for_each(|id| trio.node(id).tick(5_000));
    trio.settle();
    assert!(joined.try_recv().unwrap().is_ok(), "the round is closed");
    let members = |trio: &mut Trio, id| trio.node(id).shard(DATA).broker().members(&GroupName::new("g").unwrap()).len();
    trio.millis = 14_000;
    trio.lead(TWO);
    trio.node(TWO).tick(14_000);
    trio.settle();
    assert_eq!(members(&mut trio, THREE), 1, "it may not have known where to send its heartbeats");
    trio.millis = 24_500;
    NODES.into_iter().for_each(|id| trio.node(id).tick(24_500));
    trio.settle();
    assert_eq!(members(&mut trio, THREE), 0);
    trio.check_alike();
}

#[test]
fn a_node_comes_back_after_a_power_cut_and_follows() {
    let mut trio = queue();
    let mut sent = trio.enqueue(ONE, "a", Envelope::default());
    trio.settle();
    assert!(sent.try_recv().unwrap().is_ok());
    drop(trio.enqueue(ONE, "lost", Envelope::default()));
    trio.keep_to_itself(ONE);
    let cluster = trio.cluster.clone();
    let one = trio.nodes.remove(0).after_a_power_cut(&cluster);
    trio.nodes.insert(0, one);
    trio.lead(TWO);
    let mut more = trio.enqueue(TWO, "b", Envelope::default());
    trio.settle();
    assert!(more.try_recv().unwrap().is_ok());
    trio.check_alike();
    assert_eq!(trio.bodies(ONE), [(Offset(0), Bytes::from_static(b"a")), (Offset(1), Bytes::from_static(b"b"))]);
    let state = trio.node(ONE).shard(DATA).broker().record_state(QUEUE, Offset(1));
    assert_eq!(state, RecordState::Ready { delivery_count: 0 });
}
