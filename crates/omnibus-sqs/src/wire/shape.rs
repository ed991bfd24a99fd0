//! What a structure of the model consists of, for those who read and write it by name.

/// The form of a value.
#[derive(Debug)]
pub enum Shape {
    Text,
    Integer,
    Boolean,
    Structure(&'static [Member]),
    /// A list, whose elements Query calls `item`.
    List {
        item: &'static str,
        of: &'static Self,
    },
    /// A map, whose entries Query calls `item`, and their halves `key` and `value`.
    Map {
        item: &'static str,
        key: &'static str,
        value: &'static str,
        of: &'static Self,
    },
    /// A list whose elements Query puts under the list's own name: `Tags.member.1`.
    WrappedList {
        item: &'static str,
        of: &'static Self,
    },
    /// A map whose entries Query puts under the map's own name: `Attributes.entry.1.key`.
    WrappedMap {
        item: &'static str,
        key: &'static str,
        value: &'static str,
        of: &'static Self,
    },
}

/// One member of a structure.
#[derive(Debug)]
pub struct Member {
    pub name: &'static str,
    pub shape: Shape,
}

/// A structure of the model.
pub trait Structure {
    const MEMBERS: &'static [Member];
}
