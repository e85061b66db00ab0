//! The distributor: told what happens and when, says what to do.
//!
//! Every step leaves this true: whoever is free has been compared with whoever waits for them.
//! So a step only looks at what it changed: a contact that begins to wait looks at the free
//! agents of its class ([`Distributor::serve_contact`]), an agent that becomes free at the
//! contacts waiting in its classes ([`Distributor::refresh`]).

mod agents;
mod arrive;
mod asking;
mod beginning;
mod call_back;
mod configure;
mod expect;
mod gauges;
mod hearing;
mod in_call;
mod learned;
mod leave;
mod menus;
mod offers;
mod outside;
mod overflow;
mod patience;
mod places;
mod promises;
mod select;
mod sessions;
mod sites;
mod tiers;
mod timing;
mod untyped;
mod view;
mod waiting;
mod wishes;

use crate::agent::Agent;
use crate::asking::Servers;
use crate::centre::{Centre, Queue as DeclaredQueue};
use crate::contact::{Contact, Leg, Way};
use crate::counters::Counters;
use crate::event::{Event, What};
use crate::id::{AgentId, ContactId, IdSource, OfferId};
use crate::input::{Input, Now};
use crate::memory::Memory;
use crate::output::Output;
use crate::selection::{Classes, LastAgents, Place};
use crate::timers::Timers;
use crate::typing::Rules;
use asking::Asking;
use core::time::Duration;
use learned::Learned;
use menus::Choosing;
pub use outside::Standing;
use patchbay_sip::shards::Shards;
use promises::Promises;
use rustc_hash::FxHashMap;
use sites::Doors;
use std::collections::{BTreeSet, VecDeque};

/// Makes the seed of the lots another one than that of the offers' names.
const LOTS: u64 = 0x6c6f_7473;

/// A whole centre at work.
///
/// Call [`handle`](Self::handle) for what happens and [`wake`](Self::wake) at the time that
/// [`next_wakeup`](Self::next_wakeup) says, and after each of both [`poll`](Self::poll) until it
/// gives nothing.
#[derive(Debug)]
pub struct Distributor {
    now: Now,
    /// The two clocks when it was first told anything.
    began: Option<Now>,
    /// It does not know yet who is in a call.
    beginning: bool,
    ids: IdSource,
    /// The declaration in force.
    centre: Option<Centre>,
    /// Its number, for those who look at events later.
    version: u64,
    rules: Rules,
    /// Those that may be asked about contacts.
    servers: Servers,
    /// Whether rules ask for earlier contacts.
    looks_back: bool,
    /// Contacts about which a server is being asked.
    asking: FxHashMap<ContactId, Asking>,
    /// Contacts whose callers choose from a menu.
    choosing: FxHashMap<ContactId, Choosing>,
    /// What servers asked for beside the rules, since the declaration was made.
    asked_wishes: usize,
    agents: FxHashMap<AgentId, Agent>,
    queues: Vec<Queue>,
    classes: Classes,
    contacts: Shards<ContactId, Box<Contact>>,
    legs: Shards<OfferId, Leg>,
    /// Who was promised a call.
    promises: Promises,
    /// Where other centres are asked for agents.
    doors: Doors,
    memory: Memory,
    last_agents: LastAgents,
    /// Draws the lots of the queues that choose by lot.
    lots: IdSource,
    timers: Timers,
    /// Counts arrivals, for the order within a queue.
    arrivals: u64,
    outputs: VecDeque<Output>,
    counters: Counters,
}

/// A queue at work.
#[derive(Debug)]
pub(crate) struct Queue {
    pub declared: DeclaredQueue,
    /// Contacts that wait or are on offer.
    pub places: BTreeSet<Place>,
    /// Agents that serve it.
    pub agents: usize,
    /// Those logged in and reachable.
    pub staffed: usize,
    /// Its contacts in a call.
    pub connected: usize,
    /// What was seen of its contacts.
    pub learned: Learned,
}

/// How much the distributor holds; all of it is bounded, and without contacts and sessions
/// nothing but memories of the last two minutes is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Live contacts, those about which a server is being asked included.
    pub contacts: usize,
    /// Offers and sessions.
    pub legs: usize,
    /// Timers.
    pub timers: usize,
    /// Ended offers and contacts that are remembered.
    pub remembered: usize,
    /// Agents, those that only a session keeps included.
    pub agents: usize,
    /// Contacts that ask other centres, or wait for their turn there.
    pub elsewhere: usize,
}

