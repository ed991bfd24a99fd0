//! Queues: records that leave for somewhere else.

use crate::script::check;
use expect_test::expect;

#[test]
fn record_delivered_too_often_is_a_dead_letter() {
    check(&expect![[r#"
        0s queue s1 deliveries=2 dead-letters                      -> done
        0s enqueue s1                                              -> offset 0
        0s enqueue s1                                              -> offset 1
        0s acquire s1 for=30s                                      -> 0/1
        0s release s1 0/1                                          -> ok
        0s acquire s1 for=30s                                      -> 0/2 x2
        0s release s1 0/2                                          -> ok
        0s counts s1                                               -> 2 ready of 2
        # It is found out by the receive that would be one too many.
        1s acquire s1 for=30s                                      -> 1/3, some dying
        1s dying s1                                                -> 0 exhausted at 1s after 2
        1s accept s1 0/2                                           -> gone (unchanged)
        1s bury s1 0                                               -> done
        1s bury s1 0                                               -> done (unchanged)
        1s counts s1                                               -> 1 leased, 1 dead-lettered of 2
    "#]]);
}

#[test]
fn dead_letter_without_a_place_to_go_is_dropped() {
    check(&expect![[r#"
        0s queue s1 deliveries=1                                   -> done
        0s append s1 2                                             -> offset 0
        0s acquire s1 2 for=30s                                    -> 0/1, 1/2
        0s reject s1 0/1                                           -> ok
        0s release s1 1/2                                          -> ok
        0s acquire s1 2 for=30s                                    -> nothing
        0s counts s1                                               -> 2 dropped of 2
    "#]]);
}

#[test]
fn rejected_record_leaves_at_once() {
    check(&expect![[r#"
        0s queue s1 dead-letters                                   -> done
        0s append s1 1                                             -> offset 0
        5s acquire s1 for=30s                                      -> 0/1
        6s reject s1 0/1                                           -> ok, some dying
        6s dying s1                                                -> 0 rejected at 6s after 1
        6s floor s1                                                -> 0
        6s queue s1                                                -> done
        6s counts s1                                               -> 1 dropped of 1
    "#]]);
}

#[test]
fn moved_record_arrives_once() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s enqueue s1 origin=s7/3                                  -> offset 0
        0s enqueue s1 origin=s7/3                                  -> offset 0, again (unchanged)
        0s enqueue s1 origin=s7/4                                  -> offset 1
        0s origins s1                                              -> s7/3, s7/4
        0s forget-origin s1 s7/3                                   -> done
        0s forget-origin s1 s7/3                                   -> done (unchanged)
        0s enqueue s1 origin=s7/3                                  -> offset 2
    "#]]);
}

#[test]
fn move_takes_what_is_there_at_its_rate() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s append s1 4                                             -> offset 0
        0s acquire s1 for=30s                                      -> 0/1
        0s move s1 rate=1                                          -> task 1
        0s move s1                                                 -> no: the queue is being moved already
        0s append s1 1                                             -> offset 4
        0s advance-move s1 1 10                                    -> 1 taken, more at 1s
        0s advance-move s1 1 10                                    -> 0 taken, more at 1s (unchanged)
        1s advance-move s1 1 10                                    -> 1 taken, more at 2s
        1s bury s1 1                                               -> done
        1s moves s1                                                -> 1 Running: 1 of 2 of 3
        9s advance-move s1 1 10                                    -> 1 taken, no more
        9s moves s1                                                -> 1 Finishing: 1 of 3 of 3
        9s dying s1                                                -> 2 moved by 1 at 1s after 0, 3 moved by 1 at 9s after 0
        9s bury s1 2                                               -> done
        9s bury s1 3                                               -> done
        9s moves s1                                                -> 1 Completed: 3 of 3 of 3
        9s advance-move s1 1 10                                    -> no: the queue has no move task 1 that runs
        9s counts s1                                               -> 1 ready, 1 leased, 3 moved of 5
        9s move s1                                                 -> task 2
    "#]]);
}

#[test]
fn cancelled_move_leaves_the_rest() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s append s1 3                                             -> offset 0
        0s move s1 to=s5                                           -> task 1
        0s advance-move s1 1 1                                     -> 1 taken, more at 0s
        0s bury s1 0                                               -> done
        0s cancel-move s1 1                                        -> 1 moved
        0s cancel-move s1 1                                        -> no: the queue has no move task 1 that runs
        0s acquire s1 10 for=30s                                   -> 1/1, 2/2
        0s moves s1                                                -> 1 Cancelled: 1 of 1 of 3
    "#]]);
}

#[test]
fn move_of_nothing_is_over_at_once() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s move s1                                                 -> task 1
        0s advance-move s1 1 10                                    -> 0 taken, no more
        0s moves s1                                                -> 1 Completed: 0 of 0 of 0
    "#]]);
}

#[test]
fn who_leaves_gives_back_all_that_he_holds() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s append s1 3                                             -> offset 0
        0s acquire s1 2 holder=7                                   -> 0/1, 1/2
        0s acquire s1 holder=8                                     -> 2/3
        0s holdings s1                                             -> 7 has 2, 8 has 1
        0s accept s1 0/1                                           -> ok
        0s release-holder s1 7                                     -> 1 records
        0s release-holder s1 7                                     -> 0 records (unchanged)
        0s holdings s1                                             -> 8 has 1
        0s acquire s1 holder=8                                     -> 1/4 x2
    "#]]);
}
