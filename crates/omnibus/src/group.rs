//! `omnibus group`: what the admin API says of consumer groups.

use anyhow::{Context, Result, bail};
use hyper::Method;
use omnibus_admin_api::group::{
    Assigned, GroupDetail, GroupLag, GroupLine, GroupList, MemberDetail, PartitionLag, Seek, SeekMode, SeekTo, Sought,
};

use crate::client::{AdminArgs, AdminClient, block_on, escaped};
use crate::output::{self, Column, Format};

/// What can be done with consumer groups.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum GroupVerb {
    /// Lists all groups.
    Ls {
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Shows a group's members and what each reads.
    Describe {
        /// The group.
        group: String,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Tells how far a group is behind.
    Lag {
        /// The group.
        group: String,
        #[command(flatten)]
        admin: AdminArgs,
    },
    Seek(SeekArgs),
    /// Deletes groups that have no members, with all they have committed.
    Rm {
        /// The groups.
        #[arg(required = true)]
        groups: Vec<String>,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

/// Moves a group that has no members to other offsets.
///
/// Without --topic it moves every partition that the group has read.
#[derive(Debug, clap::Args)]
pub(crate) struct SeekArgs {
    /// The group; need not be there yet if a --topic is named.
    group: String,
    /// beginning, end, an offset, time:MILLISECONDS (since 1970), +N or -N records.
    #[arg(value_parser = place, allow_hyphen_values = true)]
    to: SeekTo,
    /// Only this topic.
    #[arg(short, long)]
    topic: Option<String>,
    /// Only this partition.
    #[arg(short, long, requires = "topic")]
    partition: Option<u32>,
    /// Only shows what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Does what was asked for.
pub(crate) fn run(verb: GroupVerb, format: Format) -> Result<()> {
    block_on(async {
        match verb {
            GroupVerb::Ls { admin } => list(&admin.client()?, format).await,
            GroupVerb::Describe { group, admin } => describe(&admin.client()?, &group, format).await,
            GroupVerb::Lag { group, admin } => lag(&admin.client()?, &group, format).await,
            GroupVerb::Seek(args) => seek(args, format).await,
            GroupVerb::Rm { groups, admin } => remove(&admin.client()?, &groups, format).await,
        }
    })
}

async fn list(client: &AdminClient, format: Format) -> Result<()> {
    let list: GroupList = client.get("/v1/groups").await?;
    if format == Format::Json {
        return output::json(&list);
    }
    let columns = [Column::Text("GROUP"), Column::Text("STATE"), Column::Text("KIND"), Column::Text("PROTOCOL TYPE")];
    let row = |group: GroupLine| vec![group.name, group.state, group.kind, or_dash(group.protocol_type)];
    output::table(&columns, list.groups.into_iter().map(row))
}

async fn describe(client: &AdminClient, group: &str, format: Format) -> Result<()> {
    let group: GroupDetail = client.get(&path(group)).await?;
    if format == Format::Json {
        return output::json(&group);
    }
    let GroupDetail { name, kind, state, protocol, epoch, .. } = &group;
    let protocol = or_dash(protocol.clone());
    output::line(format_args!("{name}  {state}  kind {kind}  protocol {protocol}  epoch {epoch}\n"))?;
    let columns = [Column::Text("MEMBER"), Column::Text("CLIENT"), Column::Text("HOST"), Column::Text("READS")];
    let row = |member: MemberDetail| {
        let reads = member.assigned.map_or_else(|| "?".to_owned(), |assigned| reads(&assigned));
        let id = member.instance.map_or(member.id.clone(), |instance| format!("{} (instance {instance})", member.id));
        vec![id, or_dash(member.client), or_dash(member.host), or_dash(reads)]
    };
    output::table(&columns, group.members.into_iter().map(row))
}

async fn lag(client: &AdminClient, group: &str, format: Format) -> Result<()> {
    let lag: GroupLag = client.get(&format!("{}/lag", path(group))).await?;
    if format == Format::Json {
        return output::json(&lag);
    }
    let columns = [
        Column::Text("TOPIC"),
        Column::Number("PARTITION"),
        Column::Number("COMMITTED"),
        Column::Number("END"),
        Column::Number("LAG"),
    ];
    let row = |at: &PartitionLag| {
        let committed = at.committed.map_or_else(|| "-".to_owned(), |offset| offset.to_string());
        vec![at.topic.clone(), at.partition.to_string(), committed, at.end.to_string(), at.lag.to_string()]
    };
    output::table(&columns, lag.partitions.iter().map(row))?;
    output::line(format_args!("\n{}  {}  total lag {}", lag.name, lag.state, lag.total))
}

async fn seek(args: SeekArgs, format: Format) -> Result<()> {
    let mode = if args.dry_run { SeekMode::Preview } else { SeekMode::Apply };
    let seek = Seek { to: args.to, topic: args.topic, partition: args.partition, mode };
    let client = args.admin.client()?;
    let sought: Sought = client.send(Method::POST, &format!("{}/seek", path(&args.group)), &seek).await?;
    if format == Format::Json {
        return output::json(&sought);
    }
    let columns = [
        Column::Text("TOPIC"),
        Column::Number("PARTITION"),
        Column::Number("BEFORE"),
        Column::Number(if args.dry_run { "WOULD BE" } else { "NOW" }),
    ];
    let row = |at: &omnibus_admin_api::group::SoughtPartition| {
        let before = at.before.map_or_else(|| "-".to_owned(), |offset| offset.to_string());
        vec![at.topic.clone(), at.partition.to_string(), before, at.after.to_string()]
    };
    output::table(&columns, sought.partitions.iter().map(row))
}

async fn remove(client: &AdminClient, groups: &[String], format: Format) -> Result<()> {
    let paths = groups.iter().map(|group| path(group));
    let (deleted, ended) = client.delete_each(paths).await;
    output::deleted(&groups[..deleted], format)?;
    ended
}

/// Reads where to go.
fn place(text: &str) -> Result<SeekTo> {
    Ok(match text {
        "beginning" | "earliest" => SeekTo::Earliest,
        "end" | "latest" => SeekTo::Latest,
        _ => match (text.strip_prefix("time:"), text.starts_with(['+', '-'])) {
            (Some(millis), _) => SeekTo::Timestamp(millis.parse().context("write time:MILLISECONDS since 1970")?),
            (None, true) => SeekTo::Shift(text.parse().context("write +N or -N")?),
            (None, false) => match text.parse() {
                Ok(offset) => SeekTo::Offset(offset),
                Err(_) => bail!("write beginning, end, an offset, time:MILLISECONDS, +N or -N"),
            },
        },
    })
}

fn reads(assigned: &[Assigned]) -> String {
    let topic = |topic: &Assigned| {
        let partitions: Vec<String> = topic.partitions.iter().map(ToString::to_string).collect();
        format!("{}:{}", topic.topic, partitions.join(","))
    };
    assigned.iter().map(topic).collect::<Vec<_>>().join(" ")
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

fn path(group: &str) -> String {
    format!("/v1/groups/{}", escaped(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        for (text, expected) in [
            ("beginning", SeekTo::Earliest),
            ("earliest", SeekTo::Earliest),
            ("latest", SeekTo::Latest),
            ("42", SeekTo::Offset(42)),
            ("time:1700000000000", SeekTo::Timestamp(1_700_000_000_000)),
            ("+5", SeekTo::Shift(5)),
            ("-5", SeekTo::Shift(-5)),
        ] {
            assert_eq!(place(text).unwrap(), expected);
        }
        assert!(place("yesterday").is_err());
    }
}
