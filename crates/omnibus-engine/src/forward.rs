//! Takes what is asked here to whoever leads the shard (ADR 0037). Only the decision travels: what was
//! decided comes back over the log, and is read here.
//!
//! An answer of another node is passed on when this node has applied the entry that it rests on, so
//! whoever asked finds here what they were told.

mod gathering;
mod carrying;
mod parcelling;
mod errand;
mod patience;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omnibus_broker::Broker;
use omnibus_log::{Replacement, Stretch};
use omnibus_model::{Bug, Command, NodeId, Offset, Outcome, ShardId, StreamId, planted};
use omnibus_replication::Leadership;
use tokio::time::{sleep, timeout};

pub(crate) use carrying::Attached;
pub use errand::read_errand;
pub(crate) use errand::{All, Barrier, CloseConsumers, CountConsumers, Enqueue, Errand, FanOut, Take, Together};
use errand::{Answer, Answered, Asked, Records};
pub(crate) use patience::listen;
use patience::{PATIENCE, Patience};

use crate::blocking::blocking;
use crate::engine::Engine;
use crate::error::SubmitError;
use crate::line::{Line, Place};
use crate::peers::{PeerError, Peers};

/// How soon is looked again who leads.
const PAUSE: Duration = Duration::from_millis(20);

/// How many bytes of records another node is given at once, about.
const RECORDS_BYTES: usize = 1 << 20;

/// How long names are waited for that others may have made.
const NAMES: Duration = Duration::from_secs(1);

impl Engine {
    /// From now on, what other nodes lead is asked of them. Only the first way counts; it comes before anybody pushes.
    pub fn connect(&self, peers: Arc<dyn Peers>) {
        if self.inner.peers.set(peers).is_err() {
            tracing::warn!("there is a way to the other nodes already");
        }
    }

    /// Whether there is a way to other nodes.
    pub(crate) fn has_peers(&self) -> bool {
        self.inner.peers.get().is_some()
    }

