//! Reads streams on any node, and asks where they end.

use std::time::Duration;

use omnibus_engine::{Engine, ReadError};
use omnibus_model::{NodeId, Offset, ShardId, StreamId};
use omnibus_record::{BatchHeader, batches};
use omnibus_replication::ReplicatedLog;
use tokio::time::sleep;

use super::{Client, TOPIC};
use crate::cluster::world::World;
use crate::violation::Violation;

const SAME: &str = "all readers see the same";
const FRESH: &str = "who asks is told nothing old";

/// How much is read at once.
const READ_BYTES: usize = 16 << 10;

/// Why reading goes no further.
pub(crate) enum Stopped {
    AtEnd,
    /// What is there cannot be read on this node.
    Unreadable,
}

/// Reads on from somewhere, on whichever node, until it is told to stop.
pub(super) async fn consume(mut client: Client) {
    while !client.is_over() {
        client.pause().await;
        let Some(topic) = client.topic(TOPIC) else { continue };
        let Some(access) = client.any() else { continue };
        let stream = topic.partitions[client.chance.place(topic.partitions.len())].stream;
        let bounds = access.engine.bounds(stream);
        let from = Offset(client.chance.within(bounds.start.0..=bounds.end.0));
        client.site.world.with(|state| state.tally.reads += 1);
        let read = read_on(&client.site.world, (access.node, &access.engine), (stream, from), 3);
        let _reached = access.ask(read).await;
    }
}

/// Reads some pieces of a stream; returns where it came to.
async fn read_on(
    world: &World,
    (node, engine): (NodeId, &Engine),
    (stream, mut from): (StreamId, Offset),
    pieces_max: usize,
) -> (Offset, Stopped) {
    for _ in 0..pieces_max {
        let fetched = match engine.read(stream, from, READ_BYTES).await {
            Ok(fetched) => fetched,
            // Somebody has trimmed it, or this node does not know it yet.
            Err(ReadError::OutOfRange { .. }) => return (from, Stopped::AtEnd),
            Err(error @ (ReadError::Damaged { .. } | ReadError::Disk { .. })) => {
                world.line(format_args!("node {node} cannot read stream {stream} from {from} on: {error}"));
                return (from, Stopped::Unreadable);
            }
        };
        let before = from;
        for batch in fetched.pieces.into_iter().flat_map(batches) {
            let header = match BatchHeader::read(&batch) {
                Ok(header) => header,
                Err(error) => {
                    world.violate(Violation::new(SAME, format!("node {node}, stream {stream}: {error}")));
                    return (from, Stopped::AtEnd);
                }
            };
            let base = Offset(header.base_offset.cast_unsigned());
            let end = Offset(header.last_offset().cast_unsigned()).plus(1);
            world.note("read", &[node.0.into(), stream.0, base.0, end.0]);
            world.check(SAME, |ledger| {
                ledger.read(stream, (base, end), &batch).map_err(|detail| format!("node {node}: {detail}"))
            });
            from = end;
        }
        if from == before {
            return (from, Stopped::AtEnd);
        }
    }
    (from, Stopped::AtEnd)
}

/// Reads all of a stream on a node; what cannot be read there is told.
pub(crate) async fn read_stream(world: &World, at: (NodeId, &Engine), stream: StreamId) -> Result<(), String> {
    let bounds = at.1.bounds(stream);
    if bounds.start < bounds.end {
        let (reached, stopped) = read_on(world, at, (stream, bounds.start), usize::MAX).await;
        match stopped {
            Stopped::AtEnd if reached >= bounds.end => {}
            Stopped::AtEnd => return Err(format!("nothing is read from {reached} on, and it ends at {}", bounds.end)),
            Stopped::Unreadable => return Err(format!("what is at {reached} cannot be read")),
        }
    }
    let mut whole = Ok(());
    world.with(|state| whole = state.ledger.read_all(stream, (bounds.start, bounds.end)));
    whole
}

/// Asks nodes whether they lead, and how far they are: not less than anybody was told when it was asked.
pub(super) async fn ask_for_leaders(mut client: Client) {
    while !client.is_over() {
        client.pause().await;
        let Some(access) = client.any() else { continue };
        if client.chance.once_in(4) {
            // So that there is something new about names, too. Who is cut off is not asked: it would wait for a majority before it
            // answered anything else.
            let leader = client.site.leader(ShardId::METADATA);
            if let Some(leader) = leader.filter(|leader| !client.site.network.is_cut_off(leader.node)) {
                let _told = leader.ask(leader.engine.allocate_producer()).await;
            }
            continue;
        }
        let shards: Vec<ShardId> = client.site.shards().collect();
        let shard = shards[client.chance.place(shards.len())];
        let known = client.site.world.with(|state| state.ledger.newest(shard));
        let asked = access.ask(access.engine.confirm_lead(shard)).await;
        let newest = access.replicated.newest(shard);
        client.site.world.with(|state| state.tally.questions += 1);
        if matches!(asked, Some(Ok(()))) && newest < known {
            let told = format!("node {} leads shard {shard} and has {newest}, {known} was told", access.node);
            client.violate(FRESH, told);
        }
    }
}

/// Lets streams begin later, now and then, until it is told to stop.
pub(super) async fn trim(mut client: Client) {
    while !client.is_over() {
        sleep(Duration::from_millis(client.chance.within(500..=3_000))).await;
        let Some(topic) = client.topic(TOPIC) else { continue };
        let Some(access) = client.any() else { continue };
        let partition = topic.partitions[client.chance.place(topic.partitions.len())];
        let bounds = access.engine.bounds(partition.stream);
        let before = Offset(client.chance.within(bounds.start.0..=bounds.end.0));
        client.site.world.note("trim", &[partition.stream.0, before.0]);
        client.site.world.with(|state| state.ledger.trim(partition.stream, before));
        drop(access.ask(access.engine.trim(partition.shard, partition.stream, before)).await);
    }
}

/// Asks nodes that lead where streams end: not before what was acknowledged or read when it was asked.
pub(super) async fn ask_for_ends(mut client: Client) {
    while !client.is_over() {
        client.pause().await;
        let Some(topic) = client.topic(TOPIC) else { continue };
        let Some(access) = client.any() else { continue };
        let partition = topic.partitions[client.chance.place(topic.partitions.len())];
        let mut known = Offset(0);
        client.site.world.with(|state| known = state.ledger.known_end(partition.stream));
        let engine = access.engine.clone();
        let asked = access.ask(async move {
            engine.confirm_lead(partition.shard).await.map(|()| engine.bounds(partition.stream).end)
        });
        let Some(Ok(end)) = asked.await else { continue };
        client.site.world.with(|state| state.tally.questions += 1);
        if end < known {
            let NodeId(node) = access.node;
            let told = format!("node {node} says that stream {} ends at {end}, it had {known}", partition.stream);
            client.violate(FRESH, told);
        }
    }
}
