//! Agents: their status, their reachability, and what follows from a change.

use super::{Distributor, seconds};
use crate::agent::Agent;
use crate::centre::Agent as Declared;
use crate::contact::LegState;
use crate::event::{Activity, OfferEnd, What};
use crate::id::{AgentId, OfferId};
use crate::input::Status;
use crate::limits::MAX_AGENTS;
use crate::timers::Timer;

impl Distributor {
    pub(super) fn set_reachable(&mut self, agent: &AgentId, reachable: bool) {
        let Some(found) = self.agents.get_mut(agent) else {
            self.counters.dropped_unknown_agent += 1;
            return;
        };
        if found.reachable != reachable {
            found.reachable = reachable;
            self.tell_status(agent);
            self.refresh(agent);
        }
    }

    /// An offer under way is taken back when the agent logs out. A pause leaves it: the phone
    /// rings, and may be answered.
    pub(super) fn set_status(&mut self, agent: &AgentId, status: Status) {
        let now = self.now.mono;
        let Some(found) = self.agents.get_mut(agent) else {
            self.counters.dropped_unknown_agent += 1;
            return;
        };
        if status == Status::Ready {
            found.missed = 0;
            if found.wrap_up_until.take().is_some() {
                found.idle_since = now;
                self.timers.cancel(&Timer::WrapUp(agent.clone()));
            }
        }
        if found.status != status {
            let logged_out = status == Status::LoggedOut;
            if status == Status::Ready {
                found.idle_since = now;
            }
            found.status = status;
            self.tell_status(agent);
            if logged_out {
                self.take_back_all(agent);
            }
        }
        self.refresh(agent);
    }

    fn take_back_all(&mut self, agent: &AgentId) {
        self.refresh(agent);
        let held: Vec<OfferId> = self
            .agents
            .get(agent)
            .map_or_else(Vec::new, |a| a.legs.clone());
        for offer in held {
            let Some(leg) = self.legs.get(&offer) else {
                continue;
            };
            if let LegState::Offering { .. } = leg.state {
                let contact = leg.contact;
                self.take_back(offer, OfferEnd::AgentLeft);
                self.offer_lost(contact);
            }
        }
        self.refresh(agent);
    }

    pub(super) fn tell_status(&mut self, agent: &AgentId) {
        let Some(found) = self.agents.get(agent) else {
            return;
        };
        let (status, reachable) = (found.status.clone(), found.reachable);
        self.tell(What::AgentStatus {
            agent: agent.clone(),
            status,
            reachable,
        });
    }

    /// An offer rang out: the agent may be paused or logged out for it.
    pub(super) fn missed(&mut self, agent: &AgentId) {
        let offers = self.centre.as_ref().map(|centre| &centre.offers);
        let (pause, log_out) = offers.map_or((0, 0), |offers| {
            (offers.pause_after_missed, offers.log_out_after_missed)
        });
        let Some(found) = self.agents.get_mut(agent) else {
            return;
        };
        found.missed = found.missed.saturating_add(1);
        let reached = |limit: u32| limit > 0 && found.missed >= limit;
        let status = if reached(log_out) {
            Status::LoggedOut
        } else if reached(pause) && found.status == Status::Ready {
            let reason = "missed offers".into();
            Status::Paused { reason }
        } else {
            return;
        };
        if found.status != status {
            found.status = status;
            self.tell_status(agent);
        }
    }

    /// Leaves an agent alone for a moment after an offer that failed, and puts it behind the
    /// others: so one that cannot be reached does not delay every contact, and nothing loops.
    pub(super) fn rest(&mut self, agent: &AgentId, why: OfferEnd) {
        match why {
            OfferEnd::Busy
            | OfferEnd::NoAnswer
            | OfferEnd::Declined
            | OfferEnd::Unreachable
            | OfferEnd::RelayFull
            | OfferEnd::Error
            | OfferEnd::Ended
            | OfferEnd::Guard => {}
            // Not the agent's doing.
            OfferEnd::NotAcceptable
            | OfferEnd::CallerGone
            | OfferEnd::AgentLeft
            | OfferEnd::CustomerAway
            | OfferEnd::AnsweredElsewhere => return,
        }
        let pause = self
            .centre
            .as_ref()
            .map_or(1, |centre| centre.offers.back_off_seconds);
        let until = self.now.mono.saturating_add(seconds(pause));
        let unix_ms = self.unix_at(until);
        let now = self.now.mono;
        if let Some(found) = self.agents.get_mut(agent) {
            found.idle_since = now;
            found.rest_until = Some((until, unix_ms));
            self.timers.set(Timer::Rest(agent.clone()), until);
        }
        // One with room for more is among the free until now.
        self.index(agent);
    }

