//! What each refusal and failure is called on the wire. The only place that knows.

#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use omnibus_engine::{ReadError, SubmitError};
use omnibus_model::Refusal;
use omnibus_record::{InvalidBatch, RecordFault, RecordFaultReason};

use crate::wire::ErrorCode;

/// What a command's failure is called, by those who speak to a partition or a topic.
pub(crate) fn submit_error(error: &SubmitError) -> ErrorCode {
    match error {
        SubmitError::Refused(refusal) => refused(refusal),
        SubmitError::NotLeader { .. } | SubmitError::Closing | SubmitError::Lost { .. } => {
            ErrorCode::NotLeaderOrFollower
        }
        SubmitError::DiskFull | SubmitError::Broken => ErrorCode::KafkaStorageError,
        SubmitError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        SubmitError::NotUnderstood => ErrorCode::UnknownServerError,
    }
}

/// What a command's failure is called, by those who speak to a group's coordinator.
pub(crate) fn coordinator_error(error: &SubmitError) -> ErrorCode {
    match error {
        SubmitError::Refused(refusal) => refused(refusal),
        SubmitError::NotLeader { .. } => ErrorCode::NotCoordinator,
        SubmitError::DiskFull | SubmitError::Broken | SubmitError::Closing | SubmitError::Lost { .. } => {
            ErrorCode::CoordinatorNotAvailable
        }
        // As Kafka says when its own topic of groups does not take the record.
        SubmitError::TooLarge { .. } | SubmitError::NotUnderstood => ErrorCode::UnknownServerError,
    }
}

/// What a failure is called by a classic member: to it, a group that is not there, or is of
/// the other kind, is one that it is not a member of.
pub(crate) fn member_error(error: &SubmitError) -> ErrorCode {
    match error {
        SubmitError::Refused(Refusal::UnknownGroup { .. } | Refusal::GroupKindMismatch) => ErrorCode::UnknownMemberId,
        SubmitError::Refused(_)
        | SubmitError::NotLeader { .. }
        | SubmitError::DiskFull
        | SubmitError::TooLarge { .. }
        | SubmitError::Broken
        | SubmitError::Closing
        | SubmitError::Lost { .. }
        | SubmitError::NotUnderstood => coordinator_error(error),
    }
}

/// What a failure is called by a member of a consumer group (KIP-848).
pub(crate) fn consumer_error(error: &SubmitError) -> ErrorCode {
    match error {
        SubmitError::Refused(Refusal::GroupKindMismatch) => ErrorCode::GroupIdNotFound,
        SubmitError::Refused(_)
        | SubmitError::NotLeader { .. }
        | SubmitError::DiskFull
        | SubmitError::TooLarge { .. }
        | SubmitError::Broken
        | SubmitError::Closing
        | SubmitError::Lost { .. }
        | SubmitError::NotUnderstood => coordinator_error(error),
    }
}

/// What a refusal is called.
pub(crate) fn refused(refusal: &Refusal) -> ErrorCode {
    match refusal {
        Refusal::UnknownTopic { .. } | Refusal::UnknownPartition { .. } | Refusal::StreamDropped { .. } => {
            ErrorCode::UnknownTopicOrPartition
        }
        // Kafka has no word for leases; only an ordered queue's missing group can reach a producer.
        Refusal::RecordGroupMissing => ErrorCode::InvalidRecord,
        Refusal::NotAQueue { .. }
        | Refusal::UnknownQueue { .. }
        | Refusal::HistoryNotKept
        | Refusal::MoveRunning { .. }
        | Refusal::UnknownMove { .. }
        | Refusal::UnknownExchange { .. }
        | Refusal::ExchangeExists { .. }
        | Refusal::UnknownBinding { .. }
        | Refusal::BindingExists { .. }
        | Refusal::UnknownNode { .. }
        | Refusal::NodeRemoved { .. }
        | Refusal::UnknownHolder { .. } => ErrorCode::InvalidRequest,
        Refusal::QueueFull { .. } => ErrorCode::PolicyViolation,
        Refusal::TopicExists { .. } => ErrorCode::TopicAlreadyExists,
        Refusal::PartitionCountInvalid { .. } | Refusal::PartitionsOnlyGrow { .. } | Refusal::TopicIsQueue { .. } => {
            ErrorCode::InvalidPartitions
        }
        // Retriable: the next attempt starts from what the other administrator has left.
        Refusal::ConfigChangedMeanwhile { .. } | Refusal::SettingsChangedMeanwhile => ErrorCode::RequestTimedOut,
        Refusal::LimitReached { .. } | Refusal::LeasesFull { .. } | Refusal::QueueOrderFixed => {
            ErrorCode::PolicyViolation
        }
        Refusal::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        Refusal::SequenceOutOfOrder { .. } => ErrorCode::OutOfOrderSequenceNumber,
        Refusal::ProducerFenced { .. } => ErrorCode::InvalidProducerEpoch,
        Refusal::RequestTooOld => ErrorCode::UnsupportedVersion,
        Refusal::RequestInvalid { .. } => ErrorCode::InvalidRequest,
        Refusal::UnknownGroup { .. } => ErrorCode::GroupIdNotFound,
        Refusal::UnknownMember { .. } | Refusal::NotAMember { .. } => ErrorCode::UnknownMemberId,
        Refusal::IllegalGeneration { .. } => ErrorCode::IllegalGeneration,
        Refusal::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        Refusal::InconsistentProtocol | Refusal::GroupKindMismatch => ErrorCode::InconsistentGroupProtocol,
        Refusal::InstanceFenced => ErrorCode::FencedInstanceId,
        Refusal::InstanceUnreleased => ErrorCode::UnreleasedInstanceId,
        Refusal::SessionTimeoutInvalid { .. } => ErrorCode::InvalidSessionTimeout,
        Refusal::GroupNotEmpty { .. } => ErrorCode::NonEmptyGroup,
        Refusal::GroupSubscribed { .. } => ErrorCode::GroupSubscribedToTopic,
        Refusal::GroupFull { .. } => ErrorCode::GroupMaxSizeReached,
        Refusal::MemberEpochFenced { .. } => ErrorCode::FencedMemberEpoch,
        Refusal::MemberEpochStale { .. } => ErrorCode::StaleMemberEpoch,
        Refusal::UnsupportedAssignor { .. } => ErrorCode::UnsupportedAssignor,
    }
}

