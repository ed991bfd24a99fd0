//! Suites of checks, and the table that says how each of them went.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::shell::say;

/// A named set of checks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) run: fn() -> Result<Tally>,
}

/// How many checks went which way.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    /// What a reader should know: which failed, why something was skipped.
    pub(crate) notes: Vec<String>,
}

/// One suite's line in the table.
#[derive(Debug, Serialize)]
struct Line {
    suite: &'static str,
    #[serde(flatten)]
    tally: Tally,
    seconds: f64,
}

impl Tally {
    /// One check that passed.
    pub(crate) fn pass() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// One check that failed.
    pub(crate) fn fail(note: impl Into<String>) -> Self {
        Self { failed: 1, notes: vec![note.into()], ..Self::default() }
    }

    /// One check that could not be made here.
    pub(crate) fn skip(reason: impl Into<String>) -> Self {
        Self { skipped: 1, notes: vec![reason.into()], ..Self::default() }
    }

    /// Adds another tally to this one.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.notes.extend(other.notes);
    }
}

/// Runs the suites whose names contain one of `words` (all if there are none) and prints how
/// they went; tells whether nothing failed.
///
/// # Errors
/// If the results cannot be written.
pub(crate) fn run(suites: &[Suite], words: &[String], json: Option<&Path>) -> Result<bool> {
    let wanted = |suite: &&Suite| words.is_empty() || words.iter().any(|word| suite.name.contains(word.as_str()));
    let lines: Vec<Line> = suites.iter().filter(wanted).map(run_one).collect();
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&lines)?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    print_table(&lines);
    Ok(lines.iter().all(|line| line.tally.failed == 0) && !lines.is_empty())
}

fn run_one(suite: &Suite) -> Line {
    say(&format!("== {}", suite.name));
    let started_at = Instant::now();
    let tally = (suite.run)().unwrap_or_else(|error| Tally::fail(format!("{error:#}")));
    let seconds = started_at.elapsed().as_secs_f64();
    for note in &tally.notes {
        say(&format!("    {note}"));
    }
    say(&format!("   {} {} in {seconds:.0} s", suite.name, if tally.failed == 0 { "ok" } else { "FAILED" }));
    Line { suite: suite.name, tally, seconds }
}

fn print_table(lines: &[Line]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["suite", "passed", "failed", "skipped", "seconds", "notes"]);
    for line in lines {
        let Tally { passed, failed, skipped, notes } = &line.tally;
        let seconds = format!("{:.0}", line.seconds);
        table.add_row([
            line.suite.to_owned(),
            passed.to_string(),
            failed.to_string(),
            skipped.to_string(),
            seconds,
            shortened(&notes.join("; ")),
        ]);
    }
    for column in 1..=4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let sum = |count: fn(&Tally) -> usize| lines.iter().map(|line| count(&line.tally)).sum::<usize>();
    say(&format!("\n{table}\n"));
    let (passed, failed, skipped) = (sum(|t| t.passed), sum(|t| t.failed), sum(|t| t.skipped));
    say(&format!("{passed} passed, {failed} failed, {skipped} skipped"));
}

fn shortened(text: &str) -> String {
    const NOTE_CHARS_MAX: usize = 160;
    match text.char_indices().nth(NOTE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
