//! Publishes messages, each to several queues at once and to each with an envelope of its own.

use omnibus_engine::SubmitError;
use omnibus_engine::fan_out::Target;
use omnibus_model::outcome::Appended;
use omnibus_model::queue::Envelope;
use omnibus_model::{Offset, Refusal};
use omnibus_record::{Message, Native, SqsNative};

use super::Client;
use super::queue_sender::{draw_body, draw_envelope};
use crate::doing::Doing;
use crate::fact::Fact;
use crate::stage::Stage;
use crate::violation::Violation;

type Told = Result<Vec<Result<Appended, Refusal>>, SubmitError>;

/// Somebody who tells many.
#[derive(Debug, Default)]
pub(super) struct QueuePublisher {
    publishing: Option<(u64, Vec<Target>, Doing<Told>)>,
}

impl Client for QueuePublisher {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        if self.publishing.is_some() {
            return Ok(());
        }
        let number = draw_body(stage);
        let mut targets = Vec::new();
        // A queue may be there twice: it gets the message twice, or recognises it.
        for _ in 0..stage.random.within(1..=6) {
            let Some(topic) = stage.any_queue() else { return Ok(()) };
            let Some(queue) = topic.queue_place() else { continue };
            targets.push(Target { queue, envelope: draw_envelope(stage, &topic, number) });
        }
        let message = Message {
            offset: Offset::ZERO,
            timestamp: stage.time.moment().wall,
            envelope: Envelope::default(),
            native: Native::Sqs(SqsNative::default()),
            history: None,
            body: stage.oracle.bodies[usize::try_from(number).expect("a few thousand")].clone(),
        };
        let shared = message.encode_shared().expect("a short message");
        stage.trace.line(format_args!("publish {number} to {targets:?}"));
        let (engine, of_task) = (stage.node.engine.clone(), targets.clone());
        let publishing = Doing::begin(async move { engine.fan_out(&shared, &of_task).await });
        self.publishing = Some((number, targets, publishing));
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        let Some((number, targets, publishing)) = &mut self.publishing else { return Ok(()) };
        let Some(told) = publishing.go_on() else { return Ok(()) };
        let (number, targets) = (*number, std::mem::take(targets));
        self.publishing = None;
        stage.trace.line(format_args!("published {number}: {told:?}"));
        for (target, told) in targets.iter().zip(told.unwrap_or_default()) {
            let Ok(appended) = told else { continue };
            stage.tally.acknowledged += 1;
            if !appended.duplicate {
                stage.see(&Fact::Acknowledged)?;
            }
            let place = target.queue.of_priority(target.envelope.priority);
            stage.sent((place.stream, appended.base), number)?;
        }
        Ok(())
    }

    fn restarted(&mut self, _stage: &mut Stage) -> Result<(), Violation> {
        self.publishing = None;
        Ok(())
    }
}
