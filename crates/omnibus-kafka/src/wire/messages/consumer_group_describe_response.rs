//! `ConsumerGroupDescribeResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumerGroupDescribeResponse {
    pub throttle_time_ms: i32,
    pub groups: Vec<DescribedGroup>,
}

impl ConsumerGroupDescribeResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 1 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let this = Self {
            throttle_time_ms: input.i32()?,
            groups: input.array(Form::Compact, 20, |input| DescribedGroup::decode(input, version))?,
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
        out.put_i32(self.throttle_time_ms);
        out.put_array(&self.groups, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `DescribedGroup` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedGroup {
    pub error_code: i16,
    pub error_message: Option<WireString>,
    pub group_id: WireString,
    pub group_state: WireString,
    pub group_epoch: i32,
    pub assignment_epoch: i32,
    pub assignor_name: WireString,
    pub members: Vec<Member>,
    pub authorized_operations: i32,
}

impl DescribedGroup {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: input.i16()?,
            error_message: input.nullable_string(Form::Compact)?,
            group_id: input.string(Form::Compact)?,
            group_state: input.string(Form::Compact)?,
            group_epoch: input.i32()?,
            assignment_epoch: input.i32()?,
            assignor_name: input.string(Form::Compact)?,
            members: input.array(Form::Compact, 16, |input| Member::decode(input, version))?,
            authorized_operations: input.i32()?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_i16(self.error_code);
        out.put_nullable_string(self.error_message.as_ref(), Form::Compact)?;
        out.put_string(&self.group_id, Form::Compact)?;
        out.put_string(&self.group_state, Form::Compact)?;
        out.put_i32(self.group_epoch);
        out.put_i32(self.assignment_epoch);
        out.put_string(&self.assignor_name, Form::Compact)?;
        out.put_array(&self.members, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_i32(self.authorized_operations);
        out.put_no_tags();
        Ok(())
    }
}

impl Default for DescribedGroup {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: None,
            group_id: WireString::new(),
            group_state: WireString::new(),
            group_epoch: 0,
            assignment_epoch: 0,
            assignor_name: WireString::new(),
            members: Vec::new(),
            authorized_operations: -2147483648,
        }
    }
}

/// The struct `Member` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub member_id: WireString,
    pub instance_id: Option<WireString>,
    pub rack_id: Option<WireString>,
    pub member_epoch: i32,
    pub client_id: WireString,
    pub client_host: WireString,
    pub subscribed_topic_names: Vec<WireString>,
    pub subscribed_topic_regex: Option<WireString>,
    pub assignment: Assignment,
    pub target_assignment: Assignment,
    /// Versions 1 only.
    pub member_type: i8,
}

impl Member {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            member_id: input.string(Form::Compact)?,
            instance_id: input.nullable_string(Form::Compact)?,
            rack_id: input.nullable_string(Form::Compact)?,
            member_epoch: input.i32()?,
            client_id: input.string(Form::Compact)?,
            client_host: input.string(Form::Compact)?,
            subscribed_topic_names: input.array(Form::Compact, 1, |input| input.string(Form::Compact))?,
            subscribed_topic_regex: input.nullable_string(Form::Compact)?,
            assignment: Assignment::decode(input, version)?,
            target_assignment: Assignment::decode(input, version)?,
            member_type: if version == 1 { input.i8()? } else { -1 },
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.member_id, Form::Compact)?;
        out.put_nullable_string(self.instance_id.as_ref(), Form::Compact)?;
        out.put_nullable_string(self.rack_id.as_ref(), Form::Compact)?;
        out.put_i32(self.member_epoch);
        out.put_string(&self.client_id, Form::Compact)?;
        out.put_string(&self.client_host, Form::Compact)?;
        out.put_array(&self.subscribed_topic_names, Form::Compact, |out, item| out.put_string(item, Form::Compact))?;
        out.put_nullable_string(self.subscribed_topic_regex.as_ref(), Form::Compact)?;
        self.assignment.encode(out, version)?;
        self.target_assignment.encode(out, version)?;
        if version == 1 {
            out.put_i8(self.member_type);
        }
        out.put_no_tags();
        Ok(())
    }
}

impl Default for Member {
    fn default() -> Self {
        Self {
            member_id: WireString::new(),
            instance_id: None,
            rack_id: None,
            member_epoch: 0,
            client_id: WireString::new(),
            client_host: WireString::new(),
            subscribed_topic_names: Vec::new(),
            subscribed_topic_regex: None,
            assignment: Assignment::default(),
            target_assignment: Assignment::default(),
            member_type: -1,
        }
    }
}

/// The struct `Assignment` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    pub topic_partitions: Vec<TopicPartitions>,
}

impl Assignment {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this =
            Self { topic_partitions: input.array(Form::Compact, 19, |input| TopicPartitions::decode(input, version))? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_array(&self.topic_partitions, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `TopicPartitions` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicPartitions {
    pub topic_id: TopicId,
    pub topic_name: WireString,
    pub partitions: Vec<i32>,
}

impl TopicPartitions {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topic_id: input.uuid()?,
            topic_name: input.string(Form::Compact)?,
            partitions: input.array(Form::Compact, 4, |input| input.i32())?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_uuid(self.topic_id);
        out.put_string(&self.topic_name, Form::Compact)?;
        out.put_array(&self.partitions, Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_no_tags();
        Ok(())
    }
}
