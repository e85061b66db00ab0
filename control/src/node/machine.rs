//! The node without I/O: distributor, signalling and relays joined. Tests drive it on a virtual
//! clock; the node's task drives it on sockets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchbay_core::tier::Tier;
use patchbay_core::{
    AgentId, Centre, ContactId, Distributor, Event, Explanation, Facts, Input, LiveSession,
    Snapshot, Status, What,
};
use patchbay_route::session::{RelayEvent, SessionEvent};
use patchbay_sip::digest::Algorithm;
use patchbay_sip::transaction::Flow;
use patchbay_sip::{Message, ParseError};

use super::action::{Action, Ending};
use super::handle::StatusError;
use super::program::Programs;
use super::routed::Book as Routed;
use super::sites::Sites;
use super::views::BindingView;
use crate::link::{LinkReport, RelayBook};
use crate::registrar::{Account, Binding};
use crate::signalling::{Effect, Moment, Signalling, SignallingConfig};

/// Retry-After for a contact that an operator ended while it waited, seconds.
const ENDED_RETRY_AFTER_S: u32 = 30;

/// The node without I/O; see the module.
pub struct Machine {
    pub(super) distributor: Distributor,
    pub(super) signalling: Signalling,
    pub(super) book: RelayBook,
    pub(super) routed: Routed,
    pub(super) programs: Programs,
    pub(super) sites: Sites,
    centre: Arc<Centre>,
    pub(super) actions: VecDeque<Action>,
    start: Instant,
}

impl Machine {
    /// A node without a declaration. `seed` must be random; the same seed gives the same names.
    #[must_use]
    pub fn new(
        config: SignallingConfig,
        relays: impl IntoIterator<Item = String>,
        seed: [u8; 32],
        start: Instant,
    ) -> Machine {
        // Not a secret: it names offers, and must only differ from process to process.
        let offers = seed.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Machine {
            distributor: Distributor::new(offers),
            signalling: Signalling::new(config, seed),
            book: RelayBook::new(relays, start),
            routed: Routed::default(),
            programs: Programs::default(),
            sites: Sites::default(),
            centre: Arc::default(),
            actions: VecDeque::new(),
            start,
        }
    }

    /// The moment `at` on this node's clocks.
    #[must_use]
    pub fn moment(&self, at: Instant, unix_ms: u64) -> Moment {
        Moment::new(self.start, at, unix_ms)
    }

    /// Takes one message that came over `flow`.
    pub fn receive(&mut self, parsed: Result<Message, ParseError>, flow: Flow, now: Moment) {
        self.signalling.receive(parsed, flow, now);
        self.run(now);
    }

    /// A SIP connection is gone.
    pub fn flow_failed(&mut self, flow: Flow, now: Moment) {
        self.signalling.flow_failed(flow, now);
        self.run(now);
    }

    /// Lets the timers run that are due.
    pub fn wake(&mut self, now: Moment) {
        self.signalling.wake(now);
        self.run(now);
        self.distributor.wake(now.now);
        self.decided(now);
        if self.book.wake(now.at) {
            self.tell_sessions(now.now.mono, now);
        }
        self.run(now);
    }

