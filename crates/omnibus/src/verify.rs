//! `omnibus verify`: reads a data directory that nobody serves, and checks every checksum.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use omnibus_io::{Disk, SystemDisk};
use omnibus_log::{Affected, Damage, Gravity, VerifyReport};
use serde::Serialize;

use crate::output::{self, Column, Format};

/// Checks every checksum of a data directory and lists what is damaged. Changes nothing.
///
/// Ends with 1 if something acknowledged is damaged.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The data directory; no broker may serve it meanwhile.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Findings {
    sound: bool,
    segments: u64,
    packs: u64,
    checkpoints: u64,
    blocks: u64,
    batches: u64,
    bytes: u64,
    damage: Vec<Finding>,
}

/// One damaged place.
#[derive(Debug, Serialize)]
struct Finding {
    file: String,
    position: u64,
    what: &'static str,
    block: Option<u64>,
    gravity: &'static str,
    affected: Vec<Range>,
}

/// Records of one stream.
#[derive(Debug, Serialize)]
struct Range {
    stream: u64,
    from: u64,
    to: u64,
}

/// Checks and tells.
pub(crate) fn run(args: &VerifyArgs, format: Format) -> Result<ExitCode> {
    let disk = open(&args.directory)?;
    let report =
        omnibus_log::verify(&disk).with_context(|| format!("{} cannot be checked", args.directory.display()))?;
    let findings = Findings::new(report);
    match format {
        Format::Json => output::json(&findings)?,
        Format::Table => show(&findings)?,
    }
    Ok(if findings.sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn open(directory: &Path) -> Result<Arc<dyn Disk>> {
    let shown = directory.display();
    let disk = SystemDisk::inspect(directory).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => anyhow!("{shown} is being served; stop the broker and check again"),
        io::ErrorKind::NotFound => anyhow!("there is no directory {shown}"),
        _ => anyhow!(error).context(format!("cannot open {shown}")),
    })?;
    let names = disk.list("").with_context(|| format!("cannot read {shown}"))?;
    if !names.iter().any(|name| name.starts_with("SUPER.")) {
        bail!("{shown} is no data directory; `omnibus serve --data-dir {shown}` would make it one");
    }
    Ok(Arc::new(disk))
}

fn show(findings: &Findings) -> Result<()> {
    let Findings { segments, packs, checkpoints, blocks, batches, bytes, damage, .. } = findings;
    output::line(format_args!(
        "{segments} segments, {packs} packs, {checkpoints} checkpoints; {blocks} blocks, {batches} batches, {bytes} bytes"
    ))?;
    if damage.is_empty() {
        return output::line("every checksum holds");
    }
    let columns = [
        Column::Text("FILE"),
        Column::Number("BYTE"),
        Column::Text("WHAT"),
        Column::Text("GRAVITY"),
        Column::Text("AFFECTED"),
    ];
    let row = |finding: &Finding| {
        let affected = finding.affected.iter().map(|range| format!("{}:{}-{}", range.stream, range.from, range.to));
        vec![
            finding.file.clone(),
            finding.position.to_string(),
            finding.what.to_owned(),
            finding.gravity.to_owned(),
            affected.collect::<Vec<_>>().join(" "),
        ]
    };
    output::line("")?;
    output::table(&columns, damage.iter().map(row))?;
    output::line("\naffected are STREAM:FROM-TO; `omnibus topic describe` tells the streams of a topic")?;
    if findings.sound {
        output::line("\nnothing that was acknowledged is damaged; the next start repairs this")
    } else {
        output::line("\nacknowledged records are damaged; they are never served. Restore this directory from a copy")
    }
}

impl Findings {
    fn new(report: VerifyReport) -> Self {
        Self {
            sound: report.is_sound(),
            segments: report.segments,
            packs: report.packs,
            checkpoints: report.checkpoints,
            blocks: report.blocks,
            batches: report.batches,
            bytes: report.bytes,
            damage: report.damage.into_iter().map(finding).collect(),
        }
    }
}

fn finding(damage: Damage) -> Finding {
    let range = |affected: Affected| Range { stream: affected.stream.0, from: affected.from.0, to: affected.to.0 };
    Finding {
        file: damage.file,
        position: damage.position,
        what: damage.what,
        block: damage.block_seq,
        gravity: match damage.gravity {
            Gravity::Acknowledged => "acknowledged",
            Gravity::TornTail => "torn tail",
            Gravity::Redundant => "redundant",
        },
        affected: damage.affected.into_iter().map(range).collect(),
    }
}
