//! What a relay process that leaves says of its calls, for the next one to go on with them.
//!
//! Plain data, written as JSON: the wall clock in the place of the process's own, texts in the
//! place of parsed addresses. It holds established calls alone. What is amid an exchange at that
//! moment is not in it: the dialog stands as it was, and the phones' own repetitions see to the
//! rest.

use patchbay_route::handover::PairHandover;
use patchbay_route::session::SessionRef;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The version of what is written here. A process takes over its own alone.
pub const HAND_OVER_VERSION: u32 = 1;

/// Everything that is handed over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandOver {
    /// [`HAND_OVER_VERSION`] of the process that wrote it.
    pub version: u32,
    /// When it was written, in milliseconds of Unix time.
    pub written_unix_ms: u64,
    /// The established calls.
    pub sessions: Vec<SessionState>,
    /// Transfers that must not be taken a second time.
    pub transfers: Vec<UsedTransfer>,
}

/// A transfer that was taken and has not expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedTransfer {
    /// Its signature.
    pub signature: [u8; 32],
    /// Until when it could be taken, in seconds of Unix time.
    pub expires_unix: u64,
}

/// An established call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// Its names, here and at control.
    #[serde(flatten)]
    pub of: SessionRef,
    /// The agent's contact URI.
    pub agent_uri: String,
    /// When the transfer came, in milliseconds of Unix time.
    pub started_unix_ms: u64,
    /// When it was answered, in milliseconds of Unix time.
    pub answered_unix_ms: u64,
    /// The caller's side.
    pub caller: LegState,
    /// The agent's side.
    pub agent_leg: LegState,
    /// What both have agreed on.
    pub media: MediaTerms,
    /// Control has no part in it.
    #[serde(default)]
    pub detached: bool,
}

/// One side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegState {
    /// Our tag.
    pub tag: String,
    /// The Call-ID.
    pub call_id: String,
    /// The dialog.
    pub dialog: DialogState,
    /// Where the party was last heard from.
    pub flow: FlowState,
    /// Whether it can only be reached by that flow.
    pub pinned: bool,
    /// The CSeq of an INVITE of ours whose 2xx has had no ACK.
    pub owes_ack: Option<u32>,
    /// Until when the session has to be refreshed.
    #[serde(default)]
    pub timer: Option<TimerState>,
    /// Whether the party takes UPDATE.
    #[serde(default)]
    pub updates: bool,
    /// Whether the dialog is one of `sips:`.
    #[serde(default)]
    pub sips: bool,
    /// Whether it began with our INVITE.
    #[serde(default)]
    pub called: bool,
}

/// A session timer (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerState {
    /// The interval in seconds.
    pub interval_s: u64,
    /// Whether the relay refreshes.
    pub ours: bool,
    /// When something is due, in milliseconds of Unix time.
    pub due_unix_ms: u64,
}

/// A dialog (RFC 3261 section 12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogState {
    /// Our address with our tag.
    pub local_uri: String,
    /// Their address with their tag.
    pub remote_uri: String,
    /// Their tag; empty where they send none.
    pub remote_tag: String,
    /// Where requests are addressed.
    pub remote_target: String,
    /// The Route values of our requests, nearest first.
    pub route_set: Vec<String>,
    /// CSeq of our last request.
    pub local_cseq: u32,
    /// CSeq of their last request.
    pub remote_cseq: Option<u32>,
}

/// A UDP peer or a connection, which ends with the process that had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowState {
    /// A connection, else UDP.
    pub tcp: bool,
    /// The transport as flow tokens write it; 0 where `tcp` alone was written.
    #[serde(default)]
    pub transport: u8,
    /// Our address.
    pub local: SocketAddr,
    /// Theirs.
    pub remote: SocketAddr,
    /// The connection's number in the process that had it; 0 for UDP.
    pub connection: u64,
}

/// The media of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaTerms {
    /// By media line; none for one that is refused.
    pub rows: Vec<Option<RowState>>,
    /// Pairs between the caller and the client's side of `rows`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<RowState>,
    /// Session identifier and version of the descriptions sent to each side (RFC 8866 section 5.2).
    pub origin: [Option<(u64, u64)>; 2],
    /// Addresses that each side has named.
    pub named: [Vec<String>; 2],
    /// Whether the call is on hold.
    pub held: bool,
    /// What each side was told last, where it may have to be said once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<[SaidState; 2]>,
}

/// Descriptions of one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidState {
    /// What it was sent last.
    pub sent: String,
    /// The version of that.
    pub version: u64,
    /// What it said last.
    pub heard: String,
}

/// A media line with a pair of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowState {
    /// `audio`, `video`, …
    pub medium: String,
    /// Where each side said that it receives.
    pub remote: [Option<SocketAddr>; 2],
    /// The pair in the engine; none if it was lost with its packet thread.
    pub pair: Option<PairHandover>,
}

/// What became of a hand-over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Calls that go on.
    pub taken: usize,
    /// Calls that were ended instead.
    pub lost: usize,
}
