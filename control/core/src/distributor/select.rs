//! The choice of an agent for a contact, and of a contact for an agent (requirement A4).

use super::{Distributor, millis};
use crate::agent::Agent;
use crate::contact::{Contact, State, Ticket, Way};
use crate::event::Activity;
use crate::explain::{Choice, Considered, Verdict};
use crate::id::{AgentId, ContactId};
use crate::input::Status;
use crate::limits::{MAX_EXPLAINED_AGENTS, USUAL_SERVICE_LEVEL};
use crate::selection::{Class, Place, Urgency, score};
use crate::slot::Slot;
use std::collections::BTreeSet;

/// Members of a class looked at for those that are not free.
const MAX_MEMBERS_LOOKED_AT: usize = 4 * MAX_EXPLAINED_AGENTS;

impl Distributor {
    /// Offers a contact to the agents that are free for it, in the order of its queue's strategy
    /// and to as many as that allows.
    pub(super) fn serve_contact(&mut self, contact: ContactId) {
        while let Some(agent) = self.next_agent(contact) {
            self.offer(contact, &agent);
        }
    }

    /// Offers contacts, the most urgent first, to the agents that are free for them: each to one before
    /// any is offered to several.
    pub(super) fn serve_contacts(&mut self, contacts: &[(Urgency, ContactId)]) {
        for (_, contact) in contacts {
            let state = self.contacts.get(contact).map(|found| found.state);
            if state == Some(State::Waiting)
                && let Some(agent) = self.next_agent(*contact)
            {
                self.offer(*contact, &agent);
            }
        }
        for (_, contact) in contacts {
            self.serve_contact(*contact);
        }
    }

    fn next_agent(&mut self, contact: ContactId) -> Option<AgentId> {
        let found = self.contacts.get(&contact)?;
        let ticket = found.ticket.as_ref()?;
        if self.beginning || !self.wants(found) {
            return None;
        }
        if let Some(one) = ticket.only.as_ref().or(ticket.sticks_to.as_ref()) {
            return Some(one.clone()).filter(|agent| self.is_free(agent, ticket));
        }
        let at = ticket.class?;
        let mut free = self.classes.get(at)?.free.iter();
        let agent = &free
            .find(|rank| self.may(&rank.agent, contact, ticket))?
            .agent;
        let agent = agent.clone();
        let class = self.classes.get_mut(at)?;
        if class.free.first().is_some_and(|first| first.agent == agent) {
            class.draw();
        }
        Some(agent)
    }

    /// Whether a contact may be offered to an agent, or to one more.
    pub(super) fn wants(&self, contact: &Contact) -> bool {
        let Some(ticket) = &contact.ticket else {
            return false;
        };
        match contact.state {
            State::Waiting => true,
            State::Offered => {
                ticket.deadline > self.now.mono && ticket.offers.len() < self.at_once(ticket)
            }
            State::Scheduled | State::Connected(_) => false,
        }
    }

    fn at_once(&self, ticket: &Ticket) -> usize {
        let queue = ticket.queue.and_then(|queue| self.queues.get(queue));
        // Outside there is one answer to one question: an agent.
        let one = ticket.way != Way::Relay || ticket.only.is_some() || ticket.sticks_to.is_some();
        match one {
            true => 1,
            false => queue.map_or(1, |queue| queue.declared.at_once()),
        }
    }

    /// Whether a contact may be offered to a free agent: it does not pass it over, and the agent does
    /// not hold another offer of it, which one that takes several calls could.
    fn may(&self, agent: &AgentId, contact: ContactId, ticket: &Ticket) -> bool {
        let held = self.agents.get(agent).map_or(&[][..], |found| &found.legs);
        let of_it = |offer| {
            let leg = self.legs.get(offer);
            leg.is_some_and(|leg| leg.contact == contact && !leg.state.in_call())
        };
        !ticket.skips(agent) && !held.iter().any(of_it)
    }

    fn is_free(&self, agent: &AgentId, ticket: &Ticket) -> bool {
        let found = self.agents.get(agent);
        found.is_some_and(|found| unavailable(found, ticket.slot).is_none()) && !ticket.skips(agent)
    }

