//! Virtual hosts, and what is theirs.

use omnibus_amqp::Settings;
use serde_json::{Value, json};

use crate::support::{Broker, Client};

fn named(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn hosts_come_and_go() {
    let broker = Broker::open().await;
    assert_eq!(broker.done("PUT", "vhosts/%2F", json!({"tracing": false})).await, 204);
    assert_eq!(broker.done("PUT", "vhosts/staging", json!({"name": "staging", "vhost": "/", "tags": ""})).await, 201);
    assert_eq!(broker.done("PUT", "vhosts/staging", json!({"default_queue_type": "classic"})).await, 204);
    for wrong in [
        json!({"default_queue_type": "lazy"}),
        json!({"tracing": true}),
        json!({"tags": "a", "limits": {"max-channels": 1}}),
    ] {
        assert_eq!(broker.status("PUT", "vhosts/other", wrong.clone()).await.0, 400, "{wrong}");
    }
    assert_eq!(named(&broker.get("vhosts").await), ["/", "staging"]);
    broker.done("PUT", "queues/staging/q", json!({"durable": true})).await;
    let shown = broker.get("vhosts/staging").await;
    assert_eq!((&shown["name"], &shown["messages"]), (&json!("staging"), &json!(0)));
    let described = json!({"description": "trials", "tags": ["a"], "default_queue_type": "stream"});
    assert_eq!(broker.done("PUT", "vhosts/staging", described.clone()).await, 204);
    assert_eq!(broker.done("PUT", "vhosts/staging", json!({})).await, 204);
    let shown = broker.get("vhosts/staging").await;
    assert_eq!(shown["metadata"], described);
    assert_eq!((&shown["description"], &shown["default_queue_type"]), (&json!("trials"), &json!("stream")));
    broker.done("PUT", "vhosts/staging", json!({"default_queue_type": "classic"})).await;
    broker.done("PUT", "vhosts/%2F", json!({"description": "ours"})).await;
    assert_eq!(broker.get("vhosts?columns=name,description").await[0], json!({"name": "/", "description": "ours"}));
    assert_eq!(broker.get("aliveness-test/staging").await, json!({"status": "ok"}));
    assert_eq!(broker.done("DELETE", "vhosts/staging", json!({})).await, 204);
    assert_eq!(broker.status("DELETE", "vhosts/staging", json!({})).await.0, 404);
    for path in
        ["vhosts/staging", "queues/staging", "queues/staging/q", "exchanges/staging", "permissions/staging/guest"]
    {
        assert_eq!(broker.ask("GET", path, None).await.status, 404, "{path}");
    }
    assert_eq!(named(&broker.get("queues").await), [""; 0]);
    assert_eq!(broker.status("DELETE", "vhosts/%2F", json!({})).await.0, 400);
    let virtual_hosts = vec!["kept".to_owned()];
    let other = Broker::with(Settings { virtual_hosts, ..Settings::default() }, "guest:guest").await;
    other.done("PUT", "vhosts/kept", json!({})).await;
    let (status, reason) = other.status("DELETE", "vhosts/kept", json!({})).await;
    assert!(status == 400 && reason.contains("amqp.virtual_hosts"), "{status} {reason}");
}

#[tokio::test]
async fn each_host_has_queues_and_exchanges_of_its_own() {
    let broker = Broker::open().await;
    broker.done("PUT", "vhosts/a%2Fb", json!({})).await;
    for host in ["%2F", "a%2Fb"] {
        broker.done("PUT", &format!("queues/{host}/q"), json!({"durable": true})).await;
        broker.done("PUT", &format!("exchanges/{host}/x"), json!({"type": "fanout"})).await;
        broker.done("POST", &format!("bindings/{host}/e/x/q/q"), json!({"routing_key": host})).await;
    }
    assert_eq!(named(&broker.get("queues").await).len(), 2);
    let mine = broker.get("queues/a%2Fb").await;
    assert_eq!((named(&mine), &mine[0]["vhost"]), (vec!["q"], &json!("a/b")));
    assert_eq!(named(&broker.get("exchanges/a%2Fb").await).len(), 8);
    assert_eq!(broker.get("exchanges/a%2Fb/x").await["vhost"], "a/b");
    let bindings = broker.get("queues/a%2Fb/q/bindings").await;
    assert_eq!(bindings, broker.get("bindings/a%2Fb").await);
    let wanted = json!({"source": "x", "vhost": "a/b", "destination": "q", "destination_type": "queue",
        "routing_key": "a%2Fb", "arguments": {}, "properties_key": "a%252Fb"});
    assert_eq!((&bindings[0]["source"], &bindings[0]["routing_key"], &bindings[1]), (&json!(""), &json!("q"), &wanted));
    assert_eq!(broker.get("exchanges/a%2Fb/x/bindings/source").await, json!([wanted]));
    let published = json!({"routing_key": "k", "payload": "x", "payload_encoding": "string"});
    let routed = broker.ask("POST", "exchanges/a%2Fb/x/publish", Some(published.clone())).await;
    assert_eq!(routed.body, json!({"routed": true}));
    broker
        .done(
            "POST",
            "exchanges/a%2Fb/amq.default/publish",
            json!({"routing_key": "q", "payload": "y",
        "payload_encoding": "string"}),
        )
        .await;
    assert_eq!(broker.get("queues/%2F/q").await["messages"], 0);
    let look = json!({"count": 5, "ackmode": "ack_requeue_false", "encoding": "auto"});
    let got = broker.ask("POST", "queues/a%2Fb/q/get", Some(look)).await.body;
    assert_eq!((&got[0]["exchange"], &got[1]["routing_key"]), (&json!("x"), &json!("q")));
    let missing = broker.status("POST", "bindings/a%2Fb/e/none/q/q", json!({})).await;
    assert_eq!(missing, (404, "no exchange 'none' in vhost 'a/b'".to_owned()));
    assert_eq!(broker.done("DELETE", "bindings/a%2Fb/e/x/q/q/a%25252Fb", json!({})).await, 204);
    assert_eq!(broker.done("DELETE", "queues/a%2Fb/q", json!({})).await, 204);
    assert_eq!(broker.done("DELETE", "exchanges/a%2Fb/x", json!({})).await, 204);
    assert_eq!(broker.get("queues/%2F/q").await["vhost"], "/");
}

#[tokio::test]
async fn connections_say_which_host_is_theirs() {
    let broker = Broker::open().await;
    broker.done("PUT", "vhosts/staging", json!({})).await;
    broker.done("PUT", "queues/staging/q", json!({})).await;
    let mut client = Client::connect_to(&broker, "staging").await;
    client.open_channel(1).await;
    client.consume(1, "q", false).await;
    for path in ["connections", "channels", "consumers"] {
        let host_path =
            if path == "consumers" { "consumers/staging".to_owned() } else { format!("vhosts/staging/{path}") };
        let seen = broker.get(&host_path).await;
        let host = if path == "consumers" { &seen[0]["queue"]["vhost"] } else { &seen[0]["vhost"] };
        assert_eq!(host, "staging", "{path}");
        let first = if path == "consumers" { "consumers/%2F".to_owned() } else { format!("vhosts/%2F/{path}") };
        assert_eq!(broker.get(&first).await, json!([]), "{path}");
    }
    assert_eq!(broker.get("queues/staging/q").await["consumer_details"][0]["queue"]["name"], "q");
    assert_eq!(broker.get("connections").await[0]["state"], "running");
    let allowed = broker.get("permissions").await;
    assert_eq!((&allowed[0]["vhost"], &allowed[1]["vhost"]), (&json!("/"), &json!("staging")));
    assert_eq!(broker.get("users/guest/permissions").await, allowed);
    assert_eq!(broker.get("vhosts/staging/permissions").await, json!([allowed[1]]));
    assert_eq!(broker.get("permissions/staging/guest").await, allowed[1]);
}

#[tokio::test]
async fn policy_holds_in_its_host() {
    let broker = Broker::open().await;
    broker.done("PUT", "vhosts/staging", json!({})).await;
    for host in ["%2F", "staging"] {
        broker.done("PUT", &format!("queues/{host}/q"), json!({"durable": true})).await;
    }
    let policy = json!({"pattern": "^q$", "definition": {"max-length": 1}});
    assert_eq!(broker.done("PUT", "policies/staging/p", policy.clone()).await, 201);
    let alternate = json!({"pattern": "^amq.direct$", "apply-to": "exchanges", "priority": 9,
        "definition": {"alternate-exchange": "amq.fanout"}});
    broker.done("PUT", "policies/staging/alternate", alternate).await;
    assert_eq!(broker.get("policies/%2F").await, json!([]));
    assert_eq!(broker.get("policies/staging/p").await["vhost"], "staging");
    assert_eq!(broker.get("queues/staging/q").await["policy"], "p");
    assert_eq!(broker.get("queues/%2F/q").await["policy"], Value::Null);
    assert_eq!(broker.get("exchanges/staging/amq.direct").await["policy"], "alternate");
    assert_eq!(broker.get("exchanges/%2F/amq.direct").await["policy"], Value::Null);
    let published = json!({"routing_key": "q", "payload": "x", "payload_encoding": "string"});
    for (host, left) in [("%2F", 2), ("staging", 1)] {
        for _ in 0..2 {
            broker.done("POST", &format!("exchanges/{host}/amq.default/publish"), published.clone()).await;
        }
        assert_eq!(broker.get(&format!("queues/{host}/q")).await["messages_ready"], left, "{host}");
    }
    // The same name in another host is another policy.
    assert_eq!(broker.done("PUT", "policies/%2F/p", policy).await, 201);
    assert_eq!(broker.done("DELETE", "policies/staging/p", json!({})).await, 204);
    assert_eq!(broker.get("queues/staging/q").await["policy"], Value::Null);
    assert_eq!(broker.get("queues/%2F/q").await["policy"], "p");
    broker.done("DELETE", "vhosts/staging", json!({})).await;
    assert_eq!(named(&broker.get("policies").await), ["p"]);
}

#[tokio::test]
async fn definitions_have_all_hosts() {
    let (one, other) = (Broker::open().await, Broker::open().await);
    let described = json!({"description": "trials", "tags": "a, b", "default_queue_type": "quorum"});
    one.done("PUT", "vhosts/staging", described).await;
    one.done("PUT", "queues/staging/q", json!({"durable": true})).await;
    assert_eq!(one.get("queues/staging/q").await["type"], "quorum");
    let bounded = json!({"pattern": "", "apply-to": "queues", "priority": 1, "definition": {"max-length": 5}});
    one.done("PUT", "operator-policies/staging/bounded", bounded).await;
    one.done("PUT", "exchanges/staging/x", json!({"type": "topic"})).await;
    one.done("POST", "bindings/staging/e/x/q/q", json!({"routing_key": "a.#"})).await;
    one.done("PUT", "policies/staging/p", json!({"pattern": "q", "definition": {"message-ttl": 60000}})).await;
    let exported = one.get("definitions").await;
    let of_staging = json!({"name": "staging", "limits": [], "metadata": {"description": "trials", "tags": ["a", "b"],
        "default_queue_type": "quorum"}});
    assert_eq!((&exported["vhosts"][0]["name"], &exported["vhosts"][1]), (&json!("/"), &of_staging));
    assert_eq!(exported["parameters"][0]["component"], "operator_policy");
    assert_eq!(exported["parameters"].as_array().unwrap().len(), 1);
    assert_eq!(other.done("POST", "definitions", exported.clone()).await, 204);
    assert_eq!(other.get("definitions").await, exported);
    let queue = other.get("queues/staging/q").await;
    assert_eq!((&queue["policy"], &queue["operator_policy"]), (&json!("p"), &json!("bounded")));
    let of_host = one.get("definitions/staging").await;
    assert_eq!((&of_host["queues"][0]["name"], &of_host["queues"][0]["vhost"]), (&json!("q"), &Value::Null));
    assert_eq!(one.get("definitions/%2F").await["queues"], json!([]));
    other.done("PUT", "vhosts/third", json!({})).await;
    assert_eq!(other.done("POST", "definitions/third", of_host.clone()).await, 204);
    assert_eq!(other.get("definitions/third").await["bindings"], of_host["bindings"]);
    // Of one host, they are for that one.
    other.done("POST", "definitions/third", json!({"queues": [{"name": "named", "vhost": "nowhere"}]})).await;
    assert_eq!(other.get("queues/third/named").await["vhost"], "third");
}
