//! A member of a consumer group (KIP-848): joins, follows what the broker gives it and takes
//! away, and leaves or falls silent.

use std::time::Duration;

use omnibus_engine::SubmitError;
use omnibus_model::command::ConsumerHeartbeat;
use omnibus_model::group::{ClientInfo, TopicPartitions, TopicShape};
use omnibus_model::outcome::HeartbeatTaken;
use omnibus_model::{Command, GroupName, MemberId, Millis, Outcome, TopicName};

use super::Client;
use crate::fact::{Fact, Holding};
use crate::scenario::TOPIC_NAMES;
use crate::stage::{Answered, OutcomeReply, Stage};
use crate::violation::Violation;

const JOINS: i32 = 0;
const LEAVES: i32 = -1;
/// Longer than any clock jumps: who must give something up has time.
const REBALANCE_TIMEOUT: Millis = Millis(100 * 24 * 3_600_000);

/// A member of the one consumer group.
#[derive(Debug)]
pub(super) struct Consumer {
    number: u64,
    lives: u64,
    group: GroupName,
    id: MemberId,
    epoch: i32,
    owned: Vec<TopicPartitions>,
    /// The next heartbeat must say everything.
    full: bool,
    /// Until when its partitions are its own, if it is not heard of again.
    until: Duration,
    beat: Option<Beat>,
}

/// A heartbeat on its way.
#[derive(Debug)]
struct Beat {
    sent_at: Duration,
    reply: OutcomeReply,
}

impl Consumer {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            lives: 0,
            group: GroupName::new("consumers").expect("a short name"),
            id: name(number, 0),
            epoch: JOINS,
            owned: Vec::new(),
            full: true,
            until: Duration::ZERO,
            beat: None,
        }
    }

    fn heartbeat(&self, stage: &Stage, member_epoch: i32) -> ConsumerHeartbeat {
        let full = self.full || member_epoch == JOINS;
        ConsumerHeartbeat {
            group: self.group.clone(),
            member: self.id.clone(),
            member_epoch,
            instance: None,
            client: ClientInfo::default(),
            rebalance_timeout: full.then_some(REBALANCE_TIMEOUT),
            subscribed: full.then(|| TOPIC_NAMES.map(topic).to_vec()),
            subscribed_pattern: None,
            assignor: None,
            owned: full.then(|| self.owned.clone()),
            topics: full.then(|| view(stage)),
        }
    }

    fn send(&mut self, stage: &mut Stage, member_epoch: i32) {
        let command = Command::ConsumerHeartbeat(Box::new(self.heartbeat(stage, member_epoch)));
        let reply = stage.submit(stage.group_shard(&self.group), command);
        let sent_at = stage.time.elapsed;
        self.beat = reply.map(|reply| Beat { sent_at, reply });
        self.full = false;
    }

    /// Leaves with a word, or without; comes back as somebody else.
    fn end(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        self.own(stage, Vec::new())?;
        if stage.random.once_in(2) && self.epoch > JOINS {
            self.send(stage, LEAVES);
        }
        self.lives += 1;
        self.id = name(self.number, self.lives);
        self.epoch = JOINS;
        Ok(())
    }

    fn taken(&mut self, stage: &mut Stage, sent_at: Duration, taken: HeartbeatTaken) -> Result<(), Violation> {
        // The answer to a goodbye is for who it was before.
        if taken.member != self.id || taken.member_epoch < 0 {
            return Ok(());
        }
        self.epoch = taken.member_epoch;
        self.until = sent_at + stage.scenario.consumer_session();
        let owned = taken.assignment.unwrap_or_else(|| self.owned.clone());
        self.own(stage, owned)
    }

    /// Gives up and takes over at once, and says so next time.
    fn own(&mut self, stage: &mut Stage, owned: Vec<TopicPartitions>) -> Result<(), Violation> {
        if owned != self.owned {
            stage.trace.line(format_args!("{} has {owned:?}", self.id));
        }
        self.full |= owned != self.owned;
        self.owned = owned;
        let (member, now, until) = (&self.id, stage.time.elapsed, self.until);
        stage.see(&Fact::Held(Holding { member, partitions: &self.owned, now, until }))
    }

    /// Begins anew, owning nothing.
    fn refused(&mut self, stage: &mut Stage, error: &SubmitError) -> Result<(), Violation> {
        stage.trace.line(format_args!("{} is told: {error}", self.id));
        self.epoch = JOINS;
        self.own(stage, Vec::new())
    }
}

impl Client for Consumer {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        if self.beat.is_some() {
            return Ok(());
        }
        if stage.random.once_in(25) {
            return self.end(stage);
        }
        self.full |= stage.random.once_in(3);
        self.send(stage, self.epoch);
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        let Some(Beat { sent_at, mut reply }) = self.beat.take() else { return Ok(()) };
        match stage.look(&mut reply) {
            Answered::NotYet => {
                self.beat = Some(Beat { sent_at, reply });
                Ok(())
            }
            Answered::Yes(Outcome::HeartbeatTaken(taken)) => self.taken(stage, sent_at, taken),
            Answered::Yes(other) => Err(Violation::new("heartbeats are taken", format!("{other:?}"))),
            Answered::No(error) => self.refused(stage, &error),
            Answered::Unknown => {
                self.full = true;
                Ok(())
            }
        }
    }

    fn restarted(&mut self, _stage: &mut Stage) -> Result<(), Violation> {
        self.beat = None;
        self.full = true;
        Ok(())
    }
}

/// What the catalog has of the topics that everybody reads.
fn view(stage: &Stage) -> Vec<TopicShape> {
    let shape = |topic: omnibus_model::topic::SharedTopic| TopicShape {
        topic: topic.id,
        name: topic.name.clone(),
        partitions: u32::try_from(topic.partitions.len()).expect("a few"),
    };
    stage.node.catalog.topics().into_iter().map(shape).collect()
}

fn name(number: u64, life: u64) -> MemberId {
    MemberId::new(&format!("consumer-{number}-{life}")).expect("a short name")
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).expect("a short name")
}
