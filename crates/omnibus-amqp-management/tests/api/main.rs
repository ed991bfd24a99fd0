//! The API over real HTTP, on an engine on a disk in memory, with an AMQP client beside it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod hosts;
mod limits;
mod metrics;
mod users;
mod support;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use omnibus_amqp::wire::{Method, ShortText, Table, Value as Field};
use omnibus_amqp::{Credential, Settings};
use serde_json::{Value, json};

use support::{Broker, Client};

#[tokio::test]
async fn nobody_passes_without_a_password() {
    let broker = Broker::open().await;
    for path in ["whoami", "queues", "nothing"] {
        let none = broker.raw("GET", path, "", None).await;
        assert_eq!(none.status, 401, "{path}");
        assert!(none.head.contains("www-authenticate: Basic realm"), "{none:?}");
        let wrong = format!("authorization: Basic {}\r\n", BASE64_STANDARD.encode("guest:wrong"));
        let refused = broker.raw("GET", path, &wrong, None).await;
        assert_eq!((refused.status, &refused.body["error"]), (401, &json!("not_authorized")));
    }
    assert_eq!(broker.get("whoami").await, json!({"name": "guest", "tags": ["administrator"]}));
    let credentials = vec![Credential { user: "ada".into(), password: "se:cret".into() }];
    let closed = Broker::with(Settings { credentials, ..Settings::default() }, "ada:se:cret").await;
    assert_eq!(closed.get("whoami").await["name"], "ada");
    assert_eq!(closed.get("users").await[0]["name"], "ada");
    let guest = format!("authorization: Basic {}\r\n", BASE64_STANDARD.encode("guest:guest"));
    assert_eq!(closed.raw("GET", "whoami", &guest, None).await.status, 401);
}

#[tokio::test]
async fn what_is_not_there_is_told_as_rabbitmq_does() {
    let broker = Broker::open().await;
    for path in ["nothing", "queues/%2F/none", "exchanges/%2F/none", "connections/none", "channels/none", "nodes/none"]
    {
        let answered = broker.ask("GET", path, None).await;
        assert_eq!((answered.status, &answered.body["error"]), (404, &json!("Object Not Found")), "{path}");
    }
    let host = broker.status("PUT", "queues/other/q", json!({})).await;
    assert_eq!(host, (404, "vhost_not_found".to_owned()));
    assert_eq!(broker.status("PATCH", "overview", json!({})).await.0, 405);
}

#[tokio::test]
async fn queues_are_declared_looked_at_and_deleted() {
    let broker = Broker::open().await;
    let wish = json!({"durable": true, "arguments": {"x-max-length": 10, "x-dead-letter-exchange": "dlx"}});
    assert_eq!(broker.done("PUT", "queues/%2F/q", wish.clone()).await, 201);
    assert_eq!(broker.done("PUT", "queues/%2F/q", wish.clone()).await, 204);
    let differs = broker.status("PUT", "queues/%2F/q", json!({"durable": true})).await;
    assert_eq!(differs.0, 400);
    assert!(
        differs.1.starts_with("inequivalent arg 'x-dead-letter-exchange' for queue 'q' in vhost '/'"),
        "{}",
        differs.1
    );
    for wrong in [json!({"durable": "maybe"}), json!({"arguments": {"x-max-length": "a"}}), json!({"arguments": 1})] {
        assert_eq!(broker.status("PUT", "queues/%2F/wrong", wrong.clone()).await.0, 400, "{wrong}");
    }
    assert_eq!(broker.done("PUT", "queues/%2F/text", json!({"durable": "true", "auto_delete": "false"})).await, 201);
    assert_eq!(broker.get("queues/%2F/text").await["durable"], true);
    broker.done("DELETE", "queues/%2F/text", json!({})).await;
    assert_eq!(broker.status("PUT", "queues/%2F/amq.mine", json!({})).await.0, 401);
    let queue = broker.get("queues/%2F/q").await;
    assert_eq!(queue["arguments"], wish["arguments"]);
    assert_eq!(
        (&queue["durable"], &queue["auto_delete"], &queue["exclusive"]),
        (&json!(true), &json!(false), &json!(false))
    );
    assert_eq!((&queue["messages"], &queue["consumers"], &queue["type"]), (&json!(0), &json!(0), &json!("classic")));
    assert_eq!(
        (&queue["vhost"], &queue["state"], &queue["node"]),
        (&json!("/"), &json!("running"), &json!("omnibus@1"))
    );
    assert_eq!(broker.get("queues?columns=name,messages_ready").await, json!([{"name": "q", "messages_ready": 0}]));
    let page = broker.get("queues/%2F?page=1&page_size=1&name=Q").await;
    assert_eq!((&page["item_count"], &page["items"][0]["name"]), (&json!(1), &json!("q")));
    let published = json!({"routing_key": "q", "payload": "x", "payload_encoding": "string", "properties": {}});
    broker.done("POST", "exchanges/%2F/amq.default/publish", published).await;
    let kept = broker.status("DELETE", "queues/%2F/q?if-empty=true", json!({})).await;
    assert_eq!(kept, (400, "queue 'q' in vhost '/' not empty".to_owned()));
    assert_eq!(broker.done("DELETE", "queues/%2F/q/contents", json!({})).await, 204);
    assert_eq!(broker.done("DELETE", "queues/%2F/q?if-empty=true", json!({})).await, 204);
    assert_eq!(broker.status("DELETE", "queues/%2F/q", json!({})).await.0, 404);
    assert_eq!(broker.status("DELETE", "queues/%2F/q/contents", json!({})).await.0, 404);
}

