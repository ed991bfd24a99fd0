//! The connections of this node, as those see them who look after it: who is there, and a way to ask and to end them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use omnibus_model::Timestamp;
use omnibus_model::topic::Partition;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::errors::Fault;
use crate::hosts::Host;
use crate::meter::{Counts, Meter};
use crate::wire::Table;

/// Words that wait for a connection; who says one more waits.
const WORDS_MAX: usize = 4;

/// How long a connection may take to say how it is.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Where the two ends of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub peer: SocketAddr,
    pub local: SocketAddr,
}

/// What is known of a connection once it is open.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    pub ends: Ends,
    pub user: String,
    /// The virtual host that it is connected to.
    pub host: String,
    pub mechanism: String,
    /// What the client says of itself.
    pub client: Table,
    pub channel_max: u16,
    pub frame_max: usize,
    /// In seconds; 0 is none.
    pub heartbeat: u16,
    pub connected_at: Timestamp,
    /// What its exclusive queues are known by.
    pub owner: String,
}

impl ConnectionInfo {
    /// What RabbitMQ calls the connection.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} -> {}", self.ends.peer, self.ends.local)
    }
}

/// A connection as it was when it was asked.
#[derive(Clone, Debug, Default)]
pub struct ConnectionState {
    /// It has a publish that waits until there is enough again of what is short.
    pub is_blocked: bool,
    pub received_bytes: u64,
    pub sent_bytes: u64,
    pub channels: Vec<ChannelState>,
}

/// A channel as it was when its connection was asked.
#[derive(Clone, Debug, Default)]
pub struct ChannelState {
    pub number: u16,
    pub confirms: bool,
    pub is_transactional: bool,
    pub prefetch: u16,
    pub prefetch_all: u16,
    /// Deliveries that are not settled.
    pub unacknowledged: usize,
    /// Publishes that are not confirmed.
    pub unconfirmed: usize,
    /// What a transaction holds back.
    pub publishes_held_back: usize,
    pub settlements_held_back: usize,
    pub consumers: Vec<ConsumerState>,
}

/// A consumer as it was when its connection was asked.
#[derive(Clone, Debug)]
pub struct ConsumerState {
    pub tag: String,
    pub queue: String,
    pub place: Partition,
    pub settles: bool,
    pub is_exclusive: bool,
    pub prefetch: u16,
    pub arguments: Table,
}

/// What a connection is told.
#[derive(Debug)]
pub(crate) enum Word {
    Describe(oneshot::Sender<ConnectionState>),
    /// It ends, and its client is told why.
    Close(String),
}

/// Who is there.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    connections: BTreeMap<u64, Entry>,
    begun: u64,
    /// What those have counted that are gone.
    gone: Counts,
    /// How many places are taken.
    by_user: BTreeMap<String, u64>,
    by_host: BTreeMap<String, u64>,
    channels_by_user: BTreeMap<String, u64>,
}

#[derive(Clone, Debug)]
struct Entry {
    info: Arc<ConnectionInfo>,
    words: mpsc::Sender<Word>,
    meter: Arc<Meter>,
}

/// What all connections have counted that were ever open, and how many those are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub connections_opened: u64,
    pub connections: u64,
    pub counts: Counts,
}

/// A connection's place among those that are known, for as long as it is there.
#[derive(Debug)]
pub(crate) struct Registered {
    registry: Arc<Registry>,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut known = self.registry.known.lock();
        if let Some(entry) = known.connections.remove(&self.number) {
            known.gone.add(&entry.meter.counts());
        }
    }
}

/// A connection's place among those that its user and its virtual host may have, for as long as it is there.
#[derive(Debug)]
pub(crate) struct Place {
    registry: Arc<Registry>,
    user: String,
    host: Host,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.registry.known.lock();
        leave(&mut known.by_user, &self.user);
        leave(&mut known.by_host, self.host.name());
    }
}

/// A channel's place among those that its user may have, for as long as it is open.
#[derive(Debug)]
pub(crate) struct ChannelPlace {
    registry: Arc<Registry>,
    user: String,
}

impl Drop for ChannelPlace {
    fn drop(&mut self) {
        leave(&mut self.registry.known.lock().channels_by_user, &self.user);
    }
}

fn taken(places: &BTreeMap<String, u64>, of: &str) -> u64 {
    places.get(of).copied().unwrap_or_default()
}

fn leave(places: &mut BTreeMap<String, u64>, of: &str) {
    match places.get_mut(of) {
        Some(taken) if *taken > 1 => *taken -= 1,
        _ => drop(places.remove(of)),
    }
}

