//! Three nodes in one process and one thread, on disks in memory, by a clock that stands until
//! all wait: what is told as committed is on all of them in the end, whatever happens meanwhile.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod trio;

use std::collections::BTreeSet;

use omnibus_model::{LogIndex, NodeId, Term};
use omnibus_raft::VoteChange;
use omnibus_replication::{ProposeError, ReplicatedLog as _};
use trio::{SHARD, Trio, run};

/// The seeds to play; `OMNIBUS_TEST_SEEDS` says how many others.
fn seeds() -> std::ops::Range<u64> {
    match std::env::var("OMNIBUS_TEST_SEEDS") {
        Ok(count) => 100..100 + count.parse::<u64>().unwrap(),
        Err(_) => 0..4,
    }
}

#[test]
fn what_the_leader_proposes_all_have() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            let leader = trio.leader().await;
            for number in 0..50 {
                trio.propose(leader, &format!("{number}")).unwrap();
                trio.pass(number % 3).await;
            }
            trio.end().await;
            assert_eq!(trio.acknowledged(), 50);
        });
    }
}

/// Less than any lease, by the clock of the test.
const AT_ONCE_MILLIS: u64 = 300;

#[test]
fn who_succeeds_a_leader_that_is_gone_waits_for_no_lease() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            let old = trio.leader().await;
            trio.propose(old, "before").unwrap();
            trio.pass(50).await;
            let [heir, other] = trio.others(old)[..] else { unreachable!("there are three") };
            assert!(!trio.node(other).replicated.succeed(SHARD, heir).await.unwrap(), "it does not lead");
            trio.isolate(old, true);
            assert!(trio.node(heir).replicated.succeed(SHARD, old).await.unwrap());
            let (new, millis) = trio.leader_other_than(old).await;
            assert!(new == heir && millis < AT_ONCE_MILLIS, "{new} leads after {millis} ms");
            assert!(!trio.node(other).replicated.succeed(SHARD, old).await.unwrap(), "another leads by now");
            trio.propose(new, "after").unwrap();
            trio.pass(100).await;
            trio.isolate(old, false);
            trio.end().await;
            assert_eq!(trio.heads(old), ["before", "after"]);
        });
    }
}

#[test]
fn who_has_less_and_asks_first_leaves_it_to_the_next_who_asks_twice() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            let old = trio.leader().await;
            let [behind, heir] = trio.others(old)[..] else { unreachable!("there are three") };
            trio.pass(50).await;
            trio.isolate(behind, true);
            trio.propose(old, "two have it").unwrap();
            trio.pass(50).await;
            trio.isolate(old, true);
            trio.connect(behind, heir);
            for (node, millis) in [(behind, 100), (heir, 100), (heir, 0)] {
                assert!(trio.node(node).replicated.succeed(SHARD, old).await.unwrap());
                trio.pass(millis).await;
                assert_eq!(trio.term(behind), None);
            }
            let (new, millis) = trio.leader_other_than(old).await;
            assert!(new == heir && millis < AT_ONCE_MILLIS, "{new} leads after {millis} ms");
            trio.pass(100).await;
            trio.isolate(old, false);
            trio.end().await;
            assert_eq!(trio.heads(behind), ["two have it"]);
        });
    }
}

#[test]
fn a_leader_that_is_cut_off_is_replaced_and_what_it_could_not_commit_is_void() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            let old = trio.leader().await;
            trio.propose(old, "before").unwrap();
            trio.pass(50).await;
            trio.isolate(old, true);
            for number in 0..5 {
                trio.propose(old, &format!("void {number}")).unwrap();
            }
            trio.pass(5).await;
            let (new, millis) = trio.leader_other_than(old).await;
            assert!(millis <= 6_000, "nobody led for {millis} ms");
            trio.propose(new, "after").unwrap();
            trio.pass(100).await;
            trio.isolate(old, false);
            trio.end().await;
            assert_eq!(trio.heads(old), ["before", "after"]);
            assert_eq!(trio.acknowledged(), 2);
        });
    }
}

