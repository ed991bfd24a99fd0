//! Committed offsets: who may commit, and for how long they are kept.

use expect_test::expect;

use crate::script::check;

#[test]
fn anybody_may_store_offsets_under_a_free_name() {
    check(&expect![[r#"
        0s offsets g                                               -> none
        0s commit g t/0=5 t/1=6                                    -> done
        0s offsets g                                               -> t/0=5 t/1=6
        0s offsets g t/1                                           -> 6
        0s offsets g t/2                                           -> none
        0s group g                                                 -> Empty 0
        0s groups                                                  -> g Classic Empty
        0s commit h t/0=5 by=a/3                                   -> no: there is no group h
    "#]]);
}

#[test]
fn only_members_commit_while_there_are_members() {
    check(&expect![[r#"
        0s join g new a old                                        -> ticket 1
        3s tick                                                    -> done
        3s joined g a                                              -> generation 1 by range, a leads a
        # Between the two halves of a round nobody may.
        3s commit g t/0=1 by=a/1                                   -> no: the group is rebalancing
        3s sync g a 1 a=x                                          -> generation 1
        3s commit g t/0=2 by=a/1                                   -> done
        3s commit g t/0=3                                          -> no: the request names no member of group g
        3s commit g t/0=3 by=a/0                                   -> no: generation 0 of the group is over, 1 is current
        3s commit g t/0=3 by=b/1                                   -> no: b is not a member of group g
        3s commit g t/0=3 by=a/1 instance=i                        -> no: a is not a member of group g
        # While a round is open, members of the generation before still may.
        3s join g new b old                                        -> ticket 2
        3s commit g t/0=4 by=a/1                                   -> done
        3s offsets g                                               -> t/0=4
    "#]]);
}

#[test]
fn offsets_are_kept_for_seven_days_after_the_group_is_empty() {
    check(&expect![[r#"
        0s    join g new a old reads=t                             -> ticket 1
        3s    tick                                                 -> done
        3s    sync g a 1 a=x                                       -> generation 1
        4s    commit g t/0=1 by=a/1                                -> done
        8d    tick                                                 -> done (unchanged)
        8d    offsets g                                            -> t/0=1
        8d    leave g a                                            -> a left
        8d    group g                                              -> Empty 2
        8d    deadline                                             -> 1296000000 ms
        14d   commit g t/1=2                                       -> done
        15d   tick                                                 -> done
        15d   offsets g                                            -> t/1=2
        21d   tick                                                 -> done
        21d   offsets g                                            -> none
        21d   group g                                              -> unknown
    "#]]);
}

#[test]
fn offsets_of_topics_that_nobody_reads_expire_under_readers() {
    check(&expect![[r#"
        0s    commit g old/0=1                                     -> done
        1s    join g new a old reads=t                             -> ticket 1
        4s    tick                                                 -> done
        4s    sync g a 1 a=x                                       -> generation 1
        5s    commit g t/0=1 by=a/1                                -> done
        169h  tick                                                 -> done
        169h  offsets g                                            -> t/0=1
    "#]]);
}

#[test]
fn committer_may_ask_for_another_retention() {
    check(&expect![[r#"
        0s commit g t/0=1 retention=1h                             -> done
        0s commit g t/1=1                                          -> done
        0s deadline                                                -> 3600000 ms
        1h tick                                                    -> done
        1h offsets g                                               -> t/1=1
    "#]]);
}

#[test]
fn group_without_members_and_offsets_is_forgotten() {
    check(&expect![[r#"
        0s  join g new a                                           -> call again as a
        0s  groups                                                 -> g Classic Empty
        0s  deadline                                               -> 10000 ms
        10s tick                                                   -> done
        10s deadline                                               -> 600000 ms
        10m tick                                                   -> done
        10m groups                                                 ->
        10m deadline                                               -> never
    "#]]);
}

#[test]
fn only_an_empty_group_is_deleted() {
    check(&expect![[r#"
        0s delete-group g                                          -> no: there is no group g
        0s join g new a old                                        -> ticket 1
        0s commit g t/0=1                                          -> no: the request names no member of group g
        0s delete-group g                                          -> no: group g has members
        0s leave g a                                               -> a left
        3s tick                                                    -> done
        3s commit g t/0=1                                          -> done
        3s delete-group g                                          -> done
        3s offsets g                                               -> none
        3s deadline                                                -> never
    "#]]);
}

#[test]
fn offsets_of_topics_that_are_read_are_not_deleted() {
    check(&expect![[r#"
        0s commit g t/0=1 u/0=1                                    -> done
        0s join g new a old reads=t                                -> ticket 1
        0s delete-offsets g t/0 u/0 u/7                            -> no: the group is subscribed to t, ok, ok
        0s offsets g                                               -> t/0=1
        0s delete-offsets h t/0                                    -> no: there is no group h
        # If what members read is not known, they may read anything.
        0s commit h t/0=1                                          -> done
        0s join h new a old                                        -> ticket 1
        0s delete-offsets h t/0                                    -> no: the group is subscribed to t (unchanged)
        # If they share something else than topics, one cannot tell at all.
        0s commit i t/0=1                                          -> done
        0s join i new a old type=connect                           -> ticket 1
        0s delete-offsets i t/0                                    -> no: group i has members
    "#]]);
}

#[test]
fn deleted_topic_takes_its_offsets_along() {
    check(&expect![[r#"
        0s commit g t/0=1 u/0=1                                    -> done
        0s commit h t/0=1                                          -> done
        0s forget t                                                -> done
        0s forget t                                                -> done (unchanged)
        0s offsets g                                               -> u/0=1
        0s offsets h                                               -> none
    "#]]);
}

#[test]
fn what_is_said_late_of_deleted_topics_takes_nothing_of_those_who_have_their_names() {
    check(&expect![[r#"
        0s commit g t/0=1 u/0=1 v/0=1                              -> done
        0s forget-all 2 t u                                        -> done
        0s offsets g                                               -> v/0=1
        0s commit g t/0=5                                          -> done
        0s forget-all 1 t                                          -> done (unchanged)
        0s forget-all 2 t u                                        -> done (unchanged)
        0s offsets g                                               -> t/0=5 v/0=1
        0s forget-all 3 t                                          -> done
        0s offsets g                                               -> v/0=1
    "#]]);
}
