//! What administrators set for brokers and groups. Only the metadata shard has any.

use std::collections::BTreeMap;

use omnibus_model::config::{BrokerConfig, ConfigChange, ConfigScope, GroupConfig};
use omnibus_model::outcome::Applied;
use omnibus_model::refusal::Limited;
use omnibus_model::{GroupName, Outcome, Refusal};
use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// Every configuration that says anything.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Configs {
    brokers: BTreeMap<ConfigScope, BrokerConfig>,
    groups: BTreeMap<GroupName, GroupConfig>,
}

impl Configs {
    pub(crate) fn brokers(&self) -> impl Iterator<Item = (ConfigScope, &BrokerConfig)> {
        self.brokers.iter().map(|(scope, config)| (*scope, config))
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = (&GroupName, GroupConfig)> {
        self.groups.iter().map(|(group, config)| (group, *config))
    }

    pub(crate) fn alter_brokers(
        &mut self,
        scope: ConfigScope,
        change: &ConfigChange<BrokerConfig>,
    ) -> Result<Applied, Refusal> {
        let present = self.brokers.get(&scope).cloned().unwrap_or_default();
        check_before(&present, &change.before)?;
        let config = change.after.clone();
        if config.is_empty() {
            self.brokers.remove(&scope);
        } else {
            self.brokers.insert(scope, config.clone());
        }
        let changed = present != config;
        Ok(Applied { outcome: Outcome::BrokersAltered { scope, config: Box::new(config) }, changed })
    }

    pub(crate) fn alter_group(
        &mut self,
        at: Moment<'_>,
        group: &GroupName,
        change: &ConfigChange<GroupConfig>,
    ) -> Result<Applied, Refusal> {
        let known = self.groups.get(group).copied();
        check_before(&known.unwrap_or_default(), &change.before)?;
        let config = change.after;
        let max = at.limits.groups_max;
        if config.is_empty() {
            self.groups.remove(group);
        } else if known.is_none() && self.groups.len() as u64 >= max {
            return Err(Refusal::LimitReached { what: Limited::GroupConfigs, max });
        } else {
            self.groups.insert(group.clone(), config);
        }
        let changed = known.unwrap_or_default() != config;
        Ok(Applied { outcome: Outcome::GroupAltered { group: group.clone(), config }, changed })
    }

    /// Checks that only what says something is kept.
    pub(crate) fn audit(&self) {
        assert!(self.brokers.values().all(|config| !config.is_empty()), "a broker's configuration says something");
        assert!(self.groups.values().all(|config| !config.is_empty()), "a group's configuration says something");
    }
}

fn check_before<T: PartialEq>(present: &T, before: &T) -> Result<(), Refusal> {
    if present == before { Ok(()) } else { Err(Refusal::SettingsChangedMeanwhile) }
}
