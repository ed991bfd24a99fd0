//! `omnibus dlq`: queues that the dead letters of others go to.

use std::collections::BTreeSet;

use anyhow::Result;
use omnibus_admin_api::queue::QueueList;

use crate::client::{AdminArgs, AdminClient, block_on};
use crate::output::{self, Format};
use crate::queue::{self, PeekArgs, RedriveArgs};

/// What can be done with dead letters.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DlqVerb {
    /// Lists the queues that dead letters of others go to.
    Ls {
        #[command(flatten)]
        admin: AdminArgs,
    },
    Show(PeekArgs),
    Redrive(RedriveArgs),
}

/// Does what was asked for.
pub(crate) fn run(verb: DlqVerb, format: Format) -> Result<()> {
    block_on(async {
        match verb {
            DlqVerb::Ls { admin } => list(&admin.client()?, format).await,
            DlqVerb::Show(args) => queue::peek(args, format).await,
            DlqVerb::Redrive(args) => queue::redrive(args, format).await,
        }
    })
}

async fn list(client: &AdminClient, format: Format) -> Result<()> {
    let QueueList { queues } = queue::all(client).await?;
    let targets: BTreeSet<String> = queues.iter().filter_map(|queue| queue.dead_letters_to.clone()).collect();
    let queues = queues.into_iter().filter(|queue| targets.contains(&queue.name)).collect();
    let list = QueueList { queues };
    if format == Format::Json { output::json(&list) } else { queue::show_list(&list.queues) }
}
