//! An idempotent producer with several batches under way, over a change of leader.

use omnibus_engine::SubmitError;
use omnibus_model::outcome::Appended;
use omnibus_model::{NodeId, Offset, Outcome, Refusal};

use crate::trio::{DATA, NODES, Submitted, Trio};

const ONE: NodeId = NODES[0];
const TWO: NodeId = NODES[1];

/// Three nodes of which the first leads and has so many records of the producer.
fn with_records(count: u32) -> Trio {
    let mut trio = Trio::start();
    trio.lead(ONE);
    let written: Vec<_> = (0..count).map(|sequence| trio.append(ONE, sequence)).collect();
    trio.settle();
    written.into_iter().for_each(|answer| assert!(!appended(answer).duplicate));
    trio
}

fn appended(mut answer: Submitted) -> Appended {
    match answer.try_recv().unwrap().unwrap() {
        Outcome::Appended(appended) => appended,
        other => panic!("an append ended in {other:?}"),
    }
}

fn refused(mut answer: Submitted) -> SubmitError {
    answer.try_recv().unwrap().unwrap_err()
}

fn is_to_be_sent_again(answer: Submitted) -> bool {
    matches!(refused(answer), SubmitError::NotLeader { .. })
}

/// The batches from `first` on are sent again, in order, and each gets its place.
fn goes_on(trio: &mut Trio, first: u32) {
    let again: Vec<_> = (first..first + 3).map(|sequence| trio.append(TWO, sequence)).collect();
    trio.settle();
    for (sequence, answer) in (first..).zip(again) {
        assert_eq!(appended(answer).base, Offset(sequence.into()));
    }
    trio.check_alike();
}

#[test]
fn what_came_behind_a_refused_batch_is_no_gap() {
    let mut trio = with_records(2);
    let early = trio.append(TWO, 2);
    trio.lead(TWO);
    let behind = trio.append(TWO, 3);
    assert!(is_to_be_sent_again(early) && is_to_be_sent_again(behind));
    goes_on(&mut trio, 2);
}

#[test]
fn what_came_behind_a_refused_first_batch_is_no_beginning() {
    let mut trio = with_records(0);
    let early = trio.append(TWO, 0);
    trio.lead(TWO);
    let behind = trio.append(TWO, 1);
    assert!(is_to_be_sent_again(early) && is_to_be_sent_again(behind));
    goes_on(&mut trio, 0);
}

#[test]
fn what_came_behind_a_lost_batch_is_no_gap() {
    let mut trio = with_records(2);
    trio.lead(TWO);
    let in_flight = trio.append(TWO, 2);
    trio.keep_to_itself(TWO);
    let open = trio.append(TWO, 3);
    trio.cluster.elect(DATA, ONE);
    trio.settle();
    trio.lead(TWO);
    let behind = trio.append(TWO, 4);
    assert!([in_flight, open, behind].into_iter().all(is_to_be_sent_again));
    goes_on(&mut trio, 2);
}

#[test]
fn what_another_leader_has_taken_is_not_asked_for() {
    let mut trio = with_records(1);
    assert!(is_to_be_sent_again(trio.append(TWO, 1)));
    let elsewhere: Vec<_> = (1..4).map(|sequence| trio.append(ONE, sequence)).collect();
    trio.settle();
    elsewhere.into_iter().for_each(|answer| assert!(!appended(answer).duplicate));
    trio.lead(TWO);
    goes_on(&mut trio, 4);
}

#[test]
fn a_gap_of_the_producers_own_making_is_told() {
    let mut trio = with_records(2);
    trio.lead(TWO);
    let gap = trio.append(TWO, 3);
    assert!(matches!(refused(gap), SubmitError::Refused(Refusal::SequenceOutOfOrder { .. })));
    goes_on(&mut trio, 2);
}
