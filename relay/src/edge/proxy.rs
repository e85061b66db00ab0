//! Requests that belong to no session: the edge is a proxy between the outside and control
//! (RFC 3261 section 16).

use super::counters::EdgeDrop;
use super::flow_token::Source;
use super::paths::{default_port, transport_param};
use super::{Core, Now, Refusal};
use crate::readdress::sdp::{Description, Line};
use crate::session::{CallName, SDP_TYPE};
use patchbay_route::place::{MAX_PLACE_BYTES, MAX_TRIES, NO_PLACE};
use patchbay_sip::shards::Shards;
use patchbay_sip::transaction::{ClientKey, Flow, Layer, ServerKey};
use patchbay_sip::{HeaderName, Message, Method, NameAddr, Scheme, Text, Transport, Uri, Written};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long repeated 2xx answers to an INVITE are still passed on: a little more than 64*T1.
const ACCEPTED_TIME: Duration = Duration::from_secs(34);
/// Max-Forwards of a request that has none (RFC 3261 section 16.6).
const MAX_FORWARDS: u32 = 70;

/// What became of a response of control.
pub(super) enum Passed {
    /// Nobody waits for it.
    Stray,
    /// It was passed on, or was for the edge alone.
    On,
    /// It has answered a caller who waited, in the dialog of this tag.
    Answered(Box<Waiting>, Text),
}

struct Forwarded {
    server: ServerKey,
    invite: bool,
    /// None once there was a final answer.
    waiting: Option<Box<Waiting>>,
}

/// What is needed as long as a request has no final answer.
pub struct Waiting {
    /// What a failure is answered to, and what is sent to another control node.
    pub request: Message,
    /// Where it came from.
    pub flow: Flow,
    /// Counts requests, in the order in which they came.
    pub order: u64,
    /// What control told of its place.
    place: Option<Box<str>>,
    /// How many other control nodes it was sent to that have said nothing of it.
    pub tries: u8,
    /// Its caller has hung up, or is gone.
    pub gone: bool,
}

impl Waiting {
    /// What another control node is told of its place.
    pub fn place(&self) -> &str {
        self.place.as_deref().unwrap_or(NO_PLACE)
    }

    /// Takes from what control says what is for the edge.
    pub fn note(&mut self, said: &Message) {
        let place = said.headers.get(HeaderName::PatchbayPlace);
        if let Some(place) = place.filter(|place| place.len() <= MAX_PLACE_BYTES) {
            self.place = Some(place.into());
        }
        // A 100 comes from the transaction layer, whatever becomes of the request.
        if place.is_some() || said.status() != Some(100) {
            self.tries = 0;
        }
    }

    /// What names its call.
    pub fn name(&self) -> Option<CallName> {
        let call_id = self.request.call_id().ok()?.to_string();
        Some((call_id, self.request.from_tag()?))
    }

    /// Whether it is sent to another control node when its own is gone. It may be what they die of.
    pub fn may_go_on(&self) -> bool {
        let invite = self.request.method() == Some(&Method::Invite);
        invite && self.tries < MAX_TRIES && !self.gone
    }
}

/// The transactions that were passed to control.
#[derive(Default)]
pub struct Proxy {
    by_client: Shards<ClientKey, Forwarded>,
    by_server: Shards<ServerKey, ClientKey>,
    accepted: VecDeque<(Instant, ClientKey)>,
    requests: u64,
}

impl Proxy {
    /// The caller of a transaction of the outside is gone: the transaction toward control that it became.
    pub fn gone(&mut self, server: ServerKey) -> Option<ClientKey> {
        let client = self.by_server.get(&server).copied()?;
        let forwarded = self.by_client.get_mut(&client);
        if let Some(waiting) = forwarded.and_then(|forwarded| forwarded.waiting.as_mut()) {
            waiting.gone = true;
        }
        Some(client)
    }

