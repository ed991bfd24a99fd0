//! Runs the client programs against a broker and keeps `docs/compatibility.md` true.

pub(crate) mod rolling;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::broker::{self, Addresses, Broker};
use crate::clients::{self, Checks, Client, Missing};
use crate::shell::{self, finish_within, root, workshop};
use crate::suite::{Suite, Tally};

const CLIENT_TIME_MAX: Duration = Duration::from_secs(300);
const PAGE: &str = "docs/compatibility.md";

/// Where each list of checks is, and what its table is headed with.
const LISTS: [(Checks, &str, &str); 10] = [
    (Checks::Kafka, "conformance/checks.json", "Kafka"),
    (Checks::Amqp, "conformance/amqp-checks.json", "AMQP 0-9-1"),
    (Checks::AmqpClients, "conformance/amqp-clients-checks.json", "AMQP 0-9-1, client by client"),
    (Checks::Sqs, "conformance/sqs-checks.json", "SQS"),
    (Checks::Sns, "conformance/sns-checks.json", "SNS"),
    (Checks::Celery, "conformance/celery-checks.json", "Celery over SQS"),
    (Checks::CeleryAmqp, "conformance/celery-amqp-checks.json", "Celery over AMQP"),
    (Checks::AmqpManagement, "conformance/amqp-management-checks.json", "RabbitMQ's management API"),
    (Checks::Doors, "conformance/doors-checks.json", "One message over several doors"),
    (Checks::AmqpDoors, "conformance/amqp-doors-checks.json", "One message over AMQP and another door"),
];

/// One suite per client, and one for the table they make together.
pub(crate) const SUITES: [Suite; 32] = [
    Suite { name: "conformance kafka-clients (Java)", run: || run(clients::KAFKA_CLIENTS) },
    Suite { name: "conformance console tools (Java)", run: || run(clients::CONSOLE_TOOLS) },
    Suite { name: "conformance confluent-kafka (Python)", run: || run(clients::CONFLUENT_PYTHON) },
    Suite { name: "conformance kafka-python (Python)", run: || run(clients::KAFKA_PYTHON) },
    Suite { name: "conformance aiokafka (Python)", run: || run(clients::AIOKAFKA) },
    Suite { name: "conformance franz-go (Go)", run: || run(clients::FRANZ_GO) },
    Suite { name: "conformance KafkaJS (JavaScript)", run: || run(clients::KAFKAJS) },
    Suite { name: "conformance rdkafka (Rust)", run: || run(clients::RDKAFKA) },
    Suite { name: "conformance pika (Python)", run: || run(clients::PIKA) },
    Suite { name: "conformance aio-pika (Python)", run: || run(clients::AIO_PIKA) },
    Suite { name: "conformance kombu (Python)", run: || run(clients::KOMBU) },
    Suite { name: "conformance amqplib (JavaScript)", run: || run(clients::AMQPLIB) },
    Suite { name: "conformance amqp091-go (Go)", run: || run(clients::AMQP091_GO) },
    Suite { name: "conformance RabbitMQ's client (Java)", run: || run(clients::RABBITMQ_JAVA) },
    Suite { name: "conformance lapin (Rust)", run: || run(clients::LAPIN) },
    Suite { name: "conformance boto3 (Python)", run: || run(clients::BOTO3) },
    Suite { name: "conformance boto3, Query protocol (Python)", run: || run(clients::BOTO3_QUERY) },
    Suite { name: "conformance AWS SDK for Java", run: || run(clients::AWS_JAVA) },
    Suite { name: "conformance AWS SDK for Go", run: || run(clients::AWS_GO) },
    Suite { name: "conformance AWS SDK for JavaScript", run: || run(clients::AWS_JAVASCRIPT) },
    Suite { name: "conformance AWS SDK for Rust", run: || run(clients::AWS_RUST) },
    Suite { name: "conformance aws-cli", run: || run(clients::AWS_CLI) },
    Suite { name: "conformance boto3 for SNS (Python)", run: || run(clients::BOTO3_SNS) },
    Suite { name: "conformance AWS SDK for Java, SNS", run: || run(clients::AWS_JAVA_SNS) },
    Suite { name: "conformance AWS SDK for Go, SNS", run: || run(clients::AWS_GO_SNS) },
    Suite { name: "conformance AWS SDK for JavaScript, SNS", run: || run(clients::AWS_JAVASCRIPT_SNS) },
    Suite { name: "conformance Celery (Python)", run: || run(clients::CELERY) },
    Suite { name: "conformance Celery over AMQP (Python)", run: || run(clients::CELERY_AMQP) },
    Suite { name: "conformance pyrabbit2 (Python)", run: || run(clients::PYRABBIT2) },
    Suite { name: "conformance several doors (Python)", run: || run(clients::DOORS) },
    Suite { name: "conformance AMQP and other doors (Python)", run: || run(clients::AMQP_DOORS) },
    Suite { name: "compatibility table", run: table_is_fresh },
];

