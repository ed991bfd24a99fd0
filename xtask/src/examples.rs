//! The patterns in `examples/`, each run as its reader would run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::broker::Broker;
use crate::clients::{self, Missing};
use crate::shell::{self, finish_within, root};
use crate::suite::{Suite, Tally};

pub(crate) const SUITE: Suite = Suite { name: "examples", run };

const PROGRAM: &str = "example.py";
const PROGRAM_TIME_MAX: Duration = Duration::from_secs(60);
/// The examples whose clients speak SQS and SNS; all others speak Kafka.
const DOORS_OF_SQS: [&str; 3] = ["background-job", "fan-out", "work-queue"];
/// The last line of an example that found everything as it should be.
const FINE: &str = "ok";

fn run() -> Result<Tally> {
    let examples = examples()?;
    ensure!(!examples.is_empty(), "there are no examples");
    let python = match clients::python() {
        Ok(python) => python,
        Err(error) if error.is::<Missing>() => return Ok(Tally::skip(error.to_string())),
        Err(error) => return Err(error),
    };
    let broker = Broker::start("examples")?;
    let mut tally = Tally::default();
    for folder in &examples {
        tally.add(run_one(&python, folder, &broker)?);
    }
    broker.end()?;
    Ok(tally)
}

/// The folders that hold an example, in the order of their names.
fn examples() -> Result<Vec<PathBuf>> {
    let folders = fs::read_dir(root().join("examples"))?.flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = folders.filter(|folder| folder.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

fn run_one(python: &Path, folder: &Path, broker: &Broker) -> Result<Tally> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut command = Command::new(python);
    let address = if DOORS_OF_SQS.contains(&name.as_str()) { &broker.addresses.sqs } else { &broker.addresses.kafka };
    command.arg(folder.join(PROGRAM)).arg(address).env("PYTHONDONTWRITEBYTECODE", "1");
    let ended = finish_within(PROGRAM_TIME_MAX, &format!("example-{name}"), &mut command)?;
    if ended.status.success() && ended.output.lines().last() == Some(FINE) {
        return Ok(Tally::pass());
    }
    shell::show_tail(&ended.output);
    Ok(Tally::fail(format!("{name} ended with {}", ended.status)))
}
