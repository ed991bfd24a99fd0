//! Commits offsets for topics that come and go, each with the id of the topic it is for, and
//! looks whose offsets it finds.

use std::sync::Arc;

use omnibus_broker::Broker;
use omnibus_engine::SubmitError;
use omnibus_engine::catalog::Catalog;
use omnibus_engine::shard::Request;
use omnibus_model::command::CommitOffsets;
use omnibus_model::group::{CommittedOffset, TopicPartition};
use omnibus_model::{Command, GroupName, Offset, PartitionIndex, Timestamp, TopicId, TopicName};
use tokio::sync::oneshot;

use super::Client;
use crate::fact::{Fact, FoundOffset};
use crate::stage::{Answered, OutcomeReply, Stage};
use crate::violation::Violation;

const IN_FLIGHT_MAX: usize = 4;

/// A client that reads whatever topic there is.
#[derive(Debug)]
pub(super) struct Bookmark {
    group: GroupName,
    commits: Vec<OutcomeReply>,
    questions: Vec<oneshot::Receiver<Result<Vec<Found>, SubmitError>>>,
}

/// An offset's topic by name, by the id that it was committed for, and by the present id.
type Found = (TopicName, TopicId, Option<TopicId>);

impl Default for Bookmark {
    fn default() -> Self {
        let group = GroupName::new("bookmarks").expect("a short name");
        Self { group, commits: Vec::new(), questions: Vec::new() }
    }
}

impl Bookmark {
    fn commit(&mut self, stage: &mut Stage) {
        let topics = stage.node.catalog.topics();
        let Some(topic) = stage.random.pick(&topics).cloned() else { return };
        let committed = CommittedOffset {
            offset: Offset(1),
            leader_epoch: None,
            metadata: topic.id.0.to_string(),
            committed_at: Timestamp(0),
        };
        let partition = TopicPartition { topic: topic.name.clone(), partition: PartitionIndex(0) };
        let command = Command::CommitOffsets(Box::new(CommitOffsets {
            group: self.group.clone(),
            member: None,
            instance: None,
            generation: -1,
            stale_epoch_supported: false,
            retention: None,
            offsets: vec![(partition, committed)],
        }));
        self.commits.extend(stage.submit(stage.group_shard(&self.group), command));
    }

    fn ask(&mut self, stage: &mut Stage) {
        let (reply, answer) = oneshot::channel();
        let (group, catalog) = (self.group.clone(), Arc::clone(&stage.node.catalog));
        let question = Request::Ask(Box::new(move |broker: &Broker| {
            let found = find(broker, &group, &catalog);
            Box::new(move |fate: Result<(), SubmitError>| drop(reply.send(fate.map(|()| found))))
        }));
        if stage.request(stage.group_shard(&self.group), question) {
            self.questions.push(answer);
        }
    }
}

fn find(broker: &Broker, group: &GroupName, catalog: &Catalog) -> Vec<Found> {
    let found = broker.committed_offsets(group).map(|(partition, committed)| {
        let id = committed.metadata.parse().expect("an id that was written as such");
        let present = catalog.topic(partition.topic.as_str()).map(|topic| topic.id);
        (partition.topic, TopicId(id), present)
    });
    found.collect()
}

fn see(stage: &mut Stage, found: &[Found], at_start: bool) -> Result<(), Violation> {
    found.iter().try_for_each(|(topic, committed_for, present)| {
        let found = FoundOffset { topic, committed_for: *committed_for, present: *present, at_start };
        stage.see(&Fact::OffsetFound(found))
    })
}

impl Client for Bookmark {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        if self.commits.len() + self.questions.len() < IN_FLIGHT_MAX {
            if stage.random.once_in(2) { self.ask(stage) } else { self.commit(stage) }
        }
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        for mut reply in std::mem::take(&mut self.commits) {
            match stage.look(&mut reply) {
                Answered::NotYet => self.commits.push(reply),
                Answered::Yes(_) => stage.see(&Fact::Acknowledged)?,
                Answered::No(_) | Answered::Unknown => {}
            }
        }
        for mut reply in std::mem::take(&mut self.questions) {
            match stage.look_at_answer(&mut reply) {
                Answered::NotYet => self.questions.push(reply),
                Answered::Yes(found) => see(stage, &found, false)?,
                Answered::No(_) | Answered::Unknown => {}
            }
        }
        Ok(())
    }

    fn restarted(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        self.commits.clear();
        self.questions.clear();
        let (shard, catalog) = (stage.group_shard(&self.group), Arc::clone(&stage.node.catalog));
        let found = find(stage.node.shard(shard).broker(), &self.group, &catalog);
        see(stage, &found, true)
    }
}
