//! Classic groups with clients that keep to the protocol: all members of a generation agree, and
//! whatever happened, the group becomes stable once everybody follows.

use std::collections::BTreeMap;

use bytes::Bytes;
use omnibus_broker::{Broker, BrokerLimits};
use omnibus_model::command::{JoinGroup, Leaver, SyncGroup};
use omnibus_model::group::{ClientInfo, GroupState, ProtocolOffer, Subscription};
use omnibus_model::outcome::JoinTicket;
use omnibus_model::{Command, MemberId, Millis, Outcome, Refusal, Timestamp};
use proptest::prelude::*;

use crate::names::{group, instance, member};

const MEMBERS: usize = 4;
const SETTLING_ROUNDS: usize = 12;

#[derive(Clone, Debug)]
enum Action {
    /// The client does what is next: joins, asks for its share, or heartbeats.
    Step {
        client: usize,
    },
    /// The client joins again, with other metadata.
    Change {
        client: usize,
    },
    /// The client dies; it comes back under the same instance if it is static.
    Die {
        client: usize,
    },
    Leave {
        client: usize,
    },
    Lapse {
        client: usize,
    },
    Pass {
        seconds: i64,
    },
}

#[derive(Clone, Debug, Default)]
enum Stage {
    #[default]
    Out,
    Joining(JoinTicket),
    /// It is in this generation, and the leader knows all members.
    Joined {
        generation: i32,
        shares: Vec<MemberId>,
    },
    Syncing {
        generation: i32,
    },
    In {
        generation: i32,
    },
}

#[derive(Clone, Debug, Default)]
struct Client {
    id: Option<MemberId>,
    stage: Stage,
    metadata: u8,
}

struct World {
    broker: Broker,
    now: i64,
    clients: Vec<Client>,
    ids: usize,
    /// Who leads a generation, as its members were told.
    leaders: BTreeMap<i32, MemberId>,
}

impl World {
    fn new() -> Self {
        Self {
            broker: Broker::new(BrokerLimits::default()),
            now: 0,
            clients: vec![Client::default(); MEMBERS],
            ids: 0,
            leaders: BTreeMap::new(),
        }
    }

    fn act(&mut self, action: &Action) {
        self.broker.audit();
        match *action {
            Action::Step { client } => self.step(client),
            Action::Change { client } => {
                self.clients[client].metadata = self.clients[client].metadata.wrapping_add(1);
                self.join(client);
            }
            Action::Die { client } => self.clients[client] = Client::default(),
            Action::Leave { client } => {
                let leaver = Leaver { member: self.clients[client].id.clone(), instance: None, reason: None };
                self.apply(&Command::LeaveGroup { group: group(), members: vec![leaver] });
                self.clients[client] = Client::default();
            }
            Action::Lapse { client } => {
                let members = self.clients[client].id.iter().cloned().collect();
                self.apply(&Command::ExpireMembers { group: group(), members });
            }
            Action::Pass { seconds } => {
                self.now += seconds * 1_000;
                self.apply(&Command::Tick);
                // Whoever is silent for longer than its session lapses.
                if seconds > 10 {
                    let sessions = self.broker.members(&group()).into_iter();
                    let alive = |id: &MemberId| self.clients.iter().any(|client| client.id.as_ref() == Some(id));
                    let members = sessions.map(|session| session.member).filter(|id| !alive(id)).collect();
                    self.apply(&Command::ExpireMembers { group: group(), members });
                }
            }
        }
    }

    fn step(&mut self, number: usize) {
        let client = &self.clients[number];
        let Some(id) = client.id.clone() else {
            return self.join(number);
        };
        let instance = self.instance(number);
        match client.stage.clone() {
            Stage::Out => self.join(number),
            Stage::Joining(ticket) => match self.broker.joined(&group(), &id, ticket) {
                None => {}
                Some(Ok(joined)) => {
                    let leader = self.leaders.entry(joined.generation).or_insert_with(|| joined.leader.clone());
                    // Only a static leader's return renames the leader of a generation.
                    *leader = joined.leader;
                    let shares = joined.members.into_iter().map(|joined| joined.member).collect();
                    self.clients[number].stage = Stage::Joined { generation: joined.generation, shares };
                }
                Some(Err(refusal)) => self.rejoin(number, &refusal),
            },
            Stage::Joined { generation, shares } => self.sync(number, id, generation, shares),
            Stage::Syncing { generation } => match self.broker.synced(&group(), &id, generation) {
                None => {}
                Some(Ok(_)) => self.clients[number].stage = Stage::In { generation },
                Some(Err(refusal)) => self.rejoin(number, &refusal),
            },
            Stage::In { generation } => {
                if let Err(refusal) = self.broker.heartbeat(&group(), &id, instance.as_ref(), generation) {
                    self.rejoin(number, &refusal);
                }
            }
        }
    }

