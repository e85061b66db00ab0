//! Leaving: once the calls have ended, or at once, with the calls left to the next process.

use super::run::{Host, now};
use crate::edge::{Core, Occupancy};
use crate::files::hand_over;
use crate::session::{HandOver, TakenOver};
use std::path::Path;
use std::time::{Duration, Instant};

/// After the last session was ended, BYEs get this long to be answered.
const GOODBYE_TIME: Duration = Duration::from_secs(2);
/// With nobody left, the last answer may still be on its way out, or be asked for again.
const LAST_ANSWERS: Duration = Duration::from_millis(200);
/// Before calls are handed over, exchanges that are under way get this long to end.
const EXCHANGE_TIME: Duration = Duration::from_millis(500);
/// Calls that were handed over longer ago than this are not taken over: their phones have given up.
pub const MAX_HAND_OVER_AGE: Duration = Duration::from_secs(60);

/// How a host leaves.
pub(super) enum Leaving {
    /// Its calls may end by themselves until the deadline.
    Draining(Instant),
    /// Everyone was said goodbye to, and may answer until then.
    Goodbye(Instant),
    /// Its calls are left to the next process: not before the first time, and at the second one
    /// whatever is under way.
    HandingOver(Instant, Instant),
}

impl Host {
    /// Begins to leave the calls to the next process.
    pub(super) fn begin_hand_over(&mut self) -> Leaving {
        let told = self.core.prepare_hand_over(now());
        self.flush();
        let at = Instant::now();
        let first = if told { at + LAST_ANSWERS } else { at };
        Leaving::HandingOver(first, at + EXCHANGE_TIME)
    }

    /// Whether the host has nothing left to do.
    pub(super) fn has_left(&mut self, leaving: &mut Leaving) -> bool {
        let at = Instant::now();
        match leaving {
            Leaving::Goodbye(until) => *until <= at,
            Leaving::Draining(deadline) => {
                match self.core.occupancy() {
                    Occupancy::Calls if *deadline > at => {}
                    occupancy => *leaving = self.say_goodbye(occupancy),
                }
                false
            }
            Leaving::HandingOver(first, last) => {
                let ready = *first <= at && self.core.is_at_rest() || *last <= at;
                if !ready || self.hand_over() {
                    return ready;
                }
                // Nobody will take the calls over: their parties are told.
                *leaving = self.say_goodbye(Occupancy::Calls);
                false
            }
        }
    }

    /// Ends what is left.
    fn say_goodbye(&mut self, occupancy: Occupancy) -> Leaving {
        self.core.end_all(now());
        self.flush();
        let last = match occupancy {
            Occupancy::Empty => LAST_ANSWERS,
            _ => GOODBYE_TIME,
        };
        Leaving::Goodbye(Instant::now() + last)
    }

    /// Writes down the calls; false if that was not possible.
    fn hand_over(&mut self) -> bool {
        let Some(file) = self.hand_over.clone() else {
            tracing::error!("there is no file to hand calls over by: they are ended");
            return false;
        };
        // A transfer may have been on its way.
        self.core.prepare_hand_over(now());
        self.flush();
        let state = self.core.hand_over(now());
        match hand_over::write(&file, &state) {
            Ok(()) => {
                // Their settled media goes on meanwhile, where that is possible.
                self.engine.leave();
                let calls = state.sessions.len();
                tracing::info!(calls, "left to the next process");
                true
            }
            Err(error) => {
                tracing::error!(%error, "calls cannot be handed over: they are ended");
                false
            }
        }
    }
}

/// What a host found at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What became of the calls.
    pub calls: TakenOver,
    /// How long ago they were handed over.
    pub age: Duration,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TakenOver { taken, lost } = self.calls;
        let seconds = self.age.as_secs_f64();
        write!(f, "took over {taken} of {} calls, ", taken + lost)?;
        write!(f, "handed over {seconds:.1} s ago")?;
        if self.is_too_late() {
            write!(f, ", too long ago")?;
        }
        Ok(())
    }
}

impl Found {
    fn is_too_late(&self) -> bool {
        self.age > MAX_HAND_OVER_AGE
    }
}

/// Takes what the process before has left, if it has; whatever is wrong with it is said in the log.
pub(super) fn look_for(file: Option<&Path>) -> Option<HandOver> {
    match hand_over::take(file?) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "calls that were handed over are lost");
            None
        }
    }
}

/// Takes calls over, before anything else is given to the core; none if there were none.
pub(super) fn take_over(core: &mut Core, from: HandOver) -> Option<Found> {
    let now = now();
    let age = Duration::from_millis(now.unix_ms.saturating_sub(from.written_unix_ms));
    let mut found = Found {
        calls: TakenOver::default(),
        age,
    };
    found.calls = core.restore(from, found.is_too_late(), now);
    match found.calls {
        TakenOver { taken: 0, lost: 0 } => return None,
        TakenOver { lost: 0, .. } => tracing::info!("{found}"),
        TakenOver { .. } => tracing::warn!("{found}"),
    }
    Some(found)
}
