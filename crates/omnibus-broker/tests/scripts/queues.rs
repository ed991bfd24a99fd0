//! Queues: leases and what becomes of them.

use crate::script::check;
use expect_test::expect;

#[test]
fn queue_is_a_topic_of_one_partition() {
    check(&expect![[r#"
        0s create-queue orders                                     -> s0@1
        0s create orders 1                                         -> no: topic orders already exists
        0s create-queue orders                                     -> no: topic orders already exists
        0s grow orders 2                                           -> no: topic orders is a queue, whose partitions are fixed
        0s create plain 1                                          -> s1@2
        0s alter-queue plain from=30s to=5s                        -> no: topic plain is not a queue
        0s alter-queue orders from=30s to=5s                       -> s0@1
        0s alter-queue orders from=30s to=5s                       -> no: the configuration of orders was changed by somebody else meanwhile
        0s alter-queue orders from=5s to=5s                        -> s0@1 (unchanged)
    "#]]);
}

#[test]
fn cursor_is_configured_once_and_then_changed() {
    check(&expect![[r#"
        0s enqueue s1                                              -> no: stream 1 has no lease cursor
        0s acquire s1                                              -> no: stream 1 has no lease cursor
        0s queue s1                                                -> done
        0s queue s1                                                -> done (unchanged)
        0s queue s1 deliveries=3                                   -> done
        0s queue s1 ordered                                        -> no: whether a queue is ordered is decided when it is created
        0s drop s1                                                 -> done
        0s queue s1                                                -> no: stream 1 has been deleted
    "#]]);
}

#[test]
fn records_of_before_and_of_other_protocols_are_in_the_queue() {
    check(&expect![[r#"
        0s append s1 2                                             -> offset 0
        0s queue s1                                                -> done
        0s append s1 2                                             -> offset 2
        0s enqueue s1                                              -> offset 4
        0s acquire s1 10 for=30s                                   -> 0/1, 1/2, 2/3, 3/4, 4/5
        0s counts s1                                               -> 5 leased of 5
    "#]]);
}

#[test]
fn expired_lease_returns_the_record() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s enqueue s1                                              -> offset 0
        0s acquire s1 for=30s                                      -> 0/1
        0s deadline                                                -> 30000 ms
        29s tick                                                   -> done (unchanged)
        29s acquire s1 for=30s                                     -> nothing (unchanged)
        30s tick                                                   -> done
        30s acquire s1 for=30s                                     -> 0/2 x2
        30s accept s1 0/1                                          -> lost to another (unchanged)
        30s accept s1 0/2                                          -> ok
        30s accept s1 0/2                                          -> gone (unchanged)
        30s counts s1                                              -> 1 settled of 1
    "#]]);
}

#[test]
fn returned_record_goes_to_its_place() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s enqueue s1                                              -> offset 0
        0s enqueue s1                                              -> offset 1
        0s enqueue s1                                              -> offset 2
        0s acquire s1 2 for=30s                                    -> 0/1, 1/2
        0s release s1 1/2                                          -> ok
        0s release s1 0/1                                          -> ok
        0s acquire s1 3 for=30s                                    -> 0/3 x2, 1/4 x2, 2/5
    "#]]);
}

#[test]
fn tired_record_goes_to_the_back() {
    check(&expect![[r#"
        0s queue s1 back-after=2                                   -> done
        0s enqueue s1                                              -> offset 0
        0s enqueue s1                                              -> offset 1
        0s acquire s1 for=30s                                      -> 0/1
        0s release s1 0/1                                          -> ok
        0s acquire s1 for=30s                                      -> 0/2 x2
        0s release s1 0/2                                          -> ok
        0s enqueue s1                                              -> offset 2
        0s acquire s1 3 for=30s                                    -> 1/3, 0/4 x3, 2/5
    "#]]);
}

#[test]
fn tired_records_take_turns() {
    check(&expect![[r#"
        0s queue s1 back-after=1                                   -> done
        0s enqueue s1                                              -> offset 0
        0s enqueue s1                                              -> offset 1
        0s acquire s1 for=30s                                      -> 0/1
        0s release s1 0/1                                          -> ok
        0s acquire s1 for=30s                                      -> 1/2
        0s release s1 1/2                                          -> ok
        0s acquire s1 for=30s                                      -> 0/3 x2
        0s release s1 0/3                                          -> ok
        0s acquire s1 for=30s                                      -> 1/4 x2
    "#]]);
}

#[test]
fn release_with_a_delay_holds_the_record_back() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s enqueue s1                                              -> offset 0
        0s acquire s1 for=30s                                      -> 0/1
        0s release s1 0/1 delay=10s uncounted                      -> ok
        0s record s1 0                                             -> delayed until 10s after 0
        9s acquire s1 for=30s                                      -> nothing (unchanged)
        10s tick                                                   -> done
        10s acquire s1 for=30s                                     -> 0/2
    "#]]);
}

#[test]
fn extension_counts_from_now_and_zero_gives_back() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s enqueue s1                                              -> offset 0
        0s acquire s1 for=30s                                      -> 0/1
        20s extend s1 0/1 for=30s                                  -> until 50s
        30s tick                                                   -> done
        30s record s1 0                                            -> leased 0/1 until 50s
        30s extend s1 0/1 for=0s                                   -> until 30s
        30s record s1 0                                            -> ready after 1
        30s extend s1 0/1 for=10s                                  -> lost (unchanged)
    "#]]);
}

#[test]
fn late_holder_is_heard_where_that_is_so() {
    check(&expect![[r#"
        0s queue s1 late                                           -> done
        0s queue s2                                                -> done
        0s enqueue s1                                              -> offset 0
        0s enqueue s1                                              -> offset 1
        0s enqueue s2                                              -> offset 0
        0s acquire s1 2 for=30s                                    -> 0/1, 1/2
        0s acquire s2 for=30s                                      -> 0/1
        30s tick                                                   -> done
        30s accept s1 0/1                                          -> ok
        30s accept s2 0/1                                          -> lost (unchanged)
        30s acquire s1 for=30s                                     -> 1/3 x2
        30s accept s1 1/2                                          -> lost to another (unchanged)
        30s accept s1 5/1                                          -> unknown (unchanged)
    "#]]);
}

#[test]
fn lease_for_ever_never_ends() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s enqueue s1                                              -> offset 0
        0s acquire s1                                              -> 0/1
        0s record s1 0                                             -> leased 0/1 for ever
        0s deadline                                                -> never
    "#]]);
}

#[test]
fn so_many_leases_and_no_more() {
    check(&expect![[r#"
        0s queue s1 leases=2                                       -> done
        0s append s1 3                                             -> offset 0
        0s has-ready s1                                            -> true
        0s acquire s1 10 for=30s                                   -> 0/1, 1/2
        0s has-ready s1                                            -> false
        0s acquire s1 10 for=30s                                   -> no: the queue has 2 records out on lease, the most it may
        0s accept s1 0/1                                           -> ok
        0s acquire s1 10 for=30s                                   -> 2/3
    "#]]);
}

#[test]
fn floor_is_the_first_record_that_is_not_gone() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s append s1 4                                             -> offset 0
        0s acquire s1 3 for=30s                                    -> 0/1, 1/2, 2/3
        0s accept s1 1/2 2/3                                       -> ok, ok
        0s floor s1                                                -> 0
        0s accept s1 0/1                                           -> ok
        0s floor s1                                                -> 3
        0s counts s1                                               -> 1 ready, 3 settled of 4
    "#]]);
}

#[test]
fn what_did_not_happen_has_not_passed_through() {
    check(&expect![[r#"
        0s traffic s1                                              -> unknown
        0s queue s1                                                -> done
        0s append s1 2                                             -> offset 0
        0s acquire s1 2 for=30s                                    -> 0/1, 1/2
        0s release s1 0/1                                          -> ok
        0s release s1 1/2 uncounted                                -> ok
        0s traffic s1                                              -> 2 came, 1 leased, 0 taken, 0 again, 0 accepted
        0s acquire s1 2 for=30s                                    -> 0/3 x2, 1/4
        0s traffic s1                                              -> 2 came, 3 leased, 0 taken, 1 again, 0 accepted
        0s release s1 0/3 uncounted                                -> ok
        0s accept s1 1/4                                           -> ok
        0s take s1 1                                               -> 0/5 x2
        0s traffic s1                                              -> 2 came, 2 leased, 1 taken, 1 again, 1 accepted
    "#]]);
}
