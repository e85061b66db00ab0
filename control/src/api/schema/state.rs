//! Agents, queues, contacts, events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AgentDeclaration;
use crate::node::BindingView;
use crate::store::Outcome;

/// An agent's own will to work.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// `ready`, `paused` or `logged_out`.
    #[schema(pattern = "^(ready|paused|logged_out)$")]
    pub status: String,
    /// Why, for people; only with `paused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What an agent is doing.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentView {
    /// Which.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// `ready`, `paused` or `logged_out`.
    pub status: String,
    /// Why it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it can be reached.
    pub reachable: bool,
    /// `idle`, `reserved`, `in_call`, `wrap_up` or `resting`.
    pub activity: String,
    /// The offer, while `reserved` or `in_call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<String>,
    /// The contact, while `reserved` or `in_call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The end of `wrap_up` or `resting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_unix_ms: Option<u64>,
    /// Since when it does that.
    pub since_unix_ms: u64,
    /// Whether it would get the next call that it is qualified for.
    pub available: bool,
    /// The media in which it would get the next contact.
    pub free_for: Vec<String>,
    /// How many calls it takes at a time.
    pub capacity: u32,
    /// Its contacts and offers, in whatever medium.
    pub calls: u32,
    /// Its skills with their levels.
    pub skills: BTreeMap<String, u8>,
    /// The queues that it serves.
    pub queues: Vec<String>,
    /// Offers in a row that it let ring out.
    pub missed: u32,
    /// False once it is out of the declaration and only its last call keeps it.
    pub declared: bool,
}

/// One agent with everything known of it.
#[derive(Serialize, ToSchema)]
pub struct Agent {
    #[serde(flatten)]
    pub state: AgentView,
    /// Absent for one that only its last call keeps.
    pub declaration: Option<AgentDeclaration>,
    /// Its registered devices, or its static URI.
    pub devices: Vec<BindingView>,
}

/// One queue.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueView {
    /// Which.
    pub id: String,
    /// The contacts in it in the order in which they are served, those being offered included.
    pub waiting: Vec<WaitingView>,
    /// How many it may hold.
    pub max_length: u32,
    /// Contacts from this queue in a call.
    pub connected: u32,
    /// Agents that serve it.
    pub agents: u32,
    /// Those logged in and reachable.
    pub agents_staffed: u32,
    /// Those free for the next call.
    pub agents_available: u32,
    /// How long a contact that came now would be expected to wait; none while no handling time is
    /// known, or nobody is there who could serve it.
    pub expected_wait_ms: Option<u64>,
    /// The median of how far expected and real waits were apart, of the last 201 that waited.
    pub expected_wait_error_ms: Option<u64>,
}

/// One contact that waits.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitingView {
    /// Which.
    pub contact: String,
    /// From 1.
    pub position: u32,
    /// The higher is served first.
    pub priority: i32,
    /// From arrival to now.
    pub waited_ms: u64,
    /// How long it is expected to wait from now on; for the first 50 contacts of a queue.
    pub expected_ms: Option<u64>,
    /// The agents that it is being offered to.
    pub offered_to: Vec<String>,
}

/// One live contact.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactView {
    /// Which: 16 hexadecimal digits.
    pub id: String,
    /// `asking`, `in_menu`, `scheduled` (a call-back for later), `waiting`, `offered` or `connected`.
    pub state: String,
    /// Its queue; none for one that was taken over from a relay.
    pub queue: Option<String>,
    /// The call type.
    pub call_type: String,
    /// The rule that typed it.
    pub rule: Option<String>,
    /// The agent that it is connected with, or the first that it is offered to.
    pub agent: Option<String>,
    /// The offer.
    pub offer: Option<String>,
    /// The agent that it waits for alone, because that agent served its caller last.
    pub waits_for: Option<String>,
    /// The caller's URI.
    pub from: String,
    /// The URI called.
    pub to: String,
    /// The usable media.
    pub media: Vec<String>,
    /// In which medium it is served: `call`, `video`, `chat`, `call_back` or `browsing`.
    pub medium: String,
    /// Who carries it to its agent: `relay`; the caller's proxy, `redirect`; who asked, `outside`.
    pub carried: String,
    /// The higher is served first.
    pub priority: i32,
    /// What else its rule says of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// When it arrived.
    pub arrived_unix_ms: u64,
    /// When it was answered.
    pub answered_unix_ms: Option<u64>,
}

/// What a contact's events come to.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PastContact {
    /// Which: 16 hexadecimal digits.
    pub id: String,
    /// How it stands or ended.
    pub outcome: Outcome,
    /// The rule that typed it.
    pub rule: Option<String>,
    /// The call type.
    pub call_type: Option<String>,
    /// Its queue.
    pub queue: Option<String>,
    /// The agent that answered, else the last one whose phone was called.
    pub agent: Option<String>,
    /// The caller's URI.
    pub from: Option<String>,
    /// The URI called.
    pub to: Option<String>,
    /// Offers made.
    pub offers: u32,
    /// Why it ended, if it was served.
    pub end_cause: Option<String>,
    /// Why it was refused.
    pub refuse_reason: Option<String>,
    /// The SIP status that it was refused with.
    pub status: Option<u16>,
    /// When it arrived.
    pub began_unix_ms: u64,
    /// When it ended.
    pub ended_unix_ms: Option<u64>,
    /// From arrival to the answer, or to the end without one.
    pub waited_ms: u64,
    /// From answer to end.
    pub talk_ms: u64,
    /// The cursor of its first event.
    pub first_cursor: u64,
    /// The cursor of its last event.
    pub last_cursor: u64,
}

/// Contacts.
#[derive(Serialize, ToSchema)]
pub struct Contacts {
    /// Those that live, by arrival.
    pub live: Vec<ContactView>,
    /// Those that are over, newest first.
    pub past: Vec<PastContact>,
    /// `before` of the next page; none on the last.
    pub next_before: Option<u64>,
}

/// One contact with its story.
#[derive(Serialize, ToSchema)]
pub struct Contact {
    /// What its events come to.
    pub summary: PastContact,
    /// Its state, if it lives.
    pub live: Option<ContactView>,
    /// Everything that happened to it.
    pub events: Vec<EventMessage>,
}

/// One event. Beside these fields it has those of its type.
#[derive(Serialize, ToSchema)]
pub struct EventMessage {
    /// Rises by one with each event; names the place to go on from.
    pub cursor: u64,
    /// When.
    pub unix_ms: u64,
    /// `control_started`, `contact_typed`, `contact_queued`, `contact_offered`, `offer_ringing`,
    /// `offer_failed`, `contact_connected`, `contact_adopted`, `agent_notice`, `contact_ended`,
    /// `contact_refused`, `contact_abandoned`, `session_unwanted`, `agent_status` or `agent_state`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The contact, if it is about one.
    pub contact: Option<String>,
    /// The fields of the type.
    #[serde(flatten)]
    pub others: BTreeMap<String, serde_json::Value>,
}
