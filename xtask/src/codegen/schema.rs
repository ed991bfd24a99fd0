//! The schemas as they are written in Kafka: JSON with line comments.

use anyhow::{Context, Result};
use serde::Deserialize;

use super::versions::Versions;

/// One message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) api_key: Option<i16>,
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    valid_versions: String,
    flexible_versions: String,
    #[serde(default)]
    pub(super) latest_version_unstable: bool,
    pub(super) fields: Vec<Field>,
    #[serde(default)]
    pub(super) common_structs: Vec<Struct>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) enum Kind {
    Request,
    Response,
    Header,
    Data,
}

/// A struct that several fields share.
#[derive(Debug, Deserialize)]
pub(super) struct Struct {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
}

/// One field.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Field {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) wire_type: String,
    versions: String,
    #[serde(default)]
    nullable_versions: Option<String>,
    #[serde(default)]
    tagged_versions: Option<String>,
    #[serde(default)]
    flexible_versions: Option<String>,
    #[serde(default)]
    pub(super) tag: Option<u32>,
    #[serde(default)]
    pub(super) default: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) ignorable: bool,
    #[serde(default)]
    pub(super) fields: Vec<Self>,
}

pub(super) fn parse(text: &str) -> Result<Message> {
    let bare: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    serde_json::from_str(&bare).context("not a message schema")
}

impl Message {
    pub(super) fn valid(&self) -> Result<Versions> {
        Versions::parse(&self.valid_versions)
    }

    pub(super) fn flexible(&self) -> Result<Versions> {
        Versions::parse(&self.flexible_versions)
    }

    pub(super) fn common(&self, name: &str) -> Option<&[Field]> {
        self.common_structs.iter().find(|s| s.name == name).map(|s| s.fields.as_slice())
    }
}

impl Field {
    pub(super) fn versions(&self) -> Result<Versions> {
        Versions::parse(&self.versions)
    }

    pub(super) fn nullable(&self) -> Result<Versions> {
        self.nullable_versions.as_deref().map_or(Ok(Versions::NONE), Versions::parse)
    }

    pub(super) fn tagged(&self) -> Result<Versions> {
        self.tagged_versions.as_deref().map_or(Ok(Versions::NONE), Versions::parse)
    }

    /// Where the field is flexible, if it differs from its message.
    pub(super) fn flexible(&self) -> Result<Option<Versions>> {
        self.flexible_versions.as_deref().map(Versions::parse).transpose()
    }
}
