//! What must be true after every step, from what was seen outside and from the snapshot.

use patchbay_core::centre::Centre;
use patchbay_core::snapshot::{ContactState, Snapshot};
use patchbay_core::{
    Activity, AgentId, ContactId, Event, OfferEnd, OfferId, Output, QueueId, Status, What,
};
use std::collections::{BTreeMap, BTreeSet};

/// A contact as the outside saw it.
#[derive(Debug)]
pub struct Seen {
    pub order: u64,
    pub queue: Option<QueueId>,
    pub priority: i32,
    pub skills: BTreeMap<String, u8>,
    /// When it has waited as long as its queue allowed when it came.
    pub deadline: u64,
}

#[derive(Default)]
pub struct Oracle {
    /// Contacts without a final answer.
    pub unanswered: BTreeMap<ContactId, Seen>,
    /// 200, 487 for a caller that gave up, the status of the refusal, or 503 for one whose control
    /// process died.
    pub answers: BTreeMap<ContactId, u16>,
    arrivals: u64,
    /// Offers that did not end yet: contact and agent.
    open: BTreeMap<OfferId, (ContactId, AgentId)>,
    ended: BTreeSet<OfferId>,
    /// The agent's activity as events told it.
    told: BTreeMap<AgentId, Activity>,
    /// When a contact must be offered to an agent again, if it failed it.
    skips: BTreeMap<(ContactId, AgentId), u64>,
    /// When it may be, at the earliest.
    firm_skips: BTreeMap<(ContactId, AgentId), u64>,
    /// Offers taken back, with the time until which their contact then passes over their agent.
    taken_back: BTreeMap<OfferId, u64>,
    /// Since when a busy agent has had no session on the relay.
    without_leg: BTreeMap<AgentId, (OfferId, u64)>,
    pub offers: u64,
    pub connected: u64,
}

/// Longest time that an agent may seem to be in a call that the relay does not have: one interval
/// of the list, one more for a list that was under way, and delays.
const PHANTOM_CALL_MS: u64 = 75_000;
/// Longest time that an agent may be reserved for an offer that the relay does not have: ring
/// timer, guard timer, and lateness.
const PHANTOM_OFFER_MS: u64 = 65_000;

impl Oracle {
    pub fn arrived(&mut self, contact: ContactId) {
        self.arrivals += 1;
        let seen = Seen {
            order: self.arrivals,
            queue: None,
            priority: 0,
            skills: BTreeMap::new(),
            deadline: u64::MAX,
        };
        assert!(self.unanswered.insert(contact, seen).is_none());
    }

    /// Invariant 5: one final answer to every INVITE.
    pub fn answer(&mut self, contact: ContactId, status: u16) {
        let earlier = self.answers.insert(contact, status);
        assert_eq!(earlier, None, "{contact} gets {status} as a second answer");
        let seen = self.unanswered.remove(&contact);
        assert!(seen.is_some(), "{contact} never arrived");
    }

    /// The process that knew them is gone, and with it the INVITEs that it had not answered.
    pub fn control_restarted(&mut self) {
        while let Some((contact, _)) = self.unanswered.pop_first() {
            self.answers.insert(contact, 503);
        }
        self.open.clear();
        self.told.clear();
        self.skips.clear();
        self.firm_skips.clear();
        self.taken_back.clear();
        self.without_leg.clear();
    }

    pub fn output(&mut self, output: &Output, now: u64, centre: &Centre) {
        let skip = u64::from(centre.offers.skip_seconds) * 1_000;
        match output {
            Output::Offer {
                contact,
                offer,
                agent,
                ..
            } => self.offered(*contact, *offer, agent, now),
            Output::Accept { contact, .. } => {
                self.connected += 1;
                self.answer(*contact, 200);
            }
            Output::Refuse {
                contact, status, ..
            } => self.answer(*contact, *status),
            Output::CancelOffer { contact, offer } => {
                let (of, agent) = self.open.get(offer).expect("an open offer is cancelled");
                assert_eq!(of, contact);
                self.skips.insert((*contact, agent.clone()), now + skip);
                self.taken_back.insert(*offer, now + skip);
            }
            Output::Event(event) => self.event(event, now, skip, centre),
            Output::Queued { .. } | Output::EndSession { .. } | Output::ListSessions => {}
        }
    }

