//! Receives from queues, at once or waiting; settles, extends and gives back what it holds, or
//! forgets all of it.

use omnibus_engine::queues::Deliveries;
use omnibus_engine::{ReadError, SubmitError};
use omnibus_model::command::Acquire;
use omnibus_model::queue::{Delivery, LeaseKey, LeaseRefusal, Settlement};
use omnibus_model::topic::{Partition, QueuePlace};
use omnibus_model::{AttemptHash, HolderId, Millis};
use std::time::Duration;

use super::Client;
use crate::doing::Doing;
use crate::fact::Fact;
use crate::stage::Stage;
use crate::violation::Violation;

const HELD_MAX: usize = 12;
const TELLING_MAX: usize = 3;

/// What a receive may end in.
#[derive(Debug)]
enum Failed {
    Submit,
    Read(ReadError),
}

type Received = Result<Vec<Deliveries>, Failed>;
type Settled = Result<Vec<Result<(), LeaseRefusal>>, SubmitError>;

/// A consumer of queues.
#[derive(Debug)]
pub(super) struct QueueReceiver {
    number: u64,
    holder: HolderId,
    attempts: u64,
    asking: Option<Asking>,
    held: Vec<(Partition, LeaseKey)>,
    telling: Vec<Telling>,
    other: Option<Doing<()>>,
}

/// Settlements on their way.
#[derive(Debug)]
struct Telling {
    queue: Partition,
    settlements: Vec<(LeaseKey, Settlement)>,
    settled: Doing<Settled>,
}

/// A receive on its way.
#[derive(Debug)]
struct Asking {
    queue: QueuePlace,
    failures_before: u64,
    received: Doing<Received>,
}

impl QueueReceiver {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            holder: HolderId(number << 32),
            attempts: 0,
            asking: None,
            held: Vec::new(),
            telling: Vec::new(),
            other: None,
        }
    }

    fn receive(&mut self, stage: &mut Stage) {
        let Some(queue) = stage.any_queue().and_then(|topic| topic.queue_place()) else { return };
        let random = &mut stage.random;
        // Every second is as if the answer to the one before had been lost.
        self.attempts += random.below(2);
        let attempt = AttemptHash(u128::from(self.number << 32 | self.attempts));
        let acquire = Acquire {
            stream: queue.lowest.stream,
            count_max: u32::try_from(random.within(1..=6)).expect("a few"),
            lease: Millis(if random.once_in(2) { random.within(20..=200) } else { random.within(200..=3_000) }),
            holder: random.once_in(3).then_some(self.holder),
            attempt: Some(attempt).filter(|_| random.once_in(4) && !queue.has_priorities()),
        };
        let wait = Duration::from_millis(if random.once_in(2) { random.within(1..=300) } else { 0 });
        stage.trace.line(format_args!("receiver {}: {acquire:?}, waits {wait:?}", self.number));
        let engine = stage.node.engine.clone();
        let received = Doing::begin(async move {
            let acquired = engine.receive(queue, acquire, wait).await.map_err(|_| Failed::Submit)?;
            engine.received(&acquired).await.map_err(Failed::Read)
        });
        self.asking = Some(Asking { queue, failures_before: stage.disk.read_failures(), received });
    }

    fn received(&mut self, stage: &mut Stage, asking: &Asking, received: Received) -> Result<(), Violation> {
        match received {
            Ok(batches) => {
                for Deliveries { queue, deliveries } in batches {
                    for delivery in deliveries {
                        stage.trace.line(format_args!("receiver {} has {:?}", self.number, delivery.lease));
                        stage.tally.receives += 1;
                        stage.delivered(queue.stream, &delivery)?;
                        self.held.push((queue, delivery.lease.key));
                    }
                }
                Ok(())
            }
            Err(Failed::Submit) => Ok(()),
            Err(Failed::Read(_)) if stage.disk.read_failures() > asking.failures_before => Ok(()),
            Err(Failed::Read(error)) => Err(Violation::new("reads succeed", error.to_string())),
        }
    }

    /// Ends some of what is held of one queue.
    fn settle(&mut self, stage: &mut Stage) {
        let Some((queue, _)) = stage.random.pick(&self.held).copied() else { return };
        let mut settlements = Vec::new();
        self.held.retain(|(of, key)| {
            let goes = *of == queue && !stage.random.once_in(3);
            if goes {
                settlements.push((*key, settlement(stage)));
            }
            !goes
        });
        if settlements.is_empty() {
            return;
        }
        stage.trace.line(format_args!("receiver {} settles {settlements:?}", self.number));
        let (engine, asked) = (stage.node.engine.clone(), settlements.clone());
        let settled = Doing::begin(async move { engine.settle(queue, asked).await });
        self.telling.push(Telling { queue, settlements, settled });
    }

    fn extend(&mut self, stage: &mut Stage) {
        let Some((queue, key)) = stage.random.pick(&self.held).copied() else { return };
        let span = Millis(if stage.random.once_in(5) { 0 } else { stage.random.within(50..=600) });
        stage.trace.line(format_args!("receiver {} extends {key:?} by {span}", self.number));
        let engine = stage.node.engine.clone();
        // What it is told of an extension it does not rely on.
        self.other = Some(Doing::begin(async move { drop(engine.extend(queue, vec![(key, span)]).await) }));
    }

    /// Is somebody else from now on, with a word or without.
    fn vanish(&mut self, stage: &mut Stage) {
        stage.trace.line(format_args!("receiver {} vanishes", self.number));
        let queue = stage.any_queue().and_then(|topic| topic.queue_place());
        if let (Some(queue), true) = (queue, stage.random.once_in(2)) {
            let (engine, holder) = (stage.node.engine.clone(), self.holder);
            self.other = Some(Doing::begin(async move { drop(engine.release_holder(queue, holder).await) }));
        }
        self.holder.0 += 1;
        (self.asking, self.held) = (None, Vec::new());
        self.telling.clear();
    }
}

