//! Leaving calls to the next process, and taking those of the last one.

use super::counters::EdgeDrop;
use super::{Core, Now, Refusal};
use crate::session::{HandOver, Sessions, TakenOver};

impl Core {
    /// Takes no new calls, ends those that are not established, and tells callers who wait to try
    /// again later. True if anybody was told anything.
    pub fn prepare_hand_over(&mut self, now: Now) -> bool {
        self.set_draining(true);
        let ended = self.with_sessions(now, Sessions::end_unanswered);
        let waiting = self.turn_away(now);
        self.run(now);
        ended || waiting
    }

    /// Tells callers who wait to try again later. True if there were any.
    pub(super) fn turn_away(&mut self, now: Now) -> bool {
        let waiting = self.proxy.give_up();
        let stranded = self.give_up_stranded();
        let any = !waiting.is_empty() || !stranded.is_empty();
        let mut refused = stranded;
        for (client, server, request) in waiting {
            self.layer.cancel(client, now.instant);
            refused.push((server, request));
        }
        for (server, request) in refused {
            let refusal = Refusal::busy(EdgeDrop::Draining, "Going Down", 5);
            self.refuse(server, &request, refusal, now);
        }
        any
    }

    /// Whether nothing is under way that a hand-over would cut off.
    pub fn is_at_rest(&self) -> bool {
        self.sessions.are_at_rest()
    }

    /// What the next process needs to go on with the established calls. From now on nothing may be
    /// given to this core any more.
    pub fn hand_over(&self, now: Now) -> HandOver {
        self.sessions.hand_over(&*self.media, now)
    }

    /// Takes over what another process handed over, before anything else is given to this core.
    /// May wait for the packet engine (see [`crate::engine::Engine::adopt`]). With `too_late` the
    /// calls are reported as ended instead.
    pub fn restore(&mut self, from: HandOver, too_late: bool, now: Now) -> TakenOver {
        let done = self.with_sessions(now, |sessions, cx| sessions.restore(cx, from, too_late));
        self.counters.taken_over += done.taken as u64;
        self.counters.not_taken_over += done.lost as u64;
        self.run(now);
        done
    }
}
