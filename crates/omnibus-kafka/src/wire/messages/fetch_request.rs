//! `FetchRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, Tags, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchRequest {
    /// Versions 12 to 18.
    pub cluster_id: Option<WireString>,
    /// Versions 4 to 14.
    pub replica_id: i32,
    /// Versions 15 to 18.
    pub replica_state: ReplicaState,
    pub max_wait_ms: i32,
    pub min_bytes: i32,
    pub max_bytes: i32,
    pub isolation_level: i8,
    /// Versions 7 to 18.
    pub session_id: i32,
    /// Versions 7 to 18.
    pub session_epoch: i32,
    pub topics: Vec<FetchTopic>,
    /// Versions 7 to 18.
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    /// Versions 11 to 18.
    pub rack_id: WireString,
}

impl FetchRequest {
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
            cluster_id: None,
            replica_id: if version <= 14 { input.i32()? } else { -1 },
            replica_state: ReplicaState::default(),
            max_wait_ms: input.i32()?,
            min_bytes: input.i32()?,
            max_bytes: input.i32()?,
            isolation_level: input.i8()?,
            session_id: if version >= 7 { input.i32()? } else { 0 },
            session_epoch: if version >= 7 { input.i32()? } else { -1 },
            topics: input.array(form, 3, |input| FetchTopic::decode(input, version))?,
            forgotten_topics_data: if version >= 7 {
                input.array(form, 3, |input| ForgottenTopic::decode(input, version))?
            } else {
                Vec::new()
            },
            rack_id: if version >= 11 { input.string(form)? } else { WireString::new() },
        };
        if form == Form::Compact {
            input.tags(&mut |tag, input| {
                match tag {
                    0 => this.cluster_id = input.nullable_string(Form::Compact)?,
                    1 if version >= 15 => this.replica_state = ReplicaState::decode(input, version)?,
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
        if version <= 14 {
            out.put_i32(self.replica_id);
        } else {
            lacks(self.replica_id != -1, "FetchRequest.replica_id", version)?;
        }
        if version < 15 {
            lacks(self.replica_state != ReplicaState::default(), "FetchRequest.replica_state", version)?;
        }
        out.put_i32(self.max_wait_ms);
        out.put_i32(self.min_bytes);
        out.put_i32(self.max_bytes);
        out.put_i8(self.isolation_level);
        if version >= 7 {
            out.put_i32(self.session_id);
        }
        if version >= 7 {
            out.put_i32(self.session_epoch);
        }
        out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        if version >= 7 {
            out.put_array(&self.forgotten_topics_data, form, |out, item| item.encode(out, version))?;
        } else {
            lacks(!self.forgotten_topics_data.is_empty(), "FetchRequest.forgotten_topics_data", version)?;
        }
        if version >= 11 {
            out.put_string(&self.rack_id, form)?;
        }
        if form == Form::Compact {
            let mut tags = Tags::default();
            if self.cluster_id.is_some() {
                tags.add(0, |out| out.put_nullable_string(self.cluster_id.as_ref(), Form::Compact))?;
            }
            if version >= 15 && self.replica_state != ReplicaState::default() {
                tags.add(1, |out| self.replica_state.encode(out, version))?;
            }
            out.put_tags(tags)?;
        }
        Ok(())
    }
}

impl Default for FetchRequest {
    fn default() -> Self {
        Self {
            cluster_id: None,
            replica_id: -1,
            replica_state: ReplicaState::default(),
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: i32::MAX,
            isolation_level: 0,
            session_id: 0,
            session_epoch: -1,
            topics: Vec::new(),
            forgotten_topics_data: Vec::new(),
            rack_id: WireString::new(),
        }
    }
}

/// The struct `ReplicaState` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaState {
    pub replica_id: i32,
    pub replica_epoch: i64,
}

impl ReplicaState {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { replica_id: input.i32()?, replica_epoch: input.i64()? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.replica_id);
        out.put_i64(self.replica_epoch);
        out.put_no_tags();
        Ok(())
    }
}

