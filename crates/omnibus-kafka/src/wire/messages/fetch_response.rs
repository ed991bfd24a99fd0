//! `FetchResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, Records, Tags, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchResponse {
    pub throttle_time_ms: i32,
    /// Versions 7 to 18.
    pub error_code: i16,
    /// Versions 7 to 18.
    pub session_id: i32,
    pub responses: Vec<FetchableTopicResponse>,
    /// Versions 16 to 18.
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl FetchResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 4, max: 18 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(12, version);
        let mut this = Self {
            throttle_time_ms: input.i32()?,
            error_code: if version >= 7 { input.i16()? } else { 0 },
            session_id: if version >= 7 { input.i32()? } else { 0 },
            responses: input.array(form, 3, |input| FetchableTopicResponse::decode(input, version))?,
            node_endpoints: Vec::new(),
        };
        if form == Form::Compact {
            input.tags(&mut |tag, input| {
                match tag {
                    0 if version >= 16 => {
                        this.node_endpoints =
                            input.array(Form::Compact, 11, |input| NodeEndpoint::decode(input, version))?
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(this)
    }

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version is not known or cannot say what the message says.
    pub fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        Self::VERSIONS.check_encoded(version)?;
        let form = Form::compact_from(12, version);
        out.put_i32(self.throttle_time_ms);
        if version >= 7 {
            out.put_i16(self.error_code);
        }
        if version >= 7 {
            out.put_i32(self.session_id);
        } else {
            lacks(self.session_id != 0, "FetchResponse.session_id", version)?;
        }
        out.put_array(&self.responses, form, |out, item| item.encode(out, version))?;
        if version < 16 {
            lacks(!self.node_endpoints.is_empty(), "FetchResponse.node_endpoints", version)?;
        }
        if form == Form::Compact {
            let mut tags = Tags::default();
            if version >= 16 && !self.node_endpoints.is_empty() {
                tags.add(0, |out| {
                    out.put_array(&self.node_endpoints, Form::Compact, |out, item| item.encode(out, version))
                })?;
            }
            out.put_tags(tags)?;
        }
        Ok(())
    }
}

/// The struct `FetchableTopicResponse` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchableTopicResponse {
    /// Versions 4 to 12.
    pub topic: WireString,
    /// Versions 13 to 18.
    pub topic_id: TopicId,
    pub partitions: Vec<PartitionData>,
}

impl FetchableTopicResponse {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(12, version);
        let this = Self {
            topic: if version <= 12 { input.string(form)? } else { WireString::new() },
            topic_id: if version >= 13 { input.uuid()? } else { TopicId::default() },
            partitions: input.array(form, 30, |input| PartitionData::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(12, version);
        if version <= 12 {
            out.put_string(&self.topic, form)?;
        }
        if version >= 13 {
            out.put_uuid(self.topic_id);
        }
        out.put_array(&self.partitions, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `PartitionData` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionData {
    pub partition_index: i32,
    pub error_code: i16,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    /// Versions 5 to 18.
    pub log_start_offset: i64,
    /// Versions 12 to 18.
    pub diverging_epoch: EpochEndOffset,
    /// Versions 12 to 18.
    pub current_leader: LeaderIdAndEpoch,
    /// Versions 12 to 18.
    pub snapshot_id: SnapshotId,
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// Versions 11 to 18.
    pub preferred_read_replica: i32,
    pub records: Option<Records>,
}

impl PartitionData {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(12, version);
        let mut this = Self {
            partition_index: input.i32()?,
            error_code: input.i16()?,
            high_watermark: input.i64()?,
            last_stable_offset: input.i64()?,
            log_start_offset: if version >= 5 { input.i64()? } else { -1 },
            diverging_epoch: EpochEndOffset::default(),
            current_leader: LeaderIdAndEpoch::default(),
            snapshot_id: SnapshotId::default(),
            aborted_transactions: input.nullable_array(form, 16, |input| AbortedTransaction::decode(input, version))?,
            preferred_read_replica: if version >= 11 { input.i32()? } else { -1 },
            records: input.nullable_records(form)?,
        };
        if form == Form::Compact {
            input.tags(&mut |tag, input| {
                match tag {
                    0 => this.diverging_epoch = EpochEndOffset::decode(input, version)?,
                    1 => this.current_leader = LeaderIdAndEpoch::decode(input, version)?,
                    2 => this.snapshot_id = SnapshotId::decode(input, version)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(12, version);
        out.put_i32(self.partition_index);
        out.put_i16(self.error_code);
        out.put_i64(self.high_watermark);
        out.put_i64(self.last_stable_offset);
        if version >= 5 {
            out.put_i64(self.log_start_offset);
        }
        if version < 12 {
            lacks(self.diverging_epoch != EpochEndOffset::default(), "PartitionData.diverging_epoch", version)?;
        }
        if version < 12 {
            lacks(self.current_leader != LeaderIdAndEpoch::default(), "PartitionData.current_leader", version)?;
        }
        if version < 12 {
            lacks(self.snapshot_id != SnapshotId::default(), "PartitionData.snapshot_id", version)?;
        }
        out.put_nullable_array(self.aborted_transactions.as_deref(), form, |out, item| item.encode(out, version))?;
        if version >= 11 {
            out.put_i32(self.preferred_read_replica);
        } else {
            lacks(self.preferred_read_replica != -1, "PartitionData.preferred_read_replica", version)?;
        }
        out.put_nullable_records(self.records.as_ref(), form)?;
        if form == Form::Compact {
            let mut tags = Tags::default();
            if self.diverging_epoch != EpochEndOffset::default() {
                tags.add(0, |out| self.diverging_epoch.encode(out, version))?;
            }
            if self.current_leader != LeaderIdAndEpoch::default() {
                tags.add(1, |out| self.current_leader.encode(out, version))?;
            }
            if self.snapshot_id != SnapshotId::default() {
                tags.add(2, |out| self.snapshot_id.encode(out, version))?;
            }
            out.put_tags(tags)?;
        }
        Ok(())
    }
}

impl Default for PartitionData {
    fn default() -> Self {
        Self {
            partition_index: 0,
            error_code: 0,
            high_watermark: 0,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: EpochEndOffset::default(),
            current_leader: LeaderIdAndEpoch::default(),
            snapshot_id: SnapshotId::default(),
            aborted_transactions: Some(Vec::new()),
            preferred_read_replica: -1,
            records: None,
        }
    }
}

/// The struct `EpochEndOffset` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochEndOffset {
    pub epoch: i32,
    pub end_offset: i64,
}

impl EpochEndOffset {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { epoch: input.i32()?, end_offset: input.i64()? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.epoch);
        out.put_i64(self.end_offset);
        out.put_no_tags();
        Ok(())
    }
}

impl Default for EpochEndOffset {
    fn default() -> Self {
        Self { epoch: -1, end_offset: -1 }
    }
}

/// The struct `LeaderIdAndEpoch` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaderIdAndEpoch {
    pub leader_id: i32,
    pub leader_epoch: i32,
}

impl LeaderIdAndEpoch {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { leader_id: input.i32()?, leader_epoch: input.i32()? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.leader_id);
        out.put_i32(self.leader_epoch);
        out.put_no_tags();
        Ok(())
    }
}

impl Default for LeaderIdAndEpoch {
    fn default() -> Self {
        Self { leader_id: -1, leader_epoch: -1 }
    }
}

/// The struct `SnapshotId` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotId {
    pub end_offset: i64,
    pub epoch: i32,
}

impl SnapshotId {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { end_offset: input.i64()?, epoch: input.i32()? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i64(self.end_offset);
        out.put_i32(self.epoch);
        out.put_no_tags();
        Ok(())
    }
}

impl Default for SnapshotId {
    fn default() -> Self {
        Self { end_offset: -1, epoch: -1 }
    }
}

/// The struct `AbortedTransaction` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
}

impl AbortedTransaction {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(12, version);
        let this = Self { producer_id: input.i64()?, first_offset: input.i64()? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(12, version);
        out.put_i64(self.producer_id);
        out.put_i64(self.first_offset);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `NodeEndpoint` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: WireString,
    pub port: i32,
    pub rack: Option<WireString>,
}

impl NodeEndpoint {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            node_id: input.i32()?,
            host: input.string(Form::Compact)?,
            port: input.i32()?,
            rack: input.nullable_string(Form::Compact)?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.node_id);
        out.put_string(&self.host, Form::Compact)?;
        out.put_i32(self.port);
        out.put_nullable_string(self.rack.as_ref(), Form::Compact)?;
        out.put_no_tags();
        Ok(())
    }
}