    /// Puts a command to a shard and waits for what becomes of it.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn submit(&self, shard: ShardId, command: Command) -> Result<Outcome, SubmitError> {
        self.carry_out(shard, command).await
    }

    /// Puts commands to a shard, in order, and waits for what becomes of each.
    ///
    /// # Errors
    /// [`SubmitError`], of all of them.
    pub(crate) async fn submit_all(
        &self,
        shard: ShardId,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Outcome, SubmitError>>, SubmitError> {
        self.carry_out(shard, All(commands)).await
    }

    /// Has whoever leads a shard do something. What surely did not happen because the leader changed is
    /// tried again with the next one.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub(crate) async fn carry_out<E: Errand>(&self, shard: ShardId, errand: E) -> Result<E::Answer, SubmitError> {
        self.carry_out_in_line(shard, errand, None).await
    }

    /// Does the same; what stands in a line is done in its order, whoever leads.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub(crate) async fn carry_out_in_line<E: Errand>(
        &self,
        shard: ShardId,
        errand: E,
        line: Option<&Line>,
    ) -> Result<E::Answer, SubmitError> {
        match self.inner.peers.get() {
            None => errand.here(self, shard).await,
            // In a box, so that who waits on a node without peers does not hold the room for it.
            Some(peers) => {
                let patience = Patience::begin(self, errand.wait());
                Box::pin(self.carry_anywhere(peers, (shard, line.map(|line| line.stand(shard))), errand, patience))
                    .await
            }
        }
    }

    async fn carry_anywhere<E: Errand>(
        &self,
        peers: &Arc<dyn Peers>,
        (shard, place): (ShardId, Option<Place>),
        errand: E,
        patience: Patience,
    ) -> Result<E::Answer, SubmitError> {
        loop {
            if self.is_closing() {
                return Err(SubmitError::Closing);
            }
            // Before anybody is asked: what was asked might yet be done.
            if self.is_cut_off(shard) {
                return Err(SubmitError::NotLeader { leader: None });
            }
            let leadership = self.leadership(shard);
            if let Some(place) = place.as_ref().filter(|place| !place.ask(leadership)) {
                if self.patiently(shard, patience, place.turn()).await.is_none() {
                    return Err(SubmitError::NotLeader { leader: self.leader(shard) });
                }
                continue;
            }
            let leader = self.leader(shard).unwrap_or_else(|| self.node());
            let asking = self.ask_once(peers, (shard, leadership), errand.clone().after(patience.spent(self)));
            let answer = self.patiently(shard, patience, asking).await;
            match answer.unwrap_or(Err(SubmitError::Lost { leader })) {
                Err(SubmitError::NotLeader { .. }) if patience.may_look(self) => {
                    place.iter().for_each(Place::ask_again);
                    sleep(PAUSE).await;
                }
                Err(SubmitError::NotLeader { .. }) => {
                    return Err(SubmitError::NotLeader { leader: self.leader(shard) });
                }
                result => return result,
            }
        }
    }

    async fn ask_once<E: Errand>(
        &self,
        peers: &Arc<dyn Peers>,
        (shard, leadership): (ShardId, Leadership),
        errand: E,
    ) -> Result<E::Answer, SubmitError> {
        match leadership {
            Leadership::Here { .. } => errand.here(self, shard).await,
            Leadership::Elsewhere { leader: Some(node), .. } => self.ask_peer(peers, node, shard, &errand).await,
            Leadership::Elsewhere { leader: None, .. } => Err(SubmitError::NotLeader { leader: None }),
        }
    }

    /// Asks a shard's broker something; the answer rests on all that was answered before this was asked.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        shard: ShardId,
        question: impl Fn(&Broker) -> T + Send + Sync + 'static,
    ) -> Result<T, SubmitError> {
        match self.inner.peers.get() {
            None => self.ask_leader(shard, question).await,
            Some(peers) => Box::pin(self.ask_anywhere(peers, shard, question)).await,
        }
    }

    async fn ask_anywhere<T: Send + 'static>(
        &self,
        peers: &Arc<dyn Peers>,
        shard: ShardId,
        question: impl Fn(&Broker) -> T + Send + Sync + 'static,
    ) -> Result<T, SubmitError> {
        let question = Arc::new(question);
        let patience = Patience::begin(self, Duration::ZERO);
        while patience.may_look(self) {
            // The leader says how far it is; then this node's own memory knows as much.
            self.carry_anywhere(peers, (shard, None), Barrier, patience).await?;
            let again = Arc::clone(&question);
            // It waits for what is under way, too.
            match self.patiently(shard, patience, self.ask_here(shard, move |broker| again(broker))).await {
                // It has applied what is lost, and is being rebuilt.
                Some(Err(SubmitError::NotLeader { .. })) => sleep(PAUSE).await,
                Some(answer) => return answer,
                None => break,
            }
        }
        Err(SubmitError::NotLeader { leader: self.leader(shard) })
    }

    /// Learns all names that were given before this is asked, of which this node may not have heard; gives up after a second.
    pub async fn learn_names(&self) {
        if self.has_peers() && timeout(NAMES, self.carry_out(ShardId::METADATA, Barrier)).await.is_err() {
            tracing::debug!("nobody says which names there are");
        }
    }

    /// Makes sure that this node leads a shard, and that nobody else does who could know more.
    ///
    /// # Errors
    /// [`SubmitError::NotLeader`].
    pub async fn confirm_lead(&self, shard: ShardId) -> Result<(), SubmitError> {
        if self.has_peers() { self.ask_leader(shard, |_| ()).await } else { Ok(()) }
    }

    /// Asks another node, for as long as it takes.
    async fn ask_peer<E: Errand>(
        &self,
        peers: &Arc<dyn Peers>,
        node: NodeId,
        shard: ShardId,
        errand: &E,
    ) -> Result<E::Answer, SubmitError> {
        let lost = || SubmitError::Lost { leader: node };
        let asked = errand::encode_asked(shard, &errand.asked());
        let answer = match peers.ask(node, asked).await {
            Ok(answer) => answer,
            Err(PeerError::Unreachable { .. }) => return Err(SubmitError::NotLeader { leader: None }),
            Err(PeerError::Lost { .. }) => return Err(lost()),
        };
        let Answer { at, answered } = errand::decode_answer(&answer).ok_or_else(lost)?;
        let answered = answered.map_err(|error| match error {
            // It is that node which ends, and not this one.
            SubmitError::Closing | SubmitError::Broken => lost(),
            error => error,
        });
        let answer = match answered {
            Ok(answered) => Ok(E::answer(answered).ok_or_else(lost)?),
            // Why not can be looked up here as well.
            Err(refused @ SubmitError::Refused(_)) => Err(refused),
            Err(error) => return Err(error),
        };
        if !planted(Bug::AnswerOutrunsLog) {
            self.inner.reached.wait(shard, at).await;
        }
        answer
    }
}

/// Records that have rotted on one node.
impl Engine {
    /// Asks another node for the first part of some records; none if it does not have all of them.
    pub(crate) async fn fetch_records(&self, node: NodeId, stream: StreamId, range: Range<Offset>) -> Option<Stretch> {
        let asked = Asked::Records { stream, from: range.start, to: range.end };
        let asking = self.inner.peers.get()?.ask(node, errand::encode_asked(ShardId::METADATA, &asked));
        let answer = timeout(PATIENCE, asking).await.ok()?.ok()?;
        let Answered::Records(records) = errand::decode_answer(&answer)?.answered.ok()? else { return None };
        let Records { from, to, batches } = records?;
        let batch = |(base, count, timestamp_max, bytes)| Replacement { base, count, timestamp_max, bytes };
        Some(Stretch { stream, from, to, batches: batches.into_iter().map(batch).collect() })
    }

