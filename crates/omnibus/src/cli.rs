//! The command line: noun, then verb.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::output::{self, Format};
use crate::serve::{ConfigArgs, ServeArgs};
use crate::{bench, cluster, config, dlq, docs, group, publish, queue, serve, subscribe, topic, verify};

/// A durable message broker: one log with several doors.
///
/// Without a verb it serves, as `omnibus serve` does.
#[derive(Debug, Parser)]
#[command(name = "omnibus", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// How results look.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Format,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Serve(Box<ServeArgs>),
    Pub(publish::PubArgs),
    Sub(subscribe::SubArgs),
    /// Creates, lists, changes and looks into topics.
    Topic {
        #[command(subcommand)]
        verb: topic::TopicVerb,
    },
    /// Creates, lists, empties, rewinds and looks into queues.
    Queue {
        #[command(subcommand)]
        verb: queue::QueueVerb,
    },
    /// Lists queues of dead letters, shows why records died, and sends them back.
    Dlq {
        #[command(subcommand)]
        verb: dlq::DlqVerb,
    },
    /// Lists consumer groups, tells their lag and moves them.
    Group {
        #[command(subcommand)]
        verb: group::GroupVerb,
    },
    /// Lists the nodes of a cluster, and tells whether anything is missing.
    Cluster {
        #[command(subcommand)]
        verb: cluster::ClusterVerb,
    },
    Verify(verify::VerifyArgs),
    Bench(bench::BenchArgs),
    /// Shows the configuration.
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Prints the pages that are generated from this program.
    #[command(hide = true)]
    Docs {
        page: docs::Page,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Prints the effective configuration as a file that `--config` reads.
    Show(Box<ConfigArgs>),
}

/// Does what was asked for.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    let format = cli.output;
    match cli.verb.unwrap_or_else(|| Verb::Serve(Box::default())) {
        Verb::Serve(args) => return serve::run(&args, format),
        Verb::Verify(args) => return verify::run(&args, format),
        Verb::Cluster { verb } => return cluster::run(verb, format),
        Verb::Pub(args) => publish::run(args, format)?,
        Verb::Sub(args) => subscribe::run(args, format)?,
        Verb::Topic { verb } => topic::run(verb, format)?,
        Verb::Queue { verb } => queue::run(verb, format)?,
        Verb::Dlq { verb } => dlq::run(verb, format)?,
        Verb::Group { verb } => group::run(verb, format)?,
        Verb::Bench(args) => bench::run(args, format)?,
        Verb::Config { verb: ConfigVerb::Show(args) } => show_config(&args.effective()?, format)?,
        Verb::Docs { page } => docs::print(page, command())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show_config(effective: &config::Effective, format: Format) -> Result<()> {
    match format {
        Format::Json => output::json(&omnibus_admin_api::node::ConfigView { settings: serve::settings(effective) }),
        Format::Table => output::line(docs::config_file(effective).trim_end()),
    }
}

/// The command that a page documents.
pub(crate) fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_sound() {
        command().debug_assert();
    }
}
