//! Consumer groups with clients that keep to the protocol: nobody reads what another still
//! reads, and in the end everything is read.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_broker::{Broker, BrokerLimits};
use omnibus_model::command::ConsumerHeartbeat;
use omnibus_model::group::{ClientInfo, TopicPartitions, TopicShape};
use omnibus_model::outcome::HeartbeatTaken;
use omnibus_model::{Command, Millis, Outcome, PartitionIndex, Refusal, Timestamp, TopicId};
use proptest::prelude::*;

use crate::names::{group, instance, member, topic, topic_id};

const MEMBERS: usize = 4;
const TOPICS: usize = 3;
/// More rounds of heartbeats than any group of this size needs.
const SETTLING_ROUNDS: usize = 3 * MEMBERS + 3;

type Share = (TopicId, u32);

#[derive(Clone, Debug)]
enum Action {
    /// Heartbeats, with what the client owns; the answer may get lost.
    Beat {
        member: usize,
        answer: Answer,
    },
    /// The client gives up what it was told to give up.
    GiveUp {
        member: usize,
    },
    Subscribe {
        member: usize,
        topics: BTreeSet<usize>,
    },
    Leave {
        member: usize,
    },
    LeaveForAWhile {
        member: usize,
    },
    Lapse {
        member: usize,
    },
    Grow {
        topic: usize,
    },
    DeleteTopic {
        topic: usize,
    },
    Pass {
        seconds: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Arrives,
    GetsLost,
}

/// What a client believes.
#[derive(Clone, Debug, Default)]
struct Client {
    epoch: i32,
    /// Every life of a static member has another id.
    life: usize,
    subscribed: BTreeSet<usize>,
    /// What the broker told it to own.
    told: BTreeSet<Share>,
    /// What it reads right now.
    owned: BTreeSet<Share>,
    /// Whether it has to tell everything: at first, and after a lost answer.
    tells_all: bool,
}

struct World {
    broker: Broker,
    now: i64,
    topics: BTreeMap<usize, u32>,
    clients: Vec<Client>,
}

impl World {
    fn new() -> Self {
        let topics = (0..TOPICS).map(|topic| (topic, 2)).collect();
        let clients = vec![Client { tells_all: true, ..Client::default() }; MEMBERS];
        Self { broker: Broker::new(BrokerLimits::default()), now: 0, topics, clients }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Beat { member, answer } => self.beat(member, answer),
            Action::GiveUp { member } => self.clients[member].give_up(),
            Action::Subscribe { member, topics } => {
                self.clients[member].subscribed = topics;
                self.clients[member].tells_all = true;
            }
            Action::Leave { member } => self.leave(member, -1),
            Action::LeaveForAWhile { member } if is_static(member) => self.leave(member, -2),
            Action::LeaveForAWhile { .. } => {}
            Action::Lapse { member } => {
                let members = vec![self.id(member)];
                self.apply(&Command::ExpireMembers { group: group(), members });
                // A client whose session lapses has noticed that before the broker does.
                self.clients[member].forget();
            }
            Action::Grow { topic } => {
                self.topics.entry(topic).and_modify(|partitions| *partitions += 1);
            }
            Action::DeleteTopic { topic: number } => {
                self.topics.remove(&number);
                self.apply(&Command::ForgetTopic { topic: topic(number), id: topic_id(number) });
            }
            Action::Pass { seconds } => {
                self.now += seconds * 1_000;
                self.apply(&Command::Tick);
                // Who was removed for not giving up in time counts as fenced.
                for member in 0..MEMBERS {
                    if !self.knows(member) {
                        self.clients[member].forget();
                    }
                }
            }
        }
        self.check_owners();
        self.broker.audit();
    }

    fn beat(&mut self, number: usize, answer: Answer) {
        let heartbeat = self.heartbeat(number);
        let outcome = self.broker.apply(Timestamp(self.now), &Command::ConsumerHeartbeat(Box::new(heartbeat)));
        let client = &mut self.clients[number];
        match outcome.map(|applied| applied.outcome) {
            Ok(Outcome::HeartbeatTaken(taken)) if answer == Answer::Arrives => client.take(&taken),
            Ok(_) => client.tells_all = true,
            Err(Refusal::UnknownMember { .. } | Refusal::MemberEpochFenced { .. } | Refusal::UnknownGroup { .. }) => {
                client.forget();
            }
            Err(Refusal::InstanceUnreleased) => {}
            Err(refusal) => panic!("{refusal}"),
        }
    }

    fn heartbeat(&self, number: usize) -> ConsumerHeartbeat {
        let client = &self.clients[number];
        let joins = client.epoch == 0;
        let tells_all = client.tells_all || joins;
        let shape = |number: &usize| {
            let partitions = *self.topics.get(number)?;
            Some(TopicShape { topic: topic_id(*number), name: topic(*number), partitions })
        };
        ConsumerHeartbeat {
            group: group(),
            member: self.id(number),
            member_epoch: client.epoch,
            instance: is_static(number).then(|| instance(number)),
            client: ClientInfo::default(),
            rebalance_timeout: tells_all.then_some(Millis(60_000)),
            subscribed: tells_all.then(|| client.subscribed.iter().map(|number| topic(*number)).collect()),
            subscribed_pattern: None,
            assignor: None,
            owned: Some(if joins { Vec::new() } else { client.owned_topics() }),
            topics: Some(client.subscribed.iter().filter_map(shape).collect()),
        }
    }

