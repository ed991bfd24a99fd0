//! Plays a cluster: several nodes, each the real engine over the real consensus and the real log, on disks that fail, by
//! a network that loses, delays and repeats, under clocks that are wrong, with clients that know what they were promised.
//!
//! All of it are tasks of one runtime in one thread, whose clock goes on when all wait. So a run follows from its seed alone
//! (ADR 0052). `mischief` does harm, `operator` what nodes and their operators do about it, `clients` use the cluster; `watched`
//! hears what each node is told, and `ledger` holds it all against what is known. In the end all harm is over: then the
//! cluster has to become whole, and everything that was promised has to be there (`ending`).

mod clients;
mod ending;
mod ledger;
mod life;
mod mischief;
mod network;
mod node;
mod operator;
mod rereading;
mod scenario;
mod site;
mod tally;
mod watched;
mod world;

use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::panics;
use crate::random::Random;
use crate::report::{Options, Report};
use crate::violation::Violation;

use mischief::Mischief;
use scenario::Scenario;
use site::Site;
use world::World;

/// Plays one seed with so many nodes.
///
/// # Panics
/// If a bug is asked for and this build has none.
#[must_use]
pub(crate) fn play_cluster(nodes: u32, seed: u64, options: Options) -> Report {
    assert!(omnibus_model::planted::plant(options.bug), "only debug builds have bugs on purpose");
    panics::forget();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without threads can always be made");
    let mut random = Random::new(seed);
    let scenario = Scenario::draw(nodes, &mut random);
    let world = runtime.block_on(async { World::new(random, options.keep) });
    runtime.block_on(run(world.clone(), scenario));
    let (violation, tally, digest, lines) = runtime.block_on(async { world.end() });
    drop(runtime);
    assert!(omnibus_model::planted::plant(None), "no bug can always be planted");
    Report { seed, violation, tally: tally.columns(), digest, lines }
}

async fn run(world: World, scenario: Scenario) {
    world.line(format_args!("{scenario:?}"));
    let site = Arc::new(Site::new(world.clone(), scenario));
    for node in site.scenario.nodes() {
        site.start(node);
    }
    let tending: Vec<_> =
        site.shards().map(|shard| tokio::spawn(operator::look_after(Arc::clone(&site), shard))).collect();
    let patrol = tokio::spawn(operator::patrol(Arc::clone(&site)));
    let introducing = tokio::spawn(operator::introduce(Arc::clone(&site)));
    let clients = clients::begin(&site);
    let harm = tokio::spawn(Mischief::new(&site).run());
    while !harm.is_finished() && !is_over(&world) {
        sleep(ending::LOOK).await;
    }
    world.stop();
    if !is_over(&world) {
        ending::end(&site, clients).await;
    }
    harm.abort();
    patrol.abort();
    introducing.abort();
    tending.iter().for_each(tokio::task::JoinHandle::abort);
    // Nodes know each other by the network, and it knows them: neither would ever go.
    site.scenario.nodes().for_each(|node| site.network.disconnect(node));
    is_over(&world);
}

/// Whether a rule was broken; a panic breaks one.
fn is_over(world: &World) -> bool {
    if let Some(panic) = panics::take() {
        world.violate(Violation::new("nothing panics", panic));
    }
    world.is_broken()
}
