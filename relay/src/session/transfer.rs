//! Transfer of control: an INVITE with the agent in its URI becomes a row of the routing table
//! and a call to the agent (requirements B1, B2, B3).

use super::failover::by_tcp;
use super::hearing::Hearing;
use super::leg::{address_of, copy_body, is_sips};
use super::media::{Ends, MediaError};
use super::standing::Joining;
use super::{Context, Invite, Leg, MAX_OFFER_TIME, MediaState, Purpose, Session, Sessions};
use crate::edge::Refusal;
use crate::edge::counters::EdgeDrop;
use crate::edge::flow_token::Source;
use crate::engine::Side;
use crate::readdress::headers;
use crate::readdress::sdp::names_any;
use bytes::Bytes;
use patchbay_route::session::{NoticeState, SessionEvent, SessionState};
use patchbay_route::transfer::{self, TransferError, TransferTarget, Verified};
use patchbay_sip::transaction::{Flow, ServerKey};
use patchbay_sip::{HeaderName, Host, Message, Method, NameAddr, Text, Written};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Seconds after which a caller may try again when this host is out of room.
const FULL_RETRY_AFTER_S: u32 = 5;

impl Sessions {
    /// A transferred INVITE from control.
    pub fn transfer(
        &mut self,
        cx: &mut Context<'_>,
        (server, flow): (ServerKey, Flow),
        request: Message,
    ) {
        let request = Arc::new(request);
        match self.admit(cx, (server, flow), &request) {
            Ok(session) => {
                cx.counters.transfers += 1;
                self.begin(cx, server, session);
            }
            Err(refusal) => refusal.answer(cx.layer, cx.counters, server, &request, cx.now),
        }
    }

    /// Enters a session in the table, and calls the agent.
    pub(super) fn begin(&mut self, cx: &mut Context<'_>, server: ServerKey, mut session: Session) {
        cx.links.servers.insert(server, session.id);
        cx.links
            .tags
            .insert(session.caller.tag.clone(), (session.id, Side::Client));
        cx.links
            .tags
            .insert(session.agent.tag.clone(), (session.id, Side::Agent));
        let started = SessionEvent::Started(session.reference());
        session.tell(cx, started);
        session.start(cx);
        if session.stands() {
            let contact = session.target.contact.clone();
            self.waiting.insert(contact, session.id);
        }
        self.keep(cx, Box::new(session));
    }

    fn admit(
        &mut self,
        cx: &mut Context<'_>,
        (server, flow): (ServerKey, Flow),
        request: &Arc<Message>,
    ) -> Result<Session, Refusal> {
        let verified = self.verify(cx, request)?;
        let source = self.source(cx, request)?;
        let target = verified.target.clone();
        let hearing = target
            .hears
            .as_ref()
            .map(|hears| Box::new(Hearing::of(hears, flow.remote.ip())));
        let joins = target.joins;
        let request = match joins {
            true => self.on_behalf(&target.contact, request)?,
            false => Arc::clone(request),
        };
        let mut session = self.admit_call(cx, (server, &request), source, target)?;
        session.joining = joins.then(|| Box::new(Joining::Rings));
        // Of those who wait control knows by itself.
        session.detached = hearing.is_some();
        session.hearing = hearing;
        if !self.remember(&verified, cx.now) {
            return Err(Refusal::busy(
                EdgeDrop::SessionsFull,
                "Too Many Transfers",
                FULL_RETRY_AFTER_S,
            ));
        }
        Ok(session)
    }

    /// A session for a caller and whom it shall reach, if there is room.
    pub(super) fn admit_call(
        &mut self,
        cx: &mut Context<'_>,
        (server, request): (ServerKey, &Arc<Message>),
        source: Source,
        target: TransferTarget,
    ) -> Result<Session, Refusal> {
        if self.len() >= cx.config.max_sessions {
            return Err(Refusal::busy(
                EdgeDrop::SessionsFull,
                "Relay Full",
                FULL_RETRY_AFTER_S,
            ));
        }
        let mut caller = Leg::new(cx.ids.tag(), call_id(request)?, source);
        caller.dialog = patchbay_sip::dialog::Dialog::uas(request, &caller.tag).ok();
        if caller.dialog.is_none() {
            return Err(Refusal::plain(400, "Missing or Broken Contact"));
        }
        let sips = |name| request.headers.get(name).is_some_and(is_sips);
        caller.sips = sips(HeaderName::To) || sips(HeaderName::Contact);
        // Until the agent's address is known, its leg stands where the caller's does.
        let mut agent = Leg::new(cx.ids.tag(), cx.ids.call_id(), source);
        agent.called = true;
        Ok(Session {
            id: cx.ids.session(),
            target,
            state: SessionState::Offering,
            started_unix_ms: cx.now.unix_ms,
            answered: None,
            caller,
            agent,
            media: MediaState::default(),
            invite: Some(Box::new(Invite {
                server,
                request: Arc::clone(request),
                client: None,
                replaces: None,
                cseq: 1,
                least_s: 0,
            })),
            reinvite: None,
            held: Vec::new(),
            early: None,
            replaced: None,
            detached: false,
            owes_notify: None,
            clients: Vec::new(),
            attempts: Vec::new(),
            notice: None,
            notice_unasked: NoticeState::Off,
            guard: Some(cx.now.instant + MAX_OFFER_TIME),
            timer: None,
            parting: None,
            ended: false,
            told_held: false,
            follows: None,
            told_legs: 0,
            hearing: None,
            joining: None,
        })
    }

