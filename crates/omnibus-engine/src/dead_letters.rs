//! Where dead letters go whose queue names no other: a front end says so when each has died (ADR 0075).

use std::fmt::Debug;

use omnibus_model::queue::Dying;
use omnibus_model::topic::{QueuePlace, SharedTopic};
use omnibus_record::Message;

/// A record that its queue has given up.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    pub queue: &'a SharedTopic,
    /// Why, when, and how often it was delivered.
    pub dying: &'a Dying,
    /// As it was stored, with what became of it before.
    pub message: &'a Message,
}

/// What becomes of a dead letter.
#[derive(Clone, Debug)]
pub enum Route {
    /// Each of these queues gets it, as it is written here: with a body, native fields, group and priority; the rest is
    /// the broker's affair. If it is for nobody, it is gone.
    To { message: Box<Message>, queues: Vec<QueuePlace> },
    /// That cannot be said yet. It stays where it is, and is asked for again.
    NotNow,
}

/// Finds the way of dead letters. It may be asked for the same one again, and then may say something else: who has got it does
/// not get it twice.
pub trait DeadLetterRouter: Debug + Send + Sync {
    /// Says who gets a dead letter; none if its queue's dead letters are not this front end's affair.
    fn route(&self, letter: DeadLetter<'_>) -> Option<Route>;
}
