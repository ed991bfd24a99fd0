//! Programs that use a cluster, of which one node after the other is restarted meanwhile.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::broker::Addresses;
use crate::crash::Members;
use crate::shell::{ending_with_us, say};

/// How often is looked whether the program has ended.
const POLL: Duration = Duration::from_millis(50);

/// Which program is run against which nodes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RollingArgs {
    /// How many nodes.
    #[arg(long, default_value_t = 3)]
    nodes: u32,
    /// Seconds between two restarts.
    #[arg(long, default_value_t = 20)]
    restart_every: u64,
    /// Waits until nothing is missing before the next node is restarted.
    #[arg(long)]
    settle: bool,
    /// Restarts all nodes but the first, for programs that know only one.
    #[arg(long)]
    first_stays: bool,
    /// What the nodes are told beside the defaults, as KEY=VALUE.
    #[arg(long, value_name = "SETTING")]
    set: Vec<String>,
    /// The program and its arguments; `ROLLING_KAFKA`, `ROLLING_AMQP`, `ROLLING_AMQP_MANAGEMENT`, `ROLLING_SQS` and
    /// `ROLLING_ADMIN` tell it where the nodes are.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

/// How often a node ends and starts again, and which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rolling {
    pub(crate) restart_every: Duration,
    /// Whether nothing must be missing before the next restart.
    pub(crate) settle: bool,
    pub(crate) first_stays: bool,
}

/// Runs a program where the clients of a rolling cluster are; the outcome is that program's own.
pub(crate) fn run(args: &RollingArgs) -> Result<ExitCode> {
    let (program, arguments) = args.program.split_first().context("a program")?;
    let settings: Vec<&str> = args.set.iter().map(String::as_str).collect();
    let mut members = Members::start_plain(args.nodes, &settings)?;
    members.await_whole()?;
    let mut command = members.on_clients(Path::new(program));
    command.args(arguments).envs(places(&members)).current_dir(std::env::current_dir()?);
    let mut child = ending_with_us(&command).spawn().with_context(|| program.to_string_lossy().into_owned())?;
    let rolling = Rolling {
        restart_every: Duration::from_secs(args.restart_every),
        settle: args.settle,
        first_stays: args.first_stays,
    };
    let (status, restarts) = rolling.during(&mut members, |is_over| wait(&mut child, is_over))?;
    let status = status?;
    say(&format!("    the program ended with {status}, after {restarts} restarts"));
    Ok(ExitCode::from(code(status)))
}

impl Rolling {
    /// Does something while one node after the other is restarted; tells how often one was, too.
    ///
    /// # Errors
    /// If a node does not end as it is told to, does not start again, or ends by itself.
    pub(crate) fn during<T>(self, members: &mut Members, work: impl FnOnce(&AtomicBool) -> T) -> Result<(T, u32)> {
        let is_over = AtomicBool::new(false);
        let (done, restarts) = thread::scope(|scope| {
            let restarting = scope.spawn(|| {
                let restarts = self.restart(members, &is_over);
                // Nobody waits for nodes that do not come back.
                is_over.store(true, Ordering::Relaxed);
                restarts
            });
            let done = work(&is_over);
            is_over.store(true, Ordering::Relaxed);
            (done, restarting.join())
        });
        let restarts = restarts.map_err(|_| anyhow::anyhow!("whoever restarts nodes has panicked"))??;
        members.ensure_running()?;
        Ok((done, restarts))
    }

    fn restart(self, members: &mut Members, is_over: &AtomicBool) -> Result<u32> {
        let victims: Vec<u32> = members.numbers().skip(usize::from(self.first_stays)).collect();
        let mut restarts = 0;
        for victim in victims.into_iter().cycle() {
            let next_at = Instant::now() + self.restart_every;
            while Instant::now() < next_at {
                if is_over.load(Ordering::Relaxed) {
                    return Ok(restarts);
                }
                thread::sleep(POLL);
            }
            if self.settle {
                members.await_whole()?;
            }
            members.end(victim)?;
            members.start_missing()?;
            restarts += 1;
        }
        Ok(restarts)
    }
}

/// Waits for a program, and ends it if it is over before.
fn wait(child: &mut Child, is_over: &AtomicBool) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if is_over.load(Ordering::Relaxed) {
            child.kill()?;
        }
        thread::sleep(POLL);
    }
}

/// Where all nodes serve, as a program finds it in its environment.
fn places(members: &Members) -> [(&'static str, String); 5] {
    let all = |door: fn(Addresses) -> String| {
        members.numbers().map(|node| door(members.at(node))).collect::<Vec<String>>().join(",")
    };
    [
        ("ROLLING_KAFKA", all(|at| at.kafka)),
        ("ROLLING_AMQP", all(|at| at.amqp)),
        ("ROLLING_AMQP_MANAGEMENT", all(|at| at.amqp_management)),
        ("ROLLING_SQS", all(|at| at.sqs)),
        ("ROLLING_ADMIN", all(|at| at.admin)),
    ]
}

/// What a program ended with, as a shell tells it: 128 and the signal for one that was killed.
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// What a prepared command runs, by another that runs it elsewhere.
pub(crate) fn moved(prepared: &Command, mut elsewhere: Command) -> Command {
    elsewhere.args(prepared.get_args());
    elsewhere.envs(prepared.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(directory) = prepared.get_current_dir() {
        elsewhere.current_dir(directory);
    }
    elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_ends_with_its_own_code_or_its_signal() {
        let ended = |script: &str| code(Command::new("sh").args(["-c", script]).status().unwrap());
        assert_eq!([ended("exit 0"), ended("exit 7"), ended("kill -9 $$")], [0, 7, 137]);
    }
}
