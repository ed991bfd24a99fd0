//! What requests of one connection work on: its channels, its consumers, and what is on its way out.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use omnibus_engine::SubmitError;
use omnibus_engine::consuming::Consumer;
use omnibus_engine::line::Line;
use omnibus_engine::queues::Deliveries;
use omnibus_model::StreamId;
use omnibus_model::queue::Lease;
use omnibus_model::topic::Partition;
use omnibus_record::Message;
use tokio::time::Sleep;

use crate::access::Access;
use crate::budget::Share;
use crate::door::Door;
use crate::errors::{Fault, Scope};
use crate::hosts::Host;
use crate::inbox::Inbox;
use crate::later::Later;
use crate::meter::{Counted, Meter, Present};
use crate::publishes::Publishing;
use crate::registry::{ChannelState, ConnectionState, ConsumerState};
use crate::replies::{Mailbox, REPLIES_MAX, Reply};
use crate::session::{Channel, ConsumerNumber, Mode};
use crate::ways::Ways;
use crate::wire::frame::begins_publish;
use crate::wire::{Method, ShortText, Table};

/// Batches of deliveries that wait for the connection.
const EVENTS_MAX: usize = 4;

/// Queues that are deleted at a time when their connection ends.
const DELETED_AT_ONCE: usize = 256;

/// One client's connection, without its socket.
pub(crate) struct Link {
    pub(crate) door: Arc<Door>,
    pub(crate) meter: Arc<Meter>,
    /// What its exclusive queues are known by.
    pub(crate) owner: String,
    pub(crate) user: String,
    /// Where its queues and exchanges are.
    pub(crate) host: Host,
    /// What its user may do there.
    pub(crate) access: Box<Access>,
    /// Whether the client wants to know when a queue goes that it consumes.
    pub(crate) hears_cancels: bool,
    /// Whether the client wants to know when its publishes must wait.
    pub(crate) hears_blocks: bool,
    /// Nothing is read before there is enough again of what was short when it wanted to publish.
    pub(crate) is_blocked: bool,
    pub(crate) channel_max: u16,
    pub(crate) frame_max: usize,
    /// In boxes, as are consumers: a map has room for eleven as soon as there is one.
    pub(crate) channels: BTreeMap<u16, Box<Channel>>,
    pub(crate) channels_opened: u64,
    pub(crate) consumers: BTreeMap<ConsumerNumber, Box<Subscription>>,
    pub(crate) consumers_begun: ConsumerNumber,
    /// Who holds what channels have fetched, per queue.
    pub(crate) pulls: BTreeMap<(u16, StreamId), Consumer>,
    /// Deliveries that wait until the consumers of a channel hold less.
    pub(crate) parked: BTreeMap<u16, VecDeque<Parked>>,
    /// When those go back that are not written by then.
    pub(crate) giving_back: Option<Pin<Box<Sleep>>>,
    /// Queues that go with the connection.
    pub(crate) exclusive: Vec<String>,
    pub(crate) out: BytesMut,
    pub(crate) publishing: Publishing,
    /// Where its messages went lately.
    pub(crate) ways: Ways,
    /// Keeps messages in order when another node begins to lead a queue.
    pub(crate) line: Line,
    /// Settlements that are being written.
    pub(crate) settling: FuturesUnordered<Later<Settled>>,
    /// What pays for messages that arrive in parts.
    pub(crate) arriving: BTreeMap<u16, Share>,
    /// What comes of its consumers.
    pub(crate) events: Inbox<Event>,
    /// Direct replies for this connection, and the way to them once somebody waits.
    pub(crate) replies: Inbox<Reply>,
    pub(crate) mailbox: Option<Mailbox>,
    pub(crate) ending: Ending,
}

/// How far the end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It goes on.
    No,
    /// The client was told, and has not answered yet.
    Told,
    /// Nothing more is read.
    Done,
}

/// What became of settlements.
#[derive(Debug)]
pub(crate) struct Settled {
    /// How many deliveries of each consumer it were.
    pub(crate) consumers: BTreeMap<ConsumerNumber, u32>,
    /// How many were not held any more and come again.
    pub(crate) result: Result<usize, SubmitError>,
}

/// A consumer that has begun.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) channel: u16,
    pub(crate) tag: ShortText,
    pub(crate) queue: String,
    /// Nothing is settled: what is handed out is done.
    pub(crate) is_automatic: bool,
    /// Its queue's messages say how often they have come back.
    pub(crate) counts_deliveries: bool,
    /// What the client has asked for.
    pub(crate) asked: Asked,
    /// Grows with what is held, if the client has set no limit.
    pub(crate) is_unlimited: bool,
    /// Has no limit of its own, but that of its channel.
    pub(crate) shares_limit: bool,
    /// It reads a stream: what it is given is not leased, and it reads on when that is settled.
    pub(crate) follows: bool,
    /// How many deliveries the client holds.
    pub(crate) held: u32,
    /// The client has cancelled it.
    pub(crate) is_cancelled: bool,
    /// Until it is cancelled.
    pub(crate) counted: Option<Present>,
    /// The client does not want to hear of that.
    pub(crate) is_silent: bool,
    /// Nothing more comes; it stays for what the client holds of it.
    pub(crate) is_over: bool,
    /// Says what the task that reads for it shall do; if this is dropped, it ends.
    pub(crate) wish: tokio::sync::watch::Sender<Wish>,
    pub(crate) task: tokio::task::JoinHandle<Consumer>,
}

