//! Queues: records in groups.

use crate::script::check;
use expect_test::expect;

#[test]
fn ordered_queue_wants_groups() {
    check(&expect![[r#"
        0s queue s1 ordered                                        -> done
        0s enqueue s1                                              -> no: a record of an ordered queue belongs to a group
        0s append s1 1                                             -> no: a record of an ordered queue belongs to a group
        0s enqueue s1 group=a delay=5s                             -> no: an ordered queue delays all its records alike
        0s enqueue s1 group=a priority=3                           -> offset 0
    "#]]);
}

#[test]
fn group_waits_for_its_record_on_lease() {
    check(&expect![[r#"
        0s queue s1 ordered                                        -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=a                                      -> offset 1
        0s enqueue s1 group=b                                      -> offset 2
        0s acquire s1 for=30s                                      -> 0/1
        0s acquire s1 for=30s                                      -> 2/2
        0s acquire s1 for=30s                                      -> nothing (unchanged)
        0s enqueue s1 group=a                                      -> offset 3
        0s acquire s1 for=30s                                      -> nothing (unchanged)
        0s accept s1 0/1                                           -> ok
        0s acquire s1 for=30s                                      -> 1/3
    "#]]);
}

#[test]
fn one_receive_takes_several_of_a_group() {
    check(&expect![[r#"
        0s queue s1 ordered                                        -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=b                                      -> offset 1
        0s enqueue s1 group=a                                      -> offset 2
        0s enqueue s1 group=a                                      -> offset 3
        0s acquire s1 3 for=30s                                    -> 0/1, 2/2, 3/3
        0s acquire s1 3 for=30s                                    -> 1/4
        # What is left of the group waits for all three.
        0s enqueue s1 group=a                                      -> offset 4
        0s accept s1 2/2 3/3                                       -> ok, ok
        0s acquire s1 3 for=30s                                    -> nothing (unchanged)
        0s accept s1 0/1                                           -> ok
        0s acquire s1 3 for=30s                                    -> 4/5
    "#]]);
}

#[test]
fn returned_record_goes_first_up_to_the_one_still_held() {
    check(&expect![[r#"
        0s queue s1 ordered                                        -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=a                                      -> offset 1
        0s enqueue s1 group=a                                      -> offset 2
        0s acquire s1 3 for=30s                                    -> 0/1, 1/2, 2/3
        0s extend s1 1/2 for=60s                                   -> until 60s
        30s tick                                                   -> done
        30s acquire s1 3 for=30s                                   -> 0/4 x2
        30s accept s1 0/4                                          -> ok
        30s acquire s1 3 for=30s                                   -> nothing (unchanged)
        60s tick                                                   -> done
        60s acquire s1 3 for=30s                                   -> 1/5 x2, 2/6 x2
    "#]]);
}

#[test]
fn group_that_comes_back_goes_behind_the_others() {
    check(&expect![[r#"
        0s queue s1 ordered back-after=1                           -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=a                                      -> offset 1
        0s enqueue s1 group=b                                      -> offset 2
        0s enqueue s1 group=c                                      -> offset 3
        0s acquire s1 2 for=1s                                     -> 0/1, 1/2
        0s acquire s1 1 for=1s                                     -> 2/3
        1s tick                                                    -> done
        # Whoever was never delivered is first; the others take turns.
        1s acquire s1 10 for=1s                                    -> 3/4, 0/5 x2, 1/6 x2, 2/7 x2
    "#]]);
}

#[test]
fn failing_groups_take_turns() {
    check(&expect![[r#"
        0s queue s1 ordered back-after=1                           -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=b                                      -> offset 1
        0s acquire s1 for=30s                                      -> 0/1
        0s release s1 0/1                                          -> ok
        0s acquire s1 for=30s                                      -> 1/2
        0s release s1 1/2                                          -> ok
        0s acquire s1 for=30s                                      -> 0/3 x2
        0s release s1 0/3                                          -> ok
        0s acquire s1 for=30s                                      -> 1/4 x2
        # Who comes later stands behind those that came back before.
        0s enqueue s1 group=c                                      -> offset 2
        0s release s1 1/4                                          -> ok
        0s acquire s1 for=30s                                      -> 0/5 x3
        # A record that is settled takes nothing along: the next one stands where it lies.
        0s enqueue s1 group=a                                      -> offset 3
        0s accept s1 0/5                                           -> ok
        0s acquire s1 3 for=30s                                    -> 2/6, 1/7 x3, 3/8
    "#]]);
}

#[test]
fn group_comes_back_up_to_the_one_still_held() {
    check(&expect![[r#"
        0s queue s1 ordered back-after=1                           -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=a                                      -> offset 1
        0s enqueue s1 group=b                                      -> offset 2
        0s acquire s1 2 for=30s                                    -> 0/1, 1/2
        0s extend s1 0/1 for=0s                                    -> until 0s
        0s acquire s1 3 for=30s                                    -> 2/3, 0/4 x2
    "#]]);
}

#[test]
fn delayed_release_holds_up_the_group() {
    check(&expect![[r#"
        0s queue s1 ordered                                        -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=a                                      -> offset 1
        0s acquire s1 for=30s                                      -> 0/1
        0s release s1 0/1 delay=10s                                -> ok
        0s acquire s1 for=30s                                      -> nothing (unchanged)
        10s tick                                                   -> done
        10s acquire s1 2 for=30s                                   -> 0/2 x2, 1/3
    "#]]);
}

#[test]
fn delay_of_an_ordered_queue_holds_for_all_that_are_there() {
    check(&expect![[r#"
        0s queue s1 ordered delay=10s                              -> done
        0s enqueue s1 group=a                                      -> offset 0
        1s enqueue s1 group=b                                      -> offset 1
        1s counts s1                                               -> 2 delayed of 2
        1s record s1 1                                             -> delayed until 11s after 0
        2s queue s1 ordered delay=2s                               -> done
        2s tick                                                    -> done
        2s acquire s1 2 for=30s                                    -> 0/1
        3s tick                                                    -> done
        3s acquire s1 2 for=30s                                    -> 1/2
    "#]]);
}

#[test]
fn worn_out_record_lets_its_group_go_on() {
    check(&expect![[r#"
        0s queue s1 ordered deliveries=1 dead-letters              -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=a                                      -> offset 1
        0s acquire s1 for=30s                                      -> 0/1
        0s release s1 0/1                                          -> ok
        0s acquire s1 for=30s                                      -> 1/2, some dying
        0s dying s1                                                -> 0 exhausted at 0s after 1
    "#]]);
}

#[test]
fn repeated_attempt_gets_the_same_leases() {
    check(&expect![[r#"
        0s queue s1 ordered                                        -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=b                                      -> offset 1
        0s acquire s1 for=30s attempt=x                            -> 0/1
        10s acquire s1 for=30s attempt=x                           -> 0/1
        10s record s1 0                                            -> leased 0/1 until 40s
        10s acquire s1 for=30s attempt=y                           -> 1/2
        # Once anything has happened to them it is another receive.
        20s accept s1 0/1                                          -> ok
        20s acquire s1 for=30s attempt=x                           -> nothing (unchanged)
        20s extend s1 1/2 for=5s                                   -> until 25s
        20s acquire s1 for=30s attempt=y                           -> nothing (unchanged)
    "#]]);
}

#[test]
fn quiet_tenants_go_before_busy_ones() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s append s1 1                                             -> offset 0
        0s acquire s1 for=1h                                       -> 0/1
        # A tenant is busy with 30 records and a tenth of all that is on lease.
        0s enqueue s1 group=busy                                   -> offset 1
        0s enqueue s1 group=busy                                   -> offset 2
        0s enqueue s1 group=busy                                   -> offset 3
        0s enqueue s1 group=busy                                   -> offset 4
        0s enqueue s1 group=busy                                   -> offset 5
        0s enqueue s1 group=busy                                   -> offset 6
        0s enqueue s1 group=busy                                   -> offset 7
        0s enqueue s1 group=busy                                   -> offset 8
        0s enqueue s1 group=busy                                   -> offset 9
        0s enqueue s1 group=busy                                   -> offset 10
        0s enqueue s1 group=busy                                   -> offset 11
        0s enqueue s1 group=busy                                   -> offset 12
        0s enqueue s1 group=busy                                   -> offset 13
        0s enqueue s1 group=busy                                   -> offset 14
        0s enqueue s1 group=busy                                   -> offset 15
        0s enqueue s1 group=busy                                   -> offset 16
        0s enqueue s1 group=busy                                   -> offset 17
        0s enqueue s1 group=busy                                   -> offset 18
        0s enqueue s1 group=busy                                   -> offset 19
        0s enqueue s1 group=busy                                   -> offset 20
        0s enqueue s1 group=busy                                   -> offset 21
        0s enqueue s1 group=busy                                   -> offset 22
        0s enqueue s1 group=busy                                   -> offset 23
        0s enqueue s1 group=busy                                   -> offset 24
        0s enqueue s1 group=busy                                   -> offset 25
        0s enqueue s1 group=busy                                   -> offset 26
        0s enqueue s1 group=busy                                   -> offset 27
        0s enqueue s1 group=busy                                   -> offset 28
        0s enqueue s1 group=busy                                   -> offset 29
        0s enqueue s1 group=busy                                   -> offset 30
        0s enqueue s1 group=busy                                   -> offset 31
        0s enqueue s1 group=busy                                   -> offset 32
        0s enqueue s1 group=busy                                   -> offset 33
        0s enqueue s1 group=quiet                                  -> offset 34
        0s enqueue s1                                              -> offset 35
        0s acquire s1 29 for=1h                                    -> 1/2, 2/3, 3/4, 4/5, 5/6, 6/7, 7/8, 8/9, 9/10, 10/11, 11/12, 12/13, 13/14, 14/15, 15/16, 16/17, 17/18, 18/19, 19/20, 20/21, 21/22, 22/23, 23/24, 24/25, 25/26, 26/27, 27/28, 28/29, 29/30
        0s acquire s1 1 for=1h                                     -> 30/31
        0s acquire s1 2 for=1h                                     -> 34/32, 35/33
        0s acquire s1 9 for=1h                                     -> 31/34, 32/35, 33/36
    "#]]);
}

#[test]
fn full_index_looks_no_further_until_it_has_room() {
    check(&expect![[r#"
        0s queue s1 ordered grouped=2                              -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=b                                      -> offset 1
        0s enqueue s1 group=c                                      -> offset 2
        0s enqueue s1 group=a                                      -> offset 3
        0s wants s1                                                -> nothing
        0s counts s1                                               -> 4 ready of 4
        0s acquire s1 10 for=30s                                   -> 0/1, 1/2
        0s accept s1 1/2                                           -> ok
        0s wants s1                                                -> 2 to 3
        0s admit s1 2 3 2=c                                        -> looked up to 3
        0s acquire s1 10 for=30s                                   -> 2/3
        0s accept s1 0/1                                           -> ok
        0s wants s1                                                -> 3 to 4
        # What is not where the queue goes on is not admitted.
        0s admit s1 2 4 2=c 3=a                                    -> looked up to 3 (unchanged)
        0s admit s1 3 4 3=a                                        -> looked up to 4
        0s acquire s1 10 for=30s                                   -> 3/4
    "#]]);
}

#[test]
fn modest_tenant_is_let_in_ahead() {
    check(&expect![[r#"
        0s queue s1 grouped=2                                      -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=a                                      -> offset 1
        0s enqueue s1 group=a                                      -> offset 2
        0s enqueue s1 group=b                                      -> offset 3
        0s enqueue s1                                              -> offset 4
        0s acquire s1 10 for=30s                                   -> 0/1, 1/2, 3/3, 4/4
        0s counts s1                                               -> 1 ready, 4 leased of 5
        0s accept s1 3/4 4/5                                       -> lost to another, lost to another (unchanged)
        0s accept s1 0/1 1/2                                       -> ok, ok
        0s wants s1                                                -> 2 to 3
        0s floor s1                                                -> 2
        0s admit s1 2 3 2=a                                        -> looked up to 3
        0s acquire s1 10 for=30s                                   -> 2/5
    "#]]);
}
