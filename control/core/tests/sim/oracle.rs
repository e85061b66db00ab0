//! What must be true after every step, from what was seen outside and from the snapshot.

use patchbay_core::centre::Centre;
use patchbay_core::snapshot::{ContactState, ContactView, Snapshot};
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
    /// When it came.
    pub came: u64,
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
    /// Offers taken back, with the time until which their contact then passes over their agent, and
    /// whether all agents rang.
    taken_back: BTreeMap<OfferId, (u64, bool)>,
    /// Since when a busy agent has had no session on the relay.
    without_leg: BTreeMap<AgentId, (OfferId, u64)>,
    pub offers: u64,
    pub connected: u64,
}

/// Longest time that an agent may seem to be in a call that the relay does not have: one interval
/// of the list, one more for a list that was under way, and delays.
const PHANTOM_CALL_MS: u64 = 75_000;
/// Longest time that a contact may wait for one agent alone, and the lateness of a timer.
const STICKS_MS: u64 = 15_010;
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
            came: 0,
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
            } => self.offered(*contact, *offer, agent, now, centre),
            Output::Accept { contact, .. } => {
                self.connected += 1;
                self.answer(*contact, 200);
            }
            Output::Refuse {
                contact, status, ..
            } => self.answer(*contact, *status),
            Output::Redirect { contact, .. } => self.answer(*contact, 302),
            Output::CancelOffer { contact, offer } => {
                let (of, agent) = self.open.get(offer).expect("an open offer is cancelled");
                assert_eq!(of, contact);
                self.skips.insert((*contact, agent.clone()), now + skip);
                let all = self.rings_all(*contact, centre);
                self.taken_back.insert(*offer, (now + skip, all));
            }
            Output::Event(event) => self.event(event, now, skip, centre),
            Output::Queued { .. }
            | Output::Hear { .. }
            | Output::Say { .. }
            | Output::EndSession { .. }
            | Output::ListSessions => {}
        }
    }

    /// Whether a contact rings several agents, so that one that did not answer may ring again.
    fn rings_all(&self, contact: ContactId, centre: &Centre) -> bool {
        let seen = self.unanswered.get(&contact);
        let queue = seen.and_then(|seen| seen.queue.as_ref());
        let declared = centre.queues.iter().find(|q| Some(&q.id) == queue);
        declared.is_some_and(|queue| queue.at_once() > 1)
    }

    fn offered(
        &mut self,
        contact: ContactId,
        offer: OfferId,
        agent: &AgentId,
        now: u64,
        centre: &Centre,
    ) {
        self.offers += 1;
        let live = self.unanswered.contains_key(&contact);
        assert!(live, "a contact that is not there is offered");
        // Invariant 1: no more reservations than it takes calls.
        let reserved = self.open.values().filter(|(_, other)| other == agent);
        let declared = centre.agents.iter().find(|declared| declared.id == *agent);
        let capacity = declared.map_or(1, |declared| declared.capacity);
        assert!(
            reserved.count() < capacity,
            "{agent} has too many reservations"
        );
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
                seen.came = now;
                let declared = centre.queues.iter().find(|q| q.id == *queue);
                let max_wait = declared.expect("a declared queue").max_wait_seconds;
                seen.deadline = now + u64::from(max_wait) * 1_000;
            }
            What::ContactRelaxed {
                contact, skills, ..
            } => {
                let seen = self.unanswered.get_mut(contact).expect("not answered");
                seen.skills = skills.clone();
            }
            What::ContactMoved { contact, queue, .. } => {
                let seen = self.unanswered.get_mut(contact).expect("not answered");
                seen.queue = Some(queue.clone());
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
                let all = self.rings_all(*contact, centre);
                let (until, all) = self.taken_back.remove(offer).unwrap_or((now + skip, all));
                if skipped {
                    self.skips.insert((*contact, agent.clone()), until);
                }
                if skipped && !(all && *why == OfferEnd::NoAnswer) {
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

    pub fn check(
        &mut self,
        snapshot: &Snapshot,
        sessions: &BTreeSet<OfferId>,
        now: u64,
        centre: &Centre,
    ) {
        self.check_places(snapshot, centre);
        self.check_nobody_waits_for_ever(snapshot, now);
        self.check_nobody_sticks(snapshot, now);
        self.check_agents(snapshot, sessions, now);
        self.check_nobody_idle_while_wanted(snapshot, now, centre);
    }

    /// Invariant 7: everybody who was typed and has no final answer is in its queue, in the order
    /// of priority and arrival, whatever happened to its offers.
    fn check_places(&self, snapshot: &Snapshot, centre: &Centre) {
        let mut expected: BTreeMap<&QueueId, Vec<(i64, u64, ContactId)>> = BTreeMap::new();
        for (contact, seen) in &self.unanswered {
            let there = snapshot.contacts.iter().any(|c| c.id == *contact);
            assert!(there, "{contact}, which has no final answer, is lost");
            let queue = seen.queue.as_ref().expect("typed");
            let declared = centre.queues.iter().find(|q| q.id == *queue);
            let gain = declared.map_or(0, |queue| queue.priority_per_minute);
            let gained = seen.came * u64::from(gain) / 60;
            let order = gained as i64 - 1_000 * i64::from(seen.priority);
            let row = (order, seen.order, *contact);
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

    /// A contact waits for one agent alone only while that agent works, and not for ever.
    fn check_nobody_sticks(&self, snapshot: &Snapshot, now: u64) {
        for contact in &snapshot.contacts {
            let Some(agent) = &contact.waits_for else {
                continue;
            };
            let found = snapshot.agents.iter().find(|a| a.id == *agent);
            let waiting = contact.state == ContactState::Waiting;
            let ready = found.is_some_and(|a| a.reachable && a.status == Status::Ready);
            assert!(
                ready || !waiting,
                "{} waits for {agent}, who left",
                contact.id
            );
            let came = self
                .unanswered
                .get(&contact.id)
                .map_or(now, |seen| seen.came);
            assert!(!waiting || now <= came + STICKS_MS, "{} sticks", contact.id);
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

    /// Whether a contact would take one more agent.
    fn wants_more(&self, contact: &ContactView, snapshot: &Snapshot, now: u64, c: &Centre) -> bool {
        let queue = contact.queue.as_ref();
        let declared = c.queues.iter().find(|q| Some(&q.id) == queue);
        let places = snapshot.queues.iter().flat_map(|queue| &queue.waiting);
        let mut places = places.filter(|place| place.contact == contact.id);
        match contact.state {
            ContactState::Waiting => true,
            ContactState::Connected => false,
            ContactState::Offered => {
                let room = declared.map_or(0, |queue| queue.at_once());
                let rung = places.next().map_or(room, |place| place.offered_to.len());
                rung < room
                    && now < self.unanswered[&contact.id].deadline
                    && contact.waits_for.is_none()
            }
        }
    }

    /// Invariant 4: never an idle agent together with a contact that waits for it.
    fn check_nobody_idle_while_wanted(&self, snapshot: &Snapshot, now: u64, centre: &Centre) {
        for agent in &snapshot.agents {
            let ready = agent.declared && agent.reachable && agent.status == Status::Ready;
            let idle = ready && agent.activity == Activity::Idle;
            let free = agent.available;
            assert!(free || !idle, "{agent:?}");
            assert!(!free || ready && agent.calls < agent.capacity, "{agent:?}");
            assert!(idle || !free || agent.capacity > 1, "{agent:?}");
            if !free {
                continue;
            }
            let contacts = snapshot.contacts.iter();
            let waiting = contacts.filter(|c| self.wants_more(c, snapshot, now, centre));
            for contact in waiting.filter(|c| c.waits_for.as_ref().is_none_or(|a| *a == agent.id)) {
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
                let mut open = self.open.values();
                let rings = open.any(|(c, a)| *c == contact.id && *a == agent.id);
                let skipped = rings || skip.is_some_and(|until| now < *until);
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
