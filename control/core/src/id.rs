//! Identifiers, and a generator for those that are made here.

use crate::limits::MAX_ID_BYTES;
use core::fmt;
use core::str::FromStr;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Why a text is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing in it.
    #[error("an identifier must not be empty")]
    Empty,
    /// Longer than [`MAX_ID_BYTES`].
    #[error("an identifier has at most {MAX_ID_BYTES} bytes")]
    TooLong,
    /// A character that could be mistaken in a URI, a header or a path.
    #[error("an identifier consists of letters, digits, `-`, `_`, `.` and `+`")]
    Character,
    /// Not the 16 hexadecimal digits that a number is written as.
    #[error("not 16 hexadecimal digits")]
    NotHex,
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:016x})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let hex = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
                if !hex {
                    return Err(IdError::NotHex);
                }
                u64::from_str_radix(text, 16).map(Self).map_err(|_| IdError::NotHex)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

number_id! {
    /// One contact: whatever a customer asks for, from its arrival to its end. Written as 16
    /// hexadecimal digits, in JSON too, because a JSON number does not hold 64 bits everywhere.
    ContactId
}
number_id! {
    /// One offer of one contact to one agent, and the session that comes of it.
    OfferId
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as it is; [`FromStr`] checks the characters, this does not.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether the characters and the length are allowed in a declaration.
            pub fn check(&self) -> Result<(), IdError> {
                check(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text).map(|()| Self(text.into()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|text| Self(text.into()))
            }
        }
    };
}

name_id! {
    /// A menu that callers choose from.
    MenuId
}
name_id! {
    /// A server that is asked about contacts.
    AskId
}
name_id! {
    /// Another centre that is asked for agents.
    SiteId
}
name_id! {
    /// An agent, as declared. Copies are cheap (a shared text).
    AgentId
}
name_id! {
    /// A queue, as declared. Copies are cheap (a shared text).
    QueueId
}
name_id! {
    /// A rule, as declared. Copies are cheap (a shared text).
    RuleId
}
name_id! {
    /// A calendar, as declared. Copies are cheap (a shared text).
    CalendarId
}

pub(crate) fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > MAX_ID_BYTES {
        return Err(IdError::TooLong);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    if text.chars().all(allowed) {
        Ok(())
    } else {
        Err(IdError::Character)
    }
}

/// Numbers that never repeat within 2^64 calls and start at an unpredictable place if the seed
/// is one (SplitMix64: a counter through a permutation). Not a source of secrets.
#[derive(Clone, Debug)]
pub struct IdSource {
    state: u64,
    /// Counts contacts, from the seed on.
    contacts: u32,
}

impl IdSource {
    /// A source that gives the same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        let [.., a, b, c, d] = seed.to_be_bytes();
        Self {
            state: seed,
            contacts: u32::from_be_bytes([a, b, c, d]),
        }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The identifier of a contact that comes now: the second (of Unix time, modulo 2^32), then a
    /// number that does not repeat within 2^32 contacts. So contacts of one time stand together
    /// wherever they are kept in order.
    pub fn contact(&mut self, unix_ms: u64) -> ContactId {
        self.contacts = self.contacts.wrapping_add(0x9e37_79b9);
        // A permutation of 32 bits: each step can be undone.
        let mut mixed = self.contacts;
        mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x7feb_352d);
        mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x846c_a68b);
        mixed ^= mixed >> 16;
        ContactId((unix_ms / 1000) << 32 | u64::from(mixed))
    }

    /// The next offer's identifier.
    pub fn offer(&mut self) -> OfferId {
        OfferId(self.number())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_read_back_from_what_is_written() {
        let id = IdSource::new(7).contact(1);
        assert_eq!(id.to_string().parse::<ContactId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<ContactId>(&json).unwrap(), id);
        for wrong in [
            "",
            "1",
            "+00000000000000a",
            "00000000000000000",
            "000000000000000g",
        ] {
            assert_eq!(wrong.parse::<OfferId>(), Err(IdError::NotHex), "{wrong}");
        }
    }

    #[test]
    fn contacts_of_one_time_stand_together_and_none_is_like_another() {
        let mut source = IdSource::new(9);
        let early: Vec<u64> = (0..10_000)
            .map(|n| source.contact(5_000 + n / 11).0)
            .collect();
        let late = source.contact(6_000).0;
        assert!(early.iter().all(|id| id >> 32 == 5 && *id < late));
        let mut sorted = early.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), early.len());
        assert_ne!(sorted, early, "the order within a second is none");
    }

    #[test]
    fn names_that_would_need_escaping_are_refused() {
        assert_eq!(
            "anna.b-c_d+1".parse::<AgentId>().unwrap().as_str(),
            "anna.b-c_d+1"
        );
        assert_eq!("".parse::<AgentId>(), Err(IdError::Empty));
        assert_eq!("a b".parse::<AgentId>(), Err(IdError::Character));
        assert_eq!("a;b=c".parse::<QueueId>(), Err(IdError::Character));
        assert_eq!("x".repeat(65).parse::<QueueId>(), Err(IdError::TooLong));
    }
}
