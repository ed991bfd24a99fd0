//! Three whole engines, each of which would push: only the one that leads a binding's queue does.

use std::pin::Pin;
use std::sync::Arc;

use omnibus_engine::Engine;
use omnibus_engine::push::{Push, PushPlan, Pusher, Pushing, Verdict};
use omnibus_model::command::{Bind, CreateExchange};
use omnibus_model::exchange::{
    Binding, BindingConfig, BindingId, BindingTarget, ExchangeConfig, ExchangeKey, ExchangeKind, SharedExchange,
};
use omnibus_model::queue::Envelope;
use omnibus_model::topic::Partition;
use omnibus_model::{ExchangeName, NodeId};
use omnibus_replication::model::ModelCluster;
use tokio::sync::mpsc;

use crate::engines::{lead, open, pump};
use crate::forwarding::Nearby;
use crate::node::SHARDS;
use crate::trio::{NODES, message};

/// Notes who pushes what.
#[derive(Debug)]
struct Post {
    node: NodeId,
    seen: mpsc::Sender<(NodeId, String)>,
}

impl Pusher for Post {
    fn plan(&self, _: &SharedExchange, _: &Binding) -> Option<PushPlan> {
        Some(PushPlan::default())
    }

    fn push(&self, push: Push) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
        let (node, seen) = (self.node, self.seen.clone());
        let body = String::from_utf8(push.message.body.to_vec()).unwrap();
        Box::pin(async move {
            seen.send((node, body)).await.unwrap();
            Verdict::Accepted
        })
    }
}

/// Makes a push binding by asking one node; returns its queue.
async fn bind(engine: &Engine) -> Partition {
    let key = ExchangeKey { kind: ExchangeKind::Sns, name: ExchangeName::new("news").unwrap() };
    engine.create_exchange(CreateExchange { key: key.clone(), config: ExchangeConfig::default() }).await.unwrap();
    let (id, target) = (BindingId(1), BindingTarget::Push { url: "a".to_owned() });
    let bind = Bind { exchange: key, id, label: "a".to_owned(), target, config: BindingConfig::default() };
    engine.bind(bind).await.unwrap();
    engine.queue(&id.push_queue()).unwrap().partitions[0]
}

/// Waits until nothing of a queue is under way.
async fn all_settled(engine: &Engine, queue: Partition, count: u64) {
    while engine.queue_view(queue).await.unwrap().unwrap().counts.settled < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_leads_the_queue_pushes_and_nobody_else() {
    let cluster = ModelCluster::new(NODES.len(), SHARDS);
    let (engines, running): (Vec<_>, Vec<_>) = NODES.into_iter().map(|node| open(&cluster, node)).unzip();
    Nearby::connect(&engines);
    let (sender, mut seen) = mpsc::channel(100);
    let mut pushings = Vec::new();
    for (engine, node) in engines.iter().zip(NODES) {
        let post = Arc::new(Post { node, seen: sender.clone() });
        // Nobody leads anything yet.
        pushings.push(Pushing::start(engine.clone(), post).await.unwrap());
    }
    let pumping = tokio::spawn(pump(cluster.clone()));
    lead(&cluster, &engines, NODES[0]).await;
    let queue = bind(&engines[2]).await;
    let mut count = 0;
    for leader in [NODES[0], NODES[1], NODES[2], NODES[0]] {
        lead(&cluster, &engines, leader).await;
        for number in 0..3 {
            count += 1;
            let body = format!("message {number} for {leader}");
            let sent = vec![(message(&body, Envelope::default()), None)];
            engines[1].enqueue(queue, sent).await.unwrap()[0].clone().unwrap();
            assert_eq!(seen.recv().await.unwrap(), (leader, body));
        }
        all_settled(&engines[0], queue, count).await;
    }
    assert!(seen.try_recv().is_err(), "nothing was pushed twice");
    for pushing in pushings {
        pushing.stop().await;
    }
    for running in running {
        running.close().await;
    }
    pumping.abort();
}
