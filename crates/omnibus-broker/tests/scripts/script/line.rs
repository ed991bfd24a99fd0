//! One line of a script, in words.

use std::str::FromStr;

use bytes::Bytes;
use omnibus_model::group::TopicPartition;
use omnibus_model::{GroupName, InstanceId, MemberId, Millis, Offset, PartitionIndex, StreamId, Timestamp, TopicName};

/// `time verb word… key=value…`
pub(super) struct Line<'a> {
    pub(super) time: Timestamp,
    pub(super) verb: &'a str,
    words: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Line<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let mut words = text.split_whitespace();
        let time = Timestamp(span(words.next().expect("a time")).0.try_into().expect("a time"));
        let verb = words.next().expect("a verb");
        let (options, words) = words.partition::<Vec<_>, _>(|word| word.contains('='));
        let options = options.iter().map(|option| option.split_once('=').expect("an option")).collect();
        Self { time, verb, words, options }
    }

    pub(super) fn words(&self) -> &[&'a str] {
        &self.words
    }

    pub(super) fn word(&self, index: usize) -> &'a str {
        self.words.get(index).unwrap_or_else(|| panic!("{} lacks word {index}", self.verb))
    }

    pub(super) fn number<T: FromStr>(&self, index: usize) -> T {
        parse(self.word(index))
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    pub(super) fn option(&self, key: &str) -> Option<&'a str> {
        self.options.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    pub(super) fn options(&self) -> &[(&'a str, &'a str)] {
        &self.options
    }

    pub(super) fn number_option<T: FromStr>(&self, key: &str) -> Option<T> {
        self.option(key).map(parse)
    }

    pub(super) fn span_option(&self, key: &str) -> Option<Millis> {
        self.option(key).map(span)
    }

    pub(super) fn list_option(&self, key: &str) -> Option<Vec<&'a str>> {
        self.option(key).map(|value| value.split(',').filter(|item| !item.is_empty()).collect())
    }

    pub(super) fn group(&self) -> GroupName {
        GroupName::new(self.word(0)).expect("a name")
    }

    pub(super) fn member(&self) -> MemberId {
        member(self.word(1))
    }

    pub(super) fn instance(&self) -> Option<InstanceId> {
        self.option("instance").map(|instance| InstanceId::new(instance).expect("a name"))
    }

    pub(super) fn stream(&self) -> StreamId {
        StreamId(parse(self.word(0).trim_start_matches('s')))
    }

    pub(super) fn offset(&self, index: usize) -> Offset {
        Offset(self.number(index))
    }
}

pub(super) fn parse<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is not what is wanted here"))
}

/// Reads `10`, `10s`, `10m`, `10h` or `10d`; a bare number is in ms.
pub(super) fn span(text: &str) -> Millis {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let unit = units.iter().find_map(|(unit, ms)| text.strip_suffix(unit).map(|number| (number, *ms)));
    let (number, ms) = unit.unwrap_or((text, 1));
    Millis(parse::<u64>(number) * ms)
}

pub(super) fn member(text: &str) -> MemberId {
    MemberId::new(text).expect("a name")
}

pub(super) fn topic(text: &str) -> TopicName {
    TopicName::new(text).expect("a name")
}

pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Reads `orders/3`.
pub(super) fn partition(text: &str) -> TopicPartition {
    let (name, index) = text.split_once('/').expect("topic/partition");
    TopicPartition { topic: topic(name), partition: PartitionIndex(parse(index)) }
}
