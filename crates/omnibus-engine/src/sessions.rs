//! When each group member was last heard of. Not replicated: a heartbeat is no history, and
//! after a change of leader every member gets a whole session more (ADR 0004).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use omnibus_model::{GroupName, MemberId};

type Member = (GroupName, MemberId);

/// The sessions of the members whose groups this shard coordinates.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_member: BTreeMap<Member, Session>,
    by_deadline: BTreeSet<(Duration, Member)>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    timeout: Duration,
    deadline: Duration,
}

impl Sessions {
    /// Begins or renews a session.
    pub(crate) fn begin(&mut self, now: Duration, member: Member, timeout: Duration) {
        let deadline = now.saturating_add(timeout);
        if let Some(old) = self.by_member.insert(member.clone(), Session { timeout, deadline }) {
            self.by_deadline.remove(&(old.deadline, member.clone()));
        }
        self.by_deadline.insert((deadline, member));
    }

    /// Renews a session that has begun.
    pub(crate) fn renew(&mut self, now: Duration, group: &GroupName, member: &MemberId) {
        let member = (group.clone(), member.clone());
        if let Some(session) = self.by_member.get(&member) {
            self.begin(now, member, session.timeout);
        }
    }

    /// The time at which the next session lapses.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// Takes the next member whose session has lapsed.
    pub(crate) fn take_lapsed(&mut self, now: Duration) -> Option<Member> {
        self.by_deadline.first().filter(|(deadline, _)| *deadline <= now)?;
        let (_, member) = self.by_deadline.pop_first()?;
        self.by_member.remove(&member);
        Some(member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Member {
        (GroupName::new("g").unwrap(), MemberId::new(name).unwrap())
    }

    #[test]
    fn renewed_session_lapses_later() {
        let mut sessions = Sessions::default();
        let second = Duration::from_secs(1);
        sessions.begin(Duration::ZERO, member("a"), second * 10);
        sessions.begin(Duration::ZERO, member("b"), second * 10);
        let (group, a) = member("a");
        sessions.renew(second * 5, &group, &a);
        assert_eq!(sessions.take_lapsed(second * 10), Some(member("b")));
        assert_eq!(sessions.take_lapsed(second * 10), None);
        assert_eq!(sessions.next_deadline(), Some(second * 15));
        assert_eq!(sessions.take_lapsed(second * 15), Some(member("a")));
        assert_eq!(sessions.next_deadline(), None);
    }
}
