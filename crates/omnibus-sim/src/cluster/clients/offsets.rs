//! A group without members: it commits its offset, always a greater one, and asks for it on any node.

use omnibus_engine::questions::OffsetsWanted;
use omnibus_model::command::CommitOffsets;
use omnibus_model::group::{CommittedOffset, TopicPartition};
use omnibus_model::{Command, GroupName, Offset, PartitionIndex, Timestamp, TopicName};

use super::{Client, TOPIC, Told};

const RULE: &str = "who asks is told nothing old";

/// Commits and asks until it is told to stop.
pub(super) async fn commit_and_ask(mut client: Client, group: &'static str) {
    let group = GroupName::new(group).expect("a short name");
    let topic = TopicName::new(TOPIC).expect("a short name");
    let partition = TopicPartition { topic, partition: PartitionIndex(0) };
    // What was tried last, and what was acknowledged or seen last.
    let (mut newest, mut floor) = (0, 0);
    while !client.is_over() {
        client.pause().await;
        if client.topic(TOPIC).is_none() {
            continue;
        }
        let Some(access) = client.any() else { continue };
        if client.chance.once_in(2) {
            newest += 1;
            let shard = access.engine.group_shard(&group);
            let told = access.ask(access.engine.submit(shard, commit(&group, &partition, newest))).await;
            if let Told::Yes(_) = client.told(told) {
                client.site.world.note("offset", &[newest]);
                floor = newest;
            }
            continue;
        }
        let wanted = OffsetsWanted { group: group.clone(), member: None, partitions: None };
        let Some(Ok(offsets)) = access.ask(access.engine.committed_offsets(wanted)).await else { continue };
        let seen = offsets.first().map_or(0, |(_, committed)| committed.offset.0);
        client.site.world.note("offset seen", &[access.node.0.into(), seen]);
        client.site.world.with(|state| state.tally.questions += 1);
        if seen < floor || seen > newest {
            let told = format!("node {} says {seen}, which is not from {floor} to {newest}", access.node);
            client.violate(RULE, told);
        }
        floor = floor.max(seen);
    }
}

fn commit(group: &GroupName, partition: &TopicPartition, offset: u64) -> Command {
    let committed = CommittedOffset {
        offset: Offset(offset),
        leader_epoch: None,
        metadata: String::new(),
        committed_at: Timestamp(0),
    };
    Command::CommitOffsets(Box::new(CommitOffsets {
        group: group.clone(),
        member: None,
        instance: None,
        generation: -1,
        stale_epoch_supported: false,
        retention: None,
        offsets: vec![(partition.clone(), committed)],
    }))
}
