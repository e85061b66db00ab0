//! Views for the API: the state, and the dry run that explains (requirements A3, A4).

use super::arrive::Ruled;
use super::select::unavailable;
use super::{Distributor, Queue};
use crate::agent::Agent;
use crate::contact::{Contact, State, Ticket, Way};
use crate::explain::{Considered, Explanation, Outcome, Typed, Verdict};
use crate::facts::Facts;
use crate::id::{AgentId, ContactId};
use crate::input::Now;
use crate::limits::{MAX_EXPECTED, MAX_EXPLAINED_AGENTS};
use crate::media::Usable;
use crate::selection::{Place, lacking, serves};
use crate::slot::Slot;
use crate::snapshot::{AgentView, ContactState, ContactView, QueueView, Snapshot, WaitingView};
use core::time::Duration;

impl Distributor {
    /// The state for the API.
    pub fn snapshot(&self, now: Now) -> Snapshot {
        let mut agents: Vec<&Agent> = self.agents.values().collect();
        agents.sort_unstable_by(|a, b| a.declared.id.cmp(&b.declared.id));
        let contacts = self.contacts.iter();
        let mut contacts: Vec<ContactView> = contacts
            .map(|(id, contact)| self.contact_view(*id, contact))
            .chain(self.asking_views())
            .chain(self.choosing_views())
            .collect();
        contacts.sort_unstable_by_key(|view| (view.arrived_unix_ms, view.id));
        Snapshot {
            agents: agents
                .into_iter()
                .map(|agent| self.agent_view(agent))
                .collect(),
            queues: self
                .queues
                .iter()
                .enumerate()
                .map(|(at, queue)| self.queue_view(at, queue, now.mono))
                .collect(),
            contacts,
        }
    }

    /// One live contact; none if there is no such, or it is not typed yet.
    pub fn contact(&self, id: ContactId) -> Option<ContactView> {
        let contact = self.contacts.get(&id)?;
        Some(self.contact_view(id, contact))
    }

    fn agent_view(&self, agent: &Agent) -> AgentView {
        let queues = agent
            .queues
            .iter()
            .filter_map(|queue| self.queues.get(*queue));
        AgentView {
            id: agent.declared.id.clone(),
            name: agent.declared.name.clone(),
            status: agent.status.clone(),
            reachable: agent.reachable,
            activity: agent.activity.clone(),
            since_unix_ms: agent.activity_since_unix_ms,
            available: agent.free.contains(Slot::Call),
            free_for: agent.free.iter().collect(),
            capacity: agent.declared.capacity,
            calls: agent.legs.len(),
            skills: agent.declared.skills.clone(),
            queues: queues.map(|queue| queue.declared.id.clone()).collect(),
            missed: agent.missed,
            declared: agent.in_declaration,
        }
    }

    fn queue_view(&self, at: usize, queue: &Queue, now: Duration) -> QueueView {
        let free = self.agents.values().filter(|agent| {
            agent.free.contains(Slot::Call) && serves(&agent.declared, &queue.declared.id)
        });
        QueueView {
            id: queue.declared.id.clone(),
            waiting: queue
                .places
                .iter()
                .enumerate()
                .map(|(index, place)| self.waiting_view(index + 1, place, now))
                .collect(),
            max_length: queue.declared.max_length,
            connected: queue.connected,
            agents: queue.agents,
            agents_staffed: queue.staffed,
            agents_available: free.count(),
            expected_wait_ms: self.expected_next(at).map(super::millis),
            expected_wait_error_ms: queue.learned.error().map(super::millis),
        }
    }

    fn waiting_view(&self, position: usize, place: &Place, now: Duration) -> WaitingView {
        let contact = self.contacts.get(&place.contact);
        let waited = contact.map_or(Duration::ZERO, |c| now.saturating_sub(c.arrived));
        WaitingView {
            contact: place.contact,
            position,
            priority: contact
                .and_then(|c| c.ticket.as_ref())
                .map_or(0, |ticket| ticket.typed.priority),
            waited_ms: super::millis(waited),
            expected_ms: contact
                .filter(|_| position <= MAX_EXPECTED)
                .and_then(|c| self.expected(c.ticket.as_ref()?))
                .map(super::millis),
            offered_to: contact.map_or_else(Vec::new, |c| self.rung(c)),
        }
    }

    fn agent_of(&self, contact: &Contact) -> Option<&AgentId> {
        let leg = self.legs.get(&contact.offer()?)?;
        Some(&leg.agent)
    }

    fn rung(&self, contact: &Contact) -> Vec<AgentId> {
        let offers = contact.ticket.iter().flat_map(|ticket| &ticket.offers);
        let legs = offers.filter_map(|offer| self.legs.get(offer));
        legs.map(|leg| leg.agent.clone()).collect()
    }

