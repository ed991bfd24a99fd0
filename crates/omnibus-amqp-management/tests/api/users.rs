//! Users, what they may do by AMQP and by the API, and how they move.

use omnibus_amqp::wire::{Method, ShortText, Table, Value as Field};
use omnibus_amqp::{Credential, Settings};
use serde_json::{Value, json};

use crate::support::{Broker, Client};

/// The password `test12`, as RabbitMQ's documents have it.
const HASH: &str = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";

fn everything() -> Value {
    json!({"configure": ".*", "write": ".*", "read": ".*"})
}

async fn user(broker: &Broker, name: &str, tags: &str) {
    assert_eq!(broker.done("PUT", &format!("users/{name}"), json!({"password": "pw", "tags": tags})).await, 201);
}

/// The code and the text with which something ended.
fn why(method: Method) -> (u16, String) {
    match method {
        Method::ConnectionClose { code, text, .. } | Method::ChannelClose { code, text, .. } => (code, text.lossy()),
        other => panic!("{other:?} ends nothing"),
    }
}

fn declare(queue: &str, passive: bool, arguments: Table) -> Method {
    Method::QueueDeclare {
        reserved: 0,
        queue: queue.into(),
        passive,
        durable: false,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments,
    }
}

#[tokio::test]
async fn users_come_and_go() {
    let broker = Broker::open().await;
    assert_eq!(broker.done("PUT", "users/ada", json!({"password": "s3cret", "tags": "monitoring, ops"})).await, 201);
    assert_eq!(broker.done("PUT", "users/bob", json!({"password_hash": HASH, "tags": ["management"]})).await, 201);
    let ada = broker.get("users/ada").await;
    assert_eq!((&ada["name"], &ada["tags"]), (&json!("ada"), &json!(["monitoring", "ops"])));
    assert_eq!(ada["hashing_algorithm"], "rabbit_password_hashing_sha256");
    assert_eq!(broker.get("users/bob").await["password_hash"], HASH);
    assert_eq!(broker.get("users?columns=name").await, json!([{"name": "ada"}, {"name": "bob"}, {"name": "guest"}]));
    assert_eq!(broker.get("users/without-permissions").await.as_array().unwrap().len(), 2);
    for (login, wanted) in [("ada:s3cret", 200), ("bob:test12", 200), ("ada:wrong", 401), ("nobody:x", 401)] {
        assert_eq!(broker.ask_as(login, ("GET", "whoami"), None).await.status, wanted, "{login}");
    }
    assert_eq!(broker.ask_as("bob:test12", ("GET", "whoami"), None).await.body["tags"], json!(["management"]));
    // Without a password nobody comes in by one.
    assert_eq!(broker.done("PUT", "users/ada", json!({"tags": "administrator"})).await, 204);
    assert_eq!(broker.ask_as("ada:s3cret", ("GET", "whoami"), None).await.status, 401);
    for (wrong, reason) in [
        (json!({"password": "x"}), "tags_not_present"),
        (json!({"password": "x", "password_hash": HASH, "tags": ""}), "both_password_and_password_hash_are_provided"),
        (json!({"password_hash": "AAAA", "tags": ""}), "password_hash is not four bytes of salt"),
        (
            json!({"password_hash": HASH, "hashing_algorithm": "rabbit_password_hashing_md5", "tags": ""}),
            "hashing_algorithm rabbit_password_hashing_md5 is not supported",
        ),
        (
            json!({"password": "x", "tags": "", "limits": {"max-queues": 1}}),
            "Unrecognised terms [{<<\"max-queues\">>,1}]",
        ),
    ] {
        let (status, told) = broker.status("PUT", "users/ada", wrong).await;
        assert!(status == 400 && told.starts_with(reason), "{status} {told}");
    }
    assert_eq!(broker.done("DELETE", "users/ada", json!({})).await, 204);
    assert_eq!(broker.status("DELETE", "users/ada", json!({})).await.0, 404);
    assert_eq!(broker.done("POST", "users/bulk-delete", json!({"users": ["bob", "nobody"]})).await, 204);
    assert_eq!(broker.status("GET", "users/bob", json!({})).await.0, 404);
}

