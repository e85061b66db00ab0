//! Contacts that arrive: what they are, and whether their queue takes them.

use super::{Distributor, seconds};
use crate::centre::{Relax, WhenNoAgents};
use crate::contact::{Contact, State, Ticket, Way};
use crate::event::What;
use crate::explain::Typed;
use crate::facts::Facts;
use crate::id::{ContactId, MenuId, QueueId, RuleId};
use crate::limits::{MAX_INFO_VALUES, MAX_LIVE_CONTACTS, MAX_SUBJECT_BYTES};
use crate::media::Usable;
use crate::named::Named;
use crate::output::RefuseReason;
use crate::selection::Place;
use crate::timers::Timer;
use crate::typing::{Decision, Match};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a contact that arrived is refused at once.
pub(super) struct Refusal {
    pub why: RefuseReason,
    pub status: u16,
}

/// When a contact arrived, on both clocks, and as which one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub at: Duration,
    pub unix_ms: u64,
    pub order: u64,
    pub way: Way,
    /// Its caller hears something already.
    pub hears: bool,
    /// And was answered for that.
    pub picked_up: bool,
}

/// What a contact is, with the steps in which it asks for less, and the conditions that held.
pub(super) type Outcome = Result<((Typed, Arc<[Relax]>), Vec<String>), Refusal>;

/// What the rules say of a contact.
pub(super) enum Ruled {
    Settled(Outcome),
    /// Its caller chooses from this menu, by that rule.
    Menu(MenuId, RuleId),
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
    pub(super) fn arrived(&mut self, contact: ContactId, facts: Box<Facts>, way: Way) {
        self.arrives(contact, facts, way, false);
    }

    /// A contact that arrives, perhaps in a call that was answered before.
    pub(super) fn arrives(
        &mut self,
        contact: ContactId,
        facts: Box<Facts>,
        way: Way,
        in_call: bool,
    ) {
        if self.is_known(contact) {
            self.counters.dropped_repeated_contact += 1;
            return;
        }
        self.counters.arrived += 1;
        self.arrivals += 1;
        let came = Came {
            at: self.now.mono,
            unix_ms: self.now.unix_ms,
            order: self.arrivals,
            way,
            hears: in_call,
            picked_up: in_call,
        };
        let usable = Usable::of(&facts);
        let alone = self.servers.is_empty() && !self.looks_back;
        match (self.cannot_type(&usable), &facts.named) {
            (Some(why), _) => self.settle(contact, came, (&facts, &usable), Err(why.into())),
            (None, Some(named)) => {
                let outcome = self.as_named(named);
                self.settle(contact, came, (&facts, &usable), outcome);
            }
            (None, None) if alone => self.type_by_rules(contact, came, (&facts, &usable)),
            (None, None) => self.ask_or_type(contact, came, facts, &usable),
        }
    }

    /// Whether a contact of that name is or was here.
    pub(super) fn is_known(&self, contact: ContactId) -> bool {
        self.contacts.contains_key(&contact)
            || self.asking.contains_key(&contact)
            || self.choosing.contains_key(&contact)
            || self.memory.had_contact(contact)
    }

    /// Lets the rules decide what the contact is.
    pub(super) fn type_by_rules(
        &mut self,
        contact: ContactId,
        came: Came,
        (facts, usable): (&Facts, &Usable),
    ) {
        let (ruled, failed) = self.type_contact_at(facts, usable, self.now.unix_ms);
        self.counters.expressions_failed += failed;
        match ruled {
            Ruled::Settled(outcome) => self.settle(contact, came, (facts, usable), outcome),
            Ruled::Menu(menu, rule) => {
                self.enters_menu(contact, came, (facts, usable), (menu, rule));
            }
        }
    }

    /// Takes a contact in as what it is, or refuses it.
    pub(super) fn settle(
        &mut self,
        contact: ContactId,
        came: Came,
        (facts, usable): (&Facts, &Usable),
        outcome: Outcome,
    ) {
        match outcome {
            Ok(((typed, relax), because)) => {
                let ticket = self.ticket((contact, came), (facts, usable), typed, relax);
                self.typed((contact, came), facts, ticket, because);
            }
            Err(refusal) => self.refuse_new(contact, &refusal, came.at),
        }
    }

