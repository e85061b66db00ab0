//! The termination notice (requirement A9): the agent's phone is asked to tell when the call is over.
//!
//! Once the call stands, the phone gets a SUBSCRIBE for the dialog event package (RFC 4235, RFC
//! 6665), outside the call's dialog and over the same flow. When one of its NOTIFYs says that the
//! dialog is terminated, the session ends with [`EndCause::Notice`], and control frees the agent. A
//! phone whose answer to the call names no SUBSCRIBE in its Allow, which every 2xx ought to have (RFC
//! 3261 section 13.3.1.4), and no dialog in its Allow-Events is not asked. Where a
//! phone refuses or keeps silent the relay goes by what it knows itself: BYE, and the silence of the
//! media. What became of the asking is an event, and part of the record of the call.
//!
//! A subscription is not handed over to the next process: its NOTIFYs are answered 481 there, which
//! ends it (RFC 6665 section 4.1.3).

use super::leg::Leg;
use super::{Context, Purpose, Session};
use crate::edge::flow_token::Source;
use crate::edge::{Output, Refusal};
use crate::engine::Side;
use crate::readdress::dialog_info::{DIALOG_INFO, DialogName, says_terminated};
use patchbay_route::session::{EndCause, EndedBy, NoticeState, SessionEvent, SessionNotice};
use patchbay_sip::dialog::Dialog;
use patchbay_sip::transaction::{ClientKey, ServerKey};
use patchbay_sip::{HeaderName, Message, Method, NameAddr};
use std::time::{Duration, Instant};

/// How long a subscription is asked for, in seconds; it is renewed after three quarters of what is
/// granted.
pub const NOTICE_EXPIRES_S: u32 = 7_200;
/// A phone that accepted and has sent no NOTIFY after this keeps silent: Timer N of RFC 6665 section
/// 4.1.2.4, 64*T1.
pub const NOTIFY_WAIT: Duration = Duration::from_secs(32);
/// A subscription that is granted for less is renewed no more often than this.
const MIN_RENEWAL: Duration = Duration::from_secs(60);

/// A subscription to the agent's dialog.
pub(super) struct Notice {
    pub(super) state: NoticeState,
    /// Our side of the subscription; its dialog comes with the first answer or NOTIFY.
    pub(super) leg: Leg,
    /// The SUBSCRIBE, until there is a dialog.
    request: Option<Message>,
    due: Option<Instant>,
}

impl Notice {
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.due
    }
}

impl Session {
    /// What became of asking the phone.
    pub(super) fn notice_state(&self) -> NoticeState {
        self.notice
            .as_ref()
            .map_or(self.notice_unasked, |notice| notice.state)
    }

    /// The call stands by this answer of the agent: its phone is asked, if it said that it knows
    /// such a thing (RFC 3261 section 20.5, RFC 6665 section 8.2.2).
    pub(super) fn ask_notice(&mut self, cx: &mut Context<'_>, response: &Message) {
        if !self.target.notice {
            return;
        }
        let headers = &response.headers;
        let known = headers.lists(HeaderName::Allow, "SUBSCRIBE")
            || headers.lists("Allow-Events", "dialog");
        if !known {
            self.notice_unasked = NoticeState::Refused;
            return;
        }
        let Some(flow) = self.agent.reach(cx) else {
            return;
        };
        let source = Source {
            flow,
            pinned: self.agent.pinned,
        };
        let leg = Leg::new(cx.ids.tag(), cx.ids.call_id(), source);
        let Some(request) = self.subscribe(cx, &leg) else {
            return;
        };
        let sent_by = cx.paths.advertised(&flow).to_string();
        let sent = cx
            .layer
            .send_request(request.clone(), flow, &sent_by, cx.now.instant);
        let Ok(client) = sent else { return };
        cx.counters.notices_asked += 1;
        cx.links
            .tags
            .insert(leg.tag.clone(), (self.id, Side::Agent));
        self.notice = Some(Box::new(Notice {
            state: NoticeState::Asked,
            leg,
            request: Some(request),
            due: None,
        }));
        self.track(cx, client, Purpose::Notice);
    }

