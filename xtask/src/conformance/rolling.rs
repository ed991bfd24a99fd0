//! The same programs against a cluster, of which one node after the other is restarted meanwhile.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{judge, list, list_of, parse};
use crate::clients::{ALL, Checks, Client};
use crate::crash::Members;
use crate::shell::{self, finish_within, root, say};
use crate::suite::Tally;

/// How long a program may take: it waits for nodes now and then.
const CLIENT_TIME_MAX: Duration = Duration::from_secs(600);

/// How often is looked whether the program has ended.
const POLL: Duration = Duration::from_millis(50);

/// How many nodes, and how often one of them ends and starts again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rolling {
    pub(crate) nodes: u32,
    pub(crate) restart_every: Duration,
}

/// Runs the checks of those clients of Kafka, SQS and SNS whose names contain one of these words, or of all.
pub(crate) fn run(rolling: Rolling, words: &[String]) -> Result<Tally> {
    let is_wanted = |client: &&Client| words.is_empty() || words.iter().any(|word| client.key.contains(word.as_str()));
    let mut tally = Tally::default();
    for client in ALL.iter().filter(|client| door(client.checks).is_some()).filter(is_wanted) {
        let (of_client, restarts) = run_client(rolling, *client).with_context(|| client.key)?;
        say(&format!(
            "    {}: {} passed, {} failed, {restarts} restarts {}",
            client.key,
            of_client.passed,
            of_client.failed,
            of_client.notes.join("; ")
        ));
        tally.add(of_client);
    }
    Ok(tally)
}

/// Where a program finds its nodes: clients of Kafka are told all; the others have one that stays.
fn door(checks: Checks) -> Option<(u16, bool)> {
    match checks {
        Checks::Kafka => Some((9092, true)),
        Checks::Sqs | Checks::Sns => Some((9324, false)),
        // They come with users, brokers or addresses of their own.
        Checks::Amqp
        | Checks::AmqpClients
        | Checks::Celery
        | Checks::CeleryAmqp
        | Checks::AmqpManagement
        | Checks::Doors
        | Checks::AmqpDoors => None,
    }
}

fn run_client(rolling: Rolling, client: Client) -> Result<(Tally, u32)> {
    let prepared = client.prepare()?;
    let mut members = Members::start_plain(rolling.nodes)?;
    members.await_whole()?;
    let (port, knows_all) = door(client.checks).context("a door of the cluster")?;
    let all = members.addresses(port);
    let address = if knows_all { all.as_str() } else { all.split(',').next().unwrap_or_default() };
    let mut command = moved(&prepared, members.on_clients(prepared.get_program().as_ref()));
    command.arg(address).arg(root().join(list_of(client.checks)));
    let is_over = AtomicBool::new(false);
    let (ended, restarts) = std::thread::scope(|scope| {
        let restarting = scope.spawn(|| restart(rolling, &mut members, knows_all, &is_over));
        let ended = finish_within(CLIENT_TIME_MAX, client.key, &mut command);
        is_over.store(true, Ordering::Relaxed);
        (ended, restarting.join())
    });
    let restarts = restarts.map_err(|_| anyhow::anyhow!("whoever restarts nodes has panicked"))??;
    let output = ended?.output;
    let tally = judge(&list(client.checks)?, &parse(&output)?);
    if tally.failed > 0 {
        shell::show_tail(&output);
    }
    Ok((tally, restarts))
}

/// What a prepared command runs, by another that runs it elsewhere.
fn moved(prepared: &Command, mut elsewhere: Command) -> Command {
    elsewhere.args(prepared.get_args());
    elsewhere.envs(prepared.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(directory) = prepared.get_current_dir() {
        elsewhere.current_dir(directory);
    }
    elsewhere
}

/// Restarts one node after the other until the program is over; says how often.
fn restart(rolling: Rolling, members: &mut Members, any: bool, is_over: &AtomicBool) -> Result<u32> {
    let victims: Vec<u32> = members.numbers().skip(usize::from(!any)).collect();
    let mut restarts = 0;
    for victim in victims.into_iter().cycle() {
        let next_at = Instant::now() + rolling.restart_every;
        while Instant::now() < next_at {
            if is_over.load(Ordering::Relaxed) {
                return Ok(restarts);
            }
            std::thread::sleep(POLL);
        }
        members.end(victim)?;
        members.start_missing()?;
        restarts += 1;
    }
    Ok(restarts)
}