#[tokio::test]
async fn stream_is_shown_as_one_and_nothing_is_taken_out_of_it() {
    let broker = Broker::open().await;
    let wish = json!({"durable": true, "arguments": {"x-queue-type": "stream", "x-max-age": "7D"}});
    assert_eq!(broker.done("PUT", "queues/%2F/s", wish).await, 201);
    let published = json!({"routing_key": "s", "payload": "x", "payload_encoding": "string", "properties": {}});
    broker.done("POST", "exchanges/%2F/amq.default/publish", published).await;
    let stream = broker.get("queues/%2F/s").await;
    assert_eq!(
        (&stream["type"], &stream["messages"], &stream["messages_ready"]),
        (&json!("stream"), &json!(1), &json!(1))
    );
    let look = json!({"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"});
    for (method, path, asked) in [("DELETE", "queues/%2F/s/contents", json!({})), ("POST", "queues/%2F/s/get", look)] {
        let (status, reason) = broker.status(method, path, asked).await;
        assert_eq!(status, 400);
        assert!(reason.ends_with("not supported by stream queues queue 's' in vhost '/'"), "{reason}");
    }
    let exposed = broker.metrics("/metrics/per-object").await;
    assert!(exposed.contains("queue_type=\"rabbit_stream_queue\""), "{exposed}");
}

