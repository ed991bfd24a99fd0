//! The steps of a move.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::queue::{Dying, Move, Origin};
use omnibus_model::topic::Partition;
use omnibus_model::{Bug, Command, Offset, ShardId, StreamId, planted};
use omnibus_record::Encoded;

use super::MoveError;
use super::plan::{Parcel, Source};
use crate::engine::Engine;
use crate::error::SubmitError;

/// Bodies that are in memory at a time.
const BYTES_AT_ONCE: usize = 8 << 20;

/// A message on its way, and where it comes from.
type Sent = (Encoded, Option<Origin>);

/// How far dying records were carried.
#[derive(Debug)]
pub(super) struct Carried {
    /// All before it have gone, or cannot go now.
    pub to: Offset,
    /// Why the last that cannot go cannot.
    pub failure: Option<MoveError>,
    pub arrived: Arrived,
}

/// Records that are wherever they go, and are to be buried and forgotten.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub offsets: Vec<Offset>,
    /// Who remembers which origins.
    taken: Vec<(Partition, Vec<Origin>)>,
}

/// Carries dying records to their targets. One that cannot go holds up no other.
pub(super) async fn carry(
    engine: &Engine,
    queue: Partition,
    (dying, moves): (&[Dying], &[Move]),
) -> Result<Carried, MoveError> {
    let stream = queue.stream;
    let topic = engine.catalog().queue(stream).ok_or(MoveError::SourceGone { stream })?;
    let source = Source { topic: &topic, queue, moves, now: engine.now() };
    let (mut parcels, mut bytes) = (Vec::new(), 0);
    let mut carried = Carried { to: Offset::ZERO, failure: None, arrived: Arrived::default() };
    for dying in dying {
        carried.to = dying.offset.plus(1);
        // One by one: a hundred bodies may be too much to hold.
        let found = match engine.messages(stream, vec![dying.offset]).await {
            Ok(mut found) => found.remove(&dying.offset),
            Err(error) => {
                carried.failure = Some(error.into());
                continue;
            }
        };
        let Some(message) = found else {
            tracing::error!(%stream, offset = %dying.offset, "a record on its way out is not there any more");
            bury(engine, queue, std::iter::once(dying.offset)).await?;
            continue;
        };
        let router = engine.inner.router.get().map(|router| &**router);
        match source.pack((engine.catalog(), router), dying, message) {
            Ok(parcel) => {
                bytes += parcel.bytes();
                parcels.push(parcel);
            }
            Err(error) => carried.failure = Some(error),
        }
        if bytes >= BYTES_AT_ONCE {
            break;
        }
    }
    let (undelivered, arrived) = deliver(engine, parcels).await;
    Ok(Carried { failure: undelivered.or(carried.failure), arrived, ..carried })
}

/// Appends to each target what goes there. Returns why the last that did not arrive did not, and what has arrived
/// everywhere.
async fn deliver(engine: &Engine, parcels: Vec<Parcel>) -> (Option<MoveError>, Arrived) {
    let mut left: BTreeSet<Origin> = BTreeSet::new();
    let origins: Vec<Origin> = parcels.iter().map(|parcel| parcel.origin).collect();
    let mut by_target: BTreeMap<StreamId, (Partition, Vec<Sent>)> = BTreeMap::new();
    for Parcel { origin, targets } in parcels {
        for (target, message) in targets {
            by_target.entry(target.stream).or_insert_with(|| (target, Vec::new())).1.push((message, Some(origin)));
        }
    }
    let (mut failure, mut taken) = (None, Vec::new());
    for (target, messages) in by_target.into_values() {
        let sent: Vec<Origin> = messages.iter().filter_map(|(_, origin)| *origin).collect();
        let arrived = match engine.enqueue(target, messages).await {
            Ok(arrived) => arrived,
            Err(error) => {
                failure = Some(error.into());
                left.extend(sent);
                continue;
            }
        };
        for (origin, arrived) in sent.iter().zip(arrived) {
            if let Err(refusal) = arrived {
                failure = Some(refusal.into());
                left.insert(*origin);
            }
        }
        taken.push((target, sent));
    }
    // Whoever has got one that others did not get yet remembers it.
    taken.iter_mut().for_each(|(_, sent)| sent.retain(|origin| !left.contains(origin)));
    let gone = origins.into_iter().filter(|origin| !left.contains(origin)).map(|origin| origin.offset);
    (failure, Arrived { offsets: gone.collect(), taken })
}

