//! Consumes a queue: is given records within its credit, settles them, and cancels, closes or is lost.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use omnibus_engine::SubmitError;
use omnibus_engine::consumers::{Access, ConsumerConfig, Settling};
use omnibus_engine::consuming::{ConsumeError, Consumer, NextError};
use omnibus_engine::queues::Deliveries;
use omnibus_model::HolderId;
use omnibus_model::queue::{LeaseKey, LeaseRefusal, Settlement};
use omnibus_model::topic::{Partition, QueuePlace};

use super::Client;
use super::queue_receiver::settlement;
use crate::doing::Doing;
use crate::fact::Fact;
use crate::stage::Stage;
use crate::violation::Violation;

const CREDIT_MAX: u64 = 8;
const TELLING_MAX: usize = 3;

/// What a consumer waits for.
#[derive(Debug)]
enum Event {
    Next(Result<Deliveries, NextError>),
    Wished(Wish),
}

/// What it wants otherwise.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Credit(u32),
    Cancel,
}

type Settlements = Vec<(LeaseKey, Settlement)>;
type Settled = Result<Vec<Result<(), LeaseRefusal>>, SubmitError>;

/// Somebody with a connection of his own.
#[derive(Debug)]
pub(super) struct QueueConsumer {
    number: u64,
    doing: State,
    held: Vec<(Partition, LeaseKey)>,
    telling: Vec<(Partition, Settlements, Doing<Settled>)>,
}

#[derive(Debug)]
enum State {
    Away,
    Beginning {
        queue: QueuePlace,
        config: ConsumerConfig,
        doing: Doing<Result<Consumer, ConsumeError>>,
    },
    Open(Open),
    /// It wants no more.
    Cancelled {
        known: Known,
        consumer: Box<Consumer>,
    },
    Closing(Doing<()>),
}

/// What is known of a consumer from outside.
#[derive(Clone, Copy, Debug)]
struct Known {
    queue: QueuePlace,
    holder: HolderId,
    config: ConsumerConfig,
    /// The most that it ever might hold.
    credit_max: u32,
}

#[derive(Debug)]
struct Open {
    known: Known,
    failures_before: u64,
    wish: Rc<Cell<Option<Wish>>>,
    doing: OpenDoing,
}

#[derive(Debug)]
enum OpenDoing {
    Next(Doing<(Consumer, Event)>),
    SettingCredit(Doing<Consumer>),
    Cancelling(Doing<(Consumer, Result<(), SubmitError>)>),
}

impl QueueConsumer {
    pub(super) const fn new(number: u64) -> Self {
        Self { number, doing: State::Away, held: Vec::new(), telling: Vec::new() }
    }

    fn begin(&mut self, stage: &mut Stage) {
        let Some(queue) = stage.any_queue().and_then(|topic| topic.queue_place()) else { return };
        let random = &mut stage.random;
        let config = ConsumerConfig {
            credit: u32::try_from(random.within(0..=CREDIT_MAX)).expect("a few"),
            settling: if random.once_in(4) { Settling::Automatic } else { Settling::ByReceiver },
            access: match random.below(8) {
                0 => Access::Exclusive,
                1 => Access::SingleActive,
                _ => Access::Shared,
            },
            priority: i32::from(random.once_in(4)),
        };
        stage.trace.line(format_args!("consumer {} begins at {queue:?}: {config:?}", self.number));
        let engine = stage.node.engine.clone();
        let doing = Doing::begin(async move { engine.consume(queue, config).await });
        self.held.clear();
        self.doing = State::Beginning { queue, config, doing };
    }

