//! How the oracle's model follows inputs, outputs and events, and the checks of each output.

use super::centres::LONGEST_MENU_MS;
use super::counted::kind;
use super::invariants;
use super::invariants::LATE_MS;
use super::model::{Contact, Kind};
use super::oracle::{Oracle, Touched};
use patchbay_core::asking::Decision;
use patchbay_core::limits::{CALLS_UNKNOWN, EARLIER_TIME, MENU_BEGINS};
use patchbay_core::{
    Activity, AgentId, ContactId, Event, Facts, Input, LiveSession, OfferId, Output, QueueId,
    RefuseReason, Status, Way, What,
};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

impl Oracle {
    /// Before the distributor is told.
    pub fn input(&mut self, input: &Input, now: u64) {
        match input {
            Input::Configure(centre) => {
                if self.model.declare(centre) {
                    self.declared_elsewhere();
                    self.touch_all();
                }
            }
            Input::ContactArrived { contact, facts } => self.arrived(*contact, facts, None, now),
            Input::ContactRequested { contact, facts } => {
                self.arrived(*contact, facts, Some(now), now);
            }
            Input::ContactRenewed { contact } => self.renewed(*contact, now),
            Input::CallBackKept(promised) => self.goes_on(promised, now),
            Input::PlaceKept {
                place,
                facts,
                in_call,
            } => self.waits_on(place, facts, *in_call, now),
            Input::CallBackWithdrawn { contact } => self.withdrawn(*contact),
            Input::ContactCancelled { contact } => {
                if !self.caller_gone(*contact) && self.model.contacts.contains_key(contact) {
                    self.answer(*contact, 487);
                }
            }
            Input::ContactEnded { offer, .. } => self.unwanted_over(*offer),
            Input::SessionsLive { sessions, asked } => {
                self.listed(sessions, asked.as_millis() as u64);
            }
            Input::CallsUnknown => {
                let longest = CALLS_UNKNOWN.as_millis() as u64;
                self.model.unknown_until = Some(now + longest + LATE_MS);
            }
            Input::CallsKnown => self.calls_known(),
            Input::AgentReachable { agent, .. } | Input::AgentStatus { agent, .. } => {
                self.touch(agent);
            }
            Input::ContactAsked { contact, answer } => {
                let decision = answer
                    .as_ref()
                    .ok()
                    .and_then(|answer| answer.decision.as_ref());
                if let Some(decision) = decision {
                    self.decided(*contact, decision);
                }
            }
            Input::ContactClaimed { contact, offer } => self.claimed(*contact, *offer),
            Input::SiteOffered {
                contact,
                site,
                agent,
            } => self.given(*contact, site, agent),
            Input::SiteGone { contact, site, .. } => self.not_given(*contact, site),
            Input::EarlierFound { .. }
            | Input::CallBackWritten { .. }
            | Input::CallBackDialled { .. }
            | Input::ContactPressed { .. }
            | Input::OfferRinging { .. }
            | Input::OfferAnswered { .. }
            | Input::OfferFailed { .. }
            | Input::OfferHeld { .. }
            | Input::OfferTransferred { .. }
            | Input::OutsideLive(_)
            | Input::SiteTook { .. }
            | Input::OfferNotice { .. } => {}
        }
    }

    pub(super) fn arrived(&mut self, id: ContactId, facts: &Facts, asked: Option<u64>, now: u64) {
        let model = &mut self.model;
        if model.contacts.contains_key(&id) || model.answers.contains_key(&id) {
            return;
        }
        model.arrivals += 1;
        let contact = Contact {
            order: model.arrivals,
            queue: None,
            place: (0, (0, 0), id),
            priority: 0,
            skills: BTreeMap::new(),
            came: now,
            late: false,
            deadline: u64::MAX,
            offers: Vec::new(),
            skips: FxHashMap::default(),
            waits_for: None,
            hears: false,
            in_call: false,
            caller: None,
            asks_until: None,
            in_menu: false,
            only: facts.wanted_agent.clone(),
            slot: facts.medium.unwrap_or_default(),
            silent_since: asked,
            asked_at: now,
            from: String::new(),
            call_back: None,
        };
        model.contacts.insert(id, contact);
        if asked.is_some() {
            self.asked_about(id, now);
        }
        self.touch_contact(id);
    }

