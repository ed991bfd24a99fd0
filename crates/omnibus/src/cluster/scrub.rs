//! Has data at rest read again.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use hyper::Method;
use omnibus_admin_api::Span;
use omnibus_admin_api::cluster::ClusterView;
use omnibus_admin_api::scrub::{DamagedView, PassView, PlaceView, ScrubView};
use tokio::time::{sleep, timeout};

use super::{PAUSE, view};
use crate::client::{AdminArgs, AdminClient};
use crate::output::{self, Column, Format};

/// How long is waited if nobody says.
const WAIT: &str = "1h";

const PATH: &str = "/v1/scrub";

/// Has nodes read all that they have on disk again, and shows what has rotted.
///
/// They do so by themselves every `storage.scrub_interval`, as fast as `storage.scrub_rate` says. Fails if anything has rotted.
#[derive(Debug, clap::Args)]
pub(crate) struct ScrubArgs {
    /// Only this one.
    #[arg(long, value_name = "NUMBER")]
    node: Option<u32>,
    /// Waits until they have, for as long at most.
    #[arg(long, value_name = "SPAN", default_value = WAIT)]
    wait: Span,
    #[command(flatten)]
    admin: AdminArgs,
}

/// A node that reads, and how many passes it will have ended when this one is done.
struct Reading {
    client: AdminClient,
    passes: u64,
    seen: ScrubView,
}

pub(super) async fn scrub(args: &ScrubArgs, format: Format) -> Result<ExitCode> {
    let asked = args.admin.client()?;
    let known = view(&asked).await?;
    let mut reading = Vec::new();
    for client in clients(asked, &known, args.node)? {
        let seen: ScrubView = client.ask(Method::POST, PATH).await?;
        // One that goes on began before this was asked.
        let passes = seen.passes + 1 + u64::from(seen.pass.is_some());
        reading.push(Reading { client, passes, seen });
    }
    let is_done = timeout(args.wait.duration(), until_done(&mut reading, format)).await;
    let views: Vec<&ScrubView> = reading.iter().map(|node| &node.seen).collect();
    match format {
        Format::Json => output::json(&views)?,
        Format::Table => show(&views)?,
    }
    match is_done {
        Ok(done) => done?,
        Err(_) => bail!("it goes on; `omnibus cluster status` tells what was found"),
    }
    let is_sound = views.iter().all(|view| view.damaged.places == 0);
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The ways to the nodes that are meant.
fn clients(asked: AdminClient, known: &ClusterView, only: Option<u32>) -> Result<Vec<AdminClient>> {
    let is_meant = |node: u32| only.is_none_or(|only| only == node);
    let mut clients = Vec::new();
    for member in known.nodes.iter().filter(|member| is_meant(member.node)) {
        if member.node == known.node {
            clients.push(asked.clone());
            continue;
        }
        let at =
            member.addresses.get("admin").with_context(|| format!("node {} has not said where it is", member.node))?;
        clients.push(AdminArgs::at(at).client()?);
    }
    if let (Some(node), true) = (only, clients.is_empty()) {
        bail!("there is no node {node}; `omnibus cluster nodes` lists the nodes");
    }
    Ok(clients)
}

async fn until_done(reading: &mut [Reading], format: Format) -> Result<()> {
    let mut told = BTreeMap::new();
    loop {
        for node in reading.iter_mut().filter(|node| !node.is_done()) {
            node.seen = node.client.get(PATH).await?;
            let tenths = node.tenths();
            if format == Format::Table && told.insert(node.seen.node, tenths) != Some(tenths) {
                output::note(format_args!("node {}: {}0 % read", node.seen.node, tenths));
            }
        }
        if reading.iter().all(Reading::is_done) {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
}

impl Reading {
    const fn is_done(&self) -> bool {
        self.seen.passes >= self.passes
    }

    /// How far it is.
    fn tenths(&self) -> u64 {
        match &self.seen.pass {
            _ if self.is_done() => 10,
            Some(PassView { bytes_read, bytes, .. }) => (bytes_read * 10 / (*bytes).max(1)).min(9),
            None => 0,
        }
    }
}

fn show(views: &[&ScrubView]) -> Result<()> {
    let columns = [
        Column::Number("NODE"),
        Column::Number("PASSES"),
        Column::Number("ROTTEN PLACES"),
        Column::Number("RECORDS"),
        Column::Number("BYTES"),
        Column::Number("MENDED"),
        Column::Number("KEPT ELSEWHERE"),
    ];
    let row = |view: &&ScrubView| {
        let DamagedView { places, records, bytes } = view.damaged;
        let counts = [places, records, bytes, view.mended.places, view.redundant_places];
        [u64::from(view.node), view.passes].into_iter().chain(counts).map(|count| count.to_string()).collect()
    };
    output::table(&columns, views.iter().map(row))?;
    for view in views {
        for PlaceView { file, position, what, records } in &view.places {
            output::line(format_args!("node {}: {what} at byte {position} of {file}", view.node))?;
            for range in records {
                output::line(format_args!("  stream {}, offsets {} to {}", range.stream, range.from, range.to))?;
            }
        }
    }
    Ok(())
}
