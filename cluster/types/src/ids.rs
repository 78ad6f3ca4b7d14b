//! Numbers that name things inside a cluster. None is ever used twice in the life of its scope.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// One life of a table in a cluster: dropping a table and making it again under the same name gives a new one.
    TableIncarnation(u64)
}
number! {
    /// A segment in its table: dense, from 0, never reused.
    SegmentOrdinal(u32)
}
number! {
    /// A refresh of a segment under the same name: counts from 0 within its ordinal.
    Generation(u32)
}
number! {
    /// What a table looked like after one change; grows by one with each.
    TableVersion(u64)
}

/// The identity of a cluster, made once by its first node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub [u8; 16]);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

impl FromStr for ClusterId {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<ClusterId, crate::Error> {
        let bytes = crate::hex::decode(text)
            .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
            .ok_or_else(|| crate::Error::invalid("cluster id", format!("`{text}` is not 32 hexadecimal digits")))?;
        Ok(ClusterId(bytes))
    }
}

impl Serialize for ClusterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClusterId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ClusterId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Names one request of one client, so that sending it again does not do it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId {
    /// Chosen at random by a client when it starts.
    pub session: u64,
    /// Counts up within the session.
    pub sequence: u64,
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.session, self.sequence)
    }
}

impl FromStr for OperationId {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<OperationId, crate::Error> {
        text.split_once('-')
            .filter(|(session, _)| session.len() == 16)
            .and_then(|(session, sequence)| {
                Some(OperationId { session: u64::from_str_radix(session, 16).ok()?, sequence: sequence.parse().ok()? })
            })
            .ok_or_else(|| {
                crate::Error::invalid("operation id", format!("`{text}` is not 16 hexadecimal digits, `-`, a number"))
            })
    }
}

impl Serialize for OperationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OperationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OperationId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_id_is_hexadecimal_text() {
        let id = ClusterId([0xab; 16]);
        assert_eq!(id.to_string(), "ab".repeat(16));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("ab".parse::<ClusterId>().is_err());
        assert!("zz".repeat(16).parse::<ClusterId>().is_err());
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
    }

    #[test]
    fn operation_id_round_trips() {
        let id = OperationId { session: 7, sequence: u64::MAX };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "7-1", "0000000000000007", "0000000000000007-", "000000000000000g-1"] {
            assert!(bad.parse::<OperationId>().is_err(), "{bad}");
        }
    }
}
