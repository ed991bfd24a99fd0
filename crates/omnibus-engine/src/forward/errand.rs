//! What can be asked of a shard wherever it is led: here as it is, of another node as bytes
//! (`docs/formats/forward.md`).

use std::time::Duration;

use bytes::Bytes;
use omnibus_model::command::Acquire;
use omnibus_model::outcome::Appended;
use omnibus_model::queue::{Envelope, Origin};
use omnibus_model::topic::QueuePlace;
use omnibus_model::{Command, HolderId, LogIndex, Offset, Outcome, Refusal, ShardId, StreamId, Timestamp};
use omnibus_record::{Encoded, InvalidBatch, SharedMessage};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::baskets::{CourierId, Load, Note};
use crate::consumers::{ConsumerConfig, ConsumerRequest, Occupied};
use crate::engine::Engine;
use crate::error::SubmitError;
use crate::parcels::Parcel;
use crate::receivers::{Receive, Received};
use crate::shard::{Addressed, Enqueueing, FannedOut, FanningOut, Request};

/// The layout of [`Asked`] and [`Answer`]; a node refuses any other.
pub(super) const VERSION: u8 = 4;

/// Something to be done by whoever leads a shard.
pub(crate) trait Errand: Clone + Send + Sync {
    type Answer: Send + 'static;

    /// Has this node's shard do it.
    fn here(self, engine: &Engine, shard: ShardId) -> impl Future<Output = Result<Self::Answer, SubmitError>> + Send;

    /// What another node is asked.
    fn asked(&self) -> Asked;

    /// Takes the answer out of what came back; none if it answers something else.
    fn answer(answered: Answered) -> Option<Self::Answer>;

    /// How long the leader may let it wait.
    fn wait(&self) -> Duration {
        Duration::ZERO
    }

    /// The same, for a leader that is asked so much later.
    #[must_use]
    fn after(self, _spent: Duration) -> Self {
        self
    }
}

/// What a node asks of the leader of a shard. New ones go to the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Asked {
    Submit(Command),
    SubmitAll(Vec<Command>),
    /// Whole messages, each with its checksum.
    Enqueue {
        queue: QueuePlace,
        messages: Vec<(Bytes, Option<Origin>)>,
    },
    /// Whole messages with plain envelopes, and where each goes.
    FanOut(Vec<(Bytes, Vec<(QueuePlace, Envelope)>)>),
    Receive {
        queue: QueuePlace,
        acquire: Acquire,
        wait: Duration,
    },
    Barrier,
    /// Commands that stand in one entry.
    Together(Vec<Command>),
    /// Begins a consumer that is connected to the node that asks.
    Attach(Attach),
    /// How many consume a queue, by its lowest stream.
    CountConsumers(StreamId),
    /// Releases what some consumers hold, of one shard.
    CloseConsumers {
        courier: CourierId,
        consumers: Vec<u64>,
    },
    /// Of no shard, as all that a courier asks: what was handed out to the consumers of a node. It says the number of
    /// the newest load that it has.
    Collect {
        courier: CourierId,
        has: u64,
        wait: Duration,
    },
    /// What consumers have to say; the number grows.
    Tell {
        courier: CourierId,
        number: u64,
        notes: Vec<Note>,
    },
    /// Hands out no more to a consumer; it ends when all that was handed out has been collected.
    CancelConsumer {
        courier: CourierId,
        consumer: u64,
    },
    /// The courier comes no more.
    Leave(CourierId),
    /// Records that cannot be read elsewhere; whoever is asked need not lead.
    Records {
        stream: StreamId,
        from: Offset,
        to: Offset,
    },
    /// Of no shard: something for a front end here.
    HandOver(Parcel),
    /// Of no shard: whether somebody here waits for parcels.
    AwaitsParcels(u128),
}

/// What the leader says. New ones go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answered {
    Outcome(Outcome),
    Outcomes(Vec<Result<Outcome, SubmitError>>),
    Appended(Vec<Result<Appended, Refusal>>),
    Received(Received),
    Barrier,
    Together(Vec<Result<Outcome, Refusal>>),
    Attached(Result<HolderId, Occupied>),
    /// How much it is.
    Count(u64),
    /// Nothing yet, or a load.
    Collected(Option<Load>),
    /// The courier is not known, or no more.
    Gone,
    /// None if not all of it is here.
    Records(Option<Records>),
    FannedOut(Vec<FannedOut>),
    /// Whether somebody has it, or waits.
    HandedOver(bool),
}

/// The first batches of what was asked for: base, number of offsets, newest timestamp and bytes of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Records {
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    pub(crate) batches: Vec<(Offset, u32, Timestamp, Bytes)>,
}