impl Default for ReplicaState {
    fn default() -> Self {
        Self { replica_id: -1, replica_epoch: -1 }
    }
}

/// The struct `FetchTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchTopic {
    /// Versions 4 to 12.
    pub topic: WireString,
    /// Versions 13 to 18.
    pub topic_id: TopicId,
    pub partitions: Vec<FetchPartition>,
}

impl FetchTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(12, version);
        let this = Self {
            topic: if version <= 12 { input.string(form)? } else { WireString::new() },
            topic_id: if version >= 13 { input.uuid()? } else { TopicId::default() },
            partitions: input.array(form, 16, |input| FetchPartition::decode(input, version))?,
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

/// The struct `FetchPartition` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchPartition {
    pub partition: i32,
    /// Versions 9 to 18.
    pub current_leader_epoch: i32,
    pub fetch_offset: i64,
    /// Versions 12 to 18.
    pub last_fetched_epoch: i32,
    /// Versions 5 to 18.
    pub log_start_offset: i64,
    pub partition_max_bytes: i32,
    /// Versions 17 to 18.
    pub replica_directory_id: TopicId,
    /// Versions 18 only.
    pub high_watermark: i64,
}

impl FetchPartition {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(12, version);
        let mut this = Self {
            partition: input.i32()?,
            current_leader_epoch: if version >= 9 { input.i32()? } else { -1 },
            fetch_offset: input.i64()?,
            last_fetched_epoch: if version >= 12 { input.i32()? } else { -1 },
            log_start_offset: if version >= 5 { input.i64()? } else { -1 },
            partition_max_bytes: input.i32()?,
            replica_directory_id: TopicId::default(),
            high_watermark: i64::MAX,
        };
        if form == Form::Compact {
            input.tags(&mut |tag, input| {
                match tag {
                    0 if version >= 17 => this.replica_directory_id = input.uuid()?,
                    1 if version == 18 => this.high_watermark = input.i64()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(12, version);
        out.put_i32(self.partition);
        if version >= 9 {
            out.put_i32(self.current_leader_epoch);
        }
        out.put_i64(self.fetch_offset);
        if version >= 12 {
            out.put_i32(self.last_fetched_epoch);
        } else {
            lacks(self.last_fetched_epoch != -1, "FetchPartition.last_fetched_epoch", version)?;
        }
        if version >= 5 {
            out.put_i64(self.log_start_offset);
        }
        out.put_i32(self.partition_max_bytes);
        if form == Form::Compact {
            let mut tags = Tags::default();
            if version >= 17 && self.replica_directory_id != TopicId::default() {
                tags.add(0, |out| {
                    out.put_uuid(self.replica_directory_id);
                    Ok(())
                })?;
            }
            if version == 18 && self.high_watermark != i64::MAX {
                tags.add(1, |out| {
                    out.put_i64(self.high_watermark);
                    Ok(())
                })?;
            }
            out.put_tags(tags)?;
        }
        Ok(())
    }
}

impl Default for FetchPartition {
    fn default() -> Self {
        Self {
            partition: 0,
            current_leader_epoch: -1,
            fetch_offset: 0,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: 0,
            replica_directory_id: TopicId::default(),
            high_watermark: i64::MAX,
        }
    }
}

/// The struct `ForgottenTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForgottenTopic {
    /// Versions 7 to 12.
    pub topic: WireString,
    /// Versions 13 to 18.
    pub topic_id: TopicId,
    pub partitions: Vec<i32>,
}

impl ForgottenTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(12, version);
        let this = Self {
            topic: if version <= 12 { input.string(form)? } else { WireString::new() },
            topic_id: if version >= 13 { input.uuid()? } else { TopicId::default() },
            partitions: input.array(form, 4, |input| input.i32())?,
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
        out.put_array(&self.partitions, form, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
