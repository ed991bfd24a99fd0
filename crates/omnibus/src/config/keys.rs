//! All keys, in the order in which they are shown.

use super::Config;
use super::setting::Setting;

/// One key: its name in the file, what it means, and where it is kept.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) field: fn(&mut Config) -> &mut dyn Setting,
}

impl Key {
    /// The environment variable of the same meaning.
    pub(crate) fn variable(&self) -> String {
        format!("OMNIBUS_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// The value in `config`, as text.
    pub(crate) fn show(&self, config: &Config) -> String {
        (self.field)(&mut config.clone()).show()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All keys.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "node.data_dir",
        meaning: "The directory that holds everything. Made at the first start.",
        field: |config| &mut config.data_dir,
    },
    Key {
        name: "node.id",
        meaning: "The number of this node in its cluster, from 1. Kept in the data directory at the first start.",
        field: |config| &mut config.node_id,
    },
    Key {
        name: "cluster.nodes",
        meaning: "The nodes that make the cluster, this one among them, and where each is reached by the others: \
                  1@10.0.0.1:9643,2@10.0.0.2:9643,3@10.0.0.3:9643. The same on all of them. Empty: a node of its own.",
        field: |config| &mut config.cluster.nodes,
    },
    Key {
        name: "cluster.join",
        meaning: "The admin API of any node of a cluster that this node is to join at its first start. cluster.nodes \
                  then names this node, and where the others reach it.",
        field: |config| &mut config.cluster.join,
    },
    Key {
        name: "cluster.listen",
        meaning: "Where other nodes connect. Empty: the port that cluster.nodes names for this node, at its address if \
                  that is a number, and at all addresses of this machine otherwise. Whoever reaches it is believed: \
                  keep it to a network that you trust.",
        field: |config| &mut config.cluster.listen,
    },
    Key {
        name: "cluster.rack",
        meaning: "What fails together with this node: a rack, a zone. Votes about a shard are spread over as many as \
                  there are, and clients are told it. Empty: none.",
        field: |config| &mut config.cluster.rack,
    },
    Key {
        name: "kafka.listen",
        meaning: "Where Kafka clients connect. Port 0 picks a free one. Until there are users and TLS, keep it to \
                  networks that you trust.",
        field: |config| &mut config.kafka.listen,
    },
    Key {
        name: "kafka.advertised",
        meaning: "The host, or host and port, that Kafka clients are told to come back to. Empty: the address they \
                  came to. Needed behind address translation.",
        field: |config| &mut config.kafka.advertised,
    },
    Key {
        name: "kafka.connections_max",
        meaning: "Kafka connections at a time; one more is closed at once.",
        field: |config| &mut config.kafka.connections_max,
    },
    Key {
        name: "kafka.request_bytes_max",
        meaning: "The most bytes of one Kafka request.",
        field: |config| &mut config.kafka.request_bytes_max,
    },
    Key {
        name: "kafka.memory",
        meaning: "What all Kafka connections together may hold of requests and responses.",
        field: |config| &mut config.kafka.memory,
    },
    Key {
        name: "amqp.listen",
        meaning: "Where AMQP clients connect: addresses with commas between them, or off. Port 0 picks a free one. The \
                  default is RabbitMQ's port, too; if it is taken, it is left out.",
        field: |config| &mut config.amqp.listen,
    },
    Key {
        name: "amqp.management",
        meaning: "Where RabbitMQ's management API is served: addresses with commas between them, or off. Port 0 picks a \
                  free one. The default is RabbitMQ's port, too; if it is taken, it is left out. Who may come in are \
                  the users of AMQP.",
        field: |config| &mut config.amqp.management,
    },
    Key {
        name: "amqp.metrics",
        meaning: "Where Prometheus finds the metrics of AMQP under RabbitMQ's names: addresses with commas between them, \
                  or off. Port 0 picks a free one. The default is RabbitMQ's port, too; if it is taken, it is left out. \
                  Whoever reaches it may ask.",
        field: |config| &mut config.amqp.metrics,
    },
    Key {
        name: "amqp.credentials_file",
        meaning: "A file with a line USER:PASSWORD for everybody who may do everything over AMQP and by its management \
                  API, beside the users that the API makes. Empty: guest with the password guest, from this machine \
                  only, until somebody deletes him.",
        field: |config| &mut config.amqp.credentials_file,
    },
    Key {
        name: "amqp.virtual_hosts",
        meaning: "Virtual hosts that AMQP clients find beside /, with commas between them. They are created at the start, \
                  and stay when they are not named any more.",
        field: |config| &mut config.amqp.virtual_hosts,
    },
    Key {
        name: "amqp.connections_max",
        meaning: "AMQP connections at a time; one more is closed at once.",
        field: |config| &mut config.amqp.connections_max,
    },
    Key {
        name: "amqp.message_bytes_max",
        meaning: "The most bytes of the body of one AMQP message.",
        field: |config| &mut config.amqp.message_bytes_max,
    },
    Key {
        name: "amqp.memory",
        meaning: "What all AMQP connections together may hold of messages that are on their way in.",
        field: |config| &mut config.amqp.memory,
    },
    Key {
        name: "sqs.listen",
        meaning: "Where SQS clients connect: addresses with commas between them, or off. Port 0 picks a free one. By \
                  default these are the ports of other local servers; one that is taken is left out.",
        field: |config| &mut config.sqs.listen,
    },
    Key {
        name: "sqs.account",
        meaning: "The account of SQS clients whose access key is not the number of one.",
        field: |config| &mut config.sqs.account,
    },
    Key {
        name: "sqs.region",
        meaning: "The region of SQS clients that name none. Queues of this account and region are topics of the same \
                  name; others are called ACCOUNT.REGION.NAME.",
        field: |config| &mut config.sqs.region,
    },
    Key {
        name: "sqs.domain",
        meaning: "The domain, with its port, of queue URLs: http://sqs.REGION.DOMAIN/ACCOUNT/NAME. Empty: the host that \
                  each client came to.",
        field: |config| &mut config.sqs.domain,
    },
    Key {
        name: "sqs.credentials_file",
        meaning: "A file of access keys in the form of ~/.aws/credentials; account_id in a section names its account. \
                  Signatures are checked then, and policies of queues hold. Empty: everybody is let in, whatever the \
                  signature; policies are kept and shown.",
        field: |config| &mut config.sqs.credentials_file,
    },
    Key {
        name: "sqs.pace",
        meaning: "Whether a queue rests for 60 seconds after it was purged or deleted: strict, as on AWS, or lenient.",
        field: |config| &mut config.sqs.pace,
    },
    Key {
        name: "sqs.encryption",
        meaning: "What you say of the disk: none, or disk if it is encrypted. Where credentials are checked, none \
                  refuses queues that ask for encryption (SqsManagedSseEnabled, KmsMasterKeyId), as messages are \
                  stored as they are.",
        field: |config| &mut config.sqs.encryption,
    },
    Key {
        name: "sqs.signatures",
        meaning: "Whether envelopes of SNS are signed, on or off; a signature takes the processor longer than all else \
                  of a message.",
        field: |config| &mut config.sqs.signatures,
    },
    Key {
        name: "sqs.connections_max",
        meaning: "SQS connections at a time; one more is closed at once.",
        field: |config| &mut config.sqs.connections_max,
    },
    Key {
        name: "sqs.request_bytes_max",
        meaning: "The most bytes of one SQS request.",
        field: |config| &mut config.sqs.request_bytes_max,
    },
    Key {
        name: "sqs.memory",
        meaning: "What all SQS connections together may hold of requests.",
        field: |config| &mut config.sqs.memory,
    },
    Key {
        name: "webhooks.reach",
        meaning: "Which addresses may be called for those who subscribe by HTTP: local allows this machine, its networks \
                  and all others but link-local ones, where clouds keep secrets; public only what is everybody's.",
        field: |config| &mut config.webhooks.reach,
    },
    Key {
        name: "webhooks.certificates_file",
        meaning: "The certificates, in PEM, that servers called by https are checked with. Empty: those that the system \
                  trusts.",
        field: |config| &mut config.webhooks.certificates_file,
    },
    Key {
        name: "webhooks.time_max",
        meaning: "How long a server that is told of a message may take to answer, a minute at most.",
        field: |config| &mut config.webhooks.time_max,
    },
    Key {
        name: "admin.listen",
        meaning: "Where the admin API, health checks and metrics are served. Port 0 picks a free one. Whoever \
                  reaches it administers the broker.",
        field: |config| &mut config.admin.listen,
    },
    Key {
        name: "admin.metrics_series_max",
        meaning: "The most series per metric on /metrics; what is left out is counted in \
                  omnibus_metrics_series_left_out.",
        field: |config| &mut config.admin.metrics_series_max,
    },
    Key {
        name: "storage.cache",
        meaning: "What recently written and read blocks may take in memory; in production, a quarter of the machine's.",
        field: |config| &mut config.storage.cache,
    },
    Key {
        name: "storage.segment",
        meaning: "How long a file of the log is.",
        field: |config| &mut config.storage.segment,
    },
    Key {
        name: "storage.reserve",
        meaning: "Free space below which appends are refused, so that deleting and committing go on.",
        field: |config| &mut config.storage.reserve,
    },
    Key {
        name: "storage.direct_io",
        meaning: "Whether to bypass the kernel's cache: auto, on (or do not start) or off.",
        field: |config| &mut config.storage.direct_io,
    },
    Key {
        name: "storage.io_uring",
        meaning: "Whether to write through io_uring: auto, on (or do not start) or off.",
        field: |config| &mut config.storage.io_uring,
    },
    Key {
        name: "storage.checkpoint_interval",
        meaning: "How often memory is written down, so that a start has less to repeat.",
        field: |config| &mut config.storage.checkpoint_interval,
    },
    Key {
        name: "storage.checkpoint_wal",
        meaning: "As much log makes a checkpoint due, too.",
        field: |config| &mut config.storage.checkpoint_wal,
    },
    Key {
        name: "storage.retention_interval",
        meaning: "How often every topic is looked at by what bounds its bytes, compacts it, or trims queues.",
        field: |config| &mut config.storage.retention_interval,
    },
    Key {
        name: "storage.retention_time_interval",
        meaning: "How often topics are looked at for records that are older than they keep them: every so many of the interval above. Those of queues, and all while the disk lacks room, each time.",
        field: |config| &mut config.storage.retention_time_interval,
    },
    Key {
        name: "storage.scrub_interval",
        meaning: "How long after all data at rest was read again, to find what has rotted, that begins anew: a minute to a year. The first time is ten minutes after a start, or sooner.",
        field: |config| &mut config.storage.scrub_interval,
    },
    Key {
        name: "storage.scrub_rate",
        meaning: "How much of it is read each second: 64KiB to 16GiB.",
        field: |config| &mut config.storage.scrub_rate,
    },
    Key {
        name: "topics.auto_create",
        meaning: "Whether a Kafka client that asks for an unknown topic may create it.",
        field: |config| &mut config.topics.auto_create,
    },
    Key {
        name: "topics.partitions",
        meaning: "Partitions of a topic whose creator names no number.",
        field: |config| &mut config.topics.partitions,
    },
    Key {
        name: "topics.partitions_max",
        meaning: "The most partitions that all topics may have together.",
        field: |config| &mut config.topics.partitions_max,
    },
    Key {
        name: "topics.retention_time",
        meaning: "How long records are kept where the topic says nothing: a span, or unlimited.",
        field: |config| &mut config.topics.retention_time,
    },
    Key {
        name: "topics.retention_bytes",
        meaning: "How many bytes of each partition are kept where the topic says nothing: a size, or unlimited.",
        field: |config| &mut config.topics.retention_bytes,
    },
    Key {
        name: "topics.batch_bytes_max",
        meaning: "The most bytes of one record batch where the topic says nothing.",
        field: |config| &mut config.topics.batch_bytes_max,
    },
    Key {
        name: "groups.session_timeout_min",
        meaning: "The shortest session timeout that a group's member may ask for.",
        field: |config| &mut config.groups.session_timeout_min,
    },
    Key {
        name: "groups.session_timeout_max",
        meaning: "The longest session timeout that a group's member may ask for.",
        field: |config| &mut config.groups.session_timeout_max,
    },
    Key {
        name: "groups.initial_rebalance_delay",
        meaning: "How long an empty group waits for more members before its first assignment.",
        field: |config| &mut config.groups.initial_rebalance_delay,
    },
    Key {
        name: "groups.offsets_retention",
        meaning: "How long committed offsets are kept once nobody reads.",
        field: |config| &mut config.groups.offsets_retention,
    },
    Key {
        name: "logs.filter",
        meaning: "What the process tells about itself on standard error: error, warn, info, debug or trace, also \
                  per module, as in info,omnibus_kafka=debug.",
        field: |config| &mut config.logs.filter,
    },
    Key { name: "logs.format", meaning: "How it tells it: text or json.", field: |config| &mut config.logs.format },
];
