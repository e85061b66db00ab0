//! Contacts that cannot enter their queue, or stay in it.

use super::{Distributor, seconds};
use crate::centre::{Overflow, OverflowWhen};
use crate::contact::State;
use crate::event::What;
use crate::id::{ContactId, QueueId};
use crate::limits::MAX_MOVES;
use crate::output::{Output, RefuseReason};
use crate::timers::Timer;

impl Distributor {
    /// Sets the time at which a contact has waited long enough in its queue.
    pub(super) fn set_overflow_timer(&mut self, contact: ContactId) {
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        let Some(entered) = ticket.map(|ticket| ticket.entered) else {
            return;
        };
        let overflow = self.overflow_of(contact, OverflowWhen::Waited);
        if let Some(after) = overflow.and_then(|overflow| overflow.after_seconds) {
            let due = entered.saturating_add(seconds(after));
            self.timers.set(Timer::Overflow(contact), due);
        }
    }

    fn overflow_of(&self, contact: ContactId, when: OverflowWhen) -> Option<Overflow> {
        let ticket = self.contacts.get(&contact)?.ticket.as_ref()?;
        let queue = self.queues.get(ticket.queue?)?;
        queue.declared.overflow_when(when).cloned()
    }

    /// A contact that may not begin to wait: it goes elsewhere, or is refused.
    pub(super) fn has_no_room(&mut self, contact: ContactId, why: RefuseReason) {
        let when = match why {
            RefuseReason::QueueFull => OverflowWhen::Full,
            RefuseReason::NoAgents => OverflowWhen::NoAgents,
            _ => return self.refuse_waiting(contact, why),
        };
        if !self.goes_elsewhere(contact, when, why) {
            self.refuse_waiting(contact, why);
        }
    }

    /// A contact that has waited for long. One that rings is left to the phones.
    pub(super) fn overflows(&mut self, contact: ContactId) {
        let state = self.contacts.get(&contact).map(|found| found.state);
        if state == Some(State::Waiting) {
            let why = RefuseReason::WaitedTooLong;
            self.goes_elsewhere(contact, OverflowWhen::Waited, why);
        }
    }

    /// Does what the queue says for such a contact. False if it says nothing, or nothing that can be
    /// done.
    pub(super) fn goes_elsewhere(
        &mut self,
        contact: ContactId,
        when: OverflowWhen,
        why: RefuseReason,
    ) -> bool {
        match self.overflow_of(contact, when) {
            Some(overflow) => self.goes(contact, overflow, why),
            None => false,
        }
    }

    /// Does what an overflow says. False if that cannot be done.
    pub(super) fn goes(
        &mut self,
        contact: ContactId,
        overflow: Overflow,
        why: RefuseReason,
    ) -> bool {
        let when = overflow.when;
        if let Some(queue) = overflow.queue {
            return self.moves(contact, queue, when);
        }
        if overflow.call_back {
            return self.calls_back(contact, when);
        }
        self.says_farewell(contact, &overflow);
        if let Some(to) = overflow.redirect {
            self.redirect(contact, to, when);
        } else {
            let status = overflow.refuse.unwrap_or_else(|| why.status());
            self.refuse_waiting_with(contact, why, status);
        }
        true
    }

    /// The contact waits in another queue, by its old arrival. False if it stays.
    fn moves(&mut self, contact: ContactId, to: QueueId, when: OverflowWhen) -> bool {
        let Some((at, class)) = self.place_in(contact, &to) else {
            return false;
        };
        self.forget_agent_before(contact);
        self.leave_doors(contact);
        self.give_up_place(contact);
        let Some((from, waited_ms)) = self.enter(contact, &to, at, class) else {
            return false;
        };
        self.tell(What::ContactMoved {
            contact,
            from,
            queue: to,
            when,
            waited_ms,
        });
        self.waits_in_queue(contact);
        true
    }

    /// The indices of a queue and of the class of what the contact asks for there, if it may go there
    /// and finds room.
    fn place_in(&mut self, contact: ContactId, to: &QueueId) -> Option<(usize, usize)> {
        let ticket = self.contacts.get(&contact)?.ticket.as_ref()?;
        let at = self.queue_at(to)?;
        let was_there = ticket.before.contains(to) || ticket.before.len() >= MAX_MOVES;
        let (skills, slot) = (ticket.skills().clone(), ticket.slot);
        let class = self.class_of(to, &skills, slot)?;
        (!was_there && self.room_in(at, class).is_none()).then_some((at, class))
    }

    /// Gives the contact its place in another queue. Where it was before, and how long it has waited.
    fn enter(
        &mut self,
        contact: ContactId,
        to: &QueueId,
        at: usize,
        class: usize,
    ) -> Option<(QueueId, u64)> {
        let found = self.contacts.get(&contact)?;
        let (arrived, counts_from) = (found.arrived, found.counts_from());
        let queue = self.queues.get_mut(at)?;
        let longest = seconds(queue.declared.max_wait_seconds);
        let deadline = self.now.mono.saturating_add(longest);
        let ticket = self.contacts.get_mut(&contact)?.ticket.as_mut()?;
        let from = core::mem::replace(&mut ticket.typed.queue, to.clone());
        ticket.before.push(from.clone());
        ticket.carried_as(&queue.declared);
        (ticket.entered, ticket.kept) = (self.now.mono, false);
        (ticket.queue, ticket.class, ticket.deadline) = (Some(at), Some(class), deadline);
        let (priority, came_ms) = (ticket.typed.priority, super::millis(counts_from));
        ticket.place.late = false;
        ticket
            .place
            .reorder(priority, Some(&queue.declared), came_ms);
        queue.places.insert(ticket.place);
        self.timers.set(Timer::MaxWait(contact), deadline);
        Some((from, self.since_ms(arrived)))
    }

    fn redirect(&mut self, contact: ContactId, to: String, when: OverflowWhen) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let waited_ms = self.since_ms(found.arrived);
        let Some(queue) = found.ticket.as_ref().map(|t| t.typed.queue.clone()) else {
            return;
        };
        self.remove_contact(contact);
        self.counters.redirected += 1;
        let uri = to.clone();
        self.out(Output::Redirect { contact, to: uri });
        self.tell(What::ContactRedirected {
            contact,
            queue: Some(queue),
            to,
            when: Some(when),
            waited_ms,
        });
    }
}