    fn join(&mut self, number: usize) {
        self.ids += 1;
        let client = &self.clients[number];
        let offer = ProtocolOffer { name: "range".to_owned(), metadata: Bytes::copy_from_slice(&[client.metadata]) };
        let join = JoinGroup {
            group: group(),
            member: client.id.clone(),
            member_new: member(self.ids),
            instance: self.instance(number),
            client: ClientInfo::default(),
            session_timeout: Millis(10_000),
            rebalance_timeout: Millis(20_000),
            protocol_type: "consumer".to_owned(),
            protocols: vec![offer],
            subscription: Subscription::Topics(Vec::new()),
            member_id_required: true,
            skip_assignment_supported: true,
            reason: None,
        };
        let client = &mut self.clients[number];
        match self.broker.apply(Timestamp(self.now), &Command::JoinGroup(Box::new(join))) {
            Ok(applied) => match applied.outcome {
                Outcome::MemberIdAssigned { member } => client.id = Some(member),
                Outcome::Joining { member, ticket } => {
                    client.id = Some(member);
                    client.stage = Stage::Joining(ticket);
                }
                outcome => panic!("{outcome:?}"),
            },
            Err(refusal) => self.rejoin(number, &refusal),
        }
    }

    fn sync(&mut self, number: usize, id: MemberId, generation: i32, shares: Vec<MemberId>) {
        let assignments = shares.into_iter().map(|member| (member, Bytes::from_static(b"x"))).collect();
        let sync = SyncGroup {
            group: group(),
            member: id,
            instance: self.instance(number),
            generation,
            protocol_type: None,
            protocol: None,
            assignments,
        };
        match self.broker.apply(Timestamp(self.now), &Command::SyncGroup(Box::new(sync))) {
            Ok(_) => self.clients[number].stage = Stage::Syncing { generation },
            Err(refusal) => self.rejoin(number, &refusal),
        }
    }

    /// Does what a client does about an error: starts over, with or without its id.
    fn rejoin(&mut self, number: usize, refusal: &Refusal) {
        match refusal {
            Refusal::RebalanceInProgress => {}
            Refusal::UnknownMember { .. } | Refusal::IllegalGeneration { .. } | Refusal::InstanceFenced => {
                self.clients[number].id = None;
            }
            refusal => panic!("{refusal}"),
        }
        self.clients[number].stage = Stage::Out;
    }

    fn apply(&mut self, command: &Command) {
        self.broker.apply(Timestamp(self.now), command).expect("this is never refused");
    }

    fn instance(&self, number: usize) -> Option<omnibus_model::InstanceId> {
        number.is_multiple_of(2).then(|| instance(number))
    }

    fn settle(&mut self) {
        for _ in 0..SETTLING_ROUNDS {
            for client in 0..MEMBERS {
                for _ in 0..4 {
                    self.act(&Action::Step { client });
                }
            }
            self.act(&Action::Pass { seconds: 21 });
        }
        for client in (0..MEMBERS).cycle().take(8 * MEMBERS) {
            self.act(&Action::Step { client });
        }
        let view = self.broker.group(&group()).expect("the group is there");
        assert_eq!(view.state, GroupState::Stable, "{view:?}");
        let members: Vec<&MemberId> = view.members.iter().map(|member| &member.member).collect();
        let mut clients: Vec<&MemberId> = self.clients.iter().filter_map(|client| client.id.as_ref()).collect();
        clients.sort();
        assert_eq!(members, clients, "exactly the living are members");
        for client in &self.clients {
            assert!(
                matches!(client.stage, Stage::In { generation } if generation == view.epoch),
                "{client:?} is in generation {}",
                view.epoch
            );
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    let client = || 0..MEMBERS;
    prop_oneof![
        20 => client().prop_map(|client| Action::Step { client }),
        2 => client().prop_map(|client| Action::Change { client }),
        1 => client().prop_map(|client| Action::Die { client }),
        1 => client().prop_map(|client| Action::Leave { client }),
        1 => client().prop_map(|client| Action::Lapse { client }),
        3 => (0..30_i64).prop_map(|seconds| Action::Pass { seconds }),
    ]
}

proptest! {
    #[test]
    fn group_becomes_stable_whatever_happened(actions in prop::collection::vec(action(), 1..150)) {
        let mut world = World::new();
        for action in actions {
            world.act(&action);
        }
        world.settle();
    }
}
