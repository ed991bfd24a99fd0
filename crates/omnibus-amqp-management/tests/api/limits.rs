//! How much virtual hosts and users may have.

use omnibus_amqp::wire::{Method, ShortText, Table};
use serde_json::json;

use crate::support::{Broker, Client};

/// A user who may do everything in `/`.
async fn ada(broker: &Broker, tags: &str) {
    broker.done("PUT", "users/ada", json!({"password": "pw", "tags": tags})).await;
    let everything = json!({"configure": ".*", "write": ".*", "read": ".*"});
    broker.done("PUT", "permissions/%2F/ada", everything).await;
}

fn open_channel() -> Method {
    Method::ChannelOpen { reserved: ShortText::default() }
}

fn declare(queue: &str) -> Method {
    Method::QueueDeclare {
        reserved: 0,
        queue: queue.into(),
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments: Table::default(),
    }
}

#[track_caller]
fn assert_closed(method: &Method, wanted: (u16, &str)) {
    let (Method::ConnectionClose { code, text, .. } | Method::ChannelClose { code, text, .. }) = method else {
        panic!("{method:?}");
    };
    assert_eq!((*code, &*text.lossy()), wanted);
}

#[tokio::test]
async fn limits_are_told_as_they_were_said() {
    let broker = Broker::open().await;
    ada(&broker, "management").await;
    for path in ["vhost-limits", "vhost-limits/%2F", "user-limits", "user-limits/ada", "parameters"] {
        assert_eq!(broker.get(path).await, json!([]), "{path}");
    }
    assert_eq!(broker.done("PUT", "vhost-limits/%2F/max-queues", json!({"value": 7})).await, 204);
    assert_eq!(broker.done("PUT", "vhost-limits/%2F/max-connections", json!({"value": -1})).await, 204);
    let of_host = json!([{"vhost": "/", "value": {"max-connections": -1, "max-queues": 7}}]);
    assert_eq!((broker.get("vhost-limits").await, broker.get("vhost-limits/%2F").await), (of_host.clone(), of_host));
    assert_eq!(broker.done("PUT", "user-limits/ada/max-channels", json!({"value": 9})).await, 204);
    let of_user = json!([{"user": "ada", "value": {"max-channels": 9}}]);
    assert_eq!((broker.get("user-limits").await, broker.get("user-limits/ada").await), (of_user.clone(), of_user));
    assert_eq!(broker.get("users/ada").await["limits"], json!({"max-channels": 9}));
    // A password does not end them, and neither does a description.
    broker.done("PUT", "users/ada", json!({"password": "pw", "tags": "management"})).await;
    broker.done("PUT", "vhosts/%2F", json!({"description": "ours"})).await;
    assert_eq!(broker.get("users/ada").await["limits"], json!({"max-channels": 9}));
    let login = "ada:pw";
    for (method, path, status) in [
        ("GET", "vhost-limits/%2F", 200),
        ("GET", "user-limits/ada", 200),
        ("GET", "user-limits/guest", 401),
        ("DELETE", "user-limits/ada/max-channels", 401),
        ("DELETE", "vhost-limits/%2F/max-queues", 401),
        ("DELETE", "parameters/vhost-limits/%2F/limits", 401),
    ] {
        assert_eq!(broker.ask_as(login, (method, path), None).await.status, status, "{method} {path}");
    }
    for path in ["vhost-limits/%2F/max-queues", "vhost-limits/%2F/max-queues", "vhost-limits/%2F/max-nope"] {
        assert_eq!(broker.done("DELETE", path, json!({})).await, 204, "{path}");
    }
    assert_eq!(broker.get("vhost-limits").await[0]["value"], json!({"max-connections": -1}));
    assert_eq!(broker.done("DELETE", "user-limits/ada/max-channels", json!({})).await, 204);
    assert_eq!(broker.get("user-limits").await, json!([]));
}

#[tokio::test]
async fn what_cannot_be_a_limit_is_refused() {
    let broker = Broker::open().await;
    let unknown = "Unrecognised terms [{<<\"max-nope\">>,1}] in";
    for (path, body, status, reason) in [
        ("vhost-limits/nope/max-queues", json!({"value": 1}), 404, "vhost_not_found".to_owned()),
        ("vhost-limits/%2F/max-nope", json!({"value": 1}), 400, format!("Validation failed\n\n{unknown} limits\n")),
        ("vhost-limits/%2F/max-queues", json!({}), 400, "[{key_missing,value}]".to_owned()),
        (
            "vhost-limits/%2F/max-queues",
            json!({"value": "x"}),
            400,
            "Validation failed\n\nmax-queues should be a number, actually was <<\"x\">>\n".to_owned(),
        ),
        ("user-limits/guest/max-nope", json!({"value": 1}), 400, format!("{unknown} user-limits")),
        (
            "parameters/shovel/%2F/s",
            json!({"value": {}}),
            400,
            "Validation failed\n\ncomponent shovel not found\n".into(),
        ),
        (
            "global-parameters/x",
            json!({"value": 1}),
            400,
            "the global parameter x is not supported: nothing would come of it".into(),
        ),
    ] {
        assert_eq!(broker.status("PUT", path, body.clone()).await, (status, reason), "{path} {body}");
    }
    let nobody = broker.ask("PUT", "user-limits/nobody/max-channels", Some(json!({"value": 1}))).await;
    assert_eq!((nobody.status, &nobody.body["reason"]), (400, &json!(["no_such_user", "nobody"])));
    for path in ["user-limits/nobody", "vhost-limits/nope", "parameters/shovel/%2F/s", "parameters/shovel/nope"] {
        assert_eq!(broker.status("GET", path, json!({})).await.0, 404, "{path}");
    }
    assert_eq!(broker.get("parameters/shovel").await, json!([]));
}

