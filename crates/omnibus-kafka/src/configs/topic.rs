//! What can be set for a topic.

use std::collections::BTreeMap;

use omnibus_model::config::Inherited;
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
pub(crate) fn describe(config: &TopicConfig, inherited: &Inherited) -> Vec<Entry> {
    let mut layers = Layers::new(config.clone(), inherited);
    TABLE.iter().map(|known| layers.describe(known)).collect()
}

/// Every broker config that topics inherit.
pub(crate) fn describe_inherited(inherited: &Inherited) -> Vec<Entry> {
    let mut layers = Layers::new(TopicConfig::default(), inherited);
    TABLE.iter().filter_map(|known| layers.describe_inherited(known)).collect()
}

/// Every broker config that topics inherit, as far as it was set for all brokers.
pub(crate) fn describe_cluster(cluster: &TopicConfig) -> Vec<Entry> {
    let mut cluster = cluster.clone();
    let set = |known: &Known| {
        let (name, value) = (known.inherits?, value(known, &mut cluster)?);
        Some(known.entry(name, vec![Synonym { name, value, source: ConfigSource::DynamicDefaultBroker }]))
    };
    TABLE.iter().filter_map(set).collect()
}

/// The name under which topics inherit a broker config; `None` if they do not.
pub(crate) fn heir(broker_config: &str) -> Option<Heir> {
    let known = TABLE.iter().find(|known| known.inherits == Some(broker_config))?;
    Some(Heir { topic: known.name, broker: known.inherits? })
}

/// One config under its two names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heir {
    pub(crate) topic: &'static str,
    pub(crate) broker: &'static str,
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

/// Where a topic's configs can be from, the stronger first.
struct Layers {
    own: TopicConfig,
    node: TopicConfig,
    cluster: TopicConfig,
    started: TopicConfig,
    shipped: TopicConfig,
}

impl Layers {
    fn new(own: TopicConfig, inherited: &Inherited) -> Self {
        Self {
            own,
            node: inherited.node.clone(),
            cluster: inherited.cluster.clone(),
            started: chosen(&inherited.started),
            shipped: chosen(&EffectiveConfig::default()),
        }
    }

    fn describe(&mut self, known: &Known) -> Entry {
        let own = value(known, &mut self.own);
        let own = own.map(|value| Synonym { name: known.name, value, source: ConfigSource::DynamicTopic });
        let inherited = known.inherits.unwrap_or(known.name);
        let set = own.into_iter().chain(self.set_for_brokers(known, inherited)).collect();
        let mut entry = known.entry(known.name, [set, vec![self.started(known, inherited)]].concat());
        if !known.shipped {
            entry.synonyms.pop();
        }
        entry
    }

    fn describe_inherited(&mut self, known: &Known) -> Option<Entry> {
        let name = known.inherits?;
        let set: Vec<Synonym> = self.set_for_brokers(known, name).collect();
        Some(known.entry(name, [set, vec![self.started(known, name)]].concat()))
    }

    fn set_for_brokers(&mut self, known: &Known, name: &'static str) -> impl Iterator<Item = Synonym> + use<> {
        let synonym = |value, source| Synonym { name, value, source };
        let node = value(known, &mut self.node).map(|value| synonym(value, ConfigSource::DynamicBroker));
        let cluster = value(known, &mut self.cluster).map(|value| synonym(value, ConfigSource::DynamicDefaultBroker));
        node.into_iter().chain(cluster)
    }

    fn started(&mut self, known: &Known, name: &'static str) -> Synonym {
        let value_started = match known.setting {
            Setting::Kept(field) => field(&mut self.started).text().unwrap_or_default(),
            Setting::Noted(fixed) | Setting::Always(fixed) => fixed.to_owned(),
        };
        let is_shipped = value(known, &mut self.shipped).is_none_or(|shipped| shipped == value_started);
        let source = if is_shipped { ConfigSource::Default } else { ConfigSource::StaticBroker };
        Synonym { name, value: value_started, source }
    }
}

impl Known {
    /// Describes it by all the values it has or would have, of which the first counts.
    fn entry(&self, name: &'static str, synonyms: Vec<Synonym>) -> Entry {
        let counts = synonyms.first().expect("each config has a value");
        Entry {
            name,
            kind: self.kind,
            source: counts.source,
            mutability: Mutability::Changeable,
            value: Some(counts.value.clone()),
            synonyms,
            documentation: self.documentation,
        }
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
