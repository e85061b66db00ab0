//! Links that open finer links (requirement D15): the menus of a centre as a customer sees them before any
//! contact, down to the group of agents that a contact would come to.

use crate::id::{MenuId, QueueId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a link opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// What was chosen on the way here, by the menu.
    pub answers: BTreeMap<String, String>,
    /// What is here.
    #[serde(flatten)]
    pub opens: Opens,
    /// The finer links; none where there is no menu.
    pub links: Vec<Link>,
}

/// A finer link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The key that callers press for it.
    pub key: char,
    /// The word that chooses it.
    pub answer: String,
    /// What it is, for people.
    pub title: String,
    /// What it opens.
    #[serde(flatten)]
    pub opens: Opens,
}

/// What is behind a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "opens", rename_all = "snake_case")]
pub enum Opens {
    /// More to choose from.
    Menu {
        /// Which menu.
        menu: MenuId,
        /// What it is about, for people.
        about: String,
    },
    /// A group of agents.
    Group {
        /// Where contacts wait for them.
        queue: QueueId,
        /// The skills that they have, with their lowest level.
        skills: BTreeMap<String, u8>,
        /// How many they are.
        agents: usize,
        /// Those free for the next contact.
        agents_available: usize,
        /// Contacts in the queue, those being offered included.
        waiting: usize,
        /// How long a contact that came now would be expected to wait; none while that cannot be said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected_wait_ms: Option<u64>,
    },
    /// Nobody: contacts are refused.
    Refused {
        /// With this SIP status.
        status: u16,
    },
}