#[tokio::test]
async fn guest_is_there_until_he_is_deleted() {
    let broker = Broker::open().await;
    user(&broker, "ada", "administrator").await;
    broker.done("PUT", "vhosts/staging", json!({})).await;
    assert_eq!(broker.get("users/guest").await, json!({"name": "guest", "tags": ["administrator"], "limits": {}}));
    assert_eq!(broker.done("PUT", "permissions/%2F/guest", everything()).await, 204);
    // What is said of him is kept, and then he is a user as any other.
    let less = json!({"configure": "^$", "write": ".*", "read": ".*"});
    assert_eq!(broker.done("PUT", "permissions/%2F/guest", less).await, 204);
    assert!(broker.get("users/guest").await["password_hash"].is_string());
    assert_eq!(broker.get("permissions/%2F/guest").await["configure"], "^$");
    assert_eq!(broker.get("permissions/staging/guest").await["configure"], ".*");
    assert_eq!(broker.status("PUT", "queues/%2F/q", json!({})).await.0, 401);
    assert_eq!(broker.done("DELETE", "users/guest", json!({})).await, 204);
    assert_eq!(broker.raw("GET", "whoami", "authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n", None).await.status, 401);
    let (_, refused) = Client::log_in(&broker, "guest:guest", "/").await;
    assert_eq!(why(refused).0, 403);
    let users = broker.ask_as("ada:pw", ("GET", "users?columns=name"), None).await.body;
    assert_eq!(users, json!([{"name": "ada"}]));
    // He may be made anew, and may do nothing then.
    let guest = json!({"password": "new", "tags": ""});
    assert_eq!(broker.ask_as("ada:pw", ("PUT", "users/guest"), Some(guest)).await.status, 201);
    let none = broker.ask_as("ada:pw", ("GET", "users/guest/permissions"), None).await.body;
    assert_eq!(none, json!([]));
}

#[tokio::test]
async fn users_of_the_file_change_with_it() {
    let credentials = vec![Credential { user: "root".into(), password: "secret".into() }];
    let broker = Broker::with(Settings { credentials, ..Settings::default() }, "root:secret").await;
    user(&broker, "ada", "management").await;
    assert_eq!(broker.get("users?columns=name").await, json!([{"name": "ada"}, {"name": "root"}]));
    assert_eq!(broker.done("PUT", "permissions/%2F/root", everything()).await, 204);
    for (method, path, body) in [
        ("PUT", "users/root", json!({"password": "x", "tags": ""})),
        ("DELETE", "users/root", json!({})),
        ("DELETE", "permissions/%2F/root", json!({})),
        ("PUT", "permissions/%2F/root", json!({"configure": "", "write": "", "read": ""})),
    ] {
        let (status, reason) = broker.status(method, path, body).await;
        assert!(status == 400 && reason.contains("amqp.credentials_file"), "{method} {path}: {status} {reason}");
    }
    assert_eq!(broker.ask_as("guest:guest", ("GET", "whoami"), None).await.status, 401);
    let exported = broker.get("definitions").await;
    assert_eq!(exported["users"].as_array().unwrap().len(), 1);
    // What definitions of before said of them is so.
    let bare = json!({"users": [{"name": "root", "tags": ["administrator"]}],
        "permissions": [{"user": "root", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}]});
    assert_eq!(broker.done("POST", "definitions", bare).await, 204);
    let other = json!({"users": [{"name": "root", "password_hash": HASH, "tags": ""}]});
    assert_eq!(broker.status("POST", "definitions", other).await.0, 400);
}

