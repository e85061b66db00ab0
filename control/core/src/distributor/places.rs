//! Callers who wait keep their places when control is started anew: whoever holds their calls is told
//! the place of each, and tells it the next process.

use super::arrive::{Came, clipped};
use super::{Distributor, seconds};
use crate::contact::{Contact, State, Way};
use crate::event::What;
use crate::facts::Facts;
use crate::id::ContactId;
use crate::media::Usable;
use crate::output::{Output, RefuseReason};
use crate::place::KeptPlace;
use crate::timers::Timer;
use core::time::Duration;

impl Distributor {
    /// Tells the place of a caller who waits, once in each queue. What others carry is theirs to keep, and
    /// what was promised is on the disk.
    pub(super) fn keep_place(&mut self, contact: ContactId) {
        let Some(found) = self.contacts.get_mut(&contact) else {
            return;
        };
        let here = |ticket: &&mut crate::contact::Ticket| {
            let waits = ticket.call_back.is_none() && ticket.only.is_none();
            waits && ticket.way != Way::Outside && !ticket.kept
        };
        let arrived_unix_ms = found.arrived_unix_ms;
        let Some(ticket) = found.ticket.as_mut().filter(here) else {
            return;
        };
        ticket.kept = true;
        let entered = ticket.entered;
        let mut kept = KeptPlace {
            contact,
            arrived_unix_ms,
            entered_unix_ms: 0,
            typed: ticket.typed.clone(),
            relax: ticket.relax.to_vec(),
            before: ticket.before.clone(),
        };
        kept.entered_unix_ms = self.unix_of(entered);
        self.out(Output::KeepPlace(Box::new(kept)));
    }

    /// Goes on with a caller who waited before this process began. One whose queue is gone is typed anew.
    pub(super) fn place_kept(&mut self, kept: KeptPlace, facts: Box<Facts>, in_call: bool) {
        let contact = kept.contact;
        if self.is_known(contact) {
            return self.comes_again(contact);
        }
        let usable = Usable::of(&facts);
        let gone = self.queue_at(&kept.typed.queue).is_none();
        if gone || self.cannot_type(&usable).is_some() {
            return self.arrives(contact, facts, Way::Relay, in_call);
        }
        for skills in kept.skills() {
            self.wish_again(&kept.typed.queue, skills);
        }
        self.arrivals += 1;
        let came = Came {
            at: self.before(kept.arrived_unix_ms),
            unix_ms: kept.arrived_unix_ms,
            order: self.arrivals,
            way: Way::Relay,
            hears: in_call,
            picked_up: in_call,
        };
        let entered = self.before(kept.entered_unix_ms);
        let queue = kept.typed.queue.clone();
        let relax = kept.relax.into();
        let mut ticket = self.ticket((contact, came), (&facts, &usable), kept.typed, relax);
        (ticket.before, ticket.entered) = (kept.before, entered);
        let place = ticket.place;
        if let Some(queue) = ticket.queue.and_then(|queue| self.queues.get_mut(queue)) {
            queue.places.insert(place);
            ticket.deadline = entered.saturating_add(seconds(queue.declared.max_wait_seconds));
        }
        let deadline = ticket.deadline;
        let found = Contact {
            state: State::Waiting,
            ticket: Some(ticket),
            arrived: came.at,
            arrived_unix_ms: came.unix_ms,
            answered: None,
            held: None,
        };
        self.contacts.insert(contact, Box::new(found));
        self.counters.places_kept += 1;
        self.tell(What::ContactKept {
            contact,
            queue,
            from: clipped(&facts.from),
            waited_ms: self.since_ms(came.at),
        });
        self.set_relax_timer(contact);
        self.timers.set(Timer::MaxWait(contact), deadline);
        self.waits_in_queue(contact);
    }

    /// The clock's reading at a moment before this process began. Both clocks are always compared at the same
    /// moment: a millisecond more or less would change the order of those who came in one.
    fn before(&self, unix_ms: u64) -> Duration {
        let began = self.began.unwrap_or(self.now);
        let ago = Duration::from_millis(began.unix_ms.saturating_sub(unix_ms));
        let after = Duration::from_millis(unix_ms.saturating_sub(began.unix_ms));
        let at = began.mono.saturating_sub(ago).saturating_add(after);
        at.min(self.now.mono)
    }

    /// A caller who is known already: nobody waits twice. One who was promised a call is let go.
    fn comes_again(&mut self, contact: ContactId) {
        self.counters.dropped_repeated_contact += 1;
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        let promised = ticket.is_some_and(|ticket| ticket.call_back.is_some());
        let why = match promised {
            true => RefuseReason::CalledBack,
            false => RefuseReason::ServedAlready,
        };
        self.out(Output::Refuse {
            contact,
            status: why.status(),
            retry_after_s: None,
            why,
        });
    }
}
