//! Bugs on purpose, for the simulator to catch: without them a green run says little.
//!
//! A bug is one `if planted(Bug::…)` at the spot where a careless change would put it. In
//! production [`planted`] is the constant `false`, and the compiler removes the bug; only a
//! debug build with the feature `planted-bugs`, which the simulator asks for, has them.
//! See `docs/adr/0050-planted-bugs.md` and 0051.

/// The bugs that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A write counts as durable before its sync.
    AckBeforeSync,
    /// Rot in acknowledged data passes for a torn tail and is cut off.
    RotAsTornTail,
    /// What a killed process left unsynced counts as durable at the next start.
    StartUnsynced,
    /// A new segment's name is not synced.
    NameUnsynced,
    /// A start does not learn where streams end whose batches were trimmed.
    EndForgotten,
    /// A checkpoint counts before it is durable.
    PurgeBeforeCheckpoint,
    /// A command is applied at another time than it is logged with.
    ClockInApply,
    /// The sequences of idempotent producers are not replayed.
    SequencesForgotten,
    /// Readers see a batch before it is committed.
    PublishBeforeCommit,
    /// A start leads in the same term as the one before.
    TermReused,
    /// A start trusts what the kernel shows of the manifest.
    ManifestTrusted,
    /// A read that finds nothing in a gap does not look behind it.
    GapEndsRead,
    /// Trims are not replayed.
    TrimForgotten,
    /// An idle writer never announces its last block.
    SealForgotten,
    /// A checkpoint claims an entry more than its state has seen.
    CheckpointAhead,
    /// What the full disk refused is acknowledged.
    AckDespiteFullDisk,
    /// A repeated batch is acknowledged at a new offset.
    DuplicateAsNew,
    /// Writing goes on after a failed write.
    WriteAfterFailure,
    /// What is read from the disk is served unchecked.
    RotServed,
    /// What the disk does not let read passes for the end.
    UnreadableAsEnd,
    /// An answer does not wait for what it rests on.
    AnswerBeforeCommit,
    /// A start does not finish the forgetting of a deleted topic.
    TopicRemembered,
    /// A topic's name is free before everybody has forgotten who had it.
    NameFreeEarly,
    /// A receive goes on in a group past a record of it that is held.
    BarrierForgotten,
    /// A record that comes back delayed holds up nobody behind it.
    DelayFreesGroup,
    /// Whoever once held a record may settle it while another does.
    FormerHolderHeard,
    /// An extension is answered and not kept.
    ExtensionNotKept,
    /// A record whose lease runs out is as if it had never been delivered.
    CountForgotten,
    /// Delays are known to the second only, rounded down.
    DelayRounded,
    /// A record is delivered although its time is over, if no tick came before.
    ExpiryUnread,
    /// A record that a full queue did not look at leaves no deduplication id.
    DedupBehindHorizon,
    /// A queue that looks on looks again at what it looked at before its turn.
    AdmittedTwice,
    /// What is out on lease is no reason to keep a record.
    FloorPastLeases,
    /// A record that is settled after its lease has run out is not counted.
    LateAcceptUntallied,
    /// A purge forgets the records that wait in groups, and leaves them there.
    PurgeSparesGroups,
    /// An extension counts as no change, so the log does not have it.
    ExtensionUnlogged,
    /// Those who wait are not looked after when a lease or a delay ends.
    ReceiverForgotten,
    /// A queue forgets where a record came from before that is buried there.
    OriginForgottenFirst,
    /// A target that does not get a message shifts what the others of the fan-out get.
    FanOutShifted,
    /// A record that shares its body refers in a pack to where the body was before.
    ReferenceNotRenewed,
    /// What is handed out as done is not counted as settled.
    TakeUntallied,
    /// A new leader leaves leases to sessions of the one before.
    SessionsOutliveLeader,
    /// What a consumer holds already does not count against its credit.
    CreditForgotten,
    /// The leases of a consumer that hung up stay.
    HangUpUnheard,
    /// What a consumer held that hung up goes behind all others.
    ReleasedToTheEnd,
    /// A consumer is given what is leased to it before that is committed.
    PushBeforeCommit,
    /// A consumer that was cancelled is served on.
    CancelUnheard,
    /// A queue with priorities is served from its lowest on.
    LowestPriorityFirst,

    // Of clusters.
    /// A leader counts an entry as committed that is on its own disk only.
    OwnDiskIsEnough,
    /// A replica confirms entries before they are on its disk.
    ReplicaAcksEarly,
    /// A vote is given before it is on disk, and never is.
    VoteUnsynced,
    /// What a replica has passes for what is committed when it starts again.
    CommitMarkAhead,
    /// A leader that starts again leads on in its old term.
    LeaderRestored,
    /// What is taken back of a replica's log is taken back in memory only.
    TruncationUnlogged,
    /// A proposal counts at another place than it was promised.
    PlaceUnchecked,
    /// A membership at a promised place passes for what was proposed for it.
    MembershipTakesPlace,
    /// A replica that has lost all it had votes and confirms as if it never had any.
    HollowVotes,
    /// A replica is filled without the last of the streams.
    BackfillLeavesOut,
    /// A checkpoint does not wait until what is in it is committed.
    SnapshotUncommitted,
    /// A leader that is deposed keeps what it has applied that is lost.
    DeposedBrokerKept,
    /// What a deposed leader has lost is acknowledged.
    LostCountsAsDone,
    /// A log is purged up to its own checkpoint, whatever others lack.
    PurgeUnconfirmed,
    /// An answer of another node is passed on before this node has what it rests on.
    AnswerOutrunsLog,
    /// Rotten records count as mended before anything was written in their place.
    MendForgotten,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 64] = [
        Self::AckBeforeSync,
        Self::RotAsTornTail,
        Self::StartUnsynced,
        Self::NameUnsynced,
        Self::EndForgotten,
        Self::PurgeBeforeCheckpoint,
        Self::ClockInApply,
        Self::SequencesForgotten,
        Self::PublishBeforeCommit,
        Self::TermReused,
        Self::ManifestTrusted,
        Self::GapEndsRead,
        Self::TrimForgotten,
        Self::SealForgotten,
        Self::CheckpointAhead,
        Self::AckDespiteFullDisk,
        Self::DuplicateAsNew,
        Self::WriteAfterFailure,
        Self::RotServed,
        Self::UnreadableAsEnd,
        Self::AnswerBeforeCommit,
        Self::TopicRemembered,
        Self::NameFreeEarly,
        Self::BarrierForgotten,
        Self::DelayFreesGroup,
        Self::FormerHolderHeard,
        Self::ExtensionNotKept,
        Self::CountForgotten,
        Self::DelayRounded,
        Self::ExpiryUnread,
        Self::DedupBehindHorizon,
        Self::AdmittedTwice,
        Self::FloorPastLeases,
        Self::LateAcceptUntallied,
        Self::PurgeSparesGroups,
        Self::ExtensionUnlogged,
        Self::ReceiverForgotten,
        Self::OriginForgottenFirst,
        Self::FanOutShifted,
        Self::ReferenceNotRenewed,
        Self::TakeUntallied,
        Self::SessionsOutliveLeader,
        Self::CreditForgotten,
        Self::HangUpUnheard,
        Self::ReleasedToTheEnd,
        Self::PushBeforeCommit,
        Self::CancelUnheard,
        Self::LowestPriorityFirst,
        Self::OwnDiskIsEnough,
        Self::ReplicaAcksEarly,
        Self::VoteUnsynced,
        Self::CommitMarkAhead,
        Self::LeaderRestored,
        Self::TruncationUnlogged,
        Self::PlaceUnchecked,
        Self::MembershipTakesPlace,
        Self::HollowVotes,
        Self::BackfillLeavesOut,
        Self::SnapshotUncommitted,
        Self::DeposedBrokerKept,
        Self::LostCountsAsDone,
        Self::PurgeUnconfirmed,
        Self::AnswerOutrunsLog,
        Self::MendForgotten,
    ];

    /// Whether it takes several nodes to show it.
    #[must_use]
    pub const fn is_of_clusters(self) -> bool {
        self as usize >= Self::OwnDiskIsEnough as usize
    }

    /// The name on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AckBeforeSync => "ack-before-sync",
            Self::RotAsTornTail => "rot-as-torn-tail",
            Self::StartUnsynced => "start-unsynced",
            Self::NameUnsynced => "name-unsynced",
            Self::EndForgotten => "end-forgotten",
            Self::PurgeBeforeCheckpoint => "purge-before-checkpoint",
            Self::ClockInApply => "clock-in-apply",
            Self::SequencesForgotten => "sequences-forgotten",
            Self::PublishBeforeCommit => "publish-before-commit",
            Self::TermReused => "term-reused",
            Self::ManifestTrusted => "manifest-trusted",
            Self::GapEndsRead => "gap-ends-read",
            Self::TrimForgotten => "trim-forgotten",
            Self::SealForgotten => "seal-forgotten",
            Self::CheckpointAhead => "checkpoint-ahead",
            Self::AckDespiteFullDisk => "ack-despite-full-disk",
            Self::DuplicateAsNew => "duplicate-as-new",
            Self::WriteAfterFailure => "write-after-failure",
            Self::RotServed => "rot-served",
            Self::UnreadableAsEnd => "unreadable-as-end",
            Self::AnswerBeforeCommit => "answer-before-commit",
            Self::TopicRemembered => "topic-remembered",
            Self::NameFreeEarly => "name-free-early",
            Self::BarrierForgotten => "barrier-forgotten",
            Self::DelayFreesGroup => "delay-frees-group",
            Self::FormerHolderHeard => "former-holder-heard",
            Self::ExtensionNotKept => "extension-not-kept",
            Self::CountForgotten => "count-forgotten",
            Self::DelayRounded => "delay-rounded",
            Self::ExpiryUnread => "expiry-unread",
            Self::DedupBehindHorizon => "dedup-behind-horizon",
            Self::AdmittedTwice => "admitted-twice",
            Self::FloorPastLeases => "floor-past-leases",
            Self::LateAcceptUntallied => "late-accept-untallied",
            Self::PurgeSparesGroups => "purge-spares-groups",
            Self::ExtensionUnlogged => "extension-unlogged",
            Self::ReceiverForgotten => "receiver-forgotten",
            Self::OriginForgottenFirst => "origin-forgotten-first",
            Self::FanOutShifted => "fan-out-shifted",
            Self::ReferenceNotRenewed => "reference-not-renewed",
            Self::TakeUntallied => "take-untallied",
            Self::SessionsOutliveLeader => "sessions-outlive-leader",
            Self::CreditForgotten => "credit-forgotten",
            Self::HangUpUnheard => "hang-up-unheard",
            Self::ReleasedToTheEnd => "released-to-the-end",
            Self::PushBeforeCommit => "push-before-commit",
            Self::CancelUnheard => "cancel-unheard",
            Self::LowestPriorityFirst => "lowest-priority-first",
            Self::OwnDiskIsEnough => "own-disk-is-enough",
            Self::ReplicaAcksEarly => "replica-acks-early",
            Self::VoteUnsynced => "vote-unsynced",
            Self::CommitMarkAhead => "commit-mark-ahead",
            Self::LeaderRestored => "leader-restored",
            Self::TruncationUnlogged => "truncation-unlogged",
            Self::PlaceUnchecked => "place-unchecked",
            Self::MembershipTakesPlace => "membership-takes-place",
            Self::HollowVotes => "hollow-votes",
            Self::BackfillLeavesOut => "backfill-leaves-out",
            Self::SnapshotUncommitted => "snapshot-uncommitted",
            Self::DeposedBrokerKept => "deposed-broker-kept",
            Self::LostCountsAsDone => "lost-counts-as-done",
            Self::PurgeUnconfirmed => "purge-unconfirmed",
            Self::AnswerOutrunsLog => "answer-outruns-log",
            Self::MendForgotten => "mend-forgotten",
        }
    }
}

#[cfg(all(feature = "planted-bugs", debug_assertions))]
mod soil {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants one bug for all that runs on this thread, or none; false if this build cannot.
    #[must_use]
    pub fn plant(bug: Option<Bug>) -> bool {
        PLANTED.set(bug);
        true
    }

    /// Whether this bug is planted.
    #[must_use]
    pub fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(all(feature = "planted-bugs", debug_assertions))]
pub use soil::{plant, planted};

/// Plants nothing: this build has no bugs on purpose.
#[cfg(not(all(feature = "planted-bugs", debug_assertions)))]
#[must_use]
pub const fn plant(bug: Option<Bug>) -> bool {
    bug.is_none()
}

/// Whether this bug is planted: here it never is.
#[cfg(not(all(feature = "planted-bugs", debug_assertions)))]
#[inline(always)]
#[must_use]
pub const fn planted(_: Bug) -> bool {
    false
}
