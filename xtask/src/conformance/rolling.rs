//! The same programs against a cluster, of which one node after the other is restarted meanwhile.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{address_for, judge, list, list_of, parse, settings_for};
use crate::broker;
use crate::clients::{ALL, Checks, Client, Missing};
use crate::crash::Members;
use crate::rolling::{Rolling, moved};
use crate::shell::{self, finish_within, root, say};
use crate::suite::Tally;

/// How long a program may take: it waits for nodes now and then.
const CLIENT_TIME_MAX: Duration = Duration::from_secs(600);

/// Runs the checks of those clients whose names contain one of these words, or of all, against so many nodes, of which one is
/// restarted every so often.
pub(crate) fn run(nodes: u32, restart_every: Duration, words: &[String]) -> Result<Tally> {
    let is_wanted = |client: &&Client| words.is_empty() || words.iter().any(|word| client.key.contains(word.as_str()));
    let mut tally = Tally::default();
    // Who looks after RabbitMQ asks one node how all of them are.
    let uses_any_node = |client: &&Client| client.checks != Checks::AmqpManagement;
    for client in ALL.iter().filter(uses_any_node).filter(is_wanted) {
        let (of_client, restarts) = run_client(nodes, restart_every, *client).with_context(|| client.key)?;
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

fn run_client(nodes: u32, restart_every: Duration, client: Client) -> Result<(Tally, u32)> {
    let prepared = match client.prepare() {
        Ok(prepared) => prepared,
        Err(error) if error.is::<Missing>() => return Ok((Tally::skip(error.to_string()), 0)),
        Err(error) => return Err(error),
    };
    let settings = [settings_for(client.checks), &[broker::VIRTUAL_HOST, broker::GROUPS_BEGIN_AT_ONCE]].concat();
    let mut members = Members::start_plain(nodes, &settings)?;
    members.await_whole()?;
    // Clients of Kafka alone are told all nodes; the others have one that stays.
    let knows_all = client.checks == Checks::Kafka;
    let mut at = members.at(1);
    if knows_all {
        at.kafka = members.numbers().map(|node| members.at(node).kafka).collect::<Vec<String>>().join(",");
    }
    let mut command = moved(&prepared, members.on_clients(prepared.get_program().as_ref()));
    command.env("CONFORMANCE_OMNIBUS", broker::binary());
    command.arg(address_for(client.checks, &at)).arg(root().join(list_of(client.checks)));
    let rolling = Rolling { restart_every, settle: false, first_stays: !knows_all };
    let work = |_: &AtomicBool| finish_within(CLIENT_TIME_MAX, client.key, &mut command);
    let (ended, restarts) = rolling.during(&mut members, work)?;
    let output = ended?.output;
    let tally = judge(&list(client.checks)?, &parse(&output)?);
    if tally.failed > 0 {
        shell::show_tail(&output);
    }
    Ok((tally, restarts))
}