    /// A request that comes now.
    fn comes(&mut self, request: Message, flow: Flow) -> Box<Waiting> {
        self.requests += 1;
        Box::new(Waiting {
            request,
            flow,
            order: self.requests,
            place: None,
            tries: 0,
            gone: false,
        })
    }

    pub(super) fn forwarded(
        &mut self,
        server: ServerKey,
        client: ClientKey,
        waiting: Box<Waiting>,
    ) {
        self.by_server.insert(server, client);
        let invite = waiting.request.method() == Some(&Method::Invite);
        let forwarded = Forwarded {
            server,
            invite,
            waiting: Some(waiting),
        };
        self.by_client.insert(client, forwarded);
    }

    /// Callers whose INVITE has no final answer yet: they wait or ring.
    pub fn waiting_callers(&self) -> usize {
        self.by_client.len() - self.accepted.len()
    }

    /// Requests that have no final answer.
    pub fn waiting(&self) -> impl Iterator<Item = &Box<Waiting>> {
        let forwarded = self.by_client.iter();
        forwarded.filter_map(|(_, forwarded)| forwarded.waiting.as_ref())
    }

    /// Gives up every INVITE that has no final answer: to be cancelled and refused.
    pub fn give_up(&mut self) -> Vec<(ClientKey, ServerKey, Message)> {
        let waiting = self.by_client.iter().filter(|(_, f)| f.waiting.is_some());
        let waiting: Vec<_> = waiting.map(|(client, _)| *client).collect();
        let forget = |client| {
            let forwarded = self.forget(client)?;
            Some((client, forwarded.server, forwarded.waiting?.request))
        };
        waiting.into_iter().filter_map(forget).collect()
    }

    /// When [`Proxy::wake`] wants to be called.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.accepted.front().map(|(at, _)| *at)
    }

    /// Forgets answered INVITEs whose time is over.
    pub fn wake(&mut self, now: Instant) {
        while let Some((at, client)) = self.accepted.front().copied()
            && at <= now
        {
            self.accepted.pop_front();
            self.forget(client);
        }
    }

    fn forget(&mut self, client: ClientKey) -> Option<Forwarded> {
        let forwarded = self.by_client.remove(&client)?;
        self.by_server.remove(&forwarded.server);
        Some(forwarded)
    }

    /// The request that got no answer from control.
    pub fn failed(&mut self, client: ClientKey) -> Option<(ServerKey, Box<Waiting>)> {
        let forwarded = self.forget(client)?;
        Some((forwarded.server, forwarded.waiting?))
    }

    /// Passes a response of control on to the outside.
    pub(super) fn response(
        &mut self,
        layer: &mut Layer,
        client: ClientKey,
        mut response: Message,
        now: Instant,
    ) -> Passed {
        let Some(forwarded) = self.by_client.get_mut(&client) else {
            return Passed::Stray;
        };
        let (server, invite) = (forwarded.server, forwarded.invite);
        let status = response.status().unwrap_or(500);
        if let Some(waiting) = forwarded.waiting.as_mut() {
            waiting.note(&response);
        }
        if status == 100 {
            return Passed::On;
        }
        response.headers.remove_first(HeaderName::Via);
        response.headers.remove(HeaderName::PatchbaySource);
        response.headers.remove(HeaderName::PatchbayFlow);
        response.headers.remove(HeaderName::PatchbayPlace);
        let answered = invite && (200..300).contains(&status);
        let waiting = forwarded.waiting.as_ref().filter(|_| answered);
        let placed = waiting.is_some_and(|waiting| waiting.place.is_some());
        // Few calls have waited: the others are spared the look.
        let tag = placed.then(|| response.to_tag()).flatten();
        // The caller may be gone: then nobody waits for the answer.
        let _ = layer.respond(server, response, now);
        if status >= 200 && !answered {
            self.forget(client);
        } else if answered && let Some(waiting) = forwarded.waiting.take() {
            self.accepted.push_back((now + ACCEPTED_TIME, client));
            if let Some(tag) = tag {
                return Passed::Answered(waiting, tag);
            }
        }
        Passed::On
    }
}

