//! Runs scripts: one command or question per line with its answer behind the arrow.
//!
//! ```text
//! 0s  append s1 2           -> offset 0
//! 5s  append s1 1           -> offset 2
//! ```
//!
//! Every script is also a test of the broker's promises: what is refused or says that it changed
//! nothing has changed nothing, and at every point the broker survives being written down and
//! read again.

mod line;
mod verbs;
mod queue_verbs;
mod exchange_verbs;
mod placing;

use std::collections::BTreeMap;

use expect_test::Expect;
use omnibus_broker::{Broker, BrokerLimits};
use omnibus_model::outcome::JoinTicket;
use omnibus_model::{Command, Timestamp};

use line::Line;

/// Runs the script in `expected` and compares all answers.
pub(crate) fn check(expected: &Expect) {
    check_within(BrokerLimits::default(), expected);
}

/// The same with other limits.
pub(crate) fn check_within(limits: BrokerLimits, expected: &Expect) {
    let mut script = Script::new(limits);
    let mut actual = String::new();
    for text in expected.data().trim().lines() {
        let question = text.split("->").next().unwrap_or_default().trim();
        if question.is_empty() || question.starts_with('#') {
            actual.push_str(question);
        } else {
            let answer = script.run(question);
            actual.push_str(format!("{question:<58} -> {answer}").trim_end());
        }
        actual.push('\n');
    }
    expected.assert_eq(&actual);
}

/// A broker and what a script's names mean.
struct Script {
    broker: Broker,
    now: Timestamp,
    /// Partition counts by topic name, as the front end would know them.
    catalog: BTreeMap<String, u32>,
    tickets: BTreeMap<(String, String), JoinTicket>,
}

impl Script {
    fn new(limits: BrokerLimits) -> Self {
        Self { broker: Broker::new(limits), now: Timestamp(0), catalog: BTreeMap::new(), tickets: BTreeMap::new() }
    }

    fn run(&mut self, question: &str) -> String {
        let line = Line::parse(question);
        self.now = line.time;
        if let Some(answer) = self.ask(&line) {
            return answer;
        }
        let command = self.command(&line);
        self.apply(&line, &command)
    }

    fn apply(&mut self, line: &Line<'_>, command: &Command) -> String {
        let before = self.broker.digest();
        let applied = self.broker.apply(self.now, command);
        let changed = applied.as_ref().is_ok_and(|applied| applied.changed);
        assert_eq!(self.broker.digest() != before, changed, "whether it changed: {command:?}");
        self.broker.audit();
        let bytes = self.broker.encode();
        let again = Broker::decode(*self.broker.limits(), &bytes).expect("a checkpoint can be read");
        assert_eq!(again, self.broker, "a broker survives being written down");
        match applied {
            Ok(applied) => {
                let answer = self.describe(line, &applied.outcome);
                if changed { answer } else { format!("{answer} (unchanged)") }
            }
            Err(refusal) => format!("no: {refusal}"),
        }
    }
}
