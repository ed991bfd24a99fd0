//! Push bindings: who is told of records, when again, and what becomes of what nobody takes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omnibus_engine::SubmitError;
use omnibus_engine::push::schedule::RetrySchedule;
use omnibus_engine::push::{Push, PushPlan, Pusher, Pushing, Verdict};
use omnibus_model::command::{Bind, CreateExchange};
use omnibus_model::config::ConfigChange;
use omnibus_model::exchange::{
    Binding, BindingConfig, BindingId, BindingTarget, ExchangeConfig, ExchangeKey, ExchangeKind, SharedExchange,
};
use omnibus_model::queue::DeadLetterCause;
use omnibus_model::topic::Partition;
use omnibus_model::{ExchangeName, TopicName};
use support::{ManualClock, Node, acquire, queue_config};
use tokio::sync::mpsc;

/// A push as it came: to whom, what, and which attempt.
type Seen = (String, String, u32);

/// A pusher that answers as it is told.
#[derive(Debug)]
struct Post {
    plan: PushPlan,
    seen: mpsc::Sender<Seen>,
    /// What the answers are by URL; `Accepted` otherwise, and none at all for `hang`.
    answers: Mutex<BTreeMap<&'static str, Verdict>>,
}

impl Pusher for Post {
    fn plan(&self, _: &SharedExchange, binding: &Binding) -> Option<PushPlan> {
        let attributes = &binding.config.attributes;
        let dead_letters_to = attributes.get("dead").map(|name| TopicName::new(name).unwrap());
        (!attributes.contains_key("pending")).then(|| PushPlan { dead_letters_to, ..self.plan.clone() })
    }

    fn push(&self, push: Push) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
        let BindingTarget::Push { url } = &push.binding.target else { unreachable!("a push binding") };
        let body = String::from_utf8(push.message.body.to_vec()).unwrap();
        let answer = self.answers.lock().unwrap().get(url.as_str()).copied().unwrap_or(Verdict::Accepted);
        let (hangs, seen) = (url.starts_with("hang"), (url.clone(), body, push.attempt));
        let sender = self.seen.clone();
        Box::pin(async move {
            sender.send(seen).await.unwrap();
            if hangs {
                std::future::pending::<()>().await;
            }
            answer
        })
    }
}

/// A node with an exchange, and somebody who pushes.
struct Place {
    node: Node,
    clock: Arc<ManualClock>,
    post: Arc<Post>,
    pushing: Pushing,
    seen: mpsc::Receiver<Seen>,
}

const SECONDS: u64 = 1_000;

fn exchange() -> ExchangeKey {
    ExchangeKey { kind: ExchangeKind::Sns, name: ExchangeName::new("news").unwrap() }
}

impl Place {
    async fn start(plan: PushPlan) -> Self {
        let clock = Arc::new(ManualClock::default());
        let node = Node::by(clock.clone());
        node.engine
            .create_exchange(CreateExchange { key: exchange(), config: ExchangeConfig::default() })
            .await
            .unwrap();
        Self::on(node, clock, plan).await
    }

    async fn on(node: Node, clock: Arc<ManualClock>, plan: PushPlan) -> Self {
        let (sender, seen) = mpsc::channel(1_000);
        let post = Arc::new(Post { plan, seen: sender, answers: Mutex::default() });
        let pushing = Pushing::start(node.engine.clone(), post.clone()).await.unwrap();
        Self { node, clock, post, pushing, seen }
    }

    async fn bind(&self, url: &str, attributes: &[(&str, &str)]) -> BindingId {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (id, target) = (BindingId(self.node.engine.random()), BindingTarget::Push { url: url.to_owned() });
        let config = BindingConfig { attributes };
        let bind = Bind { exchange: exchange(), id, label: url.to_owned(), target, config };
        self.node.engine.bind(bind).await.unwrap();
        id
    }

    fn queue(&self, binding: BindingId) -> Partition {
        self.node.engine.queue(&binding.push_queue()).unwrap().partitions[0]
    }

    fn answer(&self, url: &'static str, verdict: Verdict) {
        self.post.answers.lock().unwrap().insert(url, verdict);
    }

    async fn expect(&mut self, url: &str, body: &str, attempt: u32) {
        assert_eq!(self.seen.recv().await.unwrap(), (url.to_owned(), body.to_owned(), attempt));
    }

