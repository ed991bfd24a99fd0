//! `omnibus queue`: what the admin API says of queues.

use anyhow::{Result, bail};
use hyper::Method;
use omnibus_admin_api::queue::{
    Affected, MoveStarted, PriorityView, QueueAlter, QueueCreate, QueueLine, QueueList, QueueMove, QueuePeeked,
    QueueRewind, QueueView, QueuedRecord,
};
use omnibus_admin_api::{Size, Span};

use crate::client::{AdminArgs, AdminClient, block_on, escaped};
use crate::output::{self, Column, Format};
use crate::topic::{cell, pair};

/// What can be done with queues.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum QueueVerb {
    Create(CreateArgs),
    Alter(AlterArgs),
    /// Lists all queues.
    Ls {
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Shows a queue's counts, settings and moves.
    Describe {
        /// The queue.
        queue: String,
        #[command(flatten)]
        admin: AdminArgs,
    },
    Peek(PeekArgs),
    /// Gives up every record of a queue, also those that are leased or delayed.
    Purge {
        /// The queue.
        queue: String,
        #[command(flatten)]
        admin: AdminArgs,
    },
    Redrive(RedriveArgs),
    Rewind(RewindArgs),
    /// Deletes queues and all that is in them.
    Rm {
        /// The queues.
        #[arg(required = true)]
        queues: Vec<String>,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

/// Creates a queue.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// The queue.
    queue: String,
    /// How many priorities above 0 its records can have; records of the highest are handed out first.
    #[arg(short, long, value_name = "N", default_value_t = 0)]
    priorities: u8,
    /// A setting of the queue, as in lease=30s; `queue describe` lists all of them.
    #[arg(short, long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Changes settings of a queue.
#[derive(Debug, clap::Args)]
pub(crate) struct AlterArgs {
    /// The queue.
    queue: String,
    /// A setting of the queue, as in lease=30s; `queue describe` lists all of them.
    #[arg(short, long, value_name = "KEY=VALUE", required = true)]
    set: Vec<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Shows the records that are not gone, and what became of each; nothing is touched.
#[derive(Debug, clap::Args)]
pub(crate) struct PeekArgs {
    /// The queue.
    pub(crate) queue: String,
    /// The priority to begin with, from which it goes down; the highest if absent.
    #[arg(short, long, value_name = "N")]
    pub(crate) priority: Option<u8>,
    /// The first offset in that priority; the first record that is not gone if absent.
    #[arg(short, long, value_name = "OFFSET")]
    pub(crate) from: Option<u64>,
    /// The most records.
    #[arg(short = 'n', long, default_value_t = 10)]
    pub(crate) count: u32,
    /// Only records that hold this text in their body, their key, or a header's or attribute's name or value.
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) matching: Option<String>,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// Moves all records that are in a queue now to another.
#[derive(Debug, clap::Args)]
pub(crate) struct RedriveArgs {
    /// The queue.
    queue: String,
    /// The queue they go to; if absent, each goes back to where it came from.
    #[arg(short, long, value_name = "QUEUE")]
    to: Option<String>,
    /// The most records per second.
    #[arg(short, long)]
    rate: Option<u32>,
    /// Ends a move instead, by its number; what was taken goes on.
    #[arg(long, value_name = "TASK", conflicts_with_all = ["to", "rate"])]
    cancel: Option<u64>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Makes records ready again that were settled; the queue must keep its history.
#[derive(Debug, clap::Args)]
pub(crate) struct RewindArgs {
    /// The queue.
    queue: String,
    /// The first offset.
    #[arg(long, value_name = "OFFSET", required_unless_present = "to_time", conflicts_with = "to_time")]
    to_offset: Option<u64>,
    /// The first record from this time on, in milliseconds since 1970.
    #[arg(long, value_name = "MILLIS")]
    to_time: Option<i64>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Does what was asked for.
pub(crate) fn run(verb: QueueVerb, format: Format) -> Result<()> {
    block_on(async {
        match verb {
            QueueVerb::Create(args) => create(args, format).await,
            QueueVerb::Alter(args) => alter(args, format).await,
            QueueVerb::Ls { admin } => list(&admin.client()?, format).await,
            QueueVerb::Describe { queue, admin } => describe(&admin.client()?, &queue, format).await,
            QueueVerb::Peek(args) => peek(args, format).await,
            QueueVerb::Purge { queue, admin } => purge(&admin.client()?, &queue, format).await,
            QueueVerb::Redrive(args) => redrive(args, format).await,
            QueueVerb::Rewind(args) => rewind(args, format).await,
            QueueVerb::Rm { queues, admin } => remove(&admin.client()?, &queues, format).await,
        }
    })
}

/// Asks for the list of queues.
pub(crate) async fn all(client: &AdminClient) -> Result<QueueList> {
    client.get("/v1/queues").await
}

/// Shows queues, one per line.
pub(crate) fn show_list(queues: &[QueueLine]) -> Result<()> {
    let columns = [
        Column::Text("QUEUE"),
        Column::Text("ORDER"),
        Column::Number("READY"),
        Column::Number("LEASED"),
        Column::Number("DELAYED"),
        Column::Number("OLDEST"),
        Column::Text("DEAD LETTERS TO"),
    ];
    let row = |queue: &QueueLine| {
        let order = match (queue.ordered, queue.priorities) {
            (true, _) => "ordered".to_owned(),
            (false, 0) => "standard".to_owned(),
            (false, priorities) => format!("priorities 0 to {priorities}"),
        };
        let oldest = queue.oldest_age.map_or_else(|| "-".to_owned(), |age| Span(age).to_string());
        let counts = [queue.counts.ready, queue.counts.leased, queue.counts.delayed].map(|count| count.to_string());
        let target = queue.dead_letters_to.clone().unwrap_or_else(|| "-".to_owned());
        [queue.name.clone(), order].into_iter().chain(counts).chain([oldest, target]).collect()
    };
    output::table(&columns, queues.iter().map(row))
}

pub(crate) async fn peek(args: PeekArgs, format: Format) -> Result<()> {
    let peeked = peeked(&args).await?;
    if format == Format::Json {
        return output::json(&peeked);
    }
    let columns = [
        Column::Number("PRIORITY"),
        Column::Number("OFFSET"),
        Column::Text("STATE"),
        Column::Number("DELIVERIES"),
        Column::Number("TIMESTAMP"),
        Column::Text("KEY"),
        Column::Text("VALUE"),
        Column::Text("CAME FROM"),
        Column::Text("CAUSE"),
    ];
    output::table(&columns, peeked.records.iter().map(record_row))?;
    if peeked.truncated {
        output::note("more records were there than one answer may hold; ask for a smaller --count");
    }
    if let Some(next) = peeked.next {
        let priority = peeked.next_priority.map(|priority| format!("--priority {priority} ")).unwrap_or_default();
        output::note(format_args!("there may be more; {priority}--from {next} goes on"));
    }
    Ok(())
}

/// Asks for records, as often as a search takes.
async fn peeked(args: &PeekArgs) -> Result<QueuePeeked> {
    let client = args.admin.client()?;
    let matching = args.matching.as_ref().map(|text| format!("&matching={}", escaped(text))).unwrap_or_default();
    let mut found =
        QueuePeeked { records: Vec::new(), truncated: false, next: args.from, next_priority: args.priority };
    loop {
        let left = args.count.saturating_sub(u32::try_from(found.records.len()).unwrap_or(u32::MAX));
        let from = found.next.map(|from| format!("&from={from}")).unwrap_or_default();
        let priority = found.next_priority.map(|priority| format!("&priority={priority}")).unwrap_or_default();
        let path = format!("{}/records?count={left}{priority}{from}{matching}", path(&args.queue));
        let more: QueuePeeked = client.get(&path).await?;
        found.records.extend(more.records);
        (found.truncated, found.next, found.next_priority) = (more.truncated, more.next, more.next_priority);
        if found.next.is_none() || found.records.len() as u64 >= u64::from(args.count) {
            return Ok(found);
        }
    }
}

pub(crate) async fn redrive(args: RedriveArgs, format: Format) -> Result<()> {
    let client = args.admin.client()?;
    let moves = format!("{}/moves", path(&args.queue));
    if let Some(task) = args.cancel {
        let ended: Affected = client.send(Method::DELETE, &format!("{moves}/{task}"), &()).await?;
        return match format {
            Format::Json => output::json(&ended),
            Format::Table => output::line(format_args!("{} records of {} have arrived", ended.records, args.queue)),
        };
    }
    let wanted = QueueMove { target: args.to, rate_max: args.rate };
    let started: MoveStarted = client.send(Method::POST, &moves, &wanted).await?;
    match format {
        Format::Json => output::json(&started),
        Format::Table => output::line(format_args!(
            "move {} of {} has begun; `omnibus queue describe {}` shows how far it is",
            started.task, args.queue, args.queue
        )),
    }
}

async fn create(args: CreateArgs, format: Format) -> Result<()> {
    let config = args.set.iter().map(|text| pair(text)).collect::<Result<_>>()?;
    let create = QueueCreate { name: args.queue, priorities: args.priorities, config };
    let queue: QueueView = args.admin.client()?.send(Method::POST, "/v1/queues", &create).await?;
    match format {
        Format::Json => output::json(&queue),
        Format::Table => output::line(format_args!("created {}", queue.line.name)),
    }
}

async fn alter(args: AlterArgs, format: Format) -> Result<()> {
    let config = args.set.iter().map(|text| pair(text)).collect::<Result<_>>()?;
    let queue: QueueView = args.admin.client()?.send(Method::PATCH, &path(&args.queue), &QueueAlter { config }).await?;
    match format {
        Format::Json => output::json(&queue),
        Format::Table => output::line(format_args!("altered {}", queue.line.name)),
    }
}

async fn list(client: &AdminClient, format: Format) -> Result<()> {
    let list = all(client).await?;
    if format == Format::Json { output::json(&list) } else { show_list(&list.queues) }
}

async fn describe(client: &AdminClient, queue: &str, format: Format) -> Result<()> {
    let queue: QueueView = client.get(&path(queue)).await?;
    match format {
        Format::Json => output::json(&queue),
        Format::Table => show(&queue),
    }
}

async fn purge(client: &AdminClient, queue: &str, format: Format) -> Result<()> {
    let purged: Affected = client.send(Method::POST, &format!("{}/purge", path(queue)), &()).await?;
    match format {
        Format::Json => output::json(&purged),
        Format::Table => output::line(format_args!("{} records of {queue} are gone", purged.records)),
    }
}

async fn rewind(args: RewindArgs, format: Format) -> Result<()> {
    if args.to_offset.is_none() && args.to_time.is_none() {
        bail!("where to? give --to-offset or --to-time");
    }
    let wanted = QueueRewind { offset: args.to_offset, time: args.to_time };
    let path = format!("{}/rewind", path(&args.queue));
    let rewound: Affected = args.admin.client()?.send(Method::POST, &path, &wanted).await?;
    match format {
        Format::Json => output::json(&rewound),
        Format::Table => output::line(format_args!("{} records of {} are ready again", rewound.records, args.queue)),
    }
}

async fn remove(client: &AdminClient, queues: &[String], format: Format) -> Result<()> {
    let (deleted, ended) = client.delete_each(queues.iter().map(|queue| path(queue))).await;
    output::deleted(&queues[..deleted], format)?;
    ended
}

fn show(queue: &QueueView) -> Result<()> {
    let QueueView { id, start, end, bytes, .. } = queue;
    let name = &queue.line.name;
    let offsets = match queue.line.priorities {
        0 => format!("offsets {start} to {end}"),
        priorities => format!("priorities 0 to {priorities}"),
    };
    output::line(format_args!("{name}  id {id}  {offsets}  {} bytes\n", Size(*bytes)))?;
    show_priorities(&queue.by_priority)?;
    let counts = serde_json::to_value(&queue.line.counts)?;
    let counts = counts.as_object().into_iter().flatten().map(|(state, count)| vec![state.clone(), count.to_string()]);
    output::table(&[Column::Text("RECORDS"), Column::Number("COUNT")], counts)?;
    output::line("")?;
    let settings = queue.config.iter().map(|(key, value)| vec![key.clone(), value.clone()]);
    output::table(&[Column::Text("SETTING"), Column::Text("VALUE")], settings)?;
    if queue.moves.is_empty() {
        return Ok(());
    }
    output::line("")?;
    let columns = [
        Column::Number("MOVE"),
        Column::Text("TO"),
        Column::Text("STATE"),
        Column::Number("MOVED"),
        Column::Number("PLANNED"),
    ];
    let row = |task: &omnibus_admin_api::queue::MoveView| {
        let target = task.target.clone().unwrap_or_else(|| "where each came from".to_owned());
        vec![task.task.to_string(), target, task.state.clone(), task.moved.to_string(), task.planned.to_string()]
    };
    output::table(&columns, queue.moves.iter().map(row))
}

fn show_priorities(priorities: &[PriorityView]) -> Result<()> {
    if priorities.is_empty() {
        return Ok(());
    }
    let columns = ["PRIORITY", "READY", "LEASED", "DELAYED", "FROM", "TO"].map(Column::Number);
    let row = |of: &PriorityView| {
        let counts = [of.counts.ready, of.counts.leased, of.counts.delayed];
        let numbers = [u64::from(of.priority)].into_iter().chain(counts).chain([of.floor, of.end]);
        numbers.map(|number| number.to_string()).collect()
    };
    output::table(&columns, priorities.iter().map(row))?;
    output::line("")
}

fn record_row(queued: &QueuedRecord) -> Vec<String> {
    let record = &queued.record;
    let moved = queued.moved.as_ref();
    vec![
        record.partition.to_string(),
        record.offset.to_string(),
        queued.state.clone(),
        queued.deliveries.to_string(),
        record.timestamp.to_string(),
        cell(record.key.as_ref()),
        cell(record.value.as_ref()),
        moved.map_or_else(|| "-".to_owned(), |moved| moved.queue.clone()),
        moved.map_or_else(|| "-".to_owned(), |moved| moved.cause.clone()),
    ]
}

fn path(queue: &str) -> String {
    format!("/v1/queues/{}", escaped(queue))
}
