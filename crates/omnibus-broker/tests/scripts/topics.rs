//! The catalog of the metadata shard.

use crate::script::{check, check_within};
use expect_test::expect;
use omnibus_broker::BrokerLimits;

#[test]
fn partitions_are_spread_over_the_data_shards_in_turn() {
    let limits = BrokerLimits { data_shards: 3, ..BrokerLimits::default() };
    check_within(
        limits,
        &expect![[r#"
            0s create a 1                                              -> s0@1
            0s create b 1                                              -> s1@2
            0s create c 4                                              -> s2@3 s3@1 s4@2 s5@3
            0s create d 1                                              -> s6@1
        "#]],
    );
}

#[test]
fn queue_with_priorities_lies_together() {
    let limits = BrokerLimits { data_shards: 3, partitions_max: 12, ..BrokerLimits::default() };
    check_within(
        limits,
        &expect![[r#"
            0s create a 1                                              -> s0@1
            0s create-priority-queue b 3                               -> s1@2 s2@2 s3@2 s4@2
            0s create c 2                                              -> s5@3 s6@1
            0s create-priority-queue b 3                               -> no: topic b already exists
            0s create-priority-queue d 0                               -> no: a queue with priorities has at least one above 0
            0s create-priority-queue d 5                               -> no: the broker holds 12 partitions, the most it may
            0s grow b 9                                                -> no: topic b is a queue, whose partitions are fixed
            0s delete b                                                -> s1@2 s2@2 s3@2 s4@2
            0s create-priority-queue d 5                               -> no: the broker holds 12 partitions, the most it may
            0s release-name b                                          -> done
            0s create-priority-queue d 5                               -> s7@2 s8@2 s9@2 s10@2 s11@2 s12@2
        "#]],
    );
}

#[test]
fn stream_is_never_reused() {
    check(&expect![[r#"
        0s create orders 2                                         -> s0@1 s1@2
        0s create orders 1                                         -> no: topic orders already exists
        0s delete orders                                           -> s0@1 s1@2
        0s delete orders                                           -> no: there is no topic orders
        0s create orders 1                                         -> no: topic orders already exists
        0s release-name orders                                     -> done
        0s release-name orders                                     -> done (unchanged)
        0s create orders 2                                         -> s2@3 s3@4
    "#]]);
}

#[test]
fn partitions_only_grow() {
    check(&expect![[r#"
        0s create orders 2                                         -> s0@1 s1@2
        0s grow orders 4                                           -> s0@1 s1@2 s2@3 s3@4
        0s grow orders 4                                           -> no: topic orders has 4 partitions and cannot have 4: partitions are only ever added
        0s grow orders 3                                           -> no: topic orders has 4 partitions and cannot have 3: partitions are only ever added
        0s grow others 3                                           -> no: there is no topic others
    "#]]);
}

#[test]
fn placed_partition_goes_where_its_first_node_is_to_lead() {
    let limits = BrokerLimits { data_shards: 6, partitions_max: 12, ..BrokerLimits::default() };
    check_within(
        limits,
        &expect![[r#"
            0s create a 1                                              -> s0@1
            0s create-placed b 3 2-3-1 1-2-3 1-3-2 1=1,4 2=2,5 3=3,6   -> s1@2(2-3-1) s2@4(1-2-3) s3@1(1-3-2)
            0s create-placed c 1 1-2-3 1=1,4                           -> s4@4(1-2-3)
            0s create d 1                                              -> s5@6
            0s grow-placed d 3 2-1-3 2-3-1 2=2,5                       -> s5@6 s6@5(2-1-3) s7@2(2-3-1)
            0s grow d 4                                                -> s5@6 s6@5(2-1-3) s7@2(2-3-1) s8@3
            0s grow-placed d 5 3-1-2 3=3,6                             -> s5@6 s6@5(2-1-3) s7@2(2-3-1) s8@3 s9@3(3-1-2)
            0s create-placed e 1 3-1-2 1=1,4                           -> no: nothing is led by whom a partition names first
            0s create-placed e 1 3-1-2 3=0,7                           -> no: nothing is led by whom a partition names first
            0s create-placed e 2 1-2-3 1=1                             -> no: 2 partitions are wanted, and 1 are placed
            0s create-placed e 3 1 1 1 1=1                             -> no: the broker holds 12 partitions, the most it may
            0s create-placed d 1 1 1=1                                 -> no: topic d already exists
            0s grow-placed d 5 1 1=1                                   -> no: topic d has 5 partitions and cannot have 5: partitions are only ever added
            0s create e 1                                              -> s10@5
        "#]],
    );
}

#[test]
fn partitions_are_limited() {
    let limits = BrokerLimits { partitions_max: 5, ..BrokerLimits::default() };
    check_within(
        limits,
        &expect![[r#"
            0s create a 0                                              -> no: a topic has 1 to 5 partitions, not 0
            0s create a 6                                              -> no: a topic has 1 to 5 partitions, not 6
            0s create a 3                                              -> s0@1 s1@2 s2@3
            0s create b 3                                              -> no: the broker holds 5 partitions, the most it may
            0s grow a 6                                                -> no: a topic has 1 to 5 partitions, not 6
            0s grow a 5                                                -> s0@1 s1@2 s2@3 s3@4 s4@5
            0s delete a                                                -> s0@1 s1@2 s2@3 s3@4 s4@5
            0s create b 5                                              -> no: the broker holds 5 partitions, the most it may
            0s release-name a                                          -> done
            0s create b 5                                              -> s5@6 s6@7 s7@8 s8@9 s9@10
        "#]],
    );
}

#[test]
fn configuration_changes_are_not_lost() {
    check(&expect![[r#"
        0s create orders 1                                         -> s0@1
        0s alter orders to=5                                       -> s0@1
        0s alter orders to=6                                       -> no: the configuration of orders was changed by somebody else meanwhile
        0s alter orders from=5 to=6                                -> s0@1
        0s alter orders from=6 to=6                                -> s0@1 (unchanged)
        0s alter others to=6                                       -> no: there is no topic others
    "#]]);
}

#[test]
fn producer_ids_are_handed_out_once() {
    check(&expect![[r#"
        0s new-producer                                            -> producer 0
        0s new-producer                                            -> producer 1
    "#]]);
}
