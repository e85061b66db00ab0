//! The state as the API shows it.

use crate::contact::Way;
use crate::event::Activity;
use crate::id::{AgentId, ContactId, OfferId, QueueId, RuleId};
use crate::input::Status;
use crate::slot::Slot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// All agents, by identifier.
    pub agents: Vec<AgentView>,
    /// All queues, in the order of the declaration.
    pub queues: Vec<QueueView>,
    /// All live contacts, by arrival.
    pub contacts: Vec<ContactView>,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    /// Which.
    pub id: AgentId,
    /// Its name for people.
    pub name: String,
    /// Its status.
    #[serde(flatten)]
    pub status: Status,
    /// Whether it can be reached.
    pub reachable: bool,
    /// What it is doing.
    #[serde(flatten)]
    pub activity: Activity,
    /// Since when it does that, in milliseconds of Unix time.
    pub since_unix_ms: u64,
    /// Whether it would get the next call that it is qualified for.
    pub available: bool,
    /// The media in which it would get the next contact.
    pub free_for: Vec<Slot>,
    /// How many calls it takes at a time.
    pub capacity: usize,
    /// Its contacts and offers, in whatever medium.
    pub calls: usize,
    /// Its skills.
    pub skills: BTreeMap<String, u8>,
    /// The queues that it serves.
    pub queues: Vec<QueueId>,
    /// Offers in a row that it let ring out.
    pub missed: u32,
    /// False once it is out of the declaration and only its last call keeps it.
    pub declared: bool,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueView {
    /// Which.
    pub id: QueueId,
    /// The contacts in it in the order in which they are served, those being offered included.
    pub waiting: Vec<WaitingView>,
    /// How many it may hold.
    pub max_length: usize,
    /// Contacts from this queue in a call.
    pub connected: usize,
    /// Agents that serve it.
    pub agents: usize,
    /// Those logged in and reachable.
    pub agents_staffed: usize,
    /// Those free for the next call.
    pub agents_available: usize,
    /// How long a contact that came now would be expected to wait; none while no handling time is
    /// known, or nobody is there who could serve it.
    pub expected_wait_ms: Option<u64>,
    /// The median of how far expected and real waits were apart, of the last 201 that waited.
    pub expected_wait_error_ms: Option<u64>,
}

/// One contact that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitingView {
    /// Which.
    pub contact: ContactId,
    /// From 1.
    pub position: usize,
    /// The higher is served first.
    pub priority: i32,
    /// From arrival to now.
    pub waited_ms: u64,
    /// How long it is expected to wait from now on; for the first
    /// [`crate::limits::MAX_EXPECTED`] contacts of a queue.
    pub expected_ms: Option<u64>,
    /// The agents that it is being offered to.
    pub offered_to: Vec<AgentId>,
}

/// The states of a live contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactState {
    /// A server is being asked what it is.
    Asking,
    /// Its caller chooses from a menu.
    InMenu,
    /// Its customer is to be called later.
    Scheduled,
    /// Waits for an agent.
    Waiting,
    /// Is being offered to an agent, and keeps its place meanwhile.
    Offered,
    /// In a call with an agent.
    Connected,
}

/// One live contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContactView {
    /// Which.
    pub id: ContactId,
    /// Its state.
    pub state: ContactState,
    /// Its queue; none for an adopted one, and while a server is being asked.
    pub queue: Option<QueueId>,
    /// The call type; empty for an adopted one.
    pub call_type: String,
    /// The rule that typed it; none for an adopted one.
    pub rule: Option<RuleId>,
    /// The agent that it is connected with, or the first that it is offered to.
    pub agent: Option<AgentId>,
    /// The offer.
    pub offer: Option<OfferId>,
    /// The agent that it waits for alone, because that agent served its caller last.
    pub waits_for: Option<AgentId>,
    /// The caller's URI; empty for an adopted one.
    pub from: String,
    /// The URI called; empty for an adopted one.
    pub to: String,
    /// The usable media; none for an adopted one.
    pub media: Vec<String>,
    /// In which medium it is served; `call` for an adopted one.
    pub medium: Slot,
    /// Who carries it to its agent.
    pub carried: Way,
    /// The higher is served first.
    pub priority: i32,
    /// What else its rule says of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// When it arrived, in milliseconds of Unix time.
    pub arrived_unix_ms: u64,
    /// When it was answered, in milliseconds of Unix time.
    pub answered_unix_ms: Option<u64>,
}
