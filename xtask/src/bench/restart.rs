//! How long a broker takes to come back when its directory is large.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::figures::{Family, Figures, System};
use super::kafka::{BOTH, Kafka};
use super::load::{Measured, measure};
use super::machine;
use super::plan::Plan;
use super::rounds::settle;
use super::server::{Server, directory_bytes, fresh, remove};
use crate::shell::{say, workshop};

/// What stays free of the disk while one broker after the other fills it.
const FREE_BYTES_MIN: u64 = 12 << 30;

/// How often an empty directory is tried.
const STARTS: u32 = 5;

/// After which a broker that does nothing has come to rest.
const REST: Duration = Duration::from_secs(1);

/// How often each way of ending is tried.
const TRIES: u32 = 3;

/// How long a broker that answers may take nothing.
const RECORD_TIME_MAX: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// Starts both brokers on nothing, and on a large directory, after an orderly end and after none.
pub(super) fn run(plan: &Plan, kafka: &Kafka, figures: &mut Figures) -> Result<()> {
    let free = machine::disk_free(&workshop("bench")?)?;
    let gigabytes = plan.restart_gigabytes.min(free.saturating_sub(FREE_BYTES_MIN) / 1_000_000_000).max(1);
    for _ in 0..STARTS {
        for system in BOTH {
            start(kafka, system, figures)?;
        }
    }
    for system in BOTH {
        let data = fresh(&format!("restart-{}", system.key()))?;
        restart(gigabytes, (system, kafka), &data, figures)?;
        remove(&data)?;
        settle()?;
    }
    Ok(())
}

/// A broker of its own, on an empty directory: its first answer, and its memory at rest.
fn start(kafka: &Kafka, system: System, figures: &mut Figures) -> Result<()> {
    let data = fresh(&format!("start-{}", system.key()))?;
    settle()?;
    let server = kafka.start_one(system, &format!("{}-start", system.key()), &data)?;
    thread::sleep(REST);
    figures.add(Family::Start, "an empty data directory", system, server.first_answer.as_secs_f64() * 1e3);
    figures.add(Family::Memory, "at rest, empty", system, server.memory()?);
    server.end()?;
    remove(&data)
}

fn restart(gigabytes: u64, (system, kafka): (System, &Kafka), data: &Path, figures: &mut Figures) -> Result<()> {
    let start = || kafka.start_one(system, &format!("{}-restart", system.key()), data);
    let mut server = start()?;
    say(&format!("{}: writing {gigabytes} GB", system.name()));
    fill(&server, gigabytes)?;
    let mut note = |how: &str, server: &Server| -> Result<()> {
        let milliseconds = |took: Duration| took.as_secs_f64() * 1e3;
        let (answer, record) = (milliseconds(server.first_answer), milliseconds(first_record(server)?));
        say(&format!(
            "{}, after {how}: answers after {answer:.0} ms, takes a record after {record:.0} ms",
            system.key()
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
    say(&format!("{}: {:.1} GB on disk", system.key(), f64::from(u32::try_from(size >> 20)?) / 1e3 * 1.048_576));
    figures.add(Family::Memory, &format!("after a restart with {gigabytes} GB"), system, server.memory()?);
    for _ in 0..TRIES {
        server.end()?;
        if !drop_page_cache() {
            say("the page cache cannot be dropped: reading from the disk is not measured");
            return Ok(());
        }
        server = start()?;
        let told = read_cold(&server)?;
        say(&format!("{}: {:.0} MB/s from the disk", system.key(), told.megabytes_per_second));
        figures.add(Family::Cold, "16 partitions, 1 KiB", system, told.megabytes_per_second);
        figures.add(
            Family::ConsumeCpu,
            "from the disk, 16 partitions, 1 KiB",
            system,
            told.server.processor_seconds_per_gigabyte,
        );
    }
    server.end()?;
    Ok(())
}

/// Makes the kernel forget what files hold; not everybody may.
fn drop_page_cache() -> bool {
    settle().is_ok() && fs::write("/proc/sys/vm/drop_caches", "1").is_ok()
}

/// Reads from the beginning for a while; nothing of it is in memory.
fn read_cold(server: &Server) -> Result<Measured> {
    first_record(server)?;
    let words = ["consume", "--topic", "restart", "--connections", "2", "--warmup", "1s", "--duration", "4s"];
    measure(server, &words.map(str::to_owned))
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
