//! How the oracle follows offers: made, answered, taken back, failed.

use super::invariants;
use super::model::{Kind, Leg, Skip};
use super::oracle::{Oracle, Touched};
use patchbay_core::{AgentId, ContactId, OfferEnd, OfferId};

impl Oracle {
    pub(super) fn offered(&mut self, id: ContactId, offer: OfferId, agent: &AgentId, now: u64) {
        self.offers += 1;
        if !self.was_given(id, agent) {
            invariants::offered_well(&self.model, id, offer, agent, now);
            invariants::not_overtaken(&self.model, id, agent, now);
        }
        let slot = self.model.contacts[&id].slot;
        self.model.slots.insert(offer, slot);
        let leg = Leg {
            contact: id,
            agent: agent.clone(),
            slot,
            kind: Kind::Open,
            since: now,
            ends: None,
        };
        self.model.add_leg(offer, leg);
        let contact = self.model.contacts.get_mut(&id).expect("checked");
        contact.offers.push(offer);
        self.touch(agent);
        self.touch_contact(id);
    }

    pub(super) fn accepted(&mut self, id: ContactId, offer: OfferId) {
        self.connected += 1;
        let answered = self.answer(id, 200);
        let leg = self.model.legs.get(&offer).expect("an offer is accepted");
        if let Some(caller) = answered.and_then(|contact| contact.caller) {
            self.model.last.insert(caller, leg.agent.clone());
        }
    }

    /// An offer taken back may still be answered, but no longer counts as one of its contact.
    pub(super) fn cancelled(&mut self, id: ContactId, offer: OfferId, now: u64) {
        let leg = self.model.legs.get(&offer).expect("an offer is cancelled");
        assert_eq!(leg.contact, id, "the contact of a cancelled offer");
        let agent = leg.agent.clone();
        let until = now + self.skip_ms();
        let all = self.rings_all(id);
        self.model.taken_back.insert(offer, (until, all));
        self.model.strike(id, offer);
        self.model.unstick(id);
        self.passes_over(id, &agent, 0, until);
        self.touch_contact(id);
    }

    pub(super) fn skip_ms(&self) -> u64 {
        u64::from(self.model.centre.offers.skip_seconds) * 1_000
    }

    /// Whether a contact rings several agents, so that one that did not answer may ring again.
    pub(super) fn rings_all(&self, id: ContactId) -> bool {
        let contact = self.model.contacts.get(&id);
        let contact = contact.filter(|contact| !self.model.is_outside(contact));
        let queue = contact.and_then(|contact| contact.queue.as_ref());
        let queue = queue.and_then(|id| self.model.queues.get(id));
        queue.is_some_and(|queue| queue.declared.at_once() > 1)
    }

    pub(super) fn passes_over(
        &mut self,
        id: ContactId,
        agent: &AgentId,
        at_least: u64,
        at_most: u64,
    ) {
        if let Some(contact) = self.model.contacts.get_mut(&id) {
            let skip = Skip {
                at_least_until: at_least,
                at_most_until: at_most,
            };
            contact.skips.insert(agent.clone(), skip);
            self.later(at_most, Touched::Contact(id));
        }
    }

    pub(super) fn offer_connected(
        &mut self,
        offer: OfferId,
        id: ContactId,
        agent: &AgentId,
        now: u64,
    ) {
        invariants::ends_once(&self.model, offer, id, agent);
        self.model.ended.insert(offer);
        self.model.taken_back.remove(&offer);
        let leg = self.model.legs.get_mut(&offer).expect("checked");
        (leg.kind, leg.since) = (Kind::Live, now);
        self.bound_outside(offer, now, self.longest_outside());
        self.touch(agent);
    }

    pub(super) fn offer_failed(
        &mut self,
        offer: OfferId,
        id: ContactId,
        agent: &AgentId,
        why: OfferEnd,
        now: u64,
    ) {
        invariants::ends_once(&self.model, offer, id, agent);
        self.model.ended.insert(offer);
        self.model.remove_leg(offer);
        self.model.strike(id, offer);
        self.asked_about(id, now);
        let before = self.is_call_back(id) && !self.model.outside.contains(&offer);
        if !before {
            self.model.unstick(id);
        }
        let skipped = matches!(
            why,
            OfferEnd::NoAnswer | OfferEnd::Declined | OfferEnd::NotAcceptable
        );
        let otherwise = (now + self.skip_ms(), self.rings_all(id));
        let (until, all) = self.model.taken_back.remove(&offer).unwrap_or(otherwise);
        if skipped {
            let firm = !(all && why == OfferEnd::NoAnswer);
            let firm = firm && !before;
            self.passes_over(id, agent, if firm { until } else { 0 }, until);
        }
        let back_off = u64::from(self.model.centre.offers.back_off_seconds) * 1_000;
        if let Some(found) = self.model.agents.get_mut(agent) {
            found.rests_until = found.rests_until.max(now + back_off);
        }
        self.later(now + back_off, Touched::Agent(agent.clone()));
        self.touch(agent);
        self.touch_contact(id);
    }

    pub(super) fn holds(
        &mut self,
        offer: OfferId,
        contact: ContactId,
        agent: &AgentId,
        kind: Kind,
        now: u64,
    ) {
        // A relay's list does not say.
        let outside = self.model.outside.contains(&offer);
        let slot = self.model.slots.get(&offer).filter(|_| outside);
        let leg = Leg {
            contact,
            agent: agent.clone(),
            slot: slot.copied().unwrap_or_default(),
            kind,
            since: now,
            ends: None,
        };
        invariants::wanted_outside(&self.model, offer, kind);
        self.model.add_leg(offer, leg);
        self.bound_outside(offer, now, self.longest_outside());
        self.touch(agent);
    }
}
