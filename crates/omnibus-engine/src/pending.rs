//! Answers that wait until the log has committed what they tell.

use std::collections::VecDeque;

use omnibus_model::config::{BrokerConfig, ConfigScope, GroupConfig};
use omnibus_model::exchange::SharedExchange;
use omnibus_model::node::{NodeDuty, NodeInfo};
use omnibus_model::topic::SharedTopic;
use omnibus_model::{Command, GroupName, LogIndex, NodeId, Offset, Outcome, ProducerStamp, StreamId};

use crate::error::SubmitError;

/// An answer that is kept back; told whether what it says has come true.
pub(crate) type Answer = Box<dyn FnOnce(Result<(), SubmitError>) + Send>;

/// What a committed command changes outside the broker.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Grown { stream: StreamId },
    ManyGrown { streams: Vec<StreamId> },
    Trimmed { stream: StreamId, before: Offset },
    StreamDropped { stream: StreamId },
    TopicChanged { topic: SharedTopic },
    TopicDeleted { topic: SharedTopic },
    BrokersAltered { scope: ConfigScope, config: Box<BrokerConfig> },
    GroupAltered { group: GroupName, config: GroupConfig },
    ExchangeChanged { exchange: SharedExchange },
    ExchangeDeleted { exchange: SharedExchange },
    NodeRegistered { node: NodeId, info: Box<NodeInfo> },
    NodeForgotten { node: NodeId },
    NodeAssigned { node: NodeId, duty: NodeDuty },
}

impl Effect {
    /// What follows from a command outside the broker.
    pub(crate) fn of(command: &Command, outcome: &Outcome) -> Option<Self> {
        match (command, outcome) {
            (Command::Append(append), Outcome::Appended(_)) => Some(Self::Grown { stream: append.stream }),
            (Command::Enqueue(enqueue), Outcome::Enqueued(_)) => Some(Self::Grown { stream: enqueue.append.stream }),
            (Command::FanOut(fan_out), _) => {
                Some(Self::ManyGrown { streams: fan_out.targets.iter().map(|target| target.stream).collect() })
            }
            (Command::Trim { stream, .. }, Outcome::Trimmed { start }) => {
                Some(Self::Trimmed { stream: *stream, before: *start })
            }
            (Command::DropStream { stream }, _) => Some(Self::StreamDropped { stream: *stream }),
            (_, Outcome::TopicCreated { topic } | Outcome::TopicAltered { topic }) => {
                Some(Self::TopicChanged { topic: topic.clone() })
            }
            (_, Outcome::TopicDeleted { topic }) => Some(Self::TopicDeleted { topic: topic.clone() }),
            (_, Outcome::BrokersAltered { scope, config }) => {
                Some(Self::BrokersAltered { scope: *scope, config: config.clone() })
            }
            (_, Outcome::GroupAltered { group, config }) => {
                Some(Self::GroupAltered { group: group.clone(), config: *config })
            }
            (_, Outcome::ExchangeChanged { exchange }) => Some(Self::ExchangeChanged { exchange: exchange.clone() }),
            (_, Outcome::ExchangeDeleted { exchange }) => Some(Self::ExchangeDeleted { exchange: exchange.clone() }),
            (_, Outcome::NodeRegistered { node, info }) => {
                Some(Self::NodeRegistered { node: *node, info: info.clone() })
            }
            (_, Outcome::NodeForgotten { node }) => Some(Self::NodeForgotten { node: *node }),
            (_, Outcome::NodeAssigned { node, duty }) => Some(Self::NodeAssigned { node: *node, duty: *duty }),
            _ => None,
        }
    }
}

/// What waits for one entry of the log.
#[derive(Default)]
pub(crate) struct Awaiting {
    pub(crate) effects: Vec<Effect>,
    pub(crate) answers: Vec<Answer>,
    /// Batches of idempotent producers in it, in their order.
    pub(crate) stamps: Vec<(StreamId, ProducerStamp)>,
    /// Somebody may be given more when it is committed.
    pub(crate) makes_room: bool,
    /// Somebody has been given some of it already, so that nobody can say that it did not happen.
    pub(crate) is_out: bool,
}

/// Entries that have been proposed and not committed, oldest first.
#[derive(Default)]
pub(crate) struct InFlight {
    entries: VecDeque<(LogIndex, Awaiting)>,
}

impl InFlight {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn push(&mut self, index: LogIndex, awaiting: Awaiting) {
        self.entries.push_back((index, awaiting));
    }

    /// The newest entry's list of what waits for it.
    pub(crate) fn newest(&mut self) -> Option<&mut Awaiting> {
        self.entries.back_mut().map(|(_, awaiting)| awaiting)
    }

    /// The index of the oldest entry.
    pub(crate) fn oldest(&self) -> Option<LogIndex> {
        self.entries.front().map(|(index, _)| *index)
    }

    /// Takes the oldest entry if it is committed by now.
    pub(crate) fn pop_committed(&mut self, committed: LogIndex) -> Option<(LogIndex, Awaiting)> {
        self.entries.pop_front_if(|(index, _)| *index <= committed)
    }

    /// Takes all of them, for a log that will not commit them.
    pub(crate) fn take_all(&mut self) -> Vec<Awaiting> {
        self.entries.drain(..).map(|(_, awaiting)| awaiting).collect()
    }
}

impl std::fmt::Debug for Awaiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Awaiting").field("effects", &self.effects).field("answers", &self.answers.len()).finish()
    }
}

impl std::fmt::Debug for InFlight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(index, _)| index)).finish()
    }
}
