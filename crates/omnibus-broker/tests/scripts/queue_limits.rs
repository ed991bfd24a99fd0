//! Queues that take only so much, and keep it only for so long.

use crate::script::check;
use expect_test::expect;

#[test]
fn what_is_too_much_goes_from_the_front() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s limit s1 records=2                                      -> done
        0s limit s1 records=2                                      -> done (unchanged)
        0s enqueue s1                                              -> offset 0
        0s enqueue s1                                              -> offset 1
        0s enqueue s1                                              -> offset 2
        0s counts s1                                               -> 2 ready, 1 dropped of 3
        0s acquire s1 2 for=30s                                    -> 1/1, 2/2
        0s enqueue s1                                              -> offset 3
        0s append s1 1                                             -> offset 4
        0s counts s1                                               -> 2 ready, 2 leased, 1 dropped of 5
        # What comes back is at the front.
        0s release s1 2/2                                          -> ok
        0s counts s1                                               -> 2 ready, 1 leased, 2 dropped of 5
        0s acquire s1 5 for=30s                                    -> 3/3, 4/4
    "#]]);
}

#[test]
fn what_is_too_much_is_a_dead_letter() {
    check(&expect![[r#"
        0s queue s1 dead-letters                                   -> done
        0s limit s1 records=1                                      -> done
        0s enqueue s1                                              -> offset 0
        5s enqueue s1                                              -> offset 1
        5s dying s1                                                -> 0 overflowed at 5s after 0
        6s bury s1 0                                               -> done
        6s counts s1                                               -> 1 ready, 1 dead-lettered of 2
    "#]]);
}

#[test]
fn full_queue_refuses_what_comes_and_not_what_comes_back() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s limit s1 records=2 refuse                               -> done
        0s enqueue s1                                              -> offset 0
        0s append s1 2                                             -> no: the queue of stream 1 has as much as it may
        0s enqueue s1                                              -> offset 1
        0s enqueue s1                                              -> no: the queue of stream 1 has as much as it may
        0s acquire s1 for=30s                                      -> 0/1
        0s enqueue s1                                              -> offset 2
        0s release s1 0/1                                          -> ok
        0s counts s1                                               -> 3 ready of 3
        0s enqueue s1                                              -> no: the queue of stream 1 has as much as it may
    "#]]);
}

#[test]
fn bytes_count_that_are_neither_leased_nor_gone() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s limit s1 bytes=250                                      -> done
        0s enqueue s1 bytes=100                                    -> offset 0
        0s enqueue s1 bytes=150                                    -> offset 1
        0s enqueue s1 bytes=60                                     -> offset 2
        0s counts s1                                               -> 2 ready, 1 dropped of 3
        0s acquire s1 for=30s                                      -> 1/1
        0s enqueue s1 bytes=190                                    -> offset 3
        0s counts s1                                               -> 2 ready, 1 leased, 1 dropped of 4
        0s accept s1 1/1                                           -> ok
        0s take s1 1                                               -> 2/2
        0s enqueue s1 bytes=61                                     -> offset 4
        0s counts s1                                               -> 1 ready, 2 settled, 2 dropped of 5
        0s purge s1                                                -> 1 records
        0s enqueue s1 bytes=251                                    -> offset 5
        0s counts s1                                               -> 2 settled, 3 dropped, 1 purged of 6
    "#]]);
}

#[test]
fn record_is_there_for_so_long_only() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s limit s1 ttl=10s                                        -> done
        0s enqueue s1                                              -> offset 0
        1s enqueue s1 ttl=4s                                       -> offset 1
        1s enqueue s1 ttl=40s                                      -> offset 2
        2s append s1 2                                             -> offset 3
        5s tick                                                    -> done
        5s counts s1                                               -> 4 ready, 1 expired of 5
        10s tick                                                   -> done
        10s counts s1                                              -> 3 ready, 2 expired of 5
        # Who is late finds nothing that is too old, tick or not.
        11s acquire s1 for=30s                                     -> 3/1
        12s tick                                                   -> done
        12s counts s1                                              -> 1 leased, 4 expired of 5
        13s release s1 3/1                                         -> ok
        13s counts s1                                              -> 5 expired of 5
    "#]]);
}