#[test]
fn only_who_hears_from_a_majority_knows_that_it_leads() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            let old = trio.leader().await;
            let term = trio.term(old).unwrap();
            assert!(trio.confirms(old, term).await);
            assert!(!trio.confirms(trio.others(old)[0], term).await, "it does not lead");
            assert!(!trio.confirms(old, Term(term.0 - 1)).await, "it did not lead then");
            trio.isolate(old, true);
            assert!(!trio.confirms(old, term).await, "others may lead for all it knows");
            let (new, _) = trio.leader_other_than(old).await;
            trio.propose(new, "after").unwrap();
            trio.pass(100).await;
            assert_eq!(trio.term(old), Some(term), "it does not know yet");
            assert!(!trio.confirms(old, term).await);
            assert!(trio.confirms(new, trio.term(new).unwrap()).await);
            trio.isolate(old, false);
            trio.end().await;
            assert!(!trio.confirms(old, term).await);
        });
    }
}

#[test]
fn a_node_that_is_cut_off_disturbs_nobody_when_it_is_back() {
    run(async {
        let mut trio = Trio::found(3).await;
        let leader = trio.leader().await;
        let other = trio.others(leader)[0];
        let term = trio.term(leader);
        trio.isolate(other, true);
        trio.pass(20_000).await;
        trio.isolate(other, false);
        trio.pass(3_000).await;
        assert_eq!(trio.term(leader), term, "it asks first whether anybody would want it");
        trio.end().await;
    });
}

#[test]
fn what_a_leader_proposes_while_it_hears_nobody_takes_no_place_of_what_comes_later() {
    for seed in seeds() {
        // A lease is over after 0.8 to 1 s, and somebody else is elected after 1.6 to 2.
        for away in [700, 1_050, 1_400, 2_100] {
            run(async {
                let mut trio = Trio::found(seed).await;
                let old = trio.leader().await;
                trio.propose(old, "before").unwrap();
                trio.pass(50).await;
                (1..=3).for_each(|node| trio.isolate(NodeId(node), true));
                trio.pass(away).await;
                for number in 0..3 {
                    let _void = trio.propose(old, &format!("nobody hears {number}"));
                }
                trio.pass(5).await;
                (1..=3).for_each(|node| trio.isolate(NodeId(node), false));
                for number in 0..200 {
                    let leader = trio.leader().await;
                    let _may_be_refused = trio.propose(leader, &format!("later {number}"));
                    trio.pass(10).await;
                }
                trio.end().await;
                assert!(trio.acknowledged() > 50, "{}", trio.acknowledged());
            });
        }
    }
}

#[test]
fn each_node_in_turn_and_all_at_once_lose_their_power() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            for victims in [vec![1], vec![2], vec![3], vec![1, 2, 3]] {
                let leader = trio.leader().await;
                for number in 0..10 {
                    trio.propose(leader, &format!("{victims:?} {number}")).unwrap();
                    trio.pass(number % 2).await;
                }
                for victim in &victims {
                    trio.lose_power(NodeId(*victim));
                }
                trio.pass(700).await;
                for victim in &victims {
                    trio.start(NodeId(*victim));
                }
            }
            trio.end().await;
        });
    }
}

#[test]
fn messages_that_come_late_twice_or_in_another_order_change_nothing() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            trio.board.set_disorder(Some(seed));
            let mut refused = 0;
            for number in 0..120_u64 {
                let leader = trio.leader().await;
                if trio.propose(leader, &format!("{number}")).is_err() {
                    refused += 1;
                }
                trio.pass((number * 7 + seed) % 40).await;
                if number % 40 == 20 {
                    let victim = NodeId(u32::try_from(1 + (number / 40 + seed) % 3).unwrap());
                    trio.lose_power(victim);
                    trio.pass(100).await;
                    trio.start(victim);
                }
            }
            trio.board.set_disorder(None);
            trio.end().await;
            assert!(refused < 30, "{refused} were refused");
        });
    }
}

