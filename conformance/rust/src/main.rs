//! Runs the checks of one client and prints what came of each as one line of JSON.

mod administration;
mod checks;
mod rabbit;
mod sqs;

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// lapin does not say its version, and the manifest allows no other.
const LAPIN_VERSION: &str = "4.12.3";
const WAIT: Duration = Duration::from_secs(45);

type Check = fn(&str) -> Result<()>;

#[derive(Deserialize)]
struct Named {
    check: String,
}

#[derive(Serialize)]
struct Ended<'a> {
    check: &'a str,
    outcome: &'a str,
    detail: String,
    seconds: f64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [client, bootstrap, list, words @ ..] = arguments.as_slice() else {
        bail!("conformance CLIENT BOOTSTRAP LIST [CHECK]...")
    };
    let (client, version, find) = named(client)?;
    println!("{}", serde_json::json!({ "client": client, "version": version }));
    let list: Vec<Named> = serde_json::from_str(&std::fs::read_to_string(list)?)?;
    for Named { check } in list.iter().filter(|named| words.is_empty() || words.contains(&named.check)) {
        println!("{}", serde_json::to_string(&run(check, find(check), bootstrap))?);
    }
    Ok(())
}

/// What a client calls itself, its version, and where its checks are.
fn named(client: &str) -> Result<(&'static str, String, fn(&str) -> Option<Check>)> {
    Ok(match client {
        "rdkafka" => {
            let (_, version) = rdkafka::util::get_rdkafka_version();
            ("rdkafka (Rust)", format!("librdkafka {version}"), checks::find)
        }
        "lapin" => ("lapin (Rust)", LAPIN_VERSION.to_owned(), rabbit::find),
        "aws-sdk-rust" => ("AWS SDK for Rust", aws_sdk_sqs::meta::PKG_VERSION.to_owned(), sqs::find),
        other => bail!("there are no checks of {other}"),
    })
}

fn run<'a>(name: &'a str, check: Option<Check>, bootstrap: &str) -> Ended<'a> {
    let started_at = Instant::now();
    let (outcome, detail) = match check.map(|check| check(bootstrap)) {
        None => ("absent", "the client has no such feature".to_owned()),
        Some(Ok(())) => ("pass", String::new()),
        Some(Err(error)) => ("fail", format!("{error:#}")),
    };
    let seconds = (started_at.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    Ended { check: name, outcome, detail, seconds }
}

/// Returns a name that nobody has used before.
fn fresh(word: &str) -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{word}-{nanos:x}-{}-{number}", std::process::id())
}

fn equal<T: PartialEq + std::fmt::Debug>(got: T, wanted: T, what: &str) -> Result<()> {
    ensure!(got == wanted, "{what}: got {got:?}, wanted {wanted:?}");
    Ok(())
}

/// Repeats until the condition holds.
fn until(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    while !condition().with_context(|| what.to_owned())? {
        ensure!(Instant::now() < deadline, "never came true: {what}");
    }
    Ok(())
}