    /// The contact waits for what others know, until then at the latest.
    fn asks_until(&mut self, id: ContactId, until: u64) {
        let seen = self.model.contacts.get_mut(&id).expect("arrived");
        let until = seen.asks_until.map_or(until, |before| before.max(until));
        seen.asks_until = Some(until);
        self.later(until + LATE_MS + 1, Touched::Contact(id));
    }

    /// A server decided; what the declaration does not know is not followed.
    fn decided(&mut self, id: ContactId, decision: &Decision) {
        let queue = decision.queue.as_ref();
        let agent = decision.agent.as_ref();
        let declared = |agent: &&AgentId| self.model.agents.get(*agent).is_some_and(|a| a.declared);
        let agent = agent.filter(declared).cloned();
        let waits = |contact: &Contact| contact.asks_until.is_some() && !contact.in_menu;
        let asks = |contact: &Contact| waits(contact) && contact.only.is_none();
        if queue.is_some_and(|queue| self.model.queues.contains_key(queue))
            && let Some(contact) = self.model.contacts.get_mut(&id).filter(|one| asks(one))
        {
            contact.only = agent;
        }
    }

    /// A session that no contact wants ends without an event of its own.
    fn unwanted_over(&mut self, offer: OfferId) {
        let leg = self.model.legs.get(&offer);
        if leg.is_some_and(|leg| leg.kind == Kind::Unwanted)
            && let Some(leg) = self.model.remove_leg(offer)
        {
            self.touch(&leg.agent);
        }
    }

    fn listed(&mut self, sessions: &[LiveSession], asked: u64) {
        let unwanted = self.model.legs.iter();
        let unwanted = unwanted.filter(|(_, leg)| leg.kind == Kind::Unwanted && leg.since < asked);
        let gone = unwanted.map(|(offer, _)| *offer);
        let gone = gone.filter(|offer| !sessions.iter().any(|session| session.offer == *offer));
        for offer in Vec::from_iter(gone) {
            self.unwanted_over(offer);
        }
    }

    pub(super) fn answer(&mut self, id: ContactId, status: u16) -> Option<Contact> {
        invariants::answered_once(&self.model, id, status);
        self.model.answers.insert(id, status);
        self.model.remove(id)
    }

    pub fn output(&mut self, output: &Output, now: u64) {
        match output {
            Output::Offer { offer, agent, .. } if self.is_claim(*offer, agent) => {}
            Output::Offer {
                contact,
                offer,
                agent,
                way,
                ring_for,
            } => {
                self.comes_due(*contact, now);
                self.offered(*contact, *offer, agent, now);
                if *way != Way::Relay {
                    self.model.outside.insert(*offer);
                    self.bound_outside(*offer, now, ring_for.as_millis() as u64);
                }
            }
            Output::Accept { contact, offer } => self.accepted(*contact, *offer),
            Output::Refuse {
                contact,
                why: RefuseReason::CalledBack,
                ..
            } => self.let_go(*contact),
            Output::KeepCallBack(_) => {}
            Output::KeepPlace(place) => self.place_told(place),
            Output::ForgetCallBack { contact } => self.forgotten.push(*contact),
            Output::Refuse {
                contact, status, ..
            } => drop(self.answer(*contact, *status)),
            Output::Redirect { contact, .. } => drop(self.answer(*contact, 302)),
            Output::CancelOffer { contact, offer } => self.cancelled(*contact, *offer, now),
            Output::Queued {
                contact,
                queue,
                position,
            } => {
                self.comes_due(*contact, now);
                invariants::told_its_place(&self.model, *contact, queue, *position);
                self.touch_contact(*contact);
            }
            Output::Event(event) => self.event(event, now),
            Output::Hear {
                contact, answer, ..
            } => {
                invariants::hears_once(&self.model, *contact);
                if let Some(found) = self.model.contacts.get_mut(contact) {
                    (found.hears, found.in_call) = (true, *answer);
                }
            }
            Output::Farewell { .. } => {}
            Output::Say { contact, say } => invariants::said_right(&self.model, *contact, say),
            Output::LookUp { contact, .. } => {
                let until = now + EARLIER_TIME.as_millis() as u64;
                self.asks_until(*contact, until);
            }
            Output::AskSite { contact, site, .. } => self.site_asked(*contact, site, now),
            Output::LeaveSite { contact, site } => self.site_left(*contact, site),
            Output::Ask { .. } | Output::EndSession { .. } | Output::ListSessions => {}
        }
    }

