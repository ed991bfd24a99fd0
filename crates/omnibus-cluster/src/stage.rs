//! How far a node is on its way into a cluster.

use bytes::Bytes;

/// What a node says when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It does not know yet whether there is a cluster.
    New,
    /// It makes one with the others.
    Founding,
    /// There is one.
    Begun,
    /// There is one, and who asks was removed from it.
    Removed,
}

impl Stage {
    pub(crate) fn encode(self) -> Bytes {
        match self {
            Self::New => Bytes::from_static(&[0]),
            Self::Founding => Bytes::from_static(&[1]),
            Self::Begun => Bytes::from_static(&[2]),
            Self::Removed => Bytes::from_static(&[3]),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(Self::New),
            [1] => Some(Self::Founding),
            [2] => Some(Self::Begun),
            [3] => Some(Self::Removed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_as_they_were_written() {
        for stage in [Stage::New, Stage::Founding, Stage::Begun, Stage::Removed] {
            assert_eq!(Stage::decode(&stage.encode()), Some(stage));
        }
        for bytes in [&[][..], &[4], &[0, 0]] {
            assert_eq!(Stage::decode(bytes), None);
        }
    }
}
