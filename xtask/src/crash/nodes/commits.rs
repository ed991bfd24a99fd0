//! A group that commits as it reads, and whoever asks how far it is.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::crash::TOPIC;
use crate::shell::{self, root};

/// A member leaves its group within this.
const END_TIME_MAX: Duration = Duration::from_secs(90);

/// What the members of the group found.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Committed {
    read: u64,
    pub(super) commits: u64,
    pub(super) asked: u64,
    /// Commits and questions that failed.
    pub(super) failed: u64,
    /// Offsets that were told or given again although a later one was committed.
    pub(super) returned: u64,
    complaints: Vec<String>,
}

/// The members.
#[derive(Debug)]
pub(super) struct Group {
    child: Child,
    log: PathBuf,
}

impl Group {
    /// Starts them with a Python that is called in this way.
    pub(super) fn start_by(mut command: Command, bootstrap: &str) -> Result<Self> {
        command.arg(root().join("conformance/crash/commits.py")).args([bootstrap, TOPIC]);
        let (child, log) = shell::start("crash-commits", &mut command)?;
        Ok(Self { child, log })
    }

    /// Has them leave; nothing may have gone back until then.
    pub(super) fn end(&mut self) -> Result<Committed> {
        let status = shell::end(&mut self.child, END_TIME_MAX).context("the members of a group")?;
        let text = fs::read_to_string(&self.log)?;
        let line = text.lines().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("the members of a group said nothing: {text}"))?;
        let committed: Committed = serde_json::from_str(line)?;
        ensure!(status.success() && committed.complaints.is_empty(), "{}", committed.complaints.join("; "));
        ensure!(committed.commits > 0 && committed.asked > 0, "nobody committed");
        Ok(committed)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // They may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
