//! What the relay's private API tells control: sessions, events, capacity.
//!
//! A *session* is one transferred call on a relay host: two dialogs and one pair per medium.
//! Events carry a cursor that rises by one; a reader that lost its place reads the list of
//! sessions again and continues from the list's cursor.

use crate::waiting::{Left, Pressed};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// A state of a session, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// The agent's phone has been asked and has not answered.
    Offering,
    /// The agent's phone rings (a 18x came).
    Ringing,
    /// Answered; media may flow.
    Established,
    /// A BYE is under way.
    Ending,
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The caller's side.
    Client,
    /// The agent's side.
    Agent,
    /// The relay itself: time-out, shutdown, error.
    Relay,
    /// Control asked for it.
    Control,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// A BYE after an answer.
    Bye,
    /// The caller gave up before the answer.
    Cancelled,
    /// The agent's phone answered with a failure, or not at all.
    Refused,
    /// No ACK came for the answer (RFC 3261 section 13.3.1.4).
    NoAck,
    /// A party's connection is gone, or it no longer answers.
    Unreachable,
    /// No media packet on any leg for the configured time.
    MediaTimeout,
    /// The packet thread that carried its media failed.
    MediaLost,
    /// The relay was restarted, and its new process could not go on with the call.
    NotTakenOver,
    /// The relay is going down.
    Shutdown,
    /// Ended through the API.
    Api,
    /// The agent's phone said that the call is over, without a BYE (RFC 4235).
    Notice,
}

/// What became of asking the agent's phone to tell when the call is over (requirement A9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// It was not asked.
    #[default]
    Off,
    /// It was asked and has not answered.
    Asked,
    /// It tells what becomes of the call.
    Active,
    /// It refused, or did not say by its Allow that it knows such a thing.
    Refused,
    /// It did not answer, or accepted and told nothing.
    Silent,
}

/// What became of asking the agent's phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionNotice {
    /// Whose session.
    #[serde(flatten)]
    pub of: SessionRef,
    /// What became of it.
    pub state: NoticeState,
    /// The SIP status that says so; 0 without one.
    pub code: u16,
}

/// That a call is on hold (RFC 3264 section 8.4), or no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionHeld {
    /// Whose session.
    #[serde(flatten)]
    pub of: SessionRef,
    /// Who holds; none: the call was taken back.
    pub by: Option<EndedBy>,
}

/// That a call was transferred by a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTransferred {
    /// Whose session.
    #[serde(flatten)]
    pub of: SessionRef,
    /// Who transferred the other side.
    pub by: EndedBy,
    /// Whom to: the URI of the Refer-To header, or of the phone that took the place.
    pub to: String,
}

/// Packets of one leg of a pair as the API shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegView {
    /// Where the relay receives RTP for this leg.
    pub local: Option<SocketAddr>,
    /// Where the peer said that it receives RTP.
    pub remote: Option<SocketAddr>,
    /// Packets received from the peer and sent to the other leg, RTP and RTCP.
    pub packets: u64,
    /// Their bytes, without UDP and IP headers.
    pub bytes: u64,
    /// Packets received on this leg and dropped, for any reason.
    pub dropped: u64,
    /// Packets of the peer's RTP streams that did not reach the relay, by their sequence numbers
    /// (RFC 3550 section 6.4.1).
    #[serde(default)]
    pub lost: u64,
    /// RTP packets that came after one with a higher sequence number, or twice.
    #[serde(default)]
    pub late: u64,
    /// Interarrival jitter of the peer's RTP at the moment (RFC 3550 section 6.4.1), in
    /// milliseconds; none if the clock of its codec is not known.
    #[serde(default)]
    pub jitter_ms: Option<u64>,
}

/// One row of the routing table as the API shows it: a medium's pair of legs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairView {
    /// The medium of the SDP line: `audio`, `video`, …
    pub medium: String,
    /// The caller's leg.
    pub client: LegView,
    /// The agent's leg.
    pub agent: LegView,
}

/// One session as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Identifier on this relay host.
    pub id: String,
    /// The contact, as control named it in the transfer.
    pub contact: String,
    /// The offer, as control named it in the transfer.
    pub offer: String,
    /// The agent's identifier in the routing table (requirement B3).
    pub agent: String,
    /// The URI that the agent is reached at: with `client_uri` the row's URL pair.
    pub agent_uri: String,
    /// The URI that the caller is reached at.
    pub client_uri: String,
    /// The state.
    pub state: SessionState,
    /// When the transfer came, in milliseconds of Unix time.
    pub started_unix_ms: u64,
    /// When it was answered, in milliseconds of Unix time.
    pub answered_unix_ms: Option<u64>,
    /// One row per medium.
    pub pairs: Vec<PairView>,
}

/// What happened to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SessionEvent {
    /// A transferred INVITE was entered in the routing table.
    Started(SessionRef),
    /// The agent's phone rings.
    Ringing(SessionRef),
    /// The agent's phone answered.
    Established(SessionRef),
    /// The agent's phone was asked to tell when the call is over, and this came of it.
    Notice(SessionNotice),
    /// A side put the other on hold, or took it back.
    Held(SessionHeld),
    /// A side has sent the other one elsewhere (RFC 3515), or another phone took its place (RFC 3891).
    Transferred(SessionTransferred),
    /// The session is over and its row is gone.
    Ended(Ended),
    /// A caller who waits has pressed a key.
    Pressed(Pressed),
    /// A caller who was answered, and waited in the call, is gone.
    Left(Left),
}

/// Names of a session in an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRef {
    /// Identifier on this relay host.
    pub session: String,
    /// The contact, as control named it.
    pub contact: String,
    /// The offer, as control named it.
    pub offer: String,
    /// The agent's identifier.
    pub agent: String,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Whose session.
    #[serde(flatten)]
    pub of: SessionRef,
    /// Who ended it.
    pub by: EndedBy,
    /// Why.
    pub cause: EndCause,
    /// Whether it had been answered.
    pub answered: bool,
    /// From the answer to the end, in milliseconds; 0 without an answer.
    pub talk_ms: u64,
    /// What became of asking the agent's phone to tell when the call is over.
    #[serde(default)]
    pub notice: NoticeState,
    /// The rows' final counters.
    pub pairs: Vec<PairView>,
}

/// One event with its place in the relay's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayEvent {
    /// Rises by one with each event of this relay process, from 1.
    pub cursor: u64,
    /// When, in milliseconds of Unix time.
    pub unix_ms: u64,
    /// What.
    pub event: SessionEvent,
}

/// The answer of `GET /relay/v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionList {
    /// Names the relay process; cursors of another instance mean nothing.
    pub instance: String,
    /// The last event that this list already reflects.
    pub cursor: u64,
    /// All live sessions.
    pub sessions: Vec<SessionView>,
}

/// The answer of `GET /relay/v1/capacity`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Names the relay process.
    pub instance: String,
    /// Live sessions.
    pub sessions: u64,
    /// The limit of live sessions.
    pub max_sessions: u64,
    /// Media ports not in use, all local addresses together.
    pub ports_free: u64,
    /// Packet threads, dead ones too.
    pub threads: u64,
    /// Packet threads that are dead: being restarted, or for good.
    #[serde(default)]
    pub threads_down: u64,
    /// Restarts of packet threads that died, since the relay started.
    #[serde(default)]
    pub thread_restarts: u64,
    /// True once new calls are refused so that the host can be stopped.
    pub draining: bool,
}
