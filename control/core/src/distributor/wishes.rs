//! What servers ask of an agent and no rule does: its class is made when it is first asked for.

use super::Distributor;
use super::configure::intern;
use crate::id::{AgentId, QueueId};
use crate::limits::MAX_ASKED_WISHES;
use std::collections::BTreeMap;

impl Distributor {
    /// Sees to it that there is a class for a wish. False if servers have asked for too many
    /// different ones.
    pub(super) fn can_wish(&mut self, queue: &QueueId, skills: &BTreeMap<String, u8>) -> bool {
        if self.classes.find(queue, skills).is_some() {
            return true;
        }
        let Some(centre) = self.centre.as_ref() else {
            return false;
        };
        if self.asked_wishes >= MAX_ASKED_WISHES {
            return false;
        }
        self.asked_wishes += 1;
        let known = self.classes.len();
        intern(&mut self.classes, centre, queue, skills);
        for agent in self.agents.values_mut().filter(|one| one.in_declaration) {
            self.classes.join_later(known, agent, &mut self.lots);
        }
        let agents = &self.agents;
        let serves = |agent: &AgentId| agents.get(agent).map(|found| found.classes.as_slice());
        self.classes.compare(serves);
        true
    }
}