/// Buries what has arrived, and then has it forgotten.
pub(super) async fn finish(engine: &Engine, queue: Partition, arrived: &Arrived) -> Result<(), SubmitError> {
    if planted(Bug::OriginForgottenFirst) {
        forget_all(engine, &arrived.taken).await?;
    }
    bury(engine, queue, arrived.offsets.iter().copied()).await?;
    forget_all(engine, &arrived.taken).await
}

async fn forget_all(engine: &Engine, taken: &[(Partition, Vec<Origin>)]) -> Result<(), SubmitError> {
    for (target, origins) in taken {
        forget(engine, *target, origins).await?;
    }
    Ok(())
}

async fn bury(engine: &Engine, queue: Partition, offsets: impl Iterator<Item = Offset>) -> Result<(), SubmitError> {
    let stream = queue.stream;
    let commands = offsets.map(|offset| Command::Bury { stream, offset }).collect();
    engine.submit_all(queue.shard, commands).await?.into_iter().try_for_each(|buried| buried.map(drop))
}

async fn forget(engine: &Engine, target: Partition, origins: &[Origin]) -> Result<(), SubmitError> {
    let stream = target.stream;
    let commands = origins.iter().map(|origin| Command::ForgetOrigin { stream, origin: *origin }).collect();
    for forgotten in engine.submit_all(target.shard, commands).await? {
        match forgotten {
            // A queue that was deleted meanwhile has forgotten everything.
            Ok(_) | Err(SubmitError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Forgets the origins of records that an earlier leader has buried, in the shards that this node leads
/// since a moment ago.
pub(super) async fn finish_begun(engine: &Engine) {
    for shard in engine.inner.chores.offices() {
        match forget_origins_of(engine, shard).await {
            Ok(()) | Err(SubmitError::Closing | SubmitError::Broken) => {}
            Err(_) if !engine.leads(shard) => {}
            Err(error) => {
                tracing::warn!(%shard, %error, "origins of moved records are looked through later");
                engine.inner.chores.put_off(shard);
            }
        }
    }
}

/// Forgets the origins of records that were buried before the process ended.
pub(super) async fn forget_origins(engine: &Engine) {
    for shard in engine.data_shards() {
        if let Err(error) = forget_origins_of(engine, shard).await {
            tracing::warn!(%shard, %error, "origins of moved records were not looked through");
        }
    }
}

async fn forget_origins_of(engine: &Engine, shard: ShardId) -> Result<(), SubmitError> {
    let known = engine.ask(shard, |broker| {
        let queues: Vec<StreamId> = broker.queues().map(|(stream, _)| stream).collect();
        let origins = queues.into_iter().map(|stream| (stream, broker.origins(stream).collect::<Vec<_>>()));
        origins.filter(|(_, origins)| !origins.is_empty()).collect::<Vec<_>>()
    });
    for (stream, origins) in known.await? {
        let mut done = Vec::new();
        for origin in origins {
            if !is_dying(engine, origin).await? {
                done.push(origin);
            }
        }
        forget(engine, Partition { stream, shard }, &done).await?;
    }
    Ok(())
}

/// Whether a record may still be carried away.
async fn is_dying(engine: &Engine, origin: Origin) -> Result<bool, SubmitError> {
    let Some(source) = engine.catalog().queue(origin.stream) else { return Ok(false) };
    let Some(place) = source.queue_place() else { return Ok(false) };
    let Origin { stream, offset } = origin;
    let state = engine.ask(place.shard(), move |broker| broker.record_state(stream, offset)).await?;
    Ok(matches!(state, omnibus_model::queue::RecordState::Dying(_)))
}