#[tokio::test]
async fn exchanges_and_bindings_come_and_go() {
    let broker = Broker::open().await;
    let wish = json!({"type": "topic", "durable": true, "arguments": {"alternate-exchange": "ae"}});
    assert_eq!(broker.done("PUT", "exchanges/%2F/x", wish.clone()).await, 201);
    assert_eq!(broker.done("PUT", "exchanges/%2F/x", wish).await, 204);
    assert_eq!(broker.status("PUT", "exchanges/%2F/x", json!({"type": "direct"})).await.0, 400);
    assert_eq!(broker.status("PUT", "exchanges/%2F/y", json!({"type": "nope"})).await.0, 400);
    assert_eq!(broker.status("DELETE", "exchanges/%2F/amq.direct", json!({})).await.0, 401);
    let exchange = broker.get("exchanges/%2F/x").await;
    assert_eq!((&exchange["type"], &exchange["arguments"]["alternate-exchange"]), (&json!("topic"), &json!("ae")));
    let names = broker.get("exchanges?columns=name").await;
    assert_eq!(names.as_array().unwrap().len(), 8);
    broker.done("PUT", "queues/%2F/q", json!({"arguments": []})).await;
    let binding = json!({"routing_key": "a.#", "arguments": {"k": 1}});
    let bound = broker.ask("POST", "bindings/%2F/e/x/q/q", Some(binding)).await;
    assert_eq!(bound.status, 201);
    let made = broker.get("bindings/%2F/e/x/q/q").await;
    let key = made[0]["properties_key"].as_str().unwrap();
    assert!(key.starts_with("a.%23~"), "{key}");
    assert!(bound.head.contains(&format!("location: q/{}", key.replace('%', "%25").replace('~', "%7E"))), "{bound:?}");
    for path in ["queues/%2F/q/bindings", "bindings/", "bindings/%2F", "bindings/%2F/?sort=source"] {
        let all = broker.get(path).await;
        assert_eq!((all[0]["source"].as_str(), all[1]["source"].as_str()), (Some(""), Some("x")), "{path}");
    }
    assert_eq!(broker.get("exchanges/%2F/x/bindings/source").await, made);
    assert_eq!(broker.get("exchanges/%2F/x/bindings/destination").await, json!([]));
    let quoted = format!("bindings/%2F/e/x/q/q/{}", key.replace('%', "%25"));
    assert_eq!(broker.get(&quoted).await, made[0]);
    assert_eq!(broker.status("POST", "bindings/%2F/e/none/q/q", json!({})).await.0, 404);
    assert_eq!(broker.status("POST", "bindings/%2F/e/x/q/none", json!({})).await.0, 404);
    assert_eq!(broker.status("POST", "bindings/%2F/e/amq.default/q/q", json!({})).await.0, 401);
    assert_eq!(broker.done("DELETE", &quoted, json!({})).await, 204);
    assert_eq!(broker.status("DELETE", &quoted, json!({})).await.0, 404);
    assert_eq!(broker.done("POST", "bindings/%2F/e/amq.fanout/e/x", json!({})).await, 201);
    assert_eq!(broker.get("exchanges/%2F/x/bindings/destination").await[0]["properties_key"], "~");
    assert_eq!(broker.done("DELETE", "bindings/%2F/e/amq.fanout/e/x/~", json!({})).await, 204);
    assert_eq!(broker.done("DELETE", "exchanges/%2F/x", json!({})).await, 204);
}

#[tokio::test]
async fn messages_are_published_and_looked_at() {
    let broker = Broker::open().await;
    broker.done("PUT", "queues/%2F/q", json!({"durable": true})).await;
    let publish = |key: &str, payload: &str, encoding: &str| {
        let properties = json!({"delivery_mode": 2, "headers": {"h": 1}, "content_type": "text/plain"});
        json!({"routing_key": key, "payload": payload, "payload_encoding": encoding, "properties": properties})
    };
    let path = "exchanges/%2F/amq.default/publish";
    let routed = broker.ask("POST", path, Some(publish("q", "hello", "string"))).await;
    assert_eq!(routed.body, json!({"routed": true}));
    broker.done("POST", path, publish("q", "/wA=", "base64")).await;
    let lost = broker.ask("POST", path, Some(publish("nobody", "hello", "string"))).await;
    assert_eq!(lost.body, json!({"routed": false}));
    for (path, wrong, reason) in [
        ("exchanges/%2F/none/publish", publish("q", "x", "string"), "404 NOT_FOUND - no exchange 'none' in vhost '/'"),
        (path, publish("q", "x", "zip"), "unsupported_encoding: zip"),
        (path, json!({}), "[{key_missing,routing_key},{key_missing,payload},{key_missing,payload_encoding}]"),
    ] {
        assert_eq!(broker.status("POST", path, wrong).await, (400, reason.to_owned()));
    }
    let look = |mode: &str| json!({"count": 5, "ackmode": mode, "encoding": "auto", "truncate": 3});
    let seen = broker.ask("POST", "queues/%2F/q/get", Some(look("ack_requeue_true"))).await.body;
    assert_eq!(
        seen[0],
        json!({"payload": "hel", "payload_bytes": 5, "payload_encoding": "string", "redelivered": false,
            "exchange": "", "routing_key": "q", "message_count": 1,
            "properties": {"delivery_mode": 2, "headers": {"h": 1}, "content_type": "text/plain"}})
    );
    assert_eq!((&seen[1]["payload"], &seen[1]["payload_encoding"]), (&json!("/wA="), &json!("base64")));
    assert_eq!(broker.get("queues/%2F/q").await["messages_ready"], 2);
    let taken = broker.ask("POST", "queues/%2F/q/get", Some(look("ack_requeue_false"))).await.body;
    assert_eq!(taken.as_array().unwrap().iter().map(|got| &got["redelivered"]).collect::<Vec<_>>(), [true, true]);
    assert_eq!(broker.get("queues/%2F/q").await["messages"], 0);
    assert_eq!(broker.status("POST", "queues/%2F/q/get", look("what")).await.0, 400);
    assert_eq!(broker.status("POST", "queues/%2F/none/get", look("ack_requeue_true")).await.0, 404);
    assert_eq!(broker.get("aliveness-test/%2F").await, json!({"status": "ok"}));
}

