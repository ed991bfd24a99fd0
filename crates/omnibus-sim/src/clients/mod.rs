//! Those who use the node: each acts when the scheduler says so, and looks for its answers.

mod administrator;
mod bookmark;
mod committer;
mod consumer;
mod idempotent_producer;
mod member;
mod plain_producer;
mod reader;

use std::fmt::Debug;

use crate::scenario::Scenario;
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
}

/// Everybody.
pub(crate) fn crowd(scenario: &Scenario) -> Vec<Box<dyn Client>> {
    let mut crowd: Vec<Box<dyn Client>> = vec![
        Box::new(administrator::Administrator::default()),
        Box::new(reader::Reader),
        Box::new(bookmark::Bookmark::default()),
        Box::new(committer::Committer::new("offsets-a")),
        Box::new(committer::Committer::new("offsets-b")),
    ];
    for number in 0..scenario.producers {
        if number % 2 == 0 {
            crowd.push(Box::new(idempotent_producer::IdempotentProducer::default()));
        } else {
            crowd.push(Box::new(plain_producer::PlainProducer::default()));
        }
    }
    crowd.extend((0..scenario.consumers).map(|number| Box::new(consumer::Consumer::new(number)) as Box<dyn Client>));
    crowd.extend((0..scenario.members).map(|number| Box::new(member::Member::new(number)) as Box<dyn Client>));
    crowd
}