#[tokio::test]
async fn virtual_host_has_no_more_queues_than_it_may() {
    let broker = Broker::open().await;
    broker.done("PUT", "vhosts/staging", json!({})).await;
    broker.done("PUT", "vhost-limits/staging/max-queues", json!({"value": 1})).await;
    assert_eq!(broker.done("PUT", "queues/staging/a", json!({"durable": true})).await, 201);
    let reached = "cannot declare queue 'b': queue limit in vhost 'staging' (1) is reached";
    assert_eq!(broker.status("PUT", "queues/staging/b", json!({})).await, (400, reached.to_owned()));
    let mut client = Client::connect_to(&broker, "staging").await;
    client.open_channel(1).await;
    // What is there is found.
    assert!(matches!(client.ask(1, declare("a")).await, Method::QueueDeclareOk { .. }));
    assert_closed(&client.ask(1, declare("b")).await, (406, &format!("PRECONDITION_FAILED - {reached}")));
    // Other hosts have their own, and one that goes makes room.
    assert_eq!(broker.done("PUT", "queues/%2F/b", json!({})).await, 201);
    broker.done("DELETE", "queues/staging/a", json!({})).await;
    assert_eq!(broker.done("PUT", "queues/staging/b", json!({})).await, 201);
    broker.done("PUT", "vhost-limits/staging/max-queues", json!({"value": -1})).await;
    assert_eq!(broker.done("PUT", "queues/staging/c", json!({})).await, 201);
}

#[tokio::test]
async fn there_are_no_more_connections_than_there_may_be() {
    let broker = Broker::open().await;
    ada(&broker, "").await;
    broker.done("PUT", "vhosts/staging", json!({})).await;
    broker.done("PUT", "vhost-limits/%2F/max-connections", json!({"value": 1})).await;
    let mut first = Client::connect(&broker).await;
    let reached = "NOT_ALLOWED - access to vhost '/' refused for user 'ada': connection limit (1) is reached";
    assert_closed(&Client::log_in(&broker, "ada:pw", "/").await.1, (530, reached));
    drop(Client::connect_to(&broker, "staging").await);
    let close = Method::ConnectionClose { code: 200, text: ShortText::default(), class: 0, method: 0 };
    assert!(matches!(first.ask(0, close).await, Method::ConnectionCloseOk {}));
    // Its place is left as soon as the server has told it.
    let second = loop {
        let (client, opened) = Client::log_in(&broker, "ada:pw", "/").await;
        if matches!(opened, Method::ConnectionOpenOk { .. }) {
            break client;
        }
    };
    broker.done("PUT", "vhost-limits/%2F/max-connections", json!({"value": -1})).await;
    broker.done("PUT", "user-limits/ada/max-connections", json!({"value": 1})).await;
    let reached = "NOT_ALLOWED - connection refused for user 'ada': user connection limit (1) is reached";
    assert_closed(&Client::log_in(&broker, "ada:pw", "/").await.1, (530, reached));
    let _others = Client::connect(&broker).await;
    drop(second);
}

#[tokio::test]
async fn user_has_no_more_channels_than_he_may() {
    let broker = Broker::open().await;
    ada(&broker, "").await;
    broker.done("PUT", "user-limits/ada/max-channels", json!({"value": 2})).await;
    let (mut one, _) = Client::log_in(&broker, "ada:pw", "/").await;
    let (mut other, _) = Client::log_in(&broker, "ada:pw", "/").await;
    one.open_channel(1).await;
    other.open_channel(1).await;
    // One that is closed leaves room for another.
    let close = Method::ChannelClose { code: 200, text: ShortText::default(), class: 0, method: 0 };
    assert!(matches!(other.ask(1, close).await, Method::ChannelCloseOk {}));
    other.open_channel(2).await;
    let reached =
        "NOT_ALLOWED - number of channels opened for user 'ada' has reached the maximum allowed user limit of (2)";
    assert_closed(&one.ask(2, open_channel()).await, (530, reached));
    Client::connect(&broker).await.open_channel(1).await;
}

#[tokio::test]
async fn definitions_carry_limits() {
    let (one, other) = (Broker::open().await, Broker::open().await);
    ada(&one, "administrator").await;
    one.done("PUT", "vhosts/staging", json!({})).await;
    let limits = json!({"value": {"max-queues": 3}});
    assert_eq!(one.done("PUT", "parameters/vhost-limits/staging/limits", limits.clone()).await, 201);
    one.done("PUT", "user-limits/ada/max-connections", json!({"value": 5})).await;
    let exported = one.get("definitions").await;
    let parameter =
        json!({"component": "vhost-limits", "name": "limits", "vhost": "staging", "value": {"max-queues": 3}});
    assert_eq!(exported["parameters"], json!([parameter]));
    assert_eq!(exported["users"][0]["limits"], json!({"max-connections": 5}));
    assert_eq!(other.done("POST", "definitions", exported.clone()).await, 204);
    assert_eq!(other.get("definitions").await, exported);
    assert_eq!(other.get("parameters/vhost-limits/staging/limits").await, parameter);
    let of_host = one.get("definitions/staging").await;
    other.done("PUT", "vhosts/third", json!({"limits": {"max-connections": 2}})).await;
    assert_eq!(other.done("POST", "definitions/third", of_host).await, 204);
    // All that a virtual host has is said at once.
    assert_eq!(other.get("vhost-limits/third").await[0]["value"], json!({"max-queues": 3}));
    assert_eq!(other.done("DELETE", "parameters/vhost-limits/third/limits", json!({})).await, 204);
    assert_eq!(other.get("vhost-limits/third").await, json!([]));
}