    /// Lets time pass, and lets everybody see it.
    async fn pass(&self, millis: u64) {
        self.clock.advance(millis);
        self.node.settled().await;
    }

    /// Waits until all pushes of a binding that could begin have been settled.
    async fn wait_for_delayed(&self, queue: Partition, count: u64) {
        let counts = async || self.node.counts(queue).await;
        assert!(self.node.until(async || Some(counts().await?.delayed == count)).await);
    }
}

#[tokio::test]
async fn records_are_pushed_once_and_settled() {
    let mut place = Place::start(PushPlan::default()).await;
    let queue = place.queue(place.bind("a", &[]).await);
    place.node.send(queue, &["1", "2", "3"]).await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let (url, body, attempt) = place.seen.recv().await.unwrap();
        assert_eq!((url.as_str(), attempt), ("a", 1));
        bodies.push(body);
    }
    bodies.sort();
    assert_eq!(bodies, ["1", "2", "3"]);
    assert!(place.node.until(async || Some(place.node.counts(queue).await?.settled == 3)).await);
    let counters = place.node.engine.counters();
    assert_eq!((counters.pushes_begun.get(), counters.pushes_accepted.get()), (3, 3));
    place.pushing.stop().await;
    place.node.stop().await;
}

#[tokio::test]
async fn failed_push_comes_again_when_its_schedule_says_so_and_dies_in_the_end() {
    let schedule = RetrySchedule {
        immediate: 1,
        pre_backoff: 1,
        backoff: 2,
        post_backoff: 1,
        delay_min: Duration::from_secs(5),
        delay_max: Duration::from_secs(25),
        ..RetrySchedule::default()
    };
    let mut place = Place::start(PushPlan { schedule, ..PushPlan::default() }).await;
    let dead = place.node.queue("dead", queue_config()).await;
    let queue = place.queue(place.bind("a", &[("dead", "dead")]).await);
    place.answer("a", Verdict::Failed);
    place.node.send(queue, &["x"]).await;
    place.expect("a", "x", 1).await;
    place.expect("a", "x", 2).await;
    for (attempt, delay) in [(3, 5), (4, 15), (5, 25), (6, 25)] {
        place.wait_for_delayed(queue, 1).await;
        place.pass(delay * SECONDS - 1).await;
        assert_eq!(place.node.counts(queue).await.unwrap().delayed, 1, "before attempt {attempt}");
        place.pass(1).await;
        place.expect("a", "x", attempt).await;
    }
    let letter = place.node.engine.receive(dead, acquire(dead, 1), Duration::from_secs(3_600)).await.unwrap();
    let letter = place.node.engine.received(&letter).await.unwrap().remove(0).deliveries.remove(0);
    let last = letter.message.history.unwrap().last;
    assert_eq!((last.cause, last.deliveries, &letter.message.body[..]), (DeadLetterCause::Exhausted, 6, &b"x"[..]));
    assert_eq!(place.node.engine.counters().pushes_failed.get(), 6);
    place.pushing.stop().await;
    place.node.stop().await;
}

#[tokio::test]
async fn refused_push_is_not_tried_again() {
    let mut place = Place::start(PushPlan::default()).await;
    let dead = place.node.queue("dead", queue_config()).await;
    let (kept, dropped) = (place.bind("a", &[("dead", "dead")]).await, place.bind("b", &[]).await);
    place.answer("a", Verdict::Refused);
    place.answer("b", Verdict::Refused);
    place.node.send(place.queue(kept), &["x"]).await;
    place.expect("a", "x", 1).await;
    let letter = place.node.engine.receive(dead, acquire(dead, 1), Duration::from_secs(3_600)).await.unwrap();
    let letter = place.node.engine.received(&letter).await.unwrap().remove(0).deliveries.remove(0);
    assert_eq!(letter.message.history.unwrap().last.cause, DeadLetterCause::Rejected);
    place.node.send(place.queue(dropped), &["y"]).await;
    place.expect("b", "y", 1).await;
    let queue = place.queue(dropped);
    assert!(place.node.until(async || Some(place.node.counts(queue).await?.dropped == 1)).await);
    place.pushing.stop().await;
    place.node.stop().await;
}

