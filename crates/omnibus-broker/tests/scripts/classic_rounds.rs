//! Classic groups: rounds of joining and syncing.

use expect_test::expect;
use omnibus_broker::BrokerLimits;
use omnibus_model::Millis;

use crate::script::{check, check_within};

#[test]
fn new_member_learns_its_id_first() {
    check(&expect![[r#"
        0s join g new a                                            -> call again as a
        0s join g a                                                -> ticket 1
        0s joined g a                                              -> waits
        3s tick                                                    -> done
        3s joined g a                                              -> generation 1 by range, a leads a
    "#]]);
}

#[test]
fn member_that_never_uses_its_id_does_not_hold_up_the_others() {
    check(&expect![[r#"
        0s  join g new a session=10s                               -> call again as a
        1s  join g new b                                           -> call again as b
        1s  join g b                                               -> ticket 1
        4s  tick                                                   -> done
        4s  joined g b                                             -> generation 1 by range, b leads b
        4s  sync g b 1 b=x                                         -> generation 1
        5s  join g new c session=10s                               -> call again as c
        5s  join g b                                               -> ticket 2
        5s  joined g b                                             -> waits
        15s tick                                                   -> done
        15s joined g b                                             -> generation 2 by range, b leads b
        15s group g                                                -> CompletingRebalance 2, b
    "#]]);
}

#[test]
fn old_client_joins_without_an_id() {
    check(&expect![[r#"
        0s join g new a old                                        -> ticket 1
        3s tick                                                    -> done
        3s joined g a                                              -> generation 1 by range, a leads a
    "#]]);
}

#[test]
fn first_round_waits_for_company() {
    check(&expect![[r#"
        0s join g new a old patience=8s                            -> ticket 1
        0s deadline                                                -> 3000 ms
        1s join g new b old patience=8s                            -> ticket 2
        3s tick                                                    -> done
        3s joined g a                                              -> waits
        4s join g new c old patience=8s                            -> ticket 3
        3s deadline                                                -> 6000 ms
        6s tick                                                    -> done
        6s deadline                                                -> 8000 ms
        8s tick                                                    -> done
        8s joined g a                                              -> generation 1 by range, a leads a+b+c
        8s joined g b                                              -> generation 1 by range, a leads
    "#]]);
}

#[test]
fn first_round_without_delay_closes_at_once() {
    let limits = BrokerLimits { initial_rebalance_delay: Millis(0), ..BrokerLimits::default() };
    check_within(
        limits,
        &expect![[r#"
            0s join g new a old                                        -> ticket 1
            0s joined g a                                              -> generation 1 by range, a leads a
            0s join g new b old                                        -> ticket 2
            0s join g a                                                -> ticket 3
            0s joined g b                                              -> generation 2 by range, a leads
        "#]],
    );
}

#[test]
fn leader_shares_out_and_the_others_wait_for_it() {
    check(&expect![[r#"
        0s join g new a old                                        -> ticket 1
        0s join g new b old                                        -> ticket 2
        0s join g new c old                                        -> ticket 3
        3s tick                                                    -> done
        6s tick                                                    -> done
        6s joined g a                                              -> generation 1 by range, a leads a+b+c
        6s joined g b                                              -> generation 1 by range, a leads
        6s sync g b 1                                              -> generation 1
        6s synced g b 1                                            -> waits
        6s sync g a 1 a=x b=y                                      -> generation 1
        6s synced g a 1                                            -> share 'x'
        6s synced g b 1                                            -> share 'y'
        # Whom the leader forgot gets an empty share.
        6s sync g c 1                                              -> generation 1
        6s synced g c 1                                            -> share ''
        6s group g                                                 -> Stable 1 by range, a, b, c
        6s deadline                                                -> never
    "#]]);
}

#[test]
fn round_waits_for_all_members_and_then_removes_the_late() {
    check(&expect![[r#"
        0s  join g new a old patience=20s                          -> ticket 1
        0s  join g new b old patience=20s                          -> ticket 2
        6s  tick                                                   -> done
        6s  sync g a 1 a=x b=y                                     -> generation 1
        6s  sync g b 1                                             -> generation 1
        7s  join g new c old patience=20s                          -> ticket 3
        7s  beat g a 1                                             -> no: the group is rebalancing
        7s  join g a                                               -> ticket 4
        8s  joined g a                                             -> waits
        27s tick                                                   -> done
        27s joined g a                                             -> generation 2 by range, a leads a+c
        27s joined g c                                             -> generation 2 by range, a leads
        27s beat g b 1                                             -> no: b is not a member of group g
        27s group g                                                -> CompletingRebalance 2, a, c
    "#]]);
}

#[test]
fn member_that_never_syncs_is_removed() {
    check(&expect![[r#"
        0s  join g new a old patience=20s                          -> ticket 1
        0s  join g new b old patience=20s                          -> ticket 2
        6s  tick                                                   -> done
        6s  sync g a 1 a=x b=y                                     -> generation 1
        26s tick                                                   -> done
        26s group g                                                -> PreparingRebalance 1, a
        26s beat g a 1                                             -> no: the group is rebalancing
        26s beat g b 1                                             -> no: b is not a member of group g
        26s join g a                                               -> ticket 3
        26s joined g a                                             -> generation 2 by range, a leads a
    "#]]);
}

#[test]
fn group_without_a_leaders_assignment_starts_over() {
    check(&expect![[r#"
        0s  join g new a old patience=20s                          -> ticket 1
        0s  join g new b old patience=20s                          -> ticket 2
        6s  tick                                                   -> done
        6s  sync g b 1                                             -> generation 1
        6s  synced g b 1                                           -> waits
        26s tick                                                   -> done
        26s synced g b 1                                           -> no: the group is rebalancing
        26s join g b                                               -> ticket 3
        26s joined g b                                             -> generation 2 by range, b leads b
    "#]]);
}

#[test]
fn most_wanted_common_protocol_wins() {
    check(&expect![[r#"
        0s join g new a old offers=x,y,z                           -> ticket 1
        0s join g new b old offers=y,z                             -> ticket 2
        0s join g new c old offers=z,y                             -> ticket 3
        0s join g new d old offers=v                               -> no: the member's protocols do not fit the group's
        0s join g new d old offers=y type=connect                  -> no: the member's protocols do not fit the group's
        0s join g new d old offers=w,z,y                           -> ticket 4
        6s tick                                                    -> done
        6s joined g a                                              -> generation 1 by y, a leads a+b+c+d
    "#]]);
}

#[test]
fn protocols_of_a_sync_must_fit() {
    check(&expect![[r#"
        0s join g new a old offers=x                               -> ticket 1
        3s tick                                                    -> done
        3s sync g a 1 protocol=y                                   -> no: the member's protocols do not fit the group's
        3s sync g a 1 type=connect                                 -> no: the member's protocols do not fit the group's
        3s sync g a 2                                              -> no: generation 2 of the group is over, 1 is current
        3s sync g b 1                                              -> no: b is not a member of group g
        3s sync g a 1 protocol=x type=consumer a=s                 -> generation 1
    "#]]);
}

#[test]
fn follower_that_joins_again_unchanged_is_told_the_present_generation() {
    check(&expect![[r#"
        0s join g new a old                                        -> ticket 1
        0s join g new b old                                        -> ticket 2
        6s tick                                                    -> done
        # Its answer may have been lost.
        6s join g b                                                -> ticket 2 (unchanged)
        6s joined g b                                              -> generation 1 by range, a leads
        6s sync g a 1 a=x b=y                                      -> generation 1
        6s sync g b 1                                              -> generation 1
        7s join g b                                                -> ticket 2 (unchanged)
        7s joined g b                                              -> generation 1 by range, a leads
        7s group g                                                 -> Stable 1 by range, a, b
        # New metadata starts a round.
        8s join g b meta=n                                         -> ticket 3
        8s joined g b                                              -> waits
        8s beat g a 1                                              -> no: the group is rebalancing
        8s join g a                                                -> ticket 4
        8s joined g a                                              -> generation 2 by range, a leads a+b
    "#]]);
}

#[test]
fn leader_that_joins_again_starts_a_round() {
    check(&expect![[r#"
        0s join g new a old                                        -> ticket 1
        0s join g new b old                                        -> ticket 2
        6s tick                                                    -> done
        6s sync g a 1 a=x b=y                                      -> generation 1
        6s sync g b 1                                              -> generation 1
        7s join g a                                                -> ticket 3
        7s beat g b 1                                              -> no: the group is rebalancing
        7s join g b                                                -> ticket 4
        7s joined g a                                              -> generation 2 by range, a leads a+b
    "#]]);
}

#[test]
fn sync_in_an_open_round_is_told_to_join() {
    check(&expect![[r#"
        0s join g new a old                                        -> ticket 1
        0s join g new b old                                        -> ticket 2
        6s tick                                                    -> done
        6s sync g b 1                                              -> generation 1
        6s join g new c old                                        -> ticket 3
        6s synced g b 1                                            -> no: the group is rebalancing
        6s sync g a 1                                              -> no: the group is rebalancing
        6s beat g a 1                                              -> no: the group is rebalancing
    "#]]);
}

#[test]
fn client_that_asks_twice_gets_one_answer() {
    check(&expect![[r#"
        0s join g new a old                                        -> ticket 1
        1s join g a                                                -> ticket 2
        3s tick                                                    -> done
        3s joined g a                                              -> generation 1 by range, a leads a
    "#]]);
}