    /// Reads what another node asks for, whoever leads: what can be read is committed.
    async fn records_here(&self, stream: StreamId, range: Range<Offset>) -> Option<Records> {
        let bounds = self.bounds(stream);
        if range.start < bounds.start || bounds.end < range.end || range.is_empty() {
            return None;
        }
        let log = self.inner.log.clone();
        let read = blocking(move || log.stretch(stream, range, RECORDS_BYTES)).await;
        let Stretch { from, to, batches, .. } = read.ok()?.ok()??;
        let batch = |Replacement { base, count, timestamp_max, bytes }| (base, count, timestamp_max, bytes);
        Some(Records { from, to, batches: batches.into_iter().map(batch).collect() })
    }
}

/// For other nodes.
impl Engine {
    /// Does what another node asks, if this node leads the shard in question, and answers in the same
    /// form. Takes requests in the order of calls as far as they were polled in it.
    pub async fn answer_peer(&self, request: Bytes) -> Bytes {
        let asked = errand::decode_asked(&request);
        let (shard, answered) = match asked.filter(|(shard, _)| usize::from(shard.0) < self.inner.shards.len()) {
            // Somebody else leads soon.
            Some((shard, _)) if self.is_closing() => (shard, Err(SubmitError::NotLeader { leader: None })),
            // What is done now might come to a majority much later, once more for each time that somebody tries.
            Some((shard, asked)) if may_wait_for_majority(&asked) && self.is_cut_off(shard) => {
                (shard, Err(SubmitError::Lost { leader: self.node() }))
            }
            Some((shard, asked)) => {
                let waits = may_wait_for_majority(&asked);
                let doing = Box::pin(self.do_here(shard, asked));
                let done = if waits { self.unless_cut_off(shard, doing).await } else { Some(doing.await) };
                (shard, done.unwrap_or(Err(SubmitError::Lost { leader: self.node() })))
            }
            None => (ShardId::METADATA, Err(SubmitError::NotUnderstood)),
        };
        errand::encode_answer(&Answer { at: self.inner.reached.newest(shard), answered })
    }

    async fn do_here(&self, shard: ShardId, asked: Asked) -> Result<Answered, SubmitError> {
        let unreadable = |_| SubmitError::NotUnderstood;
        match asked {
            Asked::Submit(command) => command.here(self, shard).await.map(Answered::Outcome),
            Asked::SubmitAll(commands) => All(commands).here(self, shard).await.map(Answered::Outcomes),
            Asked::Together(commands) => Together(commands).here(self, shard).await.map(Answered::Together),
            Asked::Enqueue { queue, messages } => {
                let errand = Enqueue::read(queue, messages).map_err(unreadable)?;
                errand.here(self, shard).await.map(Answered::Appended)
            }
            Asked::FanOut(messages) => {
                let errand = FanOut::read(messages).map_err(unreadable)?;
                errand.here(self, shard).await.map(Answered::FannedOut)
            }
            Asked::Receive { queue, acquire, wait } => {
                Take { queue, acquire, wait }.here(self, shard).await.map(Answered::Received)
            }
            Asked::Records { stream, from, to } => Ok(Answered::Records(self.records_here(stream, from..to).await)),
            Asked::Barrier => Barrier.here(self, shard).await.map(|()| Answered::Barrier),
            Asked::Attach(attach) => attach.here(self, shard).await.map(Answered::Attached),
            Asked::CountConsumers(stream) => {
                CountConsumers(stream).here(self, shard).await.map(|count| Answered::Count(count.into()))
            }
            Asked::CloseConsumers { courier, consumers } => {
                CloseConsumers { courier, consumers }.here(self, shard).await.map(Answered::Count)
            }
            Asked::Collect { courier, has, wait } => Ok(self.collect_for_courier(courier, has, wait).await),
            Asked::Tell { courier, number, notes } => self.tell_for_courier((courier, number), notes).await,
            Asked::CancelConsumer { courier, consumer } => self.cancel_for_courier(courier, consumer).await,
            Asked::HandOver(parcel) => Ok(self.take_parcel(parcel)),
            Asked::AwaitsParcels(to) => Ok(self.says_who_awaits_parcels(to)),
            Asked::Leave(courier) => {
                self.close_basket(courier).await;
                Ok(Answered::Gone)
            }
        }
    }
}

/// Whether something is for a shard's leader, who answers when others have it, too, or have confirmed that he leads.
const fn may_wait_for_majority(asked: &Asked) -> bool {
    match asked {
        Asked::Submit(_)
        | Asked::SubmitAll(_)
        | Asked::Together(_)
        | Asked::Enqueue { .. }
        | Asked::FanOut(_)
        | Asked::Receive { .. }
        | Asked::Barrier
        | Asked::Attach(_)
        | Asked::CountConsumers(_)
        | Asked::CloseConsumers { .. } => true,
        Asked::Collect { .. }
        | Asked::Tell { .. }
        | Asked::CancelConsumer { .. }
        | Asked::Leave(_)
        | Asked::Records { .. }
        | Asked::HandOver(_)
        | Asked::AwaitsParcels(_) => false,
    }
}
