//! To whom a command speaks: who waits there may be answered afterwards.

use omnibus_model::{Command, GroupName, StreamId};

/// Returns the one group that a command speaks to. [`Command::Tick`] and
/// [`Command::ForgetTopic`] may touch any.
#[must_use]
pub const fn group_of(command: &Command) -> Option<&GroupName> {
    match command {
        Command::JoinGroup(join) => Some(&join.group),
        Command::SyncGroup(sync) => Some(&sync.group),
        Command::CommitOffsets(commit) => Some(&commit.group),
        Command::ConsumerHeartbeat(heartbeat) => Some(&heartbeat.group),
        Command::LeaveGroup { group, .. }
        | Command::ExpireMembers { group, .. }
        | Command::DeleteGroup { group }
        | Command::DeleteOffsets { group, .. } => Some(group),
        Command::CreateTopic(_)
        | Command::DeleteTopic { .. }
        | Command::AddPartitions { .. }
        | Command::AlterTopic { .. }
        | Command::AllocateProducer
        | Command::Append(_)
        | Command::Trim { .. }
        | Command::DropStream { .. }
        | Command::ForgetTopic { .. }
        | Command::CreateQueue(_)
        | Command::AlterQueue { .. }
        | Command::ConfigureCursor { .. }
        | Command::Enqueue(_)
        | Command::Acquire(_)
        | Command::Settle { .. }
        | Command::Extend { .. }
        | Command::ReleaseHolder { .. }
        | Command::Bury { .. }
        | Command::ForgetOrigin { .. }
        | Command::StartMove { .. }
        | Command::CancelMove { .. }
        | Command::AdvanceMove { .. }
        | Command::Admit(_)
        | Command::Purge { .. }
        | Command::Rewind { .. }
        | Command::ExpireBefore { .. }
        | Command::AlterBrokers { .. }
        | Command::AlterGroup { .. }
        | Command::FanOut(_)
        | Command::CreateExchange(_)
        | Command::DeleteExchange { .. }
        | Command::AlterExchange { .. }
        | Command::Bind(_)
        | Command::AlterBinding { .. }
        | Command::Unbind { .. }
        | Command::Tick => None,
    }
}

/// Returns the queues that a command speaks to: afterwards, somebody who waits there may be
/// answered. [`Command::Append`] may speak to a stream that is none.
pub fn queues_of(command: &Command) -> impl Iterator<Item = StreamId> + use<'_> {
    let targets = match command {
        Command::FanOut(fan_out) => &fan_out.targets[..],
        _ => &[],
    };
    queue_of(command).into_iter().chain(targets.iter().map(|target| target.stream))
}

/// Returns the queue of a command that speaks to one.
fn queue_of(command: &Command) -> Option<StreamId> {
    match command {
        Command::Append(append) => Some(append.stream),
        Command::Enqueue(enqueue) => Some(enqueue.append.stream),
        Command::Acquire(acquire) => Some(acquire.stream),
        Command::Admit(admit) => Some(admit.stream),
        Command::Trim { stream, .. }
        | Command::DropStream { stream }
        | Command::ConfigureCursor { stream, .. }
        | Command::Settle { stream, .. }
        | Command::Extend { stream, .. }
        | Command::ReleaseHolder { stream, .. }
        | Command::Bury { stream, .. }
        | Command::ForgetOrigin { stream, .. }
        | Command::StartMove { stream, .. }
        | Command::CancelMove { stream, .. }
        | Command::AdvanceMove { stream, .. }
        | Command::Purge { stream }
        | Command::Rewind { stream, .. }
        | Command::ExpireBefore { stream, .. } => Some(*stream),
        Command::CreateTopic(_)
        | Command::DeleteTopic { .. }
        | Command::AddPartitions { .. }
        | Command::AlterTopic { .. }
        | Command::AllocateProducer
        | Command::CreateQueue(_)
        | Command::AlterQueue { .. }
        | Command::JoinGroup(_)
        | Command::SyncGroup(_)
        | Command::LeaveGroup { .. }
        | Command::ExpireMembers { .. }
        | Command::CommitOffsets(_)
        | Command::DeleteGroup { .. }
        | Command::DeleteOffsets { .. }
        | Command::ConsumerHeartbeat(_)
        | Command::ForgetTopic { .. }
        | Command::AlterBrokers { .. }
        | Command::AlterGroup { .. }
        | Command::FanOut(_)
        | Command::CreateExchange(_)
        | Command::DeleteExchange { .. }
        | Command::AlterExchange { .. }
        | Command::Bind(_)
        | Command::AlterBinding { .. }
        | Command::Unbind { .. }
        | Command::Tick => None,
    }
}
