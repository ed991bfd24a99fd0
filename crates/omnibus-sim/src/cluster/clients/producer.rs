//! Sends batches: each again until it is acknowledged, if the broker knows the producer, or else once.

use omnibus_engine::{Engine, Payload, SubmitError};
use omnibus_model::outcome::Appended;
use omnibus_model::topic::Partition;
use omnibus_model::{NodeId, ProducerEpoch, ProducerId, ProducerStamp};
use tokio::time::sleep;

use super::{Client, PAUSE, TOPIC, Told};
use crate::cluster::ledger::{Fate, Sent};
use crate::payload;

const RULE: &str = "what is acknowledged has its place";

/// Sends to both partitions until it is told to stop.
pub(super) async fn produce(mut client: Client, is_idempotent: bool) {
    let mut producer = Producer { id: None, next: Vec::new() };
    while !client.is_over() {
        client.pause().await;
        let Some(topic) = client.topic(TOPIC) else { continue };
        if is_idempotent && producer.id.is_none() {
            producer.id = allocate(&mut client).await;
            continue;
        }
        producer.next.resize(topic.partitions.len(), 0);
        let place = client.chance.place(topic.partitions.len());
        producer.send(&mut client, place, topic.partitions[place]).await;
    }
}

#[derive(Debug)]
struct Producer {
    id: Option<ProducerId>,
    /// The next sequence number of each partition.
    next: Vec<u32>,
}

async fn allocate(client: &mut Client) -> Option<ProducerId> {
    let access = client.any()?;
    match client.told(access.ask(access.engine.allocate_producer()).await) {
        Told::Yes(id) => Some(id),
        Told::No(_) | Told::Unknown => None,
    }
}

impl Producer {
    async fn send(&mut self, client: &mut Client, place: usize, partition: Partition) {
        let stamp = self.id.map(|id| ProducerStamp { id, epoch: ProducerEpoch(0), sequence_first: self.next[place] });
        let Some(now) = client.any().map(|access| access.engine.now()) else { return };
        let (batch, bytes) = payload::batch(&mut client.chance, now, stamp);
        let is_idempotent = stamp.is_some();
        let sent = Sent { stream: partition.stream, count: batch.count, is_idempotent, fate: Fate::Unknown };
        let number = client.site.world.with(|state| state.ledger.send(sent, &bytes));
        let payload = Payload { batch, bytes };
        let mut leader = None;
        while !client.site.world.is_broken() {
            match attempt(client, &mut leader, partition, payload.clone()).await {
                Told::Yes(appended) => {
                    client.site.world.note("placed", &[number as u64, partition.stream.0, appended.base.0]);
                    client.site.world.check(RULE, |ledger| ledger.placed(number, appended.base));
                    self.next[place] += batch.count;
                    return;
                }
                Told::No(SubmitError::Refused(refusal)) => {
                    client.violate(RULE, format!("batch {number} is refused: {refusal}"));
                    return;
                }
                // Nobody but a producer that the broker knows may send it again.
                Told::No(_) if !is_idempotent => {
                    client.site.world.with(|state| state.ledger.refused(number));
                    return;
                }
                Told::Unknown if !is_idempotent => return,
                Told::No(_) | Told::Unknown if client.is_over() => return,
                Told::No(_) | Told::Unknown => sleep(PAUSE).await,
            }
        }
    }
}

async fn attempt(
    client: &mut Client,
    leader: &mut Option<NodeId>,
    partition: Partition,
    payload: Payload,
) -> Told<Appended> {
    let known = leader.take().and_then(|node| client.site.access(node));
    let Some(access) = known.or_else(|| client.any()) else {
        return Told::No(SubmitError::NotLeader { leader: None });
    };
    let told = access.ask(append(access.engine.clone(), partition, payload)).await;
    if let Some(Err(SubmitError::NotLeader { leader: known })) = &told {
        *leader = *known;
    }
    client.told(told)
}

async fn append(engine: Engine, partition: Partition, payload: Payload) -> Result<Appended, SubmitError> {
    engine.append(partition.shard, partition.stream, payload).await?.appended().await
}