#[tokio::test]
async fn connections_are_seen_and_closed() {
    let broker = Broker::open().await;
    broker.done("PUT", "queues/%2F/q", json!({})).await;
    let mut client = Client::connect(&broker).await;
    client.ask(1, Method::ChannelOpen { reserved: ShortText::default() }).await;
    client.ask(1, Method::ConfirmSelect { no_wait: false }).await;
    client.ask(1, Method::BasicQos { prefetch_size: 0, prefetch_count: 7, global: false }).await;
    let consume = Method::BasicConsume {
        reserved: 0,
        queue: "q".into(),
        consumer_tag: "tag".into(),
        no_local: false,
        no_ack: false,
        exclusive: false,
        no_wait: false,
        arguments: Table::from([("x-priority", Field::I32(3))]),
    };
    client.ask(1, consume).await;
    let published = json!({"routing_key": "q", "payload": "x", "payload_encoding": "string", "properties": {}});
    broker.done("POST", "exchanges/%2F/amq.default/publish", published).await;
    assert!(matches!(client.next().await, Method::BasicDeliver { .. }));
    let connections = broker.get("connections").await;
    let connection = &connections[0];
    assert_eq!((&connection["user"], &connection["user_provided_name"]), (&json!("guest"), &json!("worker")));
    assert_eq!((&connection["channels"], &connection["channel_max"]), (&json!(1), &json!(7)));
    assert!(connection["recv_oct"].as_u64() > Some(0) && connection["send_oct"].as_u64() > Some(0), "{connection}");
    let name = connection["name"].as_str().unwrap().replace(' ', "%20").replace('>', "%3E");
    let channels = broker.get(&format!("connections/{name}/channels")).await;
    let channel = &channels[0];
    assert_eq!((&channel["confirm"], &channel["prefetch_count"]), (&json!(true), &json!(7)));
    assert_eq!((&channel["consumer_count"], &channel["messages_unacknowledged"]), (&json!(1), &json!(1)));
    assert_eq!(broker.get("channels").await, channels);
    let consumer = &broker.get("consumers").await[0];
    assert_eq!((&consumer["consumer_tag"], &consumer["queue"]["name"]), (&json!("tag"), &json!("q")));
    assert_eq!((&consumer["ack_required"], &consumer["arguments"]), (&json!(true), &json!({"x-priority": 3})));
    let queue = broker.get("queues/%2F/q").await;
    assert_eq!((&queue["consumers"], &queue["messages_unacknowledged"]), (&json!(1), &json!(1)));
    assert_eq!(queue["consumer_details"][0], *consumer);
    assert_eq!(broker.get("overview").await["object_totals"]["connections"], 1);
    assert_eq!(broker.done("DELETE", &format!("connections/{name}"), json!({})).await, 204);
    let Method::ConnectionClose { code, text, .. } = client.next().await else { panic!("the connection goes on") };
    assert_eq!((code, &*text.lossy()), (320, "CONNECTION_FORCED - because"));
    client.say(0, Method::ConnectionCloseOk {}).await;
}

