//! Small alphabets, so that random histories meet themselves.

use omnibus_model::{GroupName, InstanceId, MemberId, TopicId, TopicName};

pub(crate) fn group() -> GroupName {
    GroupName::new("g").expect("a name")
}

pub(crate) fn member(number: usize) -> MemberId {
    MemberId::new(&format!("m{number}")).expect("a name")
}

pub(crate) fn instance(number: usize) -> InstanceId {
    InstanceId::new(&format!("i{number}")).expect("a name")
}

pub(crate) fn topic(number: usize) -> TopicName {
    TopicName::new(&format!("t{number}")).expect("a name")
}

pub(crate) const fn topic_id(number: usize) -> TopicId {
    TopicId(number as u128 + 1)
}
