//! What the verbs of exchanges mean.

use std::collections::BTreeMap;

use omnibus_model::command::{Bind, CreateExchange};
use omnibus_model::config::ConfigChange;
use omnibus_model::exchange::{
    BindingConfig, BindingId, BindingTarget, Exchange, ExchangeConfig, ExchangeKey, ExchangeKind,
};
use omnibus_model::{Command, ExchangeName};

use super::Script;
use super::line::{Line, topic};

impl Script {
    pub(super) fn describe_exchanges(&self) -> String {
        self.broker.exchanges().map(|exchange| describe(exchange)).collect::<Vec<_>>().join("; ")
    }
}

fn describe(exchange: &Exchange) -> String {
    let said = |texts: &BTreeMap<String, String>| texts.get("k").map(|text| format!("={text}")).unwrap_or_default();
    let bindings = exchange.bindings.values();
    let bindings =
        bindings.map(|binding| format!(" {}:{}{}", binding.id.0, binding.label, said(&binding.config.attributes)));
    format!("{}{}{}", exchange.key.name, said(&exchange.config.attributes), bindings.collect::<String>())
}

pub(super) fn exchange_command(line: &Line<'_>) -> Command {
    let exchange = key(line.word(0));
    let binding = || BindingId(line.number(1));
    let wanted = |name| config(line.option(name));
    match line.verb {
        "exchange" => Command::CreateExchange(Box::new(CreateExchange { key: exchange, config: wanted("k") })),
        "delete-exchange" => Command::DeleteExchange { exchange },
        "alter-exchange" => {
            let change = ConfigChange { before: wanted("from"), after: wanted("to") };
            Command::AlterExchange { exchange, change: Box::new(change) }
        }
        "bind" => Command::Bind(Box::new(Bind {
            exchange,
            id: binding(),
            label: line.word(2).to_owned(),
            target: BindingTarget::Queue(topic(line.word(2))),
            config: BindingConfig::default(),
        })),
        "alter-binding" => {
            let config = |name| BindingConfig { attributes: wanted(name).attributes };
            let change = ConfigChange { before: config("from"), after: config("to") };
            Command::AlterBinding { exchange, binding: binding(), change: Box::new(change) }
        }
        "unbind" => Command::Unbind { exchange, binding: binding() },
        verb => panic!("{verb} is no verb of exchanges"),
    }
}

fn key(name: &str) -> ExchangeKey {
    ExchangeKey { kind: ExchangeKind::Sns, name: ExchangeName::new(name).expect("a name") }
}

fn config(text: Option<&str>) -> ExchangeConfig {
    let attributes = text.map(|text| ("k".to_owned(), text.to_owned())).into_iter().collect();
    ExchangeConfig { attributes, tags: BTreeMap::new() }
}
