//! Pages that the program prints about itself: its command line, its configuration.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::Check;
use crate::shell::{cargo, root};

/// Each page, and what `omnibus docs` calls it.
const PAGES: [(&str, &str); 2] = [("docs/cli.md", "cli"), ("docs/configuration.md", "config")];

/// Writes the pages, or returns those that are stale.
pub(super) fn refresh(check: Check) -> Result<Vec<PathBuf>> {
    let mut stale = Vec::new();
    for (path, page) in PAGES {
        let path = root().join(path);
        let output = cargo(&["run", "--quiet", "--package", "omnibus", "--", "docs", page]).output();
        let output = output.context("starting cargo")?;
        ensure!(output.status.success(), "omnibus docs {page}: {}", String::from_utf8_lossy(&output.stderr));
        if std::fs::read(&path).ok().as_ref() == Some(&output.stdout) {
            continue;
        }
        match check {
            Check::Rewrite => std::fs::write(&path, output.stdout)?,
            Check::Verify => stale.push(path),
        }
    }
    Ok(stale)
}
