//! Timers by name. Each name has one due time at most, so timers are bounded by what they are
//! for.

use crate::id::{AgentId, ContactId, OfferId};
use core::time::Duration;
use patchbay_sip::shards::Shards;
use std::collections::BTreeSet;

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    /// The contact has waited as long as it may.
    MaxWait(ContactId),
    /// The offer has rung as long as it may.
    Ring(OfferId),
    /// The cancelled offer's end was never reported.
    Guard(OfferId),
    /// The agent's wrap-up is over.
    WrapUp(AgentId),
    /// The agent may get offers again after one that failed.
    Rest(AgentId),
    /// The contact may be offered again to the agent that failed it.
    Skip(ContactId, AgentId),
    /// No server is waited for any more.
    Asked(ContactId),
    /// The contact leaves its queue for where its overflow says.
    Overflow(ContactId),
    /// The contact asks for less from now on.
    Relax(ContactId),
    /// The contact has missed its queue's service level.
    Late(ContactId),
    /// The contact no longer waits for one agent alone.
    Unstick(ContactId),
    /// The caller hears the next announcement.
    Announce(ContactId),
    /// Nobody has asked about the contact for as long as may be.
    Asker(ContactId),
    /// The end of what is carried outside was never reported.
    Outside(OfferId),
    /// The time of a call-back has come.
    Due(ContactId),
    /// The caller of what is a call-back now has heard enough of it.
    LetGo(ContactId),
    /// The contact asks another centre too, by its door.
    Elsewhere(ContactId, usize),
    /// Another centre may be asked again, by that door.
    Door(usize),
    /// Contacts are offered, whether it is known who is in a call or not.
    Beginning,
    /// The relay's list of sessions is wanted.
    Reconcile,
}

/// All timers.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    order: BTreeSet<(Duration, Timer)>,
    due: Shards<Timer, Duration>,
}

impl Timers {
    /// Sets a timer, in place of an earlier one of the same name.
    pub fn set(&mut self, timer: Timer, due: Duration) {
        self.cancel(&timer);
        self.due.insert(timer.clone(), due);
        self.order.insert((due, timer));
    }

    /// Removes a timer; nothing happens without one.
    pub fn cancel(&mut self, timer: &Timer) {
        if let Some(due) = self.due.remove(timer) {
            self.order.remove(&(due, timer.clone()));
        }
    }

    pub fn is_set(&self, timer: &Timer) -> bool {
        self.due.contains_key(timer)
    }

    /// Takes out the first timer that is due.
    pub fn take_due(&mut self, now: Duration) -> Option<Timer> {
        let (due, _) = self.order.first()?;
        if *due > now {
            return None;
        }
        let (_, timer) = self.order.pop_first()?;
        self.due.remove(&timer);
        Some(timer)
    }

    pub fn next(&self) -> Option<Duration> {
        self.order.first().map(|(due, _)| *due)
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }
}