    /// Offers the most urgent contact that waits for a free agent to it, if there is one.
    pub(super) fn serve_agent(&mut self, agent: &AgentId) {
        let Some(found) = self.agents.get(agent).filter(|_| !self.beginning) else {
            return;
        };
        let may = |contact| {
            let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
            ticket.is_some_and(|ticket| self.may(agent, contact, ticket))
        };
        let urgency = |class: &Class, place: &Place| self.urgency(class.queue_at, place);
        let first = |set: fn(&Class) -> &BTreeSet<Place>| {
            let classes = found.classes.iter().copied().filter(|class| {
                let class = self.classes.get(*class);
                class.is_some_and(|class| found.free.contains(class.slot))
            });
            self.classes.first(classes, set, may, urgency)
        };
        let of_all = first(|class| &class.waiting);
        // Places of several queues do not compare.
        let own = found.wanted.iter().filter_map(|place| {
            let ticket = self.contacts.get(&place.contact)?.ticket.as_ref()?;
            let free = found.free.contains(ticket.slot);
            free.then(|| Some((self.urgency(ticket.queue?, place), place.contact)))?
        });
        // One more phone for a caller is worth less than the first one for another.
        let most_urgent = of_all.max(own.max());
        if let Some((_, contact)) = most_urgent.or_else(|| first(|class| &class.ringing)) {
            self.offer(contact, agent);
        }
    }

    /// How urgent a contact is beside those of other queues.
    pub(super) fn urgency(&self, queue: usize, place: &Place) -> Urgency {
        let came = place.came();
        let (Some(queue), Some(contact)) =
            (self.queues.get(queue), self.contacts.get(&place.contact))
        else {
            let (priority, waited) = (i64::MIN, 0);
            return Urgency {
                in_time: false,
                priority,
                waited,
                came,
            };
        };
        let level = queue.declared.service_level;
        let within = level.map_or(millis(USUAL_SERVICE_LEVEL), |l| {
            u64::from(l.seconds) * 1_000
        });
        let short = level.map_or(0, |level| queue.learned.kept.short_of(level.percent));
        let used = self.since_ms(contact.counts_from()).saturating_mul(1_000) / within.max(1);
        Urgency {
            in_time: !place.late,
            priority: place.priority_at(&queue.declared, millis(self.now.mono)),
            waited: used.saturating_mul(1_000 + 2 * short) / 1_000,
            came,
        }
    }

    /// Who was looked at for a contact, and why each was passed over. Bounded: the free ones in
    /// their order, then members that are not free.
    pub(super) fn choice(&self, ticket: &Ticket, chosen: Option<&AgentId>) -> Choice {
        let Some(class) = ticket.class.and_then(|class| self.classes.get(class)) else {
            return Choice::default();
        };
        let mut considered = Vec::new();
        for rank in class.free.iter().take(MAX_EXPLAINED_AGENTS) {
            if let Some(agent) = self.agents.get(&rank.agent) {
                considered.push(self.compared(class, ticket, agent, chosen));
            }
        }
        let room = MAX_EXPLAINED_AGENTS.saturating_sub(considered.len());
        let others = class.members.iter().take(MAX_MEMBERS_LOOKED_AT);
        let busy = others.filter_map(|id| {
            let verdict = unavailable(self.agents.get(id)?, class.slot)?;
            let agent = id.clone();
            Some(Considered { agent, verdict })
        });
        considered.extend(busy.take(room));
        Choice {
            chosen: chosen.cloned(),
            qualified: class.members.len(),
            free: class.free.len(),
            strategy: class.strategy,
            last_agent: chosen.is_some() && chosen == ticket.sticks_to.as_ref(),
            relaxed: ticket.relaxed,
            considered,
        }
    }

    /// What is said of a free agent.
    fn compared(
        &self,
        class: &Class,
        ticket: &Ticket,
        agent: &Agent,
        chosen: Option<&AgentId>,
    ) -> Considered {
        let idle_ms = self.since_ms(agent.idle_since);
        let id = &agent.declared.id;
        let score = score(class, agent, self.now.mono);
        let verdict = if Some(id) == chosen {
            Verdict::Chosen { idle_ms, score }
        } else if ticket.skips(id) {
            Verdict::FailedBefore
        } else if ticket.sticks_to.is_some() {
            Verdict::NotTheLast
        } else {
            match score {
                Some(score) => Verdict::RanksLower { idle_ms, score },
                None => Verdict::LessIdle { idle_ms },
            }
        };
        let agent = id.clone();
        Considered { agent, verdict }
    }
}

/// Why an agent is not free in a medium; none if it is.
pub(super) fn unavailable(agent: &Agent, slot: Slot) -> Option<Verdict> {
    if !agent.in_declaration {
        return Some(Verdict::Removed);
    }
    match &agent.status {
        Status::LoggedOut => return Some(Verdict::LoggedOut),
        Status::Paused { reason } => {
            let reason = reason.clone();
            return Some(Verdict::Paused { reason });
        }
        Status::Ready => {}
    }
    if agent.available(slot) {
        return None;
    }
    match agent.activity {
        Activity::Reserved { .. } => Some(Verdict::Reserved),
        Activity::InCall { .. } => Some(Verdict::InCall),
        Activity::WrapUp { .. } => Some(Verdict::WrapUp),
        _ if !agent.reachable => Some(Verdict::Unreachable),
        Activity::Resting { .. } => Some(Verdict::Resting),
        Activity::Idle => Some(Verdict::NotInMedium),
    }
}
