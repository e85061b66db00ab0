//! Sessions on the relays.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::relays::Unreachable;

/// All live sessions, as the relays know them.
#[derive(Serialize, ToSchema)]
pub struct Sessions {
    /// The sessions: the rows of the routing tables.
    pub sessions: Vec<Session>,
    /// Relays that did not answer.
    pub unreachable: Vec<Unreachable>,
}

/// One session: one row of a relay's routing table with its two URIs.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Base URL of the relay's private API.
    pub relay: String,
    /// Identifier on this relay.
    pub id: String,
    /// The contact.
    pub contact: String,
    /// The offer.
    pub offer: String,
    /// The agent.
    pub agent: String,
    /// The URI that the agent is reached at.
    pub agent_uri: String,
    /// The URI that the caller is reached at.
    pub client_uri: String,
    /// `offering`, `ringing`, `established` or `ending`.
    pub state: String,
    /// When the transfer came.
    pub started_unix_ms: u64,
    /// When it was answered.
    pub answered_unix_ms: Option<u64>,
    /// The media, each with the counters of its two legs.
    pub pairs: Vec<Pair>,
}

/// One medium of a session.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// `audio`, `video`, …
    pub medium: String,
    /// The caller's leg.
    pub client: Leg,
    /// The agent's leg.
    pub agent: Leg,
}

/// One leg.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    /// Where the relay receives for this leg.
    pub local: Option<String>,
    /// Where the peer said that it receives.
    pub remote: Option<String>,
    /// Packets received from the peer and sent to the other leg.
    pub packets: u64,
    /// Their bytes, without UDP and IP headers.
    pub bytes: u64,
    /// Packets received and dropped.
    pub dropped: u64,
    /// Packets of the peer's RTP streams that did not reach the relay, by their sequence numbers.
    pub lost: u64,
    /// RTP packets that came after one with a higher sequence number, or twice.
    pub late: u64,
    /// Interarrival jitter of the peer's RTP at the moment (RFC 3550), in milliseconds; none if the
    /// clock of its codec is not known.
    pub jitter_ms: Option<u64>,
}
