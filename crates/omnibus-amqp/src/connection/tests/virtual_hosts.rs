use super::*;
use crate::administration::{Administration, HostNature, HostWish, Limited, LimitsWish, QueueWish};
use crate::hosts::{Host, plain};

async fn node() -> Node {
    let node = Node::new();
    assert!(node.door.create_host(&Host::new("staging")).await.unwrap());
    assert!(!node.door.create_host(&Host::new("staging")).await.unwrap());
    node
}

impl Node {
    fn administration(&self) -> Administration {
        Administration::new(Arc::clone(&self.door))
    }
}

fn bind(queue: &str, exchange: &str, key: &str) -> Method {
    Method::QueueBind {
        reserved: 0,
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: key.into(),
        no_wait: false,
        arguments: Table::default(),
    }
}

fn exchange(name: &str, arguments: Table) -> Method {
    Method::ExchangeDeclare {
        reserved: 0,
        exchange: name.into(),
        kind: "direct".into(),
        passive: false,
        durable: true,
        auto_delete: false,
        internal: false,
        no_wait: false,
        arguments,
    }
}

fn bodies(drained: &[(String, bool)]) -> Vec<&str> {
    drained.iter().map(|(body, _)| body.as_str()).collect()
}

#[tokio::test]
async fn hosts_have_names_of_their_own() {
    let node = node().await;
    let (mut first, mut other) = (node.connect().await, node.connect_to("staging").await);
    for (client, body) in [(&mut first, b"of /"), (&mut other, b"of s")] {
        let ok = Method::QueueDeclareOk { queue: "q".into(), message_count: 0, consumer_count: 0 };
        assert_eq!(client.declare("q").await, ok);
        assert_eq!(client.ask(exchange("x", Table::default())).await, Method::ExchangeDeclareOk {});
        assert_eq!(client.ask(bind("q", "x", "k")).await, Method::QueueBindOk {});
        assert_eq!(client.ask(bind("q", "amq.direct", "k")).await, Method::QueueBindOk {});
        for (exchange, key) in [("", "q"), ("x", "k"), ("amq.direct", "k")] {
            client.publish(exchange, key, &Properties::default(), body).await;
        }
    }
    assert_eq!(bodies(&first.drain("q").await), ["of /"; 3]);
    let got = other.get("q", true).await.unwrap();
    assert!(matches!(got.method, Method::BasicGetOk { routing_key, .. } if routing_key == "q".into()));
    assert_eq!(bodies(&other.drain("q").await), ["of s"; 2]);
    assert!(node.door.engine.catalog().topic("/staging/q").is_some());
    let passive = Declare { queue: "other", passive: true, ..DECLARE }.method();
    let refused = other.refused(passive).await;
    assert_eq!(refused, (404, "NOT_FOUND - no queue 'other' in vhost 'staging'".to_owned()));
    let Method::QueueDeclareOk { queue, .. } = other.declare("").await else { panic!("not declared") };
    assert!(queue.lossy().starts_with("amq.gen-"));
}

#[tokio::test]
async fn dead_letters_and_what_nobody_wants_stay_in_their_host() {
    let node = node().await;
    let mut client = node.connect_to("staging").await;
    client.declare("dead").await;
    client.ask(bind("dead", "amq.direct", "unwanted")).await;
    let alternate = Table::from([("alternate-exchange", Value::text("amq.direct"))]);
    assert_eq!(client.ask(exchange("x", alternate)).await, Method::ExchangeDeclareOk {});
    client.publish("x", "unwanted", &Properties::default(), b"unwanted").await;
    assert_eq!(bodies(&client.drain("dead").await), ["unwanted"]);
    let letters =
        Table::from([("x-dead-letter-exchange", Value::text("")), ("x-dead-letter-routing-key", Value::text("dead"))]);
    client.ask(Declare { queue: "q", ..DECLARE }.with(letters)).await;
    client.publish("", "q", &Properties::default(), b"x").await;
    let got = client.get("q", false).await.unwrap();
    let Method::BasicGetOk { delivery_tag, .. } = got.method else { panic!("{got:?}") };
    client.say(1, Method::BasicReject { delivery_tag, requeue: false }).await;
    let dead = loop {
        match client.get("dead", true).await {
            Some(dead) => break dead,
            None => tokio::task::yield_now().await,
        }
    };
    let headers = dead.properties.headers.unwrap();
    assert_eq!(headers.get("x-first-death-queue"), Some(&Value::text("q")));
}

