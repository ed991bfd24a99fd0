//! A broker that is measured: started, asked until it answers, and ended.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{machine, wire};
use crate::{broker, shell};

/// The part of the machine's memory that the cache gets.
const CACHE_SHARE: u64 = 4;

/// Between two looks whether a broker answers.
const PAUSE: Duration = Duration::from_millis(1);
const START_TIME_MAX: Duration = Duration::from_secs(300);
const END_TIME_MAX: Duration = Duration::from_secs(120);

/// A broker that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    /// From start to the first answer.
    pub(crate) first_answer: Duration,
}

impl Server {
    /// Starts Omnibus on this data directory, with a cache as its manual names it for production.
    pub(super) fn omnibus_in_production(name: &str, data: &Path) -> Result<Self> {
        let cache = format!("storage.cache={}MiB", machine::memory_mebibytes()? / CACHE_SHARE);
        Self::start_omnibus(name, data, &["--set", &cache])
    }

    /// Starts Omnibus on this data directory, as it comes.
    pub(crate) fn omnibus(name: &str, data: &Path) -> Result<Self> {
        Self::start_omnibus(name, data, &[])
    }

    fn start_omnibus(name: &str, data: &Path, more: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let mut command = shell::command(broker::binary());
        command.args(["serve", "--kafka", &address, "--admin", "127.0.0.1:0", "--data-dir"]).arg(data).args(more);
        Self::start(name, &mut command, address, wire::answers)
    }

    /// Starts a server and waits for its first answer.
    pub(crate) fn start(name: &str, command: &mut Command, address: String, answers: fn(&str) -> bool) -> Result<Self> {
        let started_at = Instant::now();
        let (mut child, log) = shell::start(&format!("bench-{name}"), command)?;
        while !answers(&address) {
            if let Some(status) = child.try_wait()? {
                shell::show_tail(&fs::read_to_string(log).unwrap_or_default());
                bail!("{name} ended with {status} instead of serving");
            }
            if started_at.elapsed() > START_TIME_MAX {
                child.kill()?;
                bail!("{name} did not answer within {} s", START_TIME_MAX.as_secs());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(Self { child, address, first_answer: started_at.elapsed() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in MiB.
    pub(crate) fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no memory is told")?;
        let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes / 1024.0)
    }

    /// Kills it at once, as a power cut would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end.
    pub(crate) fn end(mut self) -> Result<Duration> {
        let asked_at = Instant::now();
        let status = shell::end(&mut self.child, END_TIME_MAX)?;
        // A Java machine that was asked to end says so in its status.
        ensure!(status.success() || status.code() == Some(143), "the broker ended with {status}");
        Ok(asked_at.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An address that nobody uses now.
pub(super) fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// An empty data directory.
pub(crate) fn fresh(name: &str) -> Result<PathBuf> {
    let data = shell::workshop("bench")?.join(name);
    remove(&data)?;
    fs::create_dir_all(&data)?;
    Ok(data)
}

/// Removes a data directory, if it is there.
pub(crate) fn remove(data: &Path) -> Result<()> {
    if data.exists() {
        fs::remove_dir_all(data).with_context(|| format!("cannot remove {}", data.display()))?;
    }
    Ok(())
}

/// What a data directory takes on the disk.
pub(crate) fn directory_bytes(data: &Path) -> Result<u64> {
    let output = Command::new("du").args(["-s", "--block-size=1"]).arg(data).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).context("du tells no size")
}
