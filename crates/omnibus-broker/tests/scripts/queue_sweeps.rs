//! Queues: many records at once.

use crate::script::check;
use expect_test::expect;

#[test]
fn purge_takes_all_and_forgets_ids() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s append s1 2                                             -> offset 0
        0s enqueue s1 dedup=a delay=5s                             -> offset 2
        0s acquire s1 for=30s                                      -> 0/1
        0s purge s1                                                -> 3 records
        0s purge s1                                                -> 0 records (unchanged)
        0s accept s1 0/1                                           -> gone (unchanged)
        0s enqueue s1 dedup=a                                      -> offset 3
        0s counts s1                                               -> 1 ready, 3 purged of 4
        0s acquire s1 9 for=30s                                    -> 3/2
    "#]]);
}

#[test]
fn purge_leaves_the_dying() {
    check(&expect![[r#"
        0s queue s1 dead-letters                                   -> done
        0s append s1 2                                             -> offset 0
        0s acquire s1 for=30s                                      -> 0/1
        0s reject s1 0/1                                           -> ok, some dying
        0s purge s1                                                -> 1 records
        0s dying s1                                                -> 0 rejected at 0s after 1
        0s counts s1                                               -> 1 dying, 1 purged of 2
    "#]]);
}

#[test]
fn rewound_records_are_there_again() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s append s1 3                                             -> offset 0
        0s rewind s1 0                                             -> no: the queue keeps no history
        0s queue s1 history                                        -> done
        0s acquire s1 3 for=30s                                    -> 0/1, 1/2, 2/3
        0s accept s1 0/1 1/2                                       -> ok, ok
        0s rewind s1 1                                             -> 1 records
        0s counts s1                                               -> 2 ready, 1 rewound, 2 settled of 3
        0s accept s1 2/3                                           -> unknown (unchanged)
        0s acquire s1 3 for=30s                                    -> 1/4, 2/5
        0s rewind s1 9                                             -> no: offset 9 is not within 0 to 3
    "#]]);
}

#[test]
fn rewind_reads_envelopes_again() {
    check(&expect![[r#"
        0s queue s1 history ordered                                -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=b                                      -> offset 1
        0s acquire s1 2 for=30s                                    -> 0/1, 1/2
        0s accept s1 0/1 1/2                                       -> ok, ok
        0s rewind s1 0                                             -> 2 records
        0s acquire s1 2 for=30s                                    -> nothing (unchanged)
        0s wants s1                                                -> 0 to 2
        0s admit s1 0 2 0=a 1=b                                    -> looked up to 2
        0s acquire s1 2 for=30s                                    -> 0/3, 1/4
    "#]]);
}

#[test]
fn old_records_expire_and_those_on_lease_when_they_come_back() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s append s1 4                                             -> offset 0
        0s enqueue s1 delay=1h                                     -> offset 4
        0s acquire s1 2 for=30s                                    -> 0/1, 1/2
        0s release s1 0/1                                          -> ok
        0s expire-before s1 3                                      -> up to 3
        0s counts s1                                               -> 1 ready, 1 leased, 1 delayed, 2 expired of 5
        0s release s1 1/2                                          -> ok
        0s counts s1                                               -> 1 ready, 1 delayed, 3 expired of 5
        0s expire-before s1 3                                      -> up to 3 (unchanged)
        0s expire-before s1 9                                      -> up to 5
        0s counts s1                                               -> 5 expired of 5
    "#]]);
}

#[test]
fn old_records_are_dead_letters_where_that_is_so() {
    check(&expect![[r#"
        0s queue s1 expired-letters                                -> done
        0s append s1 3                                             -> offset 0
        5s expire-before s1 2                                      -> up to 2, some dying
        5s dying s1                                                -> 0 expired at 5s after 0, 1 expired at 5s after 0
        5s acquire s1 3 for=30s                                    -> 2/1
    "#]]);
}

#[test]
fn trimmed_records_are_gone_whatever_they_were() {
    check(&expect![[r#"
        0s queue s1 dead-letters                                   -> done
        0s append s1 4                                             -> offset 0
        0s acquire s1 2 for=30s                                    -> 0/1, 1/2
        0s reject s1 0/1                                           -> ok, some dying
        0s trim s1 3                                               -> starts at 3
        0s accept s1 1/2                                           -> gone (unchanged)
        0s counts s1                                               -> 1 ready, 3 purged of 4
        0s floor s1                                                -> 3
    "#]]);
}

#[test]
fn peek_changes_nothing() {
    check(&expect![[r#"
        0s queue s1 dead-letters                                   -> done
        0s append s1 4                                             -> offset 0
        0s enqueue s1 group=a                                      -> offset 4
        0s enqueue s1 delay=5s                                     -> offset 5
        0s acquire s1 2 for=30s                                    -> 0/1, 1/2
        0s reject s1 0/1                                           -> ok, some dying
        0s peek s1 0                                               -> 0 0 rejected at 0s after 1, 1 leased 1/2 until 30s, 2 ready after 0, 3 ready after 0, 4 ready after 0, 5 delayed until 5s after 0
        0s peek s1 4                                               -> 4 ready after 0, 5 delayed until 5s after 0
    "#]]);
}