#[tokio::test]
async fn node_says_how_it_is() {
    let broker = Broker::open().await;
    let overview = broker.get("overview").await;
    assert_eq!((&overview["cluster_name"], &overview["node"]), (&json!("cluster"), &json!("omnibus@1")));
    assert_eq!(overview["listeners"][0]["port"], broker.amqp.port());
    let node = broker.get("nodes/omnibus@1?columns=name,running,type").await;
    assert_eq!(node, json!({"name": "omnibus@1", "running": true, "type": "disc"}));
    assert_eq!(broker.get("nodes?columns=name,running,type").await[0], node);
    assert_eq!(broker.get("vhosts/%2F").await["name"], "/");
    for path in ["alarms", "local-alarms", "virtual-hosts", "node-is-quorum-critical", "protocol-listener/amqp"] {
        assert_eq!(broker.get(&format!("health/checks/{path}")).await["status"], "ok", "{path}");
    }
    let port = broker.get(&format!("health/checks/port-listener/{}", broker.amqp.port())).await;
    assert_eq!(port["port"], broker.amqp.port());
    assert_eq!(broker.ask("GET", "health/checks/port-listener/1", None).await.status, 503);
    assert_eq!(broker.ask("GET", "health/checks/protocol-listener/mqtt", None).await.status, 503);
    let allowed = json!({"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"});
    assert_eq!(broker.get("permissions/%2F/guest").await, allowed);
    assert_eq!(broker.get("users/guest/permissions").await, json!([allowed]));
    assert_eq!(broker.done("PUT", "permissions/%2F/guest", allowed).await, 204);
}

#[tokio::test]
async fn policies_hold_for_what_is_there_and_what_comes() {
    let broker = Broker::open().await;
    broker.done("PUT", "queues/%2F/jobs.a", json!({"durable": true, "arguments": {"x-max-length": 9}})).await;
    broker.done("PUT", "queues/%2F/dead", json!({"durable": true})).await;
    for body in ["x", "y"] {
        let published = json!({"routing_key": "jobs.a", "payload": body, "payload_encoding": "string"});
        broker.done("POST", "exchanges/%2F/amq.default/publish", published).await;
    }
    let policy = json!({"pattern": "^jobs", "apply-to": "queues", "priority": 3, "definition": {
        "max-length": 1, "dead-letter-exchange": "", "dead-letter-routing-key": "dead"}});
    assert_eq!(broker.done("PUT", "policies/%2F/p", policy.clone()).await, 201);
    assert_eq!(broker.done("PUT", "policies/%2F/p", policy.clone()).await, 204);
    broker.done("PUT", "queues/%2F/jobs.b", json!({"durable": true})).await;
    for queue in ["jobs.a", "jobs.b"] {
        let shown = broker.get(&format!("queues/%2F/{queue}")).await;
        assert_eq!((&shown["policy"], &shown["effective_policy_definition"]), (&json!("p"), &policy["definition"]));
        for body in ["1", "2"] {
            let published = json!({"routing_key": queue, "payload": body, "payload_encoding": "string"});
            broker.done("POST", "exchanges/%2F/amq.default/publish", published).await;
        }
        assert_eq!(broker.get(&format!("queues/%2F/{queue}")).await["messages_ready"], 1, "{queue}");
    }
    // What was too much is a dead letter, which takes a moment.
    while broker.get("queues/%2F/dead").await["messages_ready"] != 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(broker.get("queues/%2F/jobs.a").await["arguments"], json!({"x-max-length": 9}));
    assert_eq!(
        broker.done("PUT", "queues/%2F/jobs.a", json!({"durable": true, "arguments": {"x-max-length": 9}})).await,
        204
    );
    assert_eq!(broker.get("policies/%2F").await[0]["definition"], policy["definition"]);
    assert_eq!(broker.done("DELETE", "policies/%2F/p", json!({})).await, 204);
    assert_eq!(broker.status("DELETE", "policies/%2F/p", json!({})).await.0, 404);
    let published = json!({"routing_key": "jobs.a", "payload": "3", "payload_encoding": "string"});
    broker.done("POST", "exchanges/%2F/amq.default/publish", published).await;
    let shown = broker.get("queues/%2F/jobs.a").await;
    assert_eq!((&shown["messages_ready"], &shown["policy"]), (&json!(2), &Value::Null));
}

#[tokio::test]
async fn policy_lets_queues_go_that_nobody_uses() {
    let broker = Broker::open().await;
    broker.done("PUT", "queues/%2F/unused", json!({"arguments": {"x-expires": 600_000}})).await;
    broker.done("PUT", "queues/%2F/kept", json!({})).await;
    broker.done("PUT", "policies/%2F/p", json!({"pattern": "^unused", "definition": {"expires": 1}})).await;
    while broker.ask("GET", "queues/%2F/unused", None).await.status != 404 {
        tokio::task::yield_now().await;
    }
    assert_eq!(broker.get("queues?columns=name").await, json!([{"name": "kept"}]));
}

