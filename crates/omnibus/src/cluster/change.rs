//! What changes a cluster: a node leaves, leads nothing, or all lead their share.

use std::process::ExitCode;

use anyhow::{Result, bail};
use hyper::Method;
use omnibus_admin_api::Span;
use omnibus_admin_api::cluster::{BalanceView, ClusterView, Duty, MemberView};
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::{PAUSE, ask_member, show_nodes, view};
use crate::client::{AdminArgs, AdminClient};
use crate::output::{self, Column, Format};

/// How long is waited if nobody says.
const WAIT: &str = "5m";

/// Takes a node out of the cluster for good.
///
/// Others lead what it led, it leaves one shard after the other, and its process ends. Its number is never used again.
/// Refused if the others could not go on without it.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// Its number.
    node: u32,
    /// Waits until it has left, for as long at most.
    #[arg(long, value_name = "SPAN", default_value = WAIT)]
    wait: Span,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Has a node lead nothing, for as long as it is not said otherwise.
///
/// It goes on to replicate and to serve clients, who are sent to leaders elsewhere. That holds over restarts.
#[derive(Debug, clap::Args)]
pub(crate) struct DrainArgs {
    /// Its number.
    node: u32,
    /// It leads its share again.
    #[arg(long)]
    undo: bool,
    /// Waits until it leads nothing, for as long at most.
    #[arg(long, value_name = "SPAN", default_value = WAIT, conflicts_with = "undo")]
    wait: Span,
    #[command(flatten)]
    admin: AdminArgs,
}

/// A shard that changed hands.
#[derive(Debug, Serialize)]
struct Moved {
    shard: u16,
    from: u32,
    to: u32,
}

pub(super) async fn remove(args: &RemoveArgs, format: Format) -> Result<ExitCode> {
    let asked = args.admin.client()?;
    let path = format!("/v1/cluster/nodes/{}", args.node);
    let mut seen: ClusterView = asked.ask(Method::DELETE, &path).await?;
    let is_there = |seen: &ClusterView| member(seen, args.node).is_some();
    let gone = timeout(args.wait.duration(), async {
        while is_there(&seen) {
            sleep(PAUSE).await;
            // It may be the one that was asked, and ends.
            if let Ok(newer) = ask_any(&asked, &seen, args.node).await {
                seen = newer;
            }
        }
    });
    if gone.await.is_err() {
        bail!("node {} is still leaving; `omnibus cluster status` tells what it waits for", args.node);
    }
    tell(&seen.nodes, format_args!("node {} has left for good", args.node), format)
}

/// Asks the node that was asked before, or another one that stays.
async fn ask_any(asked: &AdminClient, seen: &ClusterView, going: u32) -> Result<ClusterView> {
    if seen.node != going
        && let Ok(newer) = view(asked).await
    {
        return Ok(newer);
    }
    for member in seen.nodes.iter().filter(|member| member.node != going) {
        if let Ok(newer) = ask_member(member.addresses.get("admin")).await {
            return Ok(newer);
        }
    }
    bail!("no node answers")
}

pub(super) async fn drain(args: &DrainArgs, format: Format) -> Result<ExitCode> {
    let client = args.admin.client()?;
    let path = format!("/v1/cluster/nodes/{}/drain", args.node);
    if args.undo {
        let seen: ClusterView = client.ask(Method::DELETE, &path).await?;
        return tell(&seen.nodes, format_args!("node {} leads its share again, in some seconds", args.node), format);
    }
    let mut seen: ClusterView = client.ask(Method::POST, &path).await?;
    let leads = |seen: &ClusterView| member(seen, args.node).is_some_and(|member| member.leads > 0);
    let drained = timeout(args.wait.duration(), async {
        while leads(&seen) {
            sleep(PAUSE).await;
            seen = view(&client).await?;
        }
        Ok::<(), anyhow::Error>(())
    });
    match drained.await {
        Ok(drained) => drained?,
        Err(_) => bail!("node {} leads something still: nobody else who may lead it has all of it", args.node),
    }
    tell(&seen.nodes, format_args!("node {} leads nothing, until `--undo`", args.node), format)
}

pub(super) async fn balance(client: &AdminClient, format: Format) -> Result<ExitCode> {
    let seen = view(client).await?;
    let mut moved = Vec::new();
    for member in &seen.nodes {
        let Some(at) = member.addresses.get("admin") else { bail!("node {} has not said where it is", member.node) };
        let of_node: BalanceView = AdminArgs::at(at).client()?.ask(Method::POST, "/v1/cluster/balance").await?;
        moved.extend(of_node.moved.iter().map(|shard| Moved { shard: shard.shard, from: of_node.node, to: shard.to }));
    }
    match format {
        Format::Json => output::json(&moved)?,
        Format::Table if moved.is_empty() => output::line("every shard is led where it should be")?,
        Format::Table => {
            let columns = [Column::Number("SHARD"), Column::Number("FROM"), Column::Number("TO")];
            let row = |moved: &Moved| vec![moved.shard.to_string(), moved.from.to_string(), moved.to.to_string()];
            output::table(&columns, moved.iter().map(row))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn member(seen: &ClusterView, node: u32) -> Option<&MemberView> {
    seen.nodes.iter().find(|member| member.node == node)
}

fn tell(nodes: &[MemberView], says: std::fmt::Arguments<'_>, format: Format) -> Result<ExitCode> {
    match format {
        Format::Json => output::json(&nodes)?,
        Format::Table => {
            show_nodes(nodes)?;
            output::line("")?;
            output::line(says)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What people read of a duty.
pub(super) const fn word(duty: Duty) -> &'static str {
    match duty {
        Duty::Full => "",
        Duty::Drained => "drained",
        Duty::Leaving => "leaving",
    }
}
