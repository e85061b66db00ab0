//! Classes that are made when they are first asked for: of what servers ask of an agent and no rule
//! does, and of media other than calls.

use super::Distributor;
use super::configure::intern;
use crate::id::{AgentId, QueueId};
use crate::limits::MAX_ASKED_WISHES;
use crate::slot::Slot;
use std::collections::BTreeMap;

impl Distributor {
    /// Sees to it that there is a class for a wish. False if servers have asked for too many
    /// different ones.
    pub(super) fn can_wish(&mut self, queue: &QueueId, skills: &BTreeMap<String, u8>) -> bool {
        if self.classes.find(queue, skills, Slot::Call).is_some() {
            return true;
        }
        if self.centre.is_none() || self.asked_wishes >= MAX_ASKED_WISHES {
            return false;
        }
        self.asked_wishes += 1;
        self.make_classes(queue, (skills, Slot::Call));
        true
    }

    /// The class of a wish. One of another medium than calls is made when it is first needed.
    pub(super) fn class_of(
        &mut self,
        queue: &QueueId,
        skills: &BTreeMap<String, u8>,
        slot: Slot,
    ) -> Option<usize> {
        let known = self.classes.find(queue, skills, slot);
        if known.is_some() || self.classes.find(queue, skills, Slot::Call).is_none() {
            return known;
        }
        self.make_classes(queue, (skills, slot));
        self.classes.find(queue, skills, slot)
    }

    /// Sees to it that there are classes for what a contact of an earlier process asks for, now and later.
    pub(super) fn wish_again(&mut self, queue: &QueueId, skills: &BTreeMap<String, u8>) {
        if self.classes.find(queue, skills, Slot::Call).is_none() {
            self.make_classes(queue, (skills, Slot::Call));
        }
    }

    fn make_classes(&mut self, queue: &QueueId, wish: (&BTreeMap<String, u8>, Slot)) {
        let Some(centre) = self.centre.as_ref() else {
            return;
        };
        let known = self.classes.len();
        intern(&mut self.classes, centre, queue, wish);
        for agent in self.agents.values_mut().filter(|one| one.in_declaration) {
            self.classes.join_later(known, agent, &mut self.lots);
        }
        self.compare_classes();
    }

    /// Finds out anew which classes share agents.
    pub(super) fn compare_classes(&mut self) {
        let agents = &self.agents;
        let serves = |agent: &AgentId| agents.get(agent).map(|found| found.classes.as_slice());
        self.classes.compare(serves);
    }
}