#[tokio::test]
async fn amqp_does_what_permissions_say() {
    let broker = Broker::open().await;
    user(&broker, "ada", "").await;
    let (_, refused) = Client::log_in(&broker, "ada:pw", "/").await;
    assert_eq!(why(refused), (530, "NOT_ALLOWED - access to vhost '/' refused for user 'ada'".to_owned()));
    let mine = json!({"configure": "^mine", "write": "^(mine|shared|amq.default)", "read": "^(mine|amq.fanout)"});
    assert_eq!(broker.done("PUT", "permissions/%2F/ada", mine.clone()).await, 201);
    assert_eq!(broker.done("PUT", "permissions/%2F/ada", mine).await, 204);
    broker.done("PUT", "queues/%2F/others", json!({})).await;
    broker.done("PUT", "exchanges/%2F/shared", json!({"type": "fanout"})).await;
    let (mut client, opened) = Client::log_in(&broker, "ada:pw", "/").await;
    assert!(matches!(opened, Method::ConnectionOpenOk { .. }));
    client.open_channel(1).await;
    let none = Table::default;
    let ok = client.ask(1, declare("mine", false, none())).await;
    assert!(matches!(ok, Method::QueueDeclareOk { .. }), "{ok:?}");
    client.publish(1, ("", "mine"), (false, b"x")).await;
    client.publish(1, ("shared", "k"), (false, b"x")).await;
    let bind = |queue: &str, exchange: &str| Method::QueueBind {
        reserved: 0,
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: ShortText::default(),
        no_wait: false,
        arguments: Table::default(),
    };
    assert!(matches!(client.ask(1, bind("mine", "amq.fanout")).await, Method::QueueBindOk {}));
    let purge = |queue: &str| Method::QueuePurge { reserved: 0, queue: queue.into(), no_wait: false };
    let delete = |queue: &str| Method::QueueDelete {
        reserved: 0,
        queue: queue.into(),
        if_unused: false,
        if_empty: false,
        no_wait: false,
    };
    let letters = Table::from([("x-dead-letter-exchange", Field::text("amq.topic"))]);
    for (asked, right, what) in [
        (declare("others", false, none()), "configure", "queue 'others'"),
        (declare("others", true, none()), "configure", "queue 'others'"),
        (declare("mine.dead", false, letters), "write", "exchange 'amq.topic'"),
        (bind("others", "amq.fanout"), "write", "queue 'others'"),
        (bind("mine", "amq.topic"), "read", "exchange 'amq.topic'"),
        (purge("others"), "read", "queue 'others'"),
        (delete("others"), "configure", "queue 'others'"),
    ] {
        let text = format!("ACCESS_REFUSED - {right} access to {what} in vhost '/' refused for user 'ada'");
        assert_eq!(why(client.ask(1, asked.clone()).await), (403, text), "{asked:?}");
        client.say(1, Method::ChannelCloseOk {}).await;
        client.open_channel(1).await;
    }
    client.publish(1, ("amq.direct", "k"), (false, b"x")).await;
    let text = "ACCESS_REFUSED - write access to exchange 'amq.direct' in vhost '/' refused for user 'ada'";
    assert_eq!(why(client.next().await), (403, text.to_owned()));
}

#[tokio::test]
async fn permissions_that_change_hold_for_who_is_there() {
    let broker = Broker::open().await;
    user(&broker, "ada", "").await;
    broker.done("PUT", "permissions/%2F/ada", json!({"configure": "q", "write": "^amq.default$", "read": ""})).await;
    let (mut client, _) = Client::log_in(&broker, "ada:pw", "/").await;
    client.open_channel(1).await;
    assert!(matches!(client.ask(1, declare("q", false, Table::default())).await, Method::QueueDeclareOk { .. }));
    client.publish(1, ("", "q"), (false, b"x")).await;
    assert!(matches!(client.ask(1, declare("q", true, Table::default())).await, Method::QueueDeclareOk { .. }));
    broker.done("DELETE", "permissions/%2F/ada", json!({})).await;
    client.publish(1, ("", "q"), (false, b"y")).await;
    assert_eq!(why(client.next().await).0, 403);
    client.say(1, Method::ChannelCloseOk {}).await;
    broker.done("PUT", "permissions/%2F/ada", everything()).await;
    client.open_channel(1).await;
    client.publish(1, ("", "q"), (false, b"z")).await;
    assert!(matches!(client.ask(1, declare("q", true, Table::default())).await, Method::QueueDeclareOk { .. }));
    assert_eq!(broker.get("queues/%2F/q").await["messages"], 2);
    broker.done("DELETE", "users/ada", json!({})).await;
    client.say(1, declare("q", true, Table::default())).await;
    assert_eq!(why(client.next().await), (320, "CONNECTION_FORCED - user 'ada' is deleted".to_owned()));
}

