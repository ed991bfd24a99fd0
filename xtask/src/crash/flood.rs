//! Publishers that are faster than the disk, and consumers that are slower than both: memory stays bounded, and what was
//! confirmed is there.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::broker::Broker;
use crate::clients;
use crate::shell::{self, root, say};
use crate::suite::Tally;

/// What the broker may take: its budgets of messages on their way in and of the cache, and the same again for what it does
/// with them.
const MEMORY_MEBIBYTES_MAX: f64 = 400.0;
const SETTINGS: &[&str] = &["amqp.memory=64MiB", "storage.cache=64MiB"];
const LOOK: Duration = Duration::from_millis(100);
const TIME_MAX: Duration = Duration::from_secs(180);

/// What the flood tells.
#[derive(Debug, Deserialize)]
struct Told {
    confirmed: u64,
    delivered: u64,
    complaints: Vec<String>,
}

/// Floods a broker of its own for so many seconds, and looks at its memory until all is drained.
pub(super) fn run(seconds: u32) -> Result<Tally> {
    let python = clients::python()?;
    let broker = Broker::start_with("flood", SETTINGS)?;
    let mut command = Command::new(python);
    command.arg(root().join("conformance/crash/flood.py")).args([&broker.addresses.amqp, &seconds.to_string()]);
    let (mut child, log) = shell::start("crash-flood", &mut command)?;
    let (begun_at, mut most) = (std::time::Instant::now(), 0.0_f64);
    let status = loop {
        most = most.max(broker.memory()?);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun_at.elapsed() > TIME_MAX {
            child.kill()?;
        }
        std::thread::sleep(LOOK);
    };
    let text = std::fs::read_to_string(&log)?;
    let line = text.lines().find(|line| line.starts_with('{'));
    let told: Told = serde_json::from_str(line.with_context(|| format!("the flood said nothing: {text}"))?)?;
    ensure!(status.success() && told.complaints.is_empty(), "{}", told.complaints.join("; "));
    let found = format!("{} confirmed, {} delivered, {most:.0} MiB at most", told.confirmed, told.delivered);
    say(&found);
    ensure!(most <= MEMORY_MEBIBYTES_MAX, "the broker took {most:.0} MiB, more than {MEMORY_MEBIBYTES_MAX:.0}");
    broker.end()?;
    let mut tally = Tally::pass();
    tally.notes.push(found);
    Ok(tally)
}