impl Client for QueueReceiver {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        match stage.random.below(16) {
            0 if stage.random.once_in(3) => self.vanish(stage),
            1 if self.other.is_none() => self.extend(stage),
            2..=9 if self.asking.is_none() && self.held.len() < HELD_MAX => self.receive(stage),
            _ if self.telling.len() < TELLING_MAX => self.settle(stage),
            _ => {}
        }
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        if let Some(mut asking) = self.asking.take() {
            match asking.received.go_on() {
                Some(received) => self.received(stage, &asking, received)?,
                None => self.asking = Some(asking),
            }
        }
        if self.other.as_mut().and_then(Doing::go_on).is_some() {
            self.other = None;
        }
        for mut telling in std::mem::take(&mut self.telling) {
            let Some(told) = telling.settled.go_on() else {
                self.telling.push(telling);
                continue;
            };
            let Telling { queue, settlements, .. } = telling;
            for ((key, settlement), told) in settlements.iter().zip(told.unwrap_or_default()) {
                if told.is_ok() && *settlement == Settlement::Accept {
                    stage.tally.accepted += 1;
                    stage.see(&Fact::Acknowledged)?;
                    stage.see(&Fact::Accepted { stream: queue.stream, key: *key })?;
                }
            }
        }
        Ok(())
    }

    /// What it holds it may still settle.
    fn restarted(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        (self.asking, self.other) = (None, None);
        self.telling.clear();
        if stage.random.once_in(2) {
            self.held.clear();
        }
        Ok(())
    }

    fn at_rest(&self, stage: &Stage) -> Result<(), Violation> {
        let Some(Asking { queue, .. }) = &self.asking else { return Ok(()) };
        if stage.has_ready(*queue) {
            let detail = format!("receiver {} waits for {queue:?}, which has something", self.number);
            return Err(Violation::new("who waits is served", detail));
        }
        Ok(())
    }
}

/// How a lease ends.
pub(super) fn settlement(stage: &mut Stage) -> Settlement {
    match stage.random.below(10) {
        0 => Settlement::Reject,
        1 | 2 => {
            let delay = Millis(if stage.random.once_in(2) { 0 } else { stage.random.within(10..=300) });
            let delivery = if stage.random.once_in(2) { Delivery::Counts } else { Delivery::DidNotHappen };
            Settlement::Release { delay, delivery }
        }
        _ => Settlement::Accept,
    }
}
