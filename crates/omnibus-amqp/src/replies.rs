//! Direct replies: who asks waits under a name that is no queue, on this node.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::session::{Content, Token};

/// The name that those who ask consume from, and give as where they wait.
pub(crate) const DIRECT_REPLY: &str = "amq.rabbitmq.reply-to";

/// What stands before the number of one who waits.
const PREFIX: &str = "amq.rabbitmq.reply-to.";

/// A message for one who waits.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) token: Token,
    pub(crate) content: Content,
}

/// All who wait.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    waiting: Mutex<BTreeMap<Token, mpsc::Sender<Reply>>>,
}

impl Replies {
    pub(crate) fn wait(&self, token: Token, connection: mpsc::Sender<Reply>) {
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
        connection.is_some_and(|connection| connection.try_send(Reply { token, content }).is_ok())
    }
}

/// The name of one who waits.
pub(crate) fn name_of(token: Token) -> String {
    format!("{PREFIX}{token:032x}")
}

/// Who waits under a name.
pub(crate) fn token_of(name: &[u8]) -> Option<Token> {
    let digits = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?;
    Token::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_token_are_one() {
        assert_eq!(token_of(name_of(7).as_bytes()), Some(7));
        for other in ["amq.rabbitmq.reply-to", "amq.rabbitmq.reply-to.7", "q"] {
            assert_eq!(token_of(other.as_bytes()), None);
        }
    }
}
