//! Contacts arriving, waiting, and leaving before they are connected.

use super::{Distributor, seconds};
use crate::centre::WhenNoAgents;
use crate::contact::{Contact, State, Ticket};
use crate::event::{OfferEnd, What};
use crate::explain::Typed;
use crate::facts::Facts;
use crate::id::ContactId;
use crate::limits::{
    MAX_INFO_VALUES, MAX_LIVE_CONTACTS, MAX_SUBJECT_BYTES, OVERLOAD_RETRY_AFTER_S,
};
use crate::media::Usable;
use crate::output::{Output, RefuseReason};
use crate::selection::Place;
use crate::timers::Timer;
use crate::typing::{Decision, Match};
use core::cmp::Reverse;
use std::collections::BTreeMap;

/// Why a contact that arrived is refused at once.
pub(super) struct Refusal {
    pub why: RefuseReason,
    pub status: u16,
}

impl From<RefuseReason> for Refusal {
    fn from(why: RefuseReason) -> Self {
        Self {
            why,
            status: why.status(),
        }
    }
}

impl Distributor {
    pub(super) fn arrived(&mut self, contact: ContactId, facts: &Facts) {
        if self.contacts.contains_key(&contact) || self.memory.had_contact(contact) {
            self.counters.dropped_repeated_contact += 1;
            return;
        }
        self.counters.arrived += 1;
        let usable = Usable::of(facts);
        match self.type_contact_at(facts, &usable, self.now.unix_ms) {
            Ok((typed, because)) => self.typed(contact, facts, &usable, typed, because),
            Err(refusal) => self.refuse_new(contact, &refusal),
        }
    }

    /// What a contact is, or why it cannot be served whoever is free.
    pub(super) fn type_contact_at(
        &self,
        facts: &Facts,
        usable: &Usable,
        unix_ms: u64,
    ) -> Result<(Typed, Vec<String>), Refusal> {
        if self.contacts.len() >= MAX_LIVE_CONTACTS {
            return Err(RefuseReason::TooManyContacts.into());
        }
        if self.centre.is_none() {
            return Err(RefuseReason::NotConfigured.into());
        }
        if usable.media.is_empty() {
            return Err(RefuseReason::NoUsableMedium.into());
        }
        let Match { decision, because } = self
            .rules
            .decide(facts, usable, unix_ms)
            .ok_or(RefuseReason::NoRule)?;
        match decision {
            Decision::Queue(typed) => Ok((typed, because)),
            Decision::Refuse(status) => Err(Refusal {
                why: RefuseReason::ByRule,
                status,
            }),
        }
    }

    fn typed(
        &mut self,
        contact: ContactId,
        facts: &Facts,
        usable: &Usable,
        typed: Typed,
        because: Vec<String>,
    ) {
        let ticket = self.ticket(contact, facts, usable, typed);
        self.tell(What::ContactTyped {
            contact,
            call_type: ticket.typed.call_type.clone(),
            rule: ticket.typed.rule.clone(),
            because,
            queue: ticket.typed.queue.clone(),
            skills: ticket.typed.skills.clone(),
            priority: ticket.typed.priority,
            from: ticket.from.clone(),
            to: ticket.to.clone(),
            media: ticket.media.clone(),
            info: info(facts),
        });
        let (queue, place, deadline) = (ticket.queue, ticket.place, ticket.deadline);
        let refusal = self.no_room(&ticket);
        let arrived = Contact {
            state: State::Waiting,
            ticket: Some(ticket),
            arrived: self.now.mono,
            arrived_unix_ms: self.now.unix_ms,
            answered: None,
        };
        self.contacts.insert(contact, Box::new(arrived));
        if let Some(queue) = queue.and_then(|queue| self.queues.get_mut(queue)) {
            queue.places.insert(place);
        }
        if let Some(why) = refusal {
            self.refuse_waiting(contact, why);
            return;
        }
        self.timers.set(Timer::MaxWait(contact), deadline);
        self.start_waiting(contact);
    }

    fn ticket(
        &mut self,
        contact: ContactId,
        facts: &Facts,
        usable: &Usable,
        typed: Typed,
    ) -> Ticket {
        self.arrivals += 1;
        let queue = self
            .queues
            .iter()
            .position(|queue| queue.declared.id == typed.queue);
        let max_wait = queue
            .and_then(|queue| self.queues.get(queue))
            .map_or(0, |queue| queue.declared.max_wait_seconds);
        Ticket {
            place: Place {
                priority: Reverse(typed.priority),
                arrival: self.arrivals,
                contact,
            },
            queue,
            class: queue.map(|_| self.classes.intern(&typed.queue, &typed.skills)),
            deadline: self.now.mono.saturating_add(seconds(max_wait)),
            skipped: Vec::new(),
            only: facts.wanted_agent.clone(),
            from: clipped(&facts.from),
            to: clipped(if facts.to.is_empty() {
                &facts.request_uri
            } else {
                &facts.to
            }),
            media: usable.kinds(),
            typed,
        }
    }

    /// Why a contact may not begin to wait. One that finds a free agent need not wait.
    pub(super) fn no_room(&self, ticket: &Ticket) -> Option<RefuseReason> {
        let (Some(queue), Some(class)) = (
            ticket.queue.and_then(|queue| self.queues.get(queue)),
            ticket.class.and_then(|class| self.classes.get(class)),
        ) else {
            return Some(RefuseReason::QueueRemoved);
        };
        if ticket.only.is_some() {
            // It has its agent at once, or is refused: it takes no place in the queue.
            None
        } else if !class.free.is_empty() {
            None
        } else if queue.staffed == 0 && queue.declared.when_no_agents == WhenNoAgents::Refuse {
            Some(RefuseReason::NoAgents)
        } else if queue.places.len() >= queue.declared.max_length {
            Some(RefuseReason::QueueFull)
        } else {
            None
        }
    }