impl Distributor {
    /// An empty one; refuses contacts until it is configured. The seed names its offers: give
    /// another one to each process.
    pub fn new(seed: u64) -> Self {
        Self {
            now: Now::default(),
            began: None,
            beginning: false,
            ids: IdSource::new(seed),
            centre: None,
            version: 0,
            rules: Rules::default(),
            servers: Servers::default(),
            looks_back: false,
            asking: FxHashMap::default(),
            choosing: FxHashMap::default(),
            asked_wishes: 0,
            agents: FxHashMap::default(),
            queues: Vec::new(),
            classes: Classes::default(),
            contacts: Shards::default(),
            legs: Shards::default(),
            promises: Promises::default(),
            doors: Doors::default(),
            memory: Memory::default(),
            last_agents: LastAgents::default(),
            lots: IdSource::new(seed ^ LOTS),
            timers: Timers::default(),
            arrivals: 0,
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes one input, then lets the timers run that are due: what came in before a timer was
    /// noticed counts as in time.
    pub fn handle(&mut self, input: Input, now: Now) {
        self.advance(now);
        match input {
            Input::Configure(centre) => self.configure(centre),
            Input::ContactArrived { contact, facts } => self.arrived(contact, facts, Way::Relay),
            Input::ContactAsked { contact, answer } => self.answered_about(contact, answer),
            Input::EarlierFound { contact, earlier } => self.earlier_found(contact, earlier),
            Input::ContactRequested { contact, facts } => {
                self.arrived(contact, facts, Way::Outside)
            }
            Input::ContactRenewed { contact } => self.renewed(contact),
            Input::ContactClaimed { contact, offer } => self.claimed(contact, offer),
            Input::SiteTook { contact, site } => self.site_took(contact, &site),
            Input::SiteOffered {
                contact,
                site,
                agent,
            } => self.site_offered(contact, &site, &agent),
            Input::SiteGone { contact, site, why } => self.site_gone(contact, &site, why),
            Input::OutsideLive(call) => self.restore(&call),
            Input::PlaceKept {
                place,
                facts,
                in_call,
            } => self.place_kept(*place, facts, in_call),
            Input::CallBackKept(promised) => self.call_back_kept(*promised),
            Input::CallBackWritten { contact } => self.promise_written(contact),
            Input::CallBackDialled { offer } => self.dialled(offer),
            Input::CallBackWithdrawn { contact } => self.withdrawn(contact),
            Input::ContactCancelled { contact } => self.cancelled(contact),
            Input::ContactPressed { contact, key } => self.pressed(contact, key),
            Input::OfferRinging { offer } => self.ringing(offer),
            Input::OfferAnswered { offer } => self.answered(offer),
            Input::OfferFailed { offer, cause, code } => self.failed(offer, cause, code),
            Input::OfferNotice { offer, state, code } => self.notice(offer, state, code),
            Input::ContactEnded {
                contact,
                offer,
                cause,
                by,
            } => self.session_ended(contact, offer, cause, by),
            Input::OfferHeld { offer, by } => self.call_held(offer, by),
            Input::OfferTransferred { offer, by, to } => self.transferred(offer, by, to),
            Input::AgentReachable { agent, reachable } => self.set_reachable(&agent, reachable),
            Input::AgentStatus { agent, status } => self.set_status(&agent, status),
            Input::CallsUnknown => self.calls_unknown(),
            Input::CallsKnown => self.calls_known(),
            Input::SessionsLive { sessions, asked } => self.sessions_live(sessions, asked),
        }
        self.run_timers();
    }

    /// Sets the number of the declaration that is configured next, or is in force; it is told with
    /// each contact that is typed. 0 until it is set.
    pub fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    /// Remembers who served callers last, for queues that prefer that agent; the one who was served
    /// last of all comes last. For what was known before a restart.
    pub fn remember_last(&mut self, served: impl IntoIterator<Item = (String, AgentId)>) {
        for (caller, agent) in served {
            self.last_agents.remember(&caller, agent);
        }
    }

    /// Lets the timers run that are due. Call it when [`Distributor::next_wakeup`] says.
    pub fn wake(&mut self, now: Now) {
        self.advance(now);
        self.run_timers();
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Distributor::wake`] is next needed, on the clock of [`Now::mono`].
    pub fn next_wakeup(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How much is held now.
    pub fn held(&self) -> Held {
        Held {
            contacts: self.contacts.len() + self.asking.len() + self.choosing.len(),
            legs: self.legs.len(),
            timers: self.timers.len(),
            remembered: self.memory.len(),
            agents: self.agents.len(),
            elsewhere: self.doors.len(),
        }
    }

    fn advance(&mut self, now: Now) {
        self.now = Now {
            mono: now.mono.max(self.now.mono),
            unix_ms: now.unix_ms,
        };
        self.began.get_or_insert(self.now);
        self.memory.expire(self.now.mono);
    }

    fn out(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    fn tell(&mut self, what: What) {
        let unix_ms = self.now.unix_ms;
        self.out(Output::Event(Box::new(Event { unix_ms, what })));
    }

    fn since_ms(&self, then: Duration) -> u64 {
        millis(self.now.mono.saturating_sub(then))
    }

    fn unix_at(&self, due: Duration) -> u64 {
        let ahead = due.saturating_sub(self.now.mono);
        self.now.unix_ms.saturating_add(millis(ahead))
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}
