//! What the relay tells of calls that stand: hold, and transfers by phones.

use super::Distributor;
use crate::contact::State;
use crate::event::What;
use crate::id::{AgentId, ContactId, OfferId};
use patchbay_route::session::EndedBy;

impl Distributor {
    /// The call is on hold, or was taken back.
    pub(super) fn call_held(&mut self, offer: OfferId, by: Option<EndedBy>) {
        let Some((contact, agent)) = self.in_call(offer) else {
            return;
        };
        let now = self.now.mono;
        let Some(found) = self.contacts.get_mut(&contact) else {
            return;
        };
        match (by, found.held) {
            (Some(by), None) => {
                found.held = Some(now);
                self.tell(What::ContactHeld {
                    contact,
                    offer,
                    agent,
                    by,
                });
            }
            (None, Some(_)) => self.resumed(contact, offer, &agent),
            // It is known; or the other side holds as well.
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// Ends the hold of a contact, if it is on hold.
    pub(super) fn resumed(&mut self, contact: ContactId, offer: OfferId, agent: &AgentId) {
        let found = self.contacts.get_mut(&contact);
        let Some(since) = found.and_then(|found| found.held.take()) else {
            return;
        };
        let held_ms = self.since_ms(since);
        self.tell(What::ContactResumed {
            contact,
            offer,
            agent: agent.clone(),
            held_ms,
        });
    }

    /// A phone has sent the other side elsewhere.
    pub(super) fn transferred(&mut self, offer: OfferId, by: EndedBy, to: String) {
        if let Some((contact, agent)) = self.in_call(offer) {
            self.tell(What::ContactTransferred {
                contact,
                offer,
                agent,
                by,
                to,
            });
        }
    }

    /// Contact and agent of a call that stands.
    fn in_call(&mut self, offer: OfferId) -> Option<(ContactId, AgentId)> {
        let leg = self.legs.get(&offer);
        let of = leg.map(|leg| (leg.contact, leg.agent.clone()));
        let of = of.filter(|(contact, _)| {
            let found = self.contacts.get(contact);
            found.is_some_and(|found| found.state == State::Connected(offer))
        });
        if of.is_none() {
            self.counters.dropped_late += 1;
        }
        of
    }
}
