//! The load generator, `omnibus bench`, and what it tells.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::server::Server;
use crate::{broker, shell};

/// What one run of the load generator measured.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Measured {
    pub(super) records: u64,
    pub(super) records_per_second: f64,
    pub(super) megabytes_per_second: f64,
    /// From sending to the answer.
    pub(super) acknowledged: Option<Percentiles>,
    pub(super) received: Option<Percentiles>,
    pub(super) deleted: Option<Percentiles>,
    pub(super) end_to_end: Option<Percentiles>,
    pub(super) server: Usage,
    /// What the load generator took beside it.
    pub(super) generator: Usage,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Percentiles {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Usage {
    pub(super) processor_seconds: f64,
    /// Of one core.
    pub(super) cores: f64,
    /// Left out where nothing was sent or received.
    #[serde(default)]
    pub(super) processor_seconds_per_gigabyte: f64,
    pub(super) memory_bytes_max: u64,
}

/// A load generator that runs until it is done, or dropped.
#[derive(Debug)]
pub(super) struct Load(Option<Child>);

impl Load {
    /// Starts one of its measurements over Kafka.
    pub(super) fn start(server: &Server, words: &[String]) -> Result<Self> {
        Self::start_over(server, words, ["--kafka", &server.address])
    }

    /// Starts one of its measurements over SQS.
    pub(super) fn start_queue(server: &Server, words: &[String]) -> Result<Self> {
        Self::start_over(server, words, ["--sqs", &format!("http://{}", server.address)])
    }

    /// Starts one of its measurements over AMQP.
    pub(super) fn start_amqp(server: &Server, words: &[String]) -> Result<Self> {
        Self::start_over(server, words, ["--amqp", &format!("amqp://{}", server.address)])
    }

    fn start_over(server: &Server, words: &[String], address: [&str; 2]) -> Result<Self> {
        let mut command = Command::new(broker::binary());
        command.arg("bench").args(words).args(["-o", "json"]).args(address);
        let pids: Vec<String> = server.pids().map(|pid| pid.to_string()).collect();
        command.args(["--server-pid", &pids.join(",")]);
        let mut command = shell::ending_with_us(&command);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        Ok(Self(Some(child)))
    }

    /// Waits for its end.
    pub(super) fn finish(self) -> Result<Measured> {
        self.finish_as()
    }

    /// Waits for its end, for what a load tells that is more than others do.
    pub(super) fn finish_as<M: DeserializeOwned>(mut self) -> Result<M> {
        let child = self.0.take().context("it has ended")?;
        let output = child.wait_with_output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the load generator ended with {}: {errors}", output.status);
        serde_json::from_slice(&output.stdout).context("what the load generator tells")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Runs one measurement from begin to end.
pub(super) fn measure(server: &Server, words: &[String]) -> Result<Measured> {
    Load::start(server, words)?.finish()
}
