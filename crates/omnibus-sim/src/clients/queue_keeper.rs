//! Creates, alters, empties and deletes queues, brings back what was in them, and moves records.

use omnibus_engine::{Engine, SubmitError, by_hand};
use omnibus_model::command::CreateQueue;
use omnibus_model::config::ConfigChange;
use omnibus_model::queue::{DeliveryOrder, History, MoveState, QueueConfig};
use omnibus_model::topic::{QueuePlace, SharedTopic, TopicConfig};
use omnibus_model::{Offset, TopicId, TopicName};

use super::Client;
use super::queue_config::{self, LETTERS};
use crate::doing::Doing;
use crate::stage::Stage;
use crate::violation::Violation;

const NAMES: [&str; 4] = ["queue-0", "queue-1", "queue-2", "queue-3"];
const QUEUES_MAX: usize = 5;

type Told = Result<(), SubmitError>;

/// The one who may.
#[derive(Debug, Default)]
pub(super) struct QueueKeeper {
    doing: Option<Doing<Told>>,
}

impl Client for QueueKeeper {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        if self.doing.is_some() {
            return Ok(());
        }
        let queues = stage.queues();
        if let Some(place) = LETTERS.iter().position(|name| queues.iter().all(|queue| queue.name.as_str() != *name)) {
            let order = [DeliveryOrder::Standard, DeliveryOrder::Ordered][place];
            self.create(stage, LETTERS[place], queue_config::letters(order));
            return Ok(());
        }
        if queues.len() < QUEUES_MAX && (queues.len() == LETTERS.len() || stage.random.once_in(3)) {
            let name = NAMES[stage.random.place(NAMES.len())];
            let config = queue_config::draw(&mut stage.random);
            self.create(stage, name, config);
            return Ok(());
        }
        self.change_any(stage, &queues);
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        if let Some(told) = self.doing.as_mut().and_then(Doing::go_on) {
            stage.trace.line(format_args!("the keeper is told {told:?}"));
            self.doing = None;
        }
        Ok(())
    }

    fn restarted(&mut self, _stage: &mut Stage) -> Result<(), Violation> {
        self.doing = None;
        Ok(())
    }
}

impl QueueKeeper {
    fn begin<T: 'static>(&mut self, stage: &Stage, make: impl AsyncFnOnce(Engine) -> Result<T, SubmitError> + 'static) {
        let engine = stage.node.engine.clone();
        self.doing = Some(Doing::begin(async move { make(engine).await.map(drop) }));
    }

    fn create(&mut self, stage: &mut Stage, name: &str, queue: QueueConfig) {
        stage.trace.line(format_args!("create {name}: {queue:?}"));
        let name = TopicName::new(name).expect("a short name");
        let id = TopicId(u128::from(stage.random.draw()) << 64 | u128::from(stage.random.draw()));
        let graded = queue.cursor.order == DeliveryOrder::Standard && stage.random.once_in(2);
        let priorities = u8::try_from(stage.random.within(1..=3)).expect("a few");
        let command = CreateQueue { name, id, config: TopicConfig::default(), queue };
        self.begin(stage, async move |engine| match graded {
            true => engine.create_priority_queue(command, priorities).await,
            false => engine.create_queue(command).await,
        });
    }

    fn change_any(&mut self, stage: &mut Stage, queues: &[SharedTopic]) {
        let Some(topic) = stage.random.pick(queues).cloned() else { return };
        let (Some(place), Some(queue)) = (topic.queue_place(), topic.queue.as_ref()) else { return };
        let letters = LETTERS.contains(&topic.name.as_str());
        match stage.random.below(16) {
            0 if !letters => self.delete(stage, &topic),
            1 => self.begin(stage, async move |engine| engine.purge(place).await),
            2..=4 if queue.config.cursor.history == History::Kept => self.rewind(stage, place),
            5 | 6 => self.start_move(stage, (&topic, place), queues),
            7 => self.cancel_move(stage, place),
            8 if !letters => self.alter(stage, &topic, &queue.config),
            _ => {}
        }
    }

    fn delete(&mut self, stage: &mut Stage, topic: &SharedTopic) {
        stage.trace.line(format_args!("delete {}", topic.name));
        let name = topic.name.clone();
        self.begin(stage, async move |engine| by_hand::delete_topic(&engine, name).await);
    }

    fn rewind(&mut self, stage: &mut Stage, queue: QueuePlace) {
        let partitions: Vec<_> = queue.partitions().collect();
        let Some(place) = stage.random.pick(&partitions).copied() else { return };
        let bounds = stage.node.log.bounds(place.stream);
        let to = Offset(stage.random.within(bounds.start.0..=bounds.end.0));
        stage.trace.line(format_args!("rewind stream {} to {to}", place.stream));
        self.begin(stage, async move |engine| engine.rewind(place, to).await);
    }

    /// Moves all records to another queue of the kind, or back to where they came from.
    fn start_move(&mut self, stage: &mut Stage, (topic, place): (&SharedTopic, QueuePlace), queues: &[SharedTopic]) {
        let order = |topic: &SharedTopic| topic.queue.as_ref().map(|queue| queue.config.cursor.order);
        let others = queues.iter().filter(|other| other.id != topic.id && order(other) == order(topic));
        let others: Vec<_> = others.filter_map(|other| other.queue_place()).collect();
        let to_letters = LETTERS.contains(&topic.name.as_str()) && stage.random.once_in(2);
        let target = if to_letters { None } else { stage.random.pick(&others).map(|other| other.lowest.stream) };
        let paced = stage.random.once_in(2) && !place.has_priorities();
        let rate = paced.then(|| u32::try_from(stage.random.within(5..=200)).expect("a few"));
        stage.trace.line(format_args!("move stream {} to {target:?}, {rate:?} per second", place.lowest.stream));
        self.begin(stage, async move |engine| engine.start_move(place, target, rate).await);
    }

    fn cancel_move(&mut self, stage: &Stage, place: QueuePlace) {
        self.begin(stage, async move |engine: Engine| {
            let moves = engine.moves(place).await?;
            match moves.iter().find(|task| task.state == MoveState::Running) {
                Some(task) => engine.cancel_move(place, task.id).await.map(drop),
                None => Ok(()),
            }
        });
    }

    /// Changes what may change at any time.
    fn alter(&mut self, stage: &mut Stage, topic: &SharedTopic, before: &QueueConfig) {
        let mut after = before.clone();
        after.cursor.leases_max = u32::try_from(stage.random.within(6..=100)).expect("a few");
        after.cursor.deliveries_max = before.cursor.deliveries_max.map(|max| max.saturating_sub(1).max(1));
        after.cursor.dedup_window.0 = stage.random.within(200..=3_000);
        stage.trace.line(format_args!("alter {}: {after:?}", topic.name));
        let (name, change) = (topic.name.clone(), ConfigChange { before: before.clone(), after });
        self.begin(stage, async move |engine| engine.alter_queue(name, change).await);
    }
}
