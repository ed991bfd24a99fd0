//! What a committed entry does to a broker, for whoever did not decide it himself: a start that
//! repeats the log, a follower, and a broker that is rebuilt.

use omnibus_broker::Broker;
use omnibus_log::EntryKind;
use omnibus_model::command::Append;
use omnibus_model::outcome::Applied;
use omnibus_model::{BatchInfo, Bug, Command, planted};

use crate::group_commit::decode_head;

/// Applies an entry's commands in order and shows what came of each.
///
/// # Errors
/// Why it cannot be understood, for the operator.
pub(crate) fn apply_entry(
    broker: &mut Broker,
    (kind, head): (EntryKind, &[u8]),
    mut look: impl FnMut(&Command, &Applied),
) -> Result<(), String> {
    if kind != EntryKind::Commands {
        return Ok(());
    }
    for (now, command) in decode_head(head)? {
        let Some(command) = remembered(command) else { continue };
        let applied = broker.apply(now, &command).map_err(|refusal| refusal.to_string())?;
        look(&command, &applied);
    }
    Ok(())
}

/// The command as it was logged, unless a bug on purpose forgets some of it.
fn remembered(command: Command) -> Option<Command> {
    match command {
        Command::Append(append) if planted(Bug::SequencesForgotten) => {
            let batch = BatchInfo { producer: None, ..append.batch };
            Some(Command::Append(Append { batch, ..append }))
        }
        Command::Trim { .. } if planted(Bug::TrimForgotten) => None,
        command => Some(command),
    }
}
