//! What an engine does for queues by itself: carries records from one to another, reads envelopes,
//! lets go of what is old and gone. It is the engine's own code; here it has its turns.

use omnibus_engine::by_hand::{self, Mover};
use omnibus_engine::{Engine, SubmitError};

use super::Client;
use crate::doing::{Doing, pause};
use crate::stage::Stage;
use crate::violation::Violation;

/// The tasks of one life.
#[derive(Debug, Default)]
pub(crate) struct QueueSteward {
    tasks: Vec<Doing<()>>,
    retaining: Option<Doing<Result<(), SubmitError>>>,
}

impl Client for QueueSteward {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        if self.retaining.is_none() && stage.random.once_in(2) {
            let (engine, topic) = (stage.node.engine.clone(), stage.any_queue());
            self.retaining = topic.map(|topic| Doing::begin(async move { by_hand::retain(&engine, &topic).await }));
        }
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        if self.tasks.is_empty() {
            let engine = &stage.node.engine;
            self.tasks = vec![Doing::begin(carry(engine.clone())), Doing::begin(admit(engine.clone()))];
        }
        for task in &mut self.tasks {
            assert!(task.go_on().is_none(), "the tasks of an engine go on for ever");
        }
        if self.retaining.as_mut().and_then(Doing::go_on).is_some() {
            self.retaining = None;
        }
        Ok(())
    }

    fn restarted(&mut self, _stage: &mut Stage) -> Result<(), Violation> {
        *self = Self::default();
        Ok(())
    }
}

async fn carry(engine: Engine) {
    let mut mover = Mover::default();
    mover.begin(&engine).await;
    loop {
        mover.turn(&engine).await;
        pause().await;
    }
}

async fn admit(engine: Engine) {
    loop {
        by_hand::admit(&engine).await;
        pause().await;
    }
}
