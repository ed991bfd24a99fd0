//! Counts of what happened in a run, so that a green run can be told from an idle one.

macro_rules! counts {
    ($name:ident; $($(#[$doc:meta])* $field:ident: $column:literal,)*) => {
        /// The counts.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: u64,)*
        }

        impl $name {
            /// Each count under its heading.
            #[must_use]
            pub(crate) fn columns(&self) -> Vec<(&'static str, u64)> {
                vec![$(($column, self.$field),)*]
            }
        }
    };
}
pub(crate) use counts;

counts! {
    Tally;
    steps: "steps",
    /// Simulated time.
    millis: "ms",
    acknowledged: "acks",
    refused: "refused",
    reads: "reads",
    /// Records that clients of queues were given, and those they were told are done.
    receives: "receives",
    accepted: "accepted",
    /// Those of them that consumers were given, and consumers whose connection was lost.
    pushed: "pushed",
    hang_ups: "hang-ups",
    checkpoints: "checkpoints",
    trims: "trims",
    compactions: "compactions",
    deletions: "deletions",
    joins: "joins",
    seals: "seals",
    recyclings: "recycled",
    packings: "packed",
    power_cuts: "cuts",
    process_kills: "kills",
    clean_ends: "clean",
    torn_tails: "torn",
    write_errors: "errors",
    full_disks: "full",
    /// Reads that the disk refused, and those who asked for them.
    read_errors: "unreadable",
    unread: "unread",
    clock_jumps: "jumps",
    /// Bits turned over in what was acknowledged.
    flips: "rot",
    /// Those that the node told of; the others lay where nobody looks.
    flips_told: "told",
    /// Bits turned over in what was not acknowledged.
    tail_flips: "tail rot",
    audits: "audits",
}
