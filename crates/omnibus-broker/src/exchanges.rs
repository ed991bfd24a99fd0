//! Exchanges and what is bound to them. Only the metadata shard has any.

use std::collections::BTreeMap;
use std::sync::Arc;

use omnibus_model::command::{Bind, CreateExchange};
use omnibus_model::config::ConfigChange;
use omnibus_model::exchange::{
    Binding, BindingConfig, BindingId, Exchange, ExchangeConfig, ExchangeKey, SharedExchange,
};
use omnibus_model::outcome::Applied;
use omnibus_model::refusal::Limited;
use omnibus_model::{Command, Outcome, Refusal};
use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// Every exchange, and how many bindings they have together.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exchanges {
    by_key: BTreeMap<ExchangeKey, SharedExchange>,
    bindings: u64,
}

impl Exchanges {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SharedExchange> {
        self.by_key.values()
    }

    /// Applies a command that speaks of exchanges.
    pub(crate) fn apply(&mut self, at: Moment<'_>, command: &Command) -> Result<Applied, Refusal> {
        match command {
            Command::CreateExchange(wish) => self.create(at, wish),
            Command::DeleteExchange { exchange } => self.delete(exchange),
            Command::AlterExchange { exchange, change } => self.alter(exchange, change),
            Command::Bind(wish) => self.bind(at, wish),
            Command::AlterBinding { exchange, binding, change } => self.alter_binding(exchange, *binding, change),
            Command::Unbind { exchange, binding } => self.unbind(exchange, *binding),
            other => unreachable!("{other:?} does not speak of exchanges"),
        }
    }

    fn create(&mut self, at: Moment<'_>, wish: &CreateExchange) -> Result<Applied, Refusal> {
        let CreateExchange { key, config } = wish;
        if self.by_key.contains_key(key) {
            return Err(Refusal::ExchangeExists { exchange: key.clone() });
        }
        check_room(Limited::Exchanges, self.by_key.len() as u64, at.limits.exchanges_max)?;
        let (config, bindings) = (config.clone(), BTreeMap::new());
        let exchange = Arc::new(Exchange { key: key.clone(), config, created_at: at.now, bindings });
        self.by_key.insert(key.clone(), Arc::clone(&exchange));
        Ok(Applied::changed(Outcome::ExchangeChanged { exchange }))
    }

    fn delete(&mut self, key: &ExchangeKey) -> Result<Applied, Refusal> {
        let exchange = self.by_key.remove(key).ok_or_else(|| unknown(key))?;
        self.bindings -= exchange.bindings.len() as u64;
        Ok(Applied::changed(Outcome::ExchangeDeleted { exchange }))
    }

    fn alter(&mut self, key: &ExchangeKey, change: &ConfigChange<ExchangeConfig>) -> Result<Applied, Refusal> {
        let present = self.by_key.get_mut(key).ok_or_else(|| unknown(key))?;
        if present.config != change.before {
            return Err(Refusal::SettingsChangedMeanwhile);
        }
        let changed = change.before != change.after;
        if changed {
            Arc::make_mut(present).config = change.after.clone();
        }
        Ok(Applied { outcome: Outcome::ExchangeChanged { exchange: Arc::clone(present) }, changed })
    }

    fn bind(&mut self, at: Moment<'_>, wish: &Bind) -> Result<Applied, Refusal> {
        let Bind { exchange: key, id, label, target, config } = wish;
        let present = self.by_key.get_mut(key).ok_or_else(|| unknown(key))?;
        let same = |binding: &&Arc<Binding>| binding.id == *id || binding.label == *label;
        if let Some(binding) = present.bindings.values().find(same) {
            return Err(Refusal::BindingExists { binding: binding.id });
        }
        check_room(Limited::Bindings, self.bindings, at.limits.bindings_max)?;
        let of_exchange = present.bindings.len() as u64;
        check_room(Limited::BindingsOfExchange, of_exchange, at.limits.exchange_bindings_max)?;
        let (label, target, config) = (label.clone(), target.clone(), config.clone());
        let binding = Binding { id: *id, label, target, config, created_at: at.now };
        Arc::make_mut(present).bindings.insert(*id, Arc::new(binding));
        self.bindings += 1;
        Ok(Applied::changed(Outcome::ExchangeChanged { exchange: Arc::clone(present) }))
    }

    fn alter_binding(
        &mut self,
        key: &ExchangeKey,
        id: BindingId,
        change: &ConfigChange<BindingConfig>,
    ) -> Result<Applied, Refusal> {
        let present = self.by_key.get_mut(key).ok_or_else(|| unknown(key))?;
        let binding = present.bindings.get(&id).ok_or(Refusal::UnknownBinding { binding: id })?;
        if binding.config != change.before {
            return Err(Refusal::SettingsChangedMeanwhile);
        }
        let changed = change.before != change.after;
        if changed {
            let binding = Binding { config: change.after.clone(), ..Binding::clone(binding) };
            Arc::make_mut(present).bindings.insert(id, Arc::new(binding));
        }
        Ok(Applied { outcome: Outcome::ExchangeChanged { exchange: Arc::clone(present) }, changed })
    }

    fn unbind(&mut self, key: &ExchangeKey, id: BindingId) -> Result<Applied, Refusal> {
        let present = self.by_key.get_mut(key).ok_or_else(|| unknown(key))?;
        if !present.bindings.contains_key(&id) {
            return Err(Refusal::UnknownBinding { binding: id });
        }
        Arc::make_mut(present).bindings.remove(&id);
        self.bindings -= 1;
        Ok(Applied::changed(Outcome::ExchangeChanged { exchange: Arc::clone(present) }))
    }

    /// Checks that bindings are counted, stand under their ids, and have labels of their own.
    pub(crate) fn audit(&self) {
        let count: usize = self.by_key.values().map(|exchange| exchange.bindings.len()).sum();
        assert_eq!(count as u64, self.bindings, "bindings are counted");
        for exchange in self.by_key.values() {
            let mut labels: Vec<&str> = exchange.bindings.values().map(|binding| binding.label.as_str()).collect();
            labels.sort_unstable();
            assert!(labels.windows(2).all(|pair| pair[0] != pair[1]), "no two bindings have one label");
            assert!(exchange.bindings.iter().all(|(id, binding)| *id == binding.id), "a binding stands under its id");
        }
    }
}

fn check_room(what: Limited, present: u64, max: u64) -> Result<(), Refusal> {
    if present < max { Ok(()) } else { Err(Refusal::LimitReached { what, max }) }
}

fn unknown(key: &ExchangeKey) -> Refusal {
    Refusal::UnknownExchange { exchange: key.clone() }
}
