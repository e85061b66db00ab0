//! What was promised to customers, and how a promise outlives the process.

use super::Distributor;
use crate::call_back::{CallBack, Promised};
use crate::contact::{Contact, State, Ticket, Way};
use crate::event::What;
use crate::id::{ContactId, QueueId};
use crate::limits::MAX_LIVE_CONTACTS;
use crate::output::Output;
use crate::selection::Place;
use crate::slot::Slot;
use core::time::Duration;
use rustc_hash::FxHashMap;

/// Who was promised a call, by queue and address.
#[derive(Debug, Default)]
pub(super) struct Promises(FxHashMap<QueueId, FxHashMap<String, ContactId>>);

impl Promises {
    pub fn count(&self, queue: &QueueId) -> usize {
        self.0.get(queue).map_or(0, FxHashMap::len)
    }

    pub fn find(&self, queue: &QueueId, to: &str) -> Option<ContactId> {
        self.0.get(queue)?.get(to).copied()
    }

    pub fn insert(&mut self, queue: &QueueId, to: &str, contact: ContactId) {
        let promised = self.0.entry(queue.clone()).or_default();
        promised.insert(to.to_owned(), contact);
    }

    /// Says whether it was there.
    pub fn remove(&mut self, queue: &QueueId, to: &str, contact: ContactId) -> bool {
        let Some(promised) = self.0.get_mut(queue) else {
            return false;
        };
        let there = promised.get(to) == Some(&contact);
        if there {
            promised.remove(to);
        }
        if promised.is_empty() {
            self.0.remove(queue);
        }
        there
    }
}

impl Distributor {
    /// What is to outlive this process.
    pub(super) fn keep_promise(&mut self, contact: ContactId) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let Some(ticket) = found.ticket.as_ref() else {
            return;
        };
        let Some(wanted) = &ticket.call_back else {
            return;
        };
        let promised = Promised {
            contact,
            to: wanted.to.clone(),
            due_unix_ms: wanted.due_unix_ms,
            tries: wanted.tries,
            waits_from_unix_ms: self.unix_of(wanted.waits_from),
            arrived_unix_ms: found.arrived_unix_ms,
            typed: ticket.typed.clone(),
            relax: ticket.relax.to_vec(),
            from: ticket.from.clone(),
            called: ticket.to.clone(),
            media: ticket.media.clone(),
        };
        self.out(Output::KeepCallBack(Box::new(promised)));
    }

    /// Goes on with a promise from before this process.
    pub(super) fn call_back_kept(&mut self, kept: Promised) {
        let contact = kept.contact;
        if self.contacts.contains_key(&contact) || self.asking.contains_key(&contact) {
            self.counters.dropped_repeated_contact += 1;
            return;
        }
        if self.contacts.len() >= MAX_LIVE_CONTACTS {
            self.counters.dropped_adoption += 1;
            return;
        }
        let later = kept.relax.iter().map(|step| &step.skills);
        for skills in core::iter::once(&kept.typed.skills).chain(later) {
            self.wish_again(&kept.typed.queue, skills);
        }
        self.arrivals += 1;
        let arrived = self.mono_at(kept.arrived_unix_ms);
        let (queue, to) = (kept.typed.queue.clone(), kept.to.clone());
        let (due_unix_ms, tries) = (kept.due_unix_ms, kept.tries);
        let found = Contact {
            state: State::Scheduled,
            arrived,
            arrived_unix_ms: kept.arrived_unix_ms,
            answered: None,
            held: None,
            ticket: Some(self.kept_ticket(kept, arrived)),
        };
        self.contacts.insert(contact, Box::new(found));
        self.promises.insert(&queue, &to, contact);
        self.tell(What::CallBackKept {
            contact,
            queue,
            to,
            due_unix_ms,
            tries,
        });
        self.schedule(contact);
    }

    fn kept_ticket(&mut self, kept: Promised, arrived: Duration) -> Ticket {
        let typed = kept.typed;
        let at = self.queue_at(&typed.queue);
        let class = self.class_of(&typed.queue, &typed.skills, Slot::CallBack);
        let queue = at.and_then(|at| self.queues.get(at));
        let queue = queue.map(|queue| &queue.declared);
        let came_ms = super::millis(arrived);
        let place = Place::new(typed.priority, queue, came_ms, self.arrivals, kept.contact);
        let wanted = CallBack {
            to: kept.to,
            due: self.mono_at(kept.due_unix_ms),
            due_unix_ms: kept.due_unix_ms,
            waits_from: self.mono_at(kept.waits_from_unix_ms),
            tries: kept.tries,
            on_the_line: false,
        };
        let mut ticket = Ticket::new(typed, place, (Slot::CallBack, Way::Outside));
        (ticket.queue, ticket.class) = (at, class);
        ticket.relax = kept.relax.into();
        (ticket.from, ticket.to) = (kept.from, kept.called);
        ticket.media = kept.media;
        ticket.call_back = Some(Box::new(wanted));
        ticket
    }

    /// The moment of Unix time of a reading of the clock, if that is not set meanwhile.
    pub(super) fn unix_of(&self, mono: Duration) -> u64 {
        let ago = self.since_ms(mono);
        self.unix_at(mono).saturating_sub(ago)
    }
}