    /// A SUBSCRIBE outside of any dialog, to where the agent's dialog leads (RFC 6665 section 4.1.2).
    fn subscribe(&self, cx: &mut Context<'_>, leg: &Leg) -> Option<Message> {
        let call = self.agent.dialog.as_ref()?;
        let mut request = Message::request(Method::Subscribe, call.remote_target.clone());
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, "70");
        for route in &call.route_set {
            headers.push(HeaderName::Route, route.clone());
        }
        let mut from = NameAddr::parse(&call.local_uri).ok()?;
        let mut to = NameAddr::parse(&call.remote_uri).ok()?;
        from.params.remove("tag");
        to.params.remove("tag");
        headers.push(HeaderName::From, from.with_tag(&leg.tag).to_string());
        headers.push(HeaderName::To, to.to_string());
        headers.push(HeaderName::CallId, leg.call_id.as_str());
        headers.push(HeaderName::CSeq, "1 SUBSCRIBE");
        let contact = leg.contact(cx);
        request.headers.push(HeaderName::Contact, contact);
        self.wishes(&mut request);
        Some(request)
    }

    /// The call's dialog as the phone has it: its own tag is the call's To tag (RFC 4235 section 3.2).
    fn wishes(&self, request: &mut Message) {
        let Some(call) = &self.agent.dialog else {
            return;
        };
        let event = format!(
            "dialog;call-id={};to-tag={};from-tag={}",
            token_or_quoted(&call.call_id),
            call.remote_tag,
            call.local_tag
        );
        let headers = &mut request.headers;
        headers.push(HeaderName::Event, event);
        headers.push(HeaderName::Expires, NOTICE_EXPIRES_S.to_string());
        headers.push(HeaderName::Accept, DIALOG_INFO);
    }

    /// An answer to a SUBSCRIBE of ours.
    pub(super) fn notice_response(
        &mut self,
        cx: &mut Context<'_>,
        client: ClientKey,
        response: &Message,
    ) {
        let status = response.status().unwrap_or(500);
        self.untrack(cx, client);
        if status >= 300 {
            // A challenge too: the relay has no password of the phone's, and gives none away.
            return self.notice_is(cx, NoticeState::Refused, status);
        }
        let granted = response.expires().unwrap_or(NOTICE_EXPIRES_S);
        let renewal = Duration::from_secs(u64::from(granted) * 3 / 4).max(MIN_RENEWAL);
        let now = cx.now.instant;
        let Some(notice) = &mut self.notice else {
            return;
        };
        if notice.leg.dialog.is_none()
            && let Some(request) = notice.request.take()
        {
            notice.leg.dialog = Dialog::uac(&request, response).ok();
        }
        notice.due = match notice.state {
            NoticeState::Active => Some(now + renewal),
            _ => Some(now + NOTIFY_WAIT),
        };
    }

    /// A SUBSCRIBE of ours got no answer.
    pub(super) fn notice_failed(&mut self, cx: &mut Context<'_>, client: ClientKey, status: u16) {
        self.untrack(cx, client);
        self.notice_is(cx, NoticeState::Silent, status);
    }

    /// The subscription's time: no NOTIFY came, or it must be renewed.
    pub(super) fn wake_notice(&mut self, cx: &mut Context<'_>) {
        let now = cx.now.instant;
        let Some(notice) = self.notice.as_mut() else {
            return;
        };
        if notice.due.is_none_or(|due| due > now) {
            return;
        }
        notice.due = None;
        match notice.state {
            NoticeState::Active if !self.ended => self.renew_notice(cx),
            NoticeState::Asked => self.notice_is(cx, NoticeState::Silent, 0),
            _ => {}
        }
    }

    fn renew_notice(&mut self, cx: &mut Context<'_>) {
        let Some(notice) = self.notice.as_mut() else {
            return;
        };
        let Some(mut request) = notice.leg.request(cx, Method::Subscribe) else {
            return;
        };
        let Some(flow) = notice.leg.reach(cx) else {
            return;
        };
        self.wishes(&mut request);
        let sent_by = cx.paths.advertised(&flow).to_string();
        if let Ok(client) = cx
            .layer
            .send_request(request, flow, &sent_by, cx.now.instant)
        {
            self.track(cx, client, Purpose::Notice);
        }
    }

    /// Whether a request belongs to the subscription.
    pub(super) fn is_notice(&self, request: &Message) -> bool {
        let tag = request.to_tag();
        self.notice.as_ref().is_some_and(|notice| {
            tag.as_deref() == Some(notice.leg.tag.as_str())
                && request.call_id().is_ok_and(|id| id == notice.leg.call_id)
        })
    }

    /// A request in the subscription: NOTIFY, and nothing else (RFC 6665 section 4.1.3).
    pub(super) fn notified(&mut self, cx: &mut Context<'_>, server: ServerKey, request: &Message) {
        match self.read_notice(cx, request) {
            Err(refusal) => refusal.answer(cx.layer, cx.counters, server, request, cx.now),
            Ok(terminated) => {
                let ok = Message::response_to(request, 200, "OK");
                let _ = cx.layer.respond(server, ok, cx.now.instant);
                if terminated && !self.ended {
                    cx.counters.notices_ended += 1;
                    self.end(cx, EndedBy::Agent, EndCause::Notice);
                }
            }
        }
    }

    fn read_notice(&mut self, cx: &mut Context<'_>, request: &Message) -> Result<bool, Refusal> {
        if request.method() != Some(&Method::Notify) {
            return Err(Refusal::plain(405, "Method Not Allowed").with("Allow", "NOTIFY"));
        }
        let event = request.headers.get(HeaderName::Event).unwrap_or_default();
        let package = event.split(';').next().unwrap_or_default().trim();
        if !package.eq_ignore_ascii_case("dialog") {
            return Err(Refusal::plain(489, "Bad Event").with("Allow-Events", "dialog"));
        }
        self.in_subscription(request)?;
        let terminated = self.says_over(request)?;
        let state = request
            .headers
            .get(HeaderName::SubscriptionState)
            .unwrap_or_default();
        let over = state
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("terminated");
        if self.notice_state() == NoticeState::Asked {
            self.notice_is(cx, NoticeState::Active, 200);
        }
        if let Some(notice) = &mut self.notice
            && over
        {
            notice.due = None;
        }
        Ok(terminated)
    }

    /// The NOTIFY may come before the answer to the SUBSCRIBE, and then makes the dialog.
    fn in_subscription(&mut self, request: &Message) -> Result<(), Refusal> {
        let Some(notice) = &mut self.notice else {
            return Err(Refusal::no_dialog());
        };
        let leg = &mut notice.leg;
        match &mut leg.dialog {
            None => {
                let mut dialog = Dialog::uas(request, &leg.tag)
                    .map_err(|_| Refusal::plain(400, "Missing or Broken Contact"))?;
                dialog.local_cseq = 1;
                leg.dialog = Some(dialog);
                notice.request = None;
                Ok(())
            }
            Some(dialog) if request.from_tag().as_deref() != Some(&*dialog.remote_tag) => {
                Err(Refusal::no_dialog())
            }
            Some(dialog) => dialog
                .receive(request)
                .map_err(|_| Refusal::plain(500, "CSeq Out of Order")),
        }
    }

    fn says_over(&self, request: &Message) -> Result<bool, Refusal> {
        if request.body.is_empty() {
            return Ok(false);
        }
        if !request.has_content_type(DIALOG_INFO) {
            return Err(Refusal::plain(415, "Unsupported Media Type").with("Accept", DIALOG_INFO));
        }
        let Some(call) = &self.agent.dialog else {
            return Ok(false);
        };
        let name = DialogName {
            call_id: &call.call_id,
            local_tag: &call.remote_tag,
            remote_tag: &call.local_tag,
        };
        says_terminated(&request.body, name).map_err(|_| Refusal::plain(400, "Bad Dialog Document"))
    }

    fn notice_is(&mut self, cx: &mut Context<'_>, state: NoticeState, code: u16) {
        let Some(notice) = &mut self.notice else {
            return;
        };
        notice.state = state;
        match state {
            NoticeState::Active => cx.counters.notices_active += 1,
            NoticeState::Refused => cx.counters.notices_refused += 1,
            NoticeState::Silent => cx.counters.notices_silent += 1,
            NoticeState::Off | NoticeState::Asked => {}
        }
        if !self.ended {
            let of = self.reference();
            let event = SessionEvent::Notice(SessionNotice { of, state, code });
            cx.outputs.push_back(Output::Event(event));
        }
    }
}

/// A Call-ID as a parameter's value (RFC 4235 section 3.2).
fn token_or_quoted(text: &str) -> String {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    match text.bytes().all(token) {
        true => text.to_owned(),
        false => patchbay_sip::quote(text),
    }
}
