//! `cargo xtask scale`: ten thousand topics with sixteen partitions each, on one node.
//!
//! They are created, written to at random, checked record by record, and checked again after
//! `kill -9` and after an orderly restart. The workload itself is `omnibus bench topics`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use serde::Deserialize;

use crate::bench::{Machine, Server, directory_bytes, fresh, remove};
use crate::broker;
use crate::shell::{self, say};

/// Records that are written after the restarts, to see that all of it still works.
const RECORDS_AFTER: u64 = 20_000;
/// How long a broker is given to come to rest before its memory is told.
const REST: Duration = Duration::from_secs(2);

/// How much.
#[derive(Debug, clap::Args)]
pub(crate) struct ScaleArgs {
    #[arg(long, default_value_t = 10_000)]
    topics: u32,
    /// Partitions of each topic.
    #[arg(long, default_value_t = 16)]
    partitions: u32,
    /// Records, to random partitions.
    #[arg(long, default_value_t = 200_000)]
    records: u64,
}

/// What the workload tells of a step.
#[derive(Debug, Deserialize)]
struct Told {
    count: u64,
    partitions: u64,
    seconds: f64,
}

/// The steps that were done, each a line of the table.
struct Steps<'a> {
    args: &'a ScaleArgs,
    data: &'a Path,
    table: Table,
}

/// Runs every step; a record that is missing or wrong is an error.
pub(crate) fn run(args: &ScaleArgs) -> Result<bool> {
    broker::build()?;
    let data = fresh("scale")?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["step", "took", "rate", "resident", "on disk"]);
    let mut steps = Steps { args, data: &data, table };
    let result = steps.run();
    say(&format!("{}", steps.table));
    result?;
    remove(&data)?;
    say("every record was found where it was written");
    keep(args, &steps.table)?;
    Ok(true)
}

/// Writes the table where readers of the project find it.
fn keep(args: &ScaleArgs, table: &Table) -> Result<()> {
    let ScaleArgs { topics, partitions, .. } = args;
    let text = format!(
        "# {topics} topics with {partitions} partitions each

Made by `cargo xtask scale`, which also checks every record. {}.
The memory is what is resident after two seconds of rest; the first records are those of one partition,
asked for by a client that has just connected.

```text
{table}
```
",
        Machine::look(&broker::binary())?
    );
    let folder = shell::root().join("docs/benchmarks");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("scale.md"), text).context("cannot write the table")
}

impl Steps<'_> {
    fn run(&mut self) -> Result<()> {
        let records = self.args.records;
        let server = self.start("first start")?;
        let created = self.bench(&server, "create", (0, 0))?;
        self.note(&server, &format!("create {} topics, {} partitions", created.count, created.partitions), &created)?;
        let written = self.bench(&server, "write", (0, records))?;
        self.note(&server, &format!("write {records} records to {} partitions", written.partitions), &written)?;
        self.check(&server, records)?;
        server.kill()?;

        let server = self.start("restart after kill -9")?;
        self.check(&server, records)?;
        let asked_at = Instant::now();
        server.end()?;
        self.line("orderly end", asked_at.elapsed(), ["", ""])?;

        let server = self.start("restart after an orderly end")?;
        let more = self.bench(&server, "write", (records, RECORDS_AFTER))?;
        self.note(&server, &format!("write {RECORDS_AFTER} records more"), &more)?;
        self.check(&server, records + RECORDS_AFTER)?;
        server.end()?;
        Ok(())
    }

    /// Starts a broker on the directory: until the first answer, and until the first records.
    fn start(&mut self, what: &str) -> Result<Server> {
        let begun = Instant::now();
        let server = Server::omnibus("scale", self.data)?;
        let first_answer = server.first_answer;
        let is_restart = self.table.row_count() > 0;
        let first_records = if is_restart {
            Some((self.bench(&server, "probe", (0, self.args.records))?, begun.elapsed()))
        } else {
            None
        };
        let memory = rested_memory(&server)?;
        self.line(&format!("{what}: first answer"), first_answer, ["", &memory])?;
        if let Some((_, took)) = first_records {
            self.line(&format!("{what}: first records"), took, ["", ""])?;
        }
        Ok(server)
    }

    fn check(&mut self, server: &Server, records: u64) -> Result<()> {
        let checked = self.bench(server, "check", (0, records))?;
        ensure!(checked.count == records, "{} of {records} records were checked", checked.count);
        self.note(server, &format!("check {records} records of {} partitions", checked.partitions), &checked)
    }

    fn bench(&self, server: &Server, step: &str, (skip, records): (u64, u64)) -> Result<Told> {
        let ScaleArgs { topics, partitions, .. } = self.args;
        let mut command = Command::new(broker::binary());
        command.args(["bench", "topics", step, "-o", "json", "--kafka", &server.address]);
        let numbers = [
            ("--topics", u64::from(*topics)),
            ("--partitions", u64::from(*partitions)),
            ("--records", records),
            ("--skip", skip),
        ];
        for (flag, number) in numbers {
            command.args([flag, &number.to_string()]);
        }
        let output = command.output()?;
        ensure!(output.status.success(), "{step}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).context("what the workload tells")
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate, shown without fractions")]
    fn note(&mut self, server: &Server, what: &str, told: &Told) -> Result<()> {
        let rate = format!("{:.0}/s", told.count as f64 / told.seconds.max(1e-9));
        let memory = rested_memory(server)?;
        self.line(what, Duration::from_secs_f64(told.seconds), [&rate, &memory])
    }

    fn line(&mut self, what: &str, took: Duration, [rate, memory]: [&str; 2]) -> Result<()> {
        let disk = format!("{} MiB", directory_bytes(self.data)? >> 20);
        let took = format!("{:.0} ms", took.as_secs_f64() * 1e3);
        say(&format!("{what}: {took} {rate} {memory}"));
        self.table.add_row([what, &took, rate, memory, &disk]);
        Ok(())
    }
}

fn rested_memory(server: &Server) -> Result<String> {
    std::thread::sleep(REST);
    Ok(format!("{:.0} MiB", server.memory()?))
}
