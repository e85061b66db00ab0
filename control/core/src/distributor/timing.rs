//! What each timer does when it is due.

use super::Distributor;
use crate::contact::State;
use crate::event::OfferEnd;
use crate::id::{AgentId, ContactId};
use crate::limits::RECONCILE_EVERY;
use crate::output::{Output, RefuseReason};
use crate::timers::Timer;

impl Distributor {
    pub(super) fn run_timers(&mut self) {
        while let Some(timer) = self.timers.take_due(self.now.mono) {
            match timer {
                Timer::MaxWait(contact) => self.waited_too_long(contact),
                Timer::Ring(offer) => self.rang_out(offer),
                Timer::Guard(offer) => self.guard_expired(offer),
                Timer::WrapUp(agent) => self.wrap_up_over(&agent),
                Timer::Rest(agent) => self.rest_over(&agent),
                Timer::Skip(contact, agent) => self.skip_over(contact, &agent),
                Timer::Asked(contact) => self.asking_too_long(contact),
                Timer::Overflow(contact) => self.overflows(contact),
                Timer::Relax(contact) => self.relax(contact),
                Timer::Late(contact) => self.becomes_late(contact),
                Timer::Unstick(contact) => self.unstick(contact),
                Timer::Announce(contact) => self.announce(contact),
                Timer::Asker(contact) => self.asker_silent(contact),
                Timer::Outside(offer) => self.never_reported(offer),
                Timer::Due(contact) => self.comes_due(contact),
                Timer::LetGo(contact) => self.let_caller_go(contact),
                Timer::Elsewhere(contact, door) => self.asks_by(contact, door),
                Timer::Door(door) => self.door_opens(door),
                Timer::Beginning => self.calls_known(),
                Timer::Reconcile => self.reconcile(),
            }
        }
    }

    /// A contact that rings is left to the phones, and refused when the last of them fails it.
    fn waited_too_long(&mut self, contact: ContactId) {
        let waiting = self.contacts.get(&contact).map(|c| c.state);
        if waiting == Some(State::Waiting) {
            self.refuse_waiting(contact, RefuseReason::WaitedTooLong);
        } else {
            self.note_wants(contact);
        }
    }

    fn wrap_up_over(&mut self, agent: &AgentId) {
        let now = self.now.mono;
        if let Some(found) = self.agents.get_mut(agent) {
            found.wrap_up_until = None;
            found.idle_since = now;
        }
        self.refresh(agent);
    }

    fn rest_over(&mut self, agent: &AgentId) {
        if let Some(found) = self.agents.get_mut(agent) {
            found.rest_until = None;
        }
        self.refresh(agent);
    }

    fn skip_over(&mut self, contact: ContactId, agent: &AgentId) {
        let Some(found) = self.contacts.get_mut(&contact) else {
            return;
        };
        if let Some(ticket) = found.ticket.as_mut() {
            ticket.skipped.retain(|(skipped, _)| skipped != agent);
        }
        self.serve_contact(contact);
    }

    fn reconcile(&mut self) {
        if !self.legs.is_empty() {
            self.out(Output::ListSessions);
            self.watch_sessions();
        }
    }

    /// Sees to it that the relay's list is asked for while any leg is there.
    pub(super) fn watch_sessions(&mut self) {
        if !self.timers.is_set(&Timer::Reconcile) {
            let due = self.now.mono.saturating_add(RECONCILE_EVERY);
            self.timers.set(Timer::Reconcile, due);
        }
    }

    /// The reason for an offer that the ring timer took back.
    pub(super) const RANG_OUT: OfferEnd = OfferEnd::NoAnswer;
}
