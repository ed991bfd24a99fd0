//! What clients and faults act on: the node, its disk, the time, and what is known.

use bytes::Bytes;
use omnibus_engine::SubmitError;
use omnibus_engine::error::Fate as AnswerFate;
use omnibus_engine::queues::Delivery;
use omnibus_engine::shard::Request;
use omnibus_io::FaultDisk;
use omnibus_io::fault::Fault;
use omnibus_model::outcome::Appended;
use omnibus_model::topic::{QueuePlace, SharedTopic};
use omnibus_model::{Command, GroupName, LogIndex, Offset, Outcome, ShardId, StreamId};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::checks::Checks;
use crate::deed::{Deeds, Undecided};
use crate::fact::{Delivered, Fact, Reading};
use crate::node::Node;
use crate::oracle::{Fate, MessageId, Oracle};
use crate::random::Random;
use crate::reading::read_some;
use crate::scenario::Scenario;
use crate::shadow::Shadow;
use crate::tally::Tally;
use crate::time::Time;
use crate::trace::Trace;
use crate::violation::Violation;

/// The answer to a command, on its way.
pub(crate) type OutcomeReply = oneshot::Receiver<Result<Outcome, SubmitError>>;

/// Everything but the clients.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) scenario: Scenario,
    pub(crate) random: Random,
    pub(crate) time: Time,
    pub(crate) disk: FaultDisk,
    /// What goes wrong with the next write to the log.
    pub(crate) write_fault: Option<Fault>,
    pub(crate) node: Node,
    pub(crate) oracle: Oracle,
    pub(crate) checks: Checks,
    pub(crate) shadow: Shadow,
    /// What was done to queues and may still be lost.
    pub(crate) undecided: Undecided,
    pub(crate) trace: Trace,
    pub(crate) tally: Tally,
}

/// What a client learns when it looks for its answer.
#[derive(Debug)]
pub(crate) enum Answered<T> {
    NotYet,
    Yes(T),
    /// It will never happen.
    No(SubmitError),
    /// It may have happened.
    Unknown,
}

