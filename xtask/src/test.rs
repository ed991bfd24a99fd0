//! The tests: those of the crates, and those that start the broker.

use anyhow::{Context, Result};
use regex::Regex;

use crate::shell::{cargo, finish, show_tail};
use crate::suite::{Suite, Tally};
use crate::{broker, conformance, crash, examples, fuzz, main_job, simulation};

pub(crate) const RELEASE_BUILD: Suite = Suite { name: "release build", run: release_build };

/// All suites of tests.
pub(crate) fn suites() -> Vec<Suite> {
    let mut suites = vec![Suite { name: "crates", run: crates }];
    suites.extend([simulation::SUITE, simulation::CLUSTERS, fuzz::SUITE, RELEASE_BUILD]);
    suites.extend(conformance::SUITES);
    suites.extend([
        examples::SUITE,
        main_job::SUITE,
        crash::SUITE,
        crash::QUEUES,
        crash::AMQP,
        crash::FLOOD,
        crash::NODES,
        crash::NODES_AMQP,
        crash::FULL_DISK,
        crash::POWER_CUT,
    ]);
    suites
}

fn release_build() -> Result<Tally> {
    broker::build()?;
    Ok(Tally::pass())
}

/// Runs every crate's own tests.
fn crates() -> Result<Tally> {
    let ended = finish("crates", &mut cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]))?;
    let mut tally = count(&ended.output)?;
    if !ended.status.success() {
        show_tail(&ended.output);
        if tally.failed == 0 {
            tally.add(Tally::fail("cargo test failed before the tests did"));
        }
    }
    Ok(tally)
}

/// Adds up the lines in which Rust's test harness says how many tests went which way.
fn count(output: &str) -> Result<Tally> {
    let result =
        Regex::new(r"(?m)^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored").context("the pattern")?;
    let failed = Regex::new(r"(?m)^test (\S+) .*\.\.\. FAILED$").context("the pattern")?;
    let mut tally = Tally::default();
    for (_, numbers) in result.captures_iter(output).map(|found| found.extract::<3>()) {
        tally.passed += numbers[0].parse::<usize>()?;
        tally.failed += numbers[1].parse::<usize>()?;
        tally.skipped += numbers[2].parse::<usize>()?;
    }
    tally.notes.extend(failed.captures_iter(output).map(|name| name[1].to_owned()));
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_test_programs_are_added_up() {
        let tally = count(
            "test a::b ... ok\ntest a::c ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n\
             test result: ok. 4 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out\n",
        )
        .unwrap();
        assert_eq!((tally.passed, tally.failed, tally.skipped), (5, 1, 2));
        assert_eq!(tally.notes, ["a::c"]);
    }
}
