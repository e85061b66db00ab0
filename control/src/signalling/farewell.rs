//! Callers who cannot stay are told so before their calls end: the final answer waits until it is said, and
//! not much longer if it cannot be.

use std::time::Duration;

use patchbay_core::{ContactId, RefuseReason};
use patchbay_route::transfer::Hears;
use patchbay_route::waiting::Say;

use super::call::Stage;
use super::{Moment, Signalling};

/// How long the relay may take to let a caller hear something.
pub const FAREWELL_PATIENCE: Duration = Duration::from_secs(3);

/// From the first sound to what is said: the way to the caller's phone has to be open.
pub const FAREWELL_BEGINS: Duration = Duration::from_secs(1);

/// What a caller is told last.
#[derive(Debug)]
pub(super) struct Farewell {
    say: Say,
    lasts: Duration,
    said: bool,
    end: Option<End>,
}

/// How the call ends then.
#[derive(Debug)]
pub(super) enum End {
    /// Refused.
    Refuse {
        status: u16,
        retry_after_s: Option<u32>,
        why: RefuseReason,
    },
    /// Sent elsewhere.
    Redirect { to: String },
}

impl Signalling {
    /// The caller is to hear this before the final answer that comes next, for so long.
    pub fn farewell(
        &mut self,
        contact: ContactId,
        language: String,
        (say, lasts): (Say, Duration),
        now: Moment,
    ) {
        let silence = Hears {
            music: String::new(),
            language,
            answered: false,
        };
        self.hear(contact, silence, now);
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        if call.stage == Stage::Open && call.hearing.is_some() {
            call.farewell = Some(Box::new(Farewell {
                say,
                lasts,
                said: false,
                end: None,
            }));
        }
    }

    /// Holds an end back until the caller was told. False if there is nothing to tell.
    pub(super) fn says_first(&mut self, contact: ContactId, end: End, now: Moment) -> bool {
        let Some(call) = self.calls.get(contact) else {
            return false;
        };
        let heard = call.hears();
        let farewell = call.farewell.as_mut().filter(|it| it.end.is_none());
        let Some(farewell) = farewell else {
            return false;
        };
        farewell.end = Some(end);
        let at = match heard {
            true => now.at,
            false => now.at + FAREWELL_PATIENCE,
        };
        self.calls.set_timer(contact, at);
        true
    }

    /// The caller has begun to hear something.
    pub(super) fn farewell_can_be_heard(&mut self, contact: ContactId, now: Moment) {
        let call = self.calls.get(contact);
        if call.is_some_and(|call| call.farewell.as_ref().is_some_and(|it| !it.said)) {
            self.calls.set_timer(contact, now.at + FAREWELL_BEGINS);
        }
    }

    /// Says it, or ends the call when it is said or cannot be. False if no end is held back.
    pub(super) fn farewell_due(&mut self, contact: ContactId, now: Moment) -> bool {
        let Some(call) = self.calls.get(contact) else {
            return false;
        };
        let heard = call.hears();
        let farewell = call.farewell.as_mut().filter(|it| it.end.is_some());
        let Some(farewell) = farewell else {
            return false;
        };
        if heard && !farewell.said {
            farewell.said = true;
            let (say, lasts) = (farewell.say.clone(), farewell.lasts);
            self.say(contact, &say, now);
            self.calls.set_timer(contact, now.at + lasts);
            return true;
        }
        match call.farewell.take().and_then(|farewell| farewell.end) {
            Some(End::Refuse {
                status,
                retry_after_s,
                why,
            }) => self.refuse_contact(contact, status, retry_after_s, why, now),
            Some(End::Redirect { to }) => self.redirect(contact, &to, now),
            None => {}
        }
        true
    }
}
