//! How much a virtual host or a user may have, and how that is kept: as attributes, under `amqp.limit.`. Pure.

use std::collections::BTreeMap;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limited {
    Connections,
    Queues,
    Channels,
}

/// How much there may be of each. What is negative is without limit, and kept as it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits(pub BTreeMap<Limited, i64>);

/// What shall be said of each, `None` if nothing; of the rest stays what was said.
pub type LimitsWish = BTreeMap<Limited, Option<i64>>;

impl Limited {
    const ALL: [Self; 3] = [Self::Connections, Self::Queues, Self::Channels];
    /// What may be limited of a virtual host.
    pub const OF_HOSTS: [Self; 2] = [Self::Connections, Self::Queues];
    /// What may be limited of a user.
    pub const OF_USERS: [Self; 2] = [Self::Connections, Self::Channels];

    /// What RabbitMQ calls the limit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "max-connections",
            Self::Queues => "max-queues",
            Self::Channels => "max-channels",
        }
    }

    /// What it is kept under.
    const fn attribute(self) -> &'static str {
        match self {
            Self::Connections => "amqp.limit.max-connections",
            Self::Queues => "amqp.limit.max-queues",
            Self::Channels => "amqp.limit.max-channels",
        }
    }

    /// The most that there may be by what is kept; `None` is without limit.
    pub(crate) fn max(self, attributes: &BTreeMap<String, String>) -> Option<u64> {
        attributes.get(self.attribute())?.parse().ok()
    }
}

impl Limits {
    /// Reads what is kept.
    pub(crate) fn of(attributes: &BTreeMap<String, String>) -> Self {
        let kept = |what: Limited| Some((what, attributes.get(what.attribute())?.parse().ok()?));
        Self(Limited::ALL.into_iter().filter_map(kept).collect())
    }

    /// How they are kept.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().map(|(what, max)| (what.attribute().to_owned(), max.to_string()))
    }

    /// With what shall be said.
    pub(crate) fn with(mut self, wish: &LimitsWish) -> Self {
        for (what, max) in wish {
            match max {
                Some(max) => drop(self.0.insert(*what, *max)),
                None => drop(self.0.remove(what)),
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_kept_as_they_were_said() {
        let wish = BTreeMap::from([(Limited::Connections, Some(-1)), (Limited::Queues, Some(7))]);
        let said = Limits::default().with(&wish);
        let kept: BTreeMap<String, String> = said.attributes().collect();
        assert_eq!(Limits::of(&kept), said);
        assert_eq!((Limited::Connections.max(&kept), Limited::Queues.max(&kept)), (None, Some(7)));
        assert_eq!(Limited::Channels.max(&kept), None);
        let less = said.with(&BTreeMap::from([(Limited::Queues, None), (Limited::Channels, Some(0))]));
        assert_eq!(less.0, BTreeMap::from([(Limited::Connections, -1), (Limited::Channels, 0)]));
    }
}