    fn offered(&mut self, contact: ContactId, offer: OfferId, agent: &AgentId, now: u64) {
        self.offers += 1;
        let live = self.unanswered.contains_key(&contact);
        assert!(live, "a contact that is not there is offered");
        // Invariant 1.
        let reserved = self.open.values().any(|(_, other)| other == agent);
        assert!(!reserved, "{agent} has a second reservation");
        let skip = self.firm_skips.get(&(contact, agent.clone()));
        assert!(skip.is_none_or(|until| *until <= now), "offered too soon");
        assert!(
            !self.ended.contains(&offer),
            "an offer's name is used again"
        );
        self.open.insert(offer, (contact, agent.clone()));
    }

    /// Invariant 2: every offer ends once.
    fn offer_ended(&mut self, offer: OfferId, contact: ContactId, agent: &AgentId) {
        let open = self.open.remove(&offer);
        assert_eq!(
            open,
            Some((contact, agent.clone())),
            "offer {offer} ends twice, or never began"
        );
        self.ended.insert(offer);
    }

    fn event(&mut self, event: &Event, now: u64, skip: u64, centre: &Centre) {
        match &event.what {
            What::ContactTyped {
                contact,
                queue,
                skills,
                priority,
                ..
            } => {
                let seen = self.unanswered.get_mut(contact).expect("arrived");
                seen.queue = Some(queue.clone());
                seen.priority = *priority;
                seen.skills = skills.clone();
                let declared = centre.queues.iter().find(|q| q.id == *queue);
                let max_wait = declared.expect("a declared queue").max_wait_seconds;
                seen.deadline = now + u64::from(max_wait) * 1_000;
            }
            What::ContactConnected {
                contact,
                offer,
                agent,
                ..
            } => self.offer_ended(*offer, *contact, agent),
            What::OfferFailed {
                contact,
                offer,
                agent,
                why,
                ..
            } => {
                self.offer_ended(*offer, *contact, agent);
                let skipped = matches!(
                    why,
                    OfferEnd::NoAnswer | OfferEnd::Declined | OfferEnd::NotAcceptable
                );
                let until = self.taken_back.remove(offer).unwrap_or(now + skip);
                if skipped {
                    self.skips.insert((*contact, agent.clone()), until);
                    self.firm_skips.insert((*contact, agent.clone()), until);
                }
            }
            What::AgentState { agent, activity } => {
                let before = self.told.insert(agent.clone(), activity.clone());
                assert_ne!(before.as_ref(), Some(activity), "told twice");
            }
            _ => {}
        }
    }

    pub fn check(&mut self, snapshot: &Snapshot, sessions: &BTreeSet<OfferId>, now: u64) {
        self.check_places(snapshot);
        self.check_nobody_waits_for_ever(snapshot, now);
        self.check_agents(snapshot, sessions, now);
        self.check_nobody_idle_while_wanted(snapshot, now);
    }

    /// Invariant 7: everybody who was typed and has no final answer is in its queue, in the order
    /// of priority and arrival, whatever happened to its offers.
    fn check_places(&self, snapshot: &Snapshot) {
        let mut expected: BTreeMap<&QueueId, Vec<(i32, u64, ContactId)>> = BTreeMap::new();
        for (contact, seen) in &self.unanswered {
            let there = snapshot.contacts.iter().any(|c| c.id == *contact);
            assert!(there, "{contact}, which has no final answer, is lost");
            let queue = seen.queue.as_ref().expect("typed");
            let row = (-seen.priority, seen.order, *contact);
            expected.entry(queue).or_default().push(row);
        }
        for queue in &snapshot.queues {
            let mut rows = expected.remove(&queue.id).unwrap_or_default();
            rows.sort_unstable();
            let rows: Vec<ContactId> = rows.into_iter().map(|row| row.2).collect();
            let places: Vec<ContactId> = queue.waiting.iter().map(|w| w.contact).collect();
            assert_eq!(places, rows, "places in {}", queue.id);
        }
        for (queue, rows) in expected {
            for (_, _, contact) in rows {
                let view = snapshot.contacts.iter().find(|c| c.id == contact);
                let state = view.map(|c| c.state);
                let ringing = state == Some(ContactState::Offered);
                assert!(ringing, "{contact} waits in {queue}, which is gone");
            }
        }
    }