    /// Ends some of what is held.
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
        stage.trace.line(format_args!("consumer {} settles {settlements:?}", self.number));
        let (engine, asked) = (stage.node.engine.clone(), settlements.clone());
        let settled = Doing::begin(async move { engine.settle(queue, asked).await });
        self.telling.push((queue, settlements, settled));
    }

    /// Goes, with a word or without.
    fn leave(&mut self, stage: &mut Stage) {
        let polite = stage.random.once_in(2);
        stage.trace.line(format_args!("consumer {} leaves, politely: {polite}", self.number));
        stage.tally.hang_ups += u64::from(!polite);
        self.doing = match std::mem::replace(&mut self.doing, State::Away) {
            State::Cancelled { consumer, .. } if polite => {
                State::Closing(Doing::begin(async move { drop(consumer.close().await) }))
            }
            _ => State::Away,
        };
        self.telling.clear();
    }

    /// Goes on with what is under way.
    fn go_on(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        self.doing = match std::mem::replace(&mut self.doing, State::Away) {
            State::Beginning { queue, config, mut doing } => match doing.go_on() {
                None => State::Beginning { queue, config, doing },
                Some(Err(_)) => State::Away,
                Some(Ok(consumer)) => {
                    let known = Known { queue, holder: consumer.holder(), config, credit_max: config.credit };
                    next(stage, known, consumer)
                }
            },
            State::Open(open) => self.go_on_open(stage, open)?,
            State::Closing(mut doing) => match doing.go_on() {
                None => State::Closing(doing),
                Some(()) => State::Away,
            },
            other => other,
        };
        Ok(())
    }

    fn go_on_open(&mut self, stage: &mut Stage, open: Open) -> Result<State, Violation> {
        let Open { known, failures_before, wish, doing } = open;
        let waits = |doing| Ok(State::Open(Open { known, failures_before, wish, doing }));
        match doing {
            OpenDoing::Next(mut doing) => match doing.go_on() {
                None => waits(OpenDoing::Next(doing)),
                Some((consumer, Event::Next(got))) => self.got(stage, known, failures_before, (consumer, got)),
                Some((consumer, Event::Wished(wish))) => Ok(self.wished(stage, known, (consumer, wish))),
            },
            OpenDoing::SettingCredit(mut doing) => match doing.go_on() {
                None => waits(OpenDoing::SettingCredit(doing)),
                Some(consumer) => Ok(next(stage, known, consumer)),
            },
            OpenDoing::Cancelling(mut doing) => match doing.go_on() {
                None => waits(OpenDoing::Cancelling(doing)),
                Some((consumer, Ok(()))) => {
                    let held = u32::try_from(held(stage, known)).unwrap_or(u32::MAX);
                    let known = Known { credit_max: held, ..known };
                    Ok(State::Cancelled { known, consumer: Box::new(consumer) })
                }
                Some((_, Err(_))) => Ok(State::Away),
            },
        }
    }

    fn got(
        &mut self,
        stage: &mut Stage,
        known: Known,
        failures_before: u64,
        (consumer, got): (Consumer, Result<Deliveries, NextError>),
    ) -> Result<State, Violation> {
        match got {
            Ok(deliveries) => {
                self.delivered(stage, known, &deliveries)?;
                Ok(next(stage, known, consumer))
            }
            Err(NextError::Ended(_)) => Ok(State::Away),
            Err(NextError::Read(_)) if stage.disk.read_failures() > failures_before => Ok(next(stage, known, consumer)),
            Err(NextError::Read(error)) => Err(Violation::new("reads succeed", error.to_string())),
        }
    }

    fn wished(&self, stage: &mut Stage, known: Known, (consumer, wish): (Consumer, Wish)) -> State {
        stage.trace.line(format_args!("consumer {} wants {wish:?}", self.number));
        let (known, doing) = match wish {
            Wish::Credit(credit) => {
                let config = ConsumerConfig { credit, ..known.config };
                let known = Known { config, credit_max: known.credit_max.max(credit), ..known };
                (known, OpenDoing::SettingCredit(Doing::begin(set_credit(consumer, credit))))
            }
            Wish::Cancel => (known, OpenDoing::Cancelling(Doing::begin(cancel(consumer)))),
        };
        State::Open(Open { known, failures_before: stage.disk.read_failures(), wish: Rc::default(), doing })
    }

    fn delivered(&mut self, stage: &mut Stage, known: Known, deliveries: &Deliveries) -> Result<(), Violation> {
        for delivery in &deliveries.deliveries {
            stage.trace.line(format_args!("consumer {} has {:?}", self.number, delivery.lease));
            stage.tally.receives += 1;
            stage.tally.pushed += 1;
            stage.delivered(deliveries.queue.stream, delivery)?;
            if known.config.settling == Settling::ByReceiver {
                self.held.push((deliveries.queue, delivery.lease.key));
            }
        }
        Ok(())
    }

    /// Checks what the shard has given it, whether or not that has arrived.
    fn check(&self, stage: &Stage) -> Result<(), Violation> {
        let (State::Open(Open { known, .. }) | State::Cancelled { known, .. }) = &self.doing else { return Ok(()) };
        let held = held(stage, *known);
        if held > known.credit_max as usize {
            let detail = format!("consumer {} holds {held} of at most {}", self.number, known.credit_max);
            return Err(Violation::new("credit is kept", detail));
        }
        Ok(())
    }
}

