//! The choice of an agent for a contact, and of a contact for an agent (requirement A4).

use super::Distributor;
use crate::agent::Agent;
use crate::contact::{State, Ticket};
use crate::event::Activity;
use crate::explain::{Choice, Considered, Verdict};
use crate::id::{AgentId, ContactId};
use crate::input::Status;
use crate::limits::MAX_EXPLAINED_AGENTS;
use crate::selection::{Class, Rank};

/// Members of a class looked at for those that are not free.
const MAX_MEMBERS_LOOKED_AT: usize = 4 * MAX_EXPLAINED_AGENTS;

impl Distributor {
    /// Offers a waiting contact to the longest idle agent that is free for it, if there is one.
    pub(super) fn serve_contact(&mut self, contact: ContactId) -> bool {
        let Some(found) = self.contacts.get(&contact) else {
            return false;
        };
        let (State::Waiting, Some(ticket)) = (found.state, &found.ticket) else {
            return false;
        };
        let agent = match &ticket.only {
            Some(agent) => Some(agent.clone()).filter(|agent| self.is_free(agent, ticket)),
            None => ticket
                .class
                .and_then(|class| self.classes.get(class))
                .and_then(|class| best(class, ticket))
                .map(|rank| rank.agent.clone()),
        };
        let Some(agent) = agent else {
            return false;
        };
        self.offer(contact, &agent);
        true
    }

    fn is_free(&self, agent: &AgentId, ticket: &Ticket) -> bool {
        let found = self.agents.get(agent);
        found.is_some_and(|found| unavailable(found).is_none()) && !ticket.skips(agent)
    }

    /// Offers the first contact that waits for a free agent to it, if there is one.
    pub(super) fn serve_agent(&mut self, agent: &AgentId) {
        let Some(found) = self.agents.get(agent) else {
            return;
        };
        let may = |contact| {
            let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
            ticket.is_some_and(|ticket| !ticket.skips(agent))
        };
        if let Some(contact) = self.classes.first_waiting(&found.classes, may) {
            self.offer(contact, agent);
        }
    }

    /// Who was looked at for a contact, and why each was passed over. Bounded: the free ones in
    /// their order, then members that are not free.
    pub(super) fn choice(&self, ticket: &Ticket, chosen: Option<&AgentId>) -> Choice {
        let Some(class) = ticket.class.and_then(|class| self.classes.get(class)) else {
            return Choice::default();
        };
        let mut considered = Vec::new();
        for rank in class.free.iter().take(MAX_EXPLAINED_AGENTS) {
            let idle_ms = self.since_ms(rank.idle_since);
            let verdict = if Some(&rank.agent) == chosen {
                Verdict::Chosen { idle_ms }
            } else if ticket.skips(&rank.agent) {
                Verdict::FailedBefore
            } else {
                Verdict::LessIdle { idle_ms }
            };
            considered.push(Considered {
                agent: rank.agent.clone(),
                verdict,
            });
        }
        let room = MAX_EXPLAINED_AGENTS.saturating_sub(considered.len());
        let others = class.members.iter().take(MAX_MEMBERS_LOOKED_AT);
        let busy = others.filter_map(|id| {
            let verdict = unavailable(self.agents.get(id)?)?;
            let agent = id.clone();
            Some(Considered { agent, verdict })
        });
        considered.extend(busy.take(room));
        Choice {
            chosen: chosen.cloned(),
            qualified: class.members.len(),
            free: class.free.len(),
            considered,
        }
    }
}

/// The longest idle of the free that the contact does not pass over.
pub(super) fn best<'a>(class: &'a Class, ticket: &Ticket) -> Option<&'a Rank> {
    class.free.iter().find(|rank| !ticket.skips(&rank.agent))
}

/// Why an agent is not free; none if it is.
pub(super) fn unavailable(agent: &Agent) -> Option<Verdict> {
    if !agent.in_declaration {
        return Some(Verdict::Removed);
    }
    match &agent.status {
        Status::LoggedOut => return Some(Verdict::LoggedOut),
        Status::Paused { reason } => {
            let reason = reason.clone();
            return Some(Verdict::Paused { reason });
        }
        Status::Ready => {}
    }
    match agent.activity {
        Activity::Reserved { .. } => Some(Verdict::Reserved),
        Activity::InCall { .. } => Some(Verdict::InCall),
        Activity::WrapUp { .. } => Some(Verdict::WrapUp),
        _ if !agent.reachable => Some(Verdict::Unreachable),
        Activity::Resting { .. } => Some(Verdict::Resting),
        Activity::Idle => None,
    }
}
