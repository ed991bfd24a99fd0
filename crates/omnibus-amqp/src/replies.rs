//! Direct replies: who asks waits under a name that is no queue, at the node that it is connected to.

use std::collections::BTreeMap;

use bytes::Bytes;
use omnibus_engine::parcels::{Parcel, Recipients};
use omnibus_model::NodeId;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::budget::{Budget, Share};
use crate::inbox::Inbox;
use crate::session::{Content, Publish, Token};
use crate::wire::{Properties, ShortText};

/// The name that those who ask consume from, and give as where they wait.
pub(crate) const DIRECT_REPLY: &str = "amq.rabbitmq.reply-to";

/// What stands before the numbers of the node and of the one who waits there.
const PREFIX: &str = "amq.rabbitmq.reply-to.";

/// The most bytes of a short text.
const SHORT_BYTES_MAX: usize = 255;

/// Where somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) node: NodeId,
    pub(crate) token: Token,
}

/// Direct replies that wait for a connection; one more finds nobody.
pub(crate) const REPLIES_MAX: usize = 1_024;

/// And how many bytes of them, unless there is but one.
const REPLY_BYTES_MAX: usize = 4 << 20;

/// A message for one who waits.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) token: Token,
    pub(crate) content: Content,
    pub(crate) share: Share,
}

/// The way to a connection at which somebody waits.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    replies: mpsc::Sender<Reply>,
    room: Budget,
}

impl Mailbox {
    /// A way to a connection's inbox. All its channels that wait share one, and the room of that.
    pub(crate) fn new(inbox: &mut Inbox<Reply>) -> Self {
        Self { replies: inbox.sender(), room: Budget::new(REPLY_BYTES_MAX) }
    }

    fn put(&self, token: Token, content: Content) -> bool {
        let bytes = content.body.len().saturating_add(content.properties.len());
        let Some(share) = self.room.share(bytes) else { return false };
        self.replies.try_send(Reply { token, content, share }).is_ok()
    }
}

/// All who wait.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    waiting: Mutex<BTreeMap<Token, Mailbox>>,
}

impl Replies {
    pub(crate) fn wait(&self, token: Token, connection: Mailbox) {
        self.waiting.lock().insert(token, connection);
    }

    pub(crate) fn leave(&self, token: Token) {
        self.waiting.lock().remove(&token);
    }

    pub(crate) fn is_there(&self, token: Token) -> bool {
        self.waiting.lock().contains_key(&token)
    }

    /// Hands a message to one who waits; `false` if he has gone, or takes nothing.
    pub(crate) fn send(&self, token: Token, content: Content) -> bool {
        let connection = self.waiting.lock().get(&token).cloned();
        connection.is_some_and(|connection| connection.put(token, content))
    }
}

impl Recipients for Replies {
    fn awaits(&self, to: u128) -> bool {
        self.is_there(to)
    }

    fn take(&self, parcel: Parcel) -> bool {
        let token = parcel.to;
        unpacked(parcel).is_some_and(|content| self.send(token, content))
    }
}

/// A reply for another node.
pub(crate) fn packed(token: Token, content: Content) -> Parcel {
    let Content { publish: Publish { exchange, routing_key, .. }, properties, body } = content;
    Parcel { to: token, parts: vec![exchange.0, routing_key.0, properties, body] }
}

/// A reply from another node, if it is one.
fn unpacked(parcel: Parcel) -> Option<Content> {
    let [exchange, routing_key, properties, body]: [Bytes; 4] = parcel.parts.try_into().ok()?;
    let is_fit = exchange.len().max(routing_key.len()) <= SHORT_BYTES_MAX && Properties::read(&properties).is_ok();
    let publish = Publish { exchange: ShortText(exchange), routing_key: ShortText(routing_key), is_mandatory: false };
    is_fit.then_some(Content { publish, properties, body })
}

impl Address {
    /// The name of one who waits.
    pub(crate) fn name(self) -> String {
        let Self { node, token } = self;
        format!("{PREFIX}{}.{token:032x}", node.0)
    }

    /// Who waits under a name.
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        let (node, digits) = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?.split_once('.')?;
        let address = Self { node: NodeId(node.parse().ok()?), token: Token::from_str_radix(digits, 16).ok()? };
        // There is one way to write it.
        (address.name().as_bytes() == name).then_some(address)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn name_and_address_are_one() {
        let address = Address { node: NodeId(3), token: 7 };
        assert_eq!(Address::of(address.name().as_bytes()), Some(address));
        let zeros = "0".repeat(31);
        for other in ["", ".7", "7", "3.7", &format!("03.{zeros}7"), &format!("+3.{zeros}7"), &format!("3.+{zeros}")] {
            assert_eq!(Address::of(format!("{PREFIX}{other}").as_bytes()), None, "{other}");
        }
        assert_eq!(Address::of(DIRECT_REPLY.as_bytes()), None);
    }

    fn content(bytes: usize) -> Content {
        let publish = Publish { exchange: "".into(), routing_key: "k".into(), is_mandatory: false };
        Content { publish, properties: Properties::default().write(), body: Bytes::from(vec![b'x'; bytes]) }
    }

    #[test]
    fn so_much_waits_for_one_who_takes_nothing() {
        let (replies, mut inbox) = (Replies::default(), Inbox::new(REPLIES_MAX));
        replies.wait(7, Mailbox::new(&mut inbox));
        assert!(replies.send(7, content(REPLY_BYTES_MAX)));
        assert!(!replies.send(7, content(1)) && !replies.send(8, content(1)));
        drop(inbox.receive().now_or_never().unwrap());
        assert_eq!((0..2 * REPLIES_MAX).filter(|_| replies.send(7, content(1))).count(), REPLIES_MAX);
        drop(inbox);
        assert!(!replies.send(7, content(1)));
    }

    #[test]
    fn reply_is_unpacked_as_it_was_packed_and_nothing_else_is() {
        let publish = Publish { exchange: "".into(), routing_key: "k".into(), is_mandatory: false };
        let properties = Properties { priority: Some(3), ..Properties::default() }.write();
        let content = Content { publish, properties, body: Bytes::from_static(b"answer") };
        let parcel = packed(7, content.clone());
        assert_eq!(unpacked(parcel.clone()), Some(content));
        let mut short = parcel.clone();
        short.parts.pop();
        let mut long = parcel.clone();
        long.parts[1] = Bytes::from(vec![b'k'; 256]);
        let mut odd = parcel;
        odd.parts[2] = Bytes::from_static(b"\xff");
        for wrong in [short, long, odd] {
            assert_eq!(unpacked(wrong), None);
        }
    }
}
