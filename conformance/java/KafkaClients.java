import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** Apache Kafka's own client for Java. */
final class KafkaClients {
    /** The time of a check's first record: within every default retention, or housekeeping takes the records away. */
    static final long TIME = System.currentTimeMillis() - Duration.ofHours(1).toMillis();

    public static void main(String[] arguments) throws Exception {
        Map<String, Harness.Check> checks = new HashMap<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            checks.put("compression_" + codec, bootstrap -> compression(bootstrap, codec));
        }
        checks.put("record_fields", KafkaClients::recordFields);
        checks.put("order_per_key", KafkaClients::orderPerKey);
        checks.put("large_record", KafkaClients::largeRecord);
        checks.put("idempotence", KafkaClients::idempotence);
        checks.put("auto_create", KafkaClients::autoCreate);
        checks.put("seek", KafkaClients::seek);
        checks.put("group_resume", KafkaClients::groupResume);
        String strategy = "partition.assignment.strategy";
        String assignors = "org.apache.kafka.clients.consumer.";
        checks.put("group_rebalance", b -> rebalance(b, Map.of(strategy, assignors + "RangeAssignor")));
        checks.put("group_cooperative", b -> rebalance(b, Map.of(strategy, assignors + "CooperativeStickyAssignor")));
        checks.put("group_kip848", b -> rebalance(b, Map.of("group.protocol", "consumer")));
        checks.put("group_static", KafkaClients::groupStatic);
        checks.put("transactions_refused", KafkaClients::transactionsRefused);
        checks.putAll(Administration.CHECKS);
        Harness.run("kafka-clients (Java)", AppInfoParser.getVersion(), checks, arguments);
    }

    static String create(String bootstrap, int partitions, Map<String, String> configs) throws Exception {
        String topic = Harness.fresh("t");
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
        }
        return topic;
    }

    static String create(String bootstrap, int partitions) throws Exception {
        return create(bootstrap, partitions, Map.of());
    }

    static byte[] bytes(Object value) {
        return value.toString().getBytes();
    }

    static KafkaProducer<byte[], byte[]> producer(String bootstrap, Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "linger.ms", 20, "acks", "all"));
        all.putAll(config);
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Sends in order and returns the offsets. */
    static List<Long> produce(String bootstrap, List<ProducerRecord<byte[], byte[]>> records, Map<String, Object> config)
            throws Exception {
        List<Long> offsets = new ArrayList<>();
        try (var producer = producer(bootstrap, config)) {
            List<Future<RecordMetadata>> sent = records.stream().map(producer::send).toList();
            for (var one : sent) {
                offsets.add(one.get().offset());
            }
        }
        return offsets;
    }

    static List<ProducerRecord<byte[], byte[]>> numbered(String topic, int count) {
        return IntStream.range(0, count).mapToObj(n -> new ProducerRecord<>(topic, (byte[]) null, bytes(n))).toList();
    }

    static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String group, Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(Map.of(
                "bootstrap.servers", bootstrap, "auto.offset.reset", "earliest", "enable.auto.commit", false));
        if (group != null) {
            all.put("group.id", group);
        }
        all.putAll(config);
        return new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static List<ConsumerRecord<byte[], byte[]>> take(KafkaConsumer<byte[], byte[]> reader, int count) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> taken = new ArrayList<>();
        Harness.until(() -> {
            reader.poll(Duration.ofMillis(100)).forEach(taken::add);
            return taken.size() >= count;
        }, count + " records");
        return taken;
    }

    static List<ConsumerRecord<byte[], byte[]>> read(String bootstrap, String topic, int count) throws Exception {
        try (var reader = consumer(bootstrap, null, Map.of())) {
            reader.assign(List.of(new TopicPartition(topic, 0)));
            return take(reader, count);
        }
    }

    private static void compression(String bootstrap, String codec) throws Exception {
        String topic = create(bootstrap, 1);
        produce(bootstrap, numbered(topic, 500), Map.of("compression.type", codec));
        int number = 0;
        for (var record : read(bootstrap, topic, 500)) {
            Harness.equal(new String(record.value()), String.valueOf(number++), "value");
        }
    }

    private static void recordFields(String bootstrap) throws Exception {
        String topic = create(bootstrap, 1);
        var full = new ProducerRecord<>(topic, null, TIME + 123, bytes("key"), bytes("value"));
        full.headers().add("a", bytes("1")).add("a", bytes("2")).add("empty", new byte[0]).add("missing", null);
        produce(bootstrap, List.of(
                full,
                new ProducerRecord<>(topic, null, TIME + 124, new byte[0], new byte[0]),
                new ProducerRecord<>(topic, null, TIME + 125, (byte[]) null, (byte[]) null)), Map.of());
        var got = read(bootstrap, topic, 3);
        var headers = new StringBuilder();
        for (Header header : got.get(0).headers()) {
            headers.append(header.key()).append('=').append(Arrays.toString(header.value())).append(' ');
        }
        Harness.equal(headers.toString(), "a=[49] a=[50] empty=[] missing=null ", "headers");
        Harness.equal(new String(got.get(0).key()) + new String(got.get(0).value()), "keyvalue", "record 0");
        Harness.equal(got.get(1).key().length + got.get(1).value().length, 0, "bytes of record 1");
        Harness.equal(got.get(2).key() == null && got.get(2).value() == null, true, "record 2 has neither");
        Harness.equal(got.stream().map(ConsumerRecord::timestamp).toList(), List.of(TIME + 123, TIME + 124, TIME + 125), "timestamps");
    }

    private static void orderPerKey(String bootstrap) throws Exception {
        String topic = create(bootstrap, 4);
        produce(bootstrap, IntStream.range(0, 10_000)
                .mapToObj(n -> new ProducerRecord<>(topic, bytes(n % 100), bytes(n))).toList(), Map.of());
        Map<String, Integer> last = new HashMap<>();
        try (var reader = consumer(bootstrap, Harness.fresh("g"), Map.of())) {
            reader.subscribe(List.of(topic));
            for (var record : take(reader, 10_000)) {
                int number = Integer.parseInt(new String(record.value()));
                Integer before = last.put(new String(record.key()), number);
                Harness.equal(before == null ? number % 100 - 100 : before, number - 100, "the record before " + number);
            }
        }
        Harness.equal(last.size(), 100, "keys");
    }

    private static void largeRecord(String bootstrap) throws Exception {
        String topic = create(bootstrap, 1);
        byte[] body = new byte[900_000];
        for (int index = 0; index < body.length; index++) {
            body[index] = (byte) index;
        }
        produce(bootstrap, List.of(new ProducerRecord<>(topic, body)), Map.of());
        Harness.equal(Arrays.equals(read(bootstrap, topic, 1).get(0).value(), body), true, "the same bytes");
    }

    private static void idempotence(String bootstrap) throws Exception {
        String topic = create(bootstrap, 1);
        var offsets = produce(bootstrap, numbered(topic, 2000), Map.of("enable.idempotence", true));
        Harness.equal(offsets, IntStream.range(0, 2000).mapToObj(Long::valueOf).toList(), "offsets");
    }

    private static void autoCreate(String bootstrap) throws Exception {
        String topic = Harness.fresh("auto");
        produce(bootstrap, numbered(topic, 1), Map.of());
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            Harness.equal(admin.listTopics().names().get().contains(topic), true, "the topic exists");
        }
    }

    private static void seek(String bootstrap) throws Exception {
        String topic = create(bootstrap, 1);
        var at = new TopicPartition(topic, 0);
        produce(bootstrap, IntStream.range(0, 100)
                .mapToObj(n -> new ProducerRecord<>(topic, null, TIME + n, (byte[]) null, bytes(n))).toList(), Map.of());
        try (var reader = consumer(bootstrap, null, Map.of())) {
            reader.assign(List.of(at));
            take(reader, 100);
            reader.seek(at, 40);
            Harness.equal(new String(take(reader, 1).get(0).value()), "40", "after seeking offset 40");
            reader.seek(at, reader.offsetsForTimes(Map.of(at, TIME + 70)).get(at).offset());
            Harness.equal(new String(take(reader, 1).get(0).value()), "70", "after seeking a time");
            reader.seekToBeginning(List.of(at));
            Harness.equal(new String(take(reader, 1).get(0).value()), "0", "after seeking the beginning");
        }
    }

    private static void groupResume(String bootstrap) throws Exception {
        String topic = create(bootstrap, 1);
        String group = Harness.fresh("g");
        var at = new TopicPartition(topic, 0);
        produce(bootstrap, numbered(topic, 100), Map.of());
        try (var first = consumer(bootstrap, group, Map.of())) {
            first.subscribe(List.of(topic));
            take(first, 30);
            first.commitSync(Map.of(at, new OffsetAndMetadata(30, "a note")));
        }
        try (var second = consumer(bootstrap, group, Map.of())) {
            var committed = second.committed(Set.of(at)).get(at);
            Harness.equal(committed.offset() + committed.metadata(), "30a note", "committed");
            second.subscribe(List.of(topic));
            Harness.equal(new String(take(second, 1).get(0).value()), "30", "the next record");
        }
    }

    /** Polls until the readers' shares have these sizes. */
    private static void shares(List<KafkaConsumer<byte[], byte[]>> readers, List<Integer> wanted) throws Exception {
        Harness.until(() -> {
            readers.forEach(reader -> reader.poll(Duration.ofMillis(50)));
            Set<TopicPartition> owned = new HashSet<>();
            readers.forEach(reader -> owned.addAll(reader.assignment()));
            return readers.stream().map(reader -> reader.assignment().size()).toList().equals(wanted) && owned.size() == 4;
        }, "shares of " + wanted);
    }

    private static void rebalance(String bootstrap, Map<String, Object> config) throws Exception {
        String topic = create(bootstrap, 4);
        String group = Harness.fresh("g");
        var first = consumer(bootstrap, group, config);
        try (var second = consumer(bootstrap, group, config)) {
            first.subscribe(List.of(topic));
            second.subscribe(List.of(topic));
            shares(List.of(first, second), List.of(2, 2));
            first.close();
            shares(List.of(second), List.of(4));
            produce(bootstrap, numbered(topic, 40), Map.of());
            take(second, 40);
            second.commitSync();
        }
    }

    private static KafkaConsumer<byte[], byte[]> member(String bootstrap, String topic, String group, String instance) {
        var config = Map.<String, Object>of("group.instance.id", instance, "session.timeout.ms", 30_000);
        var member = consumer(bootstrap, group, config);
        member.subscribe(List.of(topic));
        return member;
    }

    private static void groupStatic(String bootstrap) throws Exception {
        String topic = create(bootstrap, 4);
        String group = Harness.fresh("g");
        var one = member(bootstrap, topic, group, "one");
        try (var two = member(bootstrap, topic, group, "two")) {
            shares(List.of(one, two), List.of(2, 2));
            var before = Set.copyOf(one.assignment());
            one.close();
            Thread.sleep(1000);
            two.poll(Duration.ofMillis(50));
            Harness.equal(two.assignment().size(), 2, "the other's share while the member is away");
            try (var back = member(bootstrap, topic, group, "one")) {
                shares(List.of(back, two), List.of(2, 2));
                Harness.equal(back.assignment(), before, "its share when it is back");
            }
        }
    }

    private static void transactionsRefused(String bootstrap) throws Exception {
        Map<String, Object> config = Map.of("transactional.id", Harness.fresh("x"), "max.block.ms", 15_000);
        try (var producer = producer(bootstrap, config)) {
            Harness.refused(producer::initTransactions, KafkaException.class, "a transaction");
        }
    }
}
