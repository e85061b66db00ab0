//! What happens to a call when nothing happens.

use std::time::Duration;

use patchbay_core::ContactId;
use patchbay_sip::Message;

use super::call::Stage;
use super::{Moment, Signalling};

/// A provisional answer is repeated this often, so that no proxy on the way gives the INVITE up
/// (RFC 3261 section 13.3.1.1).
pub const PROGRESS_EVERY: Duration = Duration::from_secs(60);

/// How long a cancelled call waits for the phones to let go before its caller gets the 487 anyway:
/// 64·T1 (RFC 3261 section 9.1) and a moment.
pub const CANCEL_PATIENCE: Duration = Duration::from_secs(33);

/// How long the record of a call is kept after its final answer, for repeated and late messages:
/// longer than any transaction lives (RFC 6026 timers L and M, 64·T1).
pub const KEEP_ANSWERED: Duration = Duration::from_secs(40);

impl Signalling {
    fn last_progress(&mut self, contact: ContactId) -> Option<Message> {
        let open = self.calls.get(contact)?.open.as_ref()?;
        open.progress.clone()
    }

    pub(super) fn run_timers(&mut self, now: Moment) {
        self.run_hunt_timers(now);
        while let Some(contact) = self.calls.due(now.at) {
            let Some(call) = self.calls.get(contact) else {
                return;
            };
            let stage = call.stage;
            match stage {
                Stage::Open if self.farewell_due(contact, now) => {}
                Stage::Open => match self.last_progress(contact) {
                    // A reliable one (RFC 3262) has its own repetition and is sent once here.
                    Some(again) if !again.headers.contains(patchbay_sip::HeaderName::RSeq) => {
                        self.progress(contact, again, now);
                    }
                    _ => self.calls.set_timer(contact, now.at + PROGRESS_EVERY),
                },
                Stage::Cancelled => self.terminated(contact, now),
                Stage::Answered(_) if self.onward_given_up(contact, now) => {}
                Stage::Answered(_) => {
                    for flow in self.calls.remove(contact) {
                        self.leave_way(flow);
                    }
                }
            }
        }
    }
}
