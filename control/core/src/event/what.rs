//! All kinds of events.

use super::{Activity, OfferEnd};
use crate::asking::AskFailure;
use crate::centre::OverflowWhen;
use crate::contact::Way;
use crate::explain::Choice;
use crate::id::{AgentId, AskId, ContactId, MenuId, OfferId, QueueId, RuleId, SiteId};
use crate::input::{EndCause, Status};
use crate::output::RefuseReason;
use crate::site::SiteFailure;
use crate::slot::Slot;
use patchbay_route::session::{EndedBy, NoticeState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum What {
    /// The process began. What the one before it had left open and no relay has any more is lost; agents
    /// are told anew.
    ControlStarted,
    /// A server is asked about it before the rules look at it.
    ContactAsking {
        /// Which contact.
        contact: ContactId,
        /// The server.
        ask: AskId,
        /// The caller's URI.
        from: String,
        /// The URI called.
        to: String,
    },
    /// The server answered, or no good answer came.
    ContactAsked {
        /// Which contact.
        contact: ContactId,
        /// The server.
        ask: AskId,
        /// From the question to this.
        took_ms: u64,
        /// The names of the facts that it gave: `customer.tier`, `entitlements`, `answers.menu`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        facts: Vec<String>,
        /// What it decided, for people; none leaves it to the rules.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decision: Option<String>,
        /// Why there is no good answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<AskFailure>,
        /// What exactly failed.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// A rule lets its caller choose from a menu.
    ContactInMenu {
        /// Which contact.
        contact: ContactId,
        /// The menu.
        menu: MenuId,
        /// The rule that matched.
        rule: RuleId,
        /// The caller's URI.
        from: String,
        /// The URI called.
        to: String,
    },
    /// Its caller chose; the rules look at it once more.
    ContactChose {
        /// Which contact.
        contact: ContactId,
        /// The menu.
        menu: MenuId,
        /// The key that was pressed; none if none was, or nothing could be heard.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<char>,
        /// What counts as chosen.
        answer: String,
    },
    /// A rule, or a server that was asked, decided what the contact is.
    ContactTyped {
        /// Which contact.
        contact: ContactId,
        /// The call type's name.
        call_type: String,
        /// The first rule that matched, or the server that decided.
        rule: RuleId,
        /// The number of the declaration that the rule is of; 0 if it has none.
        #[serde(default)]
        version: u64,
        /// Its conditions and what they matched.
        because: Vec<String>,
        /// Where it goes.
        queue: QueueId,
        /// Skills required, with their lowest level.
        skills: BTreeMap<String, u8>,
        /// The higher is served first.
        priority: i32,
        /// What else the rule says of it.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        attributes: BTreeMap<String, String>,
        /// The caller's URI.
        from: String,
        /// The URI called.
        to: String,
        /// The usable media.
        media: Vec<String>,
        /// In which medium it is served.
        #[serde(default, skip_serializing_if = "Slot::is_call")]
        medium: Slot,
        /// Who carries it to its agent.
        #[serde(default, skip_serializing_if = "Way::is_relay")]
        carried: Way,
        /// What came with the call for the agent (requirement A10), by the header's name in lower
        /// case: `call-info`, `user-to-user`, `diversion`, `history-info`, `p-asserted-identity`,
        /// `alert-info`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        info: BTreeMap<String, Vec<String>>,
    },
    /// No agent is free for it, so it waits.
    ContactQueued {
        /// Which contact.
        contact: ContactId,
        /// Where.
        queue: QueueId,
        /// From 1.
        position: usize,
        /// How long it is expected to wait from now on, if that can be said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected_ms: Option<u64>,
        /// Whom it could have gone to, and why not.
        choice: Choice,
    },
    /// Another centre is asked for an agent while it waits here.
    SiteAsked {
        /// Which contact.
        contact: ContactId,
        /// The centre.
        site: SiteId,
        /// In which queue it waits here.
        queue: QueueId,
        /// From arrival to now.
        waited_ms: u64,
    },
    /// The other centre gave no agent.
    SiteFailed {
        /// Which contact.
        contact: ContactId,
        /// The centre.
        site: SiteId,
        /// Why.
        why: SiteFailure,
        /// How long none of the queue's contacts asks there.
        pause_ms: u64,
    },
    /// Whoever asked for an agent for it has called here itself and is led to that agent: the relay
    /// carries it from now on.
    ContactClaimed {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
    },
    /// It was not answered within its queue's service level, and waits behind those who can still be.
    ContactLate {
        /// Which contact.
        contact: ContactId,
        /// In which queue.
        queue: QueueId,
        /// From arrival to now.
        waited_ms: u64,
    },
    /// It has waited so long that it asks for less.
    ContactRelaxed {
        /// Which contact.
        contact: ContactId,
        /// In which queue.
        queue: QueueId,
        /// How many times it has come to ask for less, from 1.
        step: usize,
        /// The skills that it asks for now, with their lowest level.
        skills: BTreeMap<String, u8>,
        /// From arrival to now.
        waited_ms: u64,
    },
    /// Its caller has pressed a key while waiting.
    ContactPressed {
        /// Which contact.
        contact: ContactId,
        /// Where it waits.
        queue: QueueId,
        /// Which key.
        key: char,
    },
    /// It could not stay in its queue and waits in another one.
    ContactMoved {
        /// Which contact.
        contact: ContactId,
        /// Where it was.
        from: QueueId,
        /// Where it is now.
        queue: QueueId,
        /// What made it go.
        when: OverflowWhen,
        /// From arrival to now.
        waited_ms: u64,
    },
    /// It could not stay in its queue, and its caller was told to call somebody else.
    ContactRedirected {
        /// Which contact.
        contact: ContactId,
        /// Where it was; none if the server that was asked decided it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue: Option<QueueId>,
        /// The URI that the caller was told.
        to: String,
        /// What made it go; none if the server that was asked decided it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<OverflowWhen>,
        /// From arrival to now.
        waited_ms: u64,
    },
    /// It is offered to an agent.
    ContactOffered {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent chosen.
        agent: AgentId,
        /// From which queue.
        queue: QueueId,
        /// From arrival to now.
        waited_ms: u64,
        /// How long the phone may ring, in milliseconds.
        ring_ms: u64,
        /// Why this agent.
        choice: Choice,
    },
    /// Its customer will be called: as soon as an agent is free, or not before the time asked for. A caller
    /// who waited keeps the place.
    CallBackPromised {
        /// Which contact.
        contact: ContactId,
        /// In which queue.
        queue: QueueId,
        /// Whom to call.
        to: String,
        /// Not before this time, in milliseconds of Unix time.
        due_unix_ms: u64,
        /// What made a caller go; none for one who asked for the call in the first place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<OverflowWhen>,
        /// From arrival to now.
        waited_ms: u64,
    },
    /// A caller who waited when control was started again goes on waiting, in its place.
    ContactKept {
        /// Which contact.
        contact: ContactId,
        /// In which queue.
        queue: QueueId,
        /// Who calls.
        from: String,
        /// From arrival to now.
        waited_ms: u64,
    },
    /// A call that was promised to a customer before control was started again.
    CallBackKept {
        /// Which contact.
        contact: ContactId,
        /// In which queue.
        queue: QueueId,
        /// Whom to call.
        to: String,
        /// Not before this time, in milliseconds of Unix time.
        due_unix_ms: u64,
        /// Calls to the customer so far.
        tries: u32,
    },
    /// The agent has taken the call-back, and the customer is being called.
    CallBackDialled {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Whom to call.
        to: String,
    },
    /// The customer did not answer, and is called again later.
    CallBackPutOff {
        /// Which contact.
        contact: ContactId,
        /// In which queue.
        queue: QueueId,
        /// Not before this time, in milliseconds of Unix time.
        due_unix_ms: u64,
        /// Calls to the customer so far.
        tries: u32,
    },
    /// The agent's phone rings.
    OfferRinging {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
    },
    /// The offer ended without an answer. Every offer ends once: by this or by
    /// `contact_connected`.
    OfferFailed {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Why.
        why: OfferEnd,
        /// The SIP status that came; 0 if none.
        code: u16,
    },
    /// The agent answered and the caller is told so; or the caller was told where the agent is, and calls
    /// it itself.
    ContactConnected {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// From which queue.
        queue: QueueId,
        /// From arrival to answer.
        waited_ms: u64,
        /// Who carries it.
        #[serde(default, skip_serializing_if = "Way::is_relay")]
        carried: Way,
    },
    /// A call that lives on the relay and was not known here, after a restart of control.
    ContactAdopted {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Since when, in milliseconds of Unix time.
        since_unix_ms: u64,
    },
    /// The agent's phone was asked to tell when the call is over, and this came of it.
    AgentNotice {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// What came of it. Unless it is `active`, the relay goes by BYE and by the media.
        notice: NoticeState,
        /// The SIP status that says so; 0 without one.
        code: u16,
    },
    /// A connected contact was put on hold.
    ContactHeld {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Who holds: the caller's side or the agent's.
        by: EndedBy,
    },
    /// A contact that was on hold goes on, or ends. Each hold ends once.
    ContactResumed {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// How long it was on hold.
        held_ms: u64,
    },
    /// A phone has transferred a connected contact: the other side was sent elsewhere by REFER and has
    /// agreed, or another phone took its place. The call with this agent ends when its phones end it.
    ContactTransferred {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Who transferred the other side.
        by: EndedBy,
        /// Whom to; empty if its phone did not say.
        to: String,
    },
    /// A connected contact is over.
    ContactEnded {
        /// Which contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// From which queue; none for an adopted one.
        queue: Option<QueueId>,
        /// Why.
        cause: EndCause,
        /// Who ended it; none if the relay did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<EndedBy>,
        /// From arrival to answer; 0 for an adopted one.
        waited_ms: u64,
        /// From answer to end.
        talk_ms: u64,
    },
    /// A contact was refused.
    ContactRefused {
        /// Which contact.
        contact: ContactId,
        /// From which queue; none if it never reached one.
        queue: Option<QueueId>,
        /// The SIP status.
        status: u16,
        /// In seconds.
        retry_after_s: Option<u32>,
        /// Why.
        why: RefuseReason,
        /// From arrival to now.
        waited_ms: u64,
    },
    /// The caller gave up before the answer.
    ContactAbandoned {
        /// Which contact.
        contact: ContactId,
        /// From which queue; none if a server was still being asked about it.
        queue: Option<QueueId>,
        /// The agent whose phone was being called.
        agent: Option<AgentId>,
        /// From arrival to now.
        waited_ms: u64,
    },
    /// A session lives that no contact wants, and is being ended.
    SessionUnwanted {
        /// The contact that it was opened for.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent that it holds.
        agent: AgentId,
    },
    /// An agent's status or reachability changed.
    AgentStatus {
        /// Which agent.
        agent: AgentId,
        /// Its status.
        #[serde(flatten)]
        status: Status,
        /// Whether it can be reached.
        reachable: bool,
    },
    /// How a queue stands. Told to those who ask for it when it changes, once a second at most, and not
    /// kept: the next one says it all.
    QueueGauge {
        /// Which queue.
        queue: QueueId,
        /// Contacts in it, those being offered included.
        waiting: usize,
        /// When the one came that has waited longest, in milliseconds of Unix time.
        oldest_unix_ms: Option<u64>,
        /// Agents free for the next contact.
        available: usize,
        /// Agents logged in and reachable.
        staffed: usize,
        /// Its contacts in a call.
        connected: usize,
        /// How long a contact that came now would be expected to wait, in whole seconds; none while
        /// that cannot be said.
        expected_s: Option<u64>,
    },
    /// What an agent is doing changed.
    AgentState {
        /// Which agent.
        agent: AgentId,
        /// What it is doing.
        #[serde(flatten)]
        activity: Activity,
    },
}