/// What a failure to read is called.
pub(crate) fn read_error(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Damaged { .. } | ReadError::Disk { .. } => ErrorCode::KafkaStorageError,
    }
}

/// What is wrong with a batch.
pub(crate) fn invalid_batch(invalid: &InvalidBatch) -> ErrorCode {
    match invalid {
        // No batch, or more than one: sent again, it is the same.
        InvalidBatch::TooShort { bytes: 0 } => ErrorCode::InvalidRecord,
        InvalidBatch::LengthMismatch { declared, present } if *declared < *present as u64 => ErrorCode::InvalidRecord,
        // It was damaged on its way: sent again, it may arrive.
        InvalidBatch::TooShort { .. } | InvalidBatch::LengthMismatch { .. } | InvalidBatch::ChecksumMismatch { .. } => {
            ErrorCode::CorruptMessage
        }
        InvalidBatch::FormatOld { .. } => ErrorCode::UnsupportedForMessageFormat,
        InvalidBatch::CodecUnknown { .. } => ErrorCode::UnsupportedCompressionType,
        InvalidBatch::DecompressedTooLong { .. } | InvalidBatch::RecompressedTooLong { .. } => {
            ErrorCode::MessageTooLarge
        }
        InvalidBatch::BrokerTimeClaimed => ErrorCode::InvalidTimestamp,
        InvalidBatch::FormatUnknown { .. }
        | InvalidBatch::CountMismatch { .. }
        | InvalidBatch::ControlBatch
        | InvalidBatch::ProducerInvalid { .. }
        | InvalidBatch::Undecodable { .. }
        | InvalidBatch::RecordMalformed { .. }
        | InvalidBatch::OffsetDeltaInvalid { .. }
        | InvalidBatch::TrailingBytes
        // What is stored cannot be read; no producer is told so.
        | InvalidBatch::MessageVersionUnknown { .. }
        | InvalidBatch::NativeUnknown { .. }
        | InvalidBatch::MessageMalformed { .. }
        | InvalidBatch::MessageTooLong { .. } => ErrorCode::InvalidRecord,
        InvalidBatch::RecordsRefused { records } => records.first().map_or(ErrorCode::InvalidRecord, invalid_record),
    }
}

fn invalid_record(record: &RecordFault) -> ErrorCode {
    match record.reason {
        RecordFaultReason::KeyMissing => ErrorCode::InvalidRecord,
        RecordFaultReason::TimestampOutOfRange { .. } => ErrorCode::InvalidTimestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_that_is_none_or_two_is_not_sent_again() {
        let none = InvalidBatch::TooShort { bytes: 0 };
        let two = InvalidBatch::LengthMismatch { declared: 100, present: 200 };
        let torn = InvalidBatch::LengthMismatch { declared: 200, present: 100 };
        assert_eq!(invalid_batch(&none), ErrorCode::InvalidRecord);
        assert_eq!(invalid_batch(&two), ErrorCode::InvalidRecord);
        assert_eq!(invalid_batch(&torn), ErrorCode::CorruptMessage);
    }
}
