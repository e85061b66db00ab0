//! What phones do to each other inside a call that control wants to know: hold, and transfers.

use super::{Context, Session};
use crate::engine::Side;
use patchbay_route::session::{EndedBy, SessionEvent, SessionHeld, SessionTransferred};
use patchbay_sip::{HeaderName, Message, Method, NameAddr, Uri};

/// Longest address that control is told, in bytes.
const MAX_TOLD_BYTES: usize = 256;

pub(super) fn party(side: Side) -> EndedBy {
    match side {
        Side::Client => EndedBy::Client,
        Side::Agent => EndedBy::Agent,
    }
}

impl Session {
    /// Tells control when the call has come on hold, or was taken back, once an exchange is over.
    pub(super) fn tell_hold(&mut self, cx: &mut Context<'_>) {
        let stands = self.answered.is_some() && !self.ended;
        if !stands || self.media.offer_pending() || self.told_held == self.media.held {
            return;
        }
        self.told_held = self.media.held;
        let by = self.media.held_by.map(party);
        let of = self.reference();
        self.tell(cx, SessionEvent::Held(SessionHeld { of, by }));
    }

    /// The other side of `side` has taken its REFER.
    pub(super) fn tell_referred(
        &self,
        cx: &mut Context<'_>,
        side: Side,
        request: &Message,
        response: &Message,
    ) {
        let taken = response
            .status()
            .is_some_and(|status| (200..300).contains(&status));
        if request.method() == Some(&Method::Refer) && taken {
            let to = request.headers.get(HeaderName::ReferTo);
            let to = to.and_then(|to| NameAddr::parse(to).ok());
            self.tell_transferred(cx, side, to.map(|to| to.uri));
        }
    }

    /// Another phone took the place of `side`.
    pub(super) fn tell_replaced(&self, cx: &mut Context<'_>, side: Side) {
        let newcomer = match side {
            Side::Client => &self.caller,
            Side::Agent => &self.agent,
        };
        let dialog = newcomer.dialog.as_ref();
        let to = dialog.and_then(|dialog| NameAddr::parse(&dialog.remote_uri).ok());
        self.tell_transferred(cx, side, to.map(|to| to.uri));
    }

    fn tell_transferred(&self, cx: &mut Context<'_>, by: Side, to: Option<Uri>) {
        let to = to.map(|mut to| {
            // A dialog to be replaced says nothing to people.
            to.headers.clear();
            to.to_string()
        });
        let mut to = to.unwrap_or_default();
        let most = (0..=MAX_TOLD_BYTES).rev();
        to.truncate(
            most.into_iter()
                .find(|at| to.is_char_boundary(*at))
                .unwrap_or(0),
        );
        let (of, by) = (self.reference(), party(by));
        self.tell(
            cx,
            SessionEvent::Transferred(SessionTransferred { of, by, to }),
        );
    }
}
