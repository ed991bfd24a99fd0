//! What can be set for a topic.

use std::collections::BTreeMap;

use omnibus_model::topic::{EffectiveConfig, TopicConfig};

use super::entry::{ConfigError, ConfigSource, ConfigType, Entry, Mutability, Synonym};
use super::field::{read_int, read_long};
use super::topic_table::{Known, Setting, TABLE};

/// How one config is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    Set(&'a str),
    /// Goes back to the default.
    Clear,
    /// Adds values to a list.
    Append(&'a str),
    /// Takes values from a list.
    Subtract(&'a str),
}

/// Every config of a topic, in alphabetical order.
pub(crate) fn describe(config: &TopicConfig, defaults: &EffectiveConfig) -> Vec<Entry> {
    let (mut config, mut inherited) = (config.clone(), chosen(defaults));
    let mut shipped = chosen(&EffectiveConfig::default());
    TABLE.iter().map(|known| describe_one(known, &mut config, &mut inherited, &mut shipped)).collect()
}

/// Reads a whole configuration; what it does not name has its default.
pub(crate) fn read<'a>(
    pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    defaults: &EffectiveConfig,
) -> Result<TopicConfig, ConfigError> {
    let mut config = TopicConfig::default();
    for (name, value) in pairs {
        find(name)?;
        let value = value.ok_or_else(|| ConfigError::ValueMissing { name: name.to_owned() })?;
        change(&mut config, name, Change::Set(value), defaults)?;
    }
    check(&config, defaults)?;
    Ok(config)
}

/// Changes one config.
pub(crate) fn change(
    config: &mut TopicConfig,
    name: &str,
    change: Change<'_>,
    defaults: &EffectiveConfig,
) -> Result<(), ConfigError> {
    let known = match (find(name), change) {
        // As in Kafka: nothing is left of what was never there.
        (Err(_), Change::Clear) => return Ok(()),
        (known, _) => known?,
    };
    match change {
        Change::Set(value) => set(config, known, value),
        Change::Clear => {
            match known.setting {
                Setting::Kept(field) => field(config).clear(),
                Setting::Noted(_) => drop(config.notes.remove(known.name)),
                Setting::Always(_) => {}
            }
            Ok(())
        }
        Change::Append(more) => {
            let mut values = list(config, known, defaults)?;
            values.extend(items(more));
            set(config, known, &joined(values))
        }
        Change::Subtract(less) => {
            let less = items(less);
            let values = list(config, known, defaults)?.into_iter().filter(|value| !less.contains(value));
            set(config, known, &joined(values.collect()))
        }
    }
}

/// Checks what only several configs together can violate.
pub(crate) fn check(config: &TopicConfig, defaults: &EffectiveConfig) -> Result<(), ConfigError> {
    let config = config.effective(defaults);
    if config.compaction_lag_min > config.compaction_lag_max { Err(ConfigError::LagsCrossed) } else { Ok(()) }
}

fn find(name: &str) -> Result<&'static Known, ConfigError> {
    TABLE.iter().find(|known| known.name == name).ok_or_else(|| ConfigError::Unknown { name: name.to_owned() })
}

fn set(config: &mut TopicConfig, known: &Known, value: &str) -> Result<(), ConfigError> {
    let invalid = |reason| ConfigError::ValueInvalid { name: known.name, value: value.to_owned(), reason };
    match known.setting {
        Setting::Kept(field) => field(config).set(value, known.min).map_err(invalid),
        Setting::Noted(_) => {
            let note = note(known, value).map_err(invalid)?;
            config.notes.insert(known.name.to_owned(), note);
            Ok(())
        }
        Setting::Always(fixed) if is_same(value.trim(), fixed, known.kind) => Ok(()),
        Setting::Always(fixed) => {
            Err(ConfigError::Fixed { name: known.name, value: fixed.to_owned(), wanted: value.to_owned() })
        }
    }
}

/// Reads a value that is only written down, and writes it in one way.
fn note(known: &Known, value: &str) -> Result<String, String> {
    match known.kind {
        ConfigType::Long => read_long(value, known.min).map(|number| number.to_string()),
        ConfigType::Int => read_int(value, known.min).map(|number| number.to_string()),
        _ => match value.trim().to_ascii_lowercase() {
            flag if flag == "true" || flag == "false" => Ok(flag),
            _ => Err(String::from("it is true or false")),
        },
    }
}

fn is_same(value: &str, fixed: &str, kind: ConfigType) -> bool {
    value == fixed || kind == ConfigType::Boolean && value.eq_ignore_ascii_case(fixed)
}

/// The values that a list has now.
fn list(config: &mut TopicConfig, known: &Known, defaults: &EffectiveConfig) -> Result<Vec<String>, ConfigError> {
    if known.kind != ConfigType::List {
        return Err(ConfigError::NotAList { name: known.name });
    }
    let value = value(known, config).or_else(|| value(known, &mut chosen(defaults))).unwrap_or_default();
    Ok(items(&value))
}

fn items(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn joined(values: Vec<String>) -> String {
    values.join(",")
}

fn value(known: &Known, config: &mut TopicConfig) -> Option<String> {
    match known.setting {
        Setting::Kept(field) => field(config).text(),
        Setting::Noted(_) => config.notes.get(known.name).cloned(),
        Setting::Always(_) => None,
    }
}

fn describe_one(
    known: &Known,
    config: &mut TopicConfig,
    inherited: &mut TopicConfig,
    shipped: &mut TopicConfig,
) -> Entry {
    let own = value(known, config);
    let default = match known.setting {
        Setting::Kept(field) => field(inherited).text().unwrap_or_default(),
        Setting::Noted(fixed) | Setting::Always(fixed) => fixed.to_owned(),
    };
    let is_shipped = value(known, shipped).is_none_or(|shipped| shipped == default);
    let default_source = if is_shipped { ConfigSource::Default } else { ConfigSource::StaticBroker };
    let own_synonym = own.clone().map(|value| Synonym { name: known.name, value, source: ConfigSource::DynamicTopic });
    let broker_synonym = known.inherits.map(|name| Synonym { name, value: default.clone(), source: default_source });
    Entry {
        name: known.name,
        kind: known.kind,
        source: if own.is_some() { ConfigSource::DynamicTopic } else { default_source },
        mutability: Mutability::Changeable,
        synonyms: own_synonym.into_iter().chain(broker_synonym).collect(),
        value: Some(own.unwrap_or(default)),
        documentation: known.documentation,
    }
}

/// The configuration of a topic whose creator has chosen everything as the defaults have it.
fn chosen(defaults: &EffectiveConfig) -> TopicConfig {
    TopicConfig {
        cleanup: Some(defaults.cleanup),
        retention_time: Some(defaults.retention_time),
        retention_bytes: Some(defaults.retention_bytes),
        batch_bytes_max: Some(defaults.batch_bytes_max),
        timestamps: Some(defaults.timestamps),
        in_sync_replicas_min: Some(defaults.in_sync_replicas_min),
        timestamp_before_max: Some(defaults.timestamp_before_max),
        timestamp_after_max: Some(defaults.timestamp_after_max),
        tombstone_retention: Some(defaults.tombstone_retention),
        compaction_lag_min: Some(defaults.compaction_lag_min),
        compaction_lag_max: Some(defaults.compaction_lag_max),
        dirty_ratio_min: Some(defaults.dirty_ratio_min),
        compression: Some(defaults.compression),
        gzip_level: Some(defaults.gzip_level),
        zstd_level: Some(defaults.zstd_level),
        notes: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests;
