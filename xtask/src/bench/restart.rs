//! How long a broker takes to come back when its directory is large.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

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

/// How long a broker that answers may take nothing.
const RECORD_TIME_MAX: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

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
    let mut note = |how: &str, server: &Server| -> Result<()> {
        let milliseconds = |took: Duration| took.as_secs_f64() * 1e3;
        let (answer, record) = (milliseconds(server.first_answer), milliseconds(first_record(server)?));
        say(&format!(
            "{}, after {how}: answers after {answer:.0} ms, takes a record after {record:.0} ms",
            name(system)
        ));
        figures.add(Family::Start, &format!("{gigabytes} GB, {how}: answer"), system, answer);
        figures.add(Family::Start, &format!("{gigabytes} GB, {how}: record"), system, record);
        Ok(())
    };
    for _ in 0..TRIES {
        server.end()?;
        server = start()?;
        note("orderly end", &server)?;
    }
    for _ in 0..TRIES {
        // Something to recover, as a broker that works has it.
        fill(&server, 1)?;
        server.kill()?;
        server = start()?;
        note("kill -9", &server)?;
    }
    let size = directory_bytes(data)?;
    say(&format!("{}: {:.1} GB on disk", name(system), f64::from(u32::try_from(size >> 20)?) / 1e3 * 1.048_576));
    figures.add(Family::Memory, &format!("after a restart with {gigabytes} GB"), system, server.memory()?);
    server.end()?;
    Ok(())
}

/// From start until a record is taken: who answers may not lead its partitions yet.
fn first_record(server: &Server) -> Result<Duration> {
    let answered_at = Instant::now();
    let words = ["produce", "--topic", "restart", "--record", "100", "--records", "1", "--connections", "1"];
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    loop {
        let outcome = measure(server, &words);
        let waited = answered_at.elapsed();
        match outcome {
            Err(error) if waited > RECORD_TIME_MAX => return Err(error),
            Err(_) => thread::sleep(PAUSE),
            Ok(_) => return Ok(server.first_answer + waited),
        }
    }
}

fn fill(server: &Server, gigabytes: u64) -> Result<()> {
    let records = (gigabytes * 1_000_000_000 / 1024).to_string();
    let words = ["produce", "--topic", "restart", "--partitions", "16", "--record", "1KiB", "--batch", "256KiB"];
    let bounds = ["--records", &records, "--duration", "10m"];
    measure(server, &words.iter().chain(&bounds).map(|word| (*word).to_owned()).collect::<Vec<_>>())?;
    Ok(())
}
