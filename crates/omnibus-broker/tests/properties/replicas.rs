//! Equal histories give equal brokers: a follower that sees only what is logged, and one that is
//! restarted from its checkpoint again and again.

use bytes::Bytes;
use omnibus_broker::{Broker, BrokerLimits};
use omnibus_model::command::{Append, CommitOffsets, ConsumerHeartbeat, CreateTopic, JoinGroup, Leaver, SyncGroup};
use omnibus_model::group::{
    ClientInfo, CommittedOffset, ProtocolOffer, Subscription, TopicPartition, TopicPartitions, TopicShape,
};
use omnibus_model::topic::{Placement, TopicConfig};
use omnibus_model::{
    BatchInfo, Command, DeletionNumber, GroupName, LeaderEpoch, MemberId, Millis, NodeId, Offset, PartitionIndex,
    ProducerEpoch, ProducerId, ProducerStamp, RecordFormat, ShardId, StreamId, Timestamp,
};
use proptest::prelude::*;

use crate::names::{instance, member, topic, topic_id};

fn group() -> impl Strategy<Value = GroupName> {
    (0..3).prop_map(|number| GroupName::new(&format!("g{number}")).expect("a name"))
}

fn any_member() -> impl Strategy<Value = MemberId> {
    (0..3_usize).prop_map(member)
}

fn partition() -> impl Strategy<Value = TopicPartition> {
    (0..2_usize, 0..2_u32)
        .prop_map(|(name, index)| TopicPartition { topic: topic(name), partition: PartitionIndex(index) })
}

fn append() -> impl Strategy<Value = Command> {
    let stamp = (0..2_u64, 0..2_u16, 0..3_u32);
    (0..3_u64, 1..4_u32, prop::option::of(stamp)).prop_map(|(stream, count, stamp)| {
        let producer = stamp.map(|(id, epoch, sequence_first)| ProducerStamp {
            id: ProducerId(id),
            epoch: ProducerEpoch(epoch),
            sequence_first,
        });
        let format = RecordFormat::KafkaBatch;
        let batch = BatchInfo { format, count, bytes: 9, timestamp_max: Timestamp(0), producer };
        Command::Append(Append { stream: StreamId(stream), batch, leader_epoch: LeaderEpoch(1) })
    })
}

fn join() -> impl Strategy<Value = Command> {
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    (group(), prop::option::of(any_member()), 3..40_usize, prop::option::of(0..2_usize), switches).prop_map(
        |(group, member_known, fresh, static_as, (required, skips, other))| {
            let names = if other { vec!["x", "y"] } else { vec!["x"] };
            let offer = |name: &str| ProtocolOffer { name: name.to_owned(), metadata: Bytes::new() };
            Command::JoinGroup(Box::new(JoinGroup {
                group,
                member: member_known,
                member_new: member(fresh),
                instance: static_as.map(instance),
                client: ClientInfo::default(),
                session_timeout: Millis(10_000),
                rebalance_timeout: Millis(20_000),
                protocol_type: "consumer".to_owned(),
                protocols: names.into_iter().map(offer).collect(),
                subscription: Subscription::Topics(vec![topic(0)]),
                member_id_required: required,
                skip_assignment_supported: skips,
                reason: None,
            }))
        },
    )
}

fn sync() -> impl Strategy<Value = Command> {
    (group(), any_member(), 0..4).prop_map(|(group, id, generation)| {
        Command::SyncGroup(Box::new(SyncGroup {
            group,
            member: id.clone(),
            instance: None,
            generation,
            protocol_type: None,
            protocol: None,
            assignments: vec![(id, Bytes::from_static(b"x"))],
        }))
    })
}

fn commit() -> impl Strategy<Value = Command> {
    (group(), prop::option::of(any_member()), -1..5, partition(), prop::option::of(0..9_u64)).prop_map(
        |(group, member, generation, partition, hours)| {
            let committed = CommittedOffset {
                offset: Offset(7),
                leader_epoch: None,
                metadata: String::new(),
                committed_at: Timestamp(0),
            };
            Command::CommitOffsets(Box::new(CommitOffsets {
                group,
                member,
                instance: None,
                generation,
                stale_epoch_supported: true,
                retention: hours.map(|hours| Millis(hours * 3_600_000)),
                offsets: vec![(partition, committed)],
            }))
        },
    )
}

fn consume() -> impl Strategy<Value = Command> {
    let owned = prop::option::of(prop::collection::vec(0..3_u32, 0..3));
    let member = (any_member(), prop::option::of(0..2_usize));
    (group(), member, -2..6, owned, any::<bool>()).prop_map(|(group, (member, static_as), epoch, owned, full)| {
        let owned = if epoch == 0 { Some(Vec::new()) } else { owned };
        let shares = |partitions: Vec<u32>| TopicPartitions {
            topic: topic_id(0),
            partitions: partitions.into_iter().map(PartitionIndex).collect(),
        };
        let full = full || epoch == 0;
        Command::ConsumerHeartbeat(Box::new(ConsumerHeartbeat {
            group,
            member,
            member_epoch: epoch,
            instance: static_as.map(instance),
            client: ClientInfo::default(),
            rebalance_timeout: full.then_some(Millis(30_000)),
            subscribed: full.then(|| vec![topic(0)]),
            subscribed_pattern: None,
            assignor: None,
            owned: owned.map(|owned| vec![shares(owned)].into_iter().filter(|it| !it.partitions.is_empty()).collect()),
            topics: Some(vec![TopicShape { topic: topic_id(0), name: topic(0), partitions: 3 }]),
        }))
    })
}

