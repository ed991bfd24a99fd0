//! Consumer groups: heartbeats, epochs, and who owns what (KIP-848).

use expect_test::expect;

use crate::script::check;

#[test]
fn member_joins_and_owns_everything() {
    check(&expect![[r#"
        0s catalog t=3                                             ->
        0s consume g a reads=t                                     -> epoch 2, owns t/0+1+2
        0s consume g a epoch=2                                     -> epoch 2 (unchanged)
        0s consume g a epoch=2 owns=t/0+1+2                        -> epoch 2 (unchanged)
        0s group g                                                 -> Stable 2 by uniform, a 2 owns t/0+1+2
        0s sessions g                                              -> a 45000 ms
        0s groups                                                  -> g Consumer Stable
    "#]]);
}

#[test]
fn partition_is_granted_only_after_its_owner_gave_it_up() {
    check(&expect![[r#"
        0s catalog t=4                                             ->
        0s consume g a reads=t                                     -> epoch 2, owns t/0+1+2+3
        1s consume g b reads=t                                     -> epoch 3, owns nothing
        1s group g                                                 -> Reconciling 3 by uniform, a 2 owns t/0+1+2+3, b 3 owns nothing
        2s consume g a epoch=2 owns=t/0+1+2+3                      -> epoch 2, owns t/0+1
        2s consume g b epoch=3                                     -> epoch 3 (unchanged)
        # It says that it still has them.
        3s consume g a epoch=2 owns=t/0+1+2+3                      -> epoch 2 (unchanged)
        4s consume g a epoch=2 owns=t/0+1                          -> epoch 3
        4s consume g b epoch=3                                     -> epoch 3, owns t/2+3
        4s group g                                                 -> Stable 3 by uniform, a 3 owns t/0+1, b 3 owns t/2+3
    "#]]);
}

#[test]
fn member_that_does_not_give_up_in_time_is_removed() {
    check(&expect![[r#"
        0s  catalog t=2                                            ->
        0s  consume g a reads=t patience=30s                       -> epoch 2, owns t/0+1
        1s  consume g b reads=t                                    -> epoch 3, owns nothing
        2s  consume g a epoch=2                                    -> epoch 2, owns t/0
        2s  deadline                                               -> 32000 ms
        32s tick                                                   -> done
        32s consume g a epoch=2                                    -> no: a is not a member of group g
        32s consume g b epoch=3                                    -> epoch 4, owns t/0+1
        32s group g                                                -> Stable 4 by uniform, b 4 owns t/0+1
    "#]]);
}

#[test]
fn new_target_is_a_change_even_for_a_member_that_must_give_up_first() {
    check(&expect![[r#"
        0s catalog t=2                                             ->
        0s consume g a reads=t                                     -> epoch 2, owns t/0+1
        1s consume g b reads=t                                     -> epoch 3, owns nothing
        2s consume g a epoch=2                                     -> epoch 2, owns t/0
        3s consume g b epoch=-1                                    -> epoch -1
        4s consume g a epoch=2 owns=t/0+1                          -> epoch 2
        5s consume g a epoch=2 owns=t/0+1                          -> epoch 2 (unchanged)
    "#]]);
}

#[test]
fn leaving_and_lapsed_members_leave_their_partitions() {
    check(&expect![[r#"
        0s catalog t=3                                             ->
        0s consume g a reads=t                                     -> epoch 2, owns t/0+1+2
        0s consume g b reads=t                                     -> epoch 3, owns nothing
        0s consume g c reads=t                                     -> epoch 4, owns nothing
        1s consume g a epoch=2 owns=t/0                            -> epoch 4, owns t/0
        1s consume g a epoch=2 owns=t/0                            -> epoch 4 (unchanged)
        1s consume g b epoch=3                                     -> epoch 4, owns t/2
        1s consume g c epoch=4                                     -> epoch 4, owns t/1
        1s group g                                                 -> Stable 4 by uniform, a 4 owns t/0, b 4 owns t/2, c 4 owns t/1
        2s consume g c epoch=-1                                    -> epoch -1
        2s lapse g b x                                             -> done
        2s group g                                                 -> Assigning 6 by uniform, a 4 owns t/0
        2s consume g a epoch=4                                     -> epoch 6, owns t/0+1+2
        3s consume g a epoch=-1                                    -> epoch -1
        3s group g                                                 -> Empty 7 by uniform
        3s consume g a epoch=-1                                    -> no: a is not a member of group g
    "#]]);
}

#[test]
fn stale_and_future_epochs_are_fenced() {
    check(&expect![[r#"
        0s catalog t=2                                             ->
        0s consume g a reads=t                                     -> epoch 2, owns t/0+1
        0s consume g a epoch=7                                     -> no: member epoch 7 is not the current 2
        0s consume g a epoch=1                                     -> no: member epoch 1 is not the current 2
        1s consume g b reads=t                                     -> epoch 3, owns nothing
        1s consume g a epoch=2 owns=t/0                            -> epoch 3, owns t/0
        # The answer was lost: the epoch before is good if it owns no more than it may.
        1s consume g a epoch=2 owns=t/0                            -> epoch 3 (unchanged)
        1s consume g a epoch=2 owns=t/0+1                          -> no: member epoch 2 is not the current 3
        1s consume g a epoch=2                                     -> no: member epoch 2 is not the current 3
        1s consume g a reads=t                                     -> epoch 3, owns t/0
        1s consume g c epoch=3                                     -> no: c is not a member of group g
        1s consume h c epoch=3                                     -> no: there is no group h
    "#]]);
}

#[test]
fn member_that_gave_up_and_moved_on_may_lose_the_answer() {
    check(&expect![[r#"
        0s catalog t=2                                             ->
        0s consume g a reads=t                                     -> epoch 2, owns t/0+1
        0s consume g b reads=t                                     -> epoch 3, owns nothing
        1s consume g a epoch=2 owns=t/0+1                          -> epoch 2, owns t/0
        1s consume g c reads=t                                     -> epoch 4, owns nothing
        2s consume g a epoch=2 owns=t/0                            -> epoch 4
        2s consume g a epoch=2 owns=t/0                            -> epoch 4 (unchanged)
    "#]]);
}

#[test]
fn subscription_changes_move_partitions() {
    check(&expect![[r#"
        0s catalog t=2 u=2                                         ->
        0s consume g a reads=t                                     -> epoch 2, owns t/0+1
        0s consume g b reads=u                                     -> epoch 3, owns u/0+1
        0s group g                                                 -> Reconciling 3 by uniform, a 2 owns t/0+1, b 3 owns u/0+1
        1s consume g b epoch=3 reads=t,u                           -> epoch 4
        1s group g                                                 -> Reconciling 4 by uniform, a 2 owns t/0+1, b 4 owns u/0+1
        2s consume g a epoch=2 reads=u owns=t/0+1                  -> epoch 2, owns nothing
        3s consume g a epoch=2 owns=                               -> epoch 5
        3s consume g b epoch=4                                     -> epoch 4, owns nothing
        3s group g                                                 -> Reconciling 5 by uniform, a 5 owns nothing, b 4 owns nothing
    "#]]);
}

#[test]
fn pattern_reads_what_the_catalog_says_it_matches() {
    check(&expect![[r#"
        0s catalog t1=1                                            ->
        0s consume g a pattern=t.* sees=t1                         -> epoch 2, owns t1/0
        1s catalog t2=2                                            ->
        1s consume g a epoch=2 sees=t1,t2                          -> epoch 3, owns t1/0 t2/0+1
        # A topic grows.
        2s catalog t1=2                                            ->
        2s consume g a epoch=3 sees=t1,t2                          -> epoch 4, owns t1/0+1 t2/0+1
        2s consume g a epoch=4 sees=t1,t2                          -> epoch 4 (unchanged)
        # A topic is deleted.
        3s forget t2                                               -> done
        3s group g                                                 -> Assigning 5 by uniform, a 4 owns t1/0+1 t2/0+1
        3s consume g a epoch=4 owns=t1/0+1,t2/0+1                  -> epoch 4, owns t1/0+1
        3s consume g a epoch=4 owns=t1/0+1                         -> epoch 5
        3s group g                                                 -> Stable 5 by uniform, a 5 owns t1/0+1
    "#]]);
}

#[test]
fn range_gives_equal_partitions_of_topics_to_one_member() {
    check(&expect![[r#"
        0s catalog t=3 u=3                                         ->
        0s consume g a reads=t,u assignor=range                    -> epoch 2, owns t/0+1+2 u/0+1+2
        0s consume g b reads=t,u assignor=range                    -> epoch 3, owns nothing
        0s consume g a epoch=2 owns=t/0+1,u/0+1                    -> epoch 3, owns t/0+1 u/0+1
        0s consume g b epoch=3                                     -> epoch 3, owns t/2 u/2
        0s group g                                                 -> Stable 3 by range, a 3 owns t/0+1 u/0+1, b 3 owns t/2 u/2
        0s consume g c reads=t assignor=best                       -> no: the broker has no assignor best
    "#]]);
}

#[test]
fn static_member_leaves_for_a_while_and_keeps_its_partitions() {
    check(&expect![[r#"
        0s catalog t=4                                             ->
        0s consume g a reads=t instance=i                          -> epoch 2, owns t/0+1+2+3
        0s consume g b reads=t instance=j                          -> epoch 3, owns nothing
        1s consume g a epoch=2 instance=i owns=t/0+1               -> epoch 3, owns t/0+1
        1s consume g b epoch=3 instance=j                          -> epoch 3, owns t/2+3
        1s group g                                                 -> Stable 3 by uniform, a 3 owns t/0+1, b 3 owns t/2+3
        # Another client cannot take a name that is in use.
        2s consume g a2 reads=t instance=i                         -> no: another client holds this static member
        2s consume g a epoch=-2                                    -> no: only a static member leaves for a while
        2s consume g a epoch=-2 instance=i                         -> epoch -2
        2s consume g a epoch=-2 instance=i                         -> epoch -2 (unchanged)
        2s group g                                                 -> Reconciling 3 by uniform, a -2 owns t/0+1, b 3 owns t/2+3
        3s consume g a2 reads=t instance=i                         -> epoch 3, owns t/0+1
        3s group g                                                 -> Stable 3 by uniform, a2 3 owns t/0+1, b 3 owns t/2+3
        3s consume g a epoch=3 instance=i                          -> no: another client has taken over this static member
        3s consume g a2 epoch=3 instance=i                         -> epoch 3 (unchanged)
        3s consume g b epoch=3 instance=j                          -> epoch 3 (unchanged)
        # If it does not return, its session lapses.
        4s consume g b epoch=-2 instance=j                         -> epoch -2
        9s lapse g b                                               -> done
        9s consume g a2 epoch=3 instance=i                         -> epoch 4, owns t/0+1+2+3
        # An administrator may remove it by its instance.
        9s leave g a2                                              -> no: a2 is not a member of group g (unchanged)
        9s leave g instance=i                                      -> ? left
        9s group g                                                 -> Empty 5 by uniform
    "#]]);
}

#[test]
fn joining_member_says_everything() {
    check(&expect![[r#"
        0s catalog t=1                                             ->
        0s consume g a                                             -> no: who joins names what it reads
        0s consume g a reads=t owns=t/0                            -> no: who joins owns nothing
        0s consume g a epoch=-3                                    -> no: there is no group g
        0s consume g a pattern=t                                   -> no: a new subscription comes with the catalog's view of it
        0s groups                                                  ->
        0s deadline                                                -> never
    "#]]);
}

#[test]
fn commits_are_taken_for_partitions_held_since() {
    check(&expect![[r#"
        0s catalog t=4                                             ->
        0s consume g a reads=t                                     -> epoch 2, owns t/0+1+2+3
        0s commit g t/0=1 by=a/2                                   -> done
        0s commit g t/0=1 by=a/2 old                               -> no: members of this kind of group must use a newer version of the request
        0s commit g t/0=1 by=a/3                                   -> no: member epoch 3 does not suffice, 2 is current
        0s commit g t/0=1 by=a/1                                   -> no: member epoch 1 does not suffice, 2 is current
        0s commit g t/0=1 by=b/2                                   -> no: b is not a member of group g
        0s commit g t/0=1                                          -> no: the request names no member of group g
        1s consume g b reads=t                                     -> epoch 3, owns nothing
        1s consume g a epoch=2 owns=t/0+1                          -> epoch 3, owns t/0+1
        1s consume g b epoch=3                                     -> epoch 3, owns t/2+3
        # It is at epoch 3 but may not know yet; what it keeps it has had since 2.
        2s commit g t/1=1 by=a/2                                   -> done
        2s commit g t/1=1 t/3=1 by=a/2                             -> no: member epoch 2 does not suffice, 3 is current
        2s commit g t/3=1 by=b/3                                   -> done
        2s offsets g                                               -> t/0=1 t/1=1 t/3=1
        2s may-read g                                              -> ok
        2s may-read g by=a/3                                       -> ok
        2s may-read g by=a/2                                       -> no: member epoch 2 does not suffice, 3 is current
        2s may-read g by=c/2                                       -> no: c is not a member of group g
    "#]]);
}

#[test]
fn offsets_of_topics_that_are_read_are_not_deleted() {
    check(&expect![[r#"
        0s   catalog t=1                                           ->
        0s   commit g t/0=1 u/0=1                                  -> done
        0s   consume g a reads=t                                   -> epoch 2, owns t/0
        0s   delete-offsets g t/0 u/0                              -> no: the group is subscribed to t, ok
        0s   delete-group g                                        -> no: group g has members
        200h tick                                                  -> done
        200h offsets g                                             -> t/0=1
        200h consume g a epoch=-1                                  -> epoch -1
        200h commit g t/0=2                                        -> done
        200h delete-offsets g t/0                                  -> ok
        200h delete-group g                                        -> done
        200h deadline                                              -> never
    "#]]);
}

#[test]
fn empty_group_changes_its_kind_and_keeps_its_offsets() {
    check(&expect![[r#"
        0s catalog t=1                                             ->
        0s commit g t/0=7                                          -> done
        0s consume g a reads=t                                     -> epoch 2, owns t/0
        0s join g new b old                                        -> no: the group is of the other kind
        0s beat g a 2                                              -> no: a is not a member of group g
        0s consume g a epoch=-1                                    -> epoch -1
        0s join g b                                                -> no: b is not a member of group g
        0s join g new b old                                        -> ticket 1
        0s consume g a reads=t                                     -> no: the group is of the other kind
        0s groups                                                  -> g Classic PreparingRebalance
        0s offsets g                                               -> t/0=7
        0s leave g b                                               -> b left
        3s tick                                                    -> done
        3s consume g a epoch=2                                     -> no: there is no group g
        3s consume g a reads=t                                     -> epoch 2, owns t/0
        3s groups                                                  -> g Consumer Stable
        3s offsets g                                               -> t/0=7
    "#]]);
}

#[test]
fn uneven_subscriptions_are_evened_out() {
    check(&expect![[r#"
        0s catalog t=4 u=1                                         ->
        0s consume g a reads=t,u                                   -> epoch 2, owns t/0+1+2+3 u/0
        0s consume g b reads=t                                     -> epoch 3, owns nothing
        0s consume g a epoch=2 owns=t/0+1,u/0                      -> epoch 3, owns t/0+1 u/0
        0s consume g b epoch=3                                     -> epoch 3, owns t/2+3
        0s group g                                                 -> Stable 3 by uniform, a 3 owns t/0+1 u/0, b 3 owns t/2+3
        1s consume g c reads=u                                     -> epoch 4, owns nothing
        1s consume g a epoch=3 owns=t/0+1                          -> epoch 4, owns t/0+1
        1s consume g c epoch=4                                     -> epoch 4, owns u/0
        1s group g                                                 -> Reconciling 4 by uniform, a 4 owns t/0+1, b 3 owns t/2+3, c 4 owns u/0
    "#]]);
}
