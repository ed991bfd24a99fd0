//! Kafka's error codes, with the numbers, names and retriability of Kafka 4.3.

macro_rules! error_codes {
    ($($(#[$attribute:meta])* $name:ident = $number:literal $wire:literal $retry:ident;)*) => {
        /// What went wrong, as responses say it.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            $($(#[$attribute])* $name = $number,)*
        }

        impl ErrorCode {
            /// Every code, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the code of this number, if Kafka 4.3 has it.
            #[must_use]
            pub const fn from_number(number: i16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Returns the name that Kafka's documentation uses.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $wire,)*
                }
            }

            /// Whether Java clients try again by themselves.
            #[must_use]
            pub const fn is_retriable(self) -> bool {
                match self {
                    $(Self::$name => retry!($retry),)*
                }
            }
        }
    };
}

macro_rules! retry {
    (again) => {
        true
    };
    (never) => {
        false
    };
}

error_codes! {
    UnknownServerError = -1 "UNKNOWN_SERVER_ERROR" never;
    #[default]
    None = 0 "NONE" never;
    OffsetOutOfRange = 1 "OFFSET_OUT_OF_RANGE" never;
    CorruptMessage = 2 "CORRUPT_MESSAGE" again;
    UnknownTopicOrPartition = 3 "UNKNOWN_TOPIC_OR_PARTITION" again;
    InvalidFetchSize = 4 "INVALID_FETCH_SIZE" never;
    LeaderNotAvailable = 5 "LEADER_NOT_AVAILABLE" again;
    NotLeaderOrFollower = 6 "NOT_LEADER_OR_FOLLOWER" again;
    RequestTimedOut = 7 "REQUEST_TIMED_OUT" again;
    BrokerNotAvailable = 8 "BROKER_NOT_AVAILABLE" never;
    ReplicaNotAvailable = 9 "REPLICA_NOT_AVAILABLE" again;
    MessageTooLarge = 10 "MESSAGE_TOO_LARGE" never;
    StaleControllerEpoch = 11 "STALE_CONTROLLER_EPOCH" never;
    OffsetMetadataTooLarge = 12 "OFFSET_METADATA_TOO_LARGE" never;
    NetworkException = 13 "NETWORK_EXCEPTION" again;
    CoordinatorLoadInProgress = 14 "COORDINATOR_LOAD_IN_PROGRESS" again;
    CoordinatorNotAvailable = 15 "COORDINATOR_NOT_AVAILABLE" again;
    NotCoordinator = 16 "NOT_COORDINATOR" again;
    InvalidTopicException = 17 "INVALID_TOPIC_EXCEPTION" never;
    RecordListTooLarge = 18 "RECORD_LIST_TOO_LARGE" never;
    NotEnoughReplicas = 19 "NOT_ENOUGH_REPLICAS" again;
    NotEnoughReplicasAfterAppend = 20 "NOT_ENOUGH_REPLICAS_AFTER_APPEND" again;
    InvalidRequiredAcks = 21 "INVALID_REQUIRED_ACKS" never;
    IllegalGeneration = 22 "ILLEGAL_GENERATION" never;
    InconsistentGroupProtocol = 23 "INCONSISTENT_GROUP_PROTOCOL" never;
    InvalidGroupId = 24 "INVALID_GROUP_ID" never;
    UnknownMemberId = 25 "UNKNOWN_MEMBER_ID" never;
    InvalidSessionTimeout = 26 "INVALID_SESSION_TIMEOUT" never;
    RebalanceInProgress = 27 "REBALANCE_IN_PROGRESS" never;
    InvalidCommitOffsetSize = 28 "INVALID_COMMIT_OFFSET_SIZE" never;
    TopicAuthorizationFailed = 29 "TOPIC_AUTHORIZATION_FAILED" never;
    GroupAuthorizationFailed = 30 "GROUP_AUTHORIZATION_FAILED" never;
    ClusterAuthorizationFailed = 31 "CLUSTER_AUTHORIZATION_FAILED" never;
    InvalidTimestamp = 32 "INVALID_TIMESTAMP" never;
    UnsupportedSaslMechanism = 33 "UNSUPPORTED_SASL_MECHANISM" never;
    IllegalSaslState = 34 "ILLEGAL_SASL_STATE" never;
    UnsupportedVersion = 35 "UNSUPPORTED_VERSION" never;
    TopicAlreadyExists = 36 "TOPIC_ALREADY_EXISTS" never;
    InvalidPartitions = 37 "INVALID_PARTITIONS" never;
    InvalidReplicationFactor = 38 "INVALID_REPLICATION_FACTOR" never;
    InvalidReplicaAssignment = 39 "INVALID_REPLICA_ASSIGNMENT" never;
    InvalidConfig = 40 "INVALID_CONFIG" never;
    NotController = 41 "NOT_CONTROLLER" again;
    InvalidRequest = 42 "INVALID_REQUEST" never;
    UnsupportedForMessageFormat = 43 "UNSUPPORTED_FOR_MESSAGE_FORMAT" never;
    PolicyViolation = 44 "POLICY_VIOLATION" never;
    OutOfOrderSequenceNumber = 45 "OUT_OF_ORDER_SEQUENCE_NUMBER" never;
    DuplicateSequenceNumber = 46 "DUPLICATE_SEQUENCE_NUMBER" never;
    InvalidProducerEpoch = 47 "INVALID_PRODUCER_EPOCH" never;
    InvalidTxnState = 48 "INVALID_TXN_STATE" never;
    InvalidProducerIdMapping = 49 "INVALID_PRODUCER_ID_MAPPING" never;
    InvalidTransactionTimeout = 50 "INVALID_TRANSACTION_TIMEOUT" never;
    ConcurrentTransactions = 51 "CONCURRENT_TRANSACTIONS" again;
    TransactionCoordinatorFenced = 52 "TRANSACTION_COORDINATOR_FENCED" never;
    TransactionalIdAuthorizationFailed = 53 "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" never;
    SecurityDisabled = 54 "SECURITY_DISABLED" never;
    OperationNotAttempted = 55 "OPERATION_NOT_ATTEMPTED" never;
    KafkaStorageError = 56 "KAFKA_STORAGE_ERROR" again;
    LogDirNotFound = 57 "LOG_DIR_NOT_FOUND" never;
    SaslAuthenticationFailed = 58 "SASL_AUTHENTICATION_FAILED" never;
    UnknownProducerId = 59 "UNKNOWN_PRODUCER_ID" never;
    ReassignmentInProgress = 60 "REASSIGNMENT_IN_PROGRESS" never;
    DelegationTokenAuthDisabled = 61 "DELEGATION_TOKEN_AUTH_DISABLED" never;
    DelegationTokenNotFound = 62 "DELEGATION_TOKEN_NOT_FOUND" never;
    DelegationTokenOwnerMismatch = 63 "DELEGATION_TOKEN_OWNER_MISMATCH" never;
    DelegationTokenRequestNotAllowed = 64 "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED" never;
    DelegationTokenAuthorizationFailed = 65 "DELEGATION_TOKEN_AUTHORIZATION_FAILED" never;
    DelegationTokenExpired = 66 "DELEGATION_TOKEN_EXPIRED" never;
    InvalidPrincipalType = 67 "INVALID_PRINCIPAL_TYPE" never;
    NonEmptyGroup = 68 "NON_EMPTY_GROUP" never;
    GroupIdNotFound = 69 "GROUP_ID_NOT_FOUND" never;
    FetchSessionIdNotFound = 70 "FETCH_SESSION_ID_NOT_FOUND" again;
    InvalidFetchSessionEpoch = 71 "INVALID_FETCH_SESSION_EPOCH" again;
    ListenerNotFound = 72 "LISTENER_NOT_FOUND" again;
    TopicDeletionDisabled = 73 "TOPIC_DELETION_DISABLED" never;
    FencedLeaderEpoch = 74 "FENCED_LEADER_EPOCH" again;
    UnknownLeaderEpoch = 75 "UNKNOWN_LEADER_EPOCH" again;
    UnsupportedCompressionType = 76 "UNSUPPORTED_COMPRESSION_TYPE" never;
    StaleBrokerEpoch = 77 "STALE_BROKER_EPOCH" never;
    OffsetNotAvailable = 78 "OFFSET_NOT_AVAILABLE" again;
    MemberIdRequired = 79 "MEMBER_ID_REQUIRED" never;
    PreferredLeaderNotAvailable = 80 "PREFERRED_LEADER_NOT_AVAILABLE" again;
    GroupMaxSizeReached = 81 "GROUP_MAX_SIZE_REACHED" never;
    FencedInstanceId = 82 "FENCED_INSTANCE_ID" never;
    EligibleLeadersNotAvailable = 83 "ELIGIBLE_LEADERS_NOT_AVAILABLE" again;
    ElectionNotNeeded = 84 "ELECTION_NOT_NEEDED" again;
    NoReassignmentInProgress = 85 "NO_REASSIGNMENT_IN_PROGRESS" never;
    GroupSubscribedToTopic = 86 "GROUP_SUBSCRIBED_TO_TOPIC" never;
    InvalidRecord = 87 "INVALID_RECORD" never;
    UnstableOffsetCommit = 88 "UNSTABLE_OFFSET_COMMIT" again;
    ThrottlingQuotaExceeded = 89 "THROTTLING_QUOTA_EXCEEDED" again;
    ProducerFenced = 90 "PRODUCER_FENCED" never;
    ResourceNotFound = 91 "RESOURCE_NOT_FOUND" never;
    DuplicateResource = 92 "DUPLICATE_RESOURCE" never;
    UnacceptableCredential = 93 "UNACCEPTABLE_CREDENTIAL" never;
    InconsistentVoterSet = 94 "INCONSISTENT_VOTER_SET" never;
    InvalidUpdateVersion = 95 "INVALID_UPDATE_VERSION" never;
    FeatureUpdateFailed = 96 "FEATURE_UPDATE_FAILED" never;
    PrincipalDeserializationFailure = 97 "PRINCIPAL_DESERIALIZATION_FAILURE" never;
    SnapshotNotFound = 98 "SNAPSHOT_NOT_FOUND" never;
    PositionOutOfRange = 99 "POSITION_OUT_OF_RANGE" never;
    UnknownTopicId = 100 "UNKNOWN_TOPIC_ID" again;
    DuplicateBrokerRegistration = 101 "DUPLICATE_BROKER_REGISTRATION" never;
    BrokerIdNotRegistered = 102 "BROKER_ID_NOT_REGISTERED" never;
    InconsistentTopicId = 103 "INCONSISTENT_TOPIC_ID" again;
    InconsistentClusterId = 104 "INCONSISTENT_CLUSTER_ID" never;
    TransactionalIdNotFound = 105 "TRANSACTIONAL_ID_NOT_FOUND" never;
    FetchSessionTopicIdError = 106 "FETCH_SESSION_TOPIC_ID_ERROR" again;
    IneligibleReplica = 107 "INELIGIBLE_REPLICA" never;
    NewLeaderElected = 108 "NEW_LEADER_ELECTED" never;
    OffsetMovedToTieredStorage = 109 "OFFSET_MOVED_TO_TIERED_STORAGE" never;
    FencedMemberEpoch = 110 "FENCED_MEMBER_EPOCH" never;
    UnreleasedInstanceId = 111 "UNRELEASED_INSTANCE_ID" never;
    UnsupportedAssignor = 112 "UNSUPPORTED_ASSIGNOR" never;
    StaleMemberEpoch = 113 "STALE_MEMBER_EPOCH" never;
    MismatchedEndpointType = 114 "MISMATCHED_ENDPOINT_TYPE" never;
    UnsupportedEndpointType = 115 "UNSUPPORTED_ENDPOINT_TYPE" never;
    UnknownControllerId = 116 "UNKNOWN_CONTROLLER_ID" never;
    UnknownSubscriptionId = 117 "UNKNOWN_SUBSCRIPTION_ID" never;
    TelemetryTooLarge = 118 "TELEMETRY_TOO_LARGE" never;
    InvalidRegistration = 119 "INVALID_REGISTRATION" never;
    TransactionAbortable = 120 "TRANSACTION_ABORTABLE" never;
    InvalidRecordState = 121 "INVALID_RECORD_STATE" never;
    ShareSessionNotFound = 122 "SHARE_SESSION_NOT_FOUND" again;
    InvalidShareSessionEpoch = 123 "INVALID_SHARE_SESSION_EPOCH" again;
    FencedStateEpoch = 124 "FENCED_STATE_EPOCH" never;
    InvalidVoterKey = 125 "INVALID_VOTER_KEY" never;
    DuplicateVoter = 126 "DUPLICATE_VOTER" never;
    VoterNotFound = 127 "VOTER_NOT_FOUND" never;
    InvalidRegularExpression = 128 "INVALID_REGULAR_EXPRESSION" never;
    RebootstrapRequired = 129 "REBOOTSTRAP_REQUIRED" never;
    StreamsInvalidTopology = 130 "STREAMS_INVALID_TOPOLOGY" never;
    StreamsInvalidTopologyEpoch = 131 "STREAMS_INVALID_TOPOLOGY_EPOCH" never;
    StreamsTopologyFenced = 132 "STREAMS_TOPOLOGY_FENCED" never;
    ShareSessionLimitReached = 133 "SHARE_SESSION_LIMIT_REACHED" again;
}

impl ErrorCode {
    /// Returns the number on the wire.
    #[must_use]
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// Whether nothing went wrong.
    #[must_use]
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None)
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> Self {
        code.number()
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
