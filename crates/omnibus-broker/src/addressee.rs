//! To whom a command speaks: who waits there may be answered afterwards.

use omnibus_model::command::Target;
use omnibus_model::{Command, GroupName, StreamId};

/// Whom a command speaks to.
enum Addressee<'a> {
    /// The shard, or all in it.
    Shard,
    Group(&'a GroupName),
    /// A stream, which may be a queue's.
    Stream(StreamId),
    Queues(&'a [Target]),
}

/// Returns the one group that a command speaks to. [`Command::Tick`] and
/// [`Command::ForgetTopic`] and [`Command::ForgetTopics`] may touch any.
#[must_use]
pub const fn group_of(command: &Command) -> Option<&GroupName> {
    match addressee(command) {
        Addressee::Group(group) => Some(group),
        Addressee::Shard | Addressee::Stream(_) | Addressee::Queues(_) => None,
    }
}

/// Returns the queues that a command speaks to: afterwards, somebody who waits there may be
/// answered. [`Command::Append`] may speak to a stream that is none; [`Command::Tick`] and
/// [`Command::EndSessions`] may touch any queue.
pub fn queues_of(command: &Command) -> impl Iterator<Item = StreamId> + use<'_> {
    let (stream, targets) = match addressee(command) {
        Addressee::Stream(stream) => (Some(stream), &[][..]),
        Addressee::Queues(targets) => (None, targets),
        Addressee::Shard | Addressee::Group(_) => (None, &[][..]),
    };
    stream.into_iter().chain(targets.iter().map(|target| target.stream))
}

const fn addressee(command: &Command) -> Addressee<'_> {
    match command {
        Command::JoinGroup(join) => Addressee::Group(&join.group),
        Command::SyncGroup(sync) => Addressee::Group(&sync.group),
        Command::CommitOffsets(commit) => Addressee::Group(&commit.group),
        Command::ConsumerHeartbeat(heartbeat) => Addressee::Group(&heartbeat.group),
        Command::LeaveGroup { group, .. }
        | Command::ExpireMembers { group, .. }
        | Command::DeleteGroup { group }
        | Command::DeleteOffsets { group, .. } => Addressee::Group(group),
        Command::Append(append) => Addressee::Stream(append.stream),
        Command::Enqueue(enqueue) => Addressee::Stream(enqueue.append.stream),
        Command::Acquire(acquire) => Addressee::Stream(acquire.stream),
        Command::Admit(admit) => Addressee::Stream(admit.stream),
        Command::Trim { stream, .. }
        | Command::DropStream { stream }
        | Command::ConfigureCursor { stream, .. }
        | Command::LimitCursor { stream, .. }
        | Command::Settle { stream, .. }
        | Command::Extend { stream, .. }
        | Command::ReleaseHolder { stream, .. }
        | Command::Take { stream, .. }
        | Command::Bury { stream, .. }
        | Command::ForgetOrigin { stream, .. }
        | Command::StartMove { stream, .. }
        | Command::CancelMove { stream, .. }
        | Command::AdvanceMove { stream, .. }
        | Command::Purge { stream }
        | Command::Rewind { stream, .. }
        | Command::ExpireBefore { stream, .. } => Addressee::Stream(*stream),
        // Who waits for a queue waits for all its partitions.
        Command::LimitCursors { lowest, .. } => Addressee::Stream(*lowest),
        Command::FanOut(fan_out) => Addressee::Queues(fan_out.targets.as_slice()),
        Command::CreateTopic(_)
        | Command::DeleteTopic { .. }
        | Command::CreatePlacedTopic { .. }
        | Command::AddPartitions { .. }
        | Command::AddPlacedPartitions { .. }
        | Command::AlterTopic { .. }
        | Command::AllocateProducer
        | Command::CreateQueue(_)
        | Command::CreatePriorityQueue { .. }
        | Command::CreateLimitedQueue { .. }
        | Command::AlterQueue { .. }
        | Command::LimitQueue { .. }
        | Command::ForgetTopic { .. }
        | Command::ForgetTopics { .. }
        | Command::ReleaseName { .. }
        | Command::AlterBrokers { .. }
        | Command::AlterGroup { .. }
        | Command::CreateExchange(_)
        | Command::DeleteExchange { .. }
        | Command::AlterExchange { .. }
        | Command::Bind(_)
        | Command::AlterBinding { .. }
        | Command::Unbind { .. }
        | Command::KeepSecret { .. }
        | Command::RegisterNode { .. }
        | Command::ForgetNode { .. }
        | Command::AssignNode { .. }
        | Command::EndSessions
        | Command::Tick => Addressee::Shard,
    }
}
