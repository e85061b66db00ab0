//! Sessions on the relay: their ends, and the comparison with the relay's own list.

use super::{Distributor, seconds};
use crate::contact::{Contact, Leg, LegState, State, Way};
use crate::event::{OfferEnd, What};
use crate::id::{AgentId, ContactId, OfferId};
use crate::input::{Carried, EndCause, LiveSession};
use crate::limits::MAX_LIVE_CONTACTS;
use crate::memory::Past;
use crate::output::Output;
use crate::slot::Slot;
use crate::timers::Timer;
use core::time::Duration;
use patchbay_route::session::EndedBy;
use rustc_hash::FxHashSet;

impl Distributor {
    pub(super) fn session_ended(
        &mut self,
        contact: ContactId,
        offer: OfferId,
        cause: EndCause,
        by: Option<EndedBy>,
    ) {
        let Some(leg) = self.legs.get(&offer) else {
            self.ended_unknown(contact, offer);
            return;
        };
        match leg.state {
            LegState::Live => self.call_over(offer, cause, by),
            LegState::Unwanted { .. } => self.unwanted_over(offer),
            // It ended before we saw its answer, if it had one: the caller was not told of it and
            // goes on waiting.
            LegState::Offering { .. } => self.offer_over(offer, OfferEnd::Ended, 0),
            LegState::Cancelling { .. } => self.cancelled_offer_over(offer, OfferEnd::Ended, 0),
        }
    }

    /// Remembers the end, so that an older list or a late answer does not bring it back.
    fn ended_unknown(&mut self, contact: ContactId, offer: OfferId) {
        let known = self.memory.past(offer).cloned();
        match &known {
            Some(_) => self.counters.dropped_late += 1,
            None => self.counters.dropped_unknown_offer += 1,
        }
        let past = Past {
            of: known
                .and_then(|past| past.of)
                .filter(|(of, _)| *of == contact),
            ended: self.now.mono,
            session_over: true,
        };
        self.counters.forgotten_early += self.memory.offer(offer, past);
    }

    /// A connected contact is over.
    fn call_over(&mut self, offer: OfferId, cause: EndCause, by: Option<EndedBy>) {
        let Some(leg) = self.remove_leg(offer, true) else {
            return;
        };
        self.resumed(leg.contact, offer, &leg.agent);
        let found = self.contacts.get(&leg.contact);
        let Some(found) = found.filter(|found| found.state == State::Connected(offer)) else {
            self.refresh(&leg.agent);
            return;
        };
        let ticket = found.ticket.as_ref();
        let (queue, at) = (
            ticket.map(|t| t.typed.queue.clone()),
            ticket.and_then(|t| t.queue),
        );
        let (waited_ms, talk_ms) = self.durations(found);
        self.counters.ended += 1;
        self.remove_contact(leg.contact);
        let mut wrap_up = 0;
        if let Some(queue) = at.and_then(|at| self.queues.get_mut(at)) {
            queue.connected = queue.connected.saturating_sub(1);
            wrap_up = queue.declared.wrap_up_seconds;
            let took = self.now.mono.saturating_sub(leg.offered);
            queue.learned.handled(took + seconds(wrap_up));
        }
        self.tell(What::ContactEnded {
            contact: leg.contact,
            offer,
            agent: leg.agent.clone(),
            queue,
            cause,
            by,
            waited_ms,
            talk_ms,
        });
        self.after_call(&leg, wrap_up);
    }

    /// From arrival to answer, and from answer to now, in milliseconds. The call of an adopted
    /// contact began before this process, so only Unix time knows.
    fn durations(&self, contact: &Contact) -> (u64, u64) {
        let Some((answered, answered_unix_ms)) = contact.answered else {
            return (0, 0);
        };
        if contact.ticket.is_some() {
            let waited = answered.saturating_sub(contact.waits_from());
            (super::millis(waited), self.since_ms(answered))
        } else {
            (0, self.now.unix_ms.saturating_sub(answered_unix_ms))
        }
    }

    fn after_call(&mut self, leg: &Leg, wrap_up_seconds: u32) {
        let agent = &leg.agent;
        let now = self.now.mono;
        let until = now.saturating_add(seconds(wrap_up_seconds));
        let unix_ms = self.unix_at(until);
        if let Some(found) = self.agents.get_mut(agent) {
            found.idle_since = now;
            let alone = found.capacities.get(leg.slot) <= 1;
            if wrap_up_seconds > 0 && found.in_declaration && alone {
                found.wrap_up_until = Some((until, unix_ms));
                self.timers.set(Timer::WrapUp(agent.clone()), until);
            }
        }
        self.refresh(agent);
    }

    /// A leg whose answer helps nobody: ends as an offer, and holds its agent as a session.
    pub(super) fn unwanted(&mut self, offer: OfferId, why: OfferEnd) {
        let now = self.now.mono;
        self.timers.cancel(&Timer::Guard(offer));
        let Some(leg) = self.legs.get_mut(&offer) else {
            return;
        };
        leg.state = LegState::Unwanted { end: true };
        leg.since = now;
        let (contact, agent) = (leg.contact, leg.agent.clone());
        self.counters.offers_failed += 1;
        self.tell(What::OfferFailed {
            contact,
            offer,
            agent: agent.clone(),
            why,
            code: 0,
        });
        self.tell_unwanted(contact, offer, &agent, true);
        self.refresh(&agent);
    }