    fn event(&mut self, event: &Event, now: u64) {
        let what = &event.what;
        *self.told.entry(kind(what)).or_default() += 1;
        match what {
            What::AgentStatus {
                agent,
                status,
                reachable,
            } => self.agent_status(agent, status, *reachable),
            What::AgentState { agent, activity } => self.agent_state(agent, activity),
            What::ContactRefused {
                contact, status, ..
            } => invariants::answered_as_told(&self.model, *contact, *status),
            What::ContactRedirected { contact, .. } => {
                invariants::answered_as_told(&self.model, *contact, 302);
            }
            What::ContactAbandoned { contact, .. } => {
                if invariants::may_be_given_up(&self.model, *contact, now) {
                    self.answer(*contact, 487);
                }
                invariants::answered_as_told(&self.model, *contact, 487);
            }
            What::SiteFailed { site, .. } => self.site_failed(site),
            _ => {
                self.waits(what, now);
                self.promises(what, event.unix_ms, now);
                self.is_offered(what, now);
            }
        }
    }

    /// Of a contact that waits.
    fn waits(&mut self, what: &What, now: u64) {
        match what {
            What::ContactAsking { contact, ask, .. } => {
                let mut asks = self.model.centre.asks.iter();
                let ask = asks.find(|one| one.id == *ask).expect("declared");
                self.asks_until(*contact, now + u64::from(ask.time_limit_ms));
            }
            What::ContactInMenu { contact, .. } => {
                // A menu that is declared anew may be said more often.
                let begins = MENU_BEGINS.as_millis() as u64;
                self.model
                    .contacts
                    .get_mut(contact)
                    .expect("arrived")
                    .in_menu = true;
                self.asks_until(*contact, now + begins + LONGEST_MENU_MS);
            }
            What::ContactTyped {
                contact,
                queue,
                skills,
                priority,
                from,
                ..
            } => {
                let seen = self.model.contacts.get_mut(contact).expect("arrived");
                seen.asks_until = None;
                seen.priority = *priority;
                seen.skills = skills.clone();
                seen.from = from.clone();
                // It waits from now on, whatever was asked before.
                self.asked_about(*contact, now);
                self.enters(*contact, queue, now);
                self.sticks(*contact, from, now);
            }
            What::ContactRelaxed {
                contact, skills, ..
            } => {
                let seen = self.model.contacts.get_mut(contact).expect("waits");
                seen.skills = skills.clone();
                self.touch_contact(*contact);
            }
            What::ContactLate { contact, .. } => {
                invariants::late_rightly(&self.model, *contact, now);
                self.model.leave(*contact);
                let seen = self.model.contacts.get_mut(contact).expect("waits");
                seen.late = true;
                self.model.enter_again(*contact);
                self.touch_contact(*contact);
            }
            What::ContactMoved { contact, queue, .. } => {
                self.model.unstick(*contact);
                self.enters(*contact, queue, now);
            }
            _ => {}
        }
    }