impl Core {
    /// Passes a request of the outside to a control node.
    pub(super) fn forward(&mut self, server: ServerKey, request: Message, flow: Flow, now: Now) {
        match self.try_forward(&request, flow, now) {
            Ok(client) => {
                self.counters.forwarded += 1;
                let waiting = self.proxy.comes(request, flow);
                self.proxy.forwarded(server, client, waiting);
            }
            Err(refusal) => self.refuse(server, &request, refusal, now),
        }
    }

    fn try_forward(
        &mut self,
        request: &Message,
        flow: Flow,
        now: Now,
    ) -> Result<ClientKey, Refusal> {
        let invite = request.method() == Some(&Method::Invite);
        if invite && self.config.draining {
            return Err(Refusal::busy(EdgeDrop::Draining, "Going Down", 5));
        }
        if invite && self.sessions.len() >= self.config.max_sessions {
            return Err(Refusal::busy(EdgeDrop::SessionsFull, "Relay Full", 5));
        }
        check_uri(request, &flow)?;
        if invite {
            crate::session::check_interval(request)?;
            check_contact(request)?;
            check_accept(request)?;
            check_offer(request)?;
        }
        self.send_on(request, flow, None, now)
    }

    /// Sends a request of the outside to a control node, with its place if it was sent to one before.
    pub(super) fn send_on(
        &mut self,
        request: &Message,
        flow: Flow,
        place: Option<&str>,
        now: Now,
    ) -> Result<ClientKey, Refusal> {
        let hops = request.max_forwards().unwrap_or(MAX_FORWARDS);
        if hops == 0 {
            return Err(Refusal::too_many_hops());
        }
        let control = self
            .control
            .first()
            .copied()
            .ok_or_else(|| Refusal::busy(EdgeDrop::NoControl, "Centre Unavailable", 5))?;
        let mut forwarded = self.forwarded_request(request, flow, hops - 1);
        forwarded.headers.remove(HeaderName::PatchbayPlace);
        if let Some(place) = place {
            forwarded.headers.push(HeaderName::PatchbayPlace, place);
        }
        let sent_by = Written(control.local).to_string();
        self.layer
            .send_request(forwarded, control, &sent_by, now.instant)
            .map_err(|_| Refusal::busy(EdgeDrop::Transaction, "Transactions Full", 5))
    }

    fn forwarded_request(&mut self, request: &Message, flow: Flow, hops: u32) -> Message {
        let mut forwarded = request.clone();
        let headers = &mut forwarded.headers;
        headers.set(HeaderName::MaxForwards, hops.to_string());
        if self.names_us(headers.get(HeaderName::Route), &flow) {
            forwarded.headers.remove_first(HeaderName::Route);
        }
        let headers = &mut forwarded.headers;
        let source = source_of(request, flow);
        let token = self.tokens.write(&source);
        let words = format!(
            "{};{}",
            flow.transport.to_string().to_ascii_lowercase(),
            Written(flow.remote)
        );
        headers.set(HeaderName::PatchbaySource, words);
        headers.set(HeaderName::PatchbayFlow, token.clone());
        if request.method() == Some(&Method::Register) {
            let shown = self.paths.sent_by(&flow);
            let transport = transport_param(flow.transport);
            let path = format!("<sip:{token}@{shown}{transport};lr;ob>");
            forwarded.headers.push_front(HeaderName::Path, path);
        }
        forwarded
    }

    /// Whether a Route is one that we wrote, or that a phone was given as its outbound proxy.
    fn names_us(&mut self, route: Option<&str>, flow: &Flow) -> bool {
        let shown = self.paths.advertised(flow);
        let uri = route
            .and_then(|route| NameAddr::parse(route).ok())
            .map(|route| route.uri);
        uri.is_some_and(|uri| {
            let named = match uri.host.ip() {
                Some(ip) => ip == shown.ip(),
                None => {
                    let host = uri.host.to_string();
                    let name = self.paths.tls_name();
                    name.is_some_and(|name| name.eq_ignore_ascii_case(&host))
                }
            };
            named && uri.port.unwrap_or(default_port(flow.transport)) == shown.port()
        })
    }
}

