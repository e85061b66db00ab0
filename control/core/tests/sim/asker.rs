//! Those who ask for agents from outside, carry the contacts themselves, and tell what comes of it:
//! or forget to ask, or to tell.

use super::relay::Talk;
use super::{Step, World};
use patchbay_core::{
    AgentId, Carried, ContactId, EndCause, Facts, Input, OfferFailure, OfferId, Promised, Slot, Way,
};
use std::collections::{BTreeMap, BTreeSet};

/// What an asker does.
#[derive(Clone, Debug)]
pub enum Asks {
    /// Asks how the contact stands, and goes on asking.
    Again(ContactId),
    /// Tells what comes of an offer.
    Tells(Report),
}

/// What is told of an offer.
#[derive(Clone, Copy, Debug)]
pub enum Report {
    Ringing(OfferId),
    Calling(OfferId),
    Answered(OfferId),
    Failed(OfferId, OfferFailure),
    Ended(ContactId, OfferId),
}

/// What control keeps over its restarts of what is connected outside.
#[derive(Debug, Default)]
pub struct Kept {
    pub connected: BTreeMap<OfferId, Carried>,
    /// Offers that are not answered.
    pub offers: BTreeMap<OfferId, (ContactId, AgentId, Way)>,
    /// What callers' edges send again to the next process.
    pub invites: BTreeMap<ContactId, Facts>,
    /// Callers who were answered and wait.
    pub in_call: BTreeSet<ContactId>,
    /// What was promised to customers.
    pub promises: BTreeMap<ContactId, Promised>,
}

/// Of a hundred contacts, those of somebody outside.
const OUTSIDE: u64 = 25;
/// Of a hundred that were asked for, those about whom nobody asks again.
const FORGOTTEN: u64 = 10;
/// Of a hundred ends, those that are never told.
const UNTOLD: u64 = 10;

impl World {
    /// Whether the next contact comes from outside, and as what.
    pub(super) fn comes_from_outside(&mut self) -> Option<Slot> {
        let outside = self.profile.day.is_none() && self.rng.percent(OUTSIDE);
        outside.then(|| *self.rng.pick(&Slot::ALL))
    }

    pub(super) fn begins_to_ask(&mut self, contact: ContactId) {
        if !self.rng.percent(FORGOTTEN) {
            self.asks_later(contact);
        }
    }

    fn asks_later(&mut self, contact: ContactId) {
        let pause = self.rng.range(1_000, 110_000);
        self.after(pause, Step::Asker(Asks::Again(contact)));
    }

    pub(super) fn asker(&mut self, what: Asks) {
        match what {
            Asks::Again(contact) => {
                if self.oracle.model.contacts.contains_key(&contact) {
                    self.tell(Input::ContactRenewed { contact });
                    self.asks_later(contact);
                }
            }
            Asks::Tells(report) => self.reported(report),
        }
    }

    fn reported(&mut self, report: Report) {
        let input = match report {
            Report::Ringing(offer) => Input::OfferRinging { offer },
            Report::Calling(offer) => Input::CallBackDialled { offer },
            Report::Answered(offer) => Input::OfferAnswered { offer },
            Report::Failed(offer, cause) => {
                let code = 0;
                Input::OfferFailed { offer, cause, code }
            }
            Report::Ended(contact, offer) => Input::ContactEnded {
                contact,
                offer,
                cause: EndCause::Reported,
                by: None,
            },
        };
        self.tell(input);
    }

    /// An agent was found for somebody outside.
    pub(super) fn found_for_asker(&mut self, contact: ContactId, offer: OfferId, agent: AgentId) {
        self.kept
            .offers
            .insert(offer, (contact, agent, Way::Outside));
        if self.kept.promises.contains_key(&contact) {
            return self.found_for_customer(offer);
        }
        self.may_call(contact, offer);
        let manners = self.relay.manners;
        let after = self.rng.range(30, manners.answer_ms);
        match self.rng.range(0, 99) {
            0..15 => {
                let causes = [OfferFailure::Busy, OfferFailure::Declined];
                let cause = *self.rng.pick(&causes);
                self.tells(after, Report::Failed(offer, cause));
            }
            15..35 => {}
            _ => {
                let soon = self.rng.range(5, 400);
                self.tells(soon, Report::Ringing(offer));
                self.tells(after, Report::Answered(offer));
            }
        }
    }

    /// The caller's proxy is told where the agent is, unless the agent is nowhere.
    pub(super) fn handed_over(&mut self, contact: ContactId, offer: OfferId, agent: AgentId) {
        self.kept
            .offers
            .insert(offer, (contact, agent, Way::Redirect));
        let report = match self.rng.percent(90) {
            true => Report::Answered(offer),
            false => Report::Failed(offer, OfferFailure::Unreachable),
        };
        self.after(0, Step::Asker(Asks::Tells(report)));
    }

    /// Somebody outside is told that the agent is connected.
    pub(super) fn connected_outside(&mut self, offer: OfferId) {
        let Some((contact, agent, way)) = self.kept.offers.remove(&offer) else {
            return;
        };
        let carried = Carried {
            contact,
            offer,
            agent,
            medium: self.oracle.model.slots[&offer],
            way,
            since: self.now().unix_ms,
            asked_by: None,
        };
        self.kept.connected.insert(offer, carried);
        if self.rng.percent(UNTOLD) {
            return;
        }
        let talk = match self.relay.manners.talk {
            Talk::UpTo(most) => self.rng.range(10, most),
            Talk::LogNormal(mean, spread) => (self.rng.log_normal(mean, spread) * 1_000.0) as u64,
        };
        self.tells(talk, Report::Ended(contact, offer));
    }

    pub(super) fn tells(&mut self, after: u64, report: Report) {
        // HTTP: some requests are sent again, none is lost but with who sends it.
        let copies = 1 + u64::from(self.rng.percent(self.profile.double));
        for _ in 0..copies {
            let late = self.rng.range(0, 40);
            self.after(after + late, Step::Asker(Asks::Tells(report)));
        }
    }

    /// A new control process goes on with what was connected.
    pub(super) fn restore_outside(&mut self) {
        self.kept.offers.clear();
        for carried in Vec::from_iter(self.kept.connected.values().cloned()) {
            self.tell(Input::OutsideLive(carried));
        }
    }
}
