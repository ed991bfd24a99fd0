//! How far every consumer group is behind.

use std::collections::BTreeMap;

use omnibus_admin_api::group::{GroupLag, PartitionLag};

use super::text::{Exposition, Kind, Metric};
use crate::errors::Failure;
use crate::node::Node;
use crate::requests::groups::{find, lag_of};

use Kind::Gauge;

/// One partition that a group reads.
struct Row {
    group: String,
    lag: PartitionLag,
}

/// One topic that a group reads, all partitions together.
struct Sum {
    group: String,
    topic: String,
    committed: u64,
    lag: u64,
}

/// Writes the metrics of groups; what is left out is counted by its groups.
pub(super) async fn write(node: &Node, exposition: &mut Exposition) -> Result<(), Failure> {
    let mut members = Vec::new();
    let mut lags = Vec::new();
    let mut listed = node.engine.groups().await?;
    let most = usize::try_from(node.metrics_series_max).unwrap_or(usize::MAX);
    exposition.leave_out(listed.len().saturating_sub(most) as u64);
    listed.truncate(most);
    for listing in listed {
        // A group may go between the list and the look.
        let Ok(group) = find(&node.engine, listing.group.as_str()).await else { continue };
        members.push((listing.group.to_string(), group.members.len()));
        lags.push(lag_of(node, &group).await?);
    }
    exposition.many(MEMBERS, &members, |exposition, metric, (group, count)| {
        exposition.sample(metric, &[("consumergroup", group)], count);
    });
    write_sums(&sums(&lags), exposition);
    write_partitions(lags, exposition);
    Ok(())
}

const MEMBERS: Metric = Metric("kafka_consumergroup_members", Gauge, "Members of a consumer group.");

fn write_sums(sums: &[Sum], exposition: &mut Exposition) {
    let offset =
        Metric("kafka_consumergroup_current_offset_sum", Gauge, "Offsets that a group has committed for a topic.");
    let lag = Metric("kafka_consumergroup_lag_sum", Gauge, "Records of a topic that a group has not read yet.");
    exposition.many(offset, sums, |exposition, metric, sum| {
        exposition.sample(metric, &[("consumergroup", &sum.group), ("topic", &sum.topic)], sum.committed);
    });
    exposition.many(lag, sums, |exposition, metric, sum| {
        exposition.sample(metric, &[("consumergroup", &sum.group), ("topic", &sum.topic)], sum.lag);
    });
}

fn write_partitions(lags: Vec<GroupLag>, exposition: &mut Exposition) {
    let rows: Vec<Row> = lags.into_iter().flat_map(rows).collect();
    let offset = Metric(
        "kafka_consumergroup_current_offset",
        Gauge,
        "The next offset that a group will read; -1 if it has committed none.",
    );
    let lag = Metric("kafka_consumergroup_lag", Gauge, "Records of a partition that a group has not read yet.");
    exposition.many(offset, &rows, |exposition, metric, row| {
        let offset = row.lag.committed.map_or_else(|| "-1".to_owned(), |offset| offset.to_string());
        write_row(exposition, metric, row, &offset);
    });
    exposition.many(lag, &rows, |exposition, metric, row| {
        write_row(exposition, metric, row, &row.lag.lag.to_string());
    });
}

fn write_row(exposition: &mut Exposition, metric: Metric, row: &Row, value: &str) {
    let partition = row.lag.partition.to_string();
    let labels = [("consumergroup", row.group.as_str()), ("topic", &row.lag.topic), ("partition", &partition)];
    exposition.sample(metric, &labels, value);
}

fn rows(lag: GroupLag) -> impl Iterator<Item = Row> {
    let group = lag.name;
    lag.partitions.into_iter().map(move |lag| Row { group: group.clone(), lag })
}

fn sums(lags: &[GroupLag]) -> Vec<Sum> {
    let mut sums = BTreeMap::new();
    for group in lags {
        for partition in &group.partitions {
            let sum = sums.entry((&group.name, &partition.topic)).or_insert_with(|| Sum {
                group: group.name.clone(),
                topic: partition.topic.clone(),
                committed: 0,
                lag: 0,
            });
            sum.committed += partition.committed.unwrap_or(0);
            sum.lag += partition.lag;
        }
    }
    sums.into_values().collect()
}
