//! A group without members: one commits its offset, always a greater one, and others ask for it on any node.

use omnibus_engine::questions::OffsetsWanted;
use omnibus_model::command::CommitOffsets;
use omnibus_model::group::{CommittedOffset, TopicPartition};
use omnibus_model::{Command, GroupName, Offset, PartitionIndex, Timestamp, TopicName};

use super::{Client, TOPIC, Told};

const RULE: &str = "who asks is told nothing old";
const GROUP: &str = "group";

fn group() -> GroupName {
    GroupName::new(GROUP).expect("a short name")
}

/// Commits until it is told to stop.
pub(super) async fn commit(mut client: Client) {
    let mut newest = 0;
    while !client.is_over() {
        client.pause().await;
        if client.topic(TOPIC).is_none() {
            continue;
        }
        let Some(access) = client.any() else { continue };
        newest += 1;
        client.site.world.with(|state| state.ledger.offset_tried = newest);
        let shard = access.engine.group_shard(&group());
        let told = access.ask(access.engine.submit(shard, command(newest))).await;
        if let Told::Yes(_) = client.told(told) {
            client.site.world.note("offset", &[newest]);
            client.site.world.with(|state| state.ledger.offset_known(newest));
        }
    }
}

/// Asks until it is told to stop.
pub(super) async fn ask(mut client: Client) {
    while !client.is_over() {
        client.pause().await;
        let Some(access) = client.any() else { continue };
        let floor = client.site.world.with(|state| state.ledger.offset_floor);
        let wanted = OffsetsWanted { group: group(), member: None, partitions: None };
        let Some(Ok(offsets)) = access.ask(access.engine.committed_offsets(wanted)).await else { continue };
        let seen = offsets.first().map_or(0, |(_, committed)| committed.offset.0);
        client.site.world.note("offset seen", &[access.node.0.into(), seen]);
        let tried = client.site.world.with(|state| {
            state.tally.questions += 1;
            state.ledger.offset_known(seen);
            state.ledger.offset_tried
        });
        if seen < floor || seen > tried {
            client.violate(RULE, format!("node {} says {seen}, which is not from {floor} to {tried}", access.node));
        }
    }
}

fn command(offset: u64) -> Command {
    let topic = TopicName::new(TOPIC).expect("a short name");
    let partition = TopicPartition { topic, partition: PartitionIndex(0) };
    let committed = CommittedOffset {
        offset: Offset(offset),
        leader_epoch: None,
        metadata: String::new(),
        committed_at: Timestamp(0),
    };
    Command::CommitOffsets(Box::new(CommitOffsets {
        group: group(),
        member: None,
        instance: None,
        generation: -1,
        stale_epoch_supported: false,
        retention: None,
        offsets: vec![(partition, committed)],
    }))
}
