//! Omnibus: one log with several doors. This is the binary: configuration, wiring, signals
//! and the command line.
//!
//! Reading order: the verbs (`cli`), then one module per noun, then what they share.
//!
//! **Never:** decisions about records; the broker makes them.

mod cli;
mod docs;
mod serve;
mod verify;
mod dlq;
mod queue;
mod topic;
mod group;
mod publish;
mod subscribe;
mod cluster;
mod bench;
mod brokers;
mod client;
mod signals;
mod logs;
mod config;
mod output;

use std::io;
use std::process::ExitCode;

use clap::Parser;

/// What the parser of the command line ends with, too.
const EXIT_MISUSE: u8 = 2;

/// A program that ends early because nobody reads its output has done its work.
fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(format_args!("error: {error:#}"));
            if is_misuse(&error) { ExitCode::from(EXIT_MISUSE) } else { ExitCode::FAILURE }
        }
    }
}

/// Whether what was asked for can never be done, whatever the broker's state.
fn is_misuse(error: &anyhow::Error) -> bool {
    error.is::<output::Misuse>() || error.is::<config::ConfigError>()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.downcast_ref::<io::Error>();
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
