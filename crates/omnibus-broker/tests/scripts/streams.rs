//! Streams and the producers that write to them.

use crate::script::check;
use expect_test::expect;

#[test]
fn offsets_are_dense_and_a_stream_begins_with_its_first_append() {
    check(&expect![[r#"
        0s stream s1                                               -> unknown
        0s append s1 2                                             -> offset 0
        0s append s1 3                                             -> offset 2
        0s append s2 1                                             -> offset 0
        0s stream s1                                               -> 0 to 5
    "#]]);
}

#[test]
fn retried_batch_keeps_its_offset() {
    check(&expect![[r#"
        0s append s1 2 by=7/0 seq=0                                -> offset 0
        0s append s1 1 by=7/0 seq=2                                -> offset 2
        0s append s1 2 by=7/0 seq=0                                -> offset 0, again (unchanged)
        0s append s1 1 by=7/0 seq=2                                -> offset 2, again (unchanged)
        # Only the very same batch is a retry.
        0s append s1 1 by=7/0 seq=0                                -> no: producer 7 sent sequence 0, expected 3
        0s stream s1                                               -> 0 to 3
    "#]]);
}

#[test]
fn five_batches_are_recognised_again() {
    check(&expect![[r#"
        0s append s1 1 by=7/0 seq=0                                -> offset 0
        0s append s1 1 by=7/0 seq=1                                -> offset 1
        0s append s1 1 by=7/0 seq=2                                -> offset 2
        0s append s1 1 by=7/0 seq=3                                -> offset 3
        0s append s1 1 by=7/0 seq=4                                -> offset 4
        0s append s1 1 by=7/0 seq=5                                -> offset 5
        0s append s1 1 by=7/0 seq=1                                -> offset 1, again (unchanged)
        0s append s1 1 by=7/0 seq=0                                -> no: producer 7 sent sequence 0, expected 6
    "#]]);
}

#[test]
fn gap_in_a_sequence_is_refused() {
    check(&expect![[r#"
        0s append s1 2 by=7/0 seq=0                                -> offset 0
        0s append s1 1 by=7/0 seq=3                                -> no: producer 7 sent sequence 3, expected 2
        0s append s1 1 by=7/0 seq=2                                -> offset 2
    "#]]);
}

#[test]
fn newer_incarnation_fences_the_older_and_starts_at_0() {
    check(&expect![[r#"
        0s append s1 2 by=7/0 seq=0                                -> offset 0
        0s append s1 1 by=7/1 seq=2                                -> no: producer 7 sent sequence 2, expected 0
        0s append s1 1 by=7/1 seq=0                                -> offset 2
        0s append s1 1 by=7/0 seq=2                                -> no: producer 7 has been superseded: epoch 0 is older than 1
        0s append s1 1 by=7/1 seq=1                                -> offset 3
    "#]]);
}

#[test]
fn unknown_producer_may_begin_anywhere() {
    check(&expect![[r#"
        0s append s1 1 by=7/3 seq=41                               -> offset 0
        0s append s1 1 by=7/3 seq=42                               -> offset 1
        # Each stream has its own memory.
        0s append s2 1 by=7/3 seq=9                                -> offset 0
    "#]]);
}

#[test]
fn sequence_wraps_after_the_greatest() {
    check(&expect![[r#"
        0s append s1 3 by=7/0 seq=2147483646                       -> offset 0
        0s append s1 1 by=7/0 seq=1                                -> offset 3
        0s append s1 3 by=7/0 seq=2147483646                       -> offset 0, again (unchanged)
        0s append s1 1 by=7/0 seq=2147483648                       -> no: a sequence number is at most 2^31 - 1
    "#]]);
}

#[test]
fn silent_producer_is_forgotten_after_a_day() {
    check(&expect![[r#"
        0s  append s1 1 by=7/0 seq=0                               -> offset 0
        0s  deadline                                               -> 86400000 ms
        12h append s1 1 by=7/0 seq=1                               -> offset 1
        24h tick                                                   -> done
        24h deadline                                               -> 129600000 ms
        35h append s1 1 by=7/0 seq=9                               -> no: producer 7 sent sequence 9, expected 2
        36h tick                                                   -> done
        36h append s1 1 by=7/0 seq=9                               -> offset 2
    "#]]);
}

#[test]
fn trim_moves_the_start_and_keeps_producers() {
    check(&expect![[r#"
        0s trim s1 0                                               -> starts at 0 (unchanged)
        0s trim s1 1                                               -> no: offset 1 is not within 0 to 0
        0s append s1 5 by=7/0 seq=0                                -> offset 0
        0s trim s1 3                                               -> starts at 3
        0s trim s1 2                                               -> starts at 3 (unchanged)
        0s trim s1 6                                               -> no: offset 6 is not within 3 to 5
        0s stream s1                                               -> 3 to 5
        0s append s1 5 by=7/0 seq=0                                -> offset 0, again (unchanged)
    "#]]);
}

#[test]
fn epochs_end_where_the_next_leader_begins() {
    check(&expect![[r#"
        0s append s1 5 epoch=2                                     -> offset 0
        0s append s1 5 epoch=4                                     -> offset 5
        0s epoch-end s1 1                                          -> epoch 1 ends at 0
        0s epoch-end s1 2                                          -> epoch 2 ends at 5
        0s epoch-end s1 3                                          -> epoch 2 ends at 5
        0s epoch-end s1 4                                          -> epoch 4 ends at 10
        0s epoch-end s1 5                                          -> epoch 4 ends at 10
    "#]]);
}

#[test]
fn dropped_stream_refuses_appends_for_an_hour() {
    check(&expect![[r#"
        0s  append s1 5 by=7/0 seq=0                               -> offset 0
        0s  drop s1                                                -> done
        0s  drop s1                                                -> done (unchanged)
        0s  append s1 5                                            -> no: stream 1 has been deleted
        0s  trim s1 0                                              -> no: stream 1 has been deleted
        0s  stream s1                                              -> unknown
        0s  deadline                                               -> 3600000 ms
        61m tick                                                   -> done
        # The producer's deadline is still on the agenda and finds nothing.
        25h tick                                                   -> done
        25h deadline                                               -> never
    "#]]);
}