#[tokio::test]
async fn policy_gives_an_exchange_its_alternate() {
    let broker = Broker::open().await;
    broker.done("PUT", "queues/%2F/lost", json!({})).await;
    broker.done("POST", "bindings/%2F/e/amq.fanout/q/lost", json!({})).await;
    let policy = json!({"pattern": "^amq.direct$", "apply-to": "exchanges", "definition": {
        "alternate-exchange": "amq.fanout"}});
    broker.done("PUT", "policies/%2F/alternate", policy).await;
    assert_eq!(broker.get("exchanges/%2F/amq.direct").await["policy"], "alternate");
    let published = json!({"routing_key": "nobody", "payload": "x", "payload_encoding": "string"});
    let routed = broker.ask("POST", "exchanges/%2F/amq.direct/publish", Some(published.clone())).await;
    assert_eq!(routed.body, json!({"routed": true}));
    broker.done("DELETE", "policies/%2F/alternate", json!({})).await;
    let routed = broker.ask("POST", "exchanges/%2F/amq.direct/publish", Some(published)).await;
    assert_eq!(routed.body, json!({"routed": false}));
}

#[tokio::test]
async fn policies_that_cannot_hold_are_refused() {
    let broker = Broker::open().await;
    for (wrong, told) in [
        (json!({"pattern": "(", "definition": {"max-length": 1}}), "not a valid regular expression"),
        (json!({"pattern": "", "definition": {"ha-mode": "all"}}), "ha-mode is not a recognised policy setting"),
        (json!({"pattern": "", "definition": {"max-length": "a"}}), "max-length has a value that is not valid"),
        (json!({"pattern": "", "definition": {}}), "no policy provided"),
        (json!({"pattern": "", "apply-to": "all of it", "definition": {"max-length": 1}}), "what a policy applies to"),
        (json!({"definition": {"max-length": 1}}), "{key_missing,pattern}"),
    ] {
        let (status, reason) = broker.status("PUT", "policies/%2F/p", wrong).await;
        assert!(status == 400 && reason.contains(told), "{status} {reason}");
    }
    assert_eq!(broker.get("policies").await, json!([]));
}

#[tokio::test]
async fn policies_bound_queues_with_priorities() {
    let broker = Broker::open().await;
    let ranked = json!({"durable": true, "arguments": {"x-max-priority": 3}});
    let publish = async |queue: &str, payload: &str| {
        let published = json!({"routing_key": queue, "payload": payload, "payload_encoding": "string"});
        broker.ask("POST", "exchanges/%2F/amq.default/publish", Some(published)).await
    };
    broker.done("PUT", "queues/%2F/before", ranked.clone()).await;
    for payload in ["1", "2", "3"] {
        publish("before", payload).await;
    }
    broker
        .done("PUT", "policies/%2F/p", json!({"pattern": "", "apply-to": "queues", "definition": {"max-length": 1}}))
        .await;
    broker.done("PUT", "queues/%2F/after", ranked).await;
    publish("after", "1").await;
    publish("after", "2").await;
    for queue in ["before", "after"] {
        assert_eq!(broker.get(&format!("queues/%2F/{queue}")).await["messages_ready"], 1, "{queue}");
    }
}