impl Stage {
    /// Tells the checkers.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub(crate) fn see(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        self.checks.see(fact, &self.oracle)
    }

    /// Tells the checkers, and then the oracle, what a shard has done to queues for good.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub(crate) fn decided(&mut self, shard: ShardId, index: LogIndex) -> Result<(), Violation> {
        for Deeds { deeds, counts } in self.undecided.take_up_to(shard, index) {
            for deed in deeds {
                self.see(&Fact::Done(&deed))?;
                self.oracle.queues.note(&deed);
            }
            for (stream, counts) in counts {
                self.see(&Fact::Counted { stream, counts })?;
            }
        }
        Ok(())
    }

    /// Shows all that queues have to the checkers, when nothing is under way.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub(crate) fn list_queues(&mut self) -> Result<(), Violation> {
        for place in 0..self.node.shards.len() {
            let broker = self.node.shards[place].broker();
            if self.tally.clock_jumps == 0 {
                broker.audit();
            }
            let peek = |stream| broker.peek(stream, Offset::ZERO, usize::MAX).into_iter().map(|(offset, _)| offset);
            let listed: Vec<_> = broker.queues().map(|(stream, _)| (stream, peek(stream).collect())).collect();
            for (stream, records) in &listed {
                self.see(&Fact::Listed { stream: *stream, records })?;
            }
        }
        Ok(())
    }

    /// Notes that a client was told where its message is.
    ///
    /// # Errors
    /// If it cannot be there.
    pub(crate) fn sent(&mut self, (stream, offset): (StreamId, Offset), number: u64) -> Result<(), Violation> {
        self.see(&Fact::Sent { stream, offset, number })?;
        self.is_message((stream, offset), number);
        Ok(())
    }

    /// Notes that a client was given a record.
    ///
    /// # Errors
    /// If it cannot be that one.
    pub(crate) fn delivered(&mut self, stream: StreamId, delivery: &Delivery) -> Result<(), Violation> {
        let body = &delivery.message.body;
        let number = body.first_chunk().map(|number| u64::from_le_bytes(*number));
        let is_sent = |number: &u64| usize::try_from(*number).is_ok_and(|it| self.oracle.bodies.get(it) == Some(body));
        let number = number.filter(is_sent);
        self.see(&Fact::Delivered(Delivered { stream, lease: delivery.lease, number }))?;
        if let Some(number) = number {
            self.is_message((stream, delivery.lease.key.offset), number);
        }
        Ok(())
    }

    fn is_message(&mut self, (stream, offset): (StreamId, Offset), number: u64) {
        let memory = self.oracle.queues.by_stream.get_mut(&stream);
        if let Some(known) = memory.and_then(|memory| memory.records.get_mut(&offset)) {
            known.number = Some(number);
        }
    }

    /// Whether a queue has something for whoever waits there.
    pub(crate) fn has_ready(&self, queue: QueuePlace) -> bool {
        let broker = self.node.shards[usize::from(queue.shard().0)].broker();
        let leases_max = broker.queue(queue.lowest.stream).map_or(0, |config| u64::from(config.leases_max));
        let leased = queue.streams().filter_map(|stream| broker.queue_counts(stream)).map(|counts| counts.leased);
        leased.sum::<u64>() < leases_max && queue.streams().any(|stream| broker.has_ready(stream))
    }

    /// A queue, if there is one.
    pub(crate) fn any_queue(&mut self) -> Option<SharedTopic> {
        let queues = self.queues();
        self.random.pick(&queues).cloned()
    }

    pub(crate) fn queues(&self) -> Vec<SharedTopic> {
        self.node.catalog.topics().into_iter().filter(|topic| topic.queue.is_some()).collect()
    }

    /// Puts a command to a shard; `None` if it has no room now.
    pub(crate) fn submit(&mut self, shard: ShardId, command: Command) -> Option<OutcomeReply> {
        let (reply, answer) = oneshot::channel();
        self.request(shard, Request::Submit { command, reply }).then_some(answer)
    }

    pub(crate) fn request(&mut self, shard: ShardId, request: Request) -> bool {
        self.node.request(shard, self.time.moment(), request)
    }

    /// Looks for an answer, and counts it.
    pub(crate) fn look<T>(&mut self, reply: &mut oneshot::Receiver<Result<T, SubmitError>>) -> Answered<T> {
        let answered = self.look_at_answer(reply);
        match &answered {
            Answered::Yes(_) => self.tally.acknowledged += 1,
            Answered::No(_) => self.tally.refused += 1,
            Answered::NotYet | Answered::Unknown => {}
        }
        answered
    }

    /// Looks for an answer that acknowledges no change.
    pub(crate) fn look_at_answer<T>(&mut self, reply: &mut oneshot::Receiver<Result<T, SubmitError>>) -> Answered<T> {
        match reply.try_recv() {
            Err(TryRecvError::Empty) => Answered::NotYet,
            Err(TryRecvError::Closed) => Answered::Unknown,
            Ok(Ok(answer)) => Answered::Yes(answer),
            Ok(Err(error)) if error.fate() == AnswerFate::NotApplied => Answered::No(error),
            Ok(Err(_)) => Answered::Unknown,
        }
    }

    /// Notes that a message has its place.
    ///
    /// # Errors
    /// If it cannot have it.
    pub(crate) fn appended(&mut self, message: MessageId, appended: Appended) -> Result<(), Violation> {
        self.see(&Fact::Appended { message, appended })?;
        if !appended.duplicate {
            self.see(&Fact::Acknowledged)?;
        }
        self.trace.line(format_args!("{message:?} is at {}", appended.base));
        self.oracle.set_fate(message, Fate::Placed(appended.base));
        Ok(())
    }

    /// Shows a reading to the checkers, and remembers it: what was seen must stay.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub(crate) fn seen(&mut self, fact: &Fact<'_>, reading: &Reading) -> Result<(), Violation> {
        self.see(fact)?;
        for batch in &reading.batches {
            if let Some(message) = batch.message {
                self.oracle.set_fate(message, Fate::Placed(batch.base));
            }
        }
        Ok(())
    }

    /// Reads as a client does; only when the disk fails may it be told of an error.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub(crate) fn read(&mut self, (stream, from): (StreamId, Offset), bytes_max: usize) -> Result<Reading, Violation> {
        let failures = self.disk.read_failures();
        let reading = read_some(&self.node.log, &self.oracle, (stream, from), bytes_max);
        let reading = reading.map_err(|detail| Violation::new("reads succeed", detail))?;
        match &reading.unreadable {
            Some(reason) if self.disk.read_failures() == failures => Err(Violation::new("reads succeed", reason)),
            Some(reason) => {
                self.trace.line(format_args!("stream {stream} from {from}: {reason}"));
                self.tally.unread += 1;
                Ok(reading)
            }
            None => Ok(reading),
        }
    }

    /// A live stream with its shard and bounds, if there is one.
    pub(crate) fn any_stream(&mut self) -> Option<(StreamId, ShardId)> {
        let topics = self.node.catalog.topics();
        let plain = topics.iter().filter(|topic| topic.queue.is_none());
        let partitions: Vec<_> = plain.flat_map(|topic| &topic.partitions).collect();
        self.random.pick(&partitions).map(|partition| (partition.stream, partition.shard))
    }

    /// Whether a stream belongs to a topic.
    pub(crate) fn is_live(&self, stream: StreamId) -> bool {
        let topics = self.node.catalog.topics();
        topics.iter().any(|topic| topic.partitions.iter().any(|partition| partition.stream == stream))
    }

    /// The shard that coordinates a group.
    pub(crate) fn group_shard(&self, group: &GroupName) -> ShardId {
        let sum: u64 = group.as_str().bytes().map(u64::from).sum();
        let shards = u64::from(self.scenario.node.limits.data_shards);
        ShardId(1 + u16::try_from(sum % shards).expect("shards are few"))
    }

    /// A record's place that a client may name.
    pub(crate) fn any_offset(&mut self, stream: StreamId) -> Offset {
        let bounds = self.node.log.bounds(stream);
        Offset(self.random.within(bounds.start.0..=bounds.end.0))
    }

    /// Hands a payload over; `None` if the shard has no room now.
    pub(crate) fn append(&mut self, message: MessageId) -> Option<OutcomeReply> {
        let known = self.oracle.message(message);
        let (stream, batch, payload): (_, _, Bytes) = (known.stream, known.batch, known.payload.clone());
        let shard = self.oracle.streams.get(&stream)?.shard;
        let (reply, answer) = oneshot::channel();
        let appending = omnibus_engine::shard::Appending { stream, batch, payload, reply };
        self.request(shard, Request::Append(appending)).then_some(answer)
    }
}
