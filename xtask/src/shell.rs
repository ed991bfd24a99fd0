//! Runs programs: their output goes to a log, and the reader sees that something happens.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a program may run without a sign of life on the terminal.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// How long a program may run at all.
const RUN_MAX: Duration = Duration::from_secs(30 * 60);
/// How much of a failed program's output is shown.
const TAIL_LINES: usize = 60;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo's directory of built things; ours live in it too, so that `cargo clean` removes all.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A directory for things that a task makes.
///
/// # Errors
/// If it cannot be made.
pub(crate) fn workshop(name: &str) -> Result<PathBuf> {
    let directory = target().join("xtask").join(name);
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory)
}

/// Returns a command that runs at the root of the repository.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Returns a `cargo` command that runs at the root of the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).env("CARGO_TERM_COLOR", "never");
    command
}

/// Whether a program of this name is installed.
pub(crate) fn has(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|at| at.join(program).is_file()))
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
}

/// Runs a program to its end, with its output in the log `name`.
///
/// # Errors
/// If it cannot be started or does not end.
pub(crate) fn finish(name: &str, command: &mut Command) -> Result<Ended> {
    finish_within(RUN_MAX, name, command)
}

/// Runs a program to its end, with its output in the log `name`, and ends it if it takes
/// longer than `time_max`.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn finish_within(time_max: Duration, name: &str, command: &mut Command) -> Result<Ended> {
    let started_at = Instant::now();
    let (mut child, log) = start(name, command)?;
    let mut sign_at = started_at + SIGN_OF_LIFE;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started_at.elapsed() > time_max {
            say(&format!("    {name} is ended after {} s", time_max.as_secs()));
            child.kill()?;
        }
        if Instant::now() >= sign_at {
            say(&format!("    … {}", last_line(&read(&log))));
            sign_at = Instant::now() + SIGN_OF_LIFE;
        }
        std::thread::sleep(POLL);
    };
    Ok(Ended { status, output: read(&log) })
}

/// Starts a program with its output in the log `name`; returns the path of the log too.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn start(name: &str, command: &mut Command) -> Result<(Child, PathBuf)> {
    let log = workshop("logs")?.join(format!("{name}.log"));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let program = command.get_program().to_string_lossy().into_owned();
    let mut command = ending_with_us(command);
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let child = command.spawn().with_context(|| format!("cannot run {program}"))?;
    Ok((child, log))
}

/// The same command, which is asked to end as soon as this process has ended, however it did, if the system has the
/// program to say so.
pub(crate) fn ending_with_us(command: &Command) -> Command {
    const SAYS_SO: &str = "setpriv";
    let mut ours = match has(SAYS_SO) {
        true => {
            let mut ours = Command::new(SAYS_SO);
            ours.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program());
            ours
        }
        false => Command::new(command.get_program()),
    };
    ours.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => ours.env(name, value),
            None => ours.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        ours.current_dir(directory);
    }
    ours
}

/// Asks a program to end, as Ctrl-C at its terminal would.
///
/// # Errors
/// If it does not end in time.
pub(crate) fn end(child: &mut Child, time_max: Duration) -> Result<ExitStatus> {
    must("kill", Command::new("kill").args(["-TERM", &child.id().to_string()]))?;
    let deadline = Instant::now() + time_max;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(POLL);
    }
    child.kill()?;
    bail!("process {} did not end within {} s", child.id(), time_max.as_secs())
}

/// Runs a program that must succeed; its output is shown if it does not.
///
/// # Errors
/// If it cannot be started or fails.
pub(crate) fn must(name: &str, command: &mut Command) -> Result<String> {
    let ended = finish(name, command)?;
    if !ended.status.success() {
        show_tail(&ended.output);
        bail!("{name}: {} ended with {}", command.get_program().to_string_lossy(), ended.status);
    }
    Ok(ended.output)
}

/// What a process has in memory, in MiB.
///
/// # Errors
/// If it has ended.
pub(crate) fn resident_mebibytes(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no memory is told")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes / 1024.0)
}

/// Prints the end of a program's output.
pub(crate) fn show_tail(output: &str) {
    let lines: Vec<&str> = output.lines().collect();
    for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
        println!("    | {line}");
    }
}

/// Prints a line at once, also when the output is not a terminal.
pub(crate) fn say(line: &str) {
    println!("{line}");
    // A closed terminal is no reason to stop.
    drop(std::io::stdout().flush());
}

fn read(log: &Path) -> String {
    fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn last_line(output: &str) -> String {
    let line = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("(no output yet)");
    line.chars().take(120).collect()
}
