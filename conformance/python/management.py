"""pyrabbit2, and plain requests where it has no word for something."""

import base64
import importlib.metadata
import json
import time
import urllib.error
import urllib.parse
import urllib.request

import pika
from pika.exceptions import ConnectionClosedByBroker
from pyrabbit2.api import Client
from pyrabbit2.http import HTTPError

from harness import equal, fresh, refused, run, until


class Broker:
    """Both doors of a broker."""

    def __init__(self, addresses):
        self.http, self.amqp, self.metrics = addresses.split(",")
        self.client = Client(self.http, "guest", "guest", timeout=30)

    def ask(self, method, path, body=None, login="guest:guest"):
        """The status of a plain request, and the JSON that it answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.http}/api/{path}", data, method=method)
        request.add_header("content-type", "application/json")
        request.add_header("authorization", "Basic " + base64.b64encode(login.encode()).decode())
        try:
            answer = urllib.request.urlopen(request, timeout=30)
            status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return status, json.loads(text) if text else None

    def get(self, path):
        status, answer = self.ask("GET", path)
        equal(status, 200, path)
        return answer

    def metric(self, series, path="/metrics"):
        """The number of a series, or of all of a name together."""
        text = urllib.request.urlopen(f"http://{self.metrics}{path}", timeout=30).read().decode()
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#"]
        numbers = [float(number) for name, number in lines if series in (name, name.split("{")[0])]
        equal(bool(numbers), True, f"{series} is there")
        return sum(numbers)

    def queue(self, **more):
        name = fresh("q")
        self.client.create_queue("/", name, durable=True, **more)
        return name

    def send(self, queue, *bodies):
        for body in bodies:
            equal(self.client.publish("/", "amq.default", queue, body), True, "routed")

    def ready(self, queue):
        """How many messages can be had; RabbitMQ counts them every five seconds."""
        return self.ask("POST", f"queues/%2F/{queue}/get",
                        {"count": 1000, "ackmode": "ack_requeue_true", "encoding": "auto"})[1]

    def connect(self, name, **more):
        host, port = self.amqp.rsplit(":", 1)
        return pika.BlockingConnection(
            pika.ConnectionParameters(host, int(port), client_properties={"connection_name": name}, **more))

    def connect_as(self, user, password):
        return self.connect(user, credentials=pika.PlainCredentials(user, password))


def payloads(messages):
    return [message["payload"] for message in messages]


def login(addresses):
    broker = Broker(addresses)
    equal(broker.client.get_whoami()["name"], "guest", "who it is")
    status, answer = broker.ask("GET", "whoami", login="guest:wrong")
    equal((status, answer["error"]), (401, "not_authorized"), "a wrong password")
    equal("guest" in [user["name"] for user in broker.client.get_users()], True, "users")
    equal("/" in broker.client.get_vhost_names(), True, "virtual hosts")
    equal(broker.client.get_permission("/", "guest")["configure"], ".*", "what it may")
    equal(broker.client.get_user_permissions("guest")[0]["vhost"], "/", "where it may")


def node(addresses):
    broker = Broker(addresses)
    overview = broker.client.get_overview()
    for key in ["rabbitmq_version", "cluster_name", "node", "listeners", "object_totals", "queue_totals"]:
        equal(key in overview, True, key)
    [only] = broker.client.get_nodes()
    equal((only["name"], only["running"]), (overview["node"], True), "the node")
    equal(broker.client.get_cluster_name()["name"], overview["cluster_name"], "the cluster")
    equal(broker.get("aliveness-test/%2F"), {"status": "ok"}, "alive")
    port = broker.amqp.rsplit(":", 1)[1]
    for check in ["alarms", "local-alarms", "virtual-hosts", "node-is-quorum-critical", f"port-listener/{port}",
                  "protocol-listener/amqp"]:
        equal(broker.get(f"health/checks/{check}")["status"], "ok", check)
    equal(broker.ask("GET", "health/checks/port-listener/1")[0], 503, "a port where nobody listens")


def queues(addresses):
    broker = Broker(addresses)
    name = broker.queue(arguments={"x-max-length": 100})
    wish = {"durable": True, "arguments": {"x-max-length": 100}}
    equal(broker.ask("PUT", f"queues/%2F/{name}", wish)[0], 204, "once more")
    found = broker.client.get_queue("/", name)
    shown = {key: found[key] for key in ["name", "vhost", "durable", "auto_delete", "exclusive", "type", "arguments"]}
    wanted = {"name": name, "vhost": "/", "durable": True, "auto_delete": False, "exclusive": False,
              "type": "classic", "arguments": {"x-max-length": 100}}
    equal(shown, wanted, "a queue")
    broker.send(name, "a", "b")
    until(lambda: broker.client.get_queue("/", name).get("messages_ready") == 2, "its messages are counted")
    equal(name in [queue["name"] for queue in broker.client.get_queues("/")], True, "the list")
    broker.client.purge_queue("/", name)
    equal(broker.ready(name), [], "what is left")
    broker.client.delete_queue("/", name)
    equal(refused(lambda: broker.client.get_queue("/", name), "a deleted queue").status, 404, "a deleted queue")


def exchanges(addresses):
    broker = Broker(addresses)
    exchange, name = fresh("x"), broker.queue()
    broker.client.create_exchange("/", exchange, "topic", durable=True)
    found = broker.client.get_exchange("/", exchange)
    equal((found["type"], found["durable"], found["internal"]), ("topic", True, False), "an exchange")
    status, _ = broker.ask("POST", f"bindings/%2F/e/{exchange}/q/{name}", {"routing_key": "a.#", "arguments": {"k": 1}})
    equal(status, 201, "a binding")
    broker.client.create_binding("/", exchange, name, "plain")
    bound = {(each["source"], each["routing_key"]): each for each in broker.client.get_queue_bindings("/", name)}
    equal(sorted(bound), [("", name), (exchange, "a.#"), (exchange, "plain")], "bindings of a queue")
    key = bound[(exchange, "a.#")]["properties_key"]
    equal(bound[(exchange, "plain")]["properties_key"], "plain", "the name of a binding")
    equal(broker.client.publish("/", exchange, "a.b", "x"), True, "routed")
    broker.client.delete_binding("/", exchange, name, "plain")
    status, _ = broker.ask("DELETE", f"bindings/%2F/e/{exchange}/q/{name}/{urllib.parse.quote(key, safe='')}")
    equal(status, 204, "a binding ends")
    equal(broker.client.publish("/", exchange, "a.b", "x"), False, "routed")
    equal(broker.get(f"exchanges/%2F/{exchange}/bindings/source"), [], "bindings of an exchange")
    broker.client.delete_exchange("/", exchange)
    equal(exchange in [each["name"] for each in broker.client.get_exchanges("/")], False, "exchanges")


def messages(addresses):
    broker = Broker(addresses)
    name = broker.queue()
    properties = {"delivery_mode": 2, "headers": {"h": 1, "s": "t"}, "content_type": "text/plain", "priority": 3}
    equal(broker.client.publish("/", "amq.default", name, "hello", properties=properties), True, "routed")
    equal(broker.client.publish("/", "amq.default", name, "/wA=", payload_enc="base64"), True, "routed")
    seen = broker.client.get_messages("/", name, count=5, requeue=True)
    equal(seen[0]["properties"], properties, "properties")
    equal([(got["payload"], got["payload_encoding"], got["payload_bytes"], got["message_count"]) for got in seen],
          [("hello", "string", 5, 1), ("/wA=", "base64", 2, 0)], "what was looked at")
    cut = broker.client.get_messages("/", name, count=1, requeue=True, truncate=2)
    equal((cut[0]["payload"], cut[0]["redelivered"]), ("he", True), "a part of it")
    taken = broker.client.get_messages("/", name, count=5, requeue=False)
    equal((len(taken), broker.ready(name)), (2, []), "what was taken")


def connections(addresses):
    broker = Broker(addresses)
    name, word = broker.queue(), fresh("worker")
    connection = broker.connect(word)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=7)
    channel.basic_consume(name, lambda *_: None, consumer_tag=word)

    def seen():
        connection.process_data_events(0.1)
        for each in broker.client.get_connections() or []:
            if each.get("user_provided_name") == word and each.get("channels") == 1:
                return each
        return None

    found = until(seen, "the connection is seen")
    equal((found["user"], found["vhost"], found["protocol"], found["state"]),
          ("guest", "/", "AMQP 0-9-1", "running"), "a connection")
    quoted = urllib.parse.quote(found["name"], safe="")

    def channels():
        connection.process_data_events(0.1)
        return [each for each in broker.get(f"connections/{quoted}/channels") if each.get("consumer_count") == 1]

    [of_it] = until(channels, "the channel is seen")
    equal((of_it["prefetch_count"], of_it["number"]), (7, 1), "a channel")
    [consumer] = [each for each in broker.get("consumers/%2F") if each["consumer_tag"] == word]
    equal((consumer["queue"]["name"], consumer["ack_required"], consumer["prefetch_count"]), (name, True, 7), "a consumer")
    broker.client.delete_connection(found["name"])

    def ended():
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            connection.process_data_events(0.1)

    closed = refused(ended, "a closed connection")
    equal((type(closed), closed.reply_code), (ConnectionClosedByBroker, 320), "what the client hears")


def pages(addresses):
    broker = Broker(addresses)
    word = fresh("page")
    for letter in "cab":
        broker.client.create_queue("/", f"{word}-{letter}")
    page = broker.get(f"queues/%2F?page=1&page_size=2&name={word}&sort=name&sort_reverse=true")
    equal([each["name"][-1] for each in page["items"]], ["c", "b"], "a page")
    equal((page["filtered_count"], page["page_count"], page["item_count"]), (3, 2, 2), "what it says of itself")
    second = broker.get(f"queues/%2F?page=2&page_size=2&name=^{word}&use_regex=true&sort=name")
    equal([each["name"][-1] for each in second["items"]], ["c"], "another page")
    columns = broker.get("queues/%2F?columns=name,durable")
    equal({tuple(sorted(each)) for each in columns}, {("durable", "name")}, "columns")
    equal(broker.ask("GET", "queues?page=99&page_size=500")[1]["error"], "page_out_of_range", "too far")


def policies(addresses):
    broker = Broker(addresses)
    word = fresh("jobs")
    dead = broker.queue()
    first = f"{word}-first"
    broker.client.create_queue("/", first, durable=True)
    broker.send(first, "1", "2", "3")
    policy = {"pattern": f"^{word}", "apply-to": "queues", "priority": 1, "definition": {
        "max-length": 1, "dead-letter-exchange": "", "dead-letter-routing-key": dead}}
    equal(broker.ask("PUT", f"policies/%2F/{word}", policy)[0], 201, "a policy")
    shown = broker.client.get_policy("/", word)
    equal((shown["pattern"], shown["definition"]), (policy["pattern"], policy["definition"]), "it is kept")
    until(lambda: payloads(broker.ready(first)) == ["3"], "a queue that was there is bounded")
    until(lambda: payloads(broker.ready(dead)) == ["1", "2"], "what was too much is a dead letter")
    second = f"{word}-second"
    broker.client.create_queue("/", second, durable=True)
    broker.send(second, "4", "5")
    until(lambda: payloads(broker.ready(second)) == ["5"], "a queue that came is bounded")
    until(lambda: broker.client.get_queue("/", second).get("policy") == word, "the queue says so")
    broker.client.delete_policy("/", word)
    until(lambda: broker.client.get_queue("/", second).get("policy") is None, "the queue is free")
    broker.send(second, "6", "7")
    equal(payloads(broker.ready(second)), ["5", "6", "7"], "it holds no more")


def operators(addresses):
    broker = Broker(addresses)
    name = broker.queue()
    pattern = f"^{name}$"
    broker.ask("PUT", f"policies/%2F/{name}",
               {"pattern": pattern, "definition": {"max-length": 9, "expires": 600000}, "apply-to": "queues"})
    theirs = {"pattern": pattern, "apply-to": "queues", "definition": {"max-length": 2}, "priority": 1}
    equal(broker.ask("PUT", f"operator-policies/%2F/{name}", theirs)[0], 201, "an operator's policy")
    shown = broker.get(f"operator-policies/%2F/{name}")
    equal({key: shown[key] for key in theirs}, theirs, "how it is shown")
    merged = {"max-length": 2, "expires": 600000}

    def holds():
        queue = broker.client.get_queue("/", name)
        return (queue.get("policy"), queue.get("operator_policy"), queue.get("effective_policy_definition"))

    until(lambda: holds() == (name, name, merged), "both hold")
    broker.send(name, "1", "2", "3")
    until(lambda: payloads(broker.ready(name)) == ["2", "3"], "the oldest is gone")
    status, _ = broker.ask("PUT", f"operator-policies/%2F/{name}",
                           {"pattern": pattern, "definition": {"dead-letter-exchange": "x"}})
    equal(status, 400, "what operators do not say")
    found = [each for each in broker.client.get_definitions()["parameters"] if each["name"] == name]
    equal([each["component"] for each in found], ["operator_policy"], "what is exported")
    equal(broker.ask("DELETE", f"operator-policies/%2F/{name}")[0], 204, "it goes")
    until(lambda: (broker.client.get_queue("/", name).get("effective_policy_definition") or {}).get("max-length") == 9,
          "the other holds")
    broker.client.delete_policy("/", name)


def described(addresses):
    broker = Broker(addresses)
    host = fresh("host")
    wish = {"description": "trials", "tags": "a,b", "default_queue_type": "quorum"}
    equal(broker.ask("PUT", f"vhosts/{host}", wish)[0], 201, "a virtual host")
    shown = broker.get(f"vhosts/{host}")
    equal((shown["description"], shown["tags"], shown["default_queue_type"]), ("trials", ["a", "b"], "quorum"), "it")
    broker.ask("PUT", f"queues/{host}/q", {"durable": True})
    equal(broker.get(f"queues/{host}/q")["type"], "quorum", "a queue")
    connection = broker.connect("visitor", virtual_host=host)
    connection.channel().queue_declare("r", durable=True)
    connection.channel().queue_declare("passing", exclusive=True)
    kinds = {each["name"]: each["type"] for each in broker.get(f"queues/{host}")}
    equal(kinds, {"q": "quorum", "r": "quorum", "passing": "classic"}, "queues by themselves")
    connection.close()
    before = [each for each in broker.client.get_definitions()["vhosts"] if each["name"] == host]
    broker.client.delete_vhost(host)
    equal(broker.ask("POST", "definitions", {"vhosts": before})[0], 204, "the import")
    equal(broker.get(f"vhosts/{host}")["metadata"], shown["metadata"], "it again")
    broker.client.delete_vhost(host)


def alternate(addresses):
    broker = Broker(addresses)
    exchange, name = fresh("x"), broker.queue()
    broker.client.create_exchange("/", exchange, "direct", durable=True)
    broker.client.create_exchange("/", f"{exchange}-lost", "fanout", durable=True)
    broker.client.create_binding("/", f"{exchange}-lost", name, "")
    equal(broker.client.publish("/", exchange, "nobody", "x"), False, "routed")
    policy = {"pattern": f"^{exchange}$", "apply-to": "exchanges", "definition": {
        "alternate-exchange": f"{exchange}-lost"}}
    equal(broker.ask("PUT", f"policies/%2F/{exchange}", policy)[0], 201, "a policy")
    until(lambda: broker.client.publish("/", exchange, "nobody", "x"), "the alternate takes it")
    broker.client.delete_policy("/", exchange)
    until(lambda: not broker.client.publish("/", exchange, "nobody", "x"), "nobody takes it")


def hosts(addresses):
    broker = Broker(addresses)
    host, other = fresh("host"), broker.queue()
    broker.client.create_vhost(host)
    broker.client.set_vhost_permissions(host, "guest", ".*", ".*", ".*")
    equal(host in broker.client.get_vhost_names(), True, "virtual hosts")
    equal(broker.client.get_permission(host, "guest")["read"], ".*", "what one may there")
    broker.client.create_queue(host, other, durable=True)
    broker.client.create_exchange(host, "x", "fanout", durable=True)
    broker.client.create_binding(host, "x", other, "k")
    broker.ask("PUT", f"policies/{host}/p", {"pattern": ".*", "apply-to": "queues", "definition": {"max-length": 1}})
    for body in ["1", "2"]:
        equal(broker.client.publish(host, "x", "any", body), True, "routed")
    until(lambda: payloads(broker.ask("POST", f"queues/{host}/{other}/get", {
        "count": 9, "ackmode": "ack_requeue_true", "encoding": "auto"})[1]) == ["2"], "its policy holds")
    equal(broker.ready(other), [], "the namesake in /")
    equal([each["name"] for each in broker.client.get_queues(host)], [other], "its queues")
    equal([each["name"] for each in broker.get(f"policies/{host}")], ["p"], "its policies")
    exported = broker.get(f"definitions/{host}")
    equal([(each["source"], each["destination"]) for each in exported["bindings"]], [("x", other)], "what was exported")
    connection = broker.connect("visitor", virtual_host=host)
    until(lambda: host in [each.get("vhost") for each in broker.client.get_connections() or []], "a connection to it")
    connection.close()
    broker.client.delete_vhost(host)
    equal(host in broker.client.get_vhost_names(), False, "a deleted host")
    equal(broker.ask("GET", f"queues/{host}")[0], 404, "its queues")
    equal(broker.client.get_queue("/", other)["vhost"], "/", "the namesake")


def users(addresses):
    broker = Broker(addresses)
    ada, bob = fresh("ada"), fresh("bob")
    broker.client.create_user(ada, "s3cret", tags="monitoring")
    status = lambda login, path, method="GET", body=None: broker.ask(method, path, body, login=login)[0]
    equal(status(f"{ada}:s3cret", "whoami"), 200, "a new user")
    equal(status(f"{ada}:wrong", "whoami"), 401, "a wrong password")
    equal([each["name"] for each in broker.get("users/without-permissions") if each["name"] == ada], [ada],
          "who may do nothing")
    # The password test12, as RabbitMQ's documents have it.
    digest = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    wish = {"password_hash": digest, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "management"}
    equal(broker.ask("PUT", f"users/{bob}", wish)[0], 201, "a user by the digest of a password")
    equal(broker.get(f"users/{bob}")["password_hash"], digest, "the digest")
    broker.client.set_vhost_permissions("/", bob, "^$", ".*", "^$")
    name = broker.queue()
    equal(status(f"{bob}:test12", f"queues/%2F/{name}"), 200, "what is in a virtual host of his")
    for path, wanted in [("nodes", (200, 401)), ("users", (401, 401)), ("definitions", (401, 401)),
                         ("overview", (200, 200))]:
        equal((status(f"{ada}:s3cret", path), status(f"{bob}:test12", path)), wanted, path)
    equal(status(f"{bob}:test12", f"policies/%2F/{name}", "PUT", {"pattern": "", "definition": {"max-length": 1}}), 401,
          "a policy of one who makes none")
    equal(broker.ask("PUT", f"users/{ada}", {"password": "s3cret", "tags": ""})[0], 204, "no tags")
    equal(status(f"{ada}:s3cret", "whoami"), 401, "one without tags")
    equal(broker.ask("POST", "users/bulk-delete", {"users": [ada, bob]})[0], 204, "both are deleted")
    equal(status(f"{bob}:test12", "whoami"), 401, "one who is gone")


def permissions(addresses):
    broker = Broker(addresses)
    ada, name = fresh("ada"), broker.queue()
    broker.client.create_user(ada, "s3cret")
    closed = refused(lambda: broker.connect_as(ada, "s3cret"), "a virtual host where he may nothing")
    equal(type(closed).__name__ in ["ProbableAccessDeniedError", "ConnectionClosedByBroker"], True, "why")
    equal("access to vhost '/' refused for user" in str(closed) or "530" in str(closed), True, str(closed))
    broker.client.set_vhost_permissions("/", ada, config=f"^{ada}", rd=f"^({ada}|amq.fanout)", wr=f"^({ada}|amq.default)")
    equal(broker.client.get_permission("/", ada)["write"], f"^({ada}|amq.default)", "what he may")
    connection = broker.connect_as(ada, "s3cret")
    refusals = [
        lambda channel: channel.queue_declare(name, durable=True),
        lambda channel: channel.queue_purge(name),
        lambda channel: channel.queue_delete(name),
        lambda channel: channel.basic_get(name),
        lambda channel: list(zip(range(1), channel.consume(name))),
        lambda channel: channel.queue_bind(name, "amq.fanout"),
        lambda channel: channel.queue_bind(ada, "amq.topic"),
        lambda channel: channel.exchange_declare(name),
        lambda channel: channel.queue_declare(f"{ada}.dead", arguments={"x-dead-letter-exchange": "amq.topic"}),
    ]
    channel = connection.channel()
    channel.queue_declare(ada)
    channel.queue_bind(ada, "amq.fanout")
    channel.basic_publish("", ada, b"mine")
    equal(channel.basic_get(ada, auto_ack=True)[2], b"mine", "his own")
    for number, deed in enumerate(refusals):
        closed = refused(lambda: deed(connection.channel()), f"refusal {number}")
        equal(closed.reply_code, 403, f"refusal {number}: {closed}")
        equal(f"refused for user '{ada}'" in closed.reply_text, True, closed.reply_text)
    other = connection.channel()
    other.confirm_delivery()
    closed = refused(lambda: other.basic_publish("amq.direct", "k", b"x"), "an exchange that is not his")
    equal(closed.reply_code, 403, "a publish")
    # Whoever is connected hears of it at once.
    broker.client.set_vhost_permissions("/", ada, ".*", ".*", ".*")
    until(lambda: connection.channel().queue_declare(name, durable=True), "he may")
    broker.ask("DELETE", f"permissions/%2F/{ada}")
    closed = refused(lambda: connection.channel().queue_declare(name, durable=True), "he may not any more")
    equal(closed.reply_code, 403, "who may nothing any more")
    broker.client.delete_user(ada)
    ended = refused(lambda: [connection.process_data_events(0.1) or connection.channel() for _ in range(100)], "his end")
    equal((type(ended), ended.reply_code), (ConnectionClosedByBroker, 320), "who is deleted")


def limits(addresses):
    broker = Broker(addresses)
    host, user = fresh("h"), fresh("u")
    broker.client.create_vhost(host)
    equal(broker.get(f"vhost-limits/{host}"), [], "nothing is limited")
    for name, most in [("max-queues", 1), ("max-connections", 1)]:
        equal(broker.ask("PUT", f"vhost-limits/{host}/{name}", {"value": most})[0], 204, name)
    limits = [{"vhost": host, "value": {"max-connections": 1, "max-queues": 1}}]
    equal(broker.get(f"vhost-limits/{host}"), limits, "what is limited")
    broker.client.create_queue(host, "one", durable=True)
    status, answer = broker.ask("PUT", f"queues/{host}/another", {})
    equal((status, "queue limit in vhost" in answer["reason"]), (400, True), "one queue too many")
    broker.ask("PUT", f"users/{user}", {"password": "pw", "tags": ""})
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    broker.ask("PUT", f"permissions/{host}/{user}", everything)
    equal(broker.ask("PUT", f"user-limits/{user}/max-channels", {"value": 1})[0], 204, "max-channels")
    equal(broker.get(f"user-limits/{user}"), [{"user": user, "value": {"max-channels": 1}}], "a user's limits")
    name, port = broker.amqp.split(":")
    credentials = pika.PlainCredentials(user, "pw")
    parameters = pika.ConnectionParameters(name, int(port), host, credentials)
    connection = pika.BlockingConnection(parameters)
    error = refused(lambda: pika.BlockingConnection(parameters), "one connection too many")
    equal("connection limit (1) is reached" in str(error), True, f"why it is refused ({error})")
    channel = connection.channel()
    error = refused(lambda: channel.queue_declare("another"), "one queue too many")
    equal(error.reply_code, 406, "one queue too many")
    connection.channel()
    error = refused(connection.channel, "one channel too many")
    equal((error.reply_code, "user limit of (1)" in error.reply_text), (530, True), "one channel too many")
    equal(broker.ask("DELETE", f"vhost-limits/{host}/max-queues")[0], 204, "a limit that ends")
    broker.client.create_queue(host, "another", durable=True)
    broker.client.delete_vhost(host)
    broker.client.delete_user(user)


def moving(addresses):
    broker = Broker(addresses)
    host, word = fresh("host"), fresh("user")
    digest = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    written = {
        "rabbit_version": "3.13.7",
        "users": [{"name": word, "password_hash": digest, "hashing_algorithm": "rabbit_password_hashing_sha256",
                   "tags": ["management"], "limits": {}}],
        "vhosts": [{"name": host}],
        "permissions": [{"user": word, "vhost": host, "configure": "", "write": ".*", "read": "^q"}],
        "topic_permissions": [], "parameters": [], "policies": [],
        "queues": [{"name": "q", "vhost": host, "durable": True, "auto_delete": False, "arguments": {}}],
        "exchanges": [], "bindings": [],
    }
    equal(broker.ask("POST", "definitions", written)[0], 204, "the import")
    connection = broker.connect("moved", virtual_host=host, credentials=pika.PlainCredentials(word, "test12"))
    channel = connection.channel()
    channel.basic_publish("", "q", b"x")
    until(lambda: channel.basic_get("q", auto_ack=True)[2] == b"x", "the message")
    equal(refused(lambda: connection.channel().queue_declare("r"), "a queue").reply_code, 403, "a queue")
    connection.close()
    ours = lambda everything: [[each for each in everything[kind] if word in (each.get("name"), each.get("user"))]
                               for kind in ["users", "permissions"]]
    equal(ours(broker.client.get_definitions()), ours(written), "what is exported")
    broker.client.delete_vhost(host)
    equal(broker.get(f"users/{word}/permissions"), [], "what he may without the virtual host")
    broker.client.delete_user(word)


def metrics(addresses):
    broker = Broker(addresses)
    everything = "rabbitmq_global_messages_{}_total"
    counted = ["received", "routed", "confirmed", "unroutable_dropped", "delivered_consume_manual_ack",
               "delivered_get_auto_ack", "get_empty", "redelivered", "acknowledged"]
    before = {name: broker.metric(everything.format(name)) for name in counted}
    opened, declared = (broker.metric(f"rabbitmq_{name}_total") for name in ["connections_opened", "queues_declared"])
    connection = broker.connect("counted")
    channel = connection.channel()
    channel.confirm_delivery()
    name = channel.queue_declare(fresh("q"), durable=True).method.queue
    for _ in range(3):
        channel.basic_publish("", name, b"x", pika.BasicProperties(delivery_mode=2))
    channel.basic_publish("", fresh("nobody"), b"x")
    channel.basic_get(name, auto_ack=True)
    got = channel.basic_get(name)[0]
    channel.basic_nack(got.delivery_tag)
    for _, (method, _, _) in zip(range(2), channel.consume(name)):
        channel.basic_ack(method.delivery_tag)
    channel.cancel()
    equal(channel.basic_get(name)[0], None, "nothing is left")
    wanted = {"received": 4, "routed": 3, "confirmed": 4, "unroutable_dropped": 1, "delivered_consume_manual_ack": 2,
              "delivered_get_auto_ack": 1, "get_empty": 1, "redelivered": 1, "acknowledged": 2}
    grown = lambda: {each: broker.metric(everything.format(each)) - before[each] for each in counted}
    until(lambda: grown() == wanted, "messages are counted")
    equal(broker.metric("rabbitmq_connections_opened_total") - opened, 1, "connections")
    # RabbitMQ looks every five seconds, too, and has no name for what it has not seen.
    rate = lambda: broker.client.get_overview()["message_stats"].get("publish_details", {"rate": 0})["rate"]
    until(lambda: rate() > 0, "a rate of publishes")
    series = f'rabbitmq_detailed_queue_consumers{{vhost="/",queue="{name}"}}'
    detailed = "/metrics/detailed?vhost=/&family=queue_consumer_count"
    until(lambda: broker.metric(series, detailed) == 0, "a family of a virtual host")
    equal(broker.metric("rabbitmq_queues_declared_total") - declared, 1, "declarations")
    equal(broker.metric("rabbitmq_connections") >= 1, True, "connections that are open")
    channel.basic_publish("", name, b"x")
    series = f'rabbitmq_queue_messages_ready{{vhost="/",queue="{name}"}}'
    until(lambda: broker.metric(series, "/metrics/per-object") == 1, "each queue is told of")
    equal(broker.metric("rabbitmq_identity_info"), 1, "who it is")
    for alarm in ["free_disk_space", "memory_used"]:
        equal(broker.metric(f"rabbitmq_alarms_{alarm}_watermark"), 0, alarm)
    for each in ["build_info", "process_open_fds", "process_max_fds", "process_resident_memory_bytes",
                 "disk_space_available_bytes", "disk_space_available_limit_bytes", "erlang_uptime_seconds"]:
        equal(broker.metric(f"rabbitmq_{each}") > 0, True, each)
    connection.close()


def stats(addresses):
    broker = Broker(addresses)
    name = broker.queue()
    broker.send(name, *"abcd")
    name_of, port = broker.amqp.split(":")
    connection = pika.BlockingConnection(pika.ConnectionParameters(name_of, int(port)))
    channel = connection.channel()
    for tag in [1, 2]:
        channel.basic_ack(next(channel.consume(name))[0].delivery_tag)
    channel.cancel()
    told = lambda: broker.client.get_queue("/", name).get("message_stats", {})
    until(lambda: (told().get("publish"), told().get("ack")) == (4, 2), "what has passed through")
    equal(told()["deliver_get"] >= 2, True, "deliveries")

    def grows():
        broker.send(name, "x")
        return told()["publish_details"]["rate"] > 0
    until(grows, "a rate of publishes")
    connection.close()


def definitions(addresses):
    broker = Broker(addresses)
    word = fresh("d")
    broker.client.create_queue("/", word, durable=True, arguments={"x-max-length": 9, "x-queue-type": "quorum"})
    broker.client.create_exchange("/", word, "headers", durable=True, arguments={"alternate-exchange": "amq.fanout"})
    broker.ask("POST", f"bindings/%2F/e/{word}/q/{word}", {"routing_key": "", "arguments": {"x-match": "any", "n": 1}})
    broker.ask("PUT", f"policies/%2F/{word}", {"pattern": f"^{word}$", "definition": {"message-ttl": 60000}})
    ours = lambda everything: {
        kind: [each for each in everything[kind] if word in (each.get("name"), each.get("source"))]
        for kind in ["queues", "exchanges", "bindings", "policies"]}
    before = ours(broker.client.get_definitions())
    equal([len(each) for each in before.values()], [1, 1, 1, 1], "what was exported")
    broker.client.delete_policy("/", word)
    broker.client.delete_exchange("/", word)
    broker.client.delete_queue("/", word)
    equal(ours(broker.client.get_definitions()), {kind: [] for kind in before}, "what is left")
    status, answer = broker.ask("POST", "definitions", before)
    equal(status, 204, f"the import ({answer})")
    equal(ours(broker.client.get_definitions()), before, "what is there again")


def refusals(addresses):
    broker = Broker(addresses)
    name = broker.queue()
    told = lambda *request: (lambda status, answer: (status, answer["error"]))(*broker.ask(*request))
    equal(told("GET", "nothing"), (404, "Object Not Found"), "a path")
    equal(told("GET", "queues/%2F/nothing"), (404, "Object Not Found"), "a queue")
    equal(told("PUT", "queues/nowhere/q", {}), (404, "not_found"), "a virtual host")
    equal(told("PUT", f"queues/%2F/{name}", {"durable": False}), (400, "bad_request"), "another queue")
    equal(told("PUT", f"queues/%2F/{name}x", {"arguments": {"x-max-length": "a"}}), (400, "bad_request"), "an argument")
    equal(told("PUT", f"exchanges/%2F/{name}", {"type": "nothing"}), (400, "bad_request"), "a type")
    equal(told("POST", f"bindings/%2F/e/nothing/q/{name}", {})[0], 404, "a binding from nowhere")
    equal(told("DELETE", "exchanges/%2F/amq.direct")[0], 401, "an exchange that stays")
    equal(told("POST", "exchanges/%2F/amq.default/publish", {})[0], 400, "a message without a body")
    equal(told("POST", f"queues/%2F/{name}/get", {})[0], 400, "nothing that is wanted")
    equal(told("PUT", f"policies/%2F/{name}", {"pattern": "(", "definition": {"max-length": 1}})[0], 400, "a pattern")
    equal(told("PUT", f"policies/%2F/{name}", {"pattern": "", "definition": {"nothing": 1}})[0], 400, "a setting")
    error = refused(lambda: broker.client.create_queue("/", name, durable=False), "another queue")
    equal((type(error), error.status), (HTTPError, 400), "what the client makes of it")


run("pyrabbit2", importlib.metadata.version("pyrabbit2"), globals())
