//! What the distributor is told.

use crate::asking::{Answer, Failed};
use crate::call_back::Promised;
use crate::centre::Centre;
use crate::contact::Way;
use crate::facts::{Earlier, Facts};
use crate::id::{AgentId, ContactId, OfferId, SiteId};
use crate::place::KeptPlace;
use crate::site::SiteFailure;
use crate::slot::Slot;
use core::time::Duration;
use patchbay_route::session::{EndedBy, NoticeState};
use serde::{Deserialize, Serialize};

/// The time, as an argument. The two clocks are read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// A clock that never goes back, from any fixed start. All timers run on it.
    pub mono: Duration,
    /// Unix time in milliseconds, which may jump. For rules over the time of day and for events.
    pub unix_ms: u64,
}

/// One thing that happened. Unknown, late and repeated ones are harmless and counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A declaration that [`crate::centre::validate`] found no problem in. It replaces the whole
    /// and keeps live contacts; the same one twice changes nothing.
    Configure(Centre),
    /// A new request for contact was decoded.
    ContactArrived {
        /// The identifier given to it; see [`crate::IdSource`].
        contact: ContactId,
        /// What it says.
        facts: Box<Facts>,
    },
    /// A server was asked about a contact ([`crate::Output::Ask`]), and this came of it.
    ContactAsked {
        /// Whom about.
        contact: ContactId,
        /// Its answer, or why there is none.
        answer: Result<Box<Answer>, Failed>,
    },
    /// What [`crate::Output::LookUp`] asked for.
    EarlierFound {
        /// For which contact.
        contact: ContactId,
        /// Its caller's earlier contacts; none if they could not be read.
        earlier: Option<Earlier>,
    },
    /// Somebody outside asks for an agent, carries the contact there itself, and tells what comes
    /// of it. As long as it waits it is to be asked about again within
    /// [`crate::limits::ASKER_SILENCE`].
    ContactRequested {
        /// The identifier given to it.
        contact: ContactId,
        /// What is known of it.
        facts: Box<Facts>,
    },
    /// Whoever asked for the contact is still there.
    ContactRenewed {
        /// Which contact.
        contact: ContactId,
    },
    /// Whoever asked for an agent for the contact has called here itself, to be led to the agent that it
    /// is offered to: the relay carries it from now on. Tell it only if [`crate::Distributor::may_claim`].
    ContactClaimed {
        /// Which contact.
        contact: ContactId,
        /// By which offer.
        offer: OfferId,
    },
    /// Another centre has taken what [`crate::Output::AskSite`] asked.
    SiteTook {
        /// For which contact.
        contact: ContactId,
        /// Which centre.
        site: SiteId,
    },
    /// It has reserved an agent for the contact. It is over with that: what becomes of the agent there is
    /// the shell's to say there.
    SiteOffered {
        /// For which contact.
        contact: ContactId,
        /// Which centre.
        site: SiteId,
        /// The agent, by its name there.
        agent: AgentId,
    },
    /// It gives no agent, or cannot be asked.
    SiteGone {
        /// For which contact.
        contact: ContactId,
        /// Which centre.
        site: SiteId,
        /// Why.
        why: SiteFailure,
    },
    /// A contact that was connected outside before this process began, and may still be.
    OutsideLive(Carried),
    /// A caller who waits since before this process began comes with its place, as [`crate::Output::KeepPlace`]
    /// told it.
    PlaceKept {
        /// Its place.
        place: Box<KeptPlace>,
        /// What its INVITE says.
        facts: Box<Facts>,
        /// It was answered, and hears what is to be heard while it waits.
        in_call: bool,
    },
    /// A call that was promised before this process began. Tell them in the order of their arrival, after
    /// what is connected.
    CallBackKept(Box<Promised>),
    /// What [`crate::Output::KeepCallBack`] told is safe.
    CallBackWritten {
        /// Whose promise.
        contact: ContactId,
    },
    /// The agent has taken a call-back, and the customer is being called.
    CallBackDialled {
        /// By which offer.
        offer: OfferId,
    },
    /// The customer does not want to be called any more.
    CallBackWithdrawn {
        /// Which contact.
        contact: ContactId,
    },
    /// The caller gave up before the answer: CANCEL, or its connection is gone. The shell
    /// answers 487 itself.
    ContactCancelled {
        /// Whose caller.
        contact: ContactId,
    },
    /// The caller of a contact that waits has pressed a key: `0` to `9`, `*`, `#`, `A` to `D`.
    ContactPressed {
        /// Whose caller.
        contact: ContactId,
        /// Which.
        key: char,
    },
    /// The agent's phone rings (a 18x came).
    OfferRinging {
        /// Which offer.
        offer: OfferId,
    },
    /// The agent's phone answered (a 2xx came). Pass the 2xx to the caller only when
    /// [`crate::Output::Accept`] follows.
    OfferAnswered {
        /// Which offer.
        offer: OfferId,
    },
    /// The offer ended without an answer.
    OfferFailed {
        /// Which offer.
        offer: OfferId,
        /// Why; see [`OfferFailure::of_status`].
        cause: OfferFailure,
        /// The SIP status, 408 for a timeout, 503 for a broken connection.
        code: u16,
    },
    /// The relay says that a session is over. Tell it of answered sessions; the end of others is
    /// `OfferFailed`, which knows more. Both is harmless.
    ContactEnded {
        /// Whose session.
        contact: ContactId,
        /// Which session.
        offer: OfferId,
        /// Why.
        cause: EndCause,
        /// Who ended it, if the relay says so.
        by: Option<EndedBy>,
    },
    /// The agent's phone was asked to tell when the call is over, and this came of it.
    OfferNotice {
        /// Whose call.
        offer: OfferId,
        /// What came of it.
        state: NoticeState,
        /// The SIP status that says so; 0 without one.
        code: u16,
    },
    /// A side of a call put the other on hold, or took it back.
    OfferHeld {
        /// Whose call.
        offer: OfferId,
        /// Who holds; none: the call was taken back.
        by: Option<EndedBy>,
    },
    /// A phone has sent the other side of its call elsewhere, or another phone took its place.
    OfferTransferred {
        /// Whose call.
        offer: OfferId,
        /// Who transferred the other side.
        by: EndedBy,
        /// Whom to.
        to: String,
    },
    /// Whether an agent can be reached: its phone is registered, or its URI is static. An agent
    /// with a static URI starts reachable, all others start unreachable. Tell it after the
    /// `Configure` that declares the agent.
    AgentReachable {
        /// Which agent.
        agent: AgentId,
        /// Whether it can be reached.
        reachable: bool,
    },
    /// An agent changes its status. `Ready` also ends its wrap-up.
    AgentStatus {
        /// Which agent.
        agent: AgentId,
        /// The new status.
        status: Status,
    },
    /// The process begins, and does not know yet who is in a call: contacts wait until
    /// [`Input::CallsKnown`], or for [`crate::limits::CALLS_UNKNOWN`].
    CallsUnknown,
    /// All relays have told their sessions.
    CallsKnown,
    /// The relay's whole list of sessions: after each (re)connection and whenever
    /// [`crate::Output::ListSessions`] asks for it. What is not known is adopted, what is gone is
    /// freed.
    SessionsLive {
        /// All sessions, the unanswered included.
        sessions: Vec<LiveSession>,
        /// [`Now::mono`] when the list was *asked for*. What was answered or ended after that is
        /// newer than the list, and stays.
        asked: Duration,
    },
}

