//! The figures as people and programs read them.

use std::collections::BTreeSet;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use super::figures::{FAMILIES, Family, Figure, Figures, System, Values, digits};
use super::machine::Machine;

/// Everything that is told of one run.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// Of the page, and the beginning of its plots' names.
    pub(super) file: String,
    pub(super) title: String,
    /// What made it.
    pub(super) command: String,
    /// How it was measured, for readers.
    pub(super) method: String,
    /// What was measured, for programs.
    pub(super) plan: serde_json::Value,
    pub(super) machine: &'a Machine,
    pub(super) figures: &'a Figures,
    pub(super) load_after: f64,
}

impl Page<'_> {
    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let mut text = format!("\n{}\n", self.made_on());
        let systems = self.figures.systems();
        let headings = headings(&systems);
        for family in self.families() {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_header(&headings);
            table.add_rows(self.figures.of(family).map(|figure| row(figure, &systems)));
            for column in 2..headings.len() {
                if let Some(column) = table.column_mut(column) {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
            text += &format!("\n{}\n{table}\n", family.title());
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Result<String> {
        let side = |values: &Values| json!({ "median": values.median(), "min": values.min(), "max": values.max(), "rounds": values });
        let figures = self.figures.0.iter().map(|figure| {
            let mut told = json!({
                "family": figure.family, "name": figure.name, "unit": figure.family.unit(), "better_by": figure.ratio(),
            });
            for (system, values) in &figure.values {
                told[system.key()] = side(values);
            }
            told
        });
        let figures: Vec<_> = figures.collect();
        let page = json!({
            "machine": self.machine, "plan": self.plan, "load_average_after": self.load_after, "figures": figures,
        });
        Ok(serde_json::to_string_pretty(&page)? + "\n")
    }

    /// For the project's readers.
    pub(super) fn markdown(&self) -> String {
        let Self { file, title, command, method, .. } = self;
        let mut text = format!(
            "# {title}

Made by `{command}`; the same figures for programs are in [{file}.json]({file}.json).

{}

{method}
",
            self.made_on()
        );
        for family in self.families() {
            self.section(family, &mut text);
        }
        text
    }

    /// Those that this run measured.
    fn families(&self) -> impl Iterator<Item = Family> + '_ {
        FAMILIES.into_iter().filter(|family| self.figures.of(*family).next().is_some())
    }

    fn section(&self, family: Family, text: &mut String) {
        let systems = self.figures.systems();
        *text += &format!("## {}\n\n![{}]({}-{}.svg)\n\n", family.title(), family.title(), self.file, family.file());
        let [_, _, headings @ ..] = &headings(&systems)[..] else { return };
        *text += &format!("| | {} |\n|---|{}\n", headings.join(" | "), "--:|".repeat(headings.len()));
        for figure in self.figures.of(family) {
            let cells = row(figure, &systems);
            *text += &format!("| {} ({}) | {} |\n", cells[0], cells[1], cells[2..].join(" | "));
        }
        text.push('\n');
    }

    fn made_on(&self) -> String {
        format!("{} and {:.2} after.", self.machine, self.load_after)
    }
}

fn headings(systems: &BTreeSet<System>) -> Vec<&'static str> {
    let each = systems.iter().flat_map(|system| [system.name(), "min–max"]);
    let compared = (systems.len() > 1).then_some("better by");
    ["", "unit"].into_iter().chain(each).chain(compared).collect()
}

fn row(figure: &Figure, systems: &BTreeSet<System>) -> Vec<String> {
    let mut cells = vec![figure.name.clone(), figure.family.unit().to_owned()];
    for system in systems {
        let values = figure.of(*system);
        cells.extend([digits(values.median()), format!("{}–{}", digits(values.min()), digits(values.max()))]);
    }
    if systems.len() > 1 {
        cells.push(format!("{}×", digits(figure.ratio())));
    }
    cells
}