/// What a consumer's client has asked for, as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) place: Partition,
    pub(crate) is_exclusive: bool,
    pub(crate) prefetch: u16,
    pub(crate) arguments: Table,
}

/// What a consumer's task shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) credit: u32,
    /// How much was settled of what a reader of a stream was given.
    pub(crate) settled: u64,
    pub(crate) is_cancelled: bool,
}

/// A delivery that waits.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) consumer: ConsumerNumber,
    pub(crate) queue: Partition,
    /// `None` if it was read of a stream.
    pub(crate) lease: Option<Lease>,
    pub(crate) message: Message,
}

/// What comes of consumers.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) consumer: ConsumerNumber,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Deliveries(Deliveries),
    /// What was read of a stream.
    Read(Partition, Vec<Message>),
    /// As the client wished; nothing more comes.
    Cancelled,
    /// Nothing more comes, as the queue is gone or cannot be served.
    Ended,
    /// The process can write nothing more.
    Broken,
}

impl Link {
    pub(crate) fn new(door: Arc<Door>) -> Self {
        Self {
            owner: door.new_owner(),
            door,
            meter: Arc::default(),
            user: String::new(),
            host: Host::default(),
            access: Box::new(Access::none()),
            hears_cancels: false,
            hears_blocks: false,
            is_blocked: false,
            channel_max: 0,
            frame_max: 0,
            channels: BTreeMap::new(),
            channels_opened: 0,
            consumers: BTreeMap::new(),
            consumers_begun: 0,
            pulls: BTreeMap::new(),
            parked: BTreeMap::new(),
            giving_back: None,
            exclusive: Vec::new(),
            out: BytesMut::new(),
            publishing: Publishing::default(),
            ways: Ways::default(),
            line: Line::default(),
            settling: FuturesUnordered::new(),
            arriving: BTreeMap::new(),
            events: Inbox::new(EVENTS_MAX),
            replies: Inbox::new(REPLIES_MAX),
            mailbox: None,
            ending: Ending::No,
        }
    }

    /// Lets a user in.
    pub(crate) fn enter(&mut self, user: &str, host: Host) {
        *self.access = Access::of(&self.door, user, &host);
        user.clone_into(&mut self.user);
        self.host = host;
    }

    /// Looks whether its virtual host and its user are still there; why it ends if they are not.
    pub(crate) fn outlived(&mut self) -> Option<Fault> {
        if !self.door.has_host(&self.host) {
            return Some(Fault::HostDeleted(self.host.name().to_owned()));
        }
        (!self.access.refresh(&self.door)).then(|| Fault::UserDeleted(self.user.clone()))
    }

    /// Writes a method for the client.
    pub(crate) fn tell(&mut self, channel: u16, method: &Method) {
        method.put(&mut self.out, channel);
    }

    /// Holds back a publish that would begin now while something is short; returns whether it is held back.
    pub(crate) fn holds_back(&mut self, received: &[u8]) -> bool {
        // What has begun is taken whole: it has its share of the memory already.
        if !begins_publish(received) || self.channels.values().any(|channel| channel.is_receiving()) {
            return false;
        }
        let Some(shortage) = self.door.shortage() else { return false };
        self.is_blocked = true;
        if self.hears_blocks {
            self.tell(0, &Method::ConnectionBlocked { reason: ShortText::from(shortage.reason()) });
        }
        true
    }

    /// Goes on after a publish was held back.
    pub(crate) fn unblock(&mut self) {
        if std::mem::replace(&mut self.is_blocked, false) && self.hears_blocks {
            self.tell(0, &Method::ConnectionUnblocked {});
        }
    }

    /// The channel that a request came by.
    pub(crate) fn channel(&mut self, number: u16) -> Result<&mut Channel, Fault> {
        self.channels.get_mut(&number).map(Box::as_mut).ok_or(Fault::ChannelState("expected 'channel.open'"))
    }

    /// How it is now; it has received and sent so many bytes.
    pub(crate) fn describe(&self, (received_bytes, sent_bytes): (u64, u64)) -> ConnectionState {
        let channels = self.channels.iter().filter(|(_, channel)| !channel.is_closing);
        let channels = channels.map(|(number, channel)| self.describe_channel(*number, channel)).collect();
        ConnectionState { is_blocked: self.is_blocked, received_bytes, sent_bytes, channels }
    }

