//! What is done here for consumers that are connected to other nodes: what is handed out to them waits in
//! their node's basket until its courier comes for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use omnibus_model::{HolderId, ShardId};
use tokio::time::{sleep, timeout};

use super::errand::{Answered, Attach, CloseConsumers};
use crate::baskets::{Basket, Before, CourierId, Gone, Note};
use crate::consumers::{ConsumerKey, ConsumerRequest, Occupied, Registration, Served};
use crate::engine::Engine;
use crate::error::SubmitError;
use crate::shard::Request;

/// How long a courier may stay away before what its consumers hold is released. It comes each second.
pub(super) const AWAY_MAX: Duration = Duration::from_secs(5);

/// How often is looked who stays away.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Engine {
    /// Begins a consumer for another node.
    pub(super) async fn attach_for_courier(
        &self,
        shard: ShardId,
        attach: Attach,
    ) -> Result<Result<HolderId, Occupied>, SubmitError> {
        let Attach { queue, config, courier, consumer, is_first } = attach;
        let basket = match self.inner.baskets.find(courier) {
            Some(basket) => basket,
            None if is_first => self.make_basket(courier).await,
            // It is about to learn that it has been given up.
            None => return Err(SubmitError::NotLeader { leader: None }),
        };
        let served = Served(Some(basket.expect(consumer)?));
        let begin = |reply| Request::Consumer(ConsumerRequest::Begin { queue, config, served, reply });
        let begun = self.request(shard, begin).await;
        let Ok(Ok(registration)) = begun else {
            drop(basket.take_out([consumer]));
            return begun.map(|begun| begun.map(|registration| registration.key.holder));
        };
        match basket.begin(consumer, registration) {
            Some(holder) => Ok(Ok(holder)),
            None => {
                self.listen(shard);
                Err(SubmitError::NotLeader { leader: None })
            }
        }
    }

    /// Releases what consumers of another node hold, before anybody else is served.
    pub(super) async fn close_for_courier(&self, shard: ShardId, close: CloseConsumers) -> Result<u64, SubmitError> {
        let CloseConsumers { courier, consumers } = close;
        let Some(basket) = self.inner.baskets.find(courier) else { return Ok(0) };
        self.close_registrations(shard, basket.take_out(consumers)).await
    }

    /// Waits until there is something for the consumers of another node.
    pub(super) async fn collect_for_courier(&self, courier: CourierId, has: u64, wait: Duration) -> Answered {
        let Some(basket) = self.inner.baskets.find(courier) else { return Answered::Gone };
        let at = |shard| self.inner.reached.newest(shard);
        let waiting = async {
            loop {
                // The bell counts from here on, so nothing is missed between the look and the wait.
                let rung = basket.rung();
                match basket.collect((has, self.clock().elapsed()), at) {
                    Ok(Some(load)) => return Answered::Collected(Some(load)),
                    Ok(None) => rung.await,
                    Err(Gone) => return Answered::Gone,
                }
            }
        };
        let mut closing = self.inner.closing.subscribe();
        tokio::select! {
            biased;
            collected = timeout(wait.min(AWAY_MAX / 2), waiting) => collected.unwrap_or(Answered::Collected(None)),
            _ = closing.wait_for(|closing| *closing) => Answered::Gone,
        }
    }

    /// Learns what the consumers of another node have to say.
    pub(super) async fn tell_for_courier(
        &self,
        (courier, number): (CourierId, u64),
        notes: Vec<Note>,
    ) -> Result<Answered, SubmitError> {
        let Some(basket) = self.inner.baskets.find(courier) else { return Ok(Answered::Gone) };
        if !basket.is_news(number) {
            return Ok(Answered::Barrier);
        }
        let gone = notes.iter().filter(|note| note.is_gone).map(|note| note.consumer);
        self.close_all(basket.take_out(gone)).await;
        for note in notes {
            let Some(key) = basket.key(note.consumer) else { continue };
            let shard = key.queue.shard();
            if let Some(credit) = note.credit {
                let set = ConsumerRequest::SetCredit { consumer: key, credit };
                self.send(shard, Request::Consumer(set)).await?;
            }
            if basket.took(note.consumer, note.taken) {
                self.send(shard, Request::Consumer(ConsumerRequest::Taken { consumer: key })).await?;
            }
        }
        Ok(Answered::Barrier)
    }

    /// Hands out no more to a consumer of another node.
    pub(super) async fn cancel_for_courier(&self, courier: CourierId, consumer: u64) -> Result<Answered, SubmitError> {
        let Some(basket) = self.inner.baskets.find(courier) else { return Ok(Answered::Gone) };
        let Some(key) = basket.key(consumer) else { return Ok(Answered::Barrier) };
        let cancel = |reply| Request::Consumer(ConsumerRequest::Cancel { consumer: key, reply });
        self.request(key.queue.shard(), cancel).await?;
        basket.cancelled(consumer);
        Ok(Answered::Barrier)
    }

    /// Releases all that the consumers of a courier hold.
    pub(super) async fn close_basket(&self, courier: CourierId) {
        if let Some(basket) = self.inner.baskets.find(courier) {
            self.inner.baskets.forget(courier);
            self.close_all(basket.close()).await;
        }
    }

    async fn make_basket(&self, courier: CourierId) -> Arc<Basket> {
        let (basket, before) = self.inner.baskets.find_or_make(courier, self.clock().elapsed());
        if !matches!(before, Before::Same) {
            tokio::spawn(watch(self.clone(), Arc::clone(&basket)));
        }
        if let Before::Another(before) = before {
            // The node has begun anew, and with it all that is connected to it.
            self.close_all(before.close()).await;
        }
        basket
    }

    async fn close_all(&self, registrations: Vec<Registration>) {
        let mut by_shard: BTreeMap<ShardId, Vec<Registration>> = BTreeMap::new();
        for registration in registrations {
            by_shard.entry(registration.key.queue.shard()).or_default().push(registration);
        }
        for (shard, registrations) in by_shard {
            if let Err(error) = self.close_registrations(shard, registrations).await {
                // If another node leads now, it has released what they held.
                tracing::debug!(%shard, %error, "consumers of another node are not closed");
            }
        }
    }

    async fn close_registrations(
        &self,
        shard: ShardId,
        mut registrations: Vec<Registration>,
    ) -> Result<u64, SubmitError> {
        let keys = registrations.iter().map(|registration| registration.key).collect();
        // Whoever stops waiting hangs up.
        let released = self.close_keys(shard, keys).await?;
        registrations.iter_mut().for_each(Registration::forget);
        Ok(released)
    }

    /// Ends consumers of one shard together; returns how much they held.
    pub(crate) async fn close_keys(&self, shard: ShardId, consumers: Vec<ConsumerKey>) -> Result<u64, SubmitError> {
        if consumers.is_empty() {
            return Ok(0);
        }
        self.request(shard, |reply| Request::Consumer(ConsumerRequest::Close { consumers, reply })).await
    }

    /// Has a shard look who has hung up. If its queue is full, it looks after it has worked on it.
    pub(crate) fn listen(&self, shard: ShardId) {
        self.nudge(shard, Request::Consumer(ConsumerRequest::Listen));
    }
}

/// Closes a basket whose courier stays away.
async fn watch(engine: Engine, basket: Arc<Basket>) {
    let mut closing = engine.inner.closing.subscribe();
    loop {
        tokio::select! {
            biased;
            () = sleep(LOOK_EVERY) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
        if basket.is_closed() {
            return;
        }
        if basket.silence(engine.clock().elapsed()) > AWAY_MAX {
            let node = basket.courier.node;
            tracing::warn!(%node, "a node is silent: what its consumers hold is released");
            return engine.close_basket(basket.courier).await;
        }
    }
}
