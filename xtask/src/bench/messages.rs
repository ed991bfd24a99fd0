//! Messages over AMQP by our own load generator, `omnibus bench amqp`, which takes little of the machine: each load on
//! one broker, then on the next, again and again.

use anyhow::Result;

use super::amqp::{CELLS, Cell, Plan, SYSTEMS, home};
use super::figures::{Family, Figures, System};
use super::load::{Load, Measured, Percentiles};
use super::rabbit::Rabbit;
use super::rounds::settle;
use super::server::remove;
use crate::shell::say;

/// Both brokers run; which kind of queue of `RabbitMQ`'s is loaded, the words say.
pub(super) fn run(plan: &Plan, rabbit: &Rabbit, figures: &mut Figures) -> Result<()> {
    let [ours, theirs] = [System::Omnibus, System::RabbitClassic].map(home);
    let ((our_node, our_data), (their_node, their_data)) = (ours?, theirs?);
    let (ours, theirs) = (rabbit.start(&our_node)?, rabbit.start(&their_node)?);
    let server = |system: System| if system == System::Omnibus { &ours } else { &theirs };
    for system in SYSTEMS {
        Load::start_amqp(server(system), &words(&CELLS[0], system, (plan, plan.warm_seconds)))?.finish()?;
    }
    for round in 1..=plan.rounds {
        for cell in &CELLS {
            for system in SYSTEMS {
                settle()?;
                let told = Load::start_amqp(server(system), &words(cell, system, (plan, plan.seconds)))?.finish()?;
                note(cell, system, &told, figures);
                let what = format!("round {round}, {}, {}", cell.name, system.name());
                let p99_ms = told.end_to_end.map_or(f64::NAN, |latency| latency.p99_ms);
                say(&format!("{what}: {:.0} msg/s, p99 {p99_ms:.1} ms", told.records_per_second));
            }
        }
    }
    ours.end()?;
    theirs.end()?;
    remove(&our_data)?;
    remove(&their_data)
}

fn words(cell: &Cell, system: System, (plan, seconds): (&Plan, u64)) -> Vec<String> {
    let queue_type = if system == System::RabbitQuorum { "quorum" } else { "classic" };
    let mut words = format!("amqp {} --queue-type {queue_type} --duration {seconds}s", cell.ours);
    if cell.family == Family::AmqpLatency {
        words += &format!(" --rate {}", plan.rate);
    }
    words.split(' ').map(ToOwned::to_owned).collect()
}

#[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
fn note(cell: &Cell, system: System, told: &Measured, figures: &mut Figures) {
    if cell.family == Family::AmqpLatency {
        for (where_to, latency) in [("to the consumer", told.end_to_end), ("to the confirm", told.acknowledged)] {
            let Some(Percentiles { p50_ms, p99_ms, .. }) = latency else { continue };
            figures.add(Family::AmqpLatency, &format!("{}, {where_to}, p50", cell.name), system, p50_ms);
            figures.add(Family::AmqpLatency, &format!("{}, {where_to}, p99", cell.name), system, p99_ms);
        }
    } else {
        figures.add(cell.family, cell.name, system, told.records_per_second);
    }
    let each = |seconds: f64| seconds * 1e6 / told.records.max(1) as f64;
    figures.add(Family::QueueCpu, cell.name, system, each(told.server.processor_seconds));
    figures.add(Family::AmqpGenerator, cell.name, system, each(told.generator.processor_seconds));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_of_the_kind_that_is_measured() {
        let plan = Plan::quick();
        let told = |system| words(&CELLS[4], system, (&plan, 3)).join(" ");
        assert!(told(System::RabbitQuorum).contains("--queue-type quorum --duration 3s --rate 2000"));
        assert!(told(System::RabbitClassic).starts_with("amqp latency --record 1KiB"));
        assert!(told(System::Omnibus).contains("--queue-type classic"));
    }
}
