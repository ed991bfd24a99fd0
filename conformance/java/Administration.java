import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** What an administrator does. */
final class Administration {
    static final Map<String, Harness.Check> CHECKS = Map.of(
            "admin_topics", on(Administration::topics),
            "admin_configs", on(Administration::configs),
            "unknown_config_refused", on(Administration::unknownConfigRefused),
            "admin_partitions", on(Administration::partitions),
            "admin_delete_records", on(Administration::deleteRecords),
            "admin_offsets", on(Administration::offsets),
            "admin_groups", on(Administration::groups));

    private interface AdminCheck {
        void run(String bootstrap, Admin admin) throws Exception;
    }

    private static Harness.Check on(AdminCheck check) {
        return bootstrap -> {
            try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
                check.run(bootstrap, admin);
            }
        };
    }

    private static int partitionCount(Admin admin, String topic) {
        try {
            return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
        } catch (Exception failure) {
            throw new AssertionError(failure);
        }
    }

    private static void topics(String bootstrap, Admin admin) throws Exception {
        String topic = KafkaClients.create(bootstrap, 3);
        Harness.equal(partitionCount(admin, topic), 3, "partitions");
        Harness.refused(() -> admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get(),
                TopicExistsException.class, "a topic that exists");
        admin.deleteTopics(List.of(topic)).all().get();
        Harness.until(() -> {
            try {
                return !admin.listTopics().names().get().contains(topic);
            } catch (Exception failure) {
                throw new AssertionError(failure);
            }
        }, "the topic is gone");
        Harness.refused(() -> admin.deleteTopics(List.of(topic)).all().get(),
                UnknownTopicOrPartitionException.class, "deleting it twice");
    }

    private static String retention(Admin admin, ConfigResource resource) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").value();
    }

    private static void configs(String bootstrap, Admin admin) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1, Map.of("retention.ms", "1000000"));
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Harness.equal(retention(admin, resource), "1000000", "retention.ms");
        var change = new AlterConfigOp(new ConfigEntry("retention.ms", "2000000"), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
        Harness.equal(retention(admin, resource), "2000000", "retention.ms, altered");
    }

    private static void unknownConfigRefused(String bootstrap, Admin admin) throws Exception {
        Harness.refused(() -> KafkaClients.create(bootstrap, 1, Map.of("no.such.config", "1")),
                InvalidConfigurationException.class, "an unknown config");
    }

    private static void partitions(String bootstrap, Admin admin) throws Exception {
        String topic = KafkaClients.create(bootstrap, 2);
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        Harness.until(() -> partitionCount(admin, topic) == 5, "five partitions");
        Harness.refused(() -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(1))).all().get(),
                InvalidPartitionsException.class, "fewer partitions");
    }

    private static void deleteRecords(String bootstrap, Admin admin) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        KafkaClients.produce(bootstrap, KafkaClients.numbered(topic, 100), Map.of());
        admin.deleteRecords(Map.of(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(60))).all().get();
        Harness.equal(KafkaClients.read(bootstrap, topic, 40).get(0).offset(), 60L, "the first offset");
    }

    private static long offset(Admin admin, String topic, OffsetSpec spec) throws Exception {
        var at = new TopicPartition(topic, 0);
        return admin.listOffsets(Map.of(at, spec)).partitionResult(at).get().offset();
    }

    private static void offsets(String bootstrap, Admin admin) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        for (long stamp : List.of(1000, 3000, 2000)) {
            var record = new ProducerRecord<>(topic, null, KafkaClients.TIME + stamp, (byte[]) null, KafkaClients.bytes("x"));
            KafkaClients.produce(bootstrap, List.of(record), Map.of());
        }
        Harness.equal(offset(admin, topic, OffsetSpec.earliest()), 0L, "earliest");
        Harness.equal(offset(admin, topic, OffsetSpec.latest()), 3L, "latest");
        Harness.equal(offset(admin, topic, OffsetSpec.forTimestamp(KafkaClients.TIME + 1001)), 1L, "by time");
        Harness.equal(offset(admin, topic, OffsetSpec.forTimestamp(KafkaClients.TIME + 9000)), -1L, "after the newest");
        Harness.equal(offset(admin, topic, OffsetSpec.maxTimestamp()), 1L, "newest timestamp");
    }

    private static OffsetAndMetadata committed(Admin admin, String group, TopicPartition at) throws Exception {
        return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(at);
    }

    private static void groups(String bootstrap, Admin admin) throws Exception {
        String topic = KafkaClients.create(bootstrap, 1);
        String group = Harness.fresh("g");
        var at = new TopicPartition(topic, 0);
        KafkaClients.produce(bootstrap, KafkaClients.numbered(topic, 10), Map.of());
        try (var reader = KafkaClients.consumer(bootstrap, group, Map.of())) {
            reader.subscribe(List.of(topic));
            KafkaClients.take(reader, 10);
            reader.commitSync();
            var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            Harness.equal(described.groupState(), GroupState.STABLE, "the state of the group at work");
            Harness.equal(described.members().size(), 1, "members");
            Harness.refused(() -> admin.deleteConsumerGroups(List.of(group)).all().get(),
                    GroupNotEmptyException.class, "deleting a group at work");
        }
        var listed = admin.listGroups().all().get();
        Harness.equal(listed.stream().anyMatch(item -> item.groupId().equals(group)), true, "the group is listed");
        Harness.equal(committed(admin, group, at).offset(), 10L, "committed");
        admin.alterConsumerGroupOffsets(group, Map.of(at, new OffsetAndMetadata(4))).all().get();
        Harness.equal(committed(admin, group, at).offset(), 4L, "rewound");
        admin.deleteConsumerGroupOffsets(group, Set.of(at)).all().get();
        Harness.equal(committed(admin, group, at), null, "offsets deleted");
        admin.deleteConsumerGroups(List.of(group)).all().get();
    }

    private Administration() {}
}