    /// A session that was not held any more, or never, and that nobody wants.
    pub(super) fn hold_unwanted(
        &mut self,
        offer: OfferId,
        contact: ContactId,
        agent: &AgentId,
        end: bool,
    ) {
        if self.legs.len() >= MAX_LIVE_CONTACTS || !self.know_agent(agent) {
            self.counters.dropped_adoption += 1;
            return;
        }
        self.memory.forget_offer(offer);
        self.add_leg(
            offer,
            contact,
            agent,
            (LegState::Unwanted { end }, Way::Relay, Slot::Call),
        );
        self.tell_unwanted(contact, offer, agent, end);
        self.refresh(agent);
    }

    fn tell_unwanted(&mut self, contact: ContactId, offer: OfferId, agent: &AgentId, end: bool) {
        self.counters.unwanted_sessions += 1;
        self.tell(What::SessionUnwanted {
            contact,
            offer,
            agent: agent.clone(),
        });
        if end {
            self.end_session(contact, offer, agent.clone());
        }
    }

    fn end_session(&mut self, contact: ContactId, offer: OfferId, agent: AgentId) {
        self.out(Output::EndSession {
            contact,
            offer,
            agent,
        });
    }

    fn unwanted_over(&mut self, offer: OfferId) {
        let now = self.now.mono;
        let Some(leg) = self.remove_leg(offer, true) else {
            return;
        };
        if let Some(agent) = self.agents.get_mut(&leg.agent) {
            agent.idle_since = now;
        }
        self.refresh(&leg.agent);
    }

    pub(super) fn sessions_live(&mut self, sessions: Vec<LiveSession>, asked: Duration) {
        let listed: FxHashSet<OfferId> = sessions.iter().map(|s| s.offer).collect();
        self.free_what_is_gone(&listed, asked);
        for session in sessions {
            self.session_listed(&session, asked);
        }
        self.timers.cancel(&Timer::Reconcile);
        if !self.legs.is_empty() {
            self.watch_sessions();
        }
    }

    /// Calls that began before the list was asked for and are not in it are over.
    fn free_what_is_gone(&mut self, listed: &FxHashSet<OfferId>, asked: Duration) {
        let gone = self.legs.iter().filter(|(offer, leg)| {
            let carried = leg.way == Way::Relay && leg.state.in_call();
            carried && leg.since < asked && !listed.contains(offer)
        });
        let mut gone: Vec<(OfferId, ContactId)> =
            gone.map(|(offer, leg)| (*offer, leg.contact)).collect();
        gone.sort_unstable();
        for (offer, contact) in gone {
            self.counters.sessions_gone += 1;
            self.session_ended(contact, offer, EndCause::Gone, None);
        }
    }

    fn session_listed(&mut self, session: &LiveSession, asked: Duration) {
        let offer = session.offer;
        if let Some(leg) = self.legs.get_mut(&offer) {
            match &mut leg.state {
                // Its answer is on its way to us, or lost; the timers of the offer see to it.
                LegState::Offering { .. } | LegState::Live => {}
                LegState::Cancelling { answered, .. } => *answered |= session.answered,
                LegState::Unwanted { end } => {
                    let (contact, agent) = (leg.contact, leg.agent.clone());
                    if *end {
                        self.end_session(contact, offer, agent);
                    }
                }
            }
            return;
        }
        match self.memory.past(offer) {
            Some(past) if past.ended >= asked => {}
            Some(_) => self.hold_unwanted(offer, session.contact, &session.agent, true),
            None => self.adopt(session),
        }
    }

    /// A session that an earlier process left behind (requirement G1). An answered one is a call
    /// that goes on. The caller of an unanswered one was lost with the process that knew its
    /// INVITE, so it is ended. Two answered ones of one contact are both left alone: which of
    /// them the caller has cannot be known here.
    fn adopt(&mut self, session: &LiveSession) {
        let LiveSession { contact, offer, .. } = *session;
        let known = self.contacts.get(&contact).map(|found| found.state);
        match known {
            None if session.answered => self.adopt_call(session),
            Some(State::Connected(_)) if session.answered => {
                self.hold_unwanted(offer, contact, &session.agent, false);
            }
            _ => self.hold_unwanted(offer, contact, &session.agent, true),
        }
    }

    fn adopt_call(&mut self, session: &LiveSession) {
        let LiveSession { contact, offer, .. } = *session;
        if self.contacts.len() >= MAX_LIVE_CONTACTS || !self.know_agent(&session.agent) {
            self.counters.dropped_adoption += 1;
            return;
        }
        self.adopt_connected(&Carried {
            contact,
            offer,
            agent: session.agent.clone(),
            medium: Slot::Call,
            way: Way::Relay,
            since: session.since,
            asked_by: None,
        });
    }

    /// A contact that goes on from before this process.
    pub(super) fn adopt_connected(&mut self, call: &Carried) {
        let adopted = Contact {
            state: State::Connected(call.offer),
            ticket: None,
            arrived: self.now.mono,
            arrived_unix_ms: call.since,
            answered: Some((self.now.mono, call.since)),
            held: None,
        };
        self.contacts.insert(call.contact, Box::new(adopted));
        let leg = (LegState::Live, call.way, call.medium);
        self.add_leg(call.offer, call.contact, &call.agent, leg);
        self.counters.adopted += 1;
        self.tell(What::ContactAdopted {
            contact: call.contact,
            offer: call.offer,
            agent: call.agent.clone(),
            since_unix_ms: call.since,
        });
        self.refresh(&call.agent);
    }
}
