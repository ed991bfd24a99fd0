//! What is done on this node for its consumers of queues that another node leads: its courier goes there,
//! brings what was handed out, and tells what they have to say.

use std::sync::Arc;
use std::time::Duration;

use omnibus_model::topic::QueuePlace;
use omnibus_model::{HolderId, NodeId, ShardId};
use omnibus_replication::Leadership;
use tokio::time::{sleep, timeout};

use super::PAUSE;
use super::errand::{Answer, Answered, Asked, Attach, decode_answer, encode_asked};
use super::gathering::AWAY_MAX;
use super::patience::{PATIENCE, Patience};
use crate::baskets::CourierId;
use crate::consumers::{ConsumerConfig, ConsumerKey, ConsumerRequest, Occupied, Registration, Served};
use crate::couriers::{Courier, Post, Posted};
use crate::engine::Engine;
use crate::error::SubmitError;
use crate::outbox::{Ended, Outbox};
use crate::peers::Peers;
use crate::shard::Request;

/// How long a courier waits for something at a time.
const WAIT: Duration = Duration::from_secs(1);

/// How often is looked whether somebody else leads by now.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many looks nobody may need a courier before it goes no more.
const IDLE_LOOKS: u32 = 50;

/// How long who closes waits for the leader to hear it.
const GOODBYE: Duration = Duration::from_millis(500);

/// A consumer's way to whoever leads its queue's shard.
#[derive(Debug)]
pub(crate) enum Attached {
    Here(Registration),
    There(Posted),
}

impl Attached {
    pub(crate) const fn holder(&self) -> HolderId {
        match self {
            Self::Here(registration) => registration.key.holder,
            Self::There(posted) => posted.holder,
        }
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        match self {
            Self::Here(registration) => &registration.outbox,
            Self::There(posted) => &posted.post.outbox,
        }
    }

    /// The courier of a consumer elsewhere.
    pub(crate) fn courier(&self) -> Option<CourierId> {
        self.post().map(|post| post.courier.id)
    }

    /// How that calls it.
    pub(crate) fn number(&self) -> Option<u64> {
        self.post().map(|post| post.number)
    }

    /// What a consumer here is called.
    pub(crate) const fn key(&self) -> Option<ConsumerKey> {
        match self {
            Self::Here(registration) => Some(registration.key),
            Self::There(_) => None,
        }
    }

    /// Notes that so many more records were taken that nobody settles. What lies here was taken when it was looked at.
    pub(crate) fn took(&self, count: u64) {
        if let Some(post) = self.post() {
            post.took(count);
        }
    }

    /// Says that somebody else sees to the end of it.
    pub(crate) fn forget(&mut self) {
        match self {
            Self::Here(registration) => registration.forget(),
            Self::There(posted) => posted.post.forget(),
        }
    }

    /// Ends it without a word; says whether the shard is here.
    pub(crate) fn hang_up(&mut self) -> bool {
        match self {
            Self::Here(registration) => {
                registration.hang_up();
                true
            }
            // Its courier is told when it is dropped.
            Self::There(_) => false,
        }
    }

    const fn post(&self) -> Option<&Post> {
        match self {
            Self::Here(_) => None,
            Self::There(posted) => Some(&posted.post),
        }
    }
}

