//! Checks what no compiler checks. Imports between crates and modules have a test of their
//! own, `xtask/tests/one_way.rs`.

mod documents;
mod marks;
mod sizes;

use std::fs;

use anyhow::{Context, Result};

use crate::shell::{self, command};
use crate::suite::Tally;

/// A file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Every complaint of every check is one failure.
pub(crate) fn check() -> Result<Tally> {
    let sources = sources()?;
    let mut tally = Tally::default();
    for (name, complaints) in [
        ("file sizes", sizes::complaints(&sources)),
        ("left-over marks", marks::complaints(&sources)),
        ("documents", documents::complaints(&sources)),
    ] {
        if complaints.is_empty() {
            tally.add(Tally::pass());
        }
        for complaint in complaints {
            tally.add(Tally::fail(format!("{name}: {complaint}")));
        }
    }
    Ok(tally)
}

/// All text files that git knows and that are there.
fn sources() -> Result<Vec<Source>> {
    let output = command("git").args(["ls-files", "-z"]).output().context("cannot run git")?;
    anyhow::ensure!(output.status.success(), "git ls-files failed");
    let paths = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let read = |path: &str| {
        let text = fs::read_to_string(shell::root().join(path)).ok()?;
        Some(Source { path: path.to_owned(), text })
    };
    Ok(paths.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect())
}
