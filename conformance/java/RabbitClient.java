import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.CancelCallback;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DeliverCallback;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.LongString;
import com.rabbitmq.client.Recoverable;
import com.rabbitmq.client.RecoveryListener;
import com.rabbitmq.client.RpcClient;
import com.rabbitmq.client.RpcClientParams;
import com.rabbitmq.client.RpcServer;
import com.rabbitmq.client.ShutdownSignalException;
import com.rabbitmq.client.impl.ClientVersion;
import com.rabbitmq.client.impl.LongStringHelper;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** RabbitMQ's own client for Java, which recovers connections with all that was declared on them. */
final class RabbitClient {
    private static final int PATIENCE_SECONDS = 30;
    private static final CancelCallback IGNORED = tag -> {};

    public static void main(String[] arguments) throws Exception {
        Map<String, Harness.Check> checks = Map.ofEntries(
            Map.entry("values", RabbitClient::values),
            Map.entry("frames", RabbitClient::frames),
            Map.entry("confirms", RabbitClient::confirms),
            Map.entry("consume", RabbitClient::consume),
            Map.entry("dead_letters", RabbitClient::deadLetters),
            Map.entry("quorum", RabbitClient::quorum),
            Map.entry("full", RabbitClient::full),
            Map.entry("delayed", RabbitClient::delayed),
            Map.entry("rpc", RabbitClient::rpc),
            Map.entry("topology", RabbitClient::topology),
            Map.entry("errors", RabbitClient::errors),
            Map.entry("heartbeat", RabbitClient::heartbeat),
            Map.entry("channels", RabbitClient::channels),
            Map.entry("gone", RabbitClient::gone),
            Map.entry("transactions", RabbitClient::transactions),
            Map.entry("cut_off", RabbitClient::cutOff),
            Map.entry("patterns", RabbitClient::patterns));
        Harness.run("amqp-client (Java)", ClientVersion.VERSION, checks, arguments);
    }

    private static ConnectionFactory factory(String address) {
        var factory = new ConnectionFactory();
        factory.setHost(address.substring(0, address.lastIndexOf(':')));
        factory.setPort(Integer.parseInt(address.substring(address.lastIndexOf(':') + 1)));
        return factory;
    }

    /** Declares a durable queue that nobody has used before, with these messages in it. */
    private static String queue(Channel channel, Map<String, Object> arguments, String... bodies) throws IOException {
        String name = channel.queueDeclare(Harness.fresh("q"), true, false, false, arguments).getQueue();
        for (String body : bodies) {
            channel.basicPublish("", name, null, body.getBytes(StandardCharsets.UTF_8));
        }
        return name;
    }

    private static String text(byte[] body) {
        return new String(body, StandardCharsets.UTF_8);
    }

