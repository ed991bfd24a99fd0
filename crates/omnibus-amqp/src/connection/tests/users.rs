use super::*;
use crate::administration::{Administration, Permissions, UserWish};
use crate::hosts::Host;

const LOGIN: &[u8] = b"\0ada\0pw";

impl Node {
    /// A user who may do with names what these patterns say.
    async fn with_user(tags: &str, configure: &str, (write, read): (&str, &str)) -> (Self, Administration) {
        let node = Self::new();
        let administration = Administration::new(Arc::clone(&node.door));
        let tags = tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        let wish = UserWish { name: "ada".into(), password: administration.hashed(b"pw"), tags, ..UserWish::default() };
        assert!(administration.put_user(wish).await.unwrap());
        let permissions = Permissions { configure: configure.into(), write: write.into(), read: read.into() };
        assert!(administration.permit("ada", &Host::default(), Some(permissions)).await.unwrap());
        (node, administration)
    }

    async fn ada(&self) -> Client {
        let mut client = self.socket(false);
        client.open("PLAIN", LOGIN, "/").await;
        client.channel(1).await;
        client
    }
}

fn exchange(name: &str, passive: bool, arguments: Table) -> Method {
    Method::ExchangeDeclare {
        reserved: 0,
        exchange: name.into(),
        kind: "direct".into(),
        passive,
        durable: true,
        auto_delete: false,
        internal: false,
        no_wait: false,
        arguments,
    }
}

fn bind_exchange(destination: &str, source: &str) -> Method {
    Method::ExchangeBind {
        reserved: 0,
        destination: destination.into(),
        source: source.into(),
        routing_key: ShortText::default(),
        no_wait: false,
        arguments: Table::default(),
    }
}

#[tokio::test]
async fn rights_are_asked_for_before_anything_is_looked_for() {
    let (node, _) = Node::with_user("", "^mine", ("^(mine|in)", "^(mine|out)")).await;
    let mut client = node.ada().await;
    assert_eq!(client.ask(exchange("mine", false, Table::default())).await, Method::ExchangeDeclareOk {});
    let alternate = |name| Table::from([("alternate-exchange", Value::text(name))]);
    assert_eq!(client.ask(exchange("mine.a", false, alternate("in"))).await, Method::ExchangeDeclareOk {});
    for (asked, right, what) in [
        (exchange("others", false, Table::default()), "configure", "exchange 'others'"),
        (exchange("others", true, Table::default()), "configure", "exchange 'others'"),
        (exchange("mine.b", false, alternate("others")), "write", "exchange 'others'"),
        (
            Method::ExchangeDelete { reserved: 0, exchange: "others".into(), if_unused: false, no_wait: false },
            "configure",
            "exchange 'others'",
        ),
        (bind_exchange("others", "out"), "write", "exchange 'others'"),
        (bind_exchange("in", "others"), "read", "exchange 'others'"),
        (consume("others", "t", true), "read", "queue 'others'"),
        (Method::BasicGet { reserved: 0, queue: "others".into(), no_ack: true }, "read", "queue 'others'"),
    ] {
        let text = format!("ACCESS_REFUSED - {right} access to {what} in vhost '/' refused for user 'ada'");
        assert_eq!(client.refused(asked.clone()).await, (403, text), "{asked:?}");
    }
    // Who may is told that it is not there.
    assert_eq!(client.refused(exchange("in", true, Table::default())).await.0, 404);
    assert_eq!(client.refused(bind_exchange("in", "out")).await.0, 404);
    assert_eq!(client.refused(consume("out", "t", true)).await.0, 404);
    client.publish("", "mine", &Properties::default(), b"x").await;
    let text = "ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'ada'";
    assert_eq!(client.closed().await, (403, text.to_owned()));
}

#[tokio::test]
async fn transaction_holds_nothing_that_may_not_be_written() {
    let (node, _) = Node::with_user("", ".*", ("^$", ".*")).await;
    let mut client = node.ada().await;
    client.declare("q").await;
    assert_eq!(client.ask(Method::TxSelect {}).await, Method::TxSelectOk {});
    client.publish("", "q", &Properties::default(), b"x").await;
    assert_eq!(client.closed().await.0, 403);
}

#[tokio::test]
async fn impersonator_publishes_in_the_name_of_others() {
    let others = Properties { user_id: Some("bob".into()), ..Properties::default() };
    for (tags, wanted) in [("", 0), ("impersonator", 1)] {
        let (node, _) = Node::with_user(tags, ".*", (".*", ".*")).await;
        let mut client = node.ada().await;
        client.declare("q").await;
        client.publish("", "q", &others, b"x").await;
        if wanted == 0 {
            assert_eq!(client.closed().await.0, 406);
        }
        assert_eq!(client.drain("q").await.len(), wanted, "{tags}");
    }
}

#[tokio::test]
async fn users_are_there_after_a_start() {
    let disk = FaultDisk::new(1);
    {
        let node = Node::on(disk.clone(), Settings::default());
        let administration = Administration::new(Arc::clone(&node.door));
        let wish = UserWish { name: "ada".into(), password: administration.hashed(b"pw"), ..UserWish::default() };
        administration.put_user(wish).await.unwrap();
        administration.permit("ada", &Host::default(), Some(Permissions::everything())).await.unwrap();
        assert!(administration.delete_user("guest").await.unwrap());
        assert!(!administration.delete_user("guest").await.unwrap());
        let Node { running, .. } = node;
        running.close().await;
    }
    let node = Node::on(disk, Settings::default());
    node.ada().await;
    let mut guest = node.socket(true);
    guest.log_in("PLAIN", b"\0guest\0guest").await;
    assert_eq!(guest.closed().await.0, 403);
}

#[tokio::test]
async fn guest_comes_from_this_machine_only() {
    let node = Node::new();
    let administration = Administration::new(Arc::clone(&node.door));
    let wish = UserWish { name: "guest".into(), password: administration.hashed(b"other"), ..UserWish::default() };
    assert!(!administration.put_user(wish).await.unwrap());
    node.socket(true).open("PLAIN", b"\0guest\0other", "/").await;
    for (is_local, response) in [(false, &b"\0guest\0other"[..]), (true, b"\0guest\0guest")] {
        let mut client = node.socket(is_local);
        client.log_in("PLAIN", response).await;
        assert_eq!(client.closed().await.0, 403);
    }
}
