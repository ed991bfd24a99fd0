//! Queues: leases that last as long as a session, and records that are done when they are handed out.

use crate::script::check;
use expect_test::expect;

#[test]
fn new_leader_ends_sessions_and_nothing_else() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s queue s2                                                -> done
        0s append s1 4                                             -> offset 0
        0s append s2 1                                             -> offset 0
        0s acquire s1 2 session=1                                  -> 0/1, 1/2
        0s acquire s1 1 for=30s holder=7                           -> 2/3
        0s acquire s1 1 session=2                                  -> 3/4
        0s acquire s2 1 session=1                                  -> 0/1
        0s end-sessions                                            -> 4 records
        0s end-sessions                                            -> 0 records (unchanged)
        0s counts s1                                               -> 3 ready, 1 leased of 4
        0s acquire s1 10 session=3                                 -> 0/5 x2, 1/6 x2, 3/7 x2
    "#]]);
}

#[test]
fn session_that_ends_gives_back_what_it_holds_in_order() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s append s1 4                                             -> offset 0
        0s acquire s1 3 session=1                                  -> 0/1, 1/2, 2/3
        0s accept s1 1/2                                           -> ok
        0s release-session s1 1                                    -> 2 records
        0s acquire s1 10 session=2                                 -> 0/4 x2, 2/5 x2, 3/6
        0s accept s1 0/1                                           -> lost to another (unchanged)
    "#]]);
}

#[test]
fn what_is_taken_is_done() {
    check(&expect![[r#"
        0s queue s1 deliveries=1                                   -> done
        0s append s1 4                                             -> offset 0
        0s acquire s1 1 for=30s                                    -> 0/1
        0s take s1 2                                               -> 1/2, 2/3
        0s release s1 0/1                                          -> ok
        0s counts s1                                               -> 2 ready, 2 settled of 4
        0s take s1 9                                               -> 3/4
        0s take s1 9                                               -> nothing (unchanged)
        0s accept s1 1/2                                           -> gone (unchanged)
        0s counts s1                                               -> 3 settled, 1 dropped of 4
        0s floor s1                                                -> 4
    "#]]);
}

#[test]
fn group_goes_on_when_its_record_was_taken() {
    check(&expect![[r#"
        0s queue s1 ordered                                        -> done
        0s enqueue s1 group=a                                      -> offset 0
        0s enqueue s1 group=a                                      -> offset 1
        0s enqueue s1 group=b                                      -> offset 2
        0s take s1 1                                               -> 0/1
        0s acquire s1 1 for=30s                                    -> 1/2
        0s take s1 9                                               -> 2/3
        0s counts s1                                               -> 1 leased, 2 settled of 3
    "#]]);
}
