//! Queues that nobody uses: what they take while they lie there, and when the broker starts.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::figures::{Family, Figures, System};
use super::load::{Load, Measured};
use super::rounds::settle;
use super::server::{Server, fresh, remove};
use super::sqs;
use crate::shell::say;

pub(super) const TITLE: &str = "Queues that lie idle";

const MAKERS: u32 = 64;

/// After which a broker that does nothing has come to rest.
const REST: Duration = Duration::from_secs(2);

/// How much is measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    queues: Vec<u64>,
    /// In which nothing is asked.
    idle_seconds: u64,
}

impl Plan {
    pub(super) fn full() -> Self {
        Self { queues: vec![10_000, 100_000], idle_seconds: 30 }
    }

    pub(super) fn quick() -> Self {
        Self { queues: vec![10_000], idle_seconds: 10 }
    }

    /// How it is measured, for readers.
    pub(super) fn method(&self) -> String {
        let Self { idle_seconds, .. } = self;
        format!(
            "One broker, as it comes (`storage.cache` of 64 MiB, which what was just written fills), is made standard queues over SQS
by {MAKERS} connections of `omnibus bench queue create` on the same machine. Then one receiver waits at one of them for
{idle_seconds} s. The broker is ended in order and started again, killed and started again: a start is from that of the
process to the first answer over HTTP. Memory is what is resident {} s after each.
",
            REST.as_secs()
        )
    }
}

/// Makes queues, lets them lie, and starts on them.
pub(super) fn run(plan: &Plan, figures: &mut Figures) -> Result<()> {
    for queues in &plan.queues {
        let data = fresh("idle")?;
        one(plan, *queues, &data, figures)?;
        remove(&data)?;
    }
    Ok(())
}

fn one(plan: &Plan, queues: u64, data: &Path, figures: &mut Figures) -> Result<()> {
    settle()?;
    let name = format!("{queues} queues");
    let mut add = |family, name: &str, value: f64| figures.add(family, name, System::Omnibus, value);
    let server = sqs::omnibus_as_it_comes("idle", data)?;
    let made = load(&server, "create", &["--connections", &MAKERS.to_string(), "--records", &queues.to_string()])?;
    add(Family::QueueCreate, &name, made.records_per_second);
    add(Family::Memory, &format!("{name}, just made"), rested_memory(&server)?);
    let idle = load(&server, "wait", &["--connections", "1", "--duration", &format!("{}s", plan.idle_seconds)])?;
    add(Family::QueueIdle, &name, idle.server.cores * 100.0);
    say(&format!("{name}: {:.0} made/s, {:.2} % of a core", made.records_per_second, idle.server.cores * 100.0));
    server.end()?;

    let server = sqs::omnibus_as_it_comes("idle", data)?;
    add(Family::Start, &format!("{name}, after an orderly end"), server.first_answer.as_secs_f64() * 1e3);
    add(Family::Memory, &format!("{name}, started again"), rested_memory(&server)?);
    server.kill()?;

    let server = sqs::omnibus_as_it_comes("idle", data)?;
    add(Family::Start, &format!("{name}, after `kill -9`"), server.first_answer.as_secs_f64() * 1e3);
    server.end()?;
    Ok(())
}

fn load(server: &Server, what: &str, flags: &[&str]) -> Result<Measured> {
    let words = ["queue", what, "--queue", "idle"].into_iter().chain(flags.iter().copied()).map(str::to_owned);
    Load::start_queue(server, &words.collect::<Vec<_>>())?.finish()
}

fn rested_memory(server: &Server) -> Result<f64> {
    thread::sleep(REST);
    server.memory()
}
