//! Answers that did not reach their callers because control was gone with them on their way.

use super::{Context, Session, SessionId, Sessions};
use patchbay_route::session::{EndCause, EndedBy};
use patchbay_sip::Text;

/// What names a caller's call before there is a dialog: Call-ID and From tag.
pub type CallName = (String, Text);

impl Session {
    /// The name of the caller's call, while its answer is not acknowledged.
    fn unheard_by(&self) -> Option<CallName> {
        let waits = self.answered.is_some() && !self.ended;
        let dialog = self.caller.dialog.as_ref().filter(|_| waits)?;
        self.caller.unacknowledged()?;
        Some((self.caller.call_id.clone(), dialog.remote_tag.clone()))
    }
}

impl Sessions {
    /// The calls whose callers may not have heard that they were answered.
    pub fn unheard(&self) -> Vec<(SessionId, CallName)> {
        let rows = self.rows.iter();
        rows.filter_map(|(id, session)| Some((*id, session.unheard_by()?)))
            .collect()
    }

    /// Ends a call whose caller waits on: another answer will come.
    pub fn end_unheard(&mut self, cx: &mut Context<'_>, id: SessionId) {
        self.end(cx, id, EndedBy::Relay, EndCause::Unreachable);
    }
}