#[test]
fn what_is_too_old_is_a_dead_letter() {
    check(&expect![[r#"
        0s queue s1 expired-letters                                -> done
        0s append s1 2                                             -> offset 0
        5s limit s1 ttl=10s                                        -> done
        # What was there already came when that was said.
        14s tick                                                   -> done (unchanged)
        15s tick                                                   -> done
        15s dying s1                                               -> 0 expired at 15s after 0, 1 expired at 15s after 0
    "#]]);
}

#[test]
fn queue_is_made_with_its_limits() {
    check(&expect![[r#"
        0s create-limited-queue q 0 records=5                      -> s0@1
        0s create-limited-queue q 0 records=5                      -> no: topic q already exists
        0s limit-queue q from=5 to=2                               -> s0@1
        0s limit-queue q from=5 to=2                               -> no: the configuration of q was changed by somebody else meanwhile
        0s limit-queue q from=2                                    -> s0@1
        0s limit-queue q                                           -> s0@1 (unchanged)
        0s limit-queue none to=1                                   -> no: there is no topic none
        0s create-limited-queue p 1 records=5                      -> s1@2 s2@2
        0s create-priority-queue g 3                               -> s3@4 s4@4 s5@4 s6@4
        0s limit-queue g to=1                                      -> s3@4 s4@4 s5@4 s6@4
        0s create-limited-queue o 1 ttl=5s ordered                 -> no: an ordered queue has no priorities
    "#]]);
}

#[test]
fn bounds_of_a_queue_with_priorities_count_all_of_it() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s queue s2                                                -> done
        0s limit-together s1 2 records=2                           -> no: stream 3 has no lease cursor
        0s queue s3                                                -> done
        0s limit-together s1 2 records=2                           -> done
        0s limit-together s1 2 records=2                           -> done (unchanged)
        0s enqueue s1                                              -> offset 0
        0s enqueue s1                                              -> offset 1
        # What would be handed out next goes first, and that is the highest.
        0s enqueue s3                                              -> offset 0
        0s counts s3                                               -> 1 dropped of 1
        0s counts s1                                               -> 2 ready of 2
        0s acquire s1 1 for=30s                                    -> 0/1
        0s enqueue s2                                              -> offset 0
        0s release s1 0/1                                          -> ok
        0s counts s2                                               -> 1 dropped of 1
        0s append s2 3                                             -> offset 1
        0s counts s2                                               -> 4 dropped of 4
        0s counts s1                                               -> 2 ready of 2
    "#]]);
}

#[test]
fn full_queue_with_priorities_refuses_whatever_priority() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s queue s2                                                -> done
        0s limit-together s1 1 bytes=250 refuse                    -> done
        0s enqueue s1 bytes=200 dedup=a                            -> offset 0
        0s enqueue s2 bytes=50                                     -> offset 0
        0s enqueue s2 bytes=1                                      -> no: the queue of stream 2 has as much as it may
        0s append s1 1                                             -> no: the queue of stream 1 has as much as it may
        # One that is there already is not refused.
        0s enqueue s1 bytes=200 dedup=a                            -> offset 0, again (unchanged)
        0s take s2 1                                               -> 0/1
        0s enqueue s1 bytes=50                                     -> offset 1
        0s limit-together s1 1                                     -> done
        0s enqueue s2 bytes=900                                    -> offset 1
    "#]]);
}

#[test]
fn what_is_too_much_with_priorities_is_a_dead_letter_and_a_bounded_number_goes_at_once() {
    check(&expect![[r#"
        0s queue s1 dead-letters                                   -> done
        0s queue s2 dead-letters                                   -> done
        0s append s1 1500                                          -> offset 0
        0s append s2 700                                           -> offset 0
        0s limit-together s1 1 records=0                           -> done
        0s counts s2                                               -> 700 dying of 700
        0s counts s1                                               -> 1200 ready, 300 dying of 1500
        0s tick                                                    -> done (unchanged)
        # A thousand are under way; the others wait for them.
        1s bury s2 0                                               -> done
        1s counts s1                                               -> 1199 ready, 301 dying of 1500
        # Without a place for dead letters nothing waits.
        2s queue s1                                                -> done
        2s queue s2                                                -> done
        2s tick                                                    -> done
        2s counts s1                                               -> 1500 dropped of 1500
    "#]]);
}

#[test]
fn who_is_bounded_alone_is_bounded_with_nobody() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s queue s2                                                -> done
        0s limit-together s1 1 records=1                           -> done
        0s enqueue s1                                              -> offset 0
        0s limit s2 records=1                                      -> done
        0s enqueue s2                                              -> offset 0
        0s enqueue s2                                              -> offset 1
        0s counts s1                                               -> 1 ready of 1
        0s counts s2                                               -> 1 ready, 1 dropped of 2
        # One of them is gone, and so is what they had together.
        0s limit-together s1 1 records=1                           -> done
        0s counts s2                                               -> 2 dropped of 2
        0s drop s2                                                 -> done
        0s enqueue s1                                              -> offset 1
        0s counts s1                                               -> 1 ready, 1 dropped of 2
    "#]]);
}

#[test]
fn what_comes_back_by_itself_counts_with_the_others() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s queue s2                                                -> done
        0s limit-together s1 1 records=1                           -> done
        0s enqueue s2                                              -> offset 0
        0s acquire s2 for=10s                                      -> 0/1
        0s enqueue s1                                              -> offset 0
        10s tick                                                   -> done
        10s counts s2                                              -> 1 dropped of 1
        10s counts s1                                              -> 1 ready of 1
    "#]]);
}
