//! Throws bytes at every decoder for a while. The targets are those of `cargo fuzz`, built by
//! the stable compiler: coverage guides them, sanitizers are left out, as our code is safe.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};

use crate::shell::{self, cargo, finish, must, root, target, workshop};
use crate::suite::{Suite, Tally};

/// What CI affords.
pub(crate) const SUITE: Suite = Suite { name: "fuzz", run: || run(15, &[]) };

const CRATES: [&str; 4] =
    ["crates/omnibus-amqp/fuzz", "crates/omnibus-cluster/fuzz", "crates/omnibus-kafka/fuzz", "crates/omnibus-sqs/fuzz"];
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions -Ccodegen-units=1";

/// Runs every target, or those named, for so many seconds each.
pub(crate) fn run(seconds: u64, words: &[String]) -> Result<Tally> {
    let mut tally = Tally::default();
    let programs = build()?;
    let mut names = targets()?;
    names.retain(|name| words.is_empty() || words.contains(name));
    let at_once = thread::available_parallelism().map_or(1, NonZero::get);
    for names in names.chunks(at_once) {
        shell::say(&format!("    {} for {seconds} s", names.join(", ")));
        let ended: Vec<Result<Tally>> = thread::scope(|scope| {
            let running: Vec<_> = names.iter().map(|name| scope.spawn(|| one(name, &programs, seconds))).collect();
            running.into_iter().map(|each| each.join().expect("no target panics here")).collect()
        });
        for each in ended {
            tally.add(each?);
        }
    }
    Ok(tally)
}

fn targets() -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for folder in CRATES.map(|folder| root().join(folder).join("fuzz_targets")) {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        names.extend(entries.flatten().filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned())));
    }
    names.sort();
    Ok(names)
}

/// Inputs to begin with, if somebody has written some: texts that chance does not find soon.
fn seeds(name: &str) -> Option<PathBuf> {
    CRATES.into_iter().map(|folder| root().join(folder).join("seeds").join(name)).find(|folder| folder.is_dir())
}

fn build() -> Result<PathBuf> {
    let place = target().join("fuzz");
    for folder in CRATES {
        let mut command = cargo(&["build", "--release", "--bins", "--target", TRIPLE, "--target-dir"]);
        command.arg(&place).current_dir(root().join(folder)).env("RUSTFLAGS", INSTRUMENTED);
        must("fuzz-build", &mut command)?;
    }
    Ok(place.join(TRIPLE).join("release"))
}

fn one(name: &str, programs: &Path, seconds: u64) -> Result<Tally> {
    let corpus = workshop(&format!("fuzz/{name}"))?;
    let mut command = Command::new(programs.join(name));
    command.arg(format!("-max_total_time={seconds}")).args(["-rss_limit_mb=1024", "-timeout=10", "-max_len=65536"]);
    command.arg(format!("-artifact_prefix={}/", workshop("fuzz-findings")?.display()));
    let ended = finish(&format!("fuzz-{name}"), command.arg(corpus).args(seeds(name)))?;
    if ended.status.success() {
        return Ok(Tally::pass());
    }
    shell::show_tail(&ended.output);
    Ok(Tally::fail(format!("{name}: the input is kept in target/xtask/fuzz-findings")))
}
