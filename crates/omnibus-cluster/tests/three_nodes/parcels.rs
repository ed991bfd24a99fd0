//! What front ends of different nodes hand each other.

use std::sync::Arc;

use bytes::Bytes;
use omnibus_engine::parcels::{Parcel, Recipients};
use omnibus_io::fault::FaultDisk;
use omnibus_model::NodeId;
use tokio::sync::mpsc;

use crate::{close_all, members, open_all};

/// Only who has number 7 waits.
#[derive(Debug)]
struct Hall(mpsc::Sender<Parcel>);

impl Recipients for Hall {
    fn awaits(&self, to: u128) -> bool {
        to == 7
    }

    fn take(&self, parcel: Parcel) -> bool {
        parcel.to == 7 && self.0.try_send(parcel).is_ok()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parcels_arrive_in_order_as_long_as_the_way_is_there() {
    let disks: Vec<FaultDisk> = (41..=42).map(FaultDisk::new).collect();
    let founders = members(&[41, 42]);
    let mut nodes = open_all(&[41, 42], &founders, &disks).await;
    for node in &nodes {
        node.cluster.led().await;
    }
    let (hall, mut taken) = mpsc::channel(1_000);
    nodes[1].engine.receive_parcels(Arc::new(Hall(hall)));
    let (from, to) = (nodes[0].engine.clone(), NodeId(42));
    assert!(from.awaits_parcels(to, 7).await && !from.awaits_parcels(to, 8).await);
    let parcel = |number: usize, to| Parcel { to, parts: vec![Bytes::from(number.to_string()), Bytes::new()] };
    for number in 0..1_000 {
        assert!(from.send_parcel(to, parcel(number, 7)).await && from.send_parcel(to, parcel(number, 8)).await);
    }
    for number in 0..1_000 {
        assert_eq!(taken.recv().await, Some(parcel(number, 7)));
    }
    // Nobody takes parcels at the first node, and there is no third.
    assert!(!nodes[1].engine.awaits_parcels(NodeId(41), 7).await);
    assert!(!from.send_parcel(NodeId(43), parcel(0, 7)).await && !from.awaits_parcels(NodeId(43), 7).await);
    close_all(vec![nodes.remove(1)]).await;
    while from.send_parcel(to, parcel(0, 7)).await {
        tokio::task::yield_now().await;
    }
    close_all(nodes).await;
}