    /// Brings everything that follows from an agent's state up to date, and if it is free looks
    /// at once whether somebody waits for it. Called after every change of an agent.
    pub(super) fn refresh(&mut self, agent: &AgentId) {
        let Some(found) = self.agents.get(agent) else {
            return;
        };
        if !found.in_declaration && found.legs.is_empty() {
            self.drop_agent(agent);
            return;
        }
        let activity = self.activity(found);
        let unix_ms = self.now.unix_ms;
        let Some(found) = self.agents.get_mut(agent) else {
            return;
        };
        if found.activity != activity {
            found.activity = activity.clone();
            found.activity_since_unix_ms = unix_ms;
            self.tell(What::AgentState {
                agent: agent.clone(),
                activity,
            });
        }
        self.index(agent);
        let Some(found) = self.agents.get(agent) else {
            return;
        };
        if found.keys.is_some() {
            self.serve_agent(agent);
        } else {
            let let_go = self.let_go(agent);
            self.serve_contacts(&let_go);
        }
    }

    fn activity(&self, agent: &Agent) -> Activity {
        let leg = |in_call: bool| {
            agent.legs.iter().find_map(|offer| {
                let leg = self.legs.get(offer)?;
                (leg.state.in_call() == in_call).then_some((*offer, leg.contact))
            })
        };
        if let Some((offer, contact)) = leg(true) {
            Activity::InCall { offer, contact }
        } else if let Some((offer, contact)) = leg(false) {
            Activity::Reserved { offer, contact }
        } else if let Some((_, until_unix_ms)) = agent.wrap_up_until {
            Activity::WrapUp { until_unix_ms }
        } else if let Some((_, until_unix_ms)) = agent.rest_until {
            Activity::Resting { until_unix_ms }
        } else {
            Activity::Idle
        }
    }

    /// Brings an agent's entries in queues and classes up to date.
    pub(super) fn index(&mut self, agent: &AgentId) {
        let Some(found) = self.agents.get_mut(agent) else {
            return;
        };
        let present = found.present();
        if present != found.staffed {
            found.staffed = present;
            for queue in &found.queues {
                if let Some(queue) = self.queues.get_mut(*queue) {
                    queue.staffed = match present {
                        true => queue.staffed + 1,
                        false => queue.staffed.saturating_sub(1),
                    };
                }
            }
        }
        let ready = found.ready();
        if ready != found.counted {
            found.counted = ready;
            let capacities = &found.capacities;
            self.classes.count_ready(&found.classes, capacities, ready);
        }
        let now = self.now.mono;
        if found.load.work() != found.work() {
            found.load.turn(found.work(), now);
        }
        let free = found.free_for();
        if found.free == free && (free.is_empty() || found.ranked_with == found.legs.len()) {
            return;
        }
        if let Some(keys) = found.keys.take() {
            self.classes.leave_free(found, &keys);
        }
        (found.free, found.ranked_with) = (free, found.legs.len());
        if !free.is_empty() {
            found.keys = Some(self.classes.enter_free(found, &mut self.lots));
        }
    }

    /// Sees to it that an agent of a session is known, declared or not. False beyond the limit.
    pub(super) fn know_agent(&mut self, agent: &AgentId) -> bool {
        if self.agents.contains_key(agent) {
            return true;
        }
        if self.agents.len() >= MAX_AGENTS {
            return false;
        }
        let mut declared = Declared::new(agent.clone());
        declared.queues = Some(Vec::new());
        let stranger = Agent::new(declared, false, self.now.mono, self.now.unix_ms);
        self.agents.insert(agent.clone(), stranger);
        true
    }

    /// Forgets an agent that is not declared and holds nothing. Its events say that it is gone, so that
    /// whoever adds up its time knows when to stop.
    fn drop_agent(&mut self, agent: &AgentId) {
        self.index(agent);
        if let Some(found) = self.agents.get_mut(agent) {
            found.reachable = false;
            found.status = Status::LoggedOut;
            let busy = std::mem::replace(&mut found.activity, Activity::Idle) != Activity::Idle;
            if busy {
                self.tell(What::AgentState {
                    agent: agent.clone(),
                    activity: Activity::Idle,
                });
            }
            self.tell_status(agent);
        }
        self.timers.cancel(&Timer::WrapUp(agent.clone()));
        self.timers.cancel(&Timer::Rest(agent.clone()));
        self.agents.remove(agent);
    }
}