    /// A contact that waits longer than its queue allowed is answered, but for the lateness of a
    /// timer. One that is on offer may wait for the phone.
    fn check_nobody_waits_for_ever(&self, snapshot: &Snapshot, now: u64) {
        let waiting = snapshot.contacts.iter();
        for contact in waiting.filter(|c| c.state == ContactState::Waiting) {
            let deadline = self.unanswered[&contact.id].deadline;
            assert!(now <= deadline + 10, "{} waits for ever", contact.id);
        }
    }

    fn check_agents(&mut self, snapshot: &Snapshot, sessions: &BTreeSet<OfferId>, now: u64) {
        for agent in &snapshot.agents {
            let told = self.told.get(&agent.id).unwrap_or(&Activity::Idle);
            assert_eq!(told, &agent.activity, "events and state of {}", agent.id);
            let (offer, limit) = match agent.activity {
                Activity::InCall { offer, .. } => (offer, PHANTOM_CALL_MS),
                Activity::Reserved { offer, .. } => (offer, PHANTOM_OFFER_MS),
                _ => {
                    self.without_leg.remove(&agent.id);
                    continue;
                }
            };
            // Invariant 3: nobody is busy without a leg for longer than the guard.
            if sessions.contains(&offer) {
                self.without_leg.remove(&agent.id);
                continue;
            }
            let since = self
                .without_leg
                .entry(agent.id.clone())
                .or_insert((offer, now));
            if since.0 != offer {
                *since = (offer, now);
            }
            assert!(
                now - since.1 <= limit,
                "{} is stuck: {:?} since {} ms",
                agent.id,
                agent.activity,
                now - since.1
            );
        }
        let known: BTreeSet<&AgentId> = snapshot.agents.iter().map(|a| &a.id).collect();
        self.told.retain(|agent, _| known.contains(agent));
        self.without_leg.retain(|agent, _| known.contains(agent));
    }

    /// Invariant 4: never an idle agent together with a contact that waits for it.
    fn check_nobody_idle_while_wanted(&self, snapshot: &Snapshot, now: u64) {
        for agent in &snapshot.agents {
            let free = agent.declared
                && agent.reachable
                && agent.status == Status::Ready
                && agent.activity == Activity::Idle;
            assert_eq!(free, agent.available, "{agent:?}");
            if !free {
                continue;
            }
            let waiting = snapshot
                .contacts
                .iter()
                .filter(|c| c.state == ContactState::Waiting);
            for contact in waiting {
                let seen = &self.unanswered[&contact.id];
                let serves = contact
                    .queue
                    .as_ref()
                    .is_some_and(|q| agent.queues.contains(q));
                let skilled = seen
                    .skills
                    .iter()
                    .all(|(skill, level)| agent.skills.get(skill).is_some_and(|has| has >= level));
                let skip = self.skips.get(&(contact.id, agent.id.clone()));
                let skipped = skip.is_some_and(|until| now < *until);
                assert!(
                    !(serves && skilled) || skipped,
                    "{} is idle while {} waits",
                    agent.id,
                    contact.id
                );
            }
        }
    }

    pub fn check_drained(&self) {
        assert!(
            self.open.is_empty(),
            "offers that never ended: {:?}",
            self.open
        );
        let unanswered: Vec<_> = self.unanswered.keys().collect();
        assert!(unanswered.is_empty(), "never answered: {unanswered:?}");
    }
}