/// A check that every client program makes.
#[derive(Debug, Deserialize)]
struct Check {
    check: String,
    title: String,
}

/// What came of one check.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Ended {
    check: String,
    outcome: Outcome,
    detail: String,
    seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Pass,
    Fail,
    /// The client has no such feature.
    Absent,
}

/// What one client's program printed.
#[derive(Debug, Deserialize, Serialize)]
struct Results {
    client: String,
    version: String,
    #[serde(default)]
    checks: BTreeMap<String, Ended>,
}

/// Runs the checks of one client against a broker of its own.
fn run(client: Client) -> Result<Tally> {
    let kept = kept(client)?;
    if kept.exists() {
        fs::remove_file(&kept)?;
    }
    let mut command = match client.prepare() {
        Ok(command) => command,
        Err(error) if error.is::<Missing>() => return Ok(Tally::skip(error.to_string())),
        Err(error) => return Err(error.context(format!("cannot prepare {}", client.key))),
    };
    let broker = Broker::start_with(client.key, settings_for(client.checks))?;
    command.env("CONFORMANCE_OMNIBUS", broker::binary());
    command.arg(address_for(client.checks, &broker.addresses)).arg(root().join(list_of(client.checks)));
    let ended = finish_within(CLIENT_TIME_MAX, client.key, &mut command)?;
    broker.end()?;
    let results = parse(&ended.output).with_context(|| format!("the output of {}", client.key))?;
    fs::write(kept, serde_json::to_string_pretty(&results)?)?;
    let tally = judge(&list(client.checks)?, &results);
    if tally.failed > 0 {
        shell::show_tail(&ended.output);
    }
    Ok(tally)
}

/// What the broker is told for these checks.
fn settings_for(checks: Checks) -> &'static [&'static str] {
    match checks {
        // One of them waits until what is gone is trimmed.
        Checks::Doors | Checks::AmqpDoors => &["storage.retention_interval=1s"],
        Checks::Kafka
        | Checks::Amqp
        | Checks::AmqpClients
        | Checks::Sqs
        | Checks::Sns
        | Checks::Celery
        | Checks::CeleryAmqp
        | Checks::AmqpManagement => &[],
    }
}

/// The addresses that the checks need.
fn address_for(checks: Checks, at: &Addresses) -> String {
    let Addresses { kafka, amqp, amqp_management, amqp_metrics, sqs, admin } = at;
    match checks {
        Checks::Kafka => kafka.clone(),
        Checks::Amqp | Checks::AmqpClients | Checks::CeleryAmqp => amqp.clone(),
        Checks::Sqs | Checks::Sns | Checks::Celery => sqs.clone(),
        Checks::AmqpManagement => format!("{amqp_management},{amqp},{amqp_metrics}"),
        Checks::Doors | Checks::AmqpDoors => format!("{kafka},{sqs},{admin},{amqp}"),
    }
}

/// Where the results of a client wait for the table.
fn kept(client: Client) -> Result<PathBuf> {
    Ok(workshop("conformance")?.join(format!("{}.json", client.key)))
}

fn list_of(checks: Checks) -> &'static str {
    let list = LISTS.iter().find(|(each, _, _)| *each == checks);
    list.map(|(_, list, _)| *list).expect("every kind has a list")
}

fn list(checks: Checks) -> Result<Vec<Check>> {
    let path = list_of(checks);
    let text = fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))?;
    let list: Vec<Check> = serde_json::from_str(&text).with_context(|| path.to_owned())?;
    ensure!(!list.is_empty(), "{path} is empty");
    Ok(list)
}

