//! Contacts arriving, waiting, and leaving before they are connected.

use super::{Distributor, seconds};
use crate::centre::{Relax, WhenNoAgents};
use crate::contact::{Contact, State, Ticket};
use crate::event::{OfferEnd, What};
use crate::explain::Typed;
use crate::facts::Facts;
use crate::id::{ContactId, QueueId};
use crate::limits::{
    MAX_INFO_VALUES, MAX_LIVE_CONTACTS, MAX_SUBJECT_BYTES, OVERLOAD_RETRY_AFTER_S,
};
use crate::media::Usable;
use crate::output::{Output, RefuseReason};
use crate::selection::Place;
use crate::timers::Timer;
use crate::typing::{Decision, Match};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a contact that arrived is refused at once.
pub(super) struct Refusal {
    pub why: RefuseReason,
    pub status: u16,
}

/// What a contact is, with the steps in which it asks for less, and the conditions that held.
type Outcome = Result<((Typed, Arc<[Relax]>), Vec<String>), Refusal>;

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
        let (outcome, failed) = self.type_contact_at(facts, &usable, self.now.unix_ms);
        self.counters.expressions_failed += failed;
        match outcome {
            Ok(((typed, relax), because)) => {
                let ticket = self.ticket(contact, facts, &usable, typed, relax);
                self.typed(contact, facts, ticket, because);
            }
            Err(refusal) => self.refuse_new(contact, &refusal),
        }
    }

    /// What a contact is, or why it cannot be served whoever is free; and how many expressions
    /// failed on the way.
    pub(super) fn type_contact_at(
        &self,
        facts: &Facts,
        usable: &Usable,
        unix_ms: u64,
    ) -> (Outcome, u64) {
        if let Some(why) = self.cannot_type(usable) {
            return (Err(why.into()), 0);
        }
        let decided = self.rules.decide(facts, usable, unix_ms);
        let outcome = match decided.matched {
            None => Err(RefuseReason::NoRule.into()),
            Some(Match { decision, because }) => match decision {
                Decision::Queue(typed, relax) => Ok(((typed, relax), because)),
                Decision::Refuse(status) => Err(Refusal {
                    why: RefuseReason::ByRule,
                    status,
                }),
            },
        };
        (outcome, decided.failed_expressions)
    }

    fn cannot_type(&self, usable: &Usable) -> Option<RefuseReason> {
        if self.contacts.len() >= MAX_LIVE_CONTACTS {
            Some(RefuseReason::TooManyContacts)
        } else if self.centre.is_none() {
            Some(RefuseReason::NotConfigured)
        } else if usable.media.is_empty() {
            Some(RefuseReason::NoUsableMedium)
        } else {
            None
        }
    }

    fn typed(&mut self, contact: ContactId, facts: &Facts, ticket: Ticket, because: Vec<String>) {
        self.tell(What::ContactTyped {
            contact,
            call_type: ticket.typed.call_type.clone(),
            rule: ticket.typed.rule.clone(),
            version: self.version,
            because,
            queue: ticket.typed.queue.clone(),
            skills: ticket.typed.skills.clone(),
            priority: ticket.typed.priority,
            attributes: ticket.typed.attributes.clone(),
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
            return self.has_no_room(contact, why);
        }
        self.timers.set(Timer::MaxWait(contact), deadline);
        self.set_overflow_timer(contact);
        self.set_relax_timer(contact);
        self.stick(contact);
        self.start_waiting(contact);
    }

    fn ticket(
        &mut self,
        contact: ContactId,
        facts: &Facts,
        usable: &Usable,
        typed: Typed,
        relax: Arc<[Relax]>,
    ) -> Ticket {
        self.arrivals += 1;
        let at = self.queue_at(&typed.queue);
        let queue = at
            .and_then(|at| self.queues.get(at))
            .map(|queue| &queue.declared);
        let max_wait = queue.map_or(0, |queue| queue.max_wait_seconds);
        let came_ms = super::millis(self.now.mono);
        let remembered = queue.is_some_and(|queue| queue.sticky_seconds.is_some());
        Ticket {
            place: Place::new(typed.priority, queue, came_ms, self.arrivals, contact),
            queue: at,
            class: self.classes.find(&typed.queue, &typed.skills),
            deadline: self.now.mono.saturating_add(seconds(max_wait)),
            relax,
            relaxed: 0,
            before: Vec::new(),
            expected: None,
            offers: Vec::new(),
            sticks_to: None,
            caller: remembered.then(|| clipped(&facts.from).into()),
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

    pub(super) fn queue_at(&self, queue: &QueueId) -> Option<usize> {
        let mut queues = self.queues.iter();
        queues.position(|found| found.declared.id == *queue)
    }

    /// Why a contact may not begin to wait. One that finds a free agent need not wait.
    pub(super) fn no_room(&self, ticket: &Ticket) -> Option<RefuseReason> {
        let (Some(queue), Some(class)) = (ticket.queue, ticket.class) else {
            return Some(RefuseReason::QueueRemoved);
        };
        // It has its one agent at once, or is refused: it takes no place in the queue.
        match ticket.only {
            Some(_) => None,
            None => self.room_in(queue, class),
        }
    }

    /// Why a queue does not take one more contact that asks for that.
    pub(super) fn room_in(&self, queue: usize, class: usize) -> Option<RefuseReason> {
        let (Some(queue), Some(class)) = (self.queues.get(queue), self.classes.get(class)) else {
            return Some(RefuseReason::QueueRemoved);
        };
        if !class.free.is_empty() {
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
    pub(super) fn start_waiting(&mut self, contact: ContactId) {
        self.note_wants(contact);
        self.serve_contact(contact);
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let (State::Waiting, Some(ticket)) = (found.state, &found.ticket) else {
            return;
        };
        if ticket.only.is_some() {
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
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        let Some(ticket) = ticket else {
            return;
        };
        let place = ticket.place;
        let agent = ticket.sticks_to.as_ref();
        let waiting_here = match agent.and_then(|agent| self.agents.get_mut(agent)) {
            Some(agent) => Some(&mut agent.wanted),
            None => ticket
                .class
                .and_then(|class| self.classes.get_mut(class))
                .map(|class| &mut class.waiting),
        };
        let Some(here) = waiting_here else {
            return;
        };
        if waiting {
            here.insert(place);
        } else {
            here.remove(&place);
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
        match found.state {
            State::Waiting | State::Offered => {}
            // CANCEL has no effect once there was a final answer (RFC 3261 section 9.2).
            State::Connected(_) => {
                self.counters.dropped_late += 1;
                return;
            }
        }
        let agent = found.offer().and_then(|offer| self.legs.get(&offer));
        let agent = agent.map(|leg| leg.agent.clone());
        let waited_ms = self.since_ms(found.arrived);
        let Some(ticket) = found.ticket.as_ref() else {
            return;
        };
        let (queue, offers) = (ticket.typed.queue.clone(), ticket.offers.clone());
        self.count_kept(contact, false);
        self.counters.abandoned += 1;
        self.remove_contact(contact);
        self.tell(What::ContactAbandoned {
            contact,
            queue,
            agent,
            waited_ms,
        });
        for offer in offers {
            self.take_back(offer, OfferEnd::CallerGone);
        }
    }

    /// Counts a contact for its queue's service level. One that gave up in time counts for
    /// neither side.
    pub(super) fn count_kept(&mut self, contact: ContactId, answered: bool) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let waited = self.now.mono.saturating_sub(found.arrived);
        let queue = found.ticket.as_ref().and_then(|ticket| ticket.queue);
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
        let waited_ms = self.since_ms(found.arrived);
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
        self.timers.cancel(&Timer::Overflow(contact));
        self.timers.cancel(&Timer::Relax(contact));
        self.timers.cancel(&Timer::Unstick(contact));
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