    fn verify(&mut self, cx: &mut Context<'_>, request: &Message) -> Result<Verified, Refusal> {
        let uri = request.uri().unwrap_or_default();
        let from_tag = request.from_tag().unwrap_or_default();
        let id = call_id(request)?;
        let now = cx.now.unix_ms / 1000;
        let verified = transfer::verify(&cx.config.secret, uri, &id, &from_tag, now);
        let verified = verified.map_err(|error| {
            cx.counters.drop(EdgeDrop::ForgedTransfer);
            let status = match error {
                TransferError::Forged | TransferError::Expired => 403,
                _ => 400,
            };
            Refusal::plain(status, "Transfer Refused")
                .with("Warning", &format!("399 {} \"{error}\"", cx.config.name))
        })?;
        if self.is_replay(&verified) {
            cx.counters.drop(EdgeDrop::ReplayedTransfer);
            return Err(Refusal::plain(403, "Transfer Used Before"));
        }
        Ok(verified)
    }

    /// Where the caller is reached: the flow that its INVITE came in on if it came in here, else
    /// what its Contact says.
    fn source(&self, cx: &mut Context<'_>, request: &Message) -> Result<Source, Refusal> {
        let token = request.headers.get(HeaderName::PatchbayFlow);
        if let Some(source) = token.and_then(|token| cx.tokens.read(token)) {
            return Ok(source);
        }
        let contact = request
            .headers
            .get(HeaderName::Contact)
            .and_then(|contact| NameAddr::parse(contact).ok())
            .and_then(|contact| address_of(&contact.uri));
        let flow = contact
            .and_then(|(transport, address)| cx.paths.flow_to(transport, address, cx.outputs));
        flow.map(|flow| Source {
            flow,
            pinned: false,
        })
        .ok_or(Refusal::plain(400, "Caller Unreachable"))
    }
}

fn call_id(request: &Message) -> Result<String, Refusal> {
    request
        .call_id()
        .map(str::to_string)
        .map_err(|_| Refusal::plain(400, "Missing Call-ID"))
}

impl Session {
    pub(super) fn send_offer(&mut self, cx: &mut Context<'_>, flow: Flow) -> Result<(), Refusal> {
        let Some(invite) = &self.invite else {
            return Ok(());
        };
        let request = invite.request.clone();
        let ends = Ends::of(&self.caller, &self.agent);
        let body = self
            .media
            .take(cx, ends, Side::Client, &request)
            .map_err(|error| refusal_of(cx, &error))?;
        let offer = self.offer_message(cx, &request, body);
        let wide = by_tcp(cx, &offer, &flow, self.agent.pinned);
        let (flow, kept) = match wide {
            Some((place, by_tcp)) => (by_tcp, Some((offer.clone(), place))),
            None => (flow, None),
        };
        let sent_by = cx.paths.sent_by(&flow);
        let client = cx
            .layer
            .send_request(offer, flow, &sent_by, cx.now.instant)
            .map_err(|_| {
                Refusal::busy(
                    EdgeDrop::Transaction,
                    "Transactions Full",
                    FULL_RETRY_AFTER_S,
                )
            })?;
        if let Some(invite) = &mut self.invite {
            invite.client = Some(client);
        }
        self.track(cx, client, Purpose::Offer);
        if let Some(kept) = kept {
            self.sent_by_tcp(cx, client, kept);
        }
        Ok(())
    }

    fn offer_message(
        &mut self,
        cx: &mut Context<'_>,
        request: &Message,
        body: Option<Bytes>,
    ) -> Message {
        let mut offer = Message::request(Method::Invite, self.target.agent_uri.as_str());
        let hops = request.max_forwards().unwrap_or(70).saturating_sub(1);
        offer
            .headers
            .push(HeaderName::MaxForwards, hops.to_string());
        if let Some(path) = self.foreign_path(cx) {
            offer.headers.push(HeaderName::Route, path);
        }
        let shown = cx.paths.advertised(&self.agent.flow);
        let hidden = self.hidden(cx, Side::Client, request);
        let from = shown_from(request, shown, &hidden);
        let tag = &self.agent.tag;
        offer
            .headers
            .push(HeaderName::From, format!("{from};tag={tag}"));
        let to = self.target.aor.as_ref().unwrap_or(&self.target.agent_uri);
        offer.headers.push(HeaderName::To, format!("<{to}>"));
        offer
            .headers
            .push(HeaderName::CallId, self.agent.call_id.as_str());
        let (cseq, least) = self
            .invite
            .as_ref()
            .map_or((1, 0), |it| (it.cseq, it.least_s));
        offer
            .headers
            .push(HeaderName::CSeq, format!("{cseq} INVITE"));
        self.agent.ask_timer(cx, least, &mut offer);
        let contact = self.agent.contact(cx);
        offer.headers.push(HeaderName::Contact, contact);
        headers::pass_allow(request, &mut offer, &cx.config.deny_methods);
        headers::pass_options(request, &mut offer);
        let held_back = headers::pass(request, &mut offer, &hidden)
            + headers::pass_identity(request, &mut offer, &hidden);
        cx.counters.add(EdgeDrop::HeaderHeldBack, held_back);
        if let Some((name, by)) = self.referred_by(cx, Side::Client, request) {
            offer.headers.push(name, by);
        }
        let replaces = self.invite.as_ref().and_then(|it| it.replaces.clone());
        if let Some(replaces) = replaces {
            offer.headers.push(HeaderName::Replaces, replaces);
            offer.headers.push(HeaderName::Require, "replaces");
        }
        put_body(&mut offer, request, body);
        offer
    }

