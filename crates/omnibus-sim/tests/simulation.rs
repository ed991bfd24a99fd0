//! A few seeds of everything; CI plays more.

use omnibus_model::Bug;
use omnibus_sim::{Campaign, Keep, Options, Theatre, hunt};

const OPTIONS: Options = Options { bug: None, keep: Keep::Digest };
const ONE: Theatre = Theatre::OneNode;
/// Seeds that may be needed to catch a bug.
const SEEDS_MAX: u64 = 1000;

#[test]
fn no_seed_breaks_a_rule() {
    let campaign = Campaign { theatre: ONE, seeds: 0..40, options: OPTIONS, repeat: 1, at_once: 1 };
    let summary = campaign.play(|_| {});
    assert_eq!(summary.failed(), 0, "\n{summary}");
}

#[test]
fn one_seed_is_one_run() {
    for seed in [1, 7, 30] {
        let runs = [(); 2].map(|()| ONE.play(seed, Options { keep: Keep::Lines, ..OPTIONS }));
        assert_eq!(runs[0].lines, runs[1].lines, "seed {seed}");
        assert_eq!(runs[0].tally, runs[1].tally, "seed {seed}");
    }
}

#[test]
fn another_seed_is_another_run() {
    assert_ne!(ONE.play(1, OPTIONS).digest, ONE.play(2, OPTIONS).digest);
}

#[test]
fn every_planted_bug_is_caught() {
    let bugs = Bug::ALL.into_iter().filter(|bug| !bug.is_of_clusters());
    let missed: Vec<_> = bugs.filter(|bug| hunt(ONE, *bug, SEEDS_MAX, 1).is_none()).collect();
    assert!(missed.is_empty(), "not caught by {SEEDS_MAX} seeds: {missed:?}");
}