/// RFC 3261 section 16.3: an unknown scheme is 416. So is `sips` on what is not TLS: it asks for TLS on
/// every hop (section 26.2.2), and one of them was without.
fn check_uri(request: &Message, flow: &Flow) -> Result<(), Refusal> {
    let malformed = || Refusal::plain(400, "Malformed Request-URI");
    let uri = request.uri().and_then(|uri| Uri::parse(uri).ok());
    let uri = uri.ok_or_else(malformed)?;
    match uri.scheme {
        // Section 19.1.1: no headers in a Request-URI.
        _ if !uri.headers.is_empty() => Err(malformed()),
        Scheme::Sips if !matches!(flow.transport, Transport::Tls | Transport::Wss) => {
            Err(Refusal::plain(416, "SIPS Without TLS"))
        }
        Scheme::Sip | Scheme::Sips | Scheme::Tel => Ok(()),
        Scheme::Other(_) => Err(Refusal::plain(416, "Unsupported URI Scheme")),
    }
}

/// No dialog can be made with a caller who does not say where it is (RFC 3261 section 8.1.1.8); without
/// this check every agent would be offered a call that cannot stand.
fn check_contact(request: &Message) -> Result<(), Refusal> {
    let contacts = request.contacts().ok();
    match contacts.as_ref().and_then(|contacts| contacts.first()) {
        Some(_) => Ok(()),
        None => Err(Refusal::plain(400, "Missing Contact")),
    }
}

/// A caller who cannot read the answer in SDP is told so before any agent is asked (RFC 3261 section
/// 20.1: without an Accept header it can).
fn check_accept(request: &Message) -> Result<(), Refusal> {
    let accepts = |range: &str| {
        let range = range.split(';').next().unwrap_or_default().trim();
        [SDP_TYPE, "application/*", "*/*"]
            .iter()
            .any(|known| range.eq_ignore_ascii_case(known))
    };
    let accept = HeaderName::Accept;
    if request.headers.contains(accept.clone()) && !request.headers.all_split(accept).any(accepts) {
        return Err(Refusal::plain(406, "Not Acceptable").with("Accept", SDP_TYPE));
    }
    Ok(())
}

/// An offer that this host can never relay is refused before any agent is asked.
fn check_offer(request: &Message) -> Result<(), Refusal> {
    if request.body.is_empty() {
        return Ok(());
    }
    if !request.has_content_type(SDP_TYPE) {
        let refusal = Refusal::plain(415, "Unsupported Media Type");
        return Err(refusal.with("Accept", SDP_TYPE));
    }
    let unusable = |why: &str| {
        let warning = format!("399 patchbay \"{}\"", why.replace(['"', '\\'], ""));
        Refusal::plain(488, "Not Acceptable Here").with("Warning", &warning)
    };
    let offer = Description::read(&request.body).map_err(|why| unusable(&why.to_string()))?;
    match offer.lines().iter().any(|line| *line != Line::Refused) {
        true => Ok(()),
        false => Err(unusable("no medium that can be relayed")),
    }
}

/// How the sender of a request is reached.
pub(super) fn source_of(request: &Message, flow: Flow) -> Source {
    Source {
        flow,
        pinned: flow.connection != 0 || is_behind_nat(request, &flow),
    }
}

/// A UDP party whose Via names another address than its packets come from (RFC 3581).
fn is_behind_nat(request: &Message, flow: &Flow) -> bool {
    let Ok((host, port)) = request.sent_by() else {
        return true;
    };
    let port = port.unwrap_or(crate::session::SIP_PORT);
    host.ip() != Some(flow.remote.ip()) || port != flow.remote.port()
}
