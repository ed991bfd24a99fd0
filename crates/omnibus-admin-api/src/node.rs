//! The node itself: `/v1/node`, `/v1/log`, `/v1/config`.

use serde::{Deserialize, Serialize};

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    pub version: String,
    pub cluster_id: String,
    pub node_id: u32,
    /// Where Kafka clients are served.
    pub kafka: String,
    /// Where this API is served.
    pub admin: String,
    pub data_dir: String,
    /// Seconds since the process began to serve.
    pub uptime_seconds: u64,
    pub health: HealthView,
}

/// Whether the node may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum HealthView {
    Well,
    Broken { reason: String },
}

/// What the log holds, by the names of its counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogView {
    pub counters: Vec<Counter>,
}

/// One number and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    pub name: String,
    pub value: u64,
    pub meaning: String,
}

/// The effective configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigView {
    pub settings: Vec<Setting>,
}

/// One key of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub key: String,
    pub value: String,
    /// Where it was chosen: `default`, the file, the variable or the flag.
    pub source: String,
}
