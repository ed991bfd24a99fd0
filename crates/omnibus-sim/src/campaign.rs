//! Many seeds, one table.

use std::fmt;
use std::ops::Range;

use comfy_table::{CellAlignment, Table, presets};
use omnibus_model::Bug;

use crate::run::{Options, Report, play};
use crate::tally::Tally;
use crate::trace::Keep;
use crate::violation::Violation;

/// Which seeds are played, and how.
#[derive(Clone, Debug)]
pub struct Campaign {
    pub seeds: Range<u64>,
    pub options: Options,
    /// How often each seed is played; all must be the same.
    pub repeat: u32,
}

/// How a campaign went.
#[derive(Clone, Debug)]
pub struct Summary {
    pub reports: Vec<Report>,
}

impl Campaign {
    /// Plays every seed and hands each report to `told`.
    #[must_use]
    pub fn play(&self, mut told: impl FnMut(&Report)) -> Summary {
        let mut reports = Vec::new();
        for seed in self.seeds.clone() {
            let mut report = play(seed, self.options);
            let differs = (1..self.repeat).any(|_| play(seed, self.options).digest != report.digest);
            if differs {
                let detail = String::from("the same seed was played twice and went differently");
                report.violation = Some(Violation { rule: "one seed, one run", detail });
            }
            told(&report);
            // Lines were told; a long campaign need not keep them.
            report.lines = Vec::new();
            reports.push(report);
        }
        Summary { reports }
    }
}

impl Summary {
    #[must_use]
    pub fn failed(&self) -> usize {
        self.reports.iter().filter(|report| report.violation.is_some()).count()
    }

    #[must_use]
    pub fn passed(&self) -> usize {
        self.reports.len() - self.failed()
    }

    /// Simulated milliseconds of all runs together.
    #[must_use]
    pub fn millis(&self) -> u64 {
        self.reports.iter().map(|report| report.tally.millis).sum()
    }
}

/// Plays seeds until one catches the bug, at most `seeds_max`.
#[must_use]
pub fn hunt(bug: Bug, seeds_max: u64) -> Option<Report> {
    let options = Options { bug: Some(bug), keep: Keep::Digest };
    (0..seeds_max).map(|seed| play(seed, options)).find(|report| report.violation.is_some())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headings = Tally::default().columns().into_iter().map(|(heading, _)| heading);
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["seed"].into_iter().chain(headings).chain(["digest", "verdict"]));
        for report in &self.reports {
            table.add_row(row(report));
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{table}\n")?;
        for report in &self.reports {
            if let Some(violation) = &report.violation {
                writeln!(f, "seed {}: {violation}", report.seed)?;
            }
        }
        write!(f, "{} passed, {} failed", self.passed(), self.failed())
    }
}

fn row(report: &Report) -> Vec<String> {
    let counts = report.tally.columns().into_iter().map(|(_, count)| count.to_string());
    let verdict = report.violation.as_ref().map_or("ok", |violation| violation.rule);
    let ends = [format!("{:016x}", report.digest), verdict.to_owned()];
    std::iter::once(report.seed.to_string()).chain(counts).chain(ends).collect()
}
