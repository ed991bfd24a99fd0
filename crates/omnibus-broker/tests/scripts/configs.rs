//! What administrators set, in the metadata shard.

use crate::script::{check, check_within};
use expect_test::expect;
use omnibus_broker::BrokerLimits;

#[test]
fn brokers_are_configured_all_or_each() {
    check(&expect![[r#"
        0s alter-brokers all to=5                                  -> done
        0s alter-brokers 1 to=6                                    -> done
        0s configs                                                 -> Cluster 5, Node(NodeId(1)) 6
        0s alter-brokers all from=5                                -> done
        0s configs                                                 -> Node(NodeId(1)) 6
    "#]]);
}

#[test]
fn configuration_that_was_changed_meanwhile_is_not_overwritten() {
    check(&expect![[r#"
        0s alter-brokers all to=5                                  -> done
        0s alter-brokers all to=6                                  -> no: this configuration was changed by somebody else meanwhile
        0s alter-brokers all from=5 to=5                           -> done (unchanged)
        0s alter-group g to=50000                                  -> done
        0s alter-group g to=60000                                  -> no: this configuration was changed by somebody else meanwhile
        0s alter-group g from=50000 to=50000                       -> done (unchanged)
        0s configs                                                 -> Cluster 5, g 50000
    "#]]);
}

#[test]
fn configuration_of_a_group_outlives_the_group() {
    check(&expect![[r#"
        0s alter-group g to=50000                                  -> done
        0s commit g - orders/0=5                                   -> done
        0s delete-group g                                          -> done
        0s configs                                                 -> g 50000
        0s alter-group g from=50000                                -> done
        0s configs                                                 ->
    "#]]);
}

#[test]
fn configurations_of_groups_are_as_few_as_groups() {
    let limits = BrokerLimits { groups_max: 1, ..BrokerLimits::default() };
    check_within(
        limits,
        &expect![[r#"
            0s alter-group g to=50000                                  -> done
            0s alter-group h to=50000                                  -> no: the broker holds 1 configurations of groups, the most it may
            0s alter-group g from=50000 to=60000                       -> done
            0s alter-group h                                           -> done (unchanged)
        "#]],
    );
}

#[test]
fn first_secret_that_is_offered_stays() {
    check(&expect![[r#"
        0s keep-secret 7                                           -> 7
        0s keep-secret 8                                           -> 7 (unchanged)
        0s keep-secret 9                                           -> 7 (unchanged)
    "#]]);
}

#[test]
fn node_tells_anew_how_it_is_reached() {
    check(&expect![[r#"
        0s register-node 2 b.example rack=r1                       -> done
        0s register-node 1 a.example                               -> done
        0s register-node 1 a.example                               -> done (unchanged)
        0s register-node 2 c.example                               -> done
        0s nodes                                                   -> 1 a.example -, 2 c.example -
        0s forget-node 1                                           -> done
        0s forget-node 1                                           -> done (unchanged)
        0s nodes                                                   -> 2 c.example -
    "#]]);
}

#[test]
fn number_of_a_node_that_was_removed_is_never_used_again() {
    check(&expect![[r#"
        0s register-node 1 a.example                               -> done
        0s drain-node 2                                            -> no: the cluster knows no node 2
        0s drain-node 1                                            -> done
        0s register-node 1 b.example                               -> done
        0s nodes                                                   -> 1 b.example -
        0s undrain-node 1                                          -> done
        0s remove-node 1                                           -> done
        0s remove-node 1                                           -> done (unchanged)
        0s drain-node 1                                            -> no: node 1 was removed from the cluster, and its number is never used again
        0s register-node 1 a.example                               -> no: node 1 was removed from the cluster, and its number is never used again
        0s forget-node 1                                           -> done
        0s nodes                                                   ->
        0s register-node 1 a.example                               -> no: node 1 was removed from the cluster, and its number is never used again
        0s remove-node 1                                           -> done (unchanged)
    "#]]);
}
