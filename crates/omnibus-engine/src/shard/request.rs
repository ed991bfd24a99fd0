//! What a shard can be asked.

use bytes::Bytes;
use omnibus_broker::Broker;
use omnibus_model::command::{JoinGroup, SyncGroup};
use omnibus_model::{BatchInfo, Command, Outcome, ProducerStamp, StreamId};
use tokio::sync::oneshot;

use super::Snapshot;
use super::fan_out::FanningOut;
use super::groups::Heartbeat;
use super::queues::{Enqueueing, TogetherReply};
use crate::consumers::ConsumerRequest;
use crate::error::SubmitError;
use crate::pending::Answer;
use crate::receivers::Receive;
use crate::waiting::{JoinReply, SyncReply};

/// What a shard can be asked.
pub enum Request {
    Submit {
        command: Command,
        reply: oneshot::Sender<Result<Outcome, SubmitError>>,
    },
    Append(Appending),
    Join {
        command: Box<JoinGroup>,
        reply: JoinReply,
    },
    Sync {
        command: Box<SyncGroup>,
        reply: SyncReply,
    },
    Heartbeat(Heartbeat),
    /// Commands that stand in the log together.
    Together {
        commands: Vec<Command>,
        reply: TogetherReply,
    },
    Enqueue(Enqueueing),
    FanOut(FanningOut),
    Receive(Receive),
    Consumer(ConsumerRequest),
    /// A question to the broker; its answer waits for all that came before it.
    Ask(Question),
    /// The same, of a shard that may follow; whoever asks knows that it is as far as matters.
    AskApplied(Question),
    Checkpoint {
        reply: oneshot::Sender<Snapshot>,
    },
}

impl Request {
    /// Whether somebody may be given more when this is done, and nobody minds if it is done before what was asked earlier. The end
    /// of a consumer is not of this kind: what it has settled before is settled.
    pub(crate) const fn makes_room(&self) -> bool {
        match self {
            Self::Submit { command, .. } => makes_room(command),
            Self::Consumer(request) => {
                matches!(request, ConsumerRequest::SetCredit { .. } | ConsumerRequest::Taken { .. })
            }
            _ => false,
        }
    }

    /// Answers whoever waits for an answer with an error.
    pub(super) fn refuse(self, broker: &Broker, error: SubmitError) {
        // Whoever asked may have hung up.
        match self {
            Self::Submit { reply, .. } | Self::Append(Appending { reply, .. }) => drop(reply.send(Err(error))),
            Self::Join { reply, .. } => drop(reply.send(Err(error))),
            Self::Sync { reply, .. } => drop(reply.send(Err(error))),
            Self::Heartbeat(heartbeat) => drop(heartbeat.reply.send(Err(error))),
            Self::Together { reply, .. } => drop(reply.send(Err(error))),
            Self::Enqueue(Enqueueing { reply, .. }) => drop(reply.send(Err(error))),
            Self::FanOut(FanningOut { reply, .. }) => drop(reply.send(Err(error))),
            Self::Receive(receive) => drop(receive.reply.send(Err(error))),
            Self::Consumer(request) => request.refuse(error),
            Self::Ask(question) | Self::AskApplied(question) => question(broker)(Err(error)),
            // Nobody is told: who saves checkpoints takes the next shard's.
            Self::Checkpoint { .. } => {}
        }
    }
}

/// Whether what is held is less afterwards, or held for longer.
pub(super) const fn makes_room(command: &Command) -> bool {
    matches!(command, Command::Settle { .. } | Command::Extend { .. })
}

/// What is asked of a broker, and what gives the answer to whoever asked.
pub type Question = Box<dyn FnOnce(&Broker) -> Answer + Send>;

/// A batch on its way into a stream.
#[derive(Debug)]
pub struct Appending {
    pub stream: StreamId,
    pub batch: BatchInfo,
    pub payload: Bytes,
    pub reply: oneshot::Sender<Result<Outcome, SubmitError>>,
}

impl Appending {
    /// Whose it is, if its producer is idempotent.
    pub(super) fn stamp(&self) -> Option<(StreamId, ProducerStamp)> {
        self.batch.producer.map(|stamp| (self.stream, stamp))
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Submit { command, .. } => f.debug_tuple("Submit").field(command).finish(),
            Self::Append(appending) => f.debug_tuple("Append").field(&appending.stream).finish(),
            Self::Together { commands, .. } => f.debug_tuple("Together").field(commands).finish(),
            Self::Join { command, .. } => f.debug_tuple("Join").field(command).finish(),
            Self::Sync { command, .. } => f.debug_tuple("Sync").field(command).finish(),
            Self::Heartbeat(heartbeat) => f.debug_tuple("Heartbeat").field(heartbeat).finish(),
            Self::Enqueue(enqueueing) => f.debug_tuple("Enqueue").field(&enqueueing.queue).finish(),
            Self::FanOut(fanning_out) => f.debug_tuple("FanOut").field(&fanning_out.messages.len()).finish(),
            Self::Receive(receive) => f.debug_tuple("Receive").field(&receive.acquire).finish(),
            Self::Consumer(request) => f.debug_tuple("Consumer").field(request).finish(),
            Self::Ask(_) => f.write_str("Ask"),
            Self::AskApplied(_) => f.write_str("AskApplied"),
            Self::Checkpoint { .. } => f.write_str("Checkpoint"),
        }
    }
}
