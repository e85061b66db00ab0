//! Media lost: the packet thread that carried a pair has died.
//!
//! The pair's ports are gone with it, and the phones do not know: they would speak into the void
//! until somebody hangs up. So the session is ended, and says why.

use super::{Context, Session, SessionId, Sessions};
use crate::engine::PairId;
use patchbay_route::session::{EndCause, EndedBy};
use rustc_hash::FxHashSet;

impl Sessions {
    /// Ends the sessions that have one of these pairs.
    pub fn media_lost(&mut self, cx: &mut Context<'_>, pairs: &[PairId]) {
        if pairs.is_empty() {
            return;
        }
        let pairs: FxHashSet<PairId> = pairs.iter().copied().collect();
        let hit: Vec<SessionId> = self.having(|session| session.has_any(&pairs));
        for id in hit {
            self.end(cx, id, EndedBy::Relay, EndCause::MediaLost);
        }
    }
}

impl Session {
    fn has_any(&self, pairs: &FxHashSet<PairId>) -> bool {
        let all = self.media.rows().chain(&self.media.below);
        all.into_iter().any(|row| pairs.contains(&row.pair.id))
    }
}

/// The value of the Reason header (RFC 3326) that tells a party what it cannot know from the
/// method; none where the BYE says it all.
pub(super) fn reason_of(cause: EndCause) -> Option<&'static str> {
    match cause {
        // Q.850 cause 41: temporary failure. Who calls again is likely to be served.
        EndCause::MediaLost => Some("SIP;cause=503;text=\"Media Relay Failed\", Q.850;cause=41"),
        EndCause::NotTakenOver => {
            Some("SIP;cause=503;text=\"Media Relay Restarted\", Q.850;cause=41")
        }
        EndCause::Bye
        | EndCause::Cancelled
        | EndCause::Refused
        | EndCause::NoAck
        | EndCause::Unreachable
        | EndCause::MediaTimeout
        | EndCause::Shutdown
        | EndCause::Api
        | EndCause::Notice => None,
    }
}
