//! Links and what they open.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a link opens.
#[derive(Serialize, Deserialize, ToSchema)]
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
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// The key that callers press for it.
    pub key: String,
    /// The word that chooses it.
    pub answer: String,
    /// What it is, for people.
    pub title: String,
    /// What it opens.
    #[serde(flatten)]
    pub opens: Opens,
}

/// What is behind a link; `opens` says which of the other fields are there.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Opens {
    /// `menu`, `group` or `refused`.
    pub opens: String,
    /// With `menu`: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub menu: Option<String>,
    /// With `menu`: what it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// With `group`: where contacts wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// With `group`: the skills of its agents, with their lowest level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skills: Option<BTreeMap<String, u8>>,
    /// With `group`: how many agents there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<u64>,
    /// With `group`: those free for the next contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents_available: Option<u64>,
    /// With `group`: contacts in the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
    /// With `group`: how long a contact that came now would be expected to wait, in milliseconds; not
    /// there while that cannot be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_wait_ms: Option<u64>,
    /// With `refused`: the SIP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}
