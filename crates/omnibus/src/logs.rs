//! What the process tells about itself, on standard error.

use std::io::{self, IsTerminal};

use anyhow::{Context, Result, anyhow};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Logs};

/// Begins to log; once per process.
pub(crate) fn start(logs: &Logs) -> Result<()> {
    // A library tells of each missed heartbeat of each shard; our own lines say what follows from it.
    let filter = EnvFilter::try_new(format!("openraft=off,{}", logs.filter)).with_context(|| {
        format!("logs.filter: {:?} is not a filter; write info or info,omnibus_kafka=debug", logs.filter)
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match logs.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow!("the log could not be started: {error}"))
}
