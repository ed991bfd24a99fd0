//! Commits offsets for a group without members, numbers its commits, and asks for them.

use omnibus_broker::Broker;
use omnibus_engine::SubmitError;
use omnibus_engine::shard::Request;
use omnibus_model::command::CommitOffsets;
use omnibus_model::group::{CommittedOffset, TopicPartition};
use omnibus_model::{Command, GroupName, Offset, PartitionIndex, Timestamp, TopicName};
use tokio::sync::oneshot;

use super::Client;
use crate::fact::Fact;
use crate::scenario::KEPT_TOPIC;
use crate::stage::{Answered, OutcomeReply, Stage};
use crate::violation::Violation;

const IN_FLIGHT_MAX: usize = 4;

/// A client that remembers how far it has read.
#[derive(Debug)]
pub(super) struct Committer {
    group: GroupName,
    partition: TopicPartition,
    /// The number of the newest commit.
    newest: u64,
    /// The newest that was acknowledged or seen.
    floor: u64,
    commits: Vec<(u64, OutcomeReply)>,
    questions: Vec<Question>,
}

/// A question, and what was known when it was asked.
#[derive(Debug)]
struct Question {
    floor: u64,
    reply: oneshot::Receiver<Result<Option<u64>, SubmitError>>,
}

impl Committer {
    pub(super) fn new(group: &str) -> Self {
        let topic = TopicName::new(KEPT_TOPIC).expect("a short name");
        Self {
            group: GroupName::new(group).expect("a short name"),
            partition: TopicPartition { topic, partition: PartitionIndex(0) },
            newest: 0,
            floor: 0,
            commits: Vec::new(),
            questions: Vec::new(),
        }
    }

    fn commit(&mut self, stage: &mut Stage) {
        self.newest += 1;
        let committed = CommittedOffset {
            offset: Offset(self.newest),
            leader_epoch: None,
            metadata: String::new(),
            committed_at: Timestamp(0),
        };
        let command = Command::CommitOffsets(Box::new(CommitOffsets {
            group: self.group.clone(),
            member: None,
            instance: None,
            generation: -1,
            stale_epoch_supported: false,
            retention: None,
            offsets: vec![(self.partition.clone(), committed)],
        }));
        let reply = stage.submit(stage.group_shard(&self.group), command);
        self.commits.extend(reply.map(|reply| (self.newest, reply)));
    }

    fn ask(&mut self, stage: &mut Stage) {
        let (reply, answer) = oneshot::channel();
        let (group, partition) = (self.group.clone(), self.partition.clone());
        let question = Request::Ask(Box::new(move |broker: &Broker| {
            let seen = broker.committed_offset(&group, &partition).map(|committed| committed.offset.0);
            Box::new(move |fate: Result<(), SubmitError>| drop(reply.send(fate.map(|()| seen))))
        }));
        if stage.request(stage.group_shard(&self.group), question) {
            self.questions.push(Question { floor: self.floor, reply: answer });
        }
    }

    fn seen(&mut self, stage: &mut Stage, floor: u64, seen: Option<u64>) -> Result<(), Violation> {
        stage.see(&Fact::OffsetSeen { group: &self.group, floor, seen })?;
        self.floor = self.floor.max(seen.unwrap_or(0));
        Ok(())
    }
}

impl Client for Committer {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        let has_topic = stage.node.catalog.topic(KEPT_TOPIC).is_some();
        if has_topic && self.commits.len() + self.questions.len() < IN_FLIGHT_MAX {
            if stage.random.once_in(3) { self.ask(stage) } else { self.commit(stage) }
        }
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        for (number, mut reply) in std::mem::take(&mut self.commits) {
            match stage.look(&mut reply) {
                Answered::NotYet => self.commits.push((number, reply)),
                Answered::Yes(_) => {
                    stage.trace.line(format_args!("commit {number} of {} is done", self.group));
                    stage.see(&Fact::Acknowledged)?;
                    self.floor = self.floor.max(number);
                }
                Answered::No(_) | Answered::Unknown => {}
            }
        }
        for Question { floor, mut reply } in std::mem::take(&mut self.questions) {
            match stage.look_at_answer(&mut reply) {
                Answered::NotYet => self.questions.push(Question { floor, reply }),
                Answered::Yes(seen) => self.seen(stage, floor, seen)?,
                Answered::No(_) | Answered::Unknown => {}
            }
        }
        Ok(())
    }

    fn restarted(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        self.commits.clear();
        self.questions.clear();
        let shard = stage.group_shard(&self.group);
        let found = stage.node.shard(shard).broker().committed_offset(&self.group, &self.partition);
        let seen = found.map(|committed| committed.offset.0);
        self.seen(stage, self.floor, seen)
    }
}
