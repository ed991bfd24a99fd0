//! The binary itself: serve, write, read, look, end.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker in a process of its own, with a directory of its own.
struct Broker {
    process: Option<Child>,
    directory: tempfile::TempDir,
    kafka: String,
    admin: String,
    amqp: String,
}

impl Broker {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut broker =
            Self { process: None, directory, kafka: String::new(), admin: String::new(), amqp: String::new() };
        broker.serve();
        broker
    }

    /// Starts the process and waits until it says where it is.
    fn serve(&mut self) {
        // Too long a file shall be an error of the disk, not the end by a signal.
        let mut process = Command::new("sh")
            .env_remove("OMNIBUS_CONFIG")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_omnibus")])
            .args([
                "serve",
                "--kafka",
                "127.0.0.1:0",
                "--amqp",
                "127.0.0.1:0",
                "--sqs",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--log",
                "warn",
            ])
            .args(["--set", "storage.segment=8MiB", "--set", "storage.reserve=0"])
            .args(["--set", "groups.initial_rebalance_delay=0ms", "--set", "amqp.management=127.0.0.1:0"])
            .args(["--set", "amqp.metrics=127.0.0.1:0"])
            .arg("--data-dir")
            .arg(self.data_dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = sync_channel(100);
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let address = |door: &str| {
            let line = lines.recv_timeout(PATIENCE).expect("the broker says where it is");
            line.strip_prefix(door).unwrap_or_else(|| panic!("{line}")).trim().to_owned()
        };
        self.kafka = address("kafka");
        self.admin = address("admin");
        self.amqp = address("amqp");
        self.process = Some(process);
    }

    /// Sends SIGTERM and waits for the end.
    fn stop(&mut self) {
        let process = self.process.take().unwrap();
        let told = Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
        assert!(told.success());
        let ended = finish(process);
        assert!(ended.status.success(), "{ended:?}");
    }

    fn data_dir(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    /// Runs a client verb with some input.
    fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut process = omnibus()
            .args(arguments)
            .env("OMNIBUS_KAFKA", &self.kafka)
            .env("OMNIBUS_ADMIN", format!("http://{}", self.admin))
            .env("OMNIBUS_AMQP", format!("amqp://{}", self.amqp))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        finish(process)
    }

    /// Runs a client verb that works, and returns what it prints.
    fn run(&self, arguments: &[&str]) -> String {
        said(self.run_with(arguments, ""))
    }

    /// Runs a client verb that fails, and returns its complaint.
    fn complaint(&self, arguments: &[&str]) -> String {
        self.complaint_with(1, arguments)
    }

    /// Runs a verb that ends with this code, and returns its complaint.
    fn complaint_with(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run_with(arguments, "");
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

fn omnibus() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omnibus"));
    command.env_remove("OMNIBUS_CONFIG");
    command
}

/// Waits for a process to end, but not forever.
fn finish(process: Child) -> Output {
    let id = process.id();
    let (sender, output) = sync_channel(1);
    thread::spawn(move || sender.send(process.wait_with_output()));
    match output.recv_timeout(PATIENCE) {
        Ok(output) => output.unwrap(),
        Err(_) => {
            Command::new("kill").args(["-KILL", &id.to_string()]).status().unwrap();
            panic!("process {id} took too long");
        }
    }
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn messages_survive_a_restart_and_are_read_again() {
    let mut broker = Broker::start();
    broker.run(&["topic", "create", "orders", "-p", "3", "--set", "retention_time=1d"]);
    broker.run(&["pub", "orders", "one", "two", "-k", "key", "-H", "colour=red"]);
    let published = broker.run_with(&["pub", "orders", "-K", ":", "-z", "zstd"], "a:three\nb:four\nc:five\n");
    assert_eq!(said(published), "published 3 to orders\n");

    let read = broker.run(&["sub", "orders", "--from", "beginning", "-e"]);
    let mut lines: Vec<&str> = read.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["five", "four", "one", "three", "two"]);

    broker.stop();
    assert!(broker.run(&["verify", broker.data_dir().to_str().unwrap()]).contains("every checksum holds"));
    broker.serve();
    let described = json(&broker.run(&["topic", "describe", "orders", "-o", "json"]));
    assert_eq!(described["records"], 5);
    let last = broker.run(&["sub", "orders", "--from", "beginning", "-n", "5", "-o", "json"]);
    assert!(last.contains(r#""key":{"text":"key"},"value":{"text":"one"},"headers":[{"key":"colour""#), "{last}");
    broker.stop();
}

#[test]
fn group_shares_remembers_and_is_moved() {
    let mut broker = Broker::start();
    broker.run(&["topic", "create", "orders", "-p", "2"]);
    broker.run(&["pub", "orders", "1", "2", "3", "-p", "0"]);
    broker.run(&["pub", "orders", "4", "5", "-p", "1"]);

    let read = broker.run(&["sub", "orders", "-g", "readers", "--from", "beginning", "-n", "5"]);
    assert_eq!(read.lines().count(), 5);
    let lag = |broker: &Broker| json(&broker.run(&["group", "lag", "readers", "-o", "json"]))["total"].clone();
    assert_eq!(lag(&broker), 0);

    broker.run(&["pub", "orders", "6", "-p", "1"]);
    assert_eq!(lag(&broker), 1);
    assert_eq!(broker.run(&["sub", "orders", "-g", "readers", "-n", "1"]), "6\n");
    assert!(broker.run(&["group", "seek", "readers", "earliest"]).starts_with("TOPIC"));
    assert_eq!(lag(&broker), 6);
    assert!(broker.run(&["group", "seek", "readers", "-2", "--dry-run"]).contains("WOULD BE"));
    broker.run(&["group", "rm", "readers"]);
    assert!(broker.complaint(&["group", "lag", "readers"]).contains("`omnibus group ls` lists the groups"));
    broker.stop();
}

#[test]
fn errors_name_the_next_step() {
    let mut broker = Broker::start();
    for (arguments, expected) in [
        (vec!["topic", "describe", "none"], "there is no topic none; `omnibus topic ls` lists the topics"),
        (vec!["sub", "none"], "create it with `omnibus topic create none`"),
        (vec!["topic", "create", "a/b"], "a topic's name is 1 to 249 letters"),
        (vec!["pub", "a/b", "x"], "a topic's name is 1 to 249 letters"),
        (vec!["topic", "create", "a", "--set", "retention.ms=1"], "did you mean retention_time?"),
        (vec!["topic", "create", "a", "--set", "retention_time=7"], "write 500ms, 30s, 1h30m or 7d"),
        (vec!["topic", "ls", "--admin", "http://127.0.0.1:1"], "start a broker with `omnibus serve`"),
        (vec!["pub", "a", "b", "--kafka", "127.0.0.1:1"], "start a broker with `omnibus serve`"),
        (vec!["pub", "a", "b", "--kafka", &broker.admin], "is it Kafka that is spoken there?"),
        (vec!["topic", "ls", "--admin", &broker.kafka], "does not answer as the admin API of Omnibus does"),
        (vec!["verify", "/nowhere"], "there is no directory /nowhere"),
    ] {
        let complaint = broker.complaint(&arguments);
        assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
    }
    for (arguments, expected) in [
        (vec!["topic", "alter", "a"], "nothing to change; give --partitions"),
        (vec!["topic", "ls", "--admin", "9644"], "write http://HOST:PORT"),
        (vec!["pub", "a", "b", "--kafka", "localhost"], "write HOST:PORT"),
        (vec!["serve", "--set", "kafka.lisen=x"], "did you mean kafka.listen?"),
        (vec!["serve", "--set", "storage.segment=12"], "storage.segment (flag): segment_bytes is 12"),
    ] {
        let complaint = broker.complaint_with(2, &arguments);
        assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
    }
    let directory = broker.data_dir();
    let directory = directory.to_str().unwrap();
    let twice = broker.complaint(&["serve", "--data-dir", directory, "--kafka", "127.0.0.1:0"]);
    assert!(twice.contains("is in use by another process"), "{twice}");
    assert!(broker.complaint(&["verify", directory]).contains("is being served; stop the broker"));
    let kafka = broker.kafka.clone();
    let other = broker.directory.path().join("other");
    let taken = broker.complaint(&["serve", "--data-dir", other.to_str().unwrap(), "--kafka", &kafka]);
    assert!(taken.contains("`--kafka 127.0.0.1:0` picks a free port"), "{taken}");
    broker.stop();
}

#[test]
fn directory_of_others_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(path.join("letter.txt"), "dear").unwrap();
    let serve = |more: &[&str]| {
        let mut command = omnibus();
        command.args(["serve", "--kafka", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data-dir"]).arg(path).args(more);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let complaint = serve(&[]);
    assert!(complaint.contains("is no data directory and has other files in it"), "{complaint}");
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 1);

    // What an empty file system holds is nobody's, and a file that cannot be written is an error.
    std::fs::remove_file(path.join("letter.txt")).unwrap();
    std::fs::create_dir(path.join("lost+found")).unwrap();
    let complaint = serve(&["--set", "storage.segment=8MiB", "--ready-file", "/nowhere/ready"]);
    assert!(complaint.contains("cannot write /nowhere/ready"), "{complaint}");
}

#[test]
fn addresses_are_told_as_json_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = omnibus()
        .args(["serve", "-o", "json", "--kafka", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log", "warn"])
        .args(["--set", "storage.segment=8MiB", "--data-dir"])
        .arg(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    let told = json(&line);
    assert_eq!(told["pid"], process.id());
    assert!(told["kafka"].as_str().unwrap().starts_with("127.0.0.1:"), "{told}");
}

#[test]
fn places_and_deletions_read_alike_everywhere() {
    let mut broker = Broker::start();
    for topic in ["one", "two"] {
        broker.run(&["topic", "create", topic, "--partitions", "1"]);
        broker.run(&["pub", topic, "a", "b"]);
    }
    for from in ["beginning", "earliest"] {
        assert_eq!(broker.run(&["sub", "one", "--from", from, "-n", "1"]), "a\n");
        assert!(broker.run(&["topic", "peek", "one", "--from", from, "-n", "1"]).contains(" a"));
    }
    assert_eq!(broker.run(&["sub", "one", "--from", "2", "-e"]), "");
    let complaint = broker.complaint(&["sub", "one", "--from", "3", "-e"]);
    assert!(complaint.contains("offset 3 is not there: one partition 0 holds 0 to 2"), "{complaint}");

    let output = broker.run_with(&["topic", "rm", "one", "none", "two", "-o", "json"], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(json(&String::from_utf8(output.stdout).unwrap())["deleted"], serde_json::json!(["one"]));
    assert_eq!(broker.run(&["topic", "rm", "two"]), "deleted two\n");
    broker.stop();
}

#[test]
fn bench_measures_each_way() {
    let mut broker = Broker::start();
    let measure = |what: &str, more: &[&str]| {
        let arguments = [&["bench", what, "--records", "2000", "-o", "json"], more].concat();
        json(&broker.run(&arguments))
    };
    let pid = broker.process.as_ref().unwrap().id().to_string();
    let produced = measure("produce", &["--record", "100", "--server-pid", &pid]);
    assert_eq!((&produced["records"], &produced["bytes"]), (&2000.into(), &200_000.into()));
    assert!(produced["acknowledged"]["p99_ms"].as_f64().unwrap() > 0.0);
    assert!(produced["server"]["memory_bytes_max"].as_u64().unwrap() > 0);
    assert_eq!(measure("consume", &[])["records"], 2000);
    let latency = measure("latency", &["--record", "100", "--rate", "4000", "--compression", "lz4"]);
    assert_eq!(latency["records"], 2000);
    assert!(latency["end_to_end"]["p50_ms"].as_f64().unwrap() > 0.0);
    broker.stop();
}

#[test]
fn bench_moves_messages_over_amqp() {
    let mut broker = Broker::start();
    let measure = |what: &str, more: &[&str]| {
        let arguments = [&["bench", "amqp", what, "-o", "json"], more].concat();
        json(&broker.run(&arguments))
    };
    let pid = broker.process.as_ref().unwrap().id().to_string();
    let through = measure("through", &["--records", "3000", "--server-pid", &pid]);
    let counts = ["records", "published", "bytes", "missing"].map(|count| through[count].as_u64().unwrap());
    assert_eq!(counts, [3000, 3000, 3000 * 1024, 0]);
    assert!(through["acknowledged"]["p99_ms"].as_f64().unwrap() > 0.0);
    assert!(through["server"]["processor_microseconds_per_record"].as_f64().unwrap() > 0.0);
    // Every message to each of three queues, whose consumers share them; bodies of several frames.
    let fan_out = ["--fan-out", "--queues", "3", "--consumers", "2", "--publishers", "2", "--record", "300KiB"];
    let fanned = measure("through", &[&fan_out[..], &["--records", "50", "--queue-type", "quorum"]].concat());
    assert_eq!((&fanned["published"], &fanned["records"]), (&50.into(), &150.into()));
    let unconfirmed =
        ["--records", "3000", "--confirms", "0", "--auto-ack", "--transient", "--record", "16", "--queues", "2"];
    assert_eq!(measure("through", &unconfirmed)["records"], 3000);
    let latency = measure("latency", &["--records", "3000", "--rate", "5000", "--ack-every", "1", "--confirms", "8"]);
    assert_eq!(latency["records"], 3000);
    assert!(latency["end_to_end"]["p50_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(json(&broker.run(&["topic", "ls", "-o", "json"]))["topics"], serde_json::json!([]));
    broker.stop();
}

#[test]
fn bench_over_amqp_tells_what_the_broker_says() {
    let mut broker = Broker::start();
    let stranger = format!("amqp://guest:secret@{}", broker.amqp);
    let complaint = broker.complaint(&["bench", "amqp", "through", "--amqp", &stranger]);
    assert!(complaint.contains("403 ACCESS_REFUSED") && !complaint.contains("secret"), "{complaint}");
    let elsewhere = format!("amqp://{}/nowhere", broker.amqp);
    let complaint = broker.complaint(&["bench", "amqp", "through", "--amqp", &elsewhere]);
    assert!(complaint.contains("530 NOT_ALLOWED"), "{complaint}");
    for misuse in [["--record", "15"], ["--prefetch", "49"], ["--amqp", "broker:5672"]] {
        let arguments = [&["bench", "amqp", "through"][..], &misuse].concat();
        assert!(broker.complaint_with(2, &arguments).contains(misuse[0]));
    }
    broker.stop();
}

#[test]
fn broken_disk_ends_the_process_and_says_why() {
    let mut broker = Broker::start();
    broker.run(&["topic", "create", "orders"]);
    broker.run(&["pub", "orders", "kept"]);
    let process = broker.process.take().unwrap();
    let limited = Command::new("prlimit").args(["--fsize=4096", "--pid", &process.id().to_string()]).status().unwrap();
    assert!(limited.success());
    let published = broker.run_with(&["pub", "orders", "lost"], "");
    assert!(!published.status.success(), "{published:?}");
    let ended = finish(process);
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    let complaint = String::from_utf8(ended.stderr).unwrap();
    assert!(complaint.contains("can no longer be written") && complaint.contains("omnibus verify"), "{complaint}");

    broker.serve();
    assert_eq!(broker.run(&["sub", "orders", "--from", "beginning", "-e"]), "kept\n");
    broker.stop();
}