#[test]
fn a_follower_that_was_away_gets_what_it_lacks_whatever_was_saved_meanwhile() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            let leader = trio.leader().await;
            let away = trio.others(leader)[0];
            trio.lose_power(away);
            for number in 0..150 {
                trio.propose(leader, &format!("{number}")).unwrap();
                trio.pass(1).await;
                if number % 20 == 0 {
                    trio.save(leader);
                }
            }
            trio.pass(50).await;
            trio.save(leader);
            trio.lose_power(leader);
            trio.start(leader);
            trio.pass(20).await;
            trio.start(away);
            trio.end().await;
            assert!(trio.heads(away).len() >= 149);
            // Now that all have it, it goes.
            for node in trio.alive() {
                trio.save(node);
            }
            trio.pass(2_000).await;
            let leader = trio.leader().await;
            trio.propose(leader, "more").unwrap();
            trio.pass(500).await;
            for node in trio.alive() {
                trio.save(node);
            }
            trio.pass(500).await;
            let kept = trio.first_kept(leader);
            assert!(kept.is_none_or(|first| first > LogIndex(100)), "{kept:?}");
            trio.end().await;
        });
    }
}

#[test]
fn leadership_is_handed_over_at_once() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            let leader = trio.leader().await;
            trio.propose(leader, "before").unwrap();
            trio.pass(20).await;
            let to = trio.others(leader)[1];
            trio.node(leader).replicated.transfer(SHARD, to).await.unwrap();
            assert!(matches!(trio.propose(leader, "too late"), Err(ProposeError::NotLeader { .. })));
            let (new, millis) = trio.leader_other_than(leader).await;
            assert_eq!(new, to);
            assert!(millis <= 200, "nobody led for {millis} ms");
            trio.propose(new, "after").unwrap();
            trio.end().await;
            assert_eq!(trio.heads(leader), ["before", "after"]);
        });
    }
}

#[test]
fn voters_are_changed_one_step_at_a_time_under_load() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found_by(seed, &[1, 2]).await;
            let leader = trio.leader().await;
            trio.start(NodeId(3));
            let all: BTreeSet<NodeId> = (1..=3).map(NodeId).collect();
            trio.admit(leader, NodeId(3)).await;
            let gone = trio.others(leader)[0];
            let left: BTreeSet<NodeId> = all.iter().copied().filter(|node| *node != gone).collect();
            let (log, voters) = (trio.log(leader), left.clone());
            trio.change_under_load(leader, async move { log.change_voters(SHARD, voters).await }).await;
            assert_eq!(trio.node(leader).replicated.replicas(SHARD).voters, left);
            trio.retire(gone);
            trio.end().await;
            assert!(trio.acknowledged() > 3, "{}", trio.acknowledged());
        });
    }
}

#[test]
fn a_change_that_a_leader_left_half_done_is_seen_and_brought_to_its_end() {
    let mut half_done = 0;
    for millis in 0..12 {
        run(async {
            let mut trio = Trio::found_by(millis, &[1, 2, 3, 4, 5]).await;
            let first = trio.leader().await;
            trio.propose(first, "before").unwrap();
            trio.pass(200).await;
            let gone = trio.others(first)[0];
            let rest: BTreeSet<NodeId> = trio.others(gone).into_iter().collect();
            let (log, voters) = (trio.log(first), rest.clone());
            let changing = tokio::spawn(async move { log.demote_others(SHARD, voters).await });
            trio.pass(millis).await;
            changing.abort();
            trio.lose_power(first);
            let (leader, _) = trio.leader_other_than(first).await;
            trio.propose(leader, "after").unwrap();
            trio.pass(300).await;
            let replicas = trio.log(leader).replicas(SHARD);
            if let Some(goal) = replicas.goal {
                half_done += 1;
                assert_eq!((goal.clone(), replicas.voters.len()), (rest, 5));
                let half_done = VoteChange { added: BTreeSet::new(), taken: [gone].into() };
                assert_eq!(trio.log(leader).standing(SHARD).half_done, Some(half_done));
                let log = trio.log(leader);
                trio.change_under_load(leader, async move { log.demote_others(SHARD, goal).await }).await;
                let replicas = trio.log(leader).replicas(SHARD);
                assert_eq!((replicas.goal, replicas.voters.len(), replicas.learners.len()), (None, 4, 1));
                assert_eq!(trio.log(leader).standing(SHARD).half_done, None);
            }
            trio.end().await;
        });
    }
    assert!(half_done > 0, "no leader went away in the midst of a change");
}

