//! Reply queues: exclusive ones that come with a connection, get answers, and go with it.

use anyhow::Result;
use serde::Deserialize;

use super::amqp::{Plan, home};
use super::figures::{Family, Figures, System};
use super::load::{Load, Measured, Percentiles};
use super::rabbit::Rabbit;
use super::rounds::settle;
use super::server::remove;
use crate::shell::say;

/// In their turns. Exclusive queues of `RabbitMQ` are classic ones.
const SYSTEMS: [System; 2] = [System::Omnibus, System::RabbitClassic];

/// What the load generator tells of reply queues.
#[derive(Clone, Debug, Deserialize)]
struct Told {
    #[serde(flatten)]
    answers: Measured,
    declared_per_second: f64,
    deleted_per_second: f64,
    memory_bytes_per_queue: f64,
}

/// Each round on brokers that have held nothing before, so that their memory tells what they hold.
pub(super) fn run(plan: &Plan, rabbit: &Rabbit, figures: &mut Figures) -> Result<()> {
    let words = words(plan);
    for round in 1..=plan.rounds {
        for system in SYSTEMS {
            let (node, data) = home(system)?;
            let server = rabbit.start(&node)?;
            settle()?;
            let told: Told = Load::start_amqp(&server, &words)?.finish_as()?;
            note(plan, system, &told, figures);
            let Told { answers, declared_per_second, deleted_per_second, .. } = &told;
            say(&format!(
                "round {round}, {}: {declared_per_second:.0} queues/s come, {deleted_per_second:.0} go; {:.0} answers/s",
                system.name(),
                answers.records_per_second
            ));
            server.end()?;
            remove(&data)?;
        }
    }
    Ok(())
}

fn words(plan: &Plan) -> Vec<String> {
    let Plan { queues, askers, seconds, .. } = plan;
    let words = format!("amqp replies --queues {queues} --connections {askers} --record 64 --duration {seconds}s");
    words.split(' ').map(ToOwned::to_owned).collect()
}

#[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
fn note(plan: &Plan, system: System, told: &Told, figures: &mut Figures) {
    let Told { answers, declared_per_second, deleted_per_second, memory_bytes_per_queue } = told;
    let Plan { queues, askers, .. } = plan;
    let many = format!("{queues} exclusive queues of {askers} connections");
    figures.add(Family::QueueCreate, &format!("{many}, declared and consumed"), system, *declared_per_second);
    figures.add(Family::QueueCreate, &format!("{many}, gone with them"), system, *deleted_per_second);
    let mebibytes = memory_bytes_per_queue * f64::from(*queues) / f64::from(1 << 20);
    figures.add(Family::Memory, &format!("{many}: so much more"), system, mebibytes);
    let asking = format!("answers to {askers} connections, each asking one thing at a time");
    figures.add(Family::AmqpAnswers, &asking, system, answers.records_per_second);
    let messages = 2 * answers.records.max(1);
    let each = answers.server.processor_seconds * 1e6 / messages as f64;
    figures.add(Family::QueueCpu, &asking, system, each);
    if let Some(Percentiles { p50_ms, p99_ms, .. }) = answers.end_to_end {
        figures.add(Family::AmqpReply, &format!("{asking}, p50"), system, p50_ms);
        figures.add(Family::AmqpReply, &format!("{asking}, p99"), system, p99_ms);
    }
}
