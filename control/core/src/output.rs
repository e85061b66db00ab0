//! What the distributor decides.

use crate::call_back::Promised;
use crate::centre::{Ask, Site};
use crate::contact::Way;
use crate::event::Event;
use crate::facts::Facts;
use crate::id::{AgentId, ContactId, OfferId, QueueId, SiteId};
use crate::place::KeptPlace;
use crate::site::SiteAsk;
use core::time::Duration;
use patchbay_route::waiting::Say;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One thing to do. Each contact gets exactly one of [`Output::Accept`], [`Output::Refuse`] and
/// [`Output::Redirect`], or none of them when its caller gave up first.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Ask a server about a contact, and give what came of it back as
    /// [`crate::Input::ContactAsked`]. After its time limit nobody waits for that any more.
    Ask {
        /// Whom about.
        contact: ContactId,
        /// The server.
        ask: Arc<Ask>,
        /// What is known of the contact.
        facts: Arc<Facts>,
    },
    /// Look up the earlier contacts of a caller within [`crate::limits::EARLIER_WINDOW`], and give them
    /// back as [`crate::Input::EarlierFound`].
    LookUp {
        /// For which contact.
        contact: ContactId,
        /// The caller's URI, as events tell it.
        from: String,
    },
    /// The contact waits in a queue: tell the caller (182 Queued, RFC 3261 section 21.1.4).
    Queued {
        /// Whose caller.
        contact: ContactId,
        /// Where.
        queue: QueueId,
        /// From 1.
        position: usize,
    },
    /// Let the caller of a contact that waits hear something, until the contact is connected or gone.
    /// At most once a contact. It is not known whether that can be done: keys may come from then on.
    Hear {
        /// Whose caller.
        contact: ContactId,
        /// The name of the music; empty: silence.
        music: String,
        /// The language of announcements.
        language: String,
        /// Whether the call is answered before, so that the caller waits in a call.
        answer: bool,
    },
    /// Say something to a caller who hears something.
    Say {
        /// Whose caller.
        contact: ContactId,
        /// What.
        say: Say,
    },
    /// Ask another centre for an agent, until [`Output::LeaveSite`] or until it gives one or fails.
    AskSite {
        /// For which contact.
        contact: ContactId,
        /// The centre.
        site: Arc<Site>,
        /// What is asked.
        ask: Box<SiteAsk>,
    },
    /// Nothing is wanted of another centre any more for this contact.
    LeaveSite {
        /// Which contact.
        contact: ContactId,
        /// The centre.
        site: SiteId,
    },
    /// Say something to a caller before its [`Output::Refuse`] or [`Output::Redirect`], which follows and is
    /// to be held back for as long. Who hears nothing yet is to be let hear it first, if that can be done.
    Farewell {
        /// Whose caller.
        contact: ContactId,
        /// The language of what is said.
        language: String,
        /// What.
        say: Say,
        /// How long it is heard.
        lasts: Duration,
    },
    /// Bring the contact to this agent, by the relay unless `way` says otherwise. The core's own
    /// timer cancels the offer after `ring_for`; the value is for an Expires header and the
    /// transfer's validity.
    Offer {
        /// Which contact.
        contact: ContactId,
        /// The offer's identifier, to be given back with everything that comes of it.
        offer: OfferId,
        /// Whom to.
        agent: AgentId,
        /// How long the phone may ring.
        ring_for: Duration,
        /// Who carries it.
        way: Way,
    },
    /// Cancel the offer (CANCEL to the relay). Its end is still awaited: `OfferFailed`, or
    /// `OfferAnswered` if the answer crossed it. One that is carried outside is over with this.
    CancelOffer {
        /// Whose offer.
        contact: ContactId,
        /// Which.
        offer: OfferId,
    },
    /// Pass this offer's 2xx to the caller: the contact is connected. At most once a contact.
    Accept {
        /// Which contact.
        contact: ContactId,
        /// Whose 2xx.
        offer: OfferId,
    },
    /// Refuse the contact with this final answer. At most once a contact.
    Refuse {
        /// Which contact.
        contact: ContactId,
        /// The SIP status.
        status: u16,
        /// The Retry-After header, in seconds.
        retry_after_s: Option<u32>,
        /// Why.
        why: RefuseReason,
    },
    /// Tell the caller to call another URI (302, RFC 3261 section 21.3.3). In the place of
    /// [`Output::Refuse`].
    Redirect {
        /// Which contact.
        contact: ContactId,
        /// Whom its caller is to call.
        to: String,
    },
    /// Keep what was promised to a customer, in the place of what was kept of that contact before, and
    /// say [`crate::Input::CallBackWritten`] when it is safe: its caller is let go then.
    KeepCallBack(Box<Promised>),
    /// The place of a caller who waits now: keep it with the caller's call, in the place of what was kept
    /// before, and tell [`crate::Input::PlaceKept`] if control is started anew while the call is open.
    KeepPlace(Box<KeptPlace>),
    /// A promise is kept or over.
    ForgetCallBack {
        /// Whose.
        contact: ContactId,
    },
    /// A session lives on the relay that no contact wants, such as an answer that came after the
    /// caller had gone: end it there. Repeated while the relay's list still has it. A 2xx of it
    /// is not passed to the caller.
    EndSession {
        /// The contact that it was opened for.
        contact: ContactId,
        /// Which session.
        offer: OfferId,
        /// The agent that it holds.
        agent: AgentId,
    },
    /// Fetch the relay's list of sessions and give it back as `SessionsLive`.
    ListSessions,
    /// Something to tell, to log and to keep.
    Event(Box<Event>),
}

