//! Classic groups: coming back, leaving and lapsing.

use expect_test::expect;
use omnibus_broker::BrokerLimits;
use omnibus_model::Millis;

use crate::script::{check, check_within};

#[test]
fn strangers_are_told_so() {
    check(&expect![[r#"
        0s join g a                                                -> no: a is not a member of group g
        0s beat g a 1                                              -> no: a is not a member of group g
        0s sync g a 1                                              -> no: a is not a member of group g
        0s leave g a                                               -> no: a is not a member of group g (unchanged)
        0s leave g instance=i                                      -> no: the request names no member of group g (unchanged)
        0s lapse g a                                               -> done (unchanged)
        0s join g new b old                                        -> ticket 1
        0s join g a                                                -> no: a is not a member of group g
        0s beat g a 0                                              -> no: a is not a member of group g
        0s join g new c old session=5s                             -> no: a session timeout is 6000 ms to 1800000 ms, not 5000 ms
    "#]]);
}

#[test]
fn leaving_member_starts_a_round_and_the_last_empties_the_group() {
    check(&expect![[r#"
        0s join g new a old                                        -> ticket 1
        0s join g new b old                                        -> ticket 2
        6s tick                                                    -> done
        6s sync g a 1 a=x b=y                                      -> generation 1
        6s sync g b 1                                              -> generation 1
        7s leave g a                                               -> a left
        7s beat g b 1                                              -> no: the group is rebalancing
        7s join g b                                                -> ticket 3
        7s joined g b                                              -> generation 2 by range, b leads b
        7s leave g b c                                             -> b left, no: c is not a member of group g
        7s group g                                                 -> Empty 3
    "#]]);
}

#[test]
fn announced_member_may_leave_without_disturbing_anybody() {
    check(&expect![[r#"
        0s join g new a old                                        -> ticket 1
        3s tick                                                    -> done
        3s sync g a 1 a=x                                          -> generation 1
        4s join g new b                                            -> call again as b
        4s leave g b                                               -> b left
        4s beat g a 1                                              -> ok
    "#]]);
}

#[test]
fn lapsed_member_is_removed_unless_it_waits_for_an_answer() {
    check(&expect![[r#"
        0s join g new a old                                        -> ticket 1
        0s join g new b old                                        -> ticket 2
        0s sessions g                                              -> a 10000 ms waits, b 10000 ms waits
        0s lapse g a                                               -> done (unchanged)
        6s tick                                                    -> done
        6s sync g b 1                                              -> generation 1
        6s sessions g                                              -> a 10000 ms, b 10000 ms waits
        6s lapse g b                                               -> done (unchanged)
        6s sync g a 1 a=x b=y                                      -> generation 1
        9s lapse g b                                               -> done
        9s beat g a 1                                              -> no: the group is rebalancing
        9s join g a                                                -> ticket 3
        9s sessions g                                              -> a 10000 ms
        9s joined g a                                              -> generation 2 by range, a leads a
    "#]]);
}

#[test]
fn newcomer_waits_for_its_first_round_for_five_minutes() {
    check(&expect![[r#"
        0s  join g new a old patience=10m                          -> ticket 1
        3s  tick                                                   -> done
        3s  sync g a 1 a=x                                         -> generation 1
        4s  join g new b old patience=10m                          -> ticket 2
        5m  tick                                                   -> done (unchanged)
        5m  joined g b                                             -> waits
        305s tick                                                  -> done
        305s joined g b                                            -> no: b is not a member of group g
        305s group g                                               -> PreparingRebalance 1, a
    "#]]);
}

#[test]
fn group_is_limited() {
    let limits = BrokerLimits { group_members_max: 1, groups_max: 2, ..BrokerLimits::default() };
    check_within(
        limits,
        &expect![[r#"
            0s join g new a old                                        -> ticket 1
            0s join g new b old                                        -> no: the group has 1 members, the most it may
            3s tick                                                    -> done
            3s sync g a 1 a=x                                          -> generation 1
            3s join g new b old                                        -> no: the group has 1 members, the most it may
            3s join g a                                                -> ticket 2
            0s join h new a old                                        -> ticket 1
            0s join i new a old                                        -> no: the broker holds 2 groups, the most it may
        "#]],
    );
}

#[test]
fn static_member_comes_back_without_a_round() {
    check(&expect![[r#"
        0s join g new a instance=i                                 -> ticket 1
        0s join g new b instance=j                                 -> ticket 2
        6s tick                                                    -> done
        6s sync g a 1 a=x b=y                                      -> generation 1
        6s sync g b 1                                              -> generation 1
        7s join g new b2 instance=j                                -> ticket 3
        7s joined g b2                                             -> generation 1 by range, a leads
        7s sync g b2 1                                             -> generation 1 (unchanged)
        7s synced g b2 1                                           -> share 'y'
        7s beat g b 1 instance=j                                   -> no: another client has taken over this static member
        7s beat g b 1                                              -> no: b is not a member of group g
        7s group g                                                 -> Stable 1 by range, a, b2
    "#]]);
}

#[test]
fn static_leader_comes_back_and_keeps_its_assignment() {
    check(&expect![[r#"
        0s join g new a instance=i                                 -> ticket 1
        0s join g new b instance=j                                 -> ticket 2
        6s tick                                                    -> done
        6s sync g a 1 a=x b=y                                      -> generation 1
        6s sync g b 1                                              -> generation 1
        # It may skip the assignment if it understands that.
        7s join g new a2 instance=i skips                          -> ticket 3
        7s joined g a2                                             -> generation 1 by range, a2 leads as before a2+b
        7s sync g a2 1                                             -> generation 1 (unchanged)
        7s synced g a2 1                                           -> share 'x'
        # Otherwise it is told that its former self leads.
        8s join g new a3 instance=i                                -> ticket 4
        8s joined g a3                                             -> generation 1 by range, a2 leads
        8s sync g a3 1                                             -> generation 1 (unchanged)
        8s synced g a3 1                                           -> share 'x'
        9s join g a3 instance=i                                    -> ticket 5
        9s beat g b 1                                              -> no: the group is rebalancing
    "#]]);
}

#[test]
fn static_member_that_changes_the_protocol_starts_a_round() {
    check(&expect![[r#"
        0s join g new a instance=i offers=x,y                      -> ticket 1
        0s join g new b instance=j offers=x,y                      -> ticket 2
        6s tick                                                    -> done
        6s sync g a 1 a=x b=y                                      -> generation 1
        6s sync g b 1                                              -> generation 1
        7s join g new b2 instance=j offers=y                       -> ticket 3
        7s joined g b2                                             -> waits
        7s beat g a 1                                              -> no: the group is rebalancing
        7s join g a instance=i offers=x,y                          -> ticket 4
        7s joined g b2                                             -> generation 2 by y, a leads
    "#]]);
}

#[test]
fn static_member_replaced_between_join_and_sync_starts_a_round() {
    check(&expect![[r#"
        0s join g new a instance=i                                 -> ticket 1
        0s join g new b instance=j                                 -> ticket 2
        6s tick                                                    -> done
        6s sync g b 1                                              -> generation 1
        6s join g new b2 instance=j                                -> ticket 3
        6s synced g b 1                                            -> no: another client has taken over this static member
        6s sync g a 1 a=x b=y                                      -> no: the group is rebalancing
        6s join g a instance=i                                     -> ticket 4
        6s joined g b2                                             -> generation 2 by range, a leads
    "#]]);
}

#[test]
fn replaced_member_that_waits_is_fenced() {
    check(&expect![[r#"
        0s join g new a instance=i                                 -> ticket 1
        1s join g new a2 instance=i                                -> ticket 2
        1s joined g a                                              -> no: another client has taken over this static member
        1s join g a instance=i                                     -> no: another client has taken over this static member
        3s tick                                                    -> done
        3s joined g a2                                             -> generation 1 by range, a2 leads a2
        3s sync g a 1 instance=i                                   -> no: another client has taken over this static member
        3s leave g a instance=i                                    -> no: another client has taken over this static member (unchanged)
        3s leave g instance=i                                      -> ? left
        3s group g                                                 -> Empty 2
    "#]]);
}

#[test]
fn replaced_member_is_told_so_even_if_that_closes_the_round() {
    check(&expect![[r#"
        0s join g new a instance=i                                 -> ticket 1
        0s join g new b instance=j                                 -> ticket 2
        6s tick                                                    -> done
        6s sync g b 1                                              -> generation 1
        7s join g new b2 instance=j                                -> ticket 3
        7s join g new b3 instance=j                                -> ticket 4
        7s joined g b2                                             -> no: another client has taken over this static member
        7s join g a instance=i                                     -> ticket 5
        7s synced g b 1                                            -> no: another client has taken over this static member
        7s joined g b2                                             -> no: another client has taken over this static member
        7s joined g b3                                             -> generation 2 by range, a leads
    "#]]);
}

#[test]
fn late_static_member_is_kept_until_its_session_lapses() {
    check(&expect![[r#"
        0s  join g new a instance=i patience=20s                   -> ticket 1
        0s  join g new b patience=20s old                          -> ticket 2
        6s  tick                                                   -> done
        6s  sync g a 1 a=x b=y                                     -> generation 1
        6s  sync g b 1                                             -> generation 1
        7s  join g b patience=20s meta=n                           -> ticket 3
        27s tick                                                   -> done
        27s joined g b                                             -> generation 2 by range, b leads a+b
        27s lapse g a                                              -> done
        27s group g                                                -> PreparingRebalance 2, b
    "#]]);
}

#[test]
fn round_that_no_static_member_joins_is_tried_again() {
    let limits = BrokerLimits { initial_rebalance_delay: Millis(0), ..BrokerLimits::default() };
    check_within(
        limits,
        &expect![[r#"
            0s  join g new a instance=i patience=20s                   -> ticket 1
            0s  sync g a 1 a=x                                         -> generation 1
            1s  join g new b patience=20s old                          -> ticket 2
            1s  leave g b                                              -> b left
            1s  group g                                                -> PreparingRebalance 1, a
            21s tick                                                   -> done
            21s group g                                                -> PreparingRebalance 1, a
            21s deadline                                               -> 41000 ms
            22s lapse g a                                              -> done
            22s group g                                                -> Empty 2
        "#]],
    );
}
