//! Finds the stream behind a partition that a client names.

use omnibus_model::topic::SharedTopic;
use omnibus_model::{Offset, PartitionIndex, ShardId, StreamId, TopicId};

use super::Context;
use crate::listed;
use crate::wire::ErrorCode;

/// A partition that exists.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) topic: SharedTopic,
    pub(super) partition: PartitionIndex,
    pub(super) stream: StreamId,
    pub(super) shard: ShardId,
}

/// Finds a partition by its topic's name.
pub(super) fn by_name(context: &Context, topic: &str, partition: i32) -> Result<Place, ErrorCode> {
    let topic = listed::topic(context.engine.catalog(), topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    place(topic, partition)
}

/// Finds a partition by its topic's id.
pub(super) fn by_id(context: &Context, topic: TopicId, partition: i32) -> Result<Place, ErrorCode> {
    let topic = listed::topic_by_id(context.engine.catalog(), topic).ok_or(ErrorCode::UnknownTopicId)?;
    place(topic, partition)
}

fn place(topic: SharedTopic, partition: i32) -> Result<Place, ErrorCode> {
    let index = u32::try_from(partition).map_err(|_| ErrorCode::UnknownTopicOrPartition)?;
    let found = usize::try_from(index).ok().and_then(|index| topic.partitions.get(index).copied());
    let found = found.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    Ok(Place { topic, partition: PartitionIndex(index), stream: found.stream, shard: found.shard })
}

/// Checks that this broker leads a partition, and compares the leader epoch that a client knows, −1 for
/// none, with the present one (KIP-320).
pub(super) fn check_epoch(context: &Context, place: &Place, known: i32) -> Result<(), ErrorCode> {
    context.check_leader(place.shard)?;
    compare_epochs(context, place, known)
}

/// The same, of a broker that may follow: it has what is committed, too (KIP-392).
pub(super) fn check_epoch_of_reader(context: &Context, place: &Place, known: i32) -> Result<(), ErrorCode> {
    context.check_readable(place.shard)?;
    compare_epochs(context, place, known)
}

fn compare_epochs(context: &Context, place: &Place, known: i32) -> Result<(), ErrorCode> {
    let current = context.leader_epoch(place.shard);
    match known {
        -1 => Ok(()),
        known if known < current => Err(ErrorCode::FencedLeaderEpoch),
        known if known > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// An offset as Kafka writes it.
pub(super) fn wire_offset(offset: Offset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}

/// An offset as Kafka wrote it; none if negative.
pub(super) fn read_offset(offset: i64) -> Option<Offset> {
    u64::try_from(offset).ok().map(Offset)
}