impl Client for QueueConsumer {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        let roll = stage.random.below(16);
        match &self.doing {
            State::Away => self.begin(stage),
            State::Open(open) if roll == 0 => open.wish.set(Some(Wish::Cancel)),
            State::Open(open) if roll == 1 => {
                let credit = u32::try_from(stage.random.within(0..=CREDIT_MAX)).expect("a few");
                open.wish.set(Some(Wish::Credit(credit)));
            }
            State::Open(_) | State::Beginning { .. } if roll == 2 => self.leave(stage),
            State::Cancelled { .. } if roll <= 3 => self.leave(stage),
            State::Open(_) | State::Cancelled { .. } if self.telling.len() < TELLING_MAX => self.settle(stage),
            _ => {}
        }
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        self.check(stage)?;
        self.go_on(stage)?;
        for (queue, settlements, mut settled) in std::mem::take(&mut self.telling) {
            let Some(told) = settled.go_on() else {
                self.telling.push((queue, settlements, settled));
                continue;
            };
            let stream = queue.stream;
            for ((key, settlement), told) in settlements.into_iter().zip(told.unwrap_or_default()) {
                if told.is_ok() && settlement == Settlement::Accept {
                    stage.tally.accepted += 1;
                    stage.see(&Fact::Acknowledged)?;
                    stage.see(&Fact::Accepted { stream, key })?;
                }
            }
        }
        Ok(())
    }

    /// Whoever was connected is not any more.
    fn restarted(&mut self, _stage: &mut Stage) -> Result<(), Violation> {
        self.doing = State::Away;
        self.telling.clear();
        Ok(())
    }

    fn at_rest(&self, stage: &Stage) -> Result<(), Violation> {
        let State::Open(Open { known, doing: OpenDoing::Next(_), .. }) = &self.doing else { return Ok(()) };
        let ConsumerConfig { settling, access, .. } = known.config;
        let plain = settling == Settling::ByReceiver && access == Access::Shared;
        let (queue, held) = (known.queue, held(stage, *known));
        if plain && held < known.config.credit as usize && stage.has_ready(queue) {
            let detail = format!("consumer {} has credit at {queue:?}, which has something", self.number);
            return Err(Violation::new("who waits is served", detail));
        }
        Ok(())
    }
}

/// How many records the shard has on lease to it.
fn held(stage: &Stage, known: Known) -> usize {
    let Known { queue, holder, .. } = known;
    let broker = stage.node.shards[usize::from(queue.shard().0)].broker();
    queue.streams().map(|stream| broker.held(stream, holder)).sum()
}

/// Waits for records, or for a wish of the consumer's own.
fn next(stage: &Stage, known: Known, mut consumer: Consumer) -> State {
    let wish = Rc::<Cell<Option<Wish>>>::default();
    let wished = Rc::clone(&wish);
    let doing = Doing::begin(async move {
        let event = {
            let mut next = pin!(consumer.next());
            let either = |context: &mut Context<'_>| match wished.take() {
                Some(wish) => Poll::Ready(Event::Wished(wish)),
                None => next.as_mut().poll(context).map(Event::Next),
            };
            poll_fn(either).await
        };
        (consumer, event)
    });
    State::Open(Open { known, failures_before: stage.disk.read_failures(), wish, doing: OpenDoing::Next(doing) })
}

async fn set_credit(consumer: Consumer, credit: u32) -> Consumer {
    drop(consumer.set_credit(credit).await);
    consumer
}

async fn cancel(mut consumer: Consumer) -> (Consumer, Result<(), SubmitError>) {
    let told = consumer.cancel().await;
    (consumer, told)
}