    fn contact_view(&self, id: ContactId, contact: &Contact) -> ContactView {
        let state = match contact.state {
            State::Scheduled => ContactState::Scheduled,
            State::Waiting => ContactState::Waiting,
            State::Offered => ContactState::Offered,
            State::Connected(_) => ContactState::Connected,
        };
        let ticket = contact.ticket.as_ref();
        let text = |of: fn(&Ticket) -> &String| ticket.map(of).cloned().unwrap_or_default();
        ContactView {
            id,
            state,
            queue: ticket.map(|t| t.typed.queue.clone()),
            call_type: text(|t| &t.typed.call_type),
            rule: ticket.map(|t| t.typed.rule.clone()),
            agent: self.agent_of(contact).cloned(),
            offer: contact.offer(),
            waits_for: ticket.and_then(|ticket| ticket.sticks_to.clone()),
            from: text(|t| &t.from),
            to: text(|t| &t.to),
            media: ticket.map(|t| t.media.clone()).unwrap_or_default(),
            medium: ticket.map_or(Slot::Call, |t| t.slot),
            carried: self.way_of(contact),
            priority: ticket.map_or(0, |t| t.typed.priority),
            attributes: ticket
                .map(|t| t.typed.attributes.clone())
                .unwrap_or_default(),
            arrived_unix_ms: contact.arrived_unix_ms,
            answered_unix_ms: contact.answered.map(|(_, unix_ms)| unix_ms),
        }
    }

    /// What would happen to a contact with these facts, and why; changes nothing. Rules over the
    /// time of day are tried at [`Now::unix_ms`], which may be any time.
    pub fn explain(&mut self, facts: &Facts, now: Now) -> Explanation {
        let mut facts = facts.clone();
        let ruled = self.follow_link(&mut facts, now);
        let facts = &facts;
        let usable = Usable::of(facts);
        let rules = self.rules.explain(facts, &usable, now.unix_ms);
        let mut explanation = Explanation {
            media: usable.kinds(),
            unusable: usable.unusable.clone(),
            asks: self.would_ask(facts, &usable, now.unix_ms),
            rules,
            typed: None,
            choice: None,
            outcome: Outcome::Queue { position: 1 },
        };
        match ruled {
            Ruled::Settled(Ok(((typed, _), _))) => {
                let slot = usable.slot(facts);
                self.class_of(&typed.queue, &typed.skills, slot);
                self.explain_typed((typed, slot), now, &mut explanation);
            }
            Ruled::Menu(menu, _) => explanation.outcome = Outcome::Menu { menu },
            Ruled::Settled(Err(refusal)) => {
                explanation.outcome = Outcome::Refuse {
                    status: refusal.status,
                    why: refusal.why,
                };
            }
        }
        explanation
    }

    fn explain_typed(&self, typed: (Typed, Slot), now: Now, explanation: &mut Explanation) {
        let ticket = self.would_be(typed, now);
        let class = ticket.class.and_then(|class| self.classes.get(class));
        let chosen = class
            .and_then(|class| class.free.first())
            .map(|rank| rank.agent.clone());
        let mut choice = self.choice(&ticket, chosen.as_ref());
        self.add_unqualified(&ticket, &mut choice.considered);
        explanation.outcome = match (chosen, self.no_room(&ticket)) {
            (Some(agent), _) => Outcome::Offer { agent },
            (None, Some(why)) => Outcome::Refuse {
                status: why.status(),
                why,
            },
            (None, None) => Outcome::Queue {
                position: self.position(&ticket) + 1,
            },
        };
        explanation.choice = Some(choice);
        explanation.typed = Some(ticket.typed);
    }

    /// The ticket that a contact arriving now would get. Its class exists: every rule has one.
    fn would_be(&self, (typed, slot): (Typed, Slot), now: Now) -> Ticket {
        let at = self.queue_at(&typed.queue);
        let queue = at
            .and_then(|at| self.queues.get(at))
            .map(|queue| &queue.declared);
        let last = ContactId(u64::MAX);
        let came_ms = super::millis(now.mono);
        let place = Place::new(typed.priority, queue, came_ms, u64::MAX, last);
        let class = self.classes.find(&typed.queue, &typed.skills, slot);
        let mut ticket = Ticket::new(typed, place, (slot, Way::Relay));
        (ticket.queue, ticket.class) = (at, class);
        ticket
    }

    /// Adds agents that do not qualify, as far as the explanation has room.
    fn add_unqualified(&self, ticket: &Ticket, considered: &mut Vec<Considered>) {
        let mut agents: Vec<&Agent> = self.agents.values().collect();
        agents.sort_unstable_by(|a, b| a.declared.id.cmp(&b.declared.id));
        let room = MAX_EXPLAINED_AGENTS.saturating_sub(considered.len());
        let unqualified = agents.into_iter().filter_map(|agent| {
            let verdict = if !agent.in_declaration {
                unavailable(agent, ticket.slot)?
            } else if !serves(&agent.declared, &ticket.typed.queue) {
                Verdict::NotInQueue
            } else {
                let (skill, needs, has) = lacking(&ticket.typed.skills, &agent.declared)?;
                Verdict::LacksSkill {
                    skill: skill.into(),
                    needs,
                    has,
                }
            };
            Some(Considered {
                agent: agent.declared.id.clone(),
                verdict,
            })
        });
        considered.extend(unqualified.take(room));
    }
}
