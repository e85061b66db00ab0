//! Offers: made, answered, failed, taken back.
//!
//! Decisions on what crosses on the way:
//! - An answer to an offer that was taken back still wins if its contact is alive and not
//!   connected: the caller gets the agent who answered first, and the other offer is taken back.
//! - It does not win if the contact is over or connected, if the offer was already reported as
//!   failed, or if the guard timer gave it up: an offer ends once. Its session is then unwanted,
//!   the relay is asked to end it, and the agent is busy until it is over.
//! - A failure after an answer, a second answer, anything for an offer that is over: dropped and
//!   counted.
//! - What is carried outside is over when this side says so: a late answer is dropped, and whoever
//!   gave it is told by the API that the offer is over.

use super::{Distributor, seconds};
use crate::contact::{Leg, LegState, State, Way};
use crate::event::{OfferEnd, What};
use crate::id::{AgentId, ContactId, OfferId};
use crate::input::OfferFailure;
use crate::limits::{MAX_SKIPPED_AGENTS, OFFER_GUARD};
use crate::memory::Past;
use crate::output::{Output, RefuseReason};
use crate::slot::Slot;
use crate::timers::Timer;
use core::time::Duration;
use patchbay_route::session::NoticeState;

impl Distributor {
    /// Offers a waiting contact to a free agent.
    pub(super) fn offer(&mut self, contact: ContactId, agent: &AgentId) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let Some(ticket) = &found.ticket else {
            return;
        };
        let queue = ticket.queue.and_then(|queue| self.queues.get(queue));
        let ring_for = seconds(queue.map_or(1, |queue| queue.declared.ring_seconds));
        let (way, slot) = (ticket.way, ticket.slot);
        let choice = self.choice(ticket, Some(agent));
        let queue = ticket.typed.queue.clone();
        let waited_ms = self.since_ms(found.waits_from());
        let offer = self.new_offer_id();
        self.set_waiting(contact, false);
        self.leave_doors(contact);
        if let Some(found) = self.contacts.get_mut(&contact) {
            found.state = State::Offered;
            if let Some(ticket) = &mut found.ticket {
                ticket.offers.push(offer);
            }
        }
        self.note_wants(contact);
        let state = LegState::Offering { ringing: false };
        self.add_leg(offer, contact, agent, (state, way, slot));
        let due = self.now.mono.saturating_add(ring_for);
        self.timers.set(Timer::Ring(offer), due);
        self.counters.offers += 1;
        if let Some(found) = self.agents.get_mut(agent) {
            found.last_offer = self.counters.offers;
        }
        self.out(Output::Offer {
            contact,
            offer,
            agent: agent.clone(),
            ring_for,
            way,
        });
        self.tell(What::ContactOffered {
            contact,
            offer,
            agent: agent.clone(),
            queue,
            waited_ms,
            ring_ms: super::millis(ring_for),
            choice,
        });
        self.refresh(agent);
    }

    fn new_offer_id(&mut self) -> OfferId {
        loop {
            let offer = self.ids.offer();
            if !self.legs.contains_key(&offer) && self.memory.past(offer).is_none() {
                return offer;
            }
        }
    }

    /// Adds a leg and gives it to its agent. The caller refreshes the agent.
    pub(super) fn add_leg(
        &mut self,
        offer: OfferId,
        contact: ContactId,
        agent: &AgentId,
        (state, way, slot): (LegState, Way, Slot),
    ) {
        let leg = Leg {
            contact,
            agent: agent.clone(),
            state,
            since: self.now.mono,
            offered: self.now.mono,
            way,
            slot,
            dialled: false,
            site: None,
        };
        self.legs.insert(offer, leg);
        if let Some(found) = self.agents.get_mut(agent) {
            found.hold(offer, slot, true);
        }
        self.watch_sessions();
    }

    /// Removes a leg and its hold on the agent, and remembers it. The caller refreshes the agent.
    pub(super) fn remove_leg(&mut self, offer: OfferId, session_over: bool) -> Option<Leg> {
        let leg = self.legs.remove(&offer)?;
        let session_over = session_over || leg.way != Way::Relay;
        self.strike(leg.contact, offer);
        self.timers.cancel(&Timer::Ring(offer));
        self.timers.cancel(&Timer::Guard(offer));
        self.timers.cancel(&Timer::Outside(offer));
        if let Some(agent) = self.agents.get_mut(&leg.agent) {
            agent.hold(offer, leg.slot, false);
        }
        let past = Past {
            of: Some((leg.contact, leg.agent.clone())),
            ended: self.now.mono,
            session_over,
        };
        self.counters.forgotten_early += self.memory.offer(offer, past);
        Some(leg)
    }

    /// Takes an offer from those that its contact may be answered by.
    fn strike(&mut self, contact: ContactId, offer: OfferId) {
        let found = self.contacts.get_mut(&contact);
        if let Some(ticket) = found.and_then(|found| found.ticket.as_mut()) {
            ticket.offers.retain(|other| *other != offer);
        }
    }

    pub(super) fn ringing(&mut self, offer: OfferId) {
        let Some(leg) = self.legs.get_mut(&offer) else {
            self.counters.dropped_unknown_offer += 1;
            return;
        };
        if leg.state != (LegState::Offering { ringing: false }) {
            self.counters.dropped_late += 1;
            return;
        }
        leg.state = LegState::Offering { ringing: true };
        let (contact, agent) = (leg.contact, leg.agent.clone());
        self.tell(What::OfferRinging {
            contact,
            offer,
            agent,
        });
    }

    pub(super) fn answered(&mut self, offer: OfferId) {
        let Some(leg) = self.legs.get(&offer) else {
            self.answered_after_its_end(offer);
            return;
        };
        let contact = leg.contact;
        match leg.state {
            LegState::Offering { .. } => self.connect(contact, offer),
            LegState::Cancelling { why, .. } => match self.contacts.get(&contact) {
                Some(found) if found.may_be_answered() => self.connect(contact, offer),
                Some(_) | None => self.unwanted(offer, why),
            },
            LegState::Live | LegState::Unwanted { .. } => self.counters.dropped_late += 1,
        }
    }

    /// What came of asking the agent's phone to tell when the call is over.
    pub(super) fn notice(&mut self, offer: OfferId, notice: NoticeState, code: u16) {
        let Some(leg) = self.legs.get(&offer) else {
            self.counters.dropped_late += 1;
            return;
        };
        let (contact, agent) = (leg.contact, leg.agent.clone());
        self.tell(What::AgentNotice {
            contact,
            offer,
            agent,
            notice,
            code,
        });
    }

    fn answered_after_its_end(&mut self, offer: OfferId) {
        match self.memory.past(offer).cloned() {
            Some(Past {
                of: Some((contact, agent)),
                session_over: false,
                ..
            }) => self.hold_unwanted(offer, contact, &agent, true),
            Some(_) => self.counters.dropped_late += 1,
            None => self.counters.dropped_unknown_offer += 1,
        }
    }

    /// The leg becomes the contact's call, and its other offers are taken back.
    fn connect(&mut self, contact: ContactId, offer: OfferId) {
        self.set_waiting(contact, false);
        self.count_kept(contact, true);
        self.leave_queue(contact);
        self.timers.cancel(&Timer::Ring(offer));
        self.timers.cancel(&Timer::Guard(offer));
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&offer) else {
            return;
        };
        leg.state = LegState::Live;
        leg.since = now.mono;
        let (agent, way) = (leg.agent.clone(), leg.way);
        self.set_outside_timer(offer, way, Duration::ZERO);
        // The caller of a call-back may still hear that it will be called.
        self.let_caller_go(contact);
        let others = self.connected(contact, offer, &agent);
        self.forget_promise(contact);
        self.counters.connected += 1;
        if let Some(agent) = self.agents.get_mut(&agent) {
            agent.missed = 0;
        }
        let others = others.into_iter().filter(|other| *other != offer);
        self.take_back_each(others.collect(), OfferEnd::AnsweredElsewhere);
        self.refresh(&agent);
    }

    /// What an answer means for the contact; its offers.
    fn connected(&mut self, contact: ContactId, offer: OfferId, agent: &AgentId) -> Vec<OfferId> {
        let now = self.now;
        let Some(found) = self.contacts.get_mut(&contact) else {
            return Vec::new();
        };
        found.state = State::Connected(offer);
        found.answered = Some((now.mono, now.unix_ms));
        let arrived = found.waits_from();
        let Some(ticket) = &mut found.ticket else {
            return Vec::new();
        };
        let offers = core::mem::take(&mut ticket.offers);
        if let Some(caller) = &ticket.caller {
            self.last_agents.remember(caller, agent.clone());
        }
        // It may have been offered before its queue was declared otherwise.
        let carried = self.legs.get(&offer).map_or(ticket.way, |leg| leg.way);
        let queue = ticket.typed.queue.clone();
        if let Some(queue) = ticket.queue.and_then(|queue| self.queues.get_mut(queue)) {
            queue.connected += 1;
            if let Some(expected) = ticket.expected {
                let waited = now.mono.saturating_sub(arrived);
                queue.learned.waited(expected, waited);
            }
        }
        let waited_ms = self.since_ms(arrived);
        self.out(Output::Accept { contact, offer });
        self.tell(What::ContactConnected {
            contact,
            offer,
            agent: agent.clone(),
            queue,
            waited_ms,
            carried,
        });
        offers
    }

    pub(super) fn failed(&mut self, offer: OfferId, cause: OfferFailure, code: u16) {
        let Some(leg) = self.legs.get(&offer) else {
            match self.memory.past(offer) {
                Some(_) => self.counters.dropped_late += 1,
                None => self.counters.dropped_unknown_offer += 1,
            }
            return;
        };
        match leg.state {
            LegState::Offering { .. } => self.offer_over(offer, cause.into(), code),
            LegState::Cancelling { .. } => self.cancelled_offer_over(offer, cause.into(), code),
            LegState::Live | LegState::Unwanted { .. } => self.counters.dropped_late += 1,
        }
    }

    /// An offer that its contact may be answered by ended without an answer.
    pub(super) fn offer_over(&mut self, offer: OfferId, why: OfferEnd, code: u16) {
        if why == OfferEnd::CustomerAway {
            return self.customer_away(offer, code);
        }
        self.lost_there(offer, why);
        // What ended by the relay's own word will not be answered; a time-out may be.
        let session_over = why == OfferEnd::Ended;
        let Some(leg) = self.remove_leg(offer, session_over) else {
            return;
        };
        self.tell_failed(offer, &leg, why, code);
        if why == OfferEnd::NoAnswer {
            self.missed(&leg.agent);
        }
        self.skip(leg.contact, &leg.agent, why);
        self.rest(&leg.agent, why);
        if why == OfferEnd::RelayFull {
            // No other agent would help: all calls go through the relay.
            self.refuse_offered(leg.contact, RefuseReason::RelayFull, why);
        } else {
            self.offer_failed(leg.contact, &leg.agent);
        }
        self.refresh(&leg.agent);
    }

    /// The contact of an offer that its agent failed looks for another one, and so does who waited
    /// for that agent alone, if it is not ready any more: the most urgent first.
    fn offer_failed(&mut self, contact: ContactId, agent: &AgentId) {
        let own = self.contacts.get(&contact).and_then(|found| {
            let ticket = found.ticket.as_ref()?;
            Some(self.urgency(ticket.queue?, &ticket.place))
        });
        let others = self.let_go(agent);
        let first = others.partition_point(|(urgency, _)| Some(*urgency) > own);
        let (before, behind) = others.split_at(first);
        self.serve_contacts(before);
        self.offer_lost(contact);
        self.serve_contacts(behind);
    }

    fn refuse_offered(&mut self, contact: ContactId, why: RefuseReason, taken_back: OfferEnd) {
        let mut others = Vec::new();
        if let Some(found) = self.contacts.get_mut(&contact) {
            found.state = State::Waiting;
            if let Some(ticket) = &mut found.ticket {
                others = core::mem::take(&mut ticket.offers);
            }
        }
        self.refuse_waiting(contact, why);
        self.take_back_each(others, taken_back);
    }

    /// An offer that was taken back ended without an answer, as it should.
    pub(super) fn cancelled_offer_over(&mut self, offer: OfferId, saw: OfferEnd, code: u16) {
        let Some(leg) = self.remove_leg(offer, saw == OfferEnd::Ended) else {
            return;
        };
        let LegState::Cancelling { why, .. } = leg.state else {
            return;
        };
        self.tell_failed(offer, &leg, why, code);
        let expected = matches!(saw, OfferEnd::NoAnswer | OfferEnd::Ended);
        self.rest(&leg.agent, if expected { why } else { saw });
        self.refresh(&leg.agent);
    }

    pub(super) fn tell_failed(&mut self, offer: OfferId, leg: &Leg, why: OfferEnd, code: u16) {
        self.counters.offers_failed += 1;
        self.tell(What::OfferFailed {
            contact: leg.contact,
            offer,
            agent: leg.agent.clone(),
            why,
            code,
        });
    }

    /// Takes several offers back. An agent whose offer is over with that is free.
    pub(super) fn take_back_each(&mut self, offers: Vec<OfferId>, why: OfferEnd) {
        let held = |offer: &OfferId| Some(self.legs.get(offer)?.agent.clone());
        let held: Vec<AgentId> = offers.iter().filter_map(held).collect();
        for offer in offers {
            self.take_back(offer, why);
        }
        for agent in held {
            self.refresh(&agent);
        }
    }

    /// Takes an offer back. Its agent stays reserved until the relay says how it ended.
    pub(super) fn take_back(&mut self, offer: OfferId, why: OfferEnd) {
        let now = self.now.mono;
        let Some(leg) = self.legs.get_mut(&offer) else {
            return;
        };
        if leg.way != Way::Relay {
            return self.withdraw(offer, why);
        }
        leg.state = LegState::Cancelling {
            why,
            answered: false,
        };
        leg.since = now;
        let contact = leg.contact;
        self.strike(contact, offer);
        self.timers.cancel(&Timer::Ring(offer));
        let guard = now.saturating_add(OFFER_GUARD);
        self.timers.set(Timer::Guard(offer), guard);
        self.out(Output::CancelOffer { contact, offer });
    }

    /// The phone rang as long as it may: the next agent's turn.
    pub(super) fn rang_out(&mut self, offer: OfferId) {
        let Some(leg) = self.legs.get(&offer) else {
            return;
        };
        if leg.dialled {
            let contact = leg.contact;
            self.out(Output::CancelOffer { contact, offer });
            return self.customer_away(offer, 0);
        }
        let (contact, agent) = (leg.contact, leg.agent.clone());
        self.lost_there(offer, Self::RANG_OUT);
        self.take_back(offer, Self::RANG_OUT);
        self.missed(&agent);
        self.skip(contact, &agent, Self::RANG_OUT);
        self.offer_failed(contact, &agent);
        self.refresh(&agent);
    }

    /// The relay never said how a cancelled offer ended. A session that its list showed as
    /// answered still holds the agent; without one the agent is freed.
    pub(super) fn guard_expired(&mut self, offer: OfferId) {
        match self.legs.get(&offer).map(|leg| leg.state) {
            Some(LegState::Cancelling { answered: true, .. }) => {
                self.unwanted(offer, OfferEnd::Guard);
            }
            Some(LegState::Cancelling { .. }) => {
                let Some(leg) = self.remove_leg(offer, false) else {
                    return;
                };
                self.tell_failed(offer, &leg, OfferEnd::Guard, 0);
                self.rest(&leg.agent, OfferEnd::Guard);
                self.refresh(&leg.agent);
            }
            _ => {}
        }
    }

    /// The contact passes over the agent for a while, if another try would end the same way.
    fn skip(&mut self, contact: ContactId, agent: &AgentId, why: OfferEnd) {
        if !matches!(
            why,
            OfferEnd::NoAnswer | OfferEnd::Declined | OfferEnd::NotAcceptable
        ) {
            return;
        }
        let pause = self.centre.as_ref().map_or(1, |c| c.offers.skip_seconds);
        let until = self.now.mono.saturating_add(seconds(pause));
        let found = self.contacts.get_mut(&contact);
        let Some(ticket) = found.and_then(|found| found.ticket.as_mut()) else {
            return;
        };
        let queue = ticket.queue.and_then(|queue| self.queues.get(queue));
        let several = ticket.way == Way::Relay;
        let all = several && queue.is_some_and(|queue| queue.declared.at_once() > 1);
        if all && why == OfferEnd::NoAnswer {
            // All rang, so that there is nobody to go on to.
            return;
        }
        ticket.skipped.retain(|(skipped, _)| skipped != agent);
        ticket.skipped.push((agent.clone(), until));
        self.timers.set(Timer::Skip(contact, agent.clone()), until);
        if ticket.skipped.len() > MAX_SKIPPED_AGENTS {
            let (first, _) = ticket.skipped.remove(0);
            self.timers.cancel(&Timer::Skip(contact, first));
        }
    }
}
