//! What is carried outside: by whoever asked for an agent, or by the caller's own proxy
//! (requirement D13). The relay's lists do not have it, so what is never reported ends by a timer.

use super::Distributor;
use crate::contact::{Contact, LegState, State, Ticket, Way};
use crate::event::{OfferEnd, What};
use crate::id::{ContactId, OfferId};
use crate::input::{Carried, EndCause};
use crate::limits::{ASKER_SILENCE, MAX_LIVE_CONTACTS};
use crate::output::Output;
use crate::slot::Slot;
use crate::timers::Timer;
use core::time::Duration;

/// How a contact stands that has no final answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its place in its queue, from 1.
    pub position: usize,
    /// How long it is expected to wait from now on, if that can be said.
    pub expected: Option<Duration>,
}

impl Distributor {
    /// How a contact stands in its queue; none for one that is in none.
    pub fn standing(&self, contact: ContactId) -> Option<Standing> {
        let found = self.contacts.get(&contact)?;
        let ticket = found.ticket.as_ref();
        let ticket = ticket.filter(|_| matches!(found.state, State::Waiting | State::Offered))?;
        Some(Standing {
            position: self.position(ticket),
            expected: self.expected(ticket),
        })
    }

    /// Whoever asked for a contact that waits has to go on asking.
    pub(super) fn set_asker_timer(&mut self, contact: ContactId) {
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        // A promise stands whether anybody asks about it or not.
        let asked = |ticket: &Ticket| ticket.way == Way::Outside && ticket.call_back.is_none();
        if ticket.is_some_and(asked) {
            let due = self.now.mono.saturating_add(ASKER_SILENCE);
            self.timers.set(Timer::Asker(contact), due);
        }
    }

    pub(super) fn renewed(&mut self, contact: ContactId) {
        if self.timers.is_set(&Timer::Asker(contact)) {
            self.set_asker_timer(contact);
        }
    }

    /// Nobody has asked for long. One that rings is left to the ring timer first.
    pub(super) fn asker_silent(&mut self, contact: ContactId) {
        match self.contacts.get(&contact).map(|found| found.state) {
            Some(State::Offered) => self.set_asker_timer(contact),
            Some(State::Waiting) => self.cancelled(contact),
            Some(State::Scheduled | State::Connected(_)) | None => {}
        }
    }

    /// Whether whoever asked for an agent may call here to be led to the agent of this offer.
    pub fn may_claim(&self, contact: ContactId, offer: OfferId) -> bool {
        let open = self.legs.get(&offer).is_some_and(|leg| {
            let spoken = matches!(leg.slot, Slot::Call | Slot::Video);
            let offered = matches!(leg.state, LegState::Offering { .. });
            leg.contact == contact && leg.way == Way::Outside && offered && spoken
        });
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        open && ticket.is_some_and(|ticket| ticket.call_back.is_none())
    }

    /// The relay carries the contact from now on, to this agent alone: its asker looks for another one by
    /// itself.
    pub(super) fn claimed(&mut self, contact: ContactId, offer: OfferId) {
        if !self.may_claim(contact, offer) {
            self.counters.dropped_late += 1;
            return;
        }
        let found = self.contacts.get_mut(&contact);
        let ticket = found.and_then(|found| found.ticket.as_mut());
        let Some((leg, ticket)) = self.legs.get_mut(&offer).zip(ticket) else {
            return;
        };
        let agent = leg.agent.clone();
        (leg.way, ticket.way) = (Way::Relay, Way::Relay);
        (leg.since, ticket.only) = (self.now.mono, Some(agent.clone()));
        let queue = ticket.queue.and_then(|queue| self.queues.get(queue));
        let ring_for = super::seconds(queue.map_or(1, |queue| queue.declared.ring_seconds));
        self.timers.cancel(&Timer::Asker(contact));
        let due = self.now.mono.saturating_add(ring_for);
        self.timers.set(Timer::Ring(offer), due);
        self.watch_sessions();
        self.counters.claimed += 1;
        self.tell(What::ContactClaimed {
            contact,
            offer,
            agent: agent.clone(),
        });
        self.out(Output::Offer {
            contact,
            offer,
            agent,
            ring_for,
            way: Way::Relay,
        });
    }

    /// Takes an offer back that is carried outside. It is over with that, and its agent free as far as
    /// this side knows; the caller refreshes the agent.
    pub(super) fn withdraw(&mut self, offer: OfferId, why: OfferEnd) {
        let Some(leg) = self.remove_leg(offer, true) else {
            return;
        };
        let contact = leg.contact;
        self.out(Output::CancelOffer { contact, offer });
        self.tell_failed(offer, &leg, why, 0);
        self.rest(&leg.agent, why);
    }

    /// Bounds what was answered so long ago and whose end nobody may ever report.
    pub(super) fn set_outside_timer(&mut self, offer: OfferId, way: Way, since: Duration) {
        if way == Way::Relay {
            return;
        }
        let declared = self.centre.as_ref().map(|centre| centre.offers.clone());
        let longest = super::seconds(declared.unwrap_or_default().outside_seconds);
        let left = longest.saturating_sub(since);
        let due = self.now.mono.saturating_add(left);
        self.timers.set(Timer::Outside(offer), due);
    }

    /// The end of what is carried outside was not reported in time.
    pub(super) fn never_reported(&mut self, offer: OfferId) {
        if let Some(leg) = self.legs.get(&offer)
            && leg.state == LegState::Live
        {
            let contact = leg.contact;
            self.session_ended(contact, offer, EndCause::Unreported, None);
        }
    }

    /// Goes on with a contact that was connected outside before this process.
    pub(super) fn restore(&mut self, carried: &Carried) {
        let known = self.contacts.contains_key(&carried.contact)
            || self.legs.contains_key(&carried.offer)
            || carried.way == Way::Relay;
        if known {
            self.counters.dropped_repeated_contact += 1;
            return;
        }
        if self.contacts.len() >= MAX_LIVE_CONTACTS || !self.know_agent(&carried.agent) {
            self.counters.dropped_adoption += 1;
            return;
        }
        let before = self.now.unix_ms.saturating_sub(carried.since);
        self.adopt_connected(carried);
        let before = Duration::from_millis(before);
        self.set_outside_timer(carried.offer, carried.way, before);
    }

    /// Who carries a contact to its agent.
    pub(super) fn way_of(&self, contact: &Contact) -> Way {
        let leg = contact.offer().and_then(|offer| self.legs.get(&offer));
        let ticket = contact.ticket.as_ref().map(|ticket| ticket.way);
        leg.map(|leg| leg.way).or(ticket).unwrap_or_default()
    }
}
