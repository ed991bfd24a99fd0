//! Every message of the schemas, written by `cargo xtask codegen`.

pub mod alter_configs_request;
pub mod alter_configs_response;
pub mod api_versions_request;
pub mod api_versions_response;
pub mod consumer_group_describe_request;
pub mod consumer_group_describe_response;
pub mod consumer_group_heartbeat_request;
pub mod consumer_group_heartbeat_response;
pub mod consumer_protocol_assignment;
pub mod consumer_protocol_subscription;
pub mod create_partitions_request;
pub mod create_partitions_response;
pub mod create_topics_request;
pub mod create_topics_response;
pub mod delete_groups_request;
pub mod delete_groups_response;
pub mod delete_records_request;
pub mod delete_records_response;
pub mod delete_topics_request;
pub mod delete_topics_response;
pub mod describe_cluster_request;
pub mod describe_cluster_response;
pub mod describe_configs_request;
pub mod describe_configs_response;
pub mod describe_groups_request;
pub mod describe_groups_response;
pub mod describe_log_dirs_request;
pub mod describe_log_dirs_response;
pub mod describe_producers_request;
pub mod describe_producers_response;
pub mod describe_quorum_request;
pub mod describe_quorum_response;
pub mod describe_topic_partitions_request;
pub mod describe_topic_partitions_response;
pub mod elect_leaders_request;
pub mod elect_leaders_response;
pub mod fetch_request;
pub mod fetch_response;
pub mod find_coordinator_request;
pub mod find_coordinator_response;
pub mod heartbeat_request;
pub mod heartbeat_response;
pub mod incremental_alter_configs_request;
pub mod incremental_alter_configs_response;
pub mod init_producer_id_request;
pub mod init_producer_id_response;
pub mod join_group_request;
pub mod join_group_response;
pub mod leave_group_request;
pub mod leave_group_response;
pub mod list_config_resources_request;
pub mod list_config_resources_response;
pub mod list_groups_request;
pub mod list_groups_response;
pub mod list_offsets_request;
pub mod list_offsets_response;
pub mod list_partition_reassignments_request;
pub mod list_partition_reassignments_response;
pub mod metadata_request;
pub mod metadata_response;
pub mod offset_commit_request;
pub mod offset_commit_response;
pub mod offset_delete_request;
pub mod offset_delete_response;
pub mod offset_fetch_request;
pub mod offset_fetch_response;
pub mod offset_for_leader_epoch_request;
pub mod offset_for_leader_epoch_response;
pub mod produce_request;
pub mod produce_response;
pub mod request_header;
pub mod response_header;
pub mod sync_group_request;
pub mod sync_group_response;

use super::exchange::{Codec, codecs, exchanges};

exchanges! {
    Produce: produce_request::ProduceRequest => produce_response::ProduceResponse,
    Fetch: fetch_request::FetchRequest => fetch_response::FetchResponse,
    ListOffsets: list_offsets_request::ListOffsetsRequest => list_offsets_response::ListOffsetsResponse,
    Metadata: metadata_request::MetadataRequest => metadata_response::MetadataResponse,
    OffsetCommit: offset_commit_request::OffsetCommitRequest => offset_commit_response::OffsetCommitResponse,
    OffsetFetch: offset_fetch_request::OffsetFetchRequest => offset_fetch_response::OffsetFetchResponse,
    FindCoordinator: find_coordinator_request::FindCoordinatorRequest => find_coordinator_response::FindCoordinatorResponse,
    JoinGroup: join_group_request::JoinGroupRequest => join_group_response::JoinGroupResponse,
    Heartbeat: heartbeat_request::HeartbeatRequest => heartbeat_response::HeartbeatResponse,
    LeaveGroup: leave_group_request::LeaveGroupRequest => leave_group_response::LeaveGroupResponse,
    SyncGroup: sync_group_request::SyncGroupRequest => sync_group_response::SyncGroupResponse,
    DescribeGroups: describe_groups_request::DescribeGroupsRequest => describe_groups_response::DescribeGroupsResponse,
    ListGroups: list_groups_request::ListGroupsRequest => list_groups_response::ListGroupsResponse,
    ApiVersions: api_versions_request::ApiVersionsRequest => api_versions_response::ApiVersionsResponse,
    CreateTopics: create_topics_request::CreateTopicsRequest => create_topics_response::CreateTopicsResponse,
    DeleteTopics: delete_topics_request::DeleteTopicsRequest => delete_topics_response::DeleteTopicsResponse,
    DeleteRecords: delete_records_request::DeleteRecordsRequest => delete_records_response::DeleteRecordsResponse,
    InitProducerId: init_producer_id_request::InitProducerIdRequest => init_producer_id_response::InitProducerIdResponse,
    OffsetForLeaderEpoch: offset_for_leader_epoch_request::OffsetForLeaderEpochRequest => offset_for_leader_epoch_response::OffsetForLeaderEpochResponse,
    DescribeConfigs: describe_configs_request::DescribeConfigsRequest => describe_configs_response::DescribeConfigsResponse,
    AlterConfigs: alter_configs_request::AlterConfigsRequest => alter_configs_response::AlterConfigsResponse,
    DescribeLogDirs: describe_log_dirs_request::DescribeLogDirsRequest => describe_log_dirs_response::DescribeLogDirsResponse,
    CreatePartitions: create_partitions_request::CreatePartitionsRequest => create_partitions_response::CreatePartitionsResponse,
    DeleteGroups: delete_groups_request::DeleteGroupsRequest => delete_groups_response::DeleteGroupsResponse,
    ElectLeaders: elect_leaders_request::ElectLeadersRequest => elect_leaders_response::ElectLeadersResponse,
    IncrementalAlterConfigs: incremental_alter_configs_request::IncrementalAlterConfigsRequest => incremental_alter_configs_response::IncrementalAlterConfigsResponse,
    ListPartitionReassignments: list_partition_reassignments_request::ListPartitionReassignmentsRequest => list_partition_reassignments_response::ListPartitionReassignmentsResponse,
    OffsetDelete: offset_delete_request::OffsetDeleteRequest => offset_delete_response::OffsetDeleteResponse,
    DescribeQuorum: describe_quorum_request::DescribeQuorumRequest => describe_quorum_response::DescribeQuorumResponse,
    DescribeCluster: describe_cluster_request::DescribeClusterRequest => describe_cluster_response::DescribeClusterResponse,
    DescribeProducers: describe_producers_request::DescribeProducersRequest => describe_producers_response::DescribeProducersResponse,
    ConsumerGroupHeartbeat: consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest => consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse,
    ConsumerGroupDescribe: consumer_group_describe_request::ConsumerGroupDescribeRequest => consumer_group_describe_response::ConsumerGroupDescribeResponse,
    ListConfigResources: list_config_resources_request::ListConfigResourcesRequest => list_config_resources_response::ListConfigResourcesResponse,
    DescribeTopicPartitions: describe_topic_partitions_request::DescribeTopicPartitionsRequest => describe_topic_partitions_response::DescribeTopicPartitionsResponse,
}