impl Engine {
    /// Begins a consumer at whoever leads the queue's shard.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub(crate) async fn attach(
        &self,
        queue: QueuePlace,
        config: ConsumerConfig,
    ) -> Result<Result<Attached, Occupied>, SubmitError> {
        match self.inner.peers.get() {
            None => self.attach_here(queue, config).await,
            // In a box, so that a consumer's task does not hold the room for it.
            Some(peers) => Box::pin(self.attach_anywhere(peers, queue, config)).await,
        }
    }

    async fn attach_anywhere(
        &self,
        peers: &Arc<dyn Peers>,
        queue: QueuePlace,
        config: ConsumerConfig,
    ) -> Result<Result<Attached, Occupied>, SubmitError> {
        let shard = queue.shard();
        let patience = Patience::begin(self, Duration::ZERO);
        while patience.may_look(self) && !self.is_cut_off(shard) {
            if self.is_closing() {
                return Err(SubmitError::Closing);
            }
            let leader = self.leader(shard).unwrap_or_else(|| self.node());
            let attaching = self.attach_once(peers, queue, config);
            let attached = self.patiently(shard, patience, attaching).await;
            match attached.unwrap_or(Err(SubmitError::Lost { leader })) {
                Err(SubmitError::NotLeader { .. }) => sleep(PAUSE).await,
                attached => return attached,
            }
        }
        Err(SubmitError::NotLeader { leader: self.leader(shard) })
    }

    async fn attach_once(
        &self,
        peers: &Arc<dyn Peers>,
        queue: QueuePlace,
        config: ConsumerConfig,
    ) -> Result<Result<Attached, Occupied>, SubmitError> {
        match self.leadership(queue.shard()) {
            Leadership::Here { .. } => self.attach_here(queue, config).await,
            Leadership::Elsewhere { leader: Some(node), .. } => self.attach_there((peers, node), queue, config).await,
            Leadership::Elsewhere { leader: None, .. } => Err(SubmitError::NotLeader { leader: None }),
        }
    }

    async fn attach_here(
        &self,
        queue: QueuePlace,
        config: ConsumerConfig,
    ) -> Result<Result<Attached, Occupied>, SubmitError> {
        let served = Served::default();
        let begin = |reply| Request::Consumer(ConsumerRequest::Begin { queue, config, served, reply });
        Ok(self.request(queue.shard(), begin).await?.map(Attached::Here))
    }

    async fn attach_there(
        &self,
        (peers, node): (&Arc<dyn Peers>, NodeId),
        queue: QueuePlace,
        config: ConsumerConfig,
    ) -> Result<Result<Attached, Occupied>, SubmitError> {
        let shard = queue.shard();
        // If nobody waits for the answer any more, or it is lost, the leader is told that its consumer has gone.
        let post = self.post(peers, (node, shard));
        let courier = Arc::clone(&post.courier);
        let attach = Attach { queue, config, courier: courier.id, consumer: post.number, is_first: !courier.has_met() };
        let attached = self.ask_peer(peers, node, shard, &attach).await?;
        courier.meet();
        if courier.is_over() {
            return Err(SubmitError::NotLeader { leader: None });
        }
        Ok(attached.map(|holder: HolderId| Attached::There(Posted { post, holder })))
    }

    /// Makes a post with the courier to a node, which is sent if there is none.
    fn post(&self, peers: &Arc<dyn Peers>, (leader, shard): (NodeId, ShardId)) -> Post {
        loop {
            let (courier, is_new) = self.inner.couriers.to(leader, || self.courier_id());
            if is_new {
                tokio::spawn(go(self.clone(), Arc::clone(peers), Arc::clone(&courier)));
            }
            if let Some(post) = courier.post(shard) {
                return post;
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any 64 of the random bits will do")]
    fn courier_id(&self) -> CourierId {
        CourierId { node: self.node(), number: self.random() as u64 }
    }

    /// Has a consumer cancelled at its leader; when this returns, all that was handed out is in its outbox.
    pub(crate) async fn cancel_there(&self, posted: &Posted) -> Ended {
        let Post { courier, number, outbox, .. } = &posted.post;
        let asked = Asked::CancelConsumer { courier: courier.id, consumer: *number };
        let asking = async {
            loop {
                match self.ask_courier(courier, &asked, PATIENCE).await {
                    Some(Ok(_)) => return std::future::pending().await,
                    // It is asked again: a leader that has changed ends the consumer in another way.
                    Some(Err(_)) | None => sleep(PAUSE).await,
                }
            }
        };
        tokio::select! {
            biased;
            ended = outbox.until_ended() => ended,
            never = asking => never,
        }
    }

    /// Asks the node that a courier goes to; none if there is no answer.
    async fn ask_courier(
        &self,
        courier: &Courier,
        asked: &Asked,
        patience: Duration,
    ) -> Option<Result<Answered, SubmitError>> {
        let peers = self.inner.peers.get()?;
        let asking = peers.ask(courier.leader, encode_asked(ShardId::METADATA, asked));
        let answer = timeout(patience, asking).await.ok()?.ok()?;
        let Answer { answered, .. } = decode_answer(&answer)?;
        Some(answered)
    }
}

/// Goes to and fro until nobody needs the courier any more, or its leader knows it no more.
async fn go(engine: Engine, peers: Arc<dyn Peers>, courier: Arc<Courier>) {
    let mut closing = engine.inner.closing.subscribe();
    let is_known = tokio::select! {
        biased;
        () = fetch(&engine, &courier) => false,
        () = tell(&engine, &courier) => false,
        () = look_out(&engine, &courier) => true,
        _ = closing.wait_for(|closing| *closing) => true,
    };
    courier.end();
    if is_known && courier.has_met() {
        let leave = encode_asked(ShardId::METADATA, &Asked::Leave(courier.id));
        // If it is not heard, it is noticed.
        drop(timeout(GOODBYE, peers.ask(courier.leader, leave)).await);
    }
}

/// Brings what was handed out, until the leader knows the courier no more, or is silent for as long as it would take it
/// to give the courier up.
async fn fetch(engine: &Engine, courier: &Courier) {
    courier.met().await;
    let mut has = 0;
    let mut heard = engine.clock().elapsed();
    while engine.clock().elapsed().saturating_sub(heard) < AWAY_MAX {
        let asked = Asked::Collect { courier: courier.id, has, wait: WAIT };
        match engine.ask_courier(courier, &asked, AWAY_MAX).await {
            Some(Ok(Answered::Collected(load))) => {
                heard = engine.clock().elapsed();
                if let Some(load) = load.filter(|load| load.number == has + 1) {
                    has = load.number;
                    courier.distribute(load);
                }
            }
            Some(_) => return,
            None => sleep(PAUSE).await,
        }
    }
}

/// Tells what the consumers have to say, until the leader knows the courier no more.
async fn tell(engine: &Engine, courier: &Courier) {
    courier.met().await;
    for number in 1.. {
        let asked = Asked::Tell { courier: courier.id, number, notes: courier.to_tell().await };
        loop {
            match engine.ask_courier(courier, &asked, PATIENCE).await {
                Some(Ok(Answered::Barrier)) => break,
                Some(_) => return,
                // What was told may be told again.
                None => sleep(PAUSE).await,
            }
        }
    }
}

/// Ends those whose shard somebody else leads by now; returns when nobody has needed the courier for some time.
async fn look_out(engine: &Engine, courier: &Courier) {
    let mut idle = 0;
    while idle < IDLE_LOOKS || !courier.end_if_idle() {
        sleep(LOOK_EVERY).await;
        let shards = courier.shards();
        idle = if shards.is_empty() { idle + 1 } else { 0 };
        for shard in shards {
            if let Some(leader) = engine.leader(shard).filter(|leader| *leader != courier.leader) {
                courier.end_shard(shard, Some(leader));
            }
        }
    }
}
