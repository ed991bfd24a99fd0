//! Troubles a cluster of real nodes under load, in every way that a machine room knows, and checks
//! that it kept its promises.

mod failover;
mod figures;
mod mischief;
mod commits;
mod rabbits;
mod members;
mod disks;
mod network;
mod waits;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::figures::Findings;
use super::{CrashArgs, Load, SETTINGS, TOPIC, check_by, queues};
use crate::broker::GROUPS_BEGIN_AT_ONCE;
use crate::clients;
use crate::shell::say;
use crate::suite::Tally;
use commits::Group;
use disks::Disks;
pub(crate) use failover::{FailoverArgs, failover};
use figures::Figures;
pub(crate) use members::Members;
pub(crate) use mischief::Mischief;
use mischief::Plan;
use network::Network;
use rabbits::{Found, Rabbits};
use waits::Since;

/// One in each data shard, so that every shard's failover is seen.
const PARTITIONS: u32 = 16;
/// What three nodes and their clients carry on two cores in a debug build.
const RECORDS_PER_SECOND: u32 = 400;
const KAFKA: u16 = 9092;
const SQS: u16 = 9324;
const AMQP: u16 = 5672;

/// Everybody who uses the cluster.
#[derive(Debug)]
struct Users {
    producers: Load,
    others: Others,
}

/// Who uses it beside the producers.
#[derive(Debug)]
enum Others {
    Queues { group: Group, queues: queues::Users },
    Amqp(Rabbits),
}

/// A few rounds, for CI, where nodes can have hosts of their own.
pub(super) fn trouble_shortly(args: &CrashArgs) -> Result<Tally> {
    const NODES: u32 = 3;
    // It goes before another one is made.
    let refused = Network::make(NODES).refused().map(ToOwned::to_owned);
    refused.map_or_else(|| trouble(args, NODES), |reason| Ok(Tally::skip(reason)))
}

/// Troubles so many nodes, round by round.
pub(super) fn trouble(args: &CrashArgs, count: u32) -> Result<Tally> {
    let CrashArgs { rounds, first, json, .. } = args;
    let begun_at = Instant::now();
    let python = clients::python()?;
    let disks = match args.only.filter(|only| only.cuts_power()).map(|_| Disks::make(count)).transpose()? {
        Some(Err(reason)) => return Ok(Tally::skip(reason)),
        made => made.and_then(Result::ok),
    };
    let mut members = Members::start(count, &[SETTINGS, &[GROUPS_BEGIN_AT_ONCE]].concat(), disks)?;
    members.await_whole()?;
    members.command_line(1, &["topic", "create", TOPIC, "--partitions", &PARTITIONS.to_string()])?;
    let mut figures = Figures { first_round: *first, nodes: count, ..Figures::default() };
    let mut tally = Tally::default();
    let went = go_through(args, &python, &mut members, (&mut figures, &mut tally));
    if went.is_err() {
        members.show_status();
    }
    went?;
    figures.seconds = begun_at.elapsed().as_secs();
    figures.tell(json.as_deref())?;
    tally.notes.push(figures.in_short(*rounds));
    tally.notes.extend(members.network.refused().map(ToOwned::to_owned));
    Ok(tally)
}

/// All rounds, and what is left to check behind them.
fn go_through(
    args: &CrashArgs,
    python: &Path,
    members: &mut Members,
    (figures, tally): (&mut Figures, &mut Tally),
) -> Result<()> {
    let CrashArgs { rounds, first, only, .. } = args;
    let kinds = kinds(*only, members);
    let count = figures.nodes;
    let mut users = Users::start(args, python, members)?;
    for round in (*first..).take(*rounds as usize) {
        let plan = Plan::of(round, count, &kinds);
        say(&format!("    round {round}, {rounds} from {first}: {}, {}", plan.what.name(), plan.whom(members)));
        let survived = survive(&plan, members, &mut users, figures);
        survived.with_context(|| format!("round {round}, {plan:?}"))?;
        tally.add(Tally::pass());
    }
    match &mut users.others {
        Others::Queues { group, queues } => {
            figures.messages = queues.end()?;
            tally.add(Tally::pass());
            figures.commits = group.end()?;
        }
        Others::Amqp(rabbits) => rabbits.end(figures.amqp.get_or_insert_default())?,
    }
    tally.add(Tally::pass());
    users.producers.end()?;
    figures.records = check_all(python, members, &users.producers.notes, tally)?;
    Ok(())
}