    /// Makes a contact wait, unless an agent is free for it. It has its place already.
    fn start_waiting(&mut self, contact: ContactId) {
        self.set_waiting(contact, true);
        if self.serve_contact(contact) {
            return;
        }
        let Some(ticket) = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref()) else {
            return;
        };
        if ticket.only.is_some() {
            return self.refuse_waiting(contact, RefuseReason::AgentUnavailable);
        }
        let queue = ticket.typed.queue.clone();
        let position = self.position(ticket);
        let choice = self.choice(ticket, None);
        self.out(Output::Queued {
            contact,
            queue: queue.clone(),
            position,
        });
        self.tell(What::ContactQueued {
            contact,
            queue,
            position,
            choice,
        });
    }

    /// After an offer that failed: the contact still has its place.
    pub(super) fn back_to_waiting(&mut self, contact: ContactId) {
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

    /// Enters a contact among those that its class serves, or takes it from them.
    pub(super) fn set_waiting(&mut self, contact: ContactId, waiting: bool) {
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        let Some((place, class)) = ticket.and_then(|t| Some((t.place, t.class?))) else {
            return;
        };
        if let Some(class) = self.classes.get_mut(class) {
            if waiting {
                class.waiting.insert(place);
            } else {
                class.waiting.remove(&place);
            }
        }
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

    pub(super) fn cancelled(&mut self, contact: ContactId) {
        let Some(found) = self.contacts.get(&contact) else {
            self.counters.dropped_unknown_contact += 1;
            return;
        };
        let offer = match found.state {
            State::Waiting => None,
            State::Offered(offer) => Some(offer),
            // CANCEL has no effect once there was a final answer (RFC 3261 section 9.2).
            State::Connected(_) => {
                self.counters.dropped_late += 1;
                return;
            }
        };
        let agent = offer
            .and_then(|offer| self.legs.get(&offer))
            .map(|leg| leg.agent.clone());
        let waited_ms = self.since_ms(found.arrived);
        let Some(queue) = found.ticket.as_ref().map(|t| t.typed.queue.clone()) else {
            return;
        };
        self.counters.abandoned += 1;
        self.remove_contact(contact);
        self.tell(What::ContactAbandoned {
            contact,
            queue,
            agent,
            waited_ms,
        });
        if let Some(offer) = offer {
            self.take_back(offer, OfferEnd::CallerGone);
        }
    }

    /// Refuses a contact that is in state `Waiting`.
    pub(super) fn refuse_waiting(&mut self, contact: ContactId, why: RefuseReason) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let waited_ms = self.since_ms(found.arrived);
        let ticket = found.ticket.as_ref();
        let queue = ticket.map(|t| t.typed.queue.clone());
        let declared = ticket
            .and_then(|t| t.queue)
            .and_then(|queue| self.queues.get(queue));
        let retry = declared.map_or(OVERLOAD_RETRY_AFTER_S, |q| q.declared.retry_after_seconds);
        self.remove_contact(contact);
        self.counters.refused += 1;
        let status = why.status();
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
    fn refuse_new(&mut self, contact: ContactId, refusal: &Refusal) {
        let Refusal { why, status } = *refusal;
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
            waited_ms: 0,
        });
    }

    /// Takes a contact out of everything but its legs.
    pub(super) fn remove_contact(&mut self, contact: ContactId) {
        self.set_waiting(contact, false);
        self.leave_queue(contact);
        self.contacts.remove(&contact);
        self.counters.forgotten_early += self.memory.contact(contact, self.now.mono);
    }

    /// Gives up a contact's place and the timers that go with it.
    pub(super) fn leave_queue(&mut self, contact: ContactId) {
        self.timers.cancel(&Timer::MaxWait(contact));
        let found = self.contacts.get_mut(&contact);
        let Some(ticket) = found.and_then(|c| c.ticket.as_mut()) else {
            return;
        };
        for (agent, _) in ticket.skipped.drain(..) {
            self.timers.cancel(&Timer::Skip(contact, agent));
        }
        if let Some(queue) = ticket.queue.and_then(|queue| self.queues.get_mut(queue)) {
            queue.places.remove(&ticket.place);
        }
    }
}

/// Headers that tell the agent of the call (requirement A10).
const INFO: [&str; 6] = [
    "alert-info",
    "call-info",
    "diversion",
    "history-info",
    "p-asserted-identity",
    "user-to-user",
];

/// What came with the call for the agent, at most [`MAX_INFO_VALUES`] values together.
fn info(facts: &Facts) -> BTreeMap<String, Vec<String>> {
    let told = facts.headers.iter().filter_map(|(name, value)| {
        let known = INFO.iter().find(|known| known.eq_ignore_ascii_case(name))?;
        Some(((*known).to_string(), clipped(value)))
    });
    let mut info: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in told.take(MAX_INFO_VALUES) {
        info.entry(name).or_default().push(value);
    }
    info
}

/// A text of at most [`MAX_SUBJECT_BYTES`].
fn clipped(text: &str) -> String {
    let mut end = text.len().min(MAX_SUBJECT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_string()
}
