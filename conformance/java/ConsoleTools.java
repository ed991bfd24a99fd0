import java.io.File;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.common.utils.AppInfoParser;

/** The command line tools that Apache Kafka comes with, each in a process of its own. */
final class ConsoleTools {
    private static final String TOPICS = "org.apache.kafka.tools.TopicCommand";
    private static final String CONFIGS = "kafka.admin.ConfigCommand";
    private static final String OFFSETS = "org.apache.kafka.tools.GetOffsetShell";
    private static final String DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand";
    private static final String GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    private static final String PRODUCER = "org.apache.kafka.tools.ConsoleProducer";
    private static final String CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    private static final String VERIFIABLE_PRODUCER = "org.apache.kafka.tools.VerifiableProducer";

    public static void main(String[] arguments) throws Exception {
        Map<String, Harness.Check> checks = new HashMap<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            checks.put("compression_" + codec, bootstrap -> compression(bootstrap, codec));
        }
        checks.put("record_fields", ConsoleTools::recordFields);
        checks.put("idempotence", ConsoleTools::idempotence);
        checks.put("auto_create", ConsoleTools::autoCreate);
        checks.put("seek", ConsoleTools::seek);
        checks.put("group_resume", ConsoleTools::groupResume);
        checks.put("group_kip848", ConsoleTools::groupKip848);
        checks.put("admin_topics", ConsoleTools::topics);
        checks.put("admin_configs", ConsoleTools::configs);
        checks.put("unknown_config_refused", ConsoleTools::unknownConfigRefused);
        checks.put("admin_partitions", ConsoleTools::partitions);
        checks.put("admin_delete_records", ConsoleTools::deleteRecords);
        checks.put("admin_offsets", ConsoleTools::offsets);
        checks.put("admin_groups", ConsoleTools::groups);
        Harness.run("Kafka's console tools", AppInfoParser.getVersion(), checks, arguments);
    }

    private record Ended(int status, String output) {}

    private static Ended run(String bootstrap, String input, String tool, String... options) throws Exception {
        File in = File.createTempFile("console", ".in");
        File out = File.createTempFile("console", ".out");
        try {
            Files.writeString(in.toPath(), input);
            List<String> command = new ArrayList<>(List.of(
                    "java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
                    "-cp", System.getProperty("java.class.path"), tool, "--bootstrap-server", bootstrap));
            command.addAll(List.of(options));
            Process process = new ProcessBuilder(command).redirectInput(in).redirectOutput(out).redirectErrorStream(true).start();
            if (!process.waitFor(60, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new AssertionError(tool + " has not ended: " + Files.readString(out.toPath()));
            }
            return new Ended(process.exitValue(), Files.readString(out.toPath()));
        } finally {
            in.delete();
            out.delete();
        }
    }

    /** Runs a tool that must succeed and returns what it printed. */
    private static String ok(String bootstrap, String input, String tool, String... options) throws Exception {
        Ended ended = run(bootstrap, input, tool, options);
        Harness.equal(ended.status(), 0, tool + " ends (" + ended.output() + ") with status");
        return ended.output();
    }

    private static void contains(String output, String wanted) {
        Harness.equal(output.contains(wanted), true, "«" + output.strip() + "» contains «" + wanted + "»");
    }

    private static String lines(int count) {
        return IntStream.range(0, count).mapToObj(number -> "line " + number + "\n").collect(Collectors.joining());
    }

    /** What a consumer printed, without what it says about itself. */
    private static String consumed(String bootstrap, String topic, int count, String... options) throws Exception {
        List<String> all = new ArrayList<>(List.of(
                "--topic", topic, "--from-beginning", "--max-messages", "" + count, "--timeout-ms", "20000"));
        all.addAll(List.of(options));
        return ok(bootstrap, "", CONSUMER, all.toArray(String[]::new)).replaceAll("(Processed a total of |The consumer rebalance protocol ).*\n", "");
    }

    private static void compression(String bootstrap, String codec) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        ok(bootstrap, lines(500), PRODUCER, "--topic", topic, "--compression-codec", codec);
        Harness.equal(consumed(bootstrap, topic, 500), lines(500), "lines");
    }

    private static void recordFields(String bootstrap) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        String input = "a:1,a:2\tkey\tvalue\nNULL\tNULL\tNULL\n";
        ok(bootstrap, input, PRODUCER, "--topic", topic, "--reader-property", "parse.key=true",
                "--reader-property", "parse.headers=true", "--reader-property", "null.marker=NULL");
        String output = consumed(bootstrap, topic, 2, "--formatter-property", "print.key=true",
                "--formatter-property", "print.headers=true", "--formatter-property", "print.offset=true");
        Harness.equal(output, "Offset:0\ta:1,a:2\tkey\tvalue\nOffset:1\tNO_HEADERS\tnull\tnull\n", "records");
    }

    private static void idempotence(String bootstrap) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        String output = ok(bootstrap, "", VERIFIABLE_PRODUCER, "--topic", topic, "--max-messages", "1000", "--acks", "-1");
        contains(output, "\"acked\":1000");
    }

    private static void autoCreate(String bootstrap) throws Exception {
        String topic = Harness.fresh("auto");
        ok(bootstrap, lines(1), PRODUCER, "--topic", topic);
        contains(ok(bootstrap, "", TOPICS, "--list"), topic);
    }

    private static void seek(String bootstrap) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        ok(bootstrap, lines(10), PRODUCER, "--topic", topic);
        String output = ok(bootstrap, "", CONSUMER, "--topic", topic, "--partition", "0", "--offset", "7", "--max-messages", "1");
        contains(output, "line 7\n");
    }

    private static void groupResume(String bootstrap) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        String group = Harness.fresh("g");
        ok(bootstrap, lines(10), PRODUCER, "--topic", topic);
        Harness.equal(consumed(bootstrap, topic, 4, "--group", group), lines(4), "the first lines");
        Harness.equal(consumed(bootstrap, topic, 1, "--group", group), "line 4\n", "the next line");
    }

    private static void groupKip848(String bootstrap) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        ok(bootstrap, lines(10), PRODUCER, "--topic", topic);
        String group = Harness.fresh("g");
        String[] options = {"--group", group, "--command-property", "group.protocol=consumer"};
        Harness.equal(consumed(bootstrap, topic, 10, options), lines(10), "lines");
        contains(ok(bootstrap, "", GROUPS, "--list", "--type"), group + " ");
    }

    private static void topics(String bootstrap) throws Exception {
        String topic = Harness.fresh("t");
        String[] create = {"--create", "--topic", topic, "--partitions", "3", "--replication-factor", "1"};
        ok(bootstrap, "", TOPICS, create);
        contains(ok(bootstrap, "", TOPICS, "--describe", "--topic", topic), "PartitionCount: 3");
        Harness.equal(run(bootstrap, "", TOPICS, create).status() != 0, true, "a topic that exists is refused");
        ok(bootstrap, "", TOPICS, "--delete", "--topic", topic);
        Harness.equal(ok(bootstrap, "", TOPICS, "--list").contains(topic), false, "the topic is listed");
    }

    private static void configs(String bootstrap) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1, Map.of("retention.ms", "1000000"));
        String[] describe = {"--describe", "--entity-type", "topics", "--entity-name", topic};
        contains(ok(bootstrap, "", CONFIGS, describe), "retention.ms=1000000");
        ok(bootstrap, "", CONFIGS, "--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", "retention.ms=2000000");
        contains(ok(bootstrap, "", CONFIGS, describe), "retention.ms=2000000");
        ok(bootstrap, "", CONFIGS, "--alter", "--entity-type", "topics", "--entity-name", topic, "--delete-config", "retention.ms");
        Harness.equal(ok(bootstrap, "", CONFIGS, describe).contains("retention.ms"), false, "retention.ms is described");
    }

    private static void unknownConfigRefused(String bootstrap) throws Exception {
        String topic = Harness.fresh("t");
        Ended ended = run(bootstrap, "", TOPICS, "--create", "--topic", topic, "--config", "no.such.config=1");
        Harness.equal(ended.status() != 0, true, "refused");
    }

    private static void partitions(String bootstrap) throws Exception {
        String topic = KafkaClients.create(bootstrap, 2);
        ok(bootstrap, "", TOPICS, "--alter", "--topic", topic, "--partitions", "5");
        contains(ok(bootstrap, "", TOPICS, "--describe", "--topic", topic), "PartitionCount: 5");
        Harness.equal(run(bootstrap, "", TOPICS, "--alter", "--topic", topic, "--partitions", "1").status() != 0, true, "refused");
    }

    private static void deleteRecords(String bootstrap) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        ok(bootstrap, lines(100), PRODUCER, "--topic", topic);
        File file = File.createTempFile("offsets", ".json");
        String json = "{\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":60}],\"version\":1}";
        Files.writeString(file.toPath(), json);
        contains(ok(bootstrap, "", DELETE_RECORDS, "--offset-json-file", file.getPath()), "low_watermark: 60");
        file.delete();
        Harness.equal(consumed(bootstrap, topic, 1), "line 60\n", "the first line");
    }

    private static void offsets(String bootstrap) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        ok(bootstrap, lines(3), PRODUCER, "--topic", topic);
        for (var wanted : Map.of("earliest", 0, "latest", 3, "0", 0).entrySet()) {
            String output = ok(bootstrap, "", OFFSETS, "--topic", topic, "--time", wanted.getKey());
            contains(output, topic + ":0:" + wanted.getValue());
        }
        contains(ok(bootstrap, "", OFFSETS, "--topic", topic, "--time", "max-timestamp"), topic + ":0:");
    }

    private static void groups(String bootstrap) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        String group = Harness.fresh("g");
        ok(bootstrap, lines(10), PRODUCER, "--topic", topic);
        consumed(bootstrap, topic, 10, "--group", group);
        contains(ok(bootstrap, "", GROUPS, "--list"), group);
        String described = ok(bootstrap, "", GROUPS, "--describe", "--group", group).replaceAll(" +", " ");
        contains(described, group + " " + topic + " 0 10 10 0 ");
        ok(bootstrap, "", GROUPS, "--group", group, "--topic", topic, "--reset-offsets", "--to-offset", "4", "--execute");
        described = ok(bootstrap, "", GROUPS, "--describe", "--group", group).replaceAll(" +", " ");
        contains(described, group + " " + topic + " 0 4 10 6 ");
        ok(bootstrap, "", GROUPS, "--delete-offsets", "--group", group, "--topic", topic);
        ok(bootstrap, "", GROUPS, "--delete", "--group", group);
        Harness.equal(ok(bootstrap, "", GROUPS, "--list").contains(group), false, "the group is listed");
    }

    private ConsoleTools() {}
}