impl Users {
    fn start(args: &CrashArgs, python: &Path, members: &Members) -> Result<Self> {
        let (kafka, sqs) = (members.addresses(KAFKA), members.addresses(SQS));
        let on_clients = || members.network.on_clients(python);
        let others = if args.amqp {
            Others::Amqp(Rabbits::start(python, members)?)
        } else {
            let group = Group::start_by(on_clients(), &kafka)?;
            Others::Queues { group, queues: queues::Users::start_by(on_clients(), &sqs)? }
        };
        Ok(Self { producers: Load::start_by(on_clients(), &kafka, RECORDS_PER_SECOND)?, others })
    }

    /// Lets them work in peace for a while.
    fn let_be(&mut self, members: &Members, span: Duration) -> Result<()> {
        match &mut self.others {
            Others::Queues { .. } => std::thread::sleep(span),
            Others::Amqp(rabbits) => rabbits.let_be(members, span)?,
        }
        Ok(())
    }

    /// Notes where they are when trouble comes to some nodes.
    fn note_places(&self, victims: &[u32], found: &mut Option<Found>) -> Result<()> {
        match &self.others {
            Others::Queues { .. } => Ok(()),
            Others::Amqp(rabbits) => rabbits.count_apart(victims, found.get_or_insert_default()),
        }
    }
}

fn kinds(only: Option<Mischief>, members: &Members) -> Vec<Mischief> {
    let may = |kind: &Mischief| !kind.is_cut() || members.network.refused().is_none();
    match only {
        Some(only) => vec![only],
        None => Mischief::ALL.into_iter().filter(may).collect(),
    }
}

/// One trouble: it begins, lasts, and is mended; then nothing is missing, and all takes writes.
fn survive(plan: &Plan, members: &mut Members, users: &mut Users, figures: &mut Figures) -> Result<()> {
    users.let_be(members, plan.calm)?;
    let leaders = members.leaders(TOPIC)?;
    let victims = plan.victims(members);
    users.note_places(&victims, &mut figures.amqp)?;
    let notes = users.producers.notes.as_path();
    let since = Since::now(notes)?;
    plan.begin(members).context("to begin it")?;
    std::thread::sleep(plan.length);
    plan.mend(members).context("to mend it")?;
    let mended_at = Instant::now();
    members.ensure_running()?;
    members.await_whole().context("to be whole again")?;
    let whole = mended_at.elapsed();
    Since::now(notes)?.await_all(PARTITIONS)?;
    figures.kinds.add(plan.what.name(), (&victims, &leaders), &since.seen()?, whole);
    Ok(())
}

/// Reads everything with all nodes there, and with each of them away: so each replica is asked by somebody.
fn check_all(python: &Path, members: &mut Members, notes: &Path, tally: &mut Tally) -> Result<Findings> {
    let check = |members: &Members| {
        let findings = check_by(members.network.on_clients(python), &members.addresses(KAFKA), notes, "all")?;
        ensure!(findings.served == findings.acknowledged, "some records were never acknowledged");
        Ok(findings)
    };
    let findings = check(members)?;
    tally.add(Tally::pass());
    for node in members.numbers() {
        members.end(node)?;
        check(members).with_context(|| format!("with node {node} away"))?;
        members.start_missing()?;
        members.await_whole()?;
        tally.add(Tally::pass());
    }
    Ok(findings)
}
