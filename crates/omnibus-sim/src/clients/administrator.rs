//! Creates, grows and deletes topics, and trims their streams.

use omnibus_engine::{Fate, SubmitError, by_hand};
use omnibus_model::command::CreateTopic;
use omnibus_model::topic::{SharedTopic, TopicConfig};
use omnibus_model::{Command, Offset, Outcome, ShardId, StreamId, TopicId, TopicName};

use super::Client;
use crate::doing::Doing;
use crate::oracle::Drop;
use crate::scenario::{KEPT_TOPIC, TOPIC_NAMES};
use crate::stage::{Answered, OutcomeReply, Stage};
use crate::violation::Violation;

const TOPICS_MAX: usize = 4;

/// The one who may.
#[derive(Debug, Default)]
pub(super) struct Administrator {
    pending: Vec<(Intent, OutcomeReply)>,
    deletion: Option<Doing<Result<(), SubmitError>>>,
    /// What the last deletion takes, if it is not known to have happened.
    doomed: Vec<StreamId>,
}

/// What a command was meant to do.
#[derive(Clone, Debug)]
enum Intent {
    ChangeTopics,
    Trim(StreamId),
}

impl Client for Administrator {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        if self.pending.len() > 3 {
            return Ok(());
        }
        let mut topics = stage.node.catalog.topics();
        let present = topics.len();
        topics.retain(|topic| topic.name.as_str() != KEPT_TOPIC);
        let created = topics.len() < present;
        topics.retain(|topic| topic.queue.is_none());
        if !created {
            self.create(stage, KEPT_TOPIC);
            return Ok(());
        }
        match stage.random.below(20) {
            0 if topics.len() > 1 && self.pending.is_empty() && self.deletion.is_none() => self.delete(stage, &topics),
            1..=3 if topics.len() < TOPICS_MAX => self.create_any(stage),
            4 if self.deletion.is_none() => self.grow(stage, &topics),
            5..=9 => self.trim(stage),
            10..=12 => self.retain(stage),
            _ if topics.is_empty() => self.create_any(stage),
            _ => {}
        }
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        for (intent, mut reply) in std::mem::take(&mut self.pending) {
            match stage.look(&mut reply) {
                Answered::NotYet => self.pending.push((intent, reply)),
                Answered::Yes(outcome) => self.done(stage, intent, &outcome),
                Answered::No(_) | Answered::Unknown => {}
            }
        }
        self.look_at_deletion(stage);
        Ok(())
    }

    /// What the end cut short of a deletion the node takes up itself.
    fn restarted(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        self.pending.clear();
        self.deletion = None;
        self.spare(stage);
        Ok(())
    }
}

impl Administrator {
    fn submit(&mut self, stage: &mut Stage, shard: ShardId, intent: Intent, command: Command) {
        stage.trace.line(format_args!("ask shard {shard}: {command:?}"));
        self.pending.extend(stage.submit(shard, command).map(|reply| (intent, reply)));
    }

    fn create_any(&mut self, stage: &mut Stage) {
        let place = stage.random.place(TOPIC_NAMES.len());
        self.create(stage, TOPIC_NAMES[place]);
    }

    fn create(&mut self, stage: &mut Stage, name: &str) {
        let name = TopicName::new(name).expect("a short name");
        let id = TopicId(u128::from(stage.random.draw()) << 64 | u128::from(stage.random.draw()));
        let partitions = u32::try_from(stage.random.within(1..=3)).expect("at most three");
        let create = CreateTopic { name, id, partitions, config: TopicConfig::default() };
        self.submit(stage, ShardId::METADATA, Intent::ChangeTopics, Command::CreateTopic(create));
    }

    fn grow(&mut self, stage: &mut Stage, topics: &[SharedTopic]) {
        if let Some(topic) = stage.random.pick(topics).filter(|topic| topic.partitions.len() < 4) {
            let total = u32::try_from(topic.partitions.len() + 1).expect("a few");
            let command = Command::AddPartitions { topic: topic.name.clone(), total };
            self.submit(stage, ShardId::METADATA, Intent::ChangeTopics, command);
        }
    }

    fn delete(&mut self, stage: &mut Stage, topics: &[SharedTopic]) {
        let Some(topic) = stage.random.pick(topics).cloned() else { return };
        stage.trace.line(format_args!("delete {}", topic.name));
        self.doomed = topic.partitions.iter().map(|partition| partition.stream).collect();
        mark(stage, &self.doomed, Drop::Asked);
        let (engine, name) = (stage.node.engine.clone(), topic.name.clone());
        self.deletion = Some(Doing::begin(async move { by_hand::delete_topic(&engine, name).await }));
    }

    fn look_at_deletion(&mut self, stage: &mut Stage) {
        let Some(told) = self.deletion.as_mut().and_then(Doing::go_on) else { return };
        stage.trace.line(format_args!("the deletion is told {told:?}"));
        self.deletion = None;
        match told {
            Ok(()) => {
                mark(stage, &std::mem::take(&mut self.doomed), Drop::Done);
                stage.tally.deletions += 1;
            }
            Err(error) if error.fate() == Fate::NotApplied => self.spare(stage),
            // The node ends, and its next start knows.
            Err(_) => {}
        }
    }

    /// Lets those live whose topic is still there.
    fn spare(&mut self, stage: &mut Stage) {
        let topics = stage.node.catalog.topics();
        let present =
            |stream: &StreamId| topics.iter().any(|topic| topic.partitions.iter().any(|at| at.stream == *stream));
        let spared: Vec<StreamId> = std::mem::take(&mut self.doomed).into_iter().filter(present).collect();
        mark(stage, &spared, Drop::No);
    }

    /// Forgets the records before some offset.
    fn trim(&mut self, stage: &mut Stage) {
        if let Some((stream, shard)) = stage.any_stream() {
            let before = stage.any_offset(stream);
            self.trim_to(stage, (stream, shard), before);
        }
    }

    /// Forgets what the log says is too much, as retention does.
    fn retain(&mut self, stage: &mut Stage) {
        if let Some((stream, shard)) = stage.any_stream() {
            let bytes_max = stage.random.below(40_000);
            let before = stage.node.log.retained_from(stream, None, Some(bytes_max));
            if before > stage.node.log.bounds(stream).start {
                self.trim_to(stage, (stream, shard), before);
            }
        }
    }

    fn trim_to(&mut self, stage: &mut Stage, (stream, shard): (StreamId, ShardId), before: Offset) {
        if let Some(expected) = stage.oracle.streams.get_mut(&stream) {
            expected.trim_asked = expected.trim_asked.max(before);
            stage.tally.trims += 1;
            self.submit(stage, shard, Intent::Trim(stream), Command::Trim { stream, before });
        }
    }

    fn done(&mut self, stage: &mut Stage, intent: Intent, outcome: &Outcome) {
        if let (Intent::Trim(stream), Outcome::Trimmed { start }) = (intent, outcome)
            && let Some(expected) = stage.oracle.streams.get_mut(&stream)
        {
            expected.trim_done = expected.trim_done.max(*start);
        }
    }
}

fn mark(stage: &mut Stage, streams: &[StreamId], drop: Drop) {
    for stream in streams {
        if let Some(expected) = stage.oracle.streams.get_mut(stream) {
            expected.drop = drop;
        }
    }
}