    /// When [`Machine::wake`] is next needed.
    #[must_use]
    pub fn next_wakeup(&self, now: Moment) -> Option<Instant> {
        let core = self.distributor.next_wakeup().map(|mono| self.start + mono);
        let signalling = self.signalling.next_wakeup(now);
        [core, signalling, self.book.next_wakeup()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next thing to do outside.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Tells that the process begins, before anything else happens in it.
    pub fn begin(&mut self, now: Moment) {
        let what = What::ControlStarted;
        let unix_ms = now.unix_ms();
        self.actions
            .push_back(Action::Event(Event { unix_ms, what }));
        if !self.book.relays().is_empty() {
            self.distributor.handle(Input::CallsUnknown, now.now);
            self.decided(now);
        }
    }

    /// Uses a declaration that was found valid, and tells its number with the contacts that it types.
    pub fn configure(&mut self, centre: Arc<Centre>, version: u64, now: Moment) {
        self.distributor.set_version(version);
        self.distributor
            .handle(Input::Configure(Centre::clone(&centre)), now.now);
        self.decided(now);
        let phones = &centre.phones;
        let accounts = centre.agents.iter().map(|agent| Account {
            agent: agent.id.to_string(),
            password: agent
                .password
                .as_ref()
                .map(|password| password.expose().to_owned()),
            digest: agent
                .digest
                .as_ref()
                .map(|named| named.iter().copied().map(Algorithm::from).collect()),
            uri: agent.uri.clone(),
            devices: agent.devices.unwrap_or(phones.devices),
            device_ring: (phones.ring_seconds > 0)
                .then(|| Duration::from_secs(phones.ring_seconds.into())),
            notice: agent.notice.unwrap_or(phones.notice),
        });
        self.signalling
            .with_registrar(|registrar| registrar.configure(accounts));
        self.programs.configure(&centre);
        self.centre = centre;
        self.run(now);
    }

    /// Takes the bindings that were stored before a restart; configure first.
    pub fn restore(&mut self, bindings: Vec<Binding>, now: Moment) {
        self.signalling
            .with_registrar(|registrar| registrar.restore(bindings, now.unix_ms()));
        self.run(now);
    }

    /// Takes who served callers last before a restart, the latest last; configure first.
    pub fn remember_last(&mut self, served: Vec<(String, AgentId)>) {
        self.distributor.remember_last(served);
    }

    /// The declaration in force.
    #[must_use]
    pub fn centre(&self) -> &Arc<Centre> {
        &self.centre
    }

    /// Takes what the link to a relay reports. `asked` of a list is on the node's clock.
    pub fn link(&mut self, report: LinkReport, now: Moment) {
        match report {
            LinkReport::List { relay, asked, list } => {
                let doomed = self.book.list(relay, &list);
                self.actions
                    .extend(doomed.into_iter().map(Action::EndSession));
                let asked = asked.into_std().saturating_duration_since(self.start);
                self.tell_sessions(asked, now);
                if self.book.all_listed() {
                    self.distributor.handle(Input::CallsKnown, now.now);
                    self.decided(now);
                }
            }
            LinkReport::Event { relay, event } => {
                if let SessionEvent::Left(left) = &event.event
                    && let Ok(contact) = left.contact.parse()
                {
                    self.signalling.left(contact, now);
                }
                let (input, doomed) = self.book.event(relay, &event);
                self.actions.extend(doomed.map(Action::EndSession));
                if let Some(input) = input.filter(|input| !self.comes_by_sip(&event, input)) {
                    self.distributor.handle(input, now.now);
                    self.decided(now);
                }
            }
            LinkReport::Capacity { relay, capacity } => self.book.capacity(relay, capacity),
            LinkReport::Down { relay, why } => self.book.down(relay, why, now.at),
        }
        self.run(now);
    }

    /// The end of an unanswered session comes by SIP too, where it says more, and says of which of
    /// several devices it was.
    fn comes_by_sip(&mut self, event: &RelayEvent, input: &Input) -> bool {
        let unanswered = matches!(&event.event, SessionEvent::Ended(ended) if !ended.answered);
        match input {
            Input::ContactEnded { contact, offer, .. } => {
                unanswered && self.signalling.has_offer(*contact, *offer)
            }
            _ => false,
        }
    }

    /// Takes what others know of a contact: what came of [`Action::Ask`] and [`Action::LookUp`].
    pub fn learned(&mut self, input: Input, now: Moment) {
        self.distributor.handle(input, now.now);
        self.decided(now);
        self.run(now);
    }

    fn tell_sessions(&mut self, asked: Duration, now: Moment) {
        let mut sessions = self.book.live();
        if self.book.relays().len() > 1 {
            // The list is one relay's; an answer on another may be ahead of that one's events.
            for (contact, offer, agent) in self.signalling.recent_answers() {
                if self.book.find(offer).is_none() {
                    let since = now.unix_ms();
                    sessions.push(LiveSession {
                        contact,
                        offer,
                        agent,
                        since,
                        answered: true,
                    });
                }
            }
        }
        self.distributor
            .handle(Input::SessionsLive { sessions, asked }, now.now);
        self.decided(now);
    }

    /// Everything at this moment.
    #[must_use]
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        self.distributor.snapshot(now.now)
    }

    /// A dry run, whose rules see another time if one is given.
    #[must_use]
    pub fn explain(&mut self, facts: &Facts, at_unix_ms: Option<u64>, now: Moment) -> Explanation {
        let mut seen = now.now;
        seen.unix_ms = at_unix_ms.unwrap_or(seen.unix_ms);
        self.distributor.explain(facts, seen)
    }

    /// What a link opens.
    #[must_use]
    pub fn tier(&mut self, facts: &Facts, now: Moment) -> Option<Tier> {
        self.distributor.tier(facts, now.now)
    }

    /// Sets an agent's status.
    ///
    /// # Errors
    /// [`StatusError::UnknownAgent`].
    pub fn set_status(
        &mut self,
        agent: AgentId,
        status: Status,
        now: Moment,
    ) -> Result<(), StatusError> {
        if !self
            .centre
            .agents
            .iter()
            .any(|declared| declared.id == agent)
        {
            return Err(StatusError::UnknownAgent(agent));
        }
        self.distributor
            .handle(Input::AgentStatus { agent, status }, now.now);
        self.decided(now);
        self.run(now);
        Ok(())
    }

    /// The devices of an agent.
    #[must_use]
    pub fn bindings(&self, agent: &AgentId, now: Moment) -> Vec<BindingView> {
        let registrar = self.signalling.registrar();
        let fixed = registrar.fixed_uri(agent.as_str()).map(|uri| BindingView {
            agent: agent.to_string(),
            contact: uri.to_owned(),
            path: Vec::new(),
            user_agent: None,
            expires_in_s: 0,
            updated_unix_ms: 0,
            fixed: true,
        });
        let registered = registrar
            .bindings(agent.as_str())
            .iter()
            .map(|binding| BindingView {
                agent: binding.agent.clone(),
                contact: binding.contact.clone(),
                path: binding.path.clone(),
                user_agent: binding.user_agent.clone(),
                expires_in_s: binding
                    .expires_unix_ms
                    .saturating_sub(now.unix_ms())
                    .div_ceil(1000),
                updated_unix_ms: binding.updated_unix_ms,
                fixed: false,
            });
        fixed.into_iter().chain(registered).collect()
    }

    /// Ends a contact, or says who can.
    pub fn end_contact(&mut self, contact: ContactId, now: Moment) -> Ending {
        if self
            .signalling
            .end_waiting(contact, ENDED_RETRY_AFTER_S, now)
        {
            self.run(now);
            return Ending::Refused;
        }
        if let Some(ending) = self.end_routed(contact, now) {
            return ending;
        }
        let snapshot = self.distributor.snapshot(now.now);
        let Some(view) = snapshot
            .contacts
            .into_iter()
            .find(|view| view.id == contact)
        else {
            return Ending::Unknown;
        };
        let place = view.offer.and_then(|offer| self.book.find(offer));
        place.map_or(Ending::Unlisted, Ending::Session)
    }

    /// The signalling, to look at.
    #[must_use]
    pub fn signalling(&self) -> &Signalling {
        &self.signalling
    }

    /// The distributor, to look at.
    #[must_use]
    pub fn distributor(&self) -> &Distributor {
        &self.distributor
    }

    /// The programs, to look at.
    pub(super) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The relays, to look at.
    #[must_use]
    pub fn book(&self) -> &RelayBook {
        &self.book
    }

    /// Carries effects of the signalling to the distributor until both are quiet.
    pub(super) fn run(&mut self, now: Moment) {
        while let Some(effect) = self.signalling.poll() {
            match effect {
                Effect::Send { flow, message } => {
                    self.actions.push_back(Action::Send { flow, message });
                }
                Effect::OpenTunnel { flow } => self.actions.push_back(Action::OpenTunnel { flow }),
                Effect::CloseTunnel { flow } => {
                    self.actions.push_back(Action::CloseTunnel { flow });
                }
                Effect::SaveBinding(binding) => {
                    self.actions.push_back(Action::SaveBinding(binding));
                }
                Effect::RemoveBinding(binding) => {
                    self.actions.push_back(Action::RemoveBinding(binding));
                }
                Effect::Core(input) => {
                    self.distributor.handle(input, now.now);
                    self.decided(now);
                }
                Effect::Claim(claim) => self.claims(*claim, now),
            }
        }
    }
}
