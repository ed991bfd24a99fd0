//! Many seeds, one table.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use comfy_table::{CellAlignment, Table, presets};
use omnibus_model::Bug;

use crate::cluster::play_cluster;
use crate::report::{Options, Report};
use crate::run::play;
use crate::trace::Keep;
use crate::violation::Violation;

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theatre {
    /// One node, step by step.
    OneNode,
    /// So many nodes, by one clock.
    Cluster { nodes: u32 },
}

/// Which seeds are played, and how.
#[derive(Clone, Debug)]
pub struct Campaign {
    pub theatre: Theatre,
    pub seeds: Range<u64>,
    pub options: Options,
    /// How often each seed is played; all must be the same.
    pub repeat: u32,
    /// How many seeds are played at the same time, each on a thread of its own.
    pub at_once: usize,
}

/// How a campaign went.
#[derive(Clone, Debug)]
pub struct Summary {
    pub reports: Vec<Report>,
}

impl Theatre {
    /// Plays one seed.
    ///
    /// # Panics
    /// If a bug is asked for and this build has none.
    #[must_use]
    pub fn play(self, seed: u64, options: Options) -> Report {
        match self {
            Self::OneNode => play(seed, options),
            Self::Cluster { nodes } => play_cluster(nodes, seed, options),
        }
    }
}

impl Campaign {
    /// Plays every seed and hands each report to `told`, as soon as it is there.
    #[must_use]
    pub fn play(&self, mut told: impl FnMut(&Report)) -> Summary {
        let next = AtomicU64::new(self.seeds.start);
        let mut reports = BTreeMap::new();
        std::thread::scope(|scope| {
            let (done, played) = sync_channel(self.at_once);
            for _ in 0..self.at_once.max(1) {
                let (done, next) = (done.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= self.seeds.end || done.send(self.play_one(seed)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            for mut report in played {
                told(&report);
                // Lines were told; a long campaign need not keep them.
                report.lines = Vec::new();
                reports.insert(report.seed, report);
            }
        });
        Summary { reports: reports.into_values().collect() }
    }

    fn play_one(&self, seed: u64) -> Report {
        let mut report = self.theatre.play(seed, self.options);
        let differs = (1..self.repeat).any(|_| self.theatre.play(seed, self.options).digest != report.digest);
        if differs {
            let detail = String::from("the same seed was played twice and went differently");
            report.violation = Some(Violation { rule: "one seed, one run", detail });
        }
        report
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
}

/// Plays seeds until one catches the bug, at most `seeds_max`, several at a time.
#[must_use]
pub fn hunt(theatre: Theatre, bug: Bug, seeds_max: u64, at_once: usize) -> Option<Report> {
    let options = Options { bug: Some(bug), keep: Keep::Digest };
    let width = u64::try_from(at_once.max(1)).unwrap_or(1);
    (0..seeds_max.div_ceil(width)).find_map(|turn| {
        let seeds = turn * width..seeds_max.min((turn + 1) * width);
        let played = Campaign { theatre, seeds, options, repeat: 1, at_once }.play(|_| {});
        played.reports.into_iter().find(|report| report.violation.is_some())
    })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headings = self.reports.first().into_iter().flat_map(|report| &report.tally).map(|(heading, _)| *heading);
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
    let counts = report.tally.iter().map(|(_, count)| count.to_string());
    let verdict = report.violation.as_ref().map_or("ok", |violation| violation.rule);
    let ends = [format!("{:016x}", report.digest), verdict.to_owned()];
    std::iter::once(report.seed.to_string()).chain(counts).chain(ends).collect()
}
