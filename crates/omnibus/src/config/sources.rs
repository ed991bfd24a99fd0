//! Puts the configuration together: flags over variables over the file over defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use omnibus_admin_api::nearest;
use omnibus_log::LogConfig;
use toml::{Table, Value};

use super::Config;
use super::keys::{KEYS, Key};

/// Variables that begin like ours and are not keys: addresses for the command line.
const OTHER_VARIABLES: [&str; 5] = ["OMNIBUS_CONFIG", "OMNIBUS_ADMIN", "OMNIBUS_AMQP", "OMNIBUS_KAFKA", "OMNIBUS_SQS"];

/// What somebody has chosen, before it is looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) file: Option<PathBuf>,
    /// All variables of the environment.
    pub(crate) variables: Vec<(String, String)>,
    /// Key and value of each flag; `--set KEY=VALUE` among them.
    pub(crate) flags: Vec<(String, String)>,
}

/// The configuration, and where each key that is not a default was chosen.
#[derive(Clone, Debug)]
pub(crate) struct Effective {
    pub(crate) config: Config,
    chosen: BTreeMap<&'static str, Source>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File(PathBuf),
    Variable(String),
    Flag,
}

/// Why there is no configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConfigError {
    Unreadable { file: PathBuf, reason: String },
    NotToml { file: PathBuf, reason: String },
    Unknown { source: Source, key: String, nearest: Option<String> },
    Invalid { source: Source, key: String, reason: String },
}

impl Effective {
    /// Takes all that was given.
    pub(crate) fn new(given: &Given) -> Result<Self, ConfigError> {
        let mut effective = Self { config: Config::default(), chosen: BTreeMap::new() };
        if let Some(file) = &given.file {
            for (key, value) in read_file(file)? {
                effective.choose(&key, &value, Source::File(file.clone()))?;
            }
        }
        effective.take_variables(&given.variables)?;
        for (key, value) in &given.flags {
            effective.choose(key, value, Source::Flag)?;
        }
        effective.check()?;
        Ok(effective)
    }

    /// Checks what a value alone does not tell.
    fn check(&self) -> Result<(), ConfigError> {
        let log = LogConfig { segment_bytes: self.config.storage.segment.0, ..LogConfig::default() };
        let source = || self.chosen.get("storage.segment").cloned().unwrap_or(Source::Default);
        log.check().map_err(|error| ConfigError::Invalid {
            source: source(),
            key: "storage.segment".to_owned(),
            reason: error.to_string(),
        })
    }

    /// Where a key was chosen.
    pub(crate) fn source(&self, key: &Key) -> Source {
        self.chosen.get(key.name).cloned().unwrap_or(Source::Default)
    }

    /// Whether somebody has chosen the key of this name.
    pub(crate) fn is_chosen(&self, name: &str) -> bool {
        self.chosen.contains_key(name)
    }

    fn take_variables(&mut self, variables: &[(String, String)]) -> Result<(), ConfigError> {
        for (name, value) in variables {
            if !name.starts_with("OMNIBUS_") || OTHER_VARIABLES.contains(&name.as_str()) || is_service_link(name) {
                continue;
            }
            match KEYS.iter().find(|key| key.variable() == *name) {
                Some(key) => self.choose(key.name, value, Source::Variable(name.clone()))?,
                None => return Err(unknown_variable(name)),
            }
        }
        Ok(())
    }

    fn choose(&mut self, name: &str, value: &str, source: Source) -> Result<(), ConfigError> {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let nearest = nearest(name, KEYS.iter().map(|key| key.name)).map(str::to_owned);
            return Err(ConfigError::Unknown { source, key: name.to_owned(), nearest });
        };
        (key.field)(&mut self.config).take(value).map_err(|reason| ConfigError::Invalid {
            source: source.clone(),
            key: name.to_owned(),
            reason,
        })?;
        self.chosen.insert(key.name, source);
        Ok(())
    }
}

fn unknown_variable(name: &str) -> ConfigError {
    let variables: Vec<String> = KEYS.iter().map(Key::variable).collect();
    let nearest = nearest(name, variables.iter().map(String::as_str)).map(str::to_owned);
    ConfigError::Unknown { source: Source::Variable(name.to_owned()), key: name.to_owned(), nearest }
}

/// Kubernetes gives every container variables like `OMNIBUS_PORT_9092_TCP_ADDR` if there is a
/// service called omnibus; they are not meant for us.
fn is_service_link(name: &str) -> bool {
    let port = name.find("_PORT_").map(|at| &name[at + "_PORT_".len()..]);
    let is_numbered = port.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    is_numbered || name.ends_with("_PORT") || name.contains("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
}

fn read_file(file: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| ConfigError::Unreadable { file: file.to_owned(), reason: error.to_string() })?;
    let table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| ConfigError::NotToml { file: file.to_owned(), reason: error.to_string() })?;
    let mut values = Vec::new();
    flatten("", &table, &mut values).map_err(|(key, reason)| ConfigError::Invalid {
        source: Source::File(file.to_owned()),
        key,
        reason,
    })?;
    Ok(values)
}

/// Names every value by its path: `[kafka] listen` becomes `kafka.listen`.
fn flatten(prefix: &str, table: &Table, values: &mut Vec<(String, String)>) -> Result<(), (String, String)> {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => flatten(&key, inner, values)?,
            Value::String(text) => values.push((key, text.clone())),
            Value::Integer(number) => values.push((key, number.to_string())),
            Value::Boolean(flag) => values.push((key, flag.to_string())),
            Value::Float(_) | Value::Datetime(_) | Value::Array(_) => {
                return Err((key, "a value is a text, a whole number, true or false".to_owned()));
            }
        }
    }
    Ok(())
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(file) => write!(f, "file {}", file.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, reason } => {
                write!(f, "the configuration {} cannot be read: {reason}", file.display())
            }
            Self::NotToml { file, reason } => {
                write!(f, "the configuration {} is not TOML: {reason}", file.display())
            }
            Self::Unknown { source, key, nearest } => {
                match source {
                    Source::Variable(_) => write!(f, "variable {key} stands for no key")?,
                    _ => write!(f, "there is no key {key} ({source})")?,
                }
                match nearest {
                    Some(nearest) => write!(f, "; did you mean {nearest}?"),
                    None => f.write_str("; `omnibus config show` lists all of them"),
                }
            }
            Self::Invalid { source, key, reason } => write!(f, "{key} ({source}): {reason}"),
        }
    }
}

impl std::error::Error for ConfigError {}