    /// What a contact is, or why it cannot be served whoever is free; and how many expressions
    /// failed on the way.
    pub(super) fn type_contact_at(
        &self,
        facts: &Facts,
        usable: &Usable,
        unix_ms: u64,
    ) -> (Ruled, u64) {
        if let Some(why) = self.cannot_type(usable) {
            return (Ruled::Settled(Err(why.into())), 0);
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
                Decision::Menu(menu, rule) => {
                    return (Ruled::Menu(menu, rule), decided.failed_expressions);
                }
            },
        };
        (Ruled::Settled(outcome), decided.failed_expressions)
    }

    pub(super) fn cannot_type(&self, usable: &Usable) -> Option<RefuseReason> {
        if self.held().contacts >= MAX_LIVE_CONTACTS {
            Some(RefuseReason::TooManyContacts)
        } else if self.centre.is_none() {
            Some(RefuseReason::NotConfigured)
        } else if usable.media.is_empty() {
            Some(RefuseReason::NoUsableMedium)
        } else {
            None
        }
    }

    fn typed(
        &mut self,
        (contact, came): (ContactId, Came),
        facts: &Facts,
        ticket: Ticket,
        because: Vec<String>,
    ) {
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
            medium: ticket.slot,
            carried: ticket.way,
            info: info(facts),
        });
        let (queue, place, deadline) = (ticket.queue, ticket.place, ticket.deadline);
        let refusal = self.no_room(&ticket);
        let later = ticket.call_back.is_some();
        let arrived = Contact {
            state: if later {
                State::Scheduled
            } else {
                State::Waiting
            },
            ticket: Some(ticket),
            arrived: came.at,
            arrived_unix_ms: came.unix_ms,
            answered: None,
            held: None,
        };
        self.contacts.insert(contact, Box::new(arrived));
        if later {
            return self.promise_asked(contact);
        }
        if let Some(queue) = queue.and_then(|queue| self.queues.get_mut(queue)) {
            queue.places.insert(place);
        }
        // These go with it wherever it waits.
        self.set_relax_timer(contact);
        self.set_asker_timer(contact);
        if let Some(why) = refusal {
            return self.has_no_room(contact, why);
        }
        self.timers.set(Timer::MaxWait(contact), deadline);
        self.stick(contact);
        self.waits_in_queue(contact);
    }

    /// A contact begins to wait in a queue, new, from another one, or from before this process.
    pub(super) fn waits_in_queue(&mut self, contact: ContactId) {
        self.set_overflow_timer(contact);
        self.set_late_timer(contact);
        self.hear_anew(contact);
        self.start_waiting(contact);
    }

    pub(super) fn ticket(
        &mut self,
        (contact, came): (ContactId, Came),
        (facts, usable): (&Facts, &Usable),
        typed: Typed,
        relax: Arc<[Relax]>,
    ) -> Ticket {
        let slot = usable.slot(facts);
        let class = self.class_of(&typed.queue, &typed.skills, slot);
        let at = self.queue_at(&typed.queue);
        let queue = at
            .and_then(|at| self.queues.get(at))
            .map(|queue| &queue.declared);
        let max_wait = queue.map_or(0, |queue| queue.max_wait_seconds);
        let waited = facts
            .named
            .as_ref()
            .map_or(Duration::ZERO, |it| it.waited());
        let came_ms = super::millis(came.at.saturating_sub(waited));
        let remembered = queue.is_some_and(|queue| queue.sticky_seconds.is_some());
        let way = match came.way {
            Way::Outside => Way::Outside,
            _ if came.picked_up => Way::Relay,
            _ => queue.map_or(Way::Relay, |queue| queue.hand_over.way()),
        };
        let place = Place::new(typed.priority, queue, came_ms, came.order, contact);
        let call_back = facts.call_back.as_ref().map(|wish| self.wished(wish));
        let mut ticket = Ticket::new(typed, place, (slot, way));
        (ticket.queue, ticket.class) = (at, class);
        ticket.waited_before = waited;
        ticket.entered = self.now.mono;
        ticket.deadline = self.now.mono.saturating_add(seconds(max_wait));
        ticket.relax = relax;
        ticket.caller = remembered.then(|| clipped(&facts.from).into());
        ticket.only = facts.wanted_agent.clone();
        (ticket.from, ticket.to) = (clipped(&facts.from), clipped(facts.called()));
        ticket.media = usable.kinds();
        ticket.call_back = call_back.map(Box::new);
        (ticket.hears, ticket.picked_up) = (came.hears, came.picked_up);
        ticket
    }

    /// What a contact is by the word of whoever asks for its agent.
    fn as_named(&mut self, named: &Named) -> Outcome {
        if self.queue_at(&named.queue).is_none() {
            return Err(RefuseReason::QueueRemoved.into());
        }
        if !self.can_wish(&named.queue, &named.skills) {
            return Err(RefuseReason::TooManySkills.into());
        }
        let typed = Typed {
            rule: named.by.clone(),
            call_type: named.by.to_string(),
            queue: named.queue.clone(),
            skills: named.skills.clone(),
            priority: named.priority,
            attributes: BTreeMap::new(),
        };
        let because = match named.waited() {
            Duration::ZERO => format!("{} names the queue", named.by),
            waited => format!(
                "{} names the queue, and it has waited there for {} s",
                named.by,
                waited.as_secs()
            ),
        };
        Ok(((typed, Arc::default()), vec![because]))
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
        } else if queue.staffed == 0
            && queue.declared.when_no_agents == WhenNoAgents::Refuse
            && !self.doors.lead_on(&queue.declared.id)
        {
            Some(RefuseReason::NoAgents)
        } else if queue.places.len() >= queue.declared.max_length {
            Some(RefuseReason::QueueFull)
        } else {
            None
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
pub(super) fn clipped(text: &str) -> String {
    let mut end = text.len().min(MAX_SUBJECT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_string()
}
