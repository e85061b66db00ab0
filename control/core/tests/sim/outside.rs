//! How the oracle follows what is carried outside.

use super::invariants;
use super::oracle::{Oracle, Touched};
use patchbay_core::limits::ASKER_SILENCE;
use patchbay_core::{AgentId, ContactId, OfferId, QueueId};

impl Oracle {
    pub(super) fn renewed(&mut self, id: ContactId, now: u64) {
        self.asked_about(id, now);
        if let Some(contact) = self.model.contacts.get_mut(&id) {
            contact.asked_at = now;
        }
    }

    /// From now on the contact may wait unasked for so long and no longer.
    pub(super) fn asked_about(&mut self, id: ContactId, now: u64) {
        self.model.heard_of(id, now);
        let silent = ASKER_SILENCE.as_millis() as u64;
        let too_long = now + silent + invariants::LATE_MS + 1;
        self.later(too_long, Touched::Contact(id));
    }

    /// After a contact its agent may be left alone for as long as its queue says.
    pub(super) fn may_wrap_up(&mut self, agent: &AgentId, queue: Option<&QueueId>, now: u64) {
        let queue = queue.and_then(|queue| self.model.queues.get(queue));
        let wrap_up = queue.map_or(0, |queue| queue.declared.wrap_up_seconds);
        let until = now + u64::from(wrap_up) * 1_000;
        if let Some(found) = self.model.agents.get_mut(agent) {
            found.rests_until = found.rests_until.max(until);
            self.later(until, Touched::Agent(agent.clone()));
        }
    }

    pub(super) fn longest_outside(&self) -> u64 {
        u64::from(self.model.centre.offers.outside_seconds) * 1_000
    }

    /// What is carried outside ends some time, reported or not.
    pub(super) fn bound_outside(&mut self, offer: OfferId, now: u64, longest: u64) {
        let leg = self.model.legs.get_mut(&offer);
        if let Some(leg) = leg.filter(|_| self.model.outside.contains(&offer)) {
            leg.ends = Some(now + longest);
            let agent = leg.agent.clone();
            let at = now + longest + invariants::LATE_MS + 1;
            self.later(at, Touched::Agent(agent));
        }
    }
}
