//! Checks the [`invariants`] after each step, by a [`Model`] that follows what the distributor is told
//! and what it says.
//!
//! After a step only those are looked at whom the step touched: whom its inputs, outputs and events
//! name, whom the end of a session on the relay concerns, and those for whom a time is over that
//! the agenda keeps. So a step costs the same in a centre of ten agents and of two thousand.

use super::invariants::{self, phantom_limit};
use super::model::Model;
use super::places::Places;
use super::relay::Relay;
use super::sites::Elsewhere;
use patchbay_core::{Activity, AgentId, ContactId, OfferId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Whom a step touched, or a time concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Touched {
    Agent(AgentId),
    Contact(ContactId),
}

#[derive(Default)]
pub struct Oracle {
    pub model: Model,
    touched: Vec<Touched>,
    agenda: BinaryHeap<Reverse<(u64, Touched)>>,
    /// Promises that were forgotten in this step.
    pub(super) forgotten: Vec<ContactId>,
    pub(super) elsewhere: Elsewhere,
    pub(super) places: Places,
    pub offers: u64,
    pub connected: u64,
    /// How often each kind of event was told.
    pub told: BTreeMap<&'static str, u64>,
}

impl Oracle {
    pub fn control_restarted(&mut self, kept: &[ContactId]) {
        self.model.forget(kept);
        self.forget_elsewhere();
        self.touched.clear();
        self.agenda.clear();
    }

    pub(super) fn touch(&mut self, agent: &AgentId) {
        self.touched.push(Touched::Agent(agent.clone()));
    }

    pub(super) fn touch_contact(&mut self, contact: ContactId) {
        self.touched.push(Touched::Contact(contact));
    }

    pub(super) fn touch_all(&mut self) {
        let agents = self.model.agents.keys().cloned().map(Touched::Agent);
        let contacts = self.model.contacts.keys().copied().map(Touched::Contact);
        self.touched.extend(agents.chain(contacts));
    }

    /// Whoever is free and wanted has to be offered something from now on.
    pub(super) fn calls_known(&mut self) {
        self.model.unknown_until = None;
        self.touch_all();
    }

    pub(super) fn later(&mut self, at: u64, whom: Touched) {
        self.agenda.push(Reverse((at, whom)));
    }

    /// After a step: everything that concerns those whom it touched.
    pub fn check(&mut self, relay: &mut Relay, now: u64) {
        self.forgotten_rightly();
        if self.model.unknown_until.is_some_and(|until| until < now) {
            self.calls_known();
        }
        self.asks_while_waiting();
        for offer in relay.take_gone() {
            self.session_gone(offer, now);
        }
        while let Some(Reverse((at, _))) = self.agenda.peek()
            && *at <= now
        {
            let Reverse((_, whom)) = self.agenda.pop().expect("peeked");
            self.touched.push(whom);
        }
        self.touched.sort_unstable();
        self.touched.dedup();
        let touched = core::mem::take(&mut self.touched);
        for whom in &touched {
            match whom {
                Touched::Agent(id) => {
                    self.busy_with(id, relay, now);
                    self.model.list(id, now);
                }
                Touched::Contact(id) => self.unstick_in_time(*id, now),
            }
        }
        for whom in &touched {
            match whom {
                Touched::Agent(id) => self.check_agent(id, now),
                Touched::Contact(id) => self.check_contact(*id, now),
            }
        }
    }

    /// Everything.
    pub fn check_all(&mut self, relay: &mut Relay, now: u64) {
        self.touch_all();
        self.check(relay, now);
    }

    fn session_gone(&mut self, offer: OfferId, now: u64) {
        let Some(leg) = self.model.legs.get(&offer) else {
            return;
        };
        let id = leg.agent.clone();
        if let Some(agent) = self.model.agents.get_mut(&id)
            && agent
                .without_leg
                .is_some_and(|(busy_with, _)| busy_with == offer)
        {
            agent.without_leg = Some((offer, now));
        }
        self.touch(&id);
    }

    /// Notes since when the relay has not had what the agent is busy with.
    fn busy_with(&mut self, id: &AgentId, relay: &Relay, now: u64) {
        let Some(agent) = self.model.agents.get_mut(id) else {
            return;
        };
        let offer = match agent.activity {
            Activity::InCall { offer, .. } | Activity::Reserved { offer, .. } => Some(offer),
            _ => None,
        };
        let carried = |offer: &OfferId| relay.has(*offer) || self.model.outside.contains(offer);
        let missing = offer.filter(|offer| !carried(offer));
        if missing != agent.without_leg.map(|(offer, _)| offer) {
            agent.without_leg = missing.map(|offer| (offer, now));
        }
        if let Some((_, since)) = agent.without_leg {
            let too_long = since + phantom_limit(agent) + 1;
            if too_long > now {
                self.later(too_long, Touched::Agent(id.clone()));
            }
        }
    }

    fn unstick_in_time(&mut self, id: ContactId, now: u64) {
        let contact = self.model.contacts.get(&id);
        let waits_for = contact.and_then(|contact| contact.waits_for.as_ref());
        if waits_for.is_some_and(|(_, until)| *until <= now) {
            self.model.unstick(id);
        }
    }

    fn check_agent(&self, id: &AgentId, now: u64) {
        let Some(agent) = self.model.agents.get(id) else {
            return;
        };
        invariants::does_what_it_holds(&self.model, id, agent);
        invariants::not_stuck(id, agent, now);
        invariants::ends_outside(&self.model, id, agent, now);
        if !agent.listed {
            return;
        }
        let queues = agent
            .queues
            .iter()
            .filter_map(|id| self.model.queues.get(id));
        for (_, _, contact) in queues.flat_map(|queue| &queue.places) {
            let waiting = (*contact, &self.model.contacts[contact]);
            invariants::not_idle_while_wanted(&self.model, (id, agent), waiting, now);
        }
    }

    fn check_contact(&self, id: ContactId, now: u64) {
        let Some(contact) = self.model.contacts.get(&id) else {
            return;
        };
        invariants::has_a_place(&self.model, id, contact, now);
        self.place_is_kept(id, contact);
        invariants::waits_not_unasked(id, contact, now);
        invariants::waits_not_for_ever(&self.model, id, contact, now);
        invariants::not_before_others(&self.model, id, contact, now);
        let queue = contact.queue.as_ref();
        let queue = queue.and_then(|queue| self.model.queues.get(queue));
        for agent_id in queue.into_iter().flat_map(|queue| &queue.free) {
            let agent = (agent_id, &self.model.agents[agent_id]);
            invariants::not_idle_while_wanted(&self.model, agent, (id, contact), now);
        }
    }
}
