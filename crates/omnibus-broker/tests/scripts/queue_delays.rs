//! Queues: records before their time and after it.

use crate::script::check;
use expect_test::expect;

#[test]
fn delayed_record_is_held_back() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s enqueue s1 delay=10s                                    -> offset 0
        0s enqueue s1                                              -> offset 1
        0s counts s1                                               -> 1 ready, 1 delayed of 2
        0s acquire s1 2 for=5s                                     -> 1/1
        9s tick                                                    -> done
        10s tick                                                   -> done
        10s record s1 0                                            -> ready after 0
        10s acquire s1 2 for=5s                                    -> 0/2, 1/3 x2
    "#]]);
}

#[test]
fn delayed_record_that_is_overtaken_keeps_its_place() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s enqueue s1 delay=10s                                    -> offset 0
        0s enqueue s1                                              -> offset 1
        0s enqueue s1                                              -> offset 2
        0s acquire s1 for=60s                                      -> 1/1
        10s tick                                                   -> done
        10s acquire s1 2 for=60s                                   -> 0/2, 2/3
    "#]]);
}

#[test]
fn record_that_expires_is_not_delivered() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s enqueue s1 ttl=5s                                       -> offset 0
        0s enqueue s1                                              -> offset 1
        0s enqueue s1 ttl=5s                                       -> offset 2
        0s counts s1                                               -> 3 ready of 3
        # Even before the tick that ends it.
        5s acquire s1 1 for=60s                                    -> 1/1
        5s tick                                                    -> done
        5s acquire s1 1 for=60s                                    -> nothing (unchanged)
        5s counts s1                                               -> 1 leased, 2 expired of 3
    "#]]);
}

#[test]
fn record_on_lease_expires_when_it_comes_back() {
    check(&expect![[r#"
        0s queue s1                                                -> done
        0s enqueue s1 ttl=5s                                       -> offset 0
        0s enqueue s1 ttl=5s                                       -> offset 1
        0s acquire s1 2 for=60s                                    -> 0/1, 1/2
        5s tick                                                    -> done
        5s counts s1                                               -> 2 leased of 2
        5s accept s1 0/1                                           -> ok
        5s release s1 1/2                                          -> ok
        5s counts s1                                               -> 1 settled, 1 expired of 2
    "#]]);
}

#[test]
fn second_send_with_the_same_id_is_the_first() {
    check(&expect![[r#"
        0s queue s1 dedup=300s                                     -> done
        0s enqueue s1 dedup=a                                      -> offset 0
        0s enqueue s1 dedup=b                                      -> offset 1
        1s enqueue s1 dedup=a                                      -> offset 0, again (unchanged)
        1s acquire s1 for=30s                                      -> 0/1
        1s accept s1 0/1                                           -> ok
        # Also when the record is long gone.
        299s enqueue s1 dedup=a                                    -> offset 0, again (unchanged)
        300s enqueue s1 dedup=a                                    -> offset 2
        300s enqueue s1 dedup=a                                    -> offset 2, again (unchanged)
        310s tick                                                  -> done
        310s counts s1                                             -> 2 ready, 1 settled of 3
    "#]]);
}