/// Picks the results out of what a program printed among other things.
fn parse(output: &str) -> Result<Results> {
    let mut lines = output.lines().filter(|line| line.starts_with('{'));
    let head = lines.find_map(|line| serde_json::from_str::<Results>(line).ok());
    let mut results = head.context("the program did not say which client it is")?;
    for ended in lines.filter_map(|line| serde_json::from_str::<Ended>(line).ok()) {
        results.checks.insert(ended.check.clone(), ended);
    }
    Ok(results)
}

fn judge(list: &[Check], results: &Results) -> Tally {
    let mut tally = Tally::default();
    for Check { check, .. } in list {
        match results.checks.get(check) {
            Some(ended) if ended.outcome == Outcome::Pass => tally.add(Tally::pass()),
            Some(ended) if ended.outcome == Outcome::Absent => {}
            Some(ended) => tally.add(Tally::fail(format!("{check}: {}", ended.detail))),
            None => tally.add(Tally::fail(format!("{check}: the program ended before it"))),
        }
    }
    tally
}

/// Checks the table against what the clients' programs have found.
fn table_is_fresh() -> Result<Tally> {
    let kept = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    if kept == page()? {
        return Ok(Tally::pass());
    }
    Ok(Tally::fail(format!("{PAGE} is not what the clients found: run `cargo xtask conformance --write`")))
}

/// Writes the table from what the clients' programs found when they last ran.
pub(crate) fn write_table() -> Result<()> {
    fs::write(root().join(PAGE), page()?).with_context(|| format!("cannot write {PAGE}"))
}

fn page() -> Result<String> {
    let mut page = String::from(
        "<!-- Written by `cargo xtask conformance --write`; CI checks that it is true. -->\n\n\
         # What works with which client\n\n\
         Every mark is the outcome of a program in `conformance/` that uses the client as its own\n\
         manual says, against a running broker. ✓ works, ✗ does not, – the client has no such feature.\n",
    );
    for (checks, _, heading) in LISTS {
        writeln!(page, "\n## {heading}\n")?;
        table(&mut page, checks)?;
    }
    Ok(page)
}

/// Writes the table of the clients that make these checks.
fn table(page: &mut String, checks: Checks) -> Result<()> {
    let mut all = Vec::new();
    for client in clients::ALL.into_iter().filter(|client| client.checks == checks) {
        let path = kept(client)?;
        let text = fs::read_to_string(&path).with_context(|| format!("{} has not run", client.key))?;
        all.push(serde_json::from_str::<Results>(&text)?);
    }
    let columns: Vec<String> = all.iter().map(|results| format!("{} {}", results.client, results.version)).collect();
    writeln!(page, "| | {} |", columns.join(" | "))?;
    writeln!(page, "|---|{}", ":-:|".repeat(all.len()))?;
    for Check { check, title } in list(checks)? {
        let marks: Vec<&str> = all.iter().map(|results| mark(results.checks.get(&check))).collect();
        writeln!(page, "| {title} | {} |", marks.join(" | "))?;
    }
    Ok(())
}

fn mark(ended: Option<&Ended>) -> &'static str {
    match ended.map(|ended| ended.outcome) {
        Some(Outcome::Pass) => "✓",
        Some(Outcome::Absent) => "–",
        Some(Outcome::Fail) | None => "✗",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_was_never_reached_has_failed() {
        let list: Vec<Check> =
            ["seen", "unseen", "absent"].map(|check| Check { check: check.to_owned(), title: String::new() }).into();
        let output = "noise\n{\"client\":\"c\",\"version\":\"1\"}\n{not json\n\
            {\"check\":\"seen\",\"outcome\":\"pass\",\"detail\":\"\",\"seconds\":1.5}\n\
            {\"check\":\"absent\",\"outcome\":\"absent\",\"detail\":\"\",\"seconds\":0}\n";
        let tally = judge(&list, &parse(output).unwrap());
        assert_eq!((tally.passed, tally.failed), (1, 1));
        assert_eq!(tally.notes, ["unseen: the program ended before it"]);
    }
}
