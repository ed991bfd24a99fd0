//! A broker to test against: the release binary on a data directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::shell::{self, cargo, must, target, workshop};

const START_TIME_MAX: Duration = Duration::from_secs(60);
const END_TIME_MAX: Duration = Duration::from_secs(30);

/// Where a broker can be reached, as it says itself.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) kafka: String,
    pub(crate) amqp: String,
    pub(crate) amqp_management: String,
    pub(crate) amqp_metrics: String,
    pub(crate) sqs: String,
    pub(crate) admin: String,
}

impl Addresses {
    /// Ports that are free.
    pub(crate) fn anywhere() -> Self {
        let anywhere = || "127.0.0.1:0".to_owned();
        Self {
            kafka: anywhere(),
            amqp: anywhere(),
            amqp_management: anywhere(),
            amqp_metrics: anywhere(),
            sqs: anywhere(),
            admin: anywhere(),
        }
    }

    /// What tells a broker to serve here.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self { kafka, amqp, amqp_management, amqp_metrics, sqs, admin } = self;
        let (management, metrics) =
            (format!("amqp.management={amqp_management}"), format!("amqp.metrics={amqp_metrics}"));
        [
            ["--kafka", kafka],
            ["--amqp", amqp],
            ["--set", &management],
            ["--set", &metrics],
            ["--sqs", sqs],
            ["--admin", admin],
        ]
        .as_flattened()
        .iter()
        .map(ToString::to_string)
        .collect()
    }
}

/// A broker that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Broker {
    child: Child,
    pub(crate) addresses: Addresses,
    pub(crate) data: PathBuf,
    name: String,
}

/// A virtual host beside the first, which some programs use.
pub(crate) const VIRTUAL_HOST: &str = "amqp.virtual_hosts=staging";

/// A new group of a test need not wait for more members to come.
pub(crate) const GROUPS_BEGIN_AT_ONCE: &str = "groups.initial_rebalance_delay=0s";

/// The variable that names a binary to test instead of the one that is built.
const BINARY: &str = "XTASK_BINARY";

/// Builds the release binary, unless one to test is named.
pub(crate) fn build() -> Result<()> {
    if std::env::var_os(BINARY).is_none() {
        must("release-build", &mut cargo(&["build", "--release", "--locked", "--bin", "omnibus"]))?;
    }
    Ok(())
}

/// The path of the binary to test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os(BINARY).map_or_else(|| target().join("release/omnibus"), PathBuf::from)
}

impl Broker {
    /// Starts a broker on an empty data directory.
    pub(crate) fn start(name: &str) -> Result<Self> {
        Self::start_with(name, &[])
    }

    /// Starts a broker with some settings on an empty data directory.
    pub(crate) fn start_with(name: &str, settings: &[&str]) -> Result<Self> {
        let data = workshop("data")?.join(name);
        if data.exists() {
            fs::remove_dir_all(&data).with_context(|| format!("cannot empty {}", data.display()))?;
        }
        Self::start_on(name, data, &Addresses::anywhere(), settings)
    }

    /// Starts a broker on what a former one left behind, at the same addresses.
    pub(crate) fn start_on(name: &str, data: PathBuf, at: &Addresses, settings: &[&str]) -> Result<Self> {
        let ready = data.with_extension("ready");
        if ready.exists() {
            fs::remove_file(&ready)?;
        }
        let mut command = shell::command(binary());
        command.arg("serve").args(at.arguments()).args(["--set", VIRTUAL_HOST, "--set", GROUPS_BEGIN_AT_ONCE]);
        command.arg("--data-dir").arg(&data).arg("--ready-file").arg(&ready);
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        let (mut child, log) = shell::start(&format!("broker-{name}"), &mut command)?;
        let addresses = await_ready(&mut child, &ready, &log)?;
        Ok(Self { child, addresses, data, name: name.to_owned() })
    }

    /// Kills the broker at once, as a power cut would end it, and leaves its data.
    pub(crate) fn kill(mut self) -> Result<(PathBuf, Addresses)> {
        self.child.kill()?;
        self.child.wait()?;
        Ok((self.data.clone(), self.addresses.clone()))
    }

    /// Asks the broker to end, and removes its data; those of one that fails stay to be looked at.
    pub(crate) fn end(mut self) -> Result<()> {
        let status = shell::end(&mut self.child, END_TIME_MAX)?;
        ensure!(status.success(), "broker {} ended with {status}", self.name);
        fs::remove_dir_all(&self.data).with_context(|| format!("cannot remove {}", self.data.display()))
    }

    /// Resident memory in MiB.
    pub(crate) fn memory(&self) -> Result<f64> {
        shell::resident_mebibytes(self.child.id())
    }

    /// Runs a verb of the command line against this broker and returns what it prints.
    pub(crate) fn command_line(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(binary());
        let output = command.args(words).args(["--admin", &self.addresses.admin]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "omnibus {words:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        Ok(text)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until a broker has said where it is.
pub(crate) fn await_ready(child: &mut Child, ready: &Path, log: &Path) -> Result<Addresses> {
    let deadline = Instant::now() + START_TIME_MAX;
    while Instant::now() < deadline {
        if let Ok(text) = fs::read_to_string(ready) {
            return serde_json::from_str(&text).context("the file of addresses");
        }
        if let Some(status) = child.try_wait()? {
            shell::show_tail(&fs::read_to_string(log).unwrap_or_default());
            bail!("the broker ended with {status} instead of serving");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill()?;
    bail!("the broker was not ready within {} s", START_TIME_MAX.as_secs())
}