#[tokio::test]
async fn host_goes_with_all_that_is_in_it() {
    let node = node().await;
    let (mut first, mut client) = (node.connect().await, node.connect_to("staging").await);
    first.declare("q").await;
    client.declare("q").await;
    client.ask(exchange("x", Table::default())).await;
    client.ask(bind("q", "amq.direct", "k")).await;
    assert_eq!(node.door.virtual_hosts(), ["/", "staging"]);
    assert!(node.administration().delete_host("staging").await.unwrap());
    assert!(!node.administration().delete_host("staging").await.unwrap());
    assert!(node.administration().delete_host("/").await.is_err());
    assert_eq!(node.door.virtual_hosts(), ["/"]);
    client.say(1, declare("q")).await;
    assert_eq!(client.closed().await, (320, "CONNECTION_FORCED - vhost 'staging' is deleted".to_owned()));
    assert!(node.door.engine.catalog().topic("/staging/q").is_none());
    assert!(node.door.engine.catalog().topic("q").is_some());
}

#[tokio::test]
async fn queue_is_what_its_host_says_if_nobody_else_does() {
    let node = node().await;
    let wish = HostWish { default_queue_type: Some("quorum".into()), ..HostWish::default() };
    assert!(!node.administration().put_host("staging", &wish).await.unwrap());
    let mut client = node.connect_to("staging").await;
    client.declare("by-default").await;
    // Who asks again the same way finds it.
    client.declare("by-default").await;
    let classic = Table::from([("x-queue-type", Value::text("classic"))]);
    client.ask(Declare { queue: "chosen", ..DECLARE }.with(classic)).await;
    client.ask(Declare { queue: "mine", exclusive: true, ..DECLARE }.method()).await;
    client.ask(Declare { queue: "passing", durable: false, ..DECLARE }.method()).await;
    let kinds: Vec<(String, String)> = node
        .administration()
        .queues()
        .iter()
        .map(|queue| (plain(queue.name.as_str()).to_owned(), queue.kind().to_owned()))
        .collect();
    let kinds: Vec<(&str, &str)> = kinds.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    let wanted = [("by-default", "quorum"), ("chosen", "classic"), ("mine", "classic"), ("passing", "classic")];
    assert_eq!(kinds, wanted);
    let refused = client.refused(declare("")).await;
    assert_eq!(refused.0, 406, "{refused:?}");
}

#[tokio::test]
async fn queues_that_are_declared_at_once_are_no_more_than_there_may_be() {
    let node = node().await;
    let administration = node.administration();
    let limits = LimitsWish::from([(Limited::Queues, Some(3))]);
    administration.limit_host(&Host::new("staging"), limits).await.unwrap();
    let declare = |number: usize| {
        // Each of them twice.
        let name = format!("/staging/{}", number / 2);
        let wish = QueueWish { name, is_durable: true, is_auto_delete: false, arguments: Table::default() };
        administration.declare_queue(wish)
    };
    let declared = futures_util::future::join_all((0..20).map(declare)).await;
    assert_eq!(declared.iter().filter(|declared| declared.is_ok()).count(), 6, "{declared:?}");
    assert_eq!(administration.queues().len(), 3);
}

#[tokio::test]
async fn host_that_is_gone_does_not_come_back_with_a_limit() {
    let node = node().await;
    let limit = async |name: &str| {
        let limits = LimitsWish::from([(Limited::Queues, Some(3))]);
        node.administration().limit_host(&Host::new(name), limits).await
    };
    limit("/").await.unwrap();
    limit("staging").await.unwrap();
    assert!(node.administration().delete_host("staging").await.unwrap());
    assert!(limit("staging").await.is_err());
    assert_eq!(node.door.virtual_hosts(), ["/"]);
    let HostNature { limits, .. } = node.door.host_nature(&Host::default());
    assert_eq!(limits.0, [(Limited::Queues, 3)].into());
}
