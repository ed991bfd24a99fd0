//! Those who use the node: each acts when the scheduler says so, and looks for its answers.

mod administrator;
mod bookmark;
mod committer;
mod consumer;
mod idempotent_producer;
mod member;
mod plain_producer;
pub(crate) mod queue_config;
mod queue_consumer;
mod queue_keeper;
mod queue_publisher;
mod queue_receiver;
mod queue_sender;
pub(crate) mod queue_steward;
mod reader;

use std::fmt::Debug;

use crate::scenario::{QueueCrowd, Scenario};
use crate::stage::Stage;
use crate::violation::Violation;

/// One client.
pub(crate) trait Client: Debug {
    /// Does the next thing.
    ///
    /// # Errors
    /// A rule that does not hold.
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation>;

    /// Looks for answers.
    ///
    /// # Errors
    /// A rule that does not hold.
    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation>;

    /// Learns that the node was restarted: answers that were on their way are lost.
    ///
    /// # Errors
    /// A rule that does not hold.
    fn restarted(&mut self, stage: &mut Stage) -> Result<(), Violation>;

    /// Nothing is under way, and nothing has gone wrong for a while.
    ///
    /// # Errors
    /// If this client should have got something by now.
    fn at_rest(&self, _stage: &Stage) -> Result<(), Violation> {
        Ok(())
    }
}

/// Everybody.
pub(crate) fn crowd(scenario: &Scenario) -> Vec<Box<dyn Client>> {
    let mut crowd: Vec<Box<dyn Client>> =
        vec![Box::new(administrator::Administrator::default()), Box::new(reader::Reader)];
    match scenario.queues {
        Some(queues) => add_users_of_queues(&mut crowd, queues),
        None => add_users_of_groups(&mut crowd, scenario),
    }
    for number in 0..scenario.producers {
        if number % 2 == 0 {
            crowd.push(Box::new(idempotent_producer::IdempotentProducer::default()));
        } else {
            crowd.push(Box::new(plain_producer::PlainProducer::default()));
        }
    }
    crowd
}

fn add_users_of_groups(crowd: &mut Vec<Box<dyn Client>>, scenario: &Scenario) {
    crowd.push(Box::new(bookmark::Bookmark::default()));
    crowd.push(Box::new(committer::Committer::new("offsets-a")));
    crowd.push(Box::new(committer::Committer::new("offsets-b")));
    crowd.extend((0..scenario.consumers).map(|number| Box::new(consumer::Consumer::new(number)) as Box<dyn Client>));
    crowd.extend((0..scenario.members).map(|number| Box::new(member::Member::new(number)) as Box<dyn Client>));
}

fn add_users_of_queues(crowd: &mut Vec<Box<dyn Client>>, queues: QueueCrowd) {
    crowd.push(Box::new(queue_keeper::QueueKeeper::default()));
    crowd.push(Box::new(queue_steward::QueueSteward::default()));
    crowd.push(Box::new(queue_publisher::QueuePublisher::default()));
    let sender = |_| Box::new(queue_sender::QueueSender::default()) as Box<dyn Client>;
    crowd.extend((0..queues.senders).map(sender));
    let receiver = |number| Box::new(queue_receiver::QueueReceiver::new(number)) as Box<dyn Client>;
    crowd.extend((0..queues.receivers).map(receiver));
    let consumer = |number| Box::new(queue_consumer::QueueConsumer::new(number)) as Box<dyn Client>;
    crowd.extend((0..queues.consumers).map(consumer));
}