/// An answer, and the entry that it may rest on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) at: LogIndex,
    pub(super) answered: Result<Answered, SubmitError>,
}

/// Which shard of a node is asked what.
pub(super) fn encode_asked(shard: ShardId, asked: &Asked) -> Bytes {
    encode(&(shard, asked))
}

pub(super) fn decode_asked(bytes: &[u8]) -> Option<(ShardId, Asked)> {
    decode(bytes)
}

pub(super) fn encode_answer(answer: &Answer) -> Bytes {
    encode(answer)
}

pub(super) fn decode_answer(bytes: &[u8]) -> Option<Answer> {
    decode(bytes)
}

fn encode(value: &impl Serialize) -> Bytes {
    postcard::to_extend(value, vec![VERSION]).expect("plain memory always serialises").into()
}

fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes.strip_prefix(&[VERSION])?) {
        Ok((value, [])) => Some(value),
        Ok(_) | Err(_) => None,
    }
}

/// Reads bytes as a question and as an answer. What can be read is read again as it was when it is written.
///
/// # Panics
/// If it is not.
pub fn read_errand(bytes: &[u8]) {
    if let Some((shard, asked)) = decode_asked(bytes) {
        let written = encode_asked(shard, &asked);
        let (again, asked) = decode_asked(&written).expect("it was written here");
        assert_eq!(encode_asked(again, &asked), written);
    }
    if let Some(answer) = decode_answer(bytes) {
        let written = encode_answer(&answer);
        assert_eq!(encode_answer(&decode_answer(&written).expect("it was written here")), written);
    }
}

impl Errand for Command {
    type Answer = Outcome;

    async fn here(self, engine: &Engine, shard: ShardId) -> Result<Outcome, SubmitError> {
        let term = engine.leading_term(shard)?;
        let outcome = engine.request(shard, |reply| Request::Submit { command: self, reply }).await;
        if is_refused(&outcome) {
            engine.confirm(shard, term).await?;
        }
        outcome
    }

    fn asked(&self) -> Asked {
        Asked::Submit(self.clone())
    }

    fn answer(answered: Answered) -> Option<Outcome> {
        if let Answered::Outcome(outcome) = answered { Some(outcome) } else { None }
    }
}

/// Whether a command was refused, or all that it asked for: such an outcome rests on what this node knows, and on no entry.
fn is_refused(outcome: &Result<Outcome, SubmitError>) -> bool {
    fn all<T, E>(results: &[Result<T, E>]) -> bool {
        !results.is_empty() && results.iter().all(Result::is_err)
    }
    match outcome {
        Err(error) => matches!(error, SubmitError::Refused(_)),
        Ok(Outcome::Settled { results, .. }) => all(results),
        Ok(Outcome::Extended { results }) => all(results),
        Ok(Outcome::OffsetsDeleted { partitions }) => all(partitions),
        Ok(Outcome::Left { members }) => !members.is_empty() && members.iter().all(|(_, left)| left.is_err()),
        Ok(_) => false,
    }
}

/// Commands, in order, each with an answer of its own.
#[derive(Clone, Debug)]
pub(crate) struct All(pub(crate) Vec<Command>);

impl Errand for All {
    type Answer = Vec<Result<Outcome, SubmitError>>;

    async fn here(self, engine: &Engine, shard: ShardId) -> Result<Self::Answer, SubmitError> {
        let term = engine.leading_term(shard)?;
        let mut answers = Vec::with_capacity(self.0.len());
        for command in self.0 {
            let (reply, answer) = oneshot::channel();
            engine.send(shard, Request::Submit { command, reply }).await?;
            answers.push(answer);
        }
        let mut outcomes = Vec::with_capacity(answers.len());
        for answer in answers {
            outcomes.push(answer.await.unwrap_or(Err(SubmitError::Closing)));
        }
        // The others may have been carried out, and are not to be done again.
        if outcomes.iter().any(is_refused)
            && let Err(unsure) = engine.confirm(shard, term).await
        {
            let refused = outcomes.iter_mut().filter(|outcome| is_refused(outcome));
            refused.for_each(|outcome| *outcome = Err(unsure.clone()));
        }
        Ok(outcomes)
    }

    fn asked(&self) -> Asked {
        Asked::SubmitAll(self.0.clone())
    }

    fn answer(answered: Answered) -> Option<Self::Answer> {
        if let Answered::Outcomes(outcomes) = answered { Some(outcomes) } else { None }
    }
}

/// Commands for the partitions of a queue, in one entry.
#[derive(Clone, Debug)]
pub(crate) struct Together(pub(crate) Vec<Command>);

