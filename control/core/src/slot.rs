//! What kind of contact it is, as far as the work of an agent is concerned (requirement A7).

use crate::facts::Medium;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The medium in which a contact is served; in declarations and in the API `medium`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// A conversation that is spoken.
    #[default]
    Call,
    /// One that is spoken and seen.
    Video,
    /// A session of written messages.
    Chat,
    /// A customer who is to be called.
    CallBack,
    /// A page or a screen that is looked at together.
    Browsing,
}

impl Slot {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Call,
        Self::Video,
        Self::Chat,
        Self::CallBack,
        Self::Browsing,
    ];

    /// Whether it is the usual one.
    pub fn is_call(&self) -> bool {
        *self == Self::Call
    }

    /// The word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Video => "video",
            Self::Chat => "chat",
            Self::CallBack => "call_back",
            Self::Browsing => "browsing",
        }
    }

    /// What rules see as the media of a contact that says no more than this.
    pub(crate) fn media(self) -> Vec<Medium> {
        let kinds: &[&str] = match self {
            Self::Call => &["audio"],
            Self::Video => &["audio", "video"],
            Self::Chat => &["message"],
            Self::CallBack => &["call_back"],
            Self::Browsing => &["browsing"],
        };
        let medium = |kind: &&str| Medium {
            kind: (*kind).into(),
            port: 9,
            ..Medium::default()
        };
        kinds.iter().map(medium).collect()
    }
}

/// A set of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slots(u8);

impl Slots {
    pub fn contains(self, slot: Slot) -> bool {
        self.0 & 1 << slot as u8 != 0
    }

    pub fn insert(&mut self, slot: Slot) {
        self.0 |= 1 << slot as u8;
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Slot> {
        Slot::ALL
            .into_iter()
            .filter(move |slot| self.contains(*slot))
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut all = Self::default();
        slots.into_iter().for_each(|slot| all.insert(slot));
        all
    }
}

/// A number for each medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerSlot([usize; 5]);

impl PerSlot {
    pub fn of(numbers: impl Fn(Slot) -> usize) -> Self {
        Self(Slot::ALL.map(numbers))
    }

    pub fn get(&self, slot: Slot) -> usize {
        self.0.get(slot as usize).copied().unwrap_or(0)
    }

    pub fn set(&mut self, slot: Slot, number: usize) {
        if let Some(place) = self.0.get_mut(slot as usize) {
            *place = number;
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
