//! What the crashes came to: a table for people, JSON for everybody else.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};

use crate::shell::{say, workshop};

/// Crashes of one kind.
#[derive(Debug, Default, Serialize)]
pub(super) struct Kind {
    pub(super) what: &'static str,
    pub(super) crashes: u32,
    /// Those in which the log had a place that could be damaged.
    pub(super) damaged: u32,
    /// The longest time from the start of the broker until it served.
    pub(super) start_millis_max: u128,
}

/// What a reader found of all that was acknowledged.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Findings {
    pub(super) served: usize,
    pub(super) acknowledged: usize,
    pub(super) lost: usize,
    pub(super) twice: usize,
    pub(super) gaps: usize,
    pub(super) complaints: Vec<String>,
}

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    pub(super) first_round: u32,
    pub(super) kinds: Vec<Kind>,
    pub(super) records: Findings,
    pub(super) seconds: u64,
}

impl Figures {
    /// Notes one crash.
    pub(super) fn add(&mut self, what: &'static str, is_damaged: bool, start_millis: u128) {
        let known = self.kinds.iter().position(|kind| kind.what == what);
        let place = known.unwrap_or_else(|| {
            self.kinds.push(Kind { what, ..Kind::default() });
            self.kinds.len() - 1
        });
        let kind = &mut self.kinds[place];
        kind.crashes += 1;
        kind.damaged += u32::from(is_damaged);
        kind.start_millis_max = kind.start_millis_max.max(start_millis);
    }

    /// Prints the table, and keeps the figures in the workshop and where `json` says.
    pub(super) fn tell(&self, name: &str, json: Option<&Path>) -> Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["crash", "times", "damaged", "start, ms at most"]);
        for kind in &self.kinds {
            let counts = [kind.crashes.to_string(), kind.damaged.to_string(), kind.start_millis_max.to_string()];
            table.add_row(std::iter::once(kind.what.to_owned()).chain(counts));
        }
        table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        let Findings { served, acknowledged, lost, twice, gaps, .. } = &self.records;
        say(&format!("\n{table}\n"));
        say(&format!("{acknowledged} acknowledged, {served} served, {lost} lost, {twice} twice, {gaps} gaps"));
        let text = serde_json::to_string_pretty(self)? + "\n";
        let kept = workshop("crash")?.join(format!("{name}.json"));
        for path in std::iter::once(kept.as_path()).chain(json) {
            fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}