    /// The hops of the agent's Path that come after this host (RFC 3327 section 5.3): all of them if it
    /// leads through another edge.
    fn foreign_path(&self, cx: &Context<'_>) -> Option<String> {
        let path = self.target.path.as_ref()?;
        if own_flow(cx, path).is_none() {
            return Some(path.clone());
        }
        let hops: Vec<&str> = patchbay_sip::split_commas(path).skip(1).collect();
        (!hops.is_empty()).then(|| hops.join(", "))
    }

    /// Answers the transfer with a failure: control moves on to the next agent.
    pub(super) fn refuse_offer(&mut self, cx: &mut Context<'_>, refusal: Refusal) {
        use patchbay_route::session::{EndCause, EndedBy};
        if let Some(invite) = self.invite.take() {
            cx.links.servers.remove(&invite.server);
            let tag = &self.caller.tag;
            let refusal = refusal.tagged(tag);
            refusal.answer(
                cx.layer,
                cx.counters,
                invite.server,
                &invite.request,
                cx.now,
            );
        }
        self.end(cx, EndedBy::Relay, EndCause::Unreachable);
    }
}

/// The answer for media that cannot be relayed.
pub(super) fn refusal_of(cx: &mut Context<'_>, error: &MediaError) -> Refusal {
    let (status, reason) = error.status();
    match error {
        MediaError::Open(_) => Refusal::busy(EdgeDrop::PortsExhausted, reason, FULL_RETRY_AFTER_S),
        MediaError::Type => Refusal::plain(status, reason).with("Accept", super::media::SDP_TYPE),
        _ => {
            let host = cx.config.name.clone();
            let warning = format!("399 {host} \"{error}\"");
            Refusal::plain(status, reason).with("Warning", &warning)
        }
    }
}

/// Puts the re-addressed description, or the body as it is when there was none to re-address.
pub(super) fn put_body(to: &mut Message, from: &Message, body: Option<Bytes>) {
    match body {
        Some(body) => {
            to.headers
                .set(HeaderName::ContentType, super::media::SDP_TYPE);
            to.body = body;
        }
        None => copy_body(from, to),
    }
}

/// Whether a host is an address, also one that is written in an odd way (`0192.0.2.9`): no domain ends
/// with a label of digits (RFC 3696 section 2).
fn is_address(host: &Host) -> bool {
    let Host::Name(name) = host else {
        return host.ip().is_some();
    };
    let last = name.rsplit('.').find(|label| !label.is_empty());
    last.is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The caller's identity as the agent sees it: user and display name, and the domain unless it
/// is an address, or the name of the very host that the caller is at.
fn shown_from(request: &Message, shown: SocketAddr, hidden: &[Text]) -> String {
    let Ok(mut from) = request.from() else {
        return format!("<sip:anonymous@{shown}>");
    };
    let host = from.uri.host.to_string();
    if is_address(&from.uri.host) || hidden.iter().any(|name| name.eq_ignore_ascii_case(&host)) {
        let ours = match shown.ip() {
            ip @ IpAddr::V4(_) => Written(ip).to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let display = from.display.take();
        let user = from.uri.user.as_deref().map(|user| format!("{user}@"));
        let uri = format!("<sip:{}{ours}>", user.unwrap_or_default());
        return match display {
            Some(name) => format!("\"{}\" {uri}", name.replace(['"', '\\'], "")),
            None => uri,
        };
    }
    from.params.remove("tag");
    let told = from.to_string();
    // What is no SIP URI has its host anywhere.
    match !from.uri.is_sip() && names_any(&told, hidden) {
        true => format!("<sip:anonymous@{shown}>"),
        false => told,
    }
}

/// The flow that a Path of this host names.
pub(super) fn own_flow(cx: &Context<'_>, path: &str) -> Option<Source> {
    cx.tokens.read(first_hop(path)?.uri.user.as_deref()?)
}

/// The first hop of a Path, which may list several.
pub(super) fn first_hop(path: &str) -> Option<NameAddr> {
    NameAddr::parse(patchbay_sip::split_commas(path).next()?).ok()
}