#[tokio::test]
async fn who_is_deleted_and_made_anew_comes_in_anew() {
    let broker = Broker::open().await;
    let make = async || {
        user(&broker, "ada", "").await;
        broker.done("PUT", "permissions/%2F/ada", everything()).await;
    };
    make().await;
    let (mut client, _) = Client::log_in(&broker, "ada:pw", "/").await;
    client.open_channel(1).await;
    broker.done("DELETE", "users/ada", json!({})).await;
    make().await;
    client.say(1, declare("q", false, Table::default())).await;
    assert_eq!(why(client.next().await), (320, "CONNECTION_FORCED - user 'ada' is deleted".to_owned()));
}

#[tokio::test]
async fn tags_say_what_the_api_shows() {
    let broker = Broker::open().await;
    broker.done("PUT", "vhosts/staging", json!({})).await;
    for host in ["%2F", "staging"] {
        broker.done("PUT", &format!("queues/{host}/q"), json!({})).await;
    }
    for (name, tags) in [("none", ""), ("man", "management"), ("mon", "monitoring"), ("pol", "policymaker")] {
        user(&broker, name, tags).await;
        broker.done("PUT", &format!("permissions/staging/{name}"), everything()).await;
    }
    let mut connected = Client::connect_to(&broker, "staging").await;
    connected.open_channel(1).await;
    connected.consume(1, "q", true).await;
    let policy = json!({"pattern": "", "definition": {"max-length": 9}});
    for (method, path, wanted) in [
        ("GET", "whoami", [401, 200, 200, 200]),
        ("GET", "overview", [401, 200, 200, 200]),
        ("GET", "queues", [401, 200, 200, 200]),
        ("GET", "queues/staging/q", [401, 200, 200, 200]),
        ("GET", "queues/%2F/q", [401; 4]),
        ("GET", "queues/nowhere/q", [401, 404, 404, 404]),
        ("PUT", "queues/%2F/other", [401; 4]),
        ("GET", "nodes", [401, 401, 200, 401]),
        ("GET", "users", [401; 4]),
        ("GET", "definitions", [401; 4]),
        ("PUT", "vhosts/mine", [401; 4]),
        ("PUT", "policies/staging/p", [401, 401, 401, 201]),
        ("PUT", "policies/%2F/p", [401; 4]),
        ("DELETE", "connections/username/guest", [401; 4]),
        ("GET", "connections/username/guest", [401, 401, 200, 401]),
        ("GET", "nothing", [401, 404, 404, 404]),
    ] {
        for (name, wanted) in ["none", "man", "mon", "pol"].into_iter().zip(wanted) {
            let body = (method == "PUT").then(|| policy.clone());
            let answered = broker.ask_as(&format!("{name}:pw"), (method, path), body).await;
            assert_eq!(answered.status, wanted, "{name}: {method} {path}: {answered:?}");
        }
    }
    let seen = async |user: &str, path: &str| {
        let answered = broker.ask_as(&format!("{user}:pw"), ("GET", path), None).await;
        answered.body.as_array().unwrap().len()
    };
    for (path, wanted) in [
        ("queues", [1, 1]),
        ("exchanges", [7, 7]),
        ("bindings", [1, 1]),
        ("vhosts", [1, 2]),
        ("connections", [0, 1]),
        ("consumers", [0, 1]),
        ("consumers/staging", [0, 1]),
    ] {
        assert_eq!([seen("man", path).await, seen("mon", path).await], wanted, "{path}");
    }
    let totals = broker.ask_as("man:pw", ("GET", "overview"), None).await.body["object_totals"].clone();
    assert_eq!((&totals["queues"], &totals["connections"]), (&json!(1), &json!(0)));
    for (name, wanted) in [("man", false), ("mon", true)] {
        let overview = broker.ask_as(&format!("{name}:pw"), ("GET", "overview"), None).await.body;
        assert!(["node", "listeners", "contexts"].iter().all(|field| overview.get(field).is_some() == wanted));
    }
    let refused = broker.ask_as("man:pw", ("GET", "queues/%2F"), None).await.body;
    let wanted = json!({"error": "not_authorised", "reason": "User not authorised to access virtual host"});
    assert_eq!(refused, wanted);
}