#[test]
fn a_leader_that_loses_its_vote_leads_until_another_does() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            let leader = trio.leader().await;
            let others: BTreeSet<NodeId> = trio.others(leader).into_iter().collect();
            let (log, voters) = (trio.log(leader), others.clone());
            trio.change_under_load(leader, async move { log.demote_others(SHARD, voters).await }).await;
            assert_eq!(trio.node(leader).replicated.replicas(SHARD).voters, others);
            trio.pass(100).await;
            let before = trio.acknowledged();
            trio.propose(leader, "without a vote").unwrap();
            trio.pass(100).await;
            assert_eq!(trio.acknowledged(), before + 1);
            let to = *others.first().unwrap();
            trio.node(leader).replicated.transfer(SHARD, to).await.unwrap();
            let (new, _) = trio.leader_other_than(leader).await;
            trio.propose(new, "after").unwrap();
            trio.end().await;
            assert_eq!(trio.acknowledged(), before + 2);
        });
    }
}

#[test]
fn a_node_with_data_grows_to_three_and_is_not_needed_any_more() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found_by(seed, &[1]).await;
            let first = trio.leader().await;
            for number in 0..300 {
                trio.propose(first, &format!("{number}")).unwrap();
                trio.pass(number % 2).await;
            }
            trio.save(first);
            trio.pass(50).await;
            assert!(trio.first_kept(first).is_none_or(|kept| kept > LogIndex(290)), "{:?}", trio.first_kept(first));
            trio.start(NodeId(2));
            trio.start(NodeId(3));
            trio.admit(first, NodeId(2)).await;
            trio.admit(first, NodeId(3)).await;
            trio.lose_power(first);
            let (second, _) = trio.leader_other_than(first).await;
            trio.propose(second, "without the first").unwrap();
            trio.pass(100).await;
            trio.end().await;
            assert!(trio.acknowledged() > 300);
        });
    }
}

#[test]
fn a_node_that_lost_its_disk_elects_nobody_and_comes_back_as_a_new_one() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            let leader = trio.leader().await;
            for number in 0..100 {
                trio.propose(leader, &format!("{number}")).unwrap();
                trio.pass(1).await;
            }
            trio.pass(500).await;
            for node in trio.alive() {
                trio.save(node);
            }
            let [wiped, other] = trio.others(leader)[..] else { panic!("there are three") };
            trio.isolate(other, true);
            trio.propose(leader, "what only the one with the lost disk has, too").unwrap();
            trio.pass(100).await;
            assert_eq!(trio.acknowledged(), 101);
            trio.wipe(wiped);
            trio.pass(1_000).await;
            assert_eq!(trio.node(leader).replicated.replicas(SHARD).lost, BTreeSet::from([wiped]));
            trio.lose_power(leader);
            trio.isolate(other, false);
            trio.pass(20_000).await;
            assert_eq!((trio.term(other), trio.term(wiped)), (None, None), "what was acknowledged would be lost");
            trio.start(leader);
            let leader = trio.leader().await;
            trio.pass(500).await;
            let (log, left) =
                (trio.log(leader), BTreeSet::from([leader, trio.others(leader)[0], trio.others(leader)[1]]));
            let left: BTreeSet<NodeId> = left.into_iter().filter(|node| *node != wiped).collect();
            trio.change_under_load(leader, async move { log.change_voters(SHARD, left).await }).await;
            trio.admit(leader, wiped).await;
            assert!(trio.node(leader).replicated.replicas(SHARD).lost.is_empty());
            trio.lose_power(leader);
            let (next, _) = trio.leader_other_than(leader).await;
            trio.propose(next, "after").unwrap();
            trio.pass(100).await;
            trio.end().await;
        });
    }
}

