//! What is said of a virtual host, and how that is kept: as attributes, under `amqp.`. Pure.

use std::collections::BTreeMap;

use omnibus_model::exchange::ExchangeConfig;

use crate::errors::Fault;
use crate::hosts::Host;
use crate::limits::{Limits, LimitsWish};

const DESCRIPTION: &str = "amqp.description";
const TAGS: &str = "amqp.tags";
const QUEUE_TYPE: &str = "amqp.default-queue-type";

/// What queues may be by themselves.
const QUEUE_TYPES: [&str; 3] = ["classic", "quorum", "stream"];

/// The most bytes of a description, and of all tags together.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// What is said of a virtual host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostNature {
    pub description: String,
    pub tags: Vec<String>,
    /// What queues are whose creators do not say.
    pub default_queue_type: String,
    pub limits: Limits,
}

/// What shall be said of a virtual host; the rest stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostWish {
    pub description: Option<String>,
    pub tags: Option<Vec<String>>,
    pub default_queue_type: Option<String>,
    pub limits: LimitsWish,
}

impl HostNature {
    /// One of which nothing was said.
    pub(crate) fn unsaid(host: &Host) -> Self {
        let description = if host.is_default() { "Default virtual host" } else { "" };
        Self {
            description: description.to_owned(),
            tags: Vec::new(),
            default_queue_type: QUEUE_TYPES[0].to_owned(),
            limits: Limits::default(),
        }
    }

    /// Reads what is kept.
    pub(crate) fn of(host: &Host, config: &ExchangeConfig) -> Self {
        let mut nature = Self::unsaid(host);
        let kept = &config.attributes;
        if let Some(description) = kept.get(DESCRIPTION) {
            nature.description.clone_from(description);
        }
        if let Some(tags) = kept.get(TAGS) {
            nature.tags = tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        }
        if let Some(kind) = kept.get(QUEUE_TYPE) {
            nature.default_queue_type.clone_from(kind);
        }
        nature.limits = Limits::of(kept);
        nature
    }

    /// How it is kept: what nobody has said is not.
    pub(crate) fn config(&self, host: &Host) -> ExchangeConfig {
        let unsaid = Self::unsaid(host);
        let said = [
            (DESCRIPTION, &self.description, &unsaid.description),
            (TAGS, &self.tags.join(","), &String::new()),
            (QUEUE_TYPE, &self.default_queue_type, &unsaid.default_queue_type),
        ];
        let said = said.into_iter().filter(|(_, now, before)| now != before);
        let said = said.map(|(name, value, _)| (name.to_owned(), value.clone()));
        let attributes: BTreeMap<String, String> = said.chain(self.limits.attributes()).collect();
        ExchangeConfig { attributes, ..ExchangeConfig::default() }
    }

    /// With what shall be said.
    pub(crate) fn with(mut self, wish: &HostWish) -> Result<Self, Fault> {
        let HostWish { description, tags, default_queue_type, limits } = wish.clone();
        self.limits = self.limits.with(&limits);
        if let Some(description) = description {
            self.description = description;
        }
        if let Some(tags) = tags {
            if tags.iter().any(|tag| tag.is_empty() || tag.contains(',')) {
                return Err(Fault::Precondition("a tag has at least one character, and no comma".to_owned()));
            }
            self.tags = tags;
        }
        if let Some(kind) = default_queue_type {
            if !QUEUE_TYPES.contains(&kind.as_str()) {
                let text = format!("Unsupported queue type for default_queue_type: {kind}");
                return Err(Fault::Precondition(text));
            }
            self.default_queue_type = kind;
        }
        let tags_bytes: usize = self.tags.iter().map(String::len).sum();
        if self.description.len() > TEXT_BYTES_MAX || tags_bytes > TEXT_BYTES_MAX {
            let text = format!("a description or tags are longer than {TEXT_BYTES_MAX} bytes");
            return Err(Fault::Precondition(text));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limited;

    #[test]
    fn what_is_said_is_kept_and_the_rest_is_not() {
        for host in [Host::default(), Host::new("staging")] {
            let unsaid = HostNature::unsaid(&host);
            assert_eq!(unsaid.config(&host), ExchangeConfig::default());
            let wish = HostWish {
                description: Some("x".into()),
                tags: Some(vec!["a".into(), "b".into()]),
                default_queue_type: Some("quorum".into()),
                limits: LimitsWish::from([(Limited::Queues, Some(3))]),
            };
            let said = unsaid.with(&wish).unwrap();
            assert_eq!(HostNature::of(&host, &said.config(&host)), said);
            let less = HostWish { description: Some(String::new()), ..HostWish::default() };
            let less = said.clone().with(&less).unwrap();
            assert_eq!(HostNature::of(&host, &less.config(&host)), HostNature { description: String::new(), ..said });
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |wish: HostWish| HostNature::unsaid(&Host::default()).with(&wish).is_err();
        assert!(refused(HostWish { default_queue_type: Some("lazy".into()), ..HostWish::default() }));
        assert!(refused(HostWish { tags: Some(vec!["a,b".into()]), ..HostWish::default() }));
        assert!(refused(HostWish { description: Some("x".repeat(5_000)), ..HostWish::default() }));
    }
}
