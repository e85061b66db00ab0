//! What the machine wants done.

use std::sync::Arc;

use patchbay_core::centre::{Ask, Site, Webhook};
use patchbay_core::{AgentId, Carried, ContactId, Event, Facts, Promised, SiteAsk, SiteId};
use patchbay_sip::Handed;
use patchbay_sip::transaction::Flow;

use super::program::Told;
use crate::link::Place;
use crate::registrar::Binding;

/// What is to be done outside.
#[derive(Debug)]
pub enum Action {
    /// Send this.
    Send {
        /// Over this flow.
        flow: Flow,
        /// One whole message.
        message: Handed,
    },
    /// Open a tunnel to the relay that this flow came from.
    OpenTunnel {
        /// Under the number of this flow.
        flow: Flow,
    },
    /// End a tunnel when all is sent; it may be gone already.
    CloseTunnel {
        /// The tunnel.
        flow: Flow,
    },
    /// Store a binding.
    SaveBinding(Binding),
    /// Remove a binding from the store.
    RemoveBinding(Binding),
    /// Store an event and tell it.
    Event(Event),
    /// A contact that is carried outside stands otherwise than before.
    Routed(ContactId),
    /// Store what is connected outside.
    KeepCarried(Carried),
    /// Remove it from the store: it is over.
    ForgetCarried(ContactId),
    /// Store a promise to a customer, and tell the machine when it is safe ([`super::Machine::learned`]).
    KeepCallBack(Box<Promised>),
    /// Remove it from the store: it is kept, or over.
    ForgetCallBack(ContactId),
    /// Tell the server of a program something, and the machine what it answers to an offer
    /// ([`super::Machine::program_answered`]).
    TellProgram {
        /// The program.
        agent: AgentId,
        /// Its server.
        webhook: Arc<Webhook>,
        /// What.
        told: Told,
    },
    /// End a session through its relay's API.
    EndSession(Place),
    /// Ask a server about a contact, and tell the machine what came of it ([`super::Machine::learned`]).
    Ask {
        /// Whom about.
        contact: ContactId,
        /// The server.
        ask: Arc<Ask>,
        /// What is known of the contact.
        facts: Arc<Facts>,
    },
    /// Ask another centre for an agent, and tell the machine what came of it
    /// ([`super::Machine::site_says`]).
    AskSite {
        /// For which contact.
        contact: ContactId,
        /// The centre.
        site: Arc<Site>,
        /// What is asked.
        ask: Box<SiteAsk>,
    },
    /// Nothing is wanted of it any more for this contact.
    LeaveSite {
        /// Which contact.
        contact: ContactId,
        /// The centre.
        site: SiteId,
    },
    /// An agent that it has reserved is not wanted any more.
    Release {
        /// The centre.
        site: SiteId,
        /// The contact, by its name there.
        theirs: ContactId,
    },
    /// Look up a caller's earlier contacts, and tell the machine.
    LookUp {
        /// For which contact.
        contact: ContactId,
        /// The caller's URI.
        from: String,
    },
    /// Ask every relay for its list of sessions.
    ListSessions,
}

/// How a contact is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It waited and was refused.
    Refused,
    /// Its relay must end it.
    Session(Place),
    /// It is connected, and no relay lists its session.
    Unlisted,
    /// There is no such contact.
    Unknown,
}
