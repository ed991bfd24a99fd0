//! `ConsumerGroupHeartbeatRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerGroupHeartbeatRequest {
    pub group_id: WireString,
    pub member_id: WireString,
    pub member_epoch: i32,
    pub instance_id: Option<WireString>,
    pub rack_id: Option<WireString>,
    pub rebalance_timeout_ms: i32,
    pub subscribed_topic_names: Option<Vec<WireString>>,
    /// Versions 1 only.
    pub subscribed_topic_regex: Option<WireString>,
    pub server_assignor: Option<WireString>,
    pub topic_partitions: Option<Vec<TopicPartitions>>,
}

impl ConsumerGroupHeartbeatRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 1 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let this = Self {
            group_id: input.string(Form::Compact)?,
            member_id: input.string(Form::Compact)?,
            member_epoch: input.i32()?,
            instance_id: input.nullable_string(Form::Compact)?,
            rack_id: input.nullable_string(Form::Compact)?,
            rebalance_timeout_ms: input.i32()?,
            subscribed_topic_names: input.nullable_array(Form::Compact, 1, |input| input.string(Form::Compact))?,
            subscribed_topic_regex: if version == 1 { input.nullable_string(Form::Compact)? } else { None },
            server_assignor: input.nullable_string(Form::Compact)?,
            topic_partitions: input
                .nullable_array(Form::Compact, 18, |input| TopicPartitions::decode(input, version))?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version is not known or cannot say what the message says.
    pub fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        Self::VERSIONS.check_encoded(version)?;
        out.put_string(&self.group_id, Form::Compact)?;
        out.put_string(&self.member_id, Form::Compact)?;
        out.put_i32(self.member_epoch);
        out.put_nullable_string(self.instance_id.as_ref(), Form::Compact)?;
        out.put_nullable_string(self.rack_id.as_ref(), Form::Compact)?;
        out.put_i32(self.rebalance_timeout_ms);
        out.put_nullable_array(self.subscribed_topic_names.as_deref(), Form::Compact, |out, item| {
            out.put_string(item, Form::Compact)
        })?;
        if version == 1 {
            out.put_nullable_string(self.subscribed_topic_regex.as_ref(), Form::Compact)?;
        } else {
            lacks(
                self.subscribed_topic_regex.is_some(),
                "ConsumerGroupHeartbeatRequest.subscribed_topic_regex",
                version,
            )?;
        }
        out.put_nullable_string(self.server_assignor.as_ref(), Form::Compact)?;
        out.put_nullable_array(self.topic_partitions.as_deref(), Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

impl Default for ConsumerGroupHeartbeatRequest {
    fn default() -> Self {
        Self {
            group_id: WireString::new(),
            member_id: WireString::new(),
            member_epoch: 0,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: -1,
            subscribed_topic_names: None,
            subscribed_topic_regex: None,
            server_assignor: None,
            topic_partitions: None,
        }
    }
}

/// The struct `TopicPartitions` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicPartitions {
    pub topic_id: TopicId,
    pub partitions: Vec<i32>,
}

impl TopicPartitions {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_id: input.uuid()?, partitions: input.array(Form::Compact, 4, |input| input.i32())? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_uuid(self.topic_id);
        out.put_array(&self.partitions, Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_no_tags();
        Ok(())
    }
}