    fn leave(&mut self, number: usize, epoch: i32) {
        if self.clients[number].epoch > 0 {
            let heartbeat = ConsumerHeartbeat { member_epoch: epoch, ..self.heartbeat(number) };
            self.apply(&Command::ConsumerHeartbeat(Box::new(heartbeat)));
        }
        self.clients[number].forget();
        self.clients[number].life += 1;
    }

    fn apply(&mut self, command: &Command) {
        // Refusals are answers, too: a client may leave that was removed before.
        drop(self.broker.apply(Timestamp(self.now), command));
    }

    fn id(&self, number: usize) -> omnibus_model::MemberId {
        member(number + MEMBERS * self.clients[number].life)
    }

    fn knows(&self, number: usize) -> bool {
        let id = self.id(number);
        self.broker.members(&group()).iter().any(|session| session.member == id)
    }

    /// No partition is read by two clients.
    fn check_owners(&self) {
        let mut owners = BTreeMap::new();
        for (number, client) in self.clients.iter().enumerate() {
            for share in &client.owned {
                let other = owners.insert(*share, number);
                assert_eq!(other, None, "{share:?} is read by {number} as well");
            }
        }
    }

    /// Lets everybody follow the protocol until nothing moves, then looks at what is read.
    fn settle(&mut self) {
        // Members whose clients are no more lapse.
        let alive: Vec<_> = (0..MEMBERS).map(|number| self.id(number)).collect();
        let sessions = self.broker.members(&group()).into_iter();
        let members = sessions.map(|session| session.member).filter(|id| !alive.contains(id)).collect();
        self.apply(&Command::ExpireMembers { group: group(), members });
        for _ in 0..SETTLING_ROUNDS {
            for number in 0..MEMBERS {
                self.act(Action::Beat { member: number, answer: Answer::Arrives });
                self.act(Action::GiveUp { member: number });
            }
        }
        let mut wanted = BTreeSet::new();
        for number in self.clients.iter().flat_map(|client| &client.subscribed) {
            let partitions = *self.topics.get(number).unwrap_or(&0);
            wanted.extend((0..partitions).map(|partition| (topic_id(*number), partition)));
        }
        let read: BTreeSet<Share> = self.clients.iter().flat_map(|client| client.owned.iter().copied()).collect();
        assert_eq!(read, wanted, "everything is read");
        self.check_balance();
    }

    /// Whoever reads the same topics as all others has at most one partition more.
    fn check_balance(&self) {
        let first = &self.clients[0].subscribed;
        if self.clients.iter().all(|client| client.subscribed == *first) {
            let loads = self.clients.iter().map(|client| client.owned.len());
            let (least, most) = (loads.clone().min(), loads.max());
            assert!(most <= least.map(|least| least + 1), "the load is even: {least:?} to {most:?}");
        }
    }
}

impl Client {
    fn take(&mut self, taken: &HeartbeatTaken) {
        self.epoch = taken.member_epoch;
        self.tells_all = false;
        if let Some(assignment) = &taken.assignment {
            let share = |topic: &TopicPartitions| {
                let id = topic.topic;
                topic.partitions.iter().map(move |partition| (id, partition.0)).collect::<Vec<_>>()
            };
            self.told = assignment.iter().flat_map(share).collect();
            // New partitions are read at once, the others are given up when it has time.
            self.owned.extend(self.told.iter().copied());
        }
    }

    fn give_up(&mut self) {
        self.owned.retain(|share| self.told.contains(share));
    }

    fn forget(&mut self) {
        let (life, subscribed) = (self.life, std::mem::take(&mut self.subscribed));
        *self = Self { life, subscribed, tells_all: true, ..Self::default() };
    }

    fn owned_topics(&self) -> Vec<TopicPartitions> {
        let mut topics = BTreeMap::<TopicId, Vec<PartitionIndex>>::new();
        for (topic, partition) in &self.owned {
            topics.entry(*topic).or_default().push(PartitionIndex(*partition));
        }
        topics.into_iter().map(|(topic, partitions)| TopicPartitions { topic, partitions }).collect()
    }
}

const fn is_static(number: usize) -> bool {
    number.is_multiple_of(2)
}

fn action() -> impl Strategy<Value = Action> {
    let member = || 0..MEMBERS;
    let answer = prop_oneof![5 => Just(Answer::Arrives), 1 => Just(Answer::GetsLost)];
    let topics = prop::collection::btree_set(0..TOPICS, 0..=TOPICS);
    prop_oneof![
        20 => (member(), answer).prop_map(|(member, answer)| Action::Beat { member, answer }),
        10 => member().prop_map(|member| Action::GiveUp { member }),
        4 => (member(), topics).prop_map(|(member, topics)| Action::Subscribe { member, topics }),
        1 => member().prop_map(|member| Action::Leave { member }),
        1 => member().prop_map(|member| Action::LeaveForAWhile { member }),
        1 => member().prop_map(|member| Action::Lapse { member }),
        1 => (0..TOPICS).prop_map(|topic| Action::Grow { topic }),
        1 => (0..TOPICS).prop_map(|topic| Action::DeleteTopic { topic }),
        1 => (0..70_i64).prop_map(|seconds| Action::Pass { seconds }),
    ]
}

proptest! {
    #[test]
    fn every_partition_has_one_reader_and_never_two(actions in prop::collection::vec(action(), 1..150)) {
        let mut world = World::new();
        for action in actions {
            world.act(action);
        }
        world.settle();
    }
}
