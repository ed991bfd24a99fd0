//! What is done to the nodes, drawn from the number of the round: the same round does the same.

use std::time::Duration;

use anyhow::Result;

use super::members::Members;

/// One way to trouble a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mischief {
    /// `kill -9` of one node.
    Kill,
    /// SIGTERM, and the same node again: as in a rolling restart.
    Restart,
    /// SIGSTOP, and SIGCONT.
    Pause,
    /// One node and the others do not hear each other.
    CutOff,
    /// One node hears nobody, but is heard.
    Deaf,
    /// One node hears everybody, but is not heard.
    Mute,
    /// `kill -9` of a majority.
    KillMost,
    /// `kill -9` of all at once.
    KillAll,
    /// The power of one, some or all fails, and what was not on their disks is lost.
    PowerCut,
}

/// What happens in one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) what: Mischief,
    /// To whom, first of all.
    pub(super) node: u32,
    /// To how many, where the kind does not say.
    pub(super) count: u32,
    /// The load runs undisturbed for so long before.
    pub(super) calm: Duration,
    /// How long it lasts.
    pub(super) length: Duration,
}

/// How long a node may be away, and how long not less.
const LENGTH_MIN: u64 = 200;
const LENGTH_MAX: u64 = 5_000;

impl Mischief {
    /// All that need no disks of their own.
    pub(super) const ALL: [Self; 8] =
        [Self::Kill, Self::Restart, Self::Pause, Self::CutOff, Self::KillAll, Self::Deaf, Self::KillMost, Self::Mute];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9 of one",
            Self::Restart => "SIGTERM of one, and a start",
            Self::Pause => "one stopped and continued",
            Self::CutOff => "one cut off",
            Self::Deaf => "one hears nobody",
            Self::Mute => "nobody hears one",
            Self::KillMost => "kill -9 of all but one",
            Self::KillAll => "kill -9 of all",
            Self::PowerCut => "power cut",
        }
    }

    pub(super) const fn is_cut(self) -> bool {
        matches!(self, Self::CutOff | Self::Deaf | Self::Mute)
    }

    pub(super) const fn cuts_power(self) -> bool {
        matches!(self, Self::PowerCut)
    }
}

impl Plan {
    /// What the round of this number does to so many nodes; the kinds take turns.
    pub(super) fn of(round: u32, nodes: u32, kinds: &[Mischief]) -> Self {
        let mut dice = Dice(u64::from(round));
        let turn = usize::try_from(round).unwrap_or_default().checked_rem(kinds.len());
        let what = turn.and_then(|turn| kinds.get(turn)).copied().unwrap_or(Mischief::Kill);
        let node = 1 + u32::try_from(dice.roll() % u64::from(nodes.max(1))).unwrap_or_default();
        let calm = Duration::from_millis(200 + dice.roll() % 1_300);
        let length = Duration::from_millis(LENGTH_MIN + dice.roll() % (LENGTH_MAX - LENGTH_MIN));
        let count = 1 + u32::try_from(dice.roll() % u64::from(nodes.max(1))).unwrap_or_default();
        Self { what, node, count, calm, length }
    }

    /// Whom it happens to.
    pub(super) fn victims(&self, members: &Members) -> Vec<u32> {
        match self.what {
            Mischief::KillAll => members.numbers().collect(),
            Mischief::KillMost => others(members, self.node),
            Mischief::PowerCut => {
                let (from, all) = (self.node - 1, u32::try_from(members.numbers().count()).unwrap_or(u32::MAX));
                (from..from + self.count).map(|node| node % all + 1).collect()
            }
            _ => vec![self.node],
        }
    }

    /// The same, for people.
    pub(super) fn whom(&self, members: &Members) -> String {
        let all: Vec<String> = self.victims(members).iter().map(ToString::to_string).collect();
        format!("node {}", all.join(" and "))
    }

    /// Lets it happen.
    pub(super) fn begin(&self, members: &mut Members) -> Result<()> {
        let node = self.node;
        let rest = others(members, node);
        match self.what {
            Mischief::Kill | Mischief::KillMost | Mischief::KillAll => {
                self.victims(members).into_iter().try_for_each(|node| members.kill(node))
            }
            Mischief::PowerCut => members.cut_power(&self.victims(members)),
            Mischief::Restart => members.end(node).map(drop),
            Mischief::Pause => members.signal(node, "-STOP"),
            Mischief::Deaf => rest.iter().try_for_each(|other| members.network.cut(*other, node)),
            Mischief::Mute => rest.iter().try_for_each(|other| members.network.cut(node, *other)),
            Mischief::CutOff => rest.iter().try_for_each(|other| {
                members.network.cut(node, *other)?;
                members.network.cut(*other, node)
            }),
        }
    }

    /// Makes it good.
    pub(super) fn mend(&self, members: &mut Members) -> Result<()> {
        match self.what {
            Mischief::Pause => members.signal(self.node, "-CONT"),
            what if what.is_cut() => members.network.mend(),
            _ => members.start_missing(),
        }
    }
}

fn others(members: &Members, node: u32) -> Vec<u32> {
    members.numbers().filter(|other| *other != node).collect()
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_repeat_and_every_kind_has_its_turn() {
        let plan = |round| Plan::of(round, 3, &Mischief::ALL);
        let mut kinds: Vec<_> = (1..=8).map(|round| plan(round).what).collect();
        kinds.sort_by_key(|kind| kind.name());
        kinds.dedup();
        assert_eq!(kinds.len(), Mischief::ALL.len());
        for round in 1..200 {
            let first = plan(round);
            assert_eq!(first, plan(round));
            assert!((1..=3).contains(&first.node) && first.length < Duration::from_secs(5));
        }
    }
}
