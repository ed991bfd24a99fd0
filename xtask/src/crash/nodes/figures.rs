//! What the troubles came to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::commits::Committed;
use super::rabbits::Found;
use super::waits::Seen;
use crate::crash::figures::Findings;
use crate::crash::queues::Kept;
use crate::shell::{say, workshop};

/// Troubles of one kind.
#[derive(Debug, Default, Serialize)]
struct Kind {
    what: &'static str,
    times: u32,
    /// Until a partition that was led by somebody troubled took a write that was sent after it began.
    first_write: Millis,
    /// The longest that a record to such a partition waited.
    longest_wait: Millis,
    /// The longest that a record to any other waited.
    others_wait: Millis,
    /// From the moment all was mended until no replica was behind.
    whole: Millis,
}

/// Times in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Millis(Vec<u64>);

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    pub(super) first_round: u32,
    pub(super) nodes: u32,
    pub(super) kinds: Kinds,
    pub(super) records: Findings,
    pub(super) messages: Kept,
    pub(super) commits: Committed,
    /// If AMQP was used, in the place of messages and commits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amqp: Option<Found>,
    pub(super) seconds: u64,
}

/// All kinds, in the order in which they came.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Kinds(Vec<Kind>);

impl Kinds {
    /// Notes one round: what each partition's producer saw, and who led it when it began.
    pub(super) fn add(
        &mut self,
        what: &'static str,
        (victims, leaders): (&[u32], &BTreeMap<u32, u32>),
        seen: &BTreeMap<u32, Seen>,
        whole: Duration,
    ) {
        let known = self.0.iter().position(|kind| kind.what == what);
        let place = known.unwrap_or_else(|| {
            self.0.push(Kind { what, ..Kind::default() });
            self.0.len() - 1
        });
        let kind = &mut self.0[place];
        kind.times += 1;
        kind.whole.add(whole);
        for (partition, seen) in seen {
            if leaders.get(partition).is_some_and(|leader| victims.contains(leader)) {
                kind.first_write.add(seen.first_write);
                kind.longest_wait.add(seen.longest_wait);
            } else {
                kind.others_wait.add(seen.longest_wait);
            }
        }
    }
}

impl Millis {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.0.sort_unstable();
    }

    /// The time that so many of a hundred do not exceed.
    fn percentile(&self, percent: usize) -> Option<u64> {
        let at = (self.0.len() * percent).div_ceil(100);
        self.0.get(at.saturating_sub(1)).copied()
    }

    pub(super) fn show(&self) -> String {
        let [p50, p99, max] = [50, 99, 100].map(|percent| self.percentile(percent));
        match (p50, p99, max) {
            (Some(p50), Some(p99), Some(max)) => format!("{p50}/{p99}/{max}"),
            _ => "-".to_owned(),
        }
    }
}

impl Serialize for Millis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = [("p50", 50), ("p99", 99), ("max", 100)].map(|(name, percent)| (name, self.percentile(percent)));
        serializer.collect_map(named)
    }
}

impl Figures {
    /// One line for a table.
    pub(super) fn in_short(&self, rounds: u32) -> String {
        let (records, messages) = (self.records.acknowledged, self.messages.sent);
        if let Some(found) = &self.amqp {
            let [confirmed, settled] = ["confirmed", "proved_by_commit"].map(|what| found.count(what));
            return format!(
                "{records} records, {confirmed} confirmed over AMQP, {settled} committed, {rounds} troubles"
            );
        }
        format!("{records} records, {messages} messages, {} commits, {rounds} troubles", self.commits.commits)
    }

    /// Prints the table, and keeps the figures in the workshop and where `json` says.
    pub(super) fn tell(&self, json: Option<&Path>) -> Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["trouble, ms as p50/p99/max", "times", "first write", "longest wait", "others", "whole"]);
        for Kind { what, times, first_write, longest_wait, others_wait, whole } in &self.kinds.0 {
            let times = times.to_string();
            let figures = [first_write, longest_wait, others_wait, whole].map(Millis::show);
            table.add_row([(*what).to_owned(), times].into_iter().chain(figures));
        }
        table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        let Findings { served, acknowledged, lost, twice, gaps, .. } = &self.records;
        say(&format!("\n{table}\n"));
        say(&format!("{acknowledged} acknowledged, {served} served, {lost} lost, {twice} twice, {gaps} gaps"));
        match &self.amqp {
            Some(found) => tell_amqp(found),
            None => self.tell_queues(),
        }
        let text = serde_json::to_string_pretty(self)? + "\n";
        let name = if self.amqp.is_some() { "nodes-amqp" } else { "nodes" };
        let kept = workshop("crash")?.join(format!("{name}-{}.json", self.first_round));
        for path in std::iter::once(kept.as_path()).chain(json) {
            fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    fn tell_queues(&self) {
        let Kept { sent, deleted, repeated, lost, returned, asked, unanswered, .. } = &self.messages;
        say(&format!("{sent} messages, {deleted} deleted, {repeated} repeated, {lost} lost, {returned} returned"));
        say(&format!("{asked} requests of queues, {unanswered} without an answer"));
        let Committed { commits, asked, failed, returned, .. } = &self.commits;
        say(&format!("{commits} commits, {asked} questions after them, {failed} of both failed, {returned} went back"));
    }
}

/// What came of publishers and consumers.
fn tell_amqp(found: &Found) {
    let counts: Vec<String> =
        found.counts.iter().map(|(what, count)| format!("{count} {}", what.replace('_', " "))).collect();
    say(&format!("AMQP: {}", counts.join(", ")));
    let Found { apart, apart_from_leader, .. } = found;
    say(&format!(
        "trouble came {apart} times to a queue with publisher, consumer and leader on three nodes, {apart_from_leader} times to its leader"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_seen() {
        let mut times = Millis::default();
        assert_eq!(times.show(), "-");
        (1..=200).rev().for_each(|millis| times.add(Duration::from_millis(millis)));
        assert_eq!(times.show(), "100/198/200");
    }
}
