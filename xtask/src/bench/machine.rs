//! The machine that figures were made on.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

/// What a reader must know to compare.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(super) date: String,
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) memory_gibibytes: u64,
    pub(super) kernel: String,
    pub(super) disk: String,
    pub(super) omnibus: String,
    pub(super) java: String,
    /// Of the last minute, before the run.
    pub(super) load_average: f64,
}

impl Machine {
    /// Looks at this machine.
    pub(crate) fn look(omnibus: &Path) -> Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        Ok(Self {
            date: told("date", &["-u", "+%Y-%m-%d %H:%M UTC"])?,
            processor: field(&processors, "model name").unwrap_or("unknown").trim_start_matches([':', ' ']).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory_gibibytes: memory_mebibytes()?.div_ceil(1 << 10),
            kernel: told("uname", &["-sr"])?,
            disk: disk()?,
            omnibus: self::omnibus(omnibus)?,
            java: java()?,
            load_average: load_average(),
        })
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { date, processor, cores, memory_gibibytes, kernel, disk, omnibus, java, load_average } = self;
        write!(
            f,
            "{date}; {processor}, {cores} cores, {memory_gibibytes} GiB, {kernel}, {disk}; {omnibus}; {java}; load \
             average {load_average:.2} before"
        )
    }
}

/// The version of a binary, and the commit that it is of.
pub(super) fn omnibus(binary: &Path) -> Result<String> {
    let (version, commit) = (told(binary, &["--version"])?, told("git", &["rev-parse", "--short", "HEAD"])?);
    Ok(format!("{version}, commit {commit}"))
}

/// The memory that the machine has.
pub(super) fn memory_mebibytes() -> Result<u64> {
    let memory = fs::read_to_string("/proc/meminfo")?;
    let total = field(&memory, "MemTotal:").and_then(|line| line.trim_end_matches("kB").trim().parse::<u64>().ok());
    Ok(total.context("/proc/meminfo tells no total")? >> 10)
}

/// How busy the machine was during the last minute.
pub(super) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

/// Free bytes where this directory is.
pub(super) fn disk_free(directory: &Path) -> Result<u64> {
    let output = Command::new("df").args(["--output=avail", "--block-size=1"]).arg(directory).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().last().and_then(|bytes| bytes.parse().ok()).context("df tells no size")
}

/// The file system that the data directories are on, and the disk below it.
fn disk() -> Result<String> {
    let output = Command::new("df").args(["--output=source,fstype"]).arg(crate::shell::target()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().last().unwrap_or("unknown").split_whitespace().collect::<Vec<_>>().join(", "))
}

/// Java says what it is on the other stream.
fn java() -> Result<String> {
    let output = Command::new("java").arg("-version").output().context("java")?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(text.lines().next().unwrap_or("unknown").to_owned())
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn told(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Result<String> {
    let mut command = crate::shell::command(program);
    let output = command.args(arguments).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