#[tokio::test]
async fn api_does_what_permissions_say() {
    let broker = Broker::open().await;
    user(&broker, "ada", "management").await;
    broker.done("PUT", "permissions/%2F/ada", json!({"configure": "^mine", "write": "", "read": ""})).await;
    broker.done("PUT", "queues/%2F/others", json!({})).await;
    let publish = json!({"routing_key": "mine", "payload": "x", "payload_encoding": "string", "properties": {}});
    let get = json!({"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"});
    for (method, path, body, wanted) in [
        ("PUT", "queues/%2F/mine", json!({}), 201),
        ("PUT", "exchanges/%2F/mine", json!({"type": "direct"}), 201),
        ("PUT", "queues/%2F/yours", json!({}), 401),
        ("PUT", "exchanges/%2F/yours", json!({"type": "direct"}), 401),
        ("DELETE", "queues/%2F/others", json!({}), 401),
        ("DELETE", "exchanges/%2F/others", json!({}), 401),
        ("DELETE", "queues/%2F/others/contents", json!({}), 401),
        ("POST", "queues/%2F/others/get", get, 401),
        ("POST", "exchanges/%2F/amq.default/publish", publish, 400),
        ("POST", "bindings/%2F/e/mine/q/mine", json!({}), 401),
        ("GET", "aliveness-test/%2F", json!({}), 401),
        ("DELETE", "queues/%2F/mine", json!({}), 204),
    ] {
        let answered = broker.ask_as("ada:pw", (method, path), Some(body)).await;
        assert_eq!(answered.status, wanted, "{method} {path}: {answered:?}");
    }
}

#[tokio::test]
async fn who_creates_a_host_may_do_everything_in_it() {
    let broker = Broker::open().await;
    user(&broker, "ada", "administrator").await;
    assert_eq!(broker.ask_as("ada:pw", ("PUT", "vhosts/new"), Some(json!({}))).await.status, 201);
    assert_eq!(broker.get("permissions/new/ada").await["write"], ".*");
    assert_eq!(broker.ask_as("ada:pw", ("PUT", "queues/new/q"), Some(json!({}))).await.status, 201);
    assert_eq!(broker.ask_as("ada:pw", ("PUT", "queues/%2F/q"), Some(json!({}))).await.status, 401);
    broker.done("DELETE", "vhosts/new", json!({})).await;
    assert_eq!(broker.get("users/ada/permissions").await, json!([]));
    for (wrong, reason) in [
        (json!({"configure": "("}), "[{key_missing,write},{key_missing,read}]"),
        (json!({"configure": "(", "write": "", "read": ""}), "( is not a valid regular expression"),
    ] {
        let (status, told) = broker.status("PUT", "permissions/%2F/ada", wrong).await;
        assert!(status == 400 && told.starts_with(reason), "{status} {told}");
    }
    assert_eq!(broker.status("PUT", "permissions/%2F/nobody", everything()).await.0, 400);
    assert_eq!(broker.status("PUT", "permissions/nowhere/ada", everything()).await.0, 400);
}

