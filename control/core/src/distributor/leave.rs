//! Contacts that leave before they are connected: their callers gave up, or they are refused.

use super::arrive::Refusal;
use super::{Distributor, seconds};
use crate::contact::State;
use crate::event::{OfferEnd, What};
use crate::id::ContactId;
use crate::limits::OVERLOAD_RETRY_AFTER_S;
use crate::output::{Output, RefuseReason};
use crate::timers::Timer;
use core::time::Duration;

impl Distributor {
    pub(super) fn cancelled(&mut self, contact: ContactId) {
        if self.cancelled_while_asking(contact)
            || self.cancelled_in_menu(contact)
            || self.caller_of_call_back_gone(contact)
        {
            return;
        }
        self.gives_up(contact);
    }

    /// A customer does not want to be called any more.
    pub(super) fn withdrawn(&mut self, contact: ContactId) {
        if self.cancelled_while_asking(contact) {
            return;
        }
        self.let_caller_go(contact);
        self.gives_up(contact);
    }

    /// Nobody wants the contact any more.
    pub(super) fn gives_up(&mut self, contact: ContactId) {
        let Some(found) = self.contacts.get(&contact) else {
            self.counters.dropped_unknown_contact += 1;
            return;
        };
        match found.state {
            State::Scheduled | State::Waiting | State::Offered => {}
            // CANCEL has no effect once there was a final answer (RFC 3261 section 9.2).
            State::Connected(_) => {
                self.counters.dropped_late += 1;
                return;
            }
        }
        let agent = found.offer().and_then(|offer| self.legs.get(&offer));
        let agent = agent.map(|leg| leg.agent.clone());
        let waited_ms = self.since_ms(found.waits_from());
        let Some(ticket) = found.ticket.as_ref() else {
            return;
        };
        let (queue, offers) = (ticket.typed.queue.clone(), ticket.offers.clone());
        self.count_kept(contact, false);
        self.counters.abandoned += 1;
        self.remove_contact(contact);
        self.tell(What::ContactAbandoned {
            contact,
            queue: Some(queue),
            agent,
            waited_ms,
        });
        self.take_back_each(offers, OfferEnd::CallerGone);
    }

    /// Counts a contact for its queue's service level. One that gave up in time counts for
    /// neither side.
    pub(super) fn count_kept(&mut self, contact: ContactId, answered: bool) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let waited = self.now.mono.saturating_sub(found.arrived);
        // Who is called back does not wait on the line.
        let ticket = found.ticket.as_ref().filter(|it| it.call_back.is_none());
        let queue = ticket.and_then(|ticket| ticket.queue);
        let Some(queue) = queue.and_then(|queue| self.queues.get_mut(queue)) else {
            return;
        };
        queue.learned.stopped(waited, !answered);
        if let Some(level) = queue.declared.service_level {
            let in_time = waited <= seconds(level.seconds);
            if answered || !in_time {
                queue.learned.kept.count(answered && in_time);
            }
        }
    }

    /// Refuses a contact that is in state `Waiting`.
    pub(super) fn refuse_waiting(&mut self, contact: ContactId, why: RefuseReason) {
        self.refuse_waiting_with(contact, why, why.status());
    }

    pub(super) fn refuse_waiting_with(
        &mut self,
        contact: ContactId,
        why: RefuseReason,
        status: u16,
    ) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let waited_ms = self.since_ms(found.waits_from());
        let ticket = found.ticket.as_ref();
        let queue = ticket.map(|t| t.typed.queue.clone());
        let declared = ticket
            .and_then(|t| t.queue)
            .and_then(|queue| self.queues.get(queue));
        let retry = declared.map_or(OVERLOAD_RETRY_AFTER_S, |q| q.declared.retry_after_seconds);
        self.remove_contact(contact);
        self.counters.refused += 1;
        self.out(Output::Refuse {
            contact,
            status,
            retry_after_s: Some(retry),
            why,
        });
        self.tell(What::ContactRefused {
            contact,
            queue,
            status,
            retry_after_s: Some(retry),
            why,
            waited_ms,
        });
    }

    /// Refuses a contact that reached no queue.
    pub(super) fn refuse_new(&mut self, contact: ContactId, refusal: &Refusal, came: Duration) {
        let Refusal { why, status } = *refusal;
        let waited_ms = self.since_ms(came);
        let overload = matches!(
            why,
            RefuseReason::NotConfigured | RefuseReason::TooManyContacts
        );
        let retry_after_s = overload.then_some(OVERLOAD_RETRY_AFTER_S);
        self.counters.refused += 1;
        self.counters.forgotten_early += self.memory.contact(contact, self.now.mono);
        self.out(Output::Refuse {
            contact,
            status,
            retry_after_s,
            why,
        });
        self.tell(What::ContactRefused {
            contact,
            queue: None,
            status,
            retry_after_s,
            why,
            waited_ms,
        });
    }

    /// Takes a contact out of everything but its legs.
    pub(super) fn remove_contact(&mut self, contact: ContactId) {
        self.set_waiting(contact, false);
        self.leave_queue(contact);
        self.forget_promise(contact);
        self.timers.cancel(&Timer::LetGo(contact));
        self.contacts.remove(&contact);
        self.counters.forgotten_early += self.memory.contact(contact, self.now.mono);
    }

    /// Gives up a contact's place and the timers that go with it.
    pub(super) fn leave_queue(&mut self, contact: ContactId) {
        self.timers.cancel(&Timer::MaxWait(contact));
        self.timers.cancel(&Timer::Overflow(contact));
        self.timers.cancel(&Timer::Relax(contact));
        self.timers.cancel(&Timer::Unstick(contact));
        self.timers.cancel(&Timer::Late(contact));
        self.timers.cancel(&Timer::Announce(contact));
        self.timers.cancel(&Timer::Asker(contact));
        self.leave_doors(contact);
        let found = self.contacts.get_mut(&contact);
        let Some(ticket) = found.and_then(|c| c.ticket.as_mut()) else {
            return;
        };
        for (agent, _) in ticket.skipped.drain(..) {
            self.timers.cancel(&Timer::Skip(contact, agent));
        }
        self.give_up_place(contact);
    }

    pub(super) fn give_up_place(&mut self, contact: ContactId) {
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        if let Some(ticket) = ticket
            && let Some(queue) = ticket.queue.and_then(|queue| self.queues.get_mut(queue))
        {
            queue.places.remove(&ticket.place);
        }
    }
}