impl Errand for Together {
    type Answer = Vec<Result<Outcome, Refusal>>;

    async fn here(self, engine: &Engine, shard: ShardId) -> Result<Self::Answer, SubmitError> {
        let term = engine.leading_term(shard)?;
        let decided = engine.request(shard, |reply| Request::Together { commands: self.0, reply }).await;
        engine.sure_of_all((shard, term), decided, Result::is_err).await
    }

    fn asked(&self) -> Asked {
        Asked::Together(self.0.clone())
    }

    fn answer(answered: Answered) -> Option<Self::Answer> {
        if let Answered::Together(outcomes) = answered { Some(outcomes) } else { None }
    }
}

/// Messages for a queue.
#[derive(Clone, Debug)]
pub(crate) struct Enqueue {
    pub(crate) queue: QueuePlace,
    pub(crate) messages: Vec<(Encoded, Option<Origin>)>,
}

impl Errand for Enqueue {
    type Answer = Vec<Result<Appended, Refusal>>;

    async fn here(self, engine: &Engine, shard: ShardId) -> Result<Self::Answer, SubmitError> {
        let Self { queue, messages } = self;
        let term = engine.leading_term(shard)?;
        let decided = engine.request(shard, |reply| Request::Enqueue(Enqueueing { queue, messages, reply })).await;
        engine.sure_of_all((shard, term), decided, Result::is_err).await
    }

    fn asked(&self) -> Asked {
        let messages = self.messages.iter().map(|(message, origin)| (message.joined(), *origin)).collect();
        Asked::Enqueue { queue: self.queue, messages }
    }

    fn answer(answered: Answered) -> Option<Self::Answer> {
        if let Answered::Appended(appended) = answered { Some(appended) } else { None }
    }
}

impl Enqueue {
    /// Takes messages as they came from another node.
    pub(super) fn read(queue: QueuePlace, messages: Vec<(Bytes, Option<Origin>)>) -> Result<Self, InvalidBatch> {
        let encoded = |(bytes, origin): (Bytes, _)| Ok((Encoded::read(&bytes)?, origin));
        Ok(Self { queue, messages: messages.into_iter().map(encoded).collect::<Result<_, _>>()? })
    }
}

/// Messages, each for many queues of a shard.
#[derive(Clone, Debug)]
pub(crate) struct FanOut(pub(crate) Vec<Addressed>);

impl Errand for FanOut {
    type Answer = Vec<FannedOut>;

    async fn here(self, engine: &Engine, shard: ShardId) -> Result<Self::Answer, SubmitError> {
        let term = engine.leading_term(shard)?;
        let decided = engine.request(shard, |reply| Request::FanOut(FanningOut { messages: self.0, reply })).await;
        engine.sure_of_all((shard, term), decided, has_refusal).await
    }

    fn asked(&self) -> Asked {
        Asked::FanOut(self.0.iter().map(|each| (each.message.joined(), each.targets.clone())).collect())
    }

    fn answer(answered: Answered) -> Option<Self::Answer> {
        if let Answered::FannedOut(answers) = answered { Some(answers) } else { None }
    }
}

/// Whether some queue did not take a message.
fn has_refusal(answer: &FannedOut) -> bool {
    match answer {
        Ok(places) => places.iter().any(Result::is_err),
        Err(error) => matches!(error, SubmitError::Refused(_)),
    }
}

impl FanOut {
    /// Takes messages as they came from another node.
    pub(super) fn read(messages: Vec<(Bytes, Vec<(QueuePlace, Envelope)>)>) -> Result<Self, InvalidBatch> {
        let read = |(message, targets): (Bytes, _)| {
            // Whoever waits for it is connected elsewhere, as a rule.
            Ok(Addressed { message: SharedMessage::read(&message)?, targets, is_transient: false })
        };
        Ok(Self(messages.into_iter().map(read).collect::<Result<_, _>>()?))
    }
}

/// A wish for records of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Take {
    pub(crate) queue: QueuePlace,
    pub(crate) acquire: Acquire,
    pub(crate) wait: Duration,
}

impl Errand for Take {
    type Answer = Received;

    async fn here(self, engine: &Engine, shard: ShardId) -> Result<Received, SubmitError> {
        let Self { queue, acquire, wait } = self;
        let term = engine.leading_term(shard)?;
        let receive = |reply| Request::Receive(Receive { queue, acquire, wait, reply });
        let received = engine.request(shard, receive).await?;
        if received.is_empty() {
            // A lease is committed. That there was nothing may have been true before.
            engine.confirm(shard, term).await?;
        }
        Ok(received)
    }