#[tokio::test]
async fn keys_are_looked_at_where_something_is_said_of_them() {
    let broker = Broker::open().await;
    user(&broker, "ada", "management").await;
    broker.done("PUT", "permissions/%2F/ada", everything()).await;
    broker.done("PUT", "queues/%2F/q", json!({})).await;
    let said = json!({"exchange": "amq.topic", "write": "^{username}\\.", "read": "^all\\."});
    assert_eq!(broker.done("PUT", "topic-permissions/%2F/ada", said.clone()).await, 201);
    assert_eq!(broker.done("PUT", "topic-permissions/%2F/ada", said.clone()).await, 204);
    let shown =
        json!([{"user": "ada", "vhost": "/", "exchange": "amq.topic", "write": said["write"], "read": said["read"]}]);
    for path in ["topic-permissions", "topic-permissions/%2F/ada", "users/ada/topic-permissions"] {
        assert_eq!(broker.get(path).await, shown, "{path}");
    }
    assert_eq!(broker.get("vhosts/%2F/topic-permissions").await, shown);
    for (wrong, reason) in [
        (json!({"exchange": "x", "write": ""}), "[{key_missing,read}]"),
        (json!({"exchange": "x", "write": "{client_id}", "read": ""}), "{client_id} is not a valid regular expression"),
    ] {
        let (status, told) = broker.status("PUT", "topic-permissions/%2F/ada", wrong).await;
        assert!(status == 400 && told.starts_with(reason), "{status} {told}");
    }
    let (mut client, _) = Client::log_in(&broker, "ada:pw", "/").await;
    client.open_channel(1).await;
    let bind = |exchange: &str, key: &str| Method::QueueBind {
        reserved: 0,
        queue: "q".into(),
        exchange: exchange.into(),
        routing_key: key.into(),
        no_wait: false,
        arguments: Table::default(),
    };
    assert!(matches!(client.ask(1, bind("amq.topic", "all.#")).await, Method::QueueBindOk {}));
    assert!(matches!(client.ask(1, bind("amq.direct", "k")).await, Method::QueueBindOk {}));
    client.publish(1, ("amq.topic", "ada.x"), (false, b"x")).await;
    client.publish(1, ("amq.direct", "k"), (false, b"x")).await;
    let text =
        "ACCESS_REFUSED - read access to topic 'mine' in exchange 'amq.topic' in vhost '/' refused for user 'ada'";
    assert_eq!(why(client.ask(1, bind("amq.topic", "mine")).await), (403, text.to_owned()));
    client.say(1, Method::ChannelCloseOk {}).await;
    client.open_channel(1).await;
    client.publish(1, ("amq.topic", "bob.x"), (false, b"x")).await;
    let text =
        "ACCESS_REFUSED - write access to topic 'bob.x' in exchange 'amq.topic' in vhost '/' refused for user 'ada'";
    assert_eq!(why(client.next().await), (403, text.to_owned()));
    let publish = json!({"routing_key": "bob.x", "payload": "x", "payload_encoding": "string", "properties": {}});
    for (path, body) in [("exchanges/%2F/amq.topic/publish", publish), ("bindings/%2F/e/amq.topic/q/q", json!({}))] {
        let answered = broker.ask_as("ada:pw", ("POST", path), Some(body)).await;
        let reason = answered.body["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("in exchange 'amq.topic' in vhost '/' refused"), "{path}: {answered:?}");
    }
    let (other, exported) = (Broker::open().await, broker.get("definitions").await);
    assert_eq!(exported["topic_permissions"], shown);
    assert_eq!(other.done("POST", "definitions", exported).await, 204);
    assert_eq!(other.get("topic-permissions").await, shown);
    assert_eq!(broker.done("DELETE", "topic-permissions/%2F/ada/amq.topic", json!({})).await, 204);
    assert_eq!(broker.status("DELETE", "topic-permissions/%2F/ada/amq.topic", json!({})).await.0, 404);
    assert_eq!(other.done("DELETE", "topic-permissions/%2F/ada", json!({})).await, 204);
    assert_eq!(other.status("GET", "topic-permissions/%2F/ada", json!({})).await.0, 404);
}

#[tokio::test]
async fn definitions_carry_users() {
    let (one, other) = (Broker::open().await, Broker::open().await);
    user(&one, "ada", "administrator").await;
    one.done("PUT", "users/bob", json!({"password_hash": HASH, "tags": "monitoring"})).await;
    one.done("PUT", "permissions/%2F/bob", json!({"configure": "", "write": "^w", "read": "^r"})).await;
    let exported = one.get("definitions").await;
    assert_eq!(
        exported["users"][1],
        json!({"name": "bob", "password_hash": HASH, "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": ["monitoring"], "limits": {}})
    );
    assert_eq!(
        exported["permissions"],
        json!([{"user": "bob", "vhost": "/", "configure": "", "write": "^w", "read": "^r"}])
    );
    assert_eq!(other.done("POST", "definitions", exported.clone()).await, 204);
    assert_eq!(other.get("definitions").await, exported);
    for login in ["ada:pw", "bob:test12"] {
        assert_eq!(other.ask_as(login, ("GET", "whoami"), None).await.status, 200, "{login}");
    }
    // As 3.8 wrote them: tags are one text.
    let old = json!({"users": [{"name": "eve", "password_hash": HASH,
        "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "management,ops", "limits": {}}],
        "vhosts": [{"name": "new"}],
        "permissions": [{"user": "eve", "vhost": "new", "configure": ".*", "write": ".*", "read": ".*"}]});
    assert_eq!(other.done("POST", "definitions", old).await, 204);
    let (_, opened) = Client::log_in(&other, "eve:test12", "new").await;
    assert!(matches!(opened, Method::ConnectionOpenOk { .. }));
}