#[tokio::test]
async fn restart_goes_on_with_the_attempt_that_comes_next() {
    let mut place = Place::start(PushPlan::default()).await;
    let (failing, hanging) = (place.bind("a", &[]).await, place.bind("hang", &[]).await);
    place.answer("a", Verdict::Failed);
    let queue = place.queue(failing);
    place.node.send(queue, &["x"]).await;
    place.expect("a", "x", 1).await;
    place.wait_for_delayed(queue, 1).await;
    // Another is cut short while it is pushed.
    place.node.send(place.queue(hanging), &["y"]).await;
    place.expect("hang", "y", 1).await;
    place.pushing.stop().await;
    let node = place.node.restarted_after_a_power_cut();
    let mut place = Place::on(node, place.clock, PushPlan::default()).await;
    place.expect("hang", "y", 2).await;
    place.pass(20 * SECONDS).await;
    place.expect("a", "x", 2).await;
    place.pushing.stop().await;
    place.node.stop().await;
}

#[tokio::test]
async fn who_never_answers_holds_up_nobody_else() {
    let mut place = Place::start(PushPlan::default()).await;
    // More than can have their turn at a time; those who do not answer go on among their like.
    let count = 300;
    for number in 0..count {
        let binding = place.bind(&format!("hang {number}"), &[]).await;
        place.node.send(place.queue(binding), &["x"; 3]).await;
    }
    for _ in 0..count {
        let (url, ..) = place.seen.recv().await.unwrap();
        assert!(url.starts_with("hang"));
    }
    let quick = place.bind("a", &[]).await;
    place.node.send(place.queue(quick), &["y"]).await;
    place.expect("a", "y", 1).await;
    place.pushing.stop().await;
    place.node.stop().await;
}

#[tokio::test]
async fn rate_lets_one_begin_after_the_other() {
    let mut place = Place::start(PushPlan { rate_max: Some(10), ..PushPlan::default() }).await;
    let queue = place.queue(place.bind("a", &[]).await);
    place.node.send(queue, &["1", "2"]).await;
    place.expect("a", "1", 1).await;
    assert!(place.node.until(async || Some(place.node.counts(queue).await?.settled == 1)).await);
    // As long as the clock stands nothing more begins.
    place.pass(99).await;
    assert_eq!((place.node.counts(queue).await.unwrap().ready, place.seen.try_recv().ok()), (1, None));
    place.pass(1).await;
    place.expect("a", "2", 1).await;
    place.pushing.stop().await;
    place.node.stop().await;
}

#[tokio::test]
async fn binding_waits_until_it_has_a_plan_and_its_queue_goes_with_it() {
    let mut place = Place::start(PushPlan::default()).await;
    let binding = place.bind("a", &[("pending", "")]).await;
    place.node.send(place.queue(binding), &["x"]).await;
    let engine = place.node.engine.clone();
    let before = engine.catalog().exchange(&exchange()).unwrap().bindings[&binding].config.clone();
    let change = ConfigChange { before, after: BindingConfig::default() };
    engine.alter_binding(exchange(), binding, change).await.unwrap();
    place.expect("a", "x", 1).await;
    engine.unbind(exchange(), binding).await.unwrap();
    let is_gone = async || Some(engine.queue(&binding.push_queue()).is_err());
    assert!(place.node.until(is_gone).await);
    place.pushing.stop().await;
    place.node.stop().await;
}

#[tokio::test]
async fn queue_without_a_binding_is_deleted_at_the_start() {
    let place = Place::start(PushPlan::default()).await;
    place.pushing.stop().await;
    let engine = place.node.engine.clone();
    // As a crash between the two leaves it.
    let (kept, orphan) = (BindingId(1), BindingId(2));
    place.node.queue(orphan.push_queue().as_str(), queue_config()).await;
    let target = BindingTarget::Push { url: "a".to_owned() };
    let bind = Bind { exchange: exchange(), id: kept, label: "a".to_owned(), target, config: BindingConfig::default() };
    engine.bind(bind.clone()).await.unwrap();
    let place = Place::on(place.node, place.clock, PushPlan::default()).await;
    assert!(engine.queue(&orphan.push_queue()).is_err());
    assert!(engine.queue(&kept.push_queue()).is_ok());
    // A binding that is refused leaves no queue.
    let again = engine.bind(Bind { id: BindingId(3), ..bind }).await;
    assert!(matches!(again, Err(SubmitError::Refused(_))), "{again:?}");
    assert!(engine.queue(&BindingId(3).push_queue()).is_err());
    place.pushing.stop().await;
    place.node.stop().await;
}
