//! Contacts that wait: their places, and who may take them.

use super::{Distributor, seconds};
use crate::contact::{State, Ticket};
use crate::event::What;
use crate::id::ContactId;
use crate::output::{Output, RefuseReason};
use crate::timers::Timer;

impl Distributor {
    /// Makes a contact wait, unless an agent is free for it. It has its place already.
    pub(super) fn start_waiting(&mut self, contact: ContactId) {
        self.note_wants(contact);
        self.serve_contact(contact);
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let (State::Waiting, Some(ticket)) = (found.state, &found.ticket) else {
            return;
        };
        if ticket.only.is_some() && !self.beginning {
            return self.refuse_waiting(contact, RefuseReason::AgentUnavailable);
        }
        let queue = ticket.typed.queue.clone();
        let position = self.position(ticket);
        let choice = self.choice(ticket, None);
        let expected = self.expected(ticket);
        let first = found.arrived == self.now.mono;
        let ticket = self.contacts.get_mut(&contact);
        if let Some(ticket) = ticket.and_then(|found| found.ticket.as_mut())
            && first
        {
            ticket.expected = expected;
        }
        // Before its caller is told, so that it is the 182 that is repeated.
        self.keep_place(contact);
        self.out(Output::Queued {
            contact,
            queue: queue.clone(),
            position,
        });
        self.tell(What::ContactQueued {
            contact,
            queue,
            position,
            expected_ms: expected.map(super::millis),
            choice,
        });
        self.let_hear(contact);
        self.look_elsewhere(contact);
    }

    /// After an offer that failed or was taken back: others may still be answered.
    pub(super) fn offer_lost(&mut self, contact: ContactId) {
        self.forget_agent_before(contact);
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        if ticket.is_some_and(|ticket| ticket.offers.is_empty()) {
            self.back_to_waiting(contact);
        } else {
            self.note_wants(contact);
            self.serve_contact(contact);
        }
    }

    /// After the last offer failed: the contact still has its place.
    fn back_to_waiting(&mut self, contact: ContactId) {
        let now = self.now.mono;
        let Some(found) = self.contacts.get_mut(&contact) else {
            return;
        };
        found.state = State::Waiting;
        let Some(ticket) = &found.ticket else {
            return;
        };
        if ticket.queue.is_none() {
            self.refuse_waiting(contact, RefuseReason::QueueRemoved);
        } else if ticket.deadline <= now {
            self.refuse_waiting(contact, RefuseReason::WaitedTooLong);
        } else {
            self.start_waiting(contact);
        }
    }

    /// Enters a contact where an agent that becomes free looks for it, or takes it from there.
    pub(super) fn note_wants(&mut self, contact: ContactId) {
        let wants = self.contacts.get(&contact).is_some_and(|c| self.wants(c));
        self.set_waiting(contact, wants);
    }

    pub(super) fn set_waiting(&mut self, contact: ContactId, waiting: bool) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let Some(ticket) = &found.ticket else {
            return;
        };
        let place = ticket.place;
        // One that is for one agent waits at the beginning of a process only.
        let alone = ticket.only.is_some();
        let agent = ticket.only.as_ref().or(ticket.sticks_to.as_ref());
        let agent = agent.and_then(|agent| self.agents.get_mut(agent));
        if agent.is_none() && alone {
            return;
        }
        if let Some(agent) = agent {
            match waiting {
                true => agent.wanted.insert(place),
                false => agent.wanted.remove(&place),
            };
            return;
        }
        let class = ticket.class.and_then(|class| self.classes.get_mut(class));
        let Some(class) = class else {
            return;
        };
        class.waiting.remove(&place);
        class.ringing.remove(&place);
        match found.state {
            State::Waiting if waiting => class.waiting.insert(place),
            State::Offered if waiting => class.ringing.insert(place),
            _ => false,
        };
    }

    /// Sets the time from which a contact waits behind others, if its queue wants that. Who is to be called
    /// back does not wait on the line.
    pub(super) fn set_late_timer(&mut self, contact: ContactId) {
        self.timers.cancel(&Timer::Late(contact));
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let on_the_line = |it: &&Ticket| it.call_back.is_none() && !it.place.late;
        let ticket = found.ticket.as_ref().filter(on_the_line);
        let queue = ticket.and_then(|ticket| self.queues.get(ticket.queue?));
        if let Some(after) = queue.and_then(|queue| queue.declared.late_after()) {
            let due = found.arrived.saturating_add(seconds(after));
            self.timers.set(Timer::Late(contact), due);
        }
    }

    /// Those who can still be answered in time go first from now on.
    pub(super) fn becomes_late(&mut self, contact: ContactId) {
        self.set_waiting(contact, false);
        let Some(found) = self.contacts.get_mut(&contact) else {
            return;
        };
        let (arrived, ticket) = (found.arrived, found.ticket.as_mut());
        let at = ticket.as_ref().and_then(|ticket| ticket.queue);
        // It may have been removed while a phone rings.
        let queue = at.and_then(|at| self.queues.get_mut(at));
        let Some((ticket, queue)) = ticket.zip(queue) else {
            return;
        };
        let before = ticket.place;
        ticket.place.late = true;
        let now = ticket.place;
        queue.places.remove(&before);
        queue.places.insert(now);
        let queue = queue.declared.id.clone();
        self.moves_at_doors(&queue, before, now);
        let waited_ms = self.since_ms(arrived);
        self.tell(What::ContactLate {
            contact,
            queue,
            waited_ms,
        });
        self.note_wants(contact);
    }

    /// From 1. Counts from the end, where contacts arrive.
    pub(super) fn position(&self, ticket: &Ticket) -> usize {
        let Some(queue) = ticket.queue.and_then(|queue| self.queues.get(queue)) else {
            return 1;
        };
        let places = queue.places.iter().rev();
        let behind = places.take_while(|place| **place > ticket.place).count();
        queue.places.len().saturating_sub(behind).max(1)
    }
}
