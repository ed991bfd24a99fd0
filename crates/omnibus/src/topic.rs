//! `omnibus topic`: what the admin API says of topics.

use anyhow::{Result, bail};
use hyper::Method;
use omnibus_admin_api::record::{HeaderView, Peeked, RecordView};
use omnibus_admin_api::topic::{ConfigSource, TopicAlter, TopicCreate, TopicList, TopicView};
use omnibus_admin_api::{Data, Size};

use crate::client::{AdminArgs, AdminClient, block_on, escaped};
use crate::output::{self, Column, Format, Misuse};

/// What can be done with topics.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TopicVerb {
    Create(CreateArgs),
    /// Lists all topics.
    Ls {
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Shows a topic's partitions and settings.
    Describe {
        /// The topic.
        topic: String,
        #[command(flatten)]
        admin: AdminArgs,
    },
    Alter(AlterArgs),
    /// Deletes topics and all that is in them.
    Rm {
        /// The topics.
        #[arg(required = true)]
        topics: Vec<String>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    Peek(PeekArgs),
}

/// Creates a topic.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// The topic.
    topic: String,
    /// The broker's default if absent [topics.partitions].
    #[arg(short, long)]
    partitions: Option<u32>,
    /// A setting of the topic, as in retention_time=1d; `topic describe` lists all of them.
    #[arg(short, long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Adds partitions and changes settings.
#[derive(Debug, clap::Args)]
pub(crate) struct AlterArgs {
    /// The topic.
    topic: String,
    /// The new number of partitions; they are only ever added.
    #[arg(short, long)]
    partitions: Option<u32>,
    /// A setting of the topic, as in retention_time=1d.
    #[arg(short, long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Goes back to the default of a setting.
    #[arg(short, long, value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Shows records without consuming them.
#[derive(Debug, clap::Args)]
pub(crate) struct PeekArgs {
    /// The topic.
    topic: String,
    /// All partitions if absent.
    #[arg(short, long)]
    partition: Option<u32>,
    /// beginning, end (the last --count records), or an offset.
    #[arg(short, long, default_value = "end", value_name = "PLACE")]
    from: String,
    /// The most records of each partition.
    #[arg(short = 'n', long, default_value_t = 10)]
    count: u32,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Does what was asked for.
pub(crate) fn run(verb: TopicVerb, format: Format) -> Result<()> {
    block_on(async {
        match verb {
            TopicVerb::Create(args) => create(args, format).await,
            TopicVerb::Ls { admin } => list(&admin.client()?, format).await,
            TopicVerb::Describe { topic, admin } => describe(&admin.client()?, &topic, format).await,
            TopicVerb::Alter(args) => alter(args, format).await,
            TopicVerb::Rm { topics, admin } => remove(&admin.client()?, &topics, format).await,
            TopicVerb::Peek(args) => peek(args, format).await,
        }
    })
}

async fn create(args: CreateArgs, format: Format) -> Result<()> {
    let config = args.set.iter().map(|text| pair(text)).collect::<Result<_>>()?;
    let create = TopicCreate { name: args.topic, partitions: args.partitions, config };
    let topic: TopicView = args.admin.client()?.send(Method::POST, "/v1/topics", &create).await?;
    match format {
        Format::Json => output::json(&topic),
        Format::Table => {
            output::line(format_args!("created {} with {} partitions", topic.name, topic.partitions.len()))
        }
    }
}

async fn list(client: &AdminClient, format: Format) -> Result<()> {
    let list: TopicList = client.get("/v1/topics").await?;
    if format == Format::Json {
        return output::json(&list);
    }
    let columns =
        [Column::Text("TOPIC"), Column::Number("PARTITIONS"), Column::Number("RECORDS"), Column::Number("BYTES")];
    let row = |topic: &omnibus_admin_api::topic::TopicLine| {
        vec![topic.name.clone(), topic.partitions.to_string(), topic.records.to_string(), topic.bytes.to_string()]
    };
    output::table(&columns, list.topics.iter().map(row))
}

async fn describe(client: &AdminClient, topic: &str, format: Format) -> Result<()> {
    let topic: TopicView = client.get(&path(topic)).await?;
    match format {
        Format::Json => output::json(&topic),
        Format::Table => show(&topic),
    }
}

async fn alter(args: AlterArgs, format: Format) -> Result<()> {
    if args.partitions.is_none() && args.set.is_empty() && args.unset.is_empty() {
        bail!(Misuse("nothing to change; give --partitions, --set KEY=VALUE or --unset KEY".to_owned()));
    }
    let mut alter = TopicAlter { partitions: args.partitions, ..TopicAlter::default() };
    for text in &args.set {
        let (key, value) = pair(text)?;
        alter.config.insert(key, Some(value));
    }
    alter.config.extend(args.unset.into_iter().map(|key| (key, None)));
    let topic: TopicView = args.admin.client()?.send(Method::PATCH, &path(&args.topic), &alter).await?;
    match format {
        Format::Json => output::json(&topic),
        Format::Table => show(&topic),
    }
}

async fn remove(client: &AdminClient, topics: &[String], format: Format) -> Result<()> {
    let paths = topics.iter().map(|topic| path(topic));
    let (deleted, ended) = client.delete_each(paths).await;
    output::deleted(&topics[..deleted], format)?;
    ended
}

async fn peek(args: PeekArgs, format: Format) -> Result<()> {
    let from = match args.from.as_str() {
        "beginning" => "earliest",
        "end" => "latest",
        other => other,
    };
    let mut path = format!("{}/records?from={}&count={}", path(&args.topic), escaped(from), args.count);
    if let Some(partition) = args.partition {
        path += &format!("&partition={partition}");
    }
    let peeked: Peeked = args.admin.client()?.get(&path).await?;
    if format == Format::Json {
        return output::json(&peeked);
    }
    let columns = [
        Column::Number("PARTITION"),
        Column::Number("OFFSET"),
        Column::Number("TIMESTAMP"),
        Column::Text("KEY"),
        Column::Text("VALUE"),
        Column::Text("HEADERS"),
    ];
    output::table(&columns, peeked.records.iter().map(record_row))?;
    if peeked.truncated {
        output::note("more records were there than one answer may hold; ask for one --partition or a smaller --count");
    }
    Ok(())
}

fn show(topic: &TopicView) -> Result<()> {
    let TopicView { name, id, records, bytes, .. } = topic;
    output::line(format_args!("{name}  id {id}  {records} records  {} bytes\n", Size(*bytes)))?;
    let columns = [
        Column::Number("PARTITION"),
        Column::Number("SHARD"),
        Column::Number("STREAM"),
        Column::Number("START"),
        Column::Number("END"),
        Column::Number("BYTES"),
    ];
    let row = |partition: &omnibus_admin_api::topic::PartitionView| {
        let numbers = [u64::from(partition.shard), partition.stream, partition.start, partition.end, partition.bytes];
        let cells = numbers.iter().map(ToString::to_string);
        std::iter::once(partition.partition.to_string()).chain(cells).collect()
    };
    output::table(&columns, topic.partitions.iter().map(row))?;
    output::line("")?;
    let columns = [Column::Text("SETTING"), Column::Text("VALUE"), Column::Text("CHOSEN BY")];
    let row = |setting: &omnibus_admin_api::topic::ConfigValue| {
        let source = match setting.source {
            ConfigSource::Default => "default",
            ConfigSource::Topic => "topic",
        };
        vec![setting.key.clone(), setting.value.clone(), source.to_owned()]
    };
    output::table(&columns, topic.config.iter().map(row))
}

fn record_row(record: &RecordView) -> Vec<String> {
    let header = |header: &HeaderView| format!("{}={}", header.key, cell(header.value.as_ref()));
    vec![
        record.partition.to_string(),
        record.offset.to_string(),
        record.timestamp.to_string(),
        cell(record.key.as_ref()),
        cell(record.value.as_ref()),
        record.headers.iter().map(header).collect::<Vec<_>>().join(" "),
    ]
}

/// Bytes in a cell: text on one line, base64 marked as such.
pub(crate) fn cell(data: Option<&Data>) -> String {
    match data {
        None => "-".to_owned(),
        Some(Data::Text(text)) => text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"),
        Some(Data::Base64(text)) => format!("base64:{text}"),
    }
}

pub(crate) fn pair(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => bail!(Misuse(format!("--set {text}: write KEY=VALUE, as in retention_time=1d"))),
    }
}

fn path(topic: &str) -> String {
    format!("/v1/topics/{}", escaped(topic))
}