    fn asked(&self) -> Asked {
        Asked::Receive { queue: self.queue, acquire: self.acquire, wait: self.wait }
    }

    fn answer(answered: Answered) -> Option<Received> {
        if let Answered::Received(received) = answered { Some(received) } else { None }
    }

    fn wait(&self) -> Duration {
        self.wait
    }

    fn after(self, spent: Duration) -> Self {
        Self { wait: self.wait.saturating_sub(spent), ..self }
    }
}

/// A wish to be given records of a queue as they come.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Attach {
    pub(crate) queue: QueuePlace,
    pub(crate) config: ConsumerConfig,
    pub(crate) courier: CourierId,
    /// How its courier calls the consumer.
    pub(crate) consumer: u64,
    /// Nothing was begun yet that this courier knows of, so the leader need not know it either.
    pub(crate) is_first: bool,
}

impl Errand for Attach {
    type Answer = Result<HolderId, Occupied>;

    async fn here(self, engine: &Engine, shard: ShardId) -> Result<Self::Answer, SubmitError> {
        engine.attach_for_courier(shard, self).await
    }

    fn asked(&self) -> Asked {
        Asked::Attach(*self)
    }

    fn answer(answered: Answered) -> Option<Self::Answer> {
        if let Answered::Attached(attached) = answered { Some(attached) } else { None }
    }
}

/// Counts who consumes a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountConsumers(pub(crate) StreamId);

impl Errand for CountConsumers {
    type Answer = u32;

    async fn here(self, engine: &Engine, shard: ShardId) -> Result<u32, SubmitError> {
        let count = |reply| Request::Consumer(ConsumerRequest::Count { stream: self.0, reply });
        engine.request(shard, count).await
    }

    fn asked(&self) -> Asked {
        Asked::CountConsumers(self.0)
    }

    fn answer(answered: Answered) -> Option<u32> {
        if let Answered::Count(count) = answered { u32::try_from(count).ok() } else { None }
    }
}

/// Closes consumers that are connected to the node that asks.
#[derive(Clone, Debug)]
pub(crate) struct CloseConsumers {
    pub(crate) courier: CourierId,
    pub(crate) consumers: Vec<u64>,
}

impl Errand for CloseConsumers {
    type Answer = u64;

    async fn here(self, engine: &Engine, shard: ShardId) -> Result<u64, SubmitError> {
        engine.close_for_courier(shard, self).await
    }

    fn asked(&self) -> Asked {
        Asked::CloseConsumers { courier: self.courier, consumers: self.consumers.clone() }
    }

    fn answer(answered: Answered) -> Option<u64> {
        if let Answered::Count(count) = answered { Some(count) } else { None }
    }
}

/// Learns how far the shard is committed, at least, by now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Barrier;

impl Errand for Barrier {
    type Answer = ();

    async fn here(self, engine: &Engine, shard: ShardId) -> Result<(), SubmitError> {
        engine.ask_leader(shard, |_| ()).await
    }

    fn asked(&self) -> Asked {
        Asked::Barrier
    }

    fn answer(answered: Answered) -> Option<()> {
        (answered == Answered::Barrier).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use omnibus_model::NodeId;

    #[test]
    fn what_is_asked_and_answered_is_read_as_it_was_written_and_nothing_shorter_or_longer_is() {
        let asked = encode_asked(ShardId(3), &Asked::SubmitAll(vec![Command::Tick, Command::EndSessions]));
        let Some((ShardId(3), Asked::SubmitAll(commands))) = decode_asked(&asked) else { panic!("it is a request") };
        assert_eq!(commands, [Command::Tick, Command::EndSessions]);
        let parcel = Parcel { to: u128::MAX, parts: vec![Bytes::new(), Bytes::from_static(b"a part")] };
        let handed = encode_asked(ShardId(0), &Asked::HandOver(parcel.clone()));
        let Some((_, Asked::HandOver(read))) = decode_asked(&handed) else { panic!("it is a request") };
        assert_eq!(read, parcel);
        let answered = Err(SubmitError::NotLeader { leader: Some(NodeId(2)) });
        let answer = encode_answer(&Answer { at: LogIndex(7), answered: answered.clone() });
        let read = decode_answer(&answer).unwrap();
        assert_eq!((read.at, read.answered), (LogIndex(7), answered));
        for length in 0..asked.len() {
            assert!(decode_asked(&asked[..length]).is_none(), "{length} bytes");
        }
        assert!(decode_asked(&[&asked[..], b"!"].concat()).is_none());
        assert!(decode_answer(&[&[VERSION + 1], &answer[1..]].concat()).is_none());
    }
}
