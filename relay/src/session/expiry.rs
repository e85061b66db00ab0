//! Session timers (RFC 4028), on each leg by itself: a phone that can refresh its call has to, and
//! a call that is no longer refreshed is ended on both sides.
//!
//! The relay asks each phone to be the refresher. It refreshes itself (`renewal.rs`) where a phone
//! wants that.

use super::{Context, Leg, Session};
use crate::edge::Refusal;
use crate::engine::Side;
use patchbay_route::session::{EndCause, EndedBy};
use patchbay_sip::transaction::ServerKey;
use patchbay_sip::{
    HeaderName, LEAST_SESSION_S, Message, Method, Refresher, SessionExpires, min_se,
};
use std::time::{Duration, Instant};

/// A missing refresh ends the call this long before the interval is over, or a third of the
/// interval if that is shorter (RFC 4028 section 10).
const EARLY_END: Duration = Duration::from_secs(32);
/// The option tag.
const TIMER: &str = "timer";

/// The timer of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// The interval.
    pub interval: Duration,
    /// Whether the relay refreshes.
    pub ours: bool,
    /// When the relay refreshes, or ends the call because nobody did.
    pub due: Instant,
}

impl SessionTimer {
    /// A timer that begins now.
    fn new(seconds: u32, ours: bool, now: Instant) -> Self {
        let interval = Duration::from_secs(u64::from(seconds));
        let wait = match ours {
            true => interval / 2,
            false => interval.saturating_sub(EARLY_END.min(interval / 3)),
        };
        Self {
            interval,
            ours,
            due: now + wait,
        }
    }

    fn seconds(&self) -> u32 {
        u32::try_from(self.interval.as_secs()).unwrap_or(u32::MAX)
    }
}

/// An interval that nobody may ask for (RFC 4028 section 9).
///
/// # Errors
/// 422 with Min-SE, or 400 for a header that cannot be read.
pub fn check_interval(request: &Message) -> Result<(), Refusal> {
    let asked = SessionExpires::of(&request.headers)
        .map_err(|_| Refusal::plain(400, "Broken Session-Expires"))?;
    match asked {
        Some(asked) if asked.seconds < LEAST_SESSION_S => {
            let refusal = Refusal::plain(422, "Session Interval Too Small");
            Err(refusal.with("Min-SE", &LEAST_SESSION_S.to_string()))
        }
        _ => Ok(()),
    }
}

impl Leg {
    /// Takes note of what the party can do.
    pub(super) fn note_allow(&mut self, message: &Message) {
        if message.headers.contains(HeaderName::Allow) {
            self.updates = message.headers.lists(HeaderName::Allow, "UPDATE");
        }
    }

    /// Whether the relay refreshes it by re-INVITEs.
    pub(super) fn is_renewed(&self) -> bool {
        !self.updates && self.expiry.is_some_and(|timer| timer.ours)
    }

    /// Agrees on a timer as the one who answers `request` (RFC 4028 section 9), and says so. `repeats`:
    /// the party's description is known, so that it can be refreshed without UPDATE.
    pub(super) fn answer_timer(
        &mut self,
        cx: &Context<'_>,
        request: &Message,
        answer: &mut Message,
        repeats: bool,
    ) {
        self.note_allow(request);
        self.expiry = None;
        if !request.headers.lists(HeaderName::Supported, TIMER) {
            return;
        }
        let asked = SessionExpires::of(&request.headers).ok().flatten();
        let ours = asked.and_then(|asked| asked.refresher) == Some(Refresher::Uas);
        if ours && !self.updates && !repeats {
            return;
        }
        let wanted = u32::try_from(cx.config.session_expires.as_secs()).unwrap_or(u32::MAX);
        let seconds = asked.map_or(wanted, |asked| asked.seconds.min(wanted));
        let seconds = seconds.max(min_se(&request.headers));
        let refresher = Some(match ours {
            true => Refresher::Uas,
            false => Refresher::Uac,
        });
        let value = SessionExpires { seconds, refresher };
        answer
            .headers
            .push(HeaderName::SessionExpires, value.to_string());
        if !ours {
            answer.headers.push(HeaderName::Require, TIMER);
        }
        self.expiry = Some(SessionTimer::new(seconds, ours, cx.now.instant));
    }

    /// Asks for a timer, or for another round of the one that runs (RFC 4028 section 7.1).
    pub(super) fn ask_timer(&self, cx: &Context<'_>, least: u32, request: &mut Message) {
        let wanted = u32::try_from(cx.config.session_expires.as_secs()).unwrap_or(u32::MAX);
        let seconds = self
            .expiry
            .map_or(wanted, |timer| timer.seconds())
            .max(least);
        let refresher = Some(match self.expiry.is_some_and(|timer| timer.ours) {
            true => Refresher::Uac,
            false => Refresher::Uas,
        });
        let value = SessionExpires { seconds, refresher };
        request
            .headers
            .push(HeaderName::SessionExpires, value.to_string());
        if least > LEAST_SESSION_S {
            request.headers.push(HeaderName::MinSe, least.to_string());
        }
    }

    /// Takes the timer that the answer to a request of ours agrees on (RFC 4028 section 7.2); `repeats`
    /// as above.
    pub(super) fn take_timer(&mut self, now: Instant, response: &Message, repeats: bool) {
        self.note_allow(response);
        let agreed = SessionExpires::of(&response.headers).ok().flatten();
        self.expiry = agreed.and_then(|agreed| {
            let ours = agreed.refresher == Some(Refresher::Uac);
            let seconds = agreed.seconds.max(LEAST_SESSION_S);
            // Whom we cannot refresh has no timer; its own clock ends the call if it insists.
            (!ours || self.updates || repeats).then(|| SessionTimer::new(seconds, ours, now))
        });
    }
}

impl Session {
    /// A refresh and nothing else (RFC 4028 section 7.4) is this leg's own affair: the other one
    /// has its own timer.
    pub(super) fn is_refresh(request: &Message) -> bool {
        request.method() == Some(&Method::Update)
            && request.body.is_empty()
            && request.headers.contains(HeaderName::SessionExpires)
    }

    /// Answers a refresh.
    pub(super) fn refreshed(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        server: ServerKey,
        request: &Message,
    ) {
        let mut ok = Message::response_to(request, 200, "OK");
        let repeats = self.media.can_repeat(side);
        let leg = self.leg(side);
        let contact = leg.contact(cx);
        ok.headers.push(HeaderName::Contact, contact);
        leg.answer_timer(cx, request, &mut ok, repeats);
        let supported = crate::readdress::headers::SUPPORTED;
        ok.headers.push(HeaderName::Supported, supported);
        let _ = cx.layer.respond(server, ok, cx.now.instant);
    }

    /// Runs the timers that are due: refreshes, or ends a call that is not refreshed.
    pub(super) fn wake_expiry(&mut self, cx: &mut Context<'_>) {
        for side in Side::ALL {
            let now = cx.now.instant;
            let timer = self.leg(side).expiry;
            let Some(timer) = timer.filter(|timer| timer.due <= now && !self.ended) else {
                continue;
            };
            match timer.ours {
                true => self.refresh(cx, side, timer),
                false => self.end(cx, EndedBy::Relay, EndCause::Unreachable),
            }
        }
    }
}