/// Why a contact was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefuseReason {
    /// No medium with a known protocol and codec (488).
    NoUsableMedium,
    /// No rule fits (404).
    NoRule,
    /// The rule that matched refuses it, with its own status (403 if it gives none).
    ByRule,
    /// The server that was asked decided so, with its own status.
    ByServer,
    /// Nothing was declared yet (503).
    NotConfigured,
    /// The queue holds as many as it may (480).
    QueueFull,
    /// Waited as long as the queue allows (480, or what its overflow says).
    WaitedTooLong,
    /// The caller pressed a key for it (480, or what its overflow says).
    ByKey,
    /// No agent of the queue is logged in and reachable (480).
    NoAgents,
    /// The one agent that the contact is for is not free, or did not answer (480).
    AgentUnavailable,
    /// The queue was removed from the declaration (480).
    QueueRemoved,
    /// The relay has no room for another session (503).
    RelayFull,
    /// As many contacts live as the process allows (503).
    TooManyContacts,
    /// The caller chose nothing from a menu (480).
    NothingChosen,
    /// The customer will be called back instead (480).
    CalledBack,
    /// The queue makes no call-backs (403).
    NoCallBacks,
    /// As many call-backs are promised as the queue allows (480).
    CallBacksFull,
    /// The time asked for is too far ahead, or the address cannot be called (403).
    CannotCallBack,
    /// The customer was promised a call before, which stands (480).
    PromisedBefore,
    /// The caller is served already, under the same name (482).
    ServedAlready,
    /// The customer did not answer as many calls as the queue makes (480).
    CustomerAway,
    /// Others have asked for too many different skills (503).
    TooManySkills,
}

impl RefuseReason {
    /// The SIP status that says it.
    pub fn status(self) -> u16 {
        match self {
            Self::NoUsableMedium => 488,
            Self::NoRule => 404,
            Self::ServedAlready => 482,
            Self::ByRule | Self::ByServer | Self::NoCallBacks | Self::CannotCallBack => 403,
            Self::QueueFull
            | Self::WaitedTooLong
            | Self::ByKey
            | Self::NoAgents
            | Self::AgentUnavailable
            | Self::QueueRemoved
            | Self::NothingChosen
            | Self::CalledBack
            | Self::CallBacksFull
            | Self::PromisedBefore
            | Self::CustomerAway => 480,
            Self::NotConfigured | Self::RelayFull | Self::TooManyContacts | Self::TooManySkills => {
                503
            }
        }
    }

    /// One sentence for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoUsableMedium => "no offered medium has a known protocol and codec",
            Self::NoRule => "no rule fits the request",
            Self::ByRule => "refused by a rule",
            Self::ByServer => "refused by the server that was asked",
            Self::NotConfigured => "no centre has been declared yet",
            Self::QueueFull => "the queue is full",
            Self::WaitedTooLong => "waited as long as the queue allows",
            Self::ByKey => "the caller pressed a key for it",
            Self::NoAgents => "no agent of the queue is logged in and reachable",
            Self::AgentUnavailable => "the agent that it is for is not free, or did not answer",
            Self::QueueRemoved => "the queue was removed",
            Self::RelayFull => "the relay has no room for another session",
            Self::TooManyContacts => "too many contacts are alive",
            Self::NothingChosen => "the caller chose nothing from the menu",
            Self::CalledBack => "the caller will be called back",
            Self::NoCallBacks => "the queue makes no call-backs",
            Self::CallBacksFull => "as many call-backs are promised as the queue allows",
            Self::CannotCallBack => "the address cannot be called, or the time is too far ahead",
            Self::PromisedBefore => "the customer was promised a call before",
            Self::ServedAlready => "the caller is served already",
            Self::CustomerAway => "the customer did not answer",
            Self::TooManySkills => "others have asked for too many different skills",
        }
    }
}