#[tokio::test]
async fn definitions_go_from_one_broker_to_another() {
    let (one, other) = (Broker::open().await, Broker::open().await);
    let arguments = json!({"x-max-length": 9, "x-queue-type": "quorum"});
    one.done("PUT", "queues/%2F/q", json!({"durable": true, "arguments": arguments})).await;
    one.done("PUT", "exchanges/%2F/x", json!({"type": "topic", "arguments": {"alternate-exchange": "ae"}})).await;
    one.done("POST", "bindings/%2F/e/x/q/q", json!({"routing_key": "a.#", "arguments": {"k": 1}})).await;
    one.done("POST", "bindings/%2F/e/amq.topic/e/x", json!({"routing_key": "b"})).await;
    one.done("PUT", "policies/%2F/p", json!({"pattern": "q", "definition": {"message-ttl": 60000}})).await;
    let exported = one.get("definitions").await;
    assert_eq!(
        exported["queues"],
        json!([{"name": "q", "vhost": "/", "durable": true, "auto_delete": false, "arguments": arguments}])
    );
    assert_eq!(
        (exported["exchanges"].as_array().unwrap().len(), exported["bindings"].as_array().unwrap().len()),
        (1, 2)
    );
    assert_eq!(other.done("POST", "definitions", exported.clone()).await, 204);
    assert_eq!(other.done("POST", "definitions", exported.clone()).await, 204);
    assert_eq!(other.get("definitions").await, exported);
    assert_eq!(other.get("queues/%2F/q").await["policy"], "p");
    assert_eq!(other.get("definitions/%2F").await["queues"][0]["vhost"], Value::Null);
    for (wrong, told) in [
        (json!({"users": [{"name": "ada"}]}), "tags_not_present"),
        (
            json!({"permissions": [{"user": "ada", "vhost": "/", "configure": "", "write": "", "read": ""}]}),
            "there is no user ada",
        ),
        (json!({"queues": [{"name": "q", "vhost": "v"}]}), "there is no virtual host v"),
        (json!({"parameters": [{"component": "shovel"}]}), "component shovel not found"),
        (json!({"parameters": [{"component": "operator_policy", "vhost": "/", "value": {}}]}), "{key_missing,name}"),
        (json!({"queues": [{"name": "q"}]}), "inequivalent arg"),
    ] {
        let (status, reason) = other.status("POST", "definitions", wrong).await;
        assert!(status == 400 && reason.contains(told), "{status} {reason}");
    }
}

#[tokio::test]
async fn operators_bound_what_others_say() {
    let broker = Broker::open().await;
    broker.done("PUT", "queues/%2F/q", json!({"durable": true})).await;
    let theirs = json!({"pattern": "^q$", "apply-to": "queues", "priority": 0,
        "definition": {"max-length": 1, "overflow": "reject-publish"}});
    broker
        .done("PUT", "policies/%2F/p", json!({"pattern": "", "definition": {"max-length": 9, "message-ttl": 60_000}}))
        .await;
    assert_eq!(broker.done("PUT", "operator-policies/%2F/o", theirs.clone()).await, 201);
    assert_eq!(broker.done("PUT", "operator-policies/%2F/o", theirs.clone()).await, 204);
    let shown = broker.get("operator-policies/%2F/o").await;
    assert_eq!((&shown["name"], &shown["definition"]), (&json!("o"), &theirs["definition"]));
    assert_eq!(broker.get("operator-policies").await, json!([shown]));
    assert_eq!(broker.get("policies").await.as_array().unwrap().len(), 1);
    broker.done("PUT", "queues/%2F/other", json!({"durable": true})).await;
    let queue = broker.get("queues/%2F/q").await;
    assert_eq!((&queue["policy"], &queue["operator_policy"]), (&json!("p"), &json!("o")));
    let both = json!({"max-length": 1, "message-ttl": 60_000, "overflow": "reject-publish"});
    assert_eq!(queue["effective_policy_definition"], both);
    assert_eq!(broker.get("queues/%2F/other").await["operator_policy"], Value::Null);
    let published = json!({"routing_key": "q", "payload": "x", "payload_encoding": "string"});
    broker.done("POST", "exchanges/%2F/amq.default/publish", published.clone()).await;
    broker.ask("POST", "exchanges/%2F/amq.default/publish", Some(published)).await;
    assert_eq!(broker.get("queues/%2F/q").await["messages_ready"], 1);
    for (wrong, told) in [
        (json!({"pattern": "", "definition": {"dead-letter-exchange": "x"}}), "is not a setting of operator policies"),
        (json!({"pattern": "", "apply-to": "exchanges", "definition": {"expires": 1}}), "hold for queues"),
    ] {
        let (status, reason) = broker.status("PUT", "operator-policies/%2F/wrong", wrong).await;
        assert!(status == 400 && reason.contains(told), "{status} {reason}");
    }
    assert_eq!(broker.done("DELETE", "operator-policies/%2F/o", json!({})).await, 204);
    assert_eq!(broker.status("DELETE", "operator-policies/%2F/o", json!({})).await.0, 404);
    assert_eq!(broker.get("queues/%2F/q").await["effective_policy_definition"]["max-length"], 9);
}