fn command() -> impl Strategy<Value = Command> {
    let create = |number: usize| CreateTopic {
        name: topic(number),
        id: topic_id(number),
        partitions: 2,
        config: TopicConfig::default(),
    };
    let leaver = |member| Leaver { member: Some(member), instance: None, reason: None };
    prop_oneof![
        6 => append(),
        1 => (0..3_u64, 0..5_u64).prop_map(|(stream, before)| Command::Trim { stream: StreamId(stream), before: Offset(before) }),
        1 => (0..3_u64).prop_map(|stream| Command::DropStream { stream: StreamId(stream) }),
        1 => (0..2_usize).prop_map(move |number| Command::CreateTopic(create(number))),
        1 => (0..2_usize, 1..4_u16).prop_map(move |(number, shard)| Command::CreatePlacedTopic {
            create: Box::new(create(number)),
            placement: Placement {
                nodes: vec![vec![NodeId(1), NodeId(2)], vec![NodeId(1)]],
                shards: [(NodeId(1), vec![ShardId(shard), ShardId(1)])].into(),
            },
        }),
        1 => (0..2_usize).prop_map(|number| Command::DeleteTopic { topic: topic(number) }),
        1 => (0..2_usize).prop_map(|number| Command::ForgetTopic { topic: topic(number), id: topic_id(number) }),
        1 => (0..2_usize).prop_map(|number| Command::ReleaseName { topic: topic(number), id: topic_id(number) }),
        1 => (0..2_usize, 0..9_u64).prop_map(|(number, deletion)| Command::ForgetTopics {
            topics: vec![(topic(number), topic_id(number))],
            deletion: DeletionNumber(deletion),
        }),
        1 => Just(Command::AllocateProducer),
        6 => join(),
        6 => sync(),
        2 => (group(), any_member()).prop_map(move |(group, member)| Command::LeaveGroup { group, members: vec![leaver(member)] }),
        2 => (group(), any_member()).prop_map(|(group, member)| Command::ExpireMembers { group, members: vec![member] }),
        4 => commit(),
        1 => group().prop_map(|group| Command::DeleteGroup { group }),
        1 => (group(), partition()).prop_map(|(group, partition)| Command::DeleteOffsets { group, partitions: vec![partition] }),
        8 => consume(),
        6 => Just(Command::Tick),
    ]
}

/// Mostly small steps in time, now and then days.
fn step() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0_u64), 8 => 0..5_000_u64, 2 => 0..400_000_u64, 1 => 0..200_000_000_u64]
}

proptest! {
    #[test]
    fn equal_histories_give_equal_brokers(history in prop::collection::vec((step(), command(), any::<bool>()), 1..120)) {
        let limits = BrokerLimits::default();
        let mut leader = Broker::new(limits);
        let mut follower = Broker::new(limits);
        let mut now = Timestamp(0);
        for (step, command, restart) in history {
            now = now.plus(Millis(step));
            let before = leader.digest();
            let answer = leader.apply(now, &command);
            let changed = answer.as_ref().is_ok_and(|applied| applied.changed);
            prop_assert!(changed || leader.digest() == before, "not logged, but changed: {:?} {:?}", command, answer);
            if changed {
                prop_assert_eq!(follower.apply(now, &command), answer);
            }
            if restart {
                follower = Broker::decode(limits, &follower.encode()).expect("a checkpoint can be read");
            }
            prop_assert_eq!(&follower, &leader);
            leader.audit();
            prop_assert_eq!(follower.digest(), leader.digest());
        }
    }

    #[test]
    fn deadline_is_when_a_tick_does_something(history in prop::collection::vec((step(), command()), 1..80)) {
        let mut broker = Broker::new(BrokerLimits::default());
        let mut now = Timestamp(0);
        for (step, command) in history {
            now = now.plus(Millis(step));
            drop(broker.apply(now, &command));
            let due = broker.next_deadline().is_some_and(|deadline| deadline <= now);
            let ticked = broker.apply(now, &Command::Tick).expect("a tick is never refused");
            prop_assert_eq!(ticked.changed, due);
            prop_assert!(broker.next_deadline().is_none_or(|deadline| deadline > now), "a tick finishes what is due");
        }
    }

    #[test]
    fn any_bytes_are_a_checkpoint_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let limits = BrokerLimits::default();
        drop(Broker::decode(limits, &bytes));
        let mut framed = Broker::new(limits).encode();
        framed.truncate(6);
        framed.extend(bytes);
        drop(Broker::decode(limits, &framed));
    }
}
