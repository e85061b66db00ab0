//! What changes while a contact waits: it asks for less, and it gives up waiting for one agent.

use super::{Distributor, seconds};
use crate::event::What;
use crate::id::{AgentId, ContactId};
use crate::selection::Urgency;
use crate::timers::Timer;

impl Distributor {
    /// Sets the time at which the contact asks for less, if there is a step left.
    pub(super) fn set_relax_timer(&mut self, contact: ContactId) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let next = found.ticket.as_ref().and_then(|t| t.relax.get(t.relaxed));
        if let Some(step) = next {
            let due = found.waits_from();
            let due = due.saturating_add(seconds(step.after_seconds));
            self.timers.set(Timer::Relax(contact), due);
        }
    }

    /// The contact asks for less: more agents can serve it than before.
    pub(super) fn relax(&mut self, contact: ContactId) {
        self.set_waiting(contact, false);
        self.leave_doors(contact);
        let waited_ms = match self.contacts.get(&contact) {
            Some(found) => self.since_ms(found.waits_from()),
            None => return,
        };
        let found = self.contacts.get_mut(&contact);
        let Some(ticket) = found.and_then(|found| found.ticket.as_mut()) else {
            return;
        };
        ticket.relaxed += 1;
        let (queue, step) = (ticket.typed.queue.clone(), ticket.relaxed);
        let skills = ticket.skills().clone();
        let slot = ticket.slot;
        if ticket.queue.is_some() {
            let class = self.class_of(&queue, &skills, slot);
            self.set_class(contact, class);
        }
        self.tell(What::ContactRelaxed {
            contact,
            queue,
            step,
            skills,
            waited_ms,
        });
        self.set_relax_timer(contact);
        self.note_wants(contact);
        self.serve_contact(contact);
        self.look_elsewhere(contact);
    }

    /// Makes a new contact wait for the agent who served its caller last, if its queue wants that
    /// and the agent is there for it.
    pub(super) fn stick(&mut self, contact: ContactId) {
        let Some((agent, for_seconds)) = self.agent_before(contact) else {
            return;
        };
        let found = self.contacts.get_mut(&contact);
        if let Some(ticket) = found.and_then(|found| found.ticket.as_mut()) {
            ticket.sticks_to = Some(agent);
            let due = self.now.mono.saturating_add(seconds(for_seconds));
            self.timers.set(Timer::Unstick(contact), due);
        }
    }

    /// Who served the caller last, and for how long it is waited for.
    fn agent_before(&self, contact: ContactId) -> Option<(AgentId, u32)> {
        let ticket = self.contacts.get(&contact)?.ticket.as_ref()?;
        let agent = self.last_agents.of(ticket.caller.as_ref()?)?;
        let queue = self.queues.get(ticket.queue?)?;
        let for_seconds = queue.declared.sticky_seconds?;
        let found = self.agents.get(agent)?;
        let serves = found.classes.contains(&ticket.class?);
        let there = match for_seconds {
            0 => found.available(ticket.slot),
            _ => found.ready(),
        };
        (ticket.only.is_none() && serves && there).then(|| (agent.clone(), for_seconds))
    }

    /// From now on the contact may go to anyone who can serve it.
    pub(super) fn unstick(&mut self, contact: ContactId) {
        self.forget_agent_before(contact);
        self.note_wants(contact);
        self.serve_contact(contact);
    }

    /// Those who waited for an agent alone that is not ready any more may go to others: the most urgent
    /// first. They are still to be served.
    pub(super) fn let_go(&mut self, agent: &AgentId) -> Vec<(Urgency, ContactId)> {
        let found = self.agents.get(agent).filter(|found| !found.ready());
        let wanted = found.map_or_else(Vec::new, |found| Vec::from_iter(found.wanted.clone()));
        let mut let_go = Vec::with_capacity(wanted.len());
        for place in wanted {
            let contact = place.contact;
            self.forget_agent_before(contact);
            self.note_wants(contact);
            let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
            if let Some(queue) = ticket.and_then(|ticket| ticket.queue) {
                let_go.push((self.urgency(queue, &place), contact));
            }
        }
        let_go.sort_unstable();
        let_go.reverse();
        let_go
    }

    pub(super) fn forget_agent_before(&mut self, contact: ContactId) {
        self.set_waiting(contact, false);
        self.timers.cancel(&Timer::Unstick(contact));
        let found = self.contacts.get_mut(&contact);
        if let Some(ticket) = found.and_then(|found| found.ticket.as_mut()) {
            ticket.sticks_to = None;
        }
    }
}