codecs! {
    alter_configs_request::AlterConfigsRequest,
    alter_configs_response::AlterConfigsResponse,
    api_versions_request::ApiVersionsRequest,
    api_versions_response::ApiVersionsResponse,
    consumer_group_describe_request::ConsumerGroupDescribeRequest,
    consumer_group_describe_response::ConsumerGroupDescribeResponse,
    consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest,
    consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse,
    consumer_protocol_assignment::ConsumerProtocolAssignment,
    consumer_protocol_subscription::ConsumerProtocolSubscription,
    create_partitions_request::CreatePartitionsRequest,
    create_partitions_response::CreatePartitionsResponse,
    create_topics_request::CreateTopicsRequest,
    create_topics_response::CreateTopicsResponse,
    delete_groups_request::DeleteGroupsRequest,
    delete_groups_response::DeleteGroupsResponse,
    delete_records_request::DeleteRecordsRequest,
    delete_records_response::DeleteRecordsResponse,
    delete_topics_request::DeleteTopicsRequest,
    delete_topics_response::DeleteTopicsResponse,
    describe_cluster_request::DescribeClusterRequest,
    describe_cluster_response::DescribeClusterResponse,
    describe_configs_request::DescribeConfigsRequest,
    describe_configs_response::DescribeConfigsResponse,
    describe_groups_request::DescribeGroupsRequest,
    describe_groups_response::DescribeGroupsResponse,
    describe_log_dirs_request::DescribeLogDirsRequest,
    describe_log_dirs_response::DescribeLogDirsResponse,
    describe_producers_request::DescribeProducersRequest,
    describe_producers_response::DescribeProducersResponse,
    describe_quorum_request::DescribeQuorumRequest,
    describe_quorum_response::DescribeQuorumResponse,
    describe_topic_partitions_request::DescribeTopicPartitionsRequest,
    describe_topic_partitions_response::DescribeTopicPartitionsResponse,
    elect_leaders_request::ElectLeadersRequest,
    elect_leaders_response::ElectLeadersResponse,
    fetch_request::FetchRequest,
    fetch_response::FetchResponse,
    find_coordinator_request::FindCoordinatorRequest,
    find_coordinator_response::FindCoordinatorResponse,
    heartbeat_request::HeartbeatRequest,
    heartbeat_response::HeartbeatResponse,
    incremental_alter_configs_request::IncrementalAlterConfigsRequest,
    incremental_alter_configs_response::IncrementalAlterConfigsResponse,
    init_producer_id_request::InitProducerIdRequest,
    init_producer_id_response::InitProducerIdResponse,
    join_group_request::JoinGroupRequest,
    join_group_response::JoinGroupResponse,
    leave_group_request::LeaveGroupRequest,
    leave_group_response::LeaveGroupResponse,
    list_config_resources_request::ListConfigResourcesRequest,
    list_config_resources_response::ListConfigResourcesResponse,
    list_groups_request::ListGroupsRequest,
    list_groups_response::ListGroupsResponse,
    list_offsets_request::ListOffsetsRequest,
    list_offsets_response::ListOffsetsResponse,
    list_partition_reassignments_request::ListPartitionReassignmentsRequest,
    list_partition_reassignments_response::ListPartitionReassignmentsResponse,
    metadata_request::MetadataRequest,
    metadata_response::MetadataResponse,
    offset_commit_request::OffsetCommitRequest,
    offset_commit_response::OffsetCommitResponse,
    offset_delete_request::OffsetDeleteRequest,
    offset_delete_response::OffsetDeleteResponse,
    offset_fetch_request::OffsetFetchRequest,
    offset_fetch_response::OffsetFetchResponse,
    offset_for_leader_epoch_request::OffsetForLeaderEpochRequest,
    offset_for_leader_epoch_response::OffsetForLeaderEpochResponse,
    produce_request::ProduceRequest,
    produce_response::ProduceResponse,
    request_header::RequestHeader,
    response_header::ResponseHeader,
    sync_group_request::SyncGroupRequest,
    sync_group_response::SyncGroupResponse,
}