    /// Of an offer, or of what became of it.
    fn is_offered(&mut self, what: &What, now: u64) {
        match what {
            What::ContactOffered {
                contact,
                offer,
                agent,
                ..
            } => {
                invariants::offered_as_told(&self.model, *contact, *offer, agent);
            }
            What::ContactConnected {
                contact,
                offer,
                agent,
                ..
            } => {
                self.offer_connected(*offer, *contact, agent, now);
            }
            What::OfferFailed {
                contact,
                offer,
                agent,
                why,
                ..
            } => {
                self.offer_failed(*offer, *contact, agent, *why, now);
            }
            What::ContactAdopted {
                contact,
                offer,
                agent,
                ..
            } => {
                self.holds(*offer, *contact, agent, Kind::Live, now);
            }
            What::SessionUnwanted {
                contact,
                offer,
                agent,
            } => {
                self.holds(*offer, *contact, agent, Kind::Unwanted, now);
            }
            What::ContactEnded {
                offer,
                agent,
                queue,
                ..
            } => {
                self.may_wrap_up(agent, queue.as_ref(), now);
                let leg = self.model.remove_leg(*offer);
                assert!(leg.is_some_and(|leg| leg.kind == Kind::Live), "{offer}");
                self.touch(agent);
            }
            _ => {}
        }
    }

    pub(super) fn enters(&mut self, id: ContactId, queue: &QueueId, now: u64) {
        self.model.enter(id, queue, now);
        let deadline = self.model.contacts[&id].deadline;
        self.later(deadline + invariants::LATE_MS + 1, Touched::Contact(id));
        if let Some(late) = self.model.late_at(&self.model.contacts[&id]) {
            self.later(late + invariants::LATE_MS + 1, Touched::Contact(id));
        }
        self.touch_contact(id);
    }

    /// The contact waits for who served its caller last, if that agent is at work.
    pub(super) fn sticks(&mut self, id: ContactId, from: &str, now: u64) {
        let contact = &self.model.contacts[&id];
        let queue = &self.model.queues[contact.queue.as_ref().expect("typed")];
        let Some(seconds) = queue.declared.sticky_seconds else {
            return;
        };
        let until = now + u64::from(seconds) * 1_000;
        let last = self.model.last.get(from).filter(|_| contact.only.is_none());
        let agent = last.and_then(|id| Some((id, self.model.agents.get(id)?)));
        let there = agent.filter(|(_, agent)| agent.ready() && agent.qualifies(contact));
        let there = there.map(|(id, _)| id.clone());
        let contact = self.model.contacts.get_mut(&id).expect("typed");
        contact.caller = Some(from.to_string());
        // For no time at all an agent is only preferred.
        if let Some(agent) = there
            && seconds > 0
        {
            self.model.stick(id, agent, until);
            self.later(until, Touched::Contact(id));
        }
    }

    fn agent_status(&mut self, id: &AgentId, status: &Status, reachable: bool) {
        self.touch(id);
        let agent = self.model.agents.get_mut(id).expect("a known agent");
        agent.status = status.clone();
        agent.reachable = reachable;
        if !agent.ready() {
            for contact in Vec::from_iter(agent.wanted_by.iter().copied()) {
                if self.model.contacts[&contact].waiting() {
                    self.model.unstick(contact);
                    self.touch_contact(contact);
                }
            }
        }
        // The last that is told of an agent that is not declared and holds nothing.
        let agent = &self.model.agents[id];
        let over = *status == Status::LoggedOut && agent.activity == Activity::Idle;
        if over && !agent.declared && agent.legs.is_empty() {
            self.model.agents.remove(id);
        }
    }

    fn agent_state(&mut self, id: &AgentId, activity: &Activity) {
        self.touch(id);
        let agent = self.model.agents.get_mut(id).expect("a known agent");
        invariants::told_once(id, agent, activity);
        agent.activity = activity.clone();
    }
}
