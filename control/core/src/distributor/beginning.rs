//! The first moments of a process: it does not know who is in a call until the relays have said so, and
//! offers nothing to anybody before.

use super::Distributor;
use crate::contact::State;
use crate::id::ContactId;
use crate::limits::CALLS_UNKNOWN;
use crate::output::RefuseReason;
use crate::selection::Urgency;
use crate::timers::Timer;

impl Distributor {
    pub(super) fn calls_unknown(&mut self) {
        self.beginning = true;
        let due = self.now.mono.saturating_add(CALLS_UNKNOWN);
        self.timers.set(Timer::Beginning, due);
    }

    /// From now on contacts are offered: those who wait already, the most urgent first.
    pub(super) fn calls_known(&mut self) {
        if !core::mem::take(&mut self.beginning) {
            return;
        }
        self.timers.cancel(&Timer::Beginning);
        let waiting = self.contacts.iter().filter_map(|(id, found)| {
            let ticket = found.ticket.as_ref()?;
            // Another centre may have given an agent, and more phones may ring.
            let waits = matches!(found.state, State::Waiting | State::Offered);
            let queue = ticket.queue.filter(|_| waits)?;
            Some((self.urgency(queue, &ticket.place), *id))
        });
        let mut waiting: Vec<(Urgency, ContactId)> = waiting.collect();
        waiting.sort_unstable();
        waiting.reverse();
        self.serve_contacts(&waiting);
        for (_, contact) in waiting {
            let found = self.contacts.get(&contact);
            let waits = found.filter(|found| found.state == State::Waiting);
            let ticket = waits.and_then(|found| found.ticket.as_ref());
            if ticket.is_some_and(|ticket| ticket.only.is_some()) {
                self.refuse_waiting(contact, RefuseReason::AgentUnavailable);
            }
        }
    }
}