#[test]
fn a_replica_is_filled_however_often_that_is_cut_short() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found_by(seed, &[1]).await;
            let first = trio.leader().await;
            for number in 0..2_000 {
                trio.propose(first, &format!("{number}")).unwrap();
                trio.pass(u64::from(number % 16 == 0)).await;
            }
            trio.pass(100).await;
            trio.save(first);
            trio.start(NodeId(2));
            let log = trio.log(first);
            trio.change_under_load(first, async move { log.add_learner(SHARD, NodeId(2)).await }).await;
            for round in 0..12_u64 {
                trio.pass(20 + (seed * 7 + round * 13) % 60).await;
                match round % 4 {
                    0 | 2 => {
                        trio.lose_power(NodeId(2));
                        trio.pass(10).await;
                        trio.start(NodeId(2));
                    }
                    1 => {
                        trio.isolate(first, true);
                        trio.pass(700).await;
                        trio.isolate(first, false);
                    }
                    _ => {
                        trio.lose_power(first);
                        trio.start(first);
                        assert_eq!(trio.leader().await, first);
                        trio.propose(first, &format!("round {round}")).unwrap();
                        trio.save(first);
                    }
                }
            }
            trio.board.set_disorder(Some(seed));
            trio.promote(first, NodeId(2)).await;
            trio.board.set_disorder(None);
            trio.start(NodeId(3));
            trio.admit(first, NodeId(3)).await;
            trio.end().await;
            assert!(trio.acknowledged() > 2_000);
        });
    }
}

/// A leader is cut off with what it could not commit, and taken out of the group; the others go on and purge.
async fn left_behind(trio: &mut Trio) -> (NodeId, NodeId) {
    let old = trio.leader().await;
    for number in 0..50 {
        trio.propose(old, &format!("{number}")).unwrap();
        trio.pass(1).await;
    }
    trio.pass(200).await;
    trio.save(old);
    trio.isolate(old, true);
    for number in 0..30 {
        trio.propose(old, &format!("void {number}")).unwrap();
    }
    let (leader, _) = trio.leader_other_than(old).await;
    let (log, others) = (trio.log(leader), trio.others(old).into_iter().collect::<BTreeSet<_>>());
    trio.change_under_load(leader, async move { log.change_voters(SHARD, others).await }).await;
    for number in 0..100 {
        trio.propose(leader, &format!("without it {number}")).unwrap();
        trio.pass(1).await;
    }
    for _ in 0..2 {
        trio.pass(500).await;
        trio.others(old).into_iter().for_each(|node| trio.save(node));
    }
    trio.pass(500).await;
    assert!(trio.first_kept(leader).is_none_or(|first| first > LogIndex(100)), "what it lacks is purged");
    (old, leader)
}

#[test]
fn a_replica_that_comes_back_behind_what_was_purged_is_filled_over_what_it_has() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            let (old, leader) = left_behind(&mut trio).await;
            if seed % 2 == 0 {
                trio.lose_power(old);
                trio.start(old);
            }
            trio.isolate(old, false);
            trio.admit(leader, old).await;
            trio.lose_power(leader);
            let (next, _) = trio.leader_other_than(leader).await;
            trio.propose(next, "with its help").unwrap();
            trio.pass(100).await;
            trio.end().await;
            assert!(trio.heads(old).iter().all(|head| !head.starts_with("void")));
        });
    }
}

