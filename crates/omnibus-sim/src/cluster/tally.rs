//! Counts of what happened in a run of a cluster.

use crate::tally::counts;

counts! {
    ClusterTally;
    /// Simulated time.
    millis: "ms",
    messages: "messages",
    entries: "entries",
    elections: "elections",
    acknowledged: "acks",
    refused: "refused",
    unknown: "unknown",
    reads: "reads",
    questions: "questions",
    receives: "receives",
    settled: "settled",
    checkpoints: "checkpoints",
    installs: "filled",
    changes: "changes",
    transfers: "transfers",
    successions: "successions",
    power_cuts: "cuts",
    process_kills: "kills",
    blackouts: "blackouts",
    partitions: "partitions",
    one_way: "one-way",
    bad_weather: "weather",
    slow_disks: "slow",
    full_disks: "full",
    write_errors: "errors",
    stand_stills: "stills",
    lost_disks: "lost disks",
    leavings: "left",
    clock_jumps: "jumps",
    flips: "rot",
    mended: "mended",
    unmended: "unmended",
    whole_after: "whole after",
}
