//! A few seeds of clusters; CI plays more.

use omnibus_model::Bug;
use omnibus_sim::{Campaign, Keep, Options, Theatre, hunt};

const OPTIONS: Options = Options { bug: None, keep: Keep::Digest };
/// Seeds that may be needed to catch a bug.
const SEEDS_MAX: u64 = 1000;

fn play(nodes: u32, seeds: std::ops::Range<u64>) {
    let theatre = Theatre::Cluster { nodes };
    let summary = Campaign { theatre, seeds, options: OPTIONS, repeat: 1, at_once: 2 }.play(|_| {});
    assert_eq!(summary.failed(), 0, "\n{summary}");
}

#[test]
fn three_nodes_break_no_rule() {
    play(3, 0..8);
}

#[test]
fn five_nodes_break_no_rule() {
    play(5, 0..4);
}

#[test]
fn one_seed_is_one_run() {
    for (nodes, seed) in [(3, 1), (3, 6), (5, 2)] {
        let theatre = Theatre::Cluster { nodes };
        let runs = [(); 2].map(|()| theatre.play(seed, Options { keep: Keep::Lines, ..OPTIONS }));
        let differs = runs[0].lines.iter().zip(&runs[1].lines).find(|(one, other)| one != other);
        assert_eq!(differs, None, "{nodes} nodes, seed {seed}");
        assert_eq!(runs[0].digest, runs[1].digest, "{nodes} nodes, seed {seed}");
    }
}

#[test]
fn every_bug_that_takes_several_nodes_is_caught() {
    let theatre = Theatre::Cluster { nodes: 3 };
    let bugs = Bug::ALL.into_iter().filter(|bug| bug.is_of_clusters());
    let missed: Vec<_> = bugs.filter(|bug| hunt(theatre, *bug, SEEDS_MAX, 2).is_none()).collect();
    assert!(missed.is_empty(), "not caught by {SEEDS_MAX} seeds: {missed:?}");
}
