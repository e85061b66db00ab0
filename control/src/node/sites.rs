//! Agents of other centres (requirement D12): what those centres say goes to the distributor, and a call
//! to one of their agents goes to their edge by the name that they gave for it.

use std::time::Duration;

use patchbay_core::{AgentId, ContactId, Event, Input, OfferId, SiteFailure, SiteId, Way, What};
use patchbay_sip::Uri;
use rustc_hash::FxHashMap;

use super::action::Action;
use super::machine::Machine;
use crate::signalling::{Claim, Moment};

/// What another centre says to what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteTold {
    /// For which contact it was asked.
    pub contact: ContactId,
    /// The centre.
    pub site: SiteId,
    /// What it says.
    pub says: SiteSays,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteSays {
    /// The contact waits there too.
    Took,
    /// An agent is reserved for it.
    Offered {
        /// The agent, by its name there.
        agent: AgentId,
        /// Where a call is led to it.
        at: String,
        /// The contact, by its name there.
        theirs: ContactId,
    },
    /// No agent comes of it.
    Gone(SiteFailure),
}

/// An agent there that is reserved for a contact here.
#[derive(Debug, Clone)]
struct Reserved {
    contact: ContactId,
    agent: AgentId,
    site: SiteId,
    at: String,
    theirs: ContactId,
}

/// Agents of other centres that are being called.
#[derive(Debug, Default)]
pub(super) struct Sites {
    /// What the distributor is just being told.
    coming: Option<Reserved>,
    open: FxHashMap<OfferId, Reserved>,
}

impl Sites {
    /// Where an offer goes that the distributor makes of what another centre gave.
    pub(super) fn takes(
        &mut self,
        (contact, offer): (ContactId, OfferId),
        agent: &AgentId,
    ) -> Option<String> {
        let of_it = |one: &Reserved| one.contact == contact && one.agent == *agent;
        let reserved = self.coming.take_if(|one| of_it(one))?;
        let at = reserved.at.clone();
        self.open.insert(offer, reserved);
        Some(at)
    }

    /// Agents there that are reserved for contacts here and being called.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}

impl Machine {
    /// Takes what another centre says.
    pub fn site_says(&mut self, told: SiteTold, now: Moment) {
        let SiteTold {
            contact,
            site,
            says,
        } = told;
        match says {
            SiteSays::Took => self.core(Input::SiteTook { contact, site }, now),
            SiteSays::Gone(why) => self.core(Input::SiteGone { contact, site, why }, now),
            SiteSays::Offered { agent, at, theirs } => {
                self.sites.coming = Some(Reserved {
                    contact,
                    agent: AgentId::new(format!("{agent}@{site}")),
                    site: site.clone(),
                    at,
                    theirs,
                });
                let offered = Input::SiteOffered {
                    contact,
                    site,
                    agent,
                };
                self.core(offered, now);
                // The contact was gone, or in other hands.
                let unwanted = self.sites.coming.take();
                self.actions.extend(unwanted.map(Reserved::release));
            }
        }
    }

    /// Calls an agent of another centre.
    pub(super) fn brings_there(
        &mut self,
        (contact, offer): (ContactId, OfferId),
        agent: &AgentId,
        at: &str,
        (way, ring_for): (Way, Duration),
        now: Moment,
    ) {
        match way {
            Way::Redirect => {
                self.routed.begin(contact, way);
                self.signalling.hand_over_to(contact, offer, at, now);
            }
            Way::Relay | Way::Outside => {
                self.signalling
                    .offer_at((contact, offer), agent, at, ring_for, now);
            }
        }
    }

    /// Lets agents there go whose offers came to nothing: their centres may not have seen a call.
    pub(super) fn tell_sites(&mut self, event: &Event) {
        match &event.what {
            What::OfferFailed { offer, .. } => {
                let reserved = self.sites.open.remove(offer);
                self.actions.extend(reserved.map(Reserved::release));
            }
            What::ContactConnected { offer, .. } => {
                self.sites.open.remove(offer);
            }
            _ => {}
        }
    }

    /// By what name whoever asked for a contact is led to its agent.
    pub(super) fn claim_of(
        &self,
        contact: ContactId,
        offer: OfferId,
        agent: &AgentId,
    ) -> Option<String> {
        let claims = self.distributor.may_claim(contact, offer) && !self.programs.has(agent);
        claims.then(|| self.signalling.claim_name(contact, offer))
    }

    /// Whoever asked for a contact has called here.
    pub(super) fn claims(&mut self, claim: Claim, now: Moment) {
        let Claim { contact, offer, .. } = claim;
        if !self.distributor.may_claim(contact, offer) || self.programs.is_asked(offer) {
            return self.signalling.refuse_claim(&claim, now);
        }
        self.routed.claimed(contact);
        self.signalling.take_claim(claim, now);
    }

    /// Agents of other centres that are being called.
    pub(super) fn called_there(&self) -> usize {
        self.sites.len()
    }
}

impl Reserved {
    fn release(self) -> Action {
        Action::Release {
            site: self.site,
            theirs: self.theirs,
        }
    }
}

/// Where calls come in there, with the name that leads to the agent.
pub(super) fn address(edge: &str, claim: &str) -> Option<String> {
    let (scheme, host) = edge.split_once(':')?;
    let plain = claim
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let at = format!("{scheme}:{claim}@{host}");
    (plain && Uri::parse(&at).is_ok()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    // D12
    #[test]
    fn a_claim_is_called_at_the_edge_of_its_centre() {
        let at = |edge, claim| address(edge, claim).unwrap_or_default();
        assert_eq!(
            at("sip:edge.lyon.example:5070;transport=tcp", "claim-1-2-3"),
            "sip:claim-1-2-3@edge.lyon.example:5070;transport=tcp"
        );
        assert_eq!(
            at("sips:[2001:db8::1]", "claim-1"),
            "sips:claim-1@[2001:db8::1]"
        );
        for wrong in ["claim-1@evil.example;", "", "claim 1", "claim-1:word"] {
            assert!(
                wrong.is_empty() || at("sip:edge", wrong).is_empty(),
                "{wrong}"
            );
        }
    }
}