    /** Fetches as soon as there is something. */
    private static GetResponse fetch(Channel channel, String queue) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (System.nanoTime() < deadline) {
            GetResponse got = channel.basicGet(queue, true);
            if (got != null) {
                return got;
            }
            Thread.sleep(20);
        }
        throw new AssertionError("never came: a message in " + queue);
    }

    private static <T> T next(BlockingQueue<T> from, String what) throws InterruptedException {
        T one = from.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
        if (one == null) {
            throw new AssertionError("never came: " + what);
        }
        return one;
    }

    private static DeliverCallback into(BlockingQueue<Delivery> taken) {
        return (tag, delivery) -> taken.add(delivery);
    }

    /** The call must close its channel with this code. */
    private static void refused(Harness.Call call, int code, String what) throws Exception {
        try {
            call.run();
        } catch (IOException | ShutdownSignalException error) {
            Throwable signal = error instanceof ShutdownSignalException ? error : error.getCause();
            Object reason = ((ShutdownSignalException) signal).getReason();
            int told = reason instanceof AMQP.Channel.Close close
                ? close.getReplyCode() : ((AMQP.Connection.Close) reason).getReplyCode();
            Harness.equal(told, code, "the code of " + what);
            return;
        }
        throw new AssertionError(what + " was accepted");
    }

    private static void values(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel channel = connection.createChannel();
            String queue = queue(channel, null);
            Map<String, Object> headers = new HashMap<>();
            headers.put("bool", true);
            headers.put("byte", (byte) -7);
            headers.put("short", (short) -300);
            headers.put("int", 1);
            headers.put("long", 1L << 40);
            headers.put("float", 1.5f);
            headers.put("double", 2.5);
            headers.put("decimal", new BigDecimal("1.25"));
            headers.put("text", LongStringHelper.asLongString("änd 🚌"));
            headers.put("list", List.of(1, LongStringHelper.asLongString("a"), List.of(2)));
            headers.put("time", new Date(1_700_000_000_000L));
            headers.put("table", Map.of("x", Map.of("y", 1)));
            headers.put("nothing", null);
            var sent = new AMQP.BasicProperties.Builder()
                .headers(headers).contentType("text/plain").contentEncoding("utf-8").deliveryMode(2).priority(7)
                .correlationId("c").replyTo("r").expiration("60000").messageId("m")
                .timestamp(new Date(1_700_000_000_000L)).type("t").userId("guest").appId("a").clusterId("cl").build();
            channel.basicPublish("", queue, sent, new byte[] {0, -1});
            GetResponse got = fetch(channel, queue);
            Harness.equal(got.getProps(), sent, "properties");
            Harness.equal(Arrays.toString(got.getBody()), "[0, -1]", "the body");
            headers.put("bytes", new byte[] {0, -1});
            channel.basicPublish("", queue, sent.builder().headers(headers).build(), new byte[0]);
            byte[] bytes = (byte[]) fetch(channel, queue).getProps().getHeaders().get("bytes");
            Harness.equal(Arrays.toString(bytes), "[0, -1]", "a header of bytes");
        }
    }

    private static void frames(String address) throws Exception {
        for (int frame : new int[] {0, 4096, 131_072}) {
            ConnectionFactory factory = factory(address);
            factory.setRequestedFrameMax(frame);
            try (Connection connection = factory.newConnection()) {
                Channel channel = connection.createChannel();
                String queue = queue(channel, null);
                for (int size : new int[] {5_000_000, 0, 4088, 4089}) {
                    byte[] body = new byte[size];
                    Arrays.fill(body, (byte) 'x');
                    channel.basicPublish("", queue, null, body);
                    boolean same = Arrays.equals(fetch(channel, queue).getBody(), body);
                    Harness.equal(same, true, size + " bytes in frames of " + frame);
                }
            }
        }
    }

    private static void confirms(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel channel = connection.createChannel();
            String queue = queue(channel, null);
            channel.confirmSelect();
            var under = new ConcurrentSkipListSet<Long>();
            var told = new LinkedBlockingQueue<String>();
            channel.addConfirmListener((number, multiple) -> {
                if (multiple) {
                    under.headSet(number, true).clear();
                } else {
                    under.remove(number);
                }
                told.add("confirmed");
            }, (number, multiple) -> told.add("refused"));
            for (int count = 0; count < 1_000; count++) {
                under.add(channel.getNextPublishSeqNo());
                channel.basicPublish("", queue, null, new byte[0]);
            }
            channel.waitForConfirmsOrDie(PATIENCE_SECONDS * 1000L);
            Harness.until(under::isEmpty, "all are confirmed");
            Harness.equal(channel.messageCount(queue), 1_000L, "messages");
            told.clear();
            channel.addReturnListener(back -> told.add("came back with " + back.getReplyCode()));
            channel.basicPublish("", Harness.fresh("nowhere"), true, null, new byte[0]);
            Harness.equal(next(told, "the return"), "came back with 312", "what comes first");
            Harness.equal(next(told, "the confirm"), "confirmed", "what comes then");
        }
    }

    private static void consume(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel channel = connection.createChannel();
            String queue = queue(channel, null, "1", "2", "3", "4", "5", "6");
            channel.basicQos(3);
            var taken = new LinkedBlockingQueue<Delivery>();
            String tag = channel.basicConsume(queue, false, into(taken), IGNORED);
            var held = new ArrayList<Delivery>();
            for (String wanted : List.of("1", "2", "3")) {
                held.add(next(taken, "a delivery"));
                Harness.equal(text(held.get(held.size() - 1).getBody()), wanted, "the next");
            }
            Harness.equal(taken.poll(200, TimeUnit.MILLISECONDS), null, "more than the prefetch");
            channel.basicAck(held.get(1).getEnvelope().getDeliveryTag(), true);
            next(taken, "the fourth");
            next(taken, "the fifth");
            channel.basicNack(held.get(2).getEnvelope().getDeliveryTag(), false, true);
            Delivery again = next(taken, "what was given back");
            Harness.equal(text(again.getBody()) + again.getEnvelope().isRedeliver(), "3true", "what was given back");
            channel.basicCancel(tag);
            channel.basicRecover(true);
            var rest = new TreeSet<String>();
            for (int count = 0; count < 4; count++) {
                rest.add(text(fetch(channel, queue).getBody()));
            }
            Harness.equal(rest.toString(), "[3, 4, 5, 6]", "what comes again");
        }
    }

    /** Arguments of a queue whose dead letters go to another one. */
    private static Map<String, Object> dyingInto(Channel channel, String dead) throws IOException {
        String exchange = Harness.fresh("dlx");
        channel.exchangeDeclare(exchange, BuiltinExchangeType.DIRECT, true);
        channel.queueBind(dead, exchange, "died");
        return new HashMap<>(Map.of("x-dead-letter-exchange", exchange, "x-dead-letter-routing-key", "died"));
    }

    private static Map<?, ?> deathOf(GetResponse letter) {
        return (Map<?, ?>) ((List<?>) letter.getProps().getHeaders().get("x-death")).get(0);
    }

    private static void deadLetters(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel channel = connection.createChannel();
            String dead = queue(channel, null);
            String queue = queue(channel, dyingInto(channel, dead), "rejected");
            channel.basicReject(channel.basicGet(queue, false).getEnvelope().getDeliveryTag(), false);
            var expiring = new AMQP.BasicProperties.Builder().expiration("50").build();
            for (String reason : List.of("rejected", "expired")) {
                GetResponse letter = fetch(channel, dead);
                Map<?, ?> death = deathOf(letter);
                String how = death.get("reason") + " " + death.get("queue") + " " + death.get("count");
                Harness.equal(how, reason + " " + queue + " 1", "how it died");
                Harness.equal(letter.getProps().getExpiration(), null, "it does not expire again");
                channel.basicPublish("", queue, expiring, new byte[0]);
            }
        }
    }

    private static void quorum(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel channel = connection.createChannel();
            String dead = queue(channel, null);
            Map<String, Object> arguments = dyingInto(channel, dead);
            arguments.putAll(Map.of("x-queue-type", "quorum", "x-delivery-limit", 2));
            String queue = queue(channel, arguments, "worn");
            var counts = new ConcurrentLinkedQueue<Object>();
            channel.basicConsume(queue, false, (tag, delivery) -> {
                Map<String, Object> headers = delivery.getProperties().getHeaders();
                counts.add(headers == null ? 0L : headers.getOrDefault("x-delivery-count", 0L));
                channel.basicNack(delivery.getEnvelope().getDeliveryTag(), false, true);
            }, IGNORED);
            Harness.equal(deathOf(fetch(channel, dead)).get("reason").toString(), "delivery_limit", "how it wore out");
            Harness.equal(counts.toString(), "[0, 1, 2]", "deliveries before");
        }
    }

    private static void full(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel channel = connection.createChannel();
            channel.confirmSelect();
            String queue = queue(channel, Map.of("x-max-length", 2, "x-overflow", "reject-publish"), "1", "2");
            Harness.equal(channel.waitForConfirms(), true, "two are taken");
            channel.basicPublish("", queue, null, new byte[0]);
            Harness.equal(channel.waitForConfirms(), false, "the third is taken");
        }
    }

    private static void delayed(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel channel = connection.createChannel();
            String exchange = Harness.fresh("x");
            String queue = queue(channel, null);
            channel.exchangeDeclare(exchange, "x-delayed-message", true, false, Map.of("x-delayed-type", "topic"));
            channel.queueBind(queue, exchange, "#");
            long sentAt = System.nanoTime();
            var late = new AMQP.BasicProperties.Builder().headers(Map.of("x-delay", 600)).build();
            channel.basicPublish(exchange, "k", late, new byte[0]);
            fetch(channel, queue);
            long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - sentAt);
            Harness.equal(millis >= 600, true, "it was held back");
        }
    }

    private static void rpc(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel answering = connection.createChannel();
            String asked = queue(answering, null);
            answering.basicConsume(asked, false, (tag, question) -> {
                String answer = text(question.getBody()).toUpperCase();
                var properties = new AMQP.BasicProperties.Builder()
                    .correlationId(question.getProperties().getCorrelationId()).build();
                answering.basicPublish("", question.getProperties().getReplyTo(), properties, answer.getBytes());
                answering.basicAck(question.getEnvelope().getDeliveryTag(), false);
            }, IGNORED);
            // The client's own way, which is the direct reply.
            var client = new RpcClient(new RpcClientParams().channel(connection.createChannel()).exchange("").routingKey(asked));
            Harness.equal(client.stringCall("question"), "QUESTION", "the answer");
            client.close();
            Channel asking = connection.createChannel();
            String mine = asking.queueDeclare().getQueue();
            var answers = new LinkedBlockingQueue<Delivery>();
            asking.basicConsume(mine, true, into(answers), IGNORED);
            var properties = new AMQP.BasicProperties.Builder().replyTo(mine).correlationId("c").build();
            asking.basicPublish("", asked, properties, "question".getBytes());
            Harness.equal(text(next(answers, "the answer").getBody()), "QUESTION", "the answer to a queue");
        }
    }

    private static void topology(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel channel = connection.createChannel();
            String outer = Harness.fresh("outer");
            String inner = Harness.fresh("inner");
            String queue = queue(channel, null);
            channel.exchangeDeclare(outer, BuiltinExchangeType.HEADERS, true, true, null);
            channel.exchangeDeclare(inner, BuiltinExchangeType.FANOUT, true, false, true, null);
            Map<String, Object> red = Map.of("x-match", "all", "colour", "red");
            channel.exchangeBind(inner, outer, "", red);
            channel.queueBind(queue, inner, "");
            for (String colour : List.of("blue", "red")) {
                var properties = new AMQP.BasicProperties.Builder().headers(Map.of("colour", colour)).build();
                channel.basicPublish(outer, "", properties, colour.getBytes());
            }
            Harness.equal(text(fetch(channel, queue).getBody()), "red", "what matches");
            refused(() -> connection.createChannel().exchangeDelete(inner, true), 406, "deleting what is used");
            channel.exchangeUnbind(inner, outer, "", red);
            refused(() -> connection.createChannel().exchangeDeclarePassive(outer), 404, "an auto-delete exchange");
            channel.basicPublish("", queue, null, new byte[0]);
            refused(() -> connection.createChannel().queueDelete(queue, false, true), 406, "deleting what is not empty");
            Harness.equal(channel.queuePurge(queue).getMessageCount(), 1, "what was purged");
        }
    }

    private static void errors(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            String queue = queue(connection.createChannel(), null);
            refused(() -> connection.createChannel().queueDeclare(queue, false, false, false, null), 406, "other arguments");
            refused(() -> connection.createChannel().queueDeclarePassive(Harness.fresh("q")), 404, "no queue");
            refused(() -> connection.createChannel().queueDeclare("amq.mine", true, false, false, null), 403, "a name");
            refused(() -> queue(connection.createChannel(), Map.of("x-max-priority", "a")), 406, "a priority of text");
            Channel channel = connection.createChannel();
            channel.basicAck(77, false);
            Harness.until(() -> !channel.isOpen(), "an unknown delivery closes the channel");
            Harness.equal(((AMQP.Channel.Close) channel.getCloseReason().getReason()).getReplyCode(), 406, "its code");
            Harness.equal(connection.isOpen(), true, "the connection goes on");
            try (Connection other = factory(address).newConnection()) {
                String exclusive = other.createChannel().queueDeclare().getQueue();
                refused(() -> connection.createChannel().queueDeclarePassive(exclusive), 405, "another's queue");
            }
        }
        ConnectionFactory wrong = factory(address);
        wrong.setPassword("wrong");
        Harness.refused(wrong::newConnection, com.rabbitmq.client.AuthenticationFailureException.class, "a wrong password");
    }

    private static void heartbeat(String address) throws Exception {
        ConnectionFactory factory = factory(address);
        factory.setRequestedHeartbeat(1);
        try (Connection connection = factory.newConnection()) {
            Channel channel = connection.createChannel();
            String queue = queue(channel, null);
            try (Socket silent = new Socket(factory.getHost(), factory.getPort())) {
                // Who has only said hello is not waited for, either.
                silent.getOutputStream().write(new byte[] {'A', 'M', 'Q', 'P', 0, 0, 9, 1});
                silent.setSoTimeout(PATIENCE_SECONDS * 1000);
                Thread.sleep(3_500);
                channel.basicPublish("", queue, null, new byte[0]);
                fetch(channel, queue);
                Harness.equal(ends(silent), true, "it is hung up on");
            }
        }
    }

    /** Reads to the end, which may be a sudden one. */
    private static boolean ends(Socket socket) throws IOException {
        try {
            return socket.getInputStream().readAllBytes().length > 0;
        } catch (SocketException reset) {
            return true;
        }
    }

    private static void channels(String address) throws Exception {
        try (Connection connection = factory(address).newConnection(); var threads = new Threads(20)) {
            var done = new CountDownLatch(100);
            var failures = new ConcurrentLinkedQueue<String>();
            for (int number = 0; number < 100; number++) {
                threads.run(() -> {
                    try (Channel channel = connection.createChannel()) {
                        String queue = queue(channel, null, "0", "1", "2", "3", "4");
                        var taken = new LinkedBlockingQueue<Delivery>();
                        channel.basicConsume(queue, true, into(taken), IGNORED);
                        for (int wanted = 0; wanted < 5; wanted++) {
                            Harness.equal(text(next(taken, "a delivery").getBody()), "" + wanted, "what a channel gets");
                        }
                    } catch (Exception | AssertionError error) {
                        failures.add(error.toString());
                    }
                    done.countDown();
                });
            }
            Harness.equal(done.await(60, TimeUnit.SECONDS), true, "all are done");
            Harness.equal(failures.toString(), "[]", "failures");
        }
    }

    /** Threads that end with their block. */
    private record Threads(java.util.concurrent.ExecutorService service) implements AutoCloseable {
        Threads(int count) {
            this(Executors.newFixedThreadPool(count));
        }

        void run(Runnable task) {
            service.submit(task);
        }

        @Override
        public void close() {
            service.shutdownNow();
        }
    }

    private static void gone(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel channel = connection.createChannel();
            String queue = queue(channel, null);
            var told = new LinkedBlockingQueue<String>();
            channel.basicConsume(queue, true, "tag", (tag, delivery) -> {}, told::add);
            connection.createChannel().queueDelete(queue);
            Harness.equal(next(told, "the word that the queue is gone"), "tag", "whose queue is gone");
            queue(channel, null);
        }
    }

    private static void transactions(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel channel = connection.createChannel();
            channel.txSelect();
            String queue = queue(channel, null, "1");
            channel.txRollback();
            channel.basicPublish("", queue, null, "2".getBytes());
            channel.txCommit();
            GetResponse got = channel.basicGet(queue, false);
            Harness.equal(text(got.getBody()), "2", "what was committed");
            channel.basicAck(got.getEnvelope().getDeliveryTag(), false);
            channel.txCommit();
            Harness.equal(channel.basicGet(queue, false), null, "what was rolled back");
        }
    }

    /** The connection is cut below the client, thrice; queues, bindings and consumers come back with it. */
    private static void cutOff(String address) throws Exception {
        Set<Socket> sockets = ConcurrentHashMap.newKeySet();
        ConnectionFactory factory = factory(address);
        factory.setNetworkRecoveryInterval(50);
        factory.setSocketConfigurator(socket -> {
            socket.setTcpNoDelay(true);
            sockets.add(socket);
        });
        var recovered = new AtomicInteger();
        try (Connection connection = factory.newConnection()) {
            ((Recoverable) connection).addRecoveryListener(new RecoveryListener() {
                @Override
                public void handleRecovery(Recoverable recoverable) {
                    recovered.incrementAndGet();
                }

                @Override
                public void handleRecoveryStarted(Recoverable recoverable) {}
            });
            Channel publishing = connection.createChannel();
            publishing.confirmSelect();
            Channel consuming = connection.createChannel();
            String exchange = Harness.fresh("x");
            consuming.exchangeDeclare(exchange, BuiltinExchangeType.TOPIC, false, true, null);
            String kept = queue(consuming, null);
            String mine = consuming.queueDeclare().getQueue();
            consuming.queueBind(kept, exchange, "#");
            consuming.queueBind(mine, exchange, "#");
            consuming.basicQos(5);
            Set<String> got = ConcurrentHashMap.newKeySet();
            consuming.basicConsume(kept, false, (tag, delivery) -> {
                got.add(text(delivery.getBody()));
                consuming.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
            }, IGNORED);
            for (int number = 0; number < 60; number++) {
                if (number % 20 == 10) {
                    for (Socket socket : sockets) {
                        socket.close();
                    }
                    sockets.clear();
                }
                publish(publishing, exchange, "" + number);
            }
            Harness.until(() -> got.size() == 60, "all that was confirmed");
            Harness.until(() -> recovered.get() == 3, "it has recovered three times");
        }
    }

    /** Publishes until it is confirmed. */
    private static void publish(Channel channel, String exchange, String body) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (System.nanoTime() < deadline) {
            try {
                channel.basicPublish(exchange, "k", true, null, body.getBytes());
                if (channel.waitForConfirms(2_000)) {
                    return;
                }
            } catch (IOException | java.util.concurrent.TimeoutException
                | IllegalStateException | ShutdownSignalException cut) {
                Thread.sleep(20);
            }
        }
        throw new AssertionError("never confirmed: " + body);
    }

    /** The client's server of questions, and its string types. */
    private static void patterns(String address) throws Exception {
        try (Connection connection = factory(address).newConnection()) {
            Channel channel = connection.createChannel();
            var server = new RpcServer(channel) {
                @Override
                public byte[] handleCall(byte[] body, AMQP.BasicProperties properties) {
                    return (text(body) + "!").getBytes();
                }
            };
            var thread = new Thread(() -> {
                try {
                    server.mainloop();
                } catch (IOException | ShutdownSignalException ended) {
                    // It ends with its connection.
                }
            });
            thread.setDaemon(true);
            thread.start();
            var parameters = new RpcClientParams().channel(connection.createChannel()).exchange("");
            var client = new RpcClient(parameters.routingKey(server.getQueueName()));
            for (String word : List.of("one", "two")) {
                Harness.equal(client.stringCall(word), word + "!", "what the server answers");
            }
            client.close();
            server.terminateMainloop();
            LongString product = (LongString) connection.getServerProperties().get("product");
            Harness.equal(product == null, false, "the server says what it is");
        }
    }

    private RabbitClient() {}
}
