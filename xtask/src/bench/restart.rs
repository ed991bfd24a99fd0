//! How long a broker takes to come back when its directory is large.

use std::path::Path;

use anyhow::Result;

use super::figures::{BOTH, Family, Figures, System};
use super::kafka::Kafka;
use super::load::measure;
use super::machine;
use super::plan::Plan;
use super::rounds::{name, settle};
use super::server::{Server, directory_bytes, fresh, remove};
use crate::shell::{say, workshop};

/// One broker after the other fills this part of the free disk at most.
const DISK_SHARE: u64 = 3;

/// How often each way of ending is tried.
const TRIES: u32 = 3;

/// Restarts both brokers on a large directory, after an orderly end and after none.
pub(super) fn run(plan: &Plan, kafka: &Kafka, figures: &mut Figures) -> Result<()> {
    let free = machine::disk_free(&workshop("bench")?)?;
    let gigabytes = plan.restart_gigabytes.min(free / DISK_SHARE / 1_000_000_000).max(1);
    for system in BOTH {
        let data = fresh(&format!("restart-{}", name(system)))?;
        restart(gigabytes, (system, kafka), &data, figures)?;
        remove(&data)?;
        settle()?;
    }
    Ok(())
}

fn restart(gigabytes: u64, (system, kafka): (System, &Kafka), data: &Path, figures: &mut Figures) -> Result<()> {
    let start = || match system {
        System::Omnibus => Server::omnibus("omnibus-restart", data),
        System::Kafka => kafka.start("kafka-restart", data),
    };
    let mut server = start()?;
    say(&format!("{}: writing {gigabytes} GB", name(system)));
    fill(&server, gigabytes)?;
    let mut note = |how: &str, server: &Server| {
        let milliseconds = server.first_answer.as_secs_f64() * 1e3;
        say(&format!("{}, after {how}: {milliseconds:.0} ms", name(system)));
        figures.add(Family::Start, &format!("{gigabytes} GB of records, after {how}"), system, milliseconds);
    };
    for _ in 0..TRIES {
        server.end()?;
        server = start()?;
        note("an orderly end", &server);
    }
    for _ in 0..TRIES {
        // Something to recover, as a broker that works has it.
        fill(&server, 1)?;
        server.kill()?;
        server = start()?;
        note("kill -9", &server);
    }
    let size = directory_bytes(data)?;
    say(&format!("{}: {:.1} GB on disk", name(system), f64::from(u32::try_from(size >> 20)?) / 1e3 * 1.048_576));
    figures.add(Family::Memory, &format!("after a restart with {gigabytes} GB"), system, server.memory()?);
    server.end()?;
    Ok(())
}

fn fill(server: &Server, gigabytes: u64) -> Result<()> {
    let records = (gigabytes * 1_000_000_000 / 1024).to_string();
    let words = ["produce", "--topic", "restart", "--partitions", "16", "--record", "1KiB", "--batch", "256KiB"];
    let bounds = ["--records", &records, "--duration", "10m"];
    measure(server, &words.iter().chain(&bounds).map(|word| (*word).to_owned()).collect::<Vec<_>>())?;
    Ok(())
}