    fn describe_channel(&self, number: u16, channel: &Channel) -> ChannelState {
        let (publishes_held_back, settlements_held_back) = channel.held_back();
        let consumers = channel.consumers.values().filter_map(|begun| self.consumers.get(begun).map(Box::as_ref));
        let consumer = |each: &Subscription| ConsumerState {
            tag: each.tag.lossy(),
            queue: each.queue.clone(),
            place: each.asked.place,
            settles: !each.is_automatic,
            is_exclusive: each.asked.is_exclusive,
            prefetch: each.asked.prefetch,
            arguments: each.asked.arguments.clone(),
        };
        ChannelState {
            number,
            confirms: matches!(channel.mode, Mode::Confirm { .. }),
            is_transactional: matches!(channel.mode, Mode::Tx(_)),
            prefetch: channel.prefetch,
            prefetch_all: channel.prefetch_all,
            unacknowledged: channel.held_count(),
            unconfirmed: channel.unconfirmed(),
            publishes_held_back,
            settlements_held_back,
            consumers: consumers.map(consumer).collect(),
        }
    }

    /// Tells the client why something was not done, and closes what must be closed.
    pub(crate) async fn fail(&mut self, channel: u16, fault: Fault, (class, method): (u16, u16)) {
        let (code, text) = (fault.code(), ShortText::from(&*fault.reply_text()));
        if code.scope == Scope::Connection || channel == 0 || !self.channels.contains_key(&channel) {
            tracing::debug!(%fault, "a connection is closed");
            self.end_all().await;
            self.tell(0, &Method::ConnectionClose { code: code.number, text, class, method });
            self.ending = Ending::Told;
            return;
        }
        tracing::debug!(%fault, channel, "a channel is closed");
        self.end_channel(channel).await;
        // It is forgotten when the client has heard of it.
        self.channels.insert(channel, Box::new(Channel::closing()));
        self.tell(channel, &Method::ChannelClose { code: code.number, text, class, method });
    }

    /// Ends a channel: all that it holds goes back, before anybody else is served.
    pub(crate) async fn end_channel(&mut self, channel: u16) {
        self.parked.remove(&channel);
        self.arriving.remove(&channel);
        let ended = self.channels.remove(&channel);
        ended.iter().for_each(|ended| self.count_ended(ended));
        ended.and_then(|ended| ended.replying).iter().for_each(|(token, _)| self.door.replies.leave(*token));
        let ending: Vec<Subscription> = self
            .consumers
            .extract_if(.., |_, subscription| subscription.channel == channel)
            .map(|(_, each)| *each)
            .collect();
        let pulls: Vec<Consumer> =
            self.pulls.extract_if(.., |(of, _), _| *of == channel).map(|(_, each)| each).collect();
        self.close(ending, pulls).await;
    }

    /// Ends all channels, and deletes the queues that are the connection's own.
    pub(crate) async fn end_all(&mut self) {
        // What the client has said still counts.
        while self.settling.next().await.is_some() {}
        while self.publishing.under_way.next().await.is_some() {}
        self.parked.clear();
        self.arriving.clear();
        let ended = std::mem::take(&mut self.channels);
        ended.values().for_each(|ended| self.count_ended(ended));
        for (token, _) in ended.into_values().filter_map(|channel| channel.replying) {
            self.door.replies.leave(token);
        }
        let ending: Vec<Subscription> = std::mem::take(&mut self.consumers).into_values().map(|each| *each).collect();
        let pulls: Vec<Consumer> = std::mem::take(&mut self.pulls).into_values().collect();
        self.close(ending, pulls).await;
        let own = std::mem::take(&mut self.exclusive);
        let (door, owner) = (&self.door, &self.owner);
        // Those that are deleted at the same time share their writes.
        stream::iter(own).for_each_concurrent(DELETED_AT_ONCE, |queue| door.delete_own(queue, owner)).await;
    }

    fn count_ended(&self, channel: &Channel) {
        self.meter.add(Counted::ChannelsClosed, u64::from(!channel.is_closing));
        self.meter.add(Counted::PublishersGone, u64::from(channel.has_published));
    }

    async fn close(&mut self, ending: Vec<Subscription>, mut consumers: Vec<Consumer>) {
        let mut queues = Vec::new();
        for Subscription { wish, task, queue, .. } in ending {
            drop(wish);
            queues.push(queue);
            consumers.extend(task.await);
        }
        if consumers.is_empty() {
            return;
        }
        if let Err(error) = self.door.engine.close_consumers(consumers).await {
            tracing::debug!(%error, "consumers were not closed in good order: whoever leads releases what they held");
        }
        for queue in queues {
            self.lost_consumer(&queue).await;
        }
    }

    /// Deletes a queue that nobody consumes any more, if it was declared so.
    pub(crate) async fn lost_consumer(&mut self, queue: &str) {
        let Some(queue) = self.door.find(queue).filter(|queue| queue.nature.is_auto_delete) else { return };
        match self.door.engine.consumer_count(queue.place).await {
            Ok(0) => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(queue = queue.name(), %error, "whether anybody consumes a queue is not known");
                return;
            }
        }
        if let Err(fault) = self.door.delete(&queue).await {
            tracing::warn!(queue = queue.name(), %fault, "a queue that nobody consumes was not deleted");
        }
    }
}
