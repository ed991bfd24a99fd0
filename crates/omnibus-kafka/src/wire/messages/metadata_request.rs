//! `MetadataRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks, required};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataRequest {
    pub topics: Option<Vec<MetadataRequestTopic>>,
    /// Versions 4 to 13.
    pub allow_auto_topic_creation: bool,
    /// Versions 8 to 10.
    pub include_cluster_authorized_operations: bool,
    /// Versions 8 to 13.
    pub include_topic_authorized_operations: bool,
}

impl MetadataRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 13 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(9, version);
        let this = Self {
            topics: if version >= 1 {
                input.nullable_array(form, 2, |input| MetadataRequestTopic::decode(input, version))?
            } else {
                Some(input.array(form, 2, |input| MetadataRequestTopic::decode(input, version))?)
            },
            allow_auto_topic_creation: if version >= 4 { input.bool()? } else { true },
            include_cluster_authorized_operations: if (8..=10).contains(&version) { input.bool()? } else { false },
            include_topic_authorized_operations: if version >= 8 { input.bool()? } else { false },
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version is not known or cannot say what the message says.
    pub fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        Self::VERSIONS.check_encoded(version)?;
        let form = Form::compact_from(9, version);
        if version >= 1 {
            out.put_nullable_array(self.topics.as_deref(), form, |out, item| item.encode(out, version))?;
        } else {
            out.put_array(required(self.topics.as_ref(), "MetadataRequest.topics", version)?, form, |out, item| {
                item.encode(out, version)
            })?;
        };
        if version >= 4 {
            out.put_bool(self.allow_auto_topic_creation);
        } else {
            lacks(!self.allow_auto_topic_creation, "MetadataRequest.allow_auto_topic_creation", version)?;
        }
        if (8..=10).contains(&version) {
            out.put_bool(self.include_cluster_authorized_operations);
        } else {
            lacks(
                self.include_cluster_authorized_operations,
                "MetadataRequest.include_cluster_authorized_operations",
                version,
            )?;
        }
        if version >= 8 {
            out.put_bool(self.include_topic_authorized_operations);
        } else {
            lacks(
                self.include_topic_authorized_operations,
                "MetadataRequest.include_topic_authorized_operations",
                version,
            )?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for MetadataRequest {
    fn default() -> Self {
        Self {
            topics: Some(Vec::new()),
            allow_auto_topic_creation: true,
            include_cluster_authorized_operations: false,
            include_topic_authorized_operations: false,
        }
    }
}

/// The struct `MetadataRequestTopic` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataRequestTopic {
    /// Versions 10 to 13.
    pub topic_id: TopicId,
    pub name: Option<WireString>,
}

impl MetadataRequestTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(9, version);
        let this = Self {
            topic_id: if version >= 10 { input.uuid()? } else { TopicId::default() },
            name: if version >= 10 { input.nullable_string(form)? } else { Some(input.string(form)?) },
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(9, version);
        if version >= 10 {
            out.put_uuid(self.topic_id);
        }
        if version >= 10 {
            out.put_nullable_string(self.name.as_ref(), form)?;
        } else {
            out.put_string(required(self.name.as_ref(), "MetadataRequestTopic.name", version)?, form)?;
        };
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for MetadataRequestTopic {
    fn default() -> Self {
        Self { topic_id: TopicId::default(), name: Some(WireString::new()) }
    }
}
