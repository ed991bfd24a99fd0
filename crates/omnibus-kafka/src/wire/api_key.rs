//! The requests that the codec knows, written by `cargo xtask codegen`.

use super::key_table::api_keys;
use super::primitive::Versions;

api_keys! {
    Produce = 0, served 3..=13, advertised 0..=13, flexible 9;
    Fetch = 1, served 4..=18, advertised 4..=18, flexible 12;
    ListOffsets = 2, served 1..=11, advertised 1..=11, flexible 6;
    Metadata = 3, served 0..=13, advertised 0..=13, flexible 9;
    OffsetCommit = 8, served 2..=10, advertised 2..=10, flexible 8;
    OffsetFetch = 9, served 1..=10, advertised 1..=10, flexible 6;
    FindCoordinator = 10, served 0..=6, advertised 0..=6, flexible 3;
    JoinGroup = 11, served 0..=9, advertised 0..=9, flexible 6;
    Heartbeat = 12, served 0..=4, advertised 0..=4, flexible 4;
    LeaveGroup = 13, served 0..=5, advertised 0..=5, flexible 4;
    SyncGroup = 14, served 0..=5, advertised 0..=5, flexible 4;
    DescribeGroups = 15, served 0..=6, advertised 0..=6, flexible 5;
    ListGroups = 16, served 0..=5, advertised 0..=5, flexible 3;
    ApiVersions = 18, served 0..=4, advertised 0..=4, flexible 3;
    CreateTopics = 19, served 2..=7, advertised 2..=7, flexible 5;
    DeleteTopics = 20, served 1..=6, advertised 1..=6, flexible 4;
    DeleteRecords = 21, served 0..=2, advertised 0..=2, flexible 2;
    InitProducerId = 22, served 0..=5, advertised 0..=5, flexible 2;
    OffsetForLeaderEpoch = 23, served 2..=4, advertised 2..=4, flexible 4;
    DescribeConfigs = 32, served 1..=4, advertised 1..=4, flexible 4;
    AlterConfigs = 33, served 0..=2, advertised 0..=2, flexible 2;
    DescribeLogDirs = 35, served 1..=5, advertised 1..=5, flexible 2;
    CreatePartitions = 37, served 0..=3, advertised 0..=3, flexible 2;
    DeleteGroups = 42, served 0..=2, advertised 0..=2, flexible 2;
    ElectLeaders = 43, served 0..=2, advertised 0..=2, flexible 2;
    IncrementalAlterConfigs = 44, served 0..=1, advertised 0..=1, flexible 1;
    ListPartitionReassignments = 46, served 0..=0, advertised 0..=0, flexible 0;
    OffsetDelete = 47, served 0..=0, advertised 0..=0, flexible i16::MAX;
    DescribeQuorum = 55, served 0..=2, advertised 0..=2, flexible 0;
    DescribeCluster = 60, served 0..=2, advertised 0..=2, flexible 0;
    DescribeProducers = 61, served 0..=0, advertised 0..=0, flexible 0;
    ConsumerGroupHeartbeat = 68, served 0..=1, advertised 0..=1, flexible 0;
    ConsumerGroupDescribe = 69, served 0..=1, advertised 0..=1, flexible 0;
    ListConfigResources = 74, served 0..=1, advertised 0..=1, flexible 0;
    DescribeTopicPartitions = 75, served 0..=0, advertised 0..=0, flexible 0;
}