#[test]
fn a_replica_that_has_something_is_filled_however_often_that_is_cut_short() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found(seed).await;
            let (old, leader) = left_behind(&mut trio).await;
            trio.isolate(old, false);
            let log = trio.log(leader);
            trio.change_under_load(leader, async move { log.add_learner(SHARD, old).await }).await;
            for round in 0..10_u64 {
                trio.pass(5 + (seed * 7 + round * 13) % 60).await;
                trio.save(leader);
                if round % 2 == 0 {
                    trio.lose_power(old);
                    trio.pass(10).await;
                    trio.start(old);
                } else {
                    trio.isolate(old, true);
                    trio.pass(300).await;
                    trio.isolate(old, false);
                }
            }
            trio.board.set_disorder(Some(seed));
            let leader = trio.leader().await;
            trio.promote(leader, old).await;
            trio.board.set_disorder(None);
            trio.end().await;
            assert!(trio.heads(old).iter().all(|head| !head.starts_with("void")));
        });
    }
}

#[test]
fn a_voter_that_loses_its_disk_and_then_its_vote_is_filled() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found_by(seed, &[1, 2, 3, 4, 5]).await;
            let leader = trio.leader().await;
            for number in 0..20 {
                trio.propose(leader, &format!("{number}")).unwrap();
                trio.pass(1).await;
            }
            trio.pass(200).await;
            let new = trio.others(leader)[0];
            trio.wipe(new);
            trio.loses(leader, new).await;
            let (log, rest) = (trio.log(leader), trio.others(new).into_iter().collect());
            trio.change_under_load(leader, async move { log.demote_others(SHARD, rest).await }).await;
            trio.promote(leader, new).await;
            trio.end().await;
            assert!(trio.acknowledged() > 20);
        });
    }
}

#[test]
fn a_voter_that_was_away_is_filled_by_a_leader_whose_log_begins_later() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found_by(seed, &[1, 2, 3, 4, 5]).await;
            let first = trio.leader().await;
            trio.propose(first, "all have this").unwrap();
            trio.pass(200).await;
            let (away, new) = (trio.others(first)[0], trio.others(first)[1]);
            trio.isolate(away, true);
            for number in 0..50 {
                trio.propose(first, &format!("{number}")).unwrap();
                trio.pass(1).await;
            }
            trio.save(first);
            trio.pass(100).await;
            // Another voter loses its disk, leaves, and is filled with what was saved.
            trio.wipe(new);
            let (log, rest) = (trio.log(first), trio.alive().into_iter().filter(|node| *node != new).collect());
            trio.change_under_load(first, async move { log.change_voters(SHARD, rest).await }).await;
            trio.save(first);
            trio.admit(first, new).await;
            trio.node(first).replicated.transfer(SHARD, new).await.unwrap();
            let (leader, _) = trio.leader_other_than(first).await;
            assert_eq!(leader, new);
            trio.isolate(away, false);
            trio.propose(leader, "after").unwrap();
            trio.loses(leader, away).await;
            let (log, rest) = (trio.log(leader), trio.others(away).into_iter().collect());
            trio.change_under_load(leader, async move { log.change_voters(SHARD, rest).await }).await;
            trio.admit(leader, away).await;
            trio.end().await;
            assert!(trio.acknowledged() > 52);
        });
    }
}

#[test]
fn a_replica_without_a_vote_that_loses_its_disk_is_filled_by_the_leader_that_knew_it() {
    for seed in seeds() {
        run(async {
            let mut trio = Trio::found_by(seed, &[1, 2]).await;
            let leader = trio.leader().await;
            let load = |trio: &mut Trio| (0..20).for_each(|number| trio.propose(leader, &format!("{number}")).unwrap());
            load(&mut trio);
            trio.start(NodeId(3));
            let log = trio.log(leader);
            trio.change_under_load(leader, async move { log.add_learner(SHARD, NodeId(3)).await }).await;
            trio.pass(3_000).await;
            let term = trio.term(leader);
            assert!(trio.log(leader).is_in_sync(SHARD, NodeId(3)));
            trio.wipe(NodeId(3));
            load(&mut trio);
            trio.pass(1_000).await;
            trio.promote(leader, NodeId(3)).await;
            trio.end().await;
            assert_eq!(trio.term(leader), term, "nobody else had to lead for that");
            assert_eq!(trio.log(leader).replicas(SHARD).voters.len(), 3);
        });
    }
}
