//! Contacts that others ask agents for, and carry themselves (requirement D13).

use std::time::Duration;

use patchbay_core::{
    AgentId, Carried, ContactId, EndCause, Event, Facts, Input, OfferId, Promised, Standing, Way,
    What,
};
use patchbay_route::session::EndedBy;

use super::action::{Action, Ending};
use super::machine::Machine;
use super::reported::{Meaning, Report, ReportError};
use super::routed::Follow;
use super::stand::{Routed, Stand};
use crate::signalling::Moment;
use crate::store::contact_of;

impl Machine {
    /// Takes a contact of somebody outside, and says how it stands.
    pub fn route(
        &mut self,
        facts: Box<Facts>,
        asked_by: Option<String>,
        now: Moment,
    ) -> Option<Routed> {
        let contact = self.signalling.name_contact(now.unix_ms());
        self.routed.begin(contact, Way::Outside);
        if let Some(token) = asked_by {
            self.routed.asked_by(contact, token);
        }
        self.core(Input::ContactRequested { contact, facts }, now);
        self.standing(contact)
    }

    /// How a contact stands that is carried outside; that somebody asks is a sign that it is wanted.
    pub fn routed(&mut self, contact: ContactId, now: Moment) -> Option<Routed> {
        if self.routed.has(contact) {
            self.core(Input::ContactRenewed { contact }, now);
        }
        self.standing(contact)
    }

    /// Takes what is told of a contact that is carried outside.
    ///
    /// # Errors
    /// [`ReportError`]; nothing has changed then.
    pub fn report(
        &mut self,
        contact: ContactId,
        report: &Report,
        now: Moment,
    ) -> Result<Routed, ReportError> {
        if let Meaning::Tell(input) = self.routed.report(contact, report)? {
            self.core(input, now);
        }
        self.core(Input::ContactRenewed { contact }, now);
        self.standing(contact).ok_or(ReportError::Unknown(contact))
    }

    /// Goes on with what was connected outside before a restart; configure first.
    pub fn restore_carried(&mut self, carried: Vec<Carried>, now: Moment) {
        for one in carried {
            self.routed.restore(&one);
            self.core(Input::OutsideLive(one), now);
        }
    }

    /// Goes on with what was promised to customers before a restart; after what is connected.
    pub fn restore_promises(&mut self, promised: Vec<Promised>, now: Moment) {
        for one in promised {
            let contact = one.contact;
            if self.routed.has(contact) {
                // It was connected when the process ended, and the promise is kept by that.
                self.actions.push_back(Action::ForgetCallBack(contact));
            } else {
                self.routed.begin(contact, Way::Outside);
                self.core(Input::CallBackKept(Box::new(one)), now);
            }
        }
    }

    /// Calls that are promised to customers and not made yet, by their names.
    #[must_use]
    pub fn promises(&self) -> Vec<Routed> {
        let promised = self.routed.promised();
        let mut promised: Vec<Routed> = promised.filter_map(|one| self.standing(one)).collect();
        promised.sort_unstable_by_key(|one| one.contact);
        promised
    }

    /// Contacts that are carried outside, those that are over and still answered for included.
    #[must_use]
    pub fn routed_contacts(&self) -> usize {
        self.routed.len()
    }

    /// Ends a contact that is carried outside; none if it is not one.
    pub(super) fn end_routed(&mut self, contact: ContactId, now: Moment) -> Option<Ending> {
        let input = match self.routed.get(contact)?.state {
            Stand::Asking
            | Stand::Scheduled { .. }
            | Stand::Queued { .. }
            | Stand::Offered { .. } => self.routed.given_up(contact),
            // The relay ends it.
            Stand::Connected { .. } if self.routed.is_claimed(contact) => return None,
            Stand::Connected { offer, .. } => Input::ContactEnded {
                contact,
                offer,
                cause: EndCause::Api,
                by: Some(EndedBy::Control),
            },
            _ => return Some(Ending::Unknown),
        };
        self.core(input, now);
        Some(Ending::Refused)
    }

    /// Brings a contact to an agent.
    pub(super) fn brings(
        &mut self,
        (contact, offer): (ContactId, OfferId),
        agent: &AgentId,
        (way, ring_for): (Way, Duration),
        now: Moment,
    ) {
        if let Some(at) = self.sites.takes((contact, offer), agent) {
            return self.brings_there((contact, offer), agent, &at, (way, ring_for), now);
        }
        if self.programs.has(agent) {
            return self.asks_program((contact, offer), agent, (way, ring_for));
        }
        match way {
            Way::Relay => self.signalling.offer(contact, offer, agent, ring_for, now),
            Way::Redirect => {
                self.routed.begin(contact, way);
                self.signalling.hand_over(contact, offer, agent, now);
            }
            // Who asked is told by the event.
            Way::Outside => {}
        }
    }

    pub(super) fn core(&mut self, input: Input, now: Moment) {
        self.distributor.handle(input, now.now);
        self.decided(now);
        self.run(now);
    }

    fn standing(&self, contact: ContactId) -> Option<Routed> {
        let mut routed = self.routed.get(contact)?;
        if let Stand::Queued {
            position,
            expected_ms,
            ..
        } = &mut routed.state
            && let Some(standing) = self.distributor.standing(contact)
        {
            let Standing {
                position: place,
                expected,
            } = standing;
            let millis = |wait: Duration| u64::try_from(wait.as_millis()).ok();
            (*position, *expected_ms) = (place, expected.and_then(millis));
        }
        Some(routed)
    }

    /// Tells an event, and whoever carries the contact that it is about.
    pub(super) fn happened(&mut self, event: Event, now: Moment) {
        if let What::CallBackPromised { contact, .. } = event.what
            && !self.routed.has(contact)
        {
            self.routed.begin(contact, Way::Outside);
        }
        let follow = self.routed.follow(&event, now.at);
        let contact = contact_of(&event);
        if let (
            What::ContactOffered {
                contact,
                offer,
                agent,
                ..
            },
            Follow::Changed,
        ) = (&event.what, &follow)
        {
            let at = self.signalling.reached_at(agent);
            let claim = self.claim_of(*contact, *offer, agent);
            self.routed.called_at(*contact, at, claim);
        }
        self.tell_programs(&event);
        self.tell_sites(&event);
        self.actions.push_back(Action::Event(event));
        let Some(contact) = contact.filter(|_| follow != Follow::Nothing) else {
            return;
        };
        match follow {
            Follow::Connected(carried) => self.actions.push_back(Action::KeepCarried(carried)),
            Follow::Ended => self.actions.push_back(Action::ForgetCarried(contact)),
            Follow::Changed | Follow::Nothing => {}
        }
        self.actions.push_back(Action::Routed(contact));
    }
}
