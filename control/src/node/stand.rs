//! How contacts stand that are carried outside, as those see them who carry them.

use patchbay_core::explain::Choice;
use patchbay_core::{AgentId, ContactId, EndCause, OfferId, QueueId, RefuseReason};
use serde::{Deserialize, Serialize};

/// A contact that is carried outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Routed {
    /// Which.
    pub contact: ContactId,
    /// Rises with each change; names the state that one who waits for a change has seen.
    pub revision: u64,
    /// The token that asked for it, if one did.
    #[serde(skip)]
    pub asked_by: Option<String>,
    /// What its customer was promised, if it is a call-back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_back: Option<Promise>,
    /// How it stands.
    #[serde(flatten)]
    pub state: Stand,
}

/// A call that was promised to a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Whom to call.
    pub to: String,
    /// Not before this time, in milliseconds of Unix time.
    pub due_unix_ms: u64,
    /// Calls to the customer so far that were not answered.
    pub tries: u32,
}

/// How such a contact stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Stand {
    /// A server is being asked about it, or its customer's earlier contacts are looked up.
    Asking,
    /// Its customer is to be called later.
    Scheduled {
        /// Where it waits from then on.
        queue: QueueId,
    },
    /// No agent is free for it.
    Queued {
        /// Where it waits.
        queue: QueueId,
        /// Its place there, from 1.
        position: usize,
        /// How long it is expected to wait from now on, if that can be said.
        expected_ms: Option<u64>,
    },
    /// This agent is reserved for it.
    Offered {
        /// Names the reservation in reports.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Where the agent is called: its declared URI, or the Contact that its phone registered last
        /// of those with the highest `q`; none for one without a phone.
        uri: Option<String>,
        /// The user part of a URI by which a call that comes in at any edge of this centre is led to the
        /// agent, wherever that one's phone is; none where that cannot be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claim: Option<String>,
        /// How long the reservation holds unless the answer is reported, from when it was made.
        ring_seconds: u64,
        /// From which queue.
        queue: QueueId,
        /// It was reported that the agent is being called.
        ringing: bool,
        /// Why this agent.
        choice: Choice,
    },
    /// The agent has it.
    Connected {
        /// The offer that was answered.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Where it is served, if its agent is a program and has said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uri: Option<String>,
    },
    /// It was served and is over.
    Ended {
        /// The offer that was answered.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Why it ended.
        cause: EndCause,
    },
    /// Nobody will serve it.
    Refused {
        /// The SIP status that says it.
        status: u16,
        /// Why.
        why: RefuseReason,
        /// When it may be tried again, in seconds.
        retry_after_s: Option<u32>,
    },
    /// It is to go to this URI instead.
    Redirected {
        /// Where to.
        to: String,
    },
    /// Its customer gave up, or nobody asked about it.
    Abandoned,
}
