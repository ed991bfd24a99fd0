//! Those who use the cluster, and what they were promised.

mod consumer;
mod offsets;
mod producer;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::{Fate, SubmitError};
use omnibus_model::NodeId;
use omnibus_model::command::{CreateQueue, CreateTopic};
use omnibus_model::queue::{CursorConfig, QueueConfig};
use omnibus_model::topic::{SharedTopic, TopicConfig};
use omnibus_model::{Refusal, TopicId, TopicName};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::site::{Access, Site};
use crate::random::Random;
use crate::violation::Violation;

pub(crate) use consumer::read_stream;
pub(crate) use queue::drain;

/// How soon whoever found nobody looks again.
const PAUSE: Duration = Duration::from_millis(50);

/// The topic that producers write to, and the queue.
pub(crate) const TOPIC: &str = "events";
pub(crate) const QUEUE: &str = "jobs";
const PARTITIONS: u32 = 2;

/// One who uses the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) site: Arc<Site>,
    pub(crate) chance: Random,
}

/// What became of something that was asked for.
#[derive(Debug)]
pub(crate) enum Told<T> {
    Yes(T),
    /// It will never happen.
    No(SubmitError),
    Unknown,
}

impl Client {
    pub(crate) fn new(site: &Arc<Site>) -> Self {
        Self { site: Arc::clone(site), chance: site.world.chance() }
    }

    pub(crate) async fn pause(&mut self) {
        let millis = self.chance.within(0..=self.site.scenario.pause_max);
        sleep(Duration::from_millis(millis)).await;
    }

    /// Some node whose process is there.
    pub(crate) fn any(&mut self) -> Option<Access> {
        let all = self.site.all();
        self.chance.pick(&all).cloned()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.site.world.is_stopping() || self.site.world.is_broken()
    }

    /// A topic, as some node knows it.
    pub(crate) fn topic(&mut self, name: &str) -> Option<SharedTopic> {
        self.any()?.engine.catalog().topic(name)
    }

    /// Notes what was told.
    pub(crate) fn told<T>(&self, told: Option<Result<T, SubmitError>>) -> Told<T> {
        let told = match told {
            Some(Ok(answer)) => Told::Yes(answer),
            Some(Err(error)) if error.fate() == Fate::NotApplied => Told::No(error),
            Some(Err(_)) | None => Told::Unknown,
        };
        self.site.world.with(|state| match told {
            Told::Yes(_) => state.tally.acknowledged += 1,
            Told::No(_) => state.tally.refused += 1,
            Told::Unknown => state.tally.unknown += 1,
        });
        told
    }

    pub(crate) fn violate(&self, rule: &'static str, detail: impl Into<String>) {
        self.site.world.violate(Violation::new(rule, detail));
    }

    /// Creates what there is to be used, on whichever nodes are there.
    async fn create(mut self) {
        let name = |name| TopicName::new(name).expect("a short name");
        for kind in [TOPIC, QUEUE] {
            while !self.is_over() {
                sleep(PAUSE).await;
                let Some(access) = self.any() else { continue };
                let id = TopicId(u128::from(self.chance.draw()));
                let engine = access.engine.clone();
                let config = TopicConfig::default();
                let created = if kind == TOPIC {
                    let command = CreateTopic { name: name(kind), id, partitions: PARTITIONS, config };
                    access.ask(engine.create_topic(command)).await
                } else {
                    let queue = QueueConfig { cursor: CursorConfig::default(), ..QueueConfig::default() };
                    let command = CreateQueue { name: name(kind), id, config, queue };
                    access.ask(engine.create_queue(command)).await
                };
                match self.told(created) {
                    Told::Yes(_) => {
                        self.check_created(&access, kind);
                        break;
                    }
                    Told::No(SubmitError::Refused(Refusal::TopicExists { .. })) => break,
                    Told::No(SubmitError::Refused(refusal)) => {
                        self.violate("names are as they were made", refusal.to_string());
                    }
                    Told::No(_) | Told::Unknown => {}
                }
            }
        }
    }

    fn check_created(&self, access: &Access, name: &str) {
        if !access.life.is_over() && access.engine.catalog().topic(name).is_none() {
            let NodeId(node) = access.node;
            self.violate("names are as they were made", format!("node {node} made {name} and does not know it"));
        }
    }
}

/// All who use the cluster until they are told to stop.
pub(crate) fn begin(site: &Arc<Site>) -> Vec<JoinHandle<()>> {
    let mut clients = vec![tokio::spawn(Client::new(site).create())];
    for number in 0..site.scenario.producers {
        clients.push(tokio::spawn(producer::produce(Client::new(site), number % 2 == 0)));
    }
    clients.push(tokio::spawn(consumer::consume(Client::new(site))));
    clients.push(tokio::spawn(consumer::ask_for_ends(Client::new(site))));
    clients.push(tokio::spawn(consumer::trim(Client::new(site))));
    clients.extend((0..2).map(|_| tokio::spawn(consumer::ask_for_leaders(Client::new(site)))));
    clients.push(tokio::spawn(offsets::commit(Client::new(site))));
    clients.extend((0..2).map(|_| tokio::spawn(offsets::ask(Client::new(site)))));
    for _ in 0..site.scenario.queue_clients {
        clients.push(tokio::spawn(queue::send(Client::new(site))));
        clients.push(tokio::spawn(queue::receive(Client::new(site))));
    }
    clients
}