/// A session on the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveSession {
    /// The contact, as named in the transfer.
    pub contact: ContactId,
    /// The offer, as named in the transfer.
    pub offer: OfferId,
    /// The agent.
    pub agent: AgentId,
    /// Since when, in milliseconds of Unix time: the answer if there was one, else the start.
    pub since: u64,
    /// Whether the agent has answered.
    pub answered: bool,
}

/// A contact in the hands of an agent that no relay carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The contact.
    pub contact: ContactId,
    /// The offer that was answered.
    pub offer: OfferId,
    /// The agent.
    pub agent: AgentId,
    /// In which medium it is served.
    #[serde(default)]
    pub medium: Slot,
    /// Who carries it: [`Way::Redirect`] or [`Way::Outside`].
    pub way: Way,
    /// The token that asked for it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
    /// When it was answered, in milliseconds of Unix time.
    pub since: u64,
}

/// An agent's own will to work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// Takes contacts.
    Ready,
    /// Logged in and taking no contacts.
    Paused {
        /// Why, for people; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Not at work.
    LoggedOut,
}

/// Why an offer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferFailure {
    /// The phone is in another call (486).
    Busy,
    /// Nobody answered in time (480 from the phone, or our ring timer).
    NoAnswer,
    /// Refused by hand (603, 403, …).
    Declined,
    /// The phone was not reached: no binding, no answer at all, connection gone (404, 408, 410).
    Unreachable,
    /// The phone cannot take this medium or codec (488, 606, 415).
    NotAcceptable,
    /// The relay has no ports or no room for another session (503 from the relay itself).
    RelayFull,
    /// The customer of a call-back did not answer: the agent is not to blame.
    CustomerAway,
    /// Anything else.
    Error,
}

impl OfferFailure {
    /// The failure that a final SIP status of the agent's side stands for. A 503 is taken to come
    /// from the phone; the shell knows when the relay itself said it and then uses `RelayFull`.
    pub fn of_status(code: u16) -> Self {
        match code {
            486 | 600 => Self::Busy,
            480 | 487 => Self::NoAnswer,
            401 | 403 | 407 | 603 | 607 | 608 => Self::Declined,
            404 | 408 | 410 | 430 | 503 | 504 | 604 => Self::Unreachable,
            415 | 488 | 606 => Self::NotAcceptable,
            _ => Self::Error,
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// No media packet for the configured time.
    MediaTimeout,
    /// The part of the relay that carried its media failed.
    MediaLost,
    /// The relay was restarted, and its new process could not go on with the call.
    NotTakenOver,
    /// The relay is going down.
    Shutdown,
    /// Ended through the API.
    Api,
    /// The agent's phone said that the call is over, without a BYE (RFC 4235).
    Notice,
    /// The relay's list no longer has it and its end was never reported.
    Gone,
    /// Whoever carries it outside said so.
    Reported,
    /// It is carried outside, and nobody said for as long as is declared that it is over.
    Unreported,
}

impl From<patchbay_route::session::EndCause> for EndCause {
    fn from(cause: patchbay_route::session::EndCause) -> Self {
        use patchbay_route::session::EndCause as Relay;
        match cause {
            Relay::Bye => Self::Bye,
            Relay::Cancelled => Self::Cancelled,
            Relay::Refused => Self::Refused,
            Relay::NoAck => Self::NoAck,
            Relay::Unreachable => Self::Unreachable,
            Relay::MediaTimeout => Self::MediaTimeout,
            Relay::MediaLost => Self::MediaLost,
            Relay::NotTakenOver => Self::NotTakenOver,
            Relay::Shutdown => Self::Shutdown,
            Relay::Api => Self::Api,
            Relay::Notice => Self::Notice,
        }
    }
}
