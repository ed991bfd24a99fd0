//! Counts of what happened in a run, so that a green run can be told from an idle one.

macro_rules! counts {
    ($($(#[$doc:meta])* $field:ident: $column:literal,)*) => {
        /// The counts.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Tally {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Tally {
            /// Each count under its heading.
            #[must_use]
            pub fn columns(&self) -> Vec<(&'static str, u64)> {
                vec![$(($column, self.$field),)*]
            }
        }
    };
}

counts! {
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