impl Registry {
    /// Takes a place for a user's connection to a virtual host, of which each has so many at most.
    pub(crate) fn take_place(
        self: &Arc<Self>,
        (user, host): (&str, &Host),
        (of_user, of_host): (Option<u64>, Option<u64>),
    ) -> Result<Place, Fault> {
        let mut known = self.known.lock();
        if let Some(max) = of_host.filter(|max| taken(&known.by_host, host.name()) >= *max) {
            let (host, user) = (host.name().to_owned(), user.to_owned());
            return Err(Fault::HostConnectionsReached { host, user, max });
        }
        if let Some(max) = of_user.filter(|max| taken(&known.by_user, user) >= *max) {
            return Err(Fault::UserConnectionsReached { user: user.to_owned(), max });
        }
        *known.by_user.entry(user.to_owned()).or_default() += 1;
        *known.by_host.entry(host.name().to_owned()).or_default() += 1;
        Ok(Place { registry: Arc::clone(self), user: user.to_owned(), host: host.clone() })
    }

    /// Takes a place for a channel of a user, who has so many at most.
    pub(crate) fn take_channel(self: &Arc<Self>, user: &str, max: Option<u64>) -> Result<ChannelPlace, Fault> {
        let mut known = self.known.lock();
        if let Some(max) = max.filter(|max| taken(&known.channels_by_user, user) >= *max) {
            return Err(Fault::UserChannelsReached { user: user.to_owned(), max });
        }
        *known.channels_by_user.entry(user.to_owned()).or_default() += 1;
        Ok(ChannelPlace { registry: Arc::clone(self), user: user.to_owned() })
    }

    /// Makes a connection known with what it counts; what is said to it comes through the channel.
    pub(crate) fn enter(
        self: &Arc<Self>,
        info: ConnectionInfo,
        meter: Arc<Meter>,
    ) -> (Registered, mpsc::Receiver<Word>) {
        let (words, coming) = mpsc::channel(WORDS_MAX);
        let mut known = self.known.lock();
        known.begun += 1;
        let number = known.begun;
        known.connections.insert(number, Entry { info: Arc::new(info), words, meter });
        (Registered { registry: Arc::clone(self), number }, coming)
    }

    /// All connections, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<Arc<ConnectionInfo>> {
        self.known.lock().connections.values().map(|entry| Arc::clone(&entry.info)).collect()
    }

    /// What all connections have counted, also those that are gone. It never becomes less.
    pub(crate) fn tally(&self) -> Tally {
        let known = self.known.lock();
        let mut counts = known.gone;
        known.connections.values().for_each(|entry| counts.add(&entry.meter.counts()));
        let connections = known.connections.len() as u64;
        Tally { connections_opened: known.begun, connections, counts }
    }

    /// All connections, each with how it is. One that is busy for too long says nothing of itself.
    pub(crate) async fn describe_all(&self) -> Vec<(Arc<ConnectionInfo>, ConnectionState)> {
        let entries: Vec<Entry> = self.known.lock().connections.values().cloned().collect();
        let asked = entries.into_iter().map(|Entry { info, words, .. }| async move {
            let (answer, described) = oneshot::channel();
            let asking = async {
                words.send(Word::Describe(answer)).await.ok()?;
                described.await.ok()
            };
            let state = timeout(ANSWER_MAX, asking).await.ok().flatten();
            (info, state.unwrap_or_default())
        });
        futures_util::future::join_all(asked).await
    }

    /// Ends a connection by its name; returns whether there was one.
    pub(crate) async fn close(&self, name: &str, reason: String) -> bool {
        let found = self.known.lock().connections.values().find(|entry| entry.info.name() == name).cloned();
        match found {
            // One that is gone is closed.
            Some(entry) => {
                drop(entry.words.send(Word::Close(reason)).await);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_and_left() {
        let registry = Arc::<Registry>::default();
        let (here, there) = (Host::default(), Host::new("there"));
        let take = |user, host, max| registry.take_place((user, host), max);
        let first = take("ada", &here, (Some(1), Some(2))).unwrap();
        let reached = Fault::UserConnectionsReached { user: "ada".into(), max: 1 };
        assert_eq!(take("ada", &there, (Some(1), None)).unwrap_err(), reached);
        let second = take("bob", &here, (None, Some(2))).unwrap();
        let reached = Fault::HostConnectionsReached { host: "/".into(), user: "bob".into(), max: 2 };
        assert_eq!(take("bob", &here, (None, Some(2))).unwrap_err(), reached);
        assert!(take("bob", &there, (None, Some(0))).is_err(), "nobody comes in");
        drop(first);
        drop(take("ada", &here, (Some(1), Some(2))).unwrap());
        drop(second);
        let known = registry.known.lock();
        assert!(known.by_user.is_empty() && known.by_host.is_empty(), "{known:?}");
    }

    #[test]
    fn channels_of_a_user_are_counted_together() {
        let registry = Arc::<Registry>::default();
        let first = registry.take_channel("ada", Some(2)).unwrap();
        let second = registry.take_channel("ada", None).unwrap();
        let reached = Fault::UserChannelsReached { user: "ada".into(), max: 2 };
        assert_eq!(registry.take_channel("ada", Some(2)).unwrap_err(), reached);
        drop(registry.take_channel("bob", Some(1)).unwrap());
        drop(first);
        drop(registry.take_channel("ada", Some(2)).unwrap());
        drop(second);
        assert!(registry.known.lock().channels_by_user.is_empty());
    }
}
