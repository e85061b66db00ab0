//! One side of a session: its dialog, how it is reached, and its unacknowledged answer.

use super::Context;
use super::failover::by_tcp;
use super::hidden::name_of;
use super::reach::Named;
use crate::edge::flow_token::Source;
use crate::edge::paths::{default_port, transport_param};
use bytes::Bytes;
use patchbay_route::session::EndCause;
use patchbay_sip::dialog::{Dialog, Retransmit, RetransmitStep};
use patchbay_sip::transaction::{Flow, ServerKey};
use patchbay_sip::{HeaderName, Message, Method, NameAddr, Scheme, Text, Transport, Uri, Written};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// The port of SIP without one in the URI (RFC 3261 section 19.1.2).
pub const SIP_PORT: u16 = 5060;

/// Shorter tags, host names and Call-IDs are not looked for in what passes to the other side.
const MIN_RARE_BYTES: usize = 8;

/// A 2xx of ours to an INVITE of this side, sent again until its ACK comes.
struct Answer {
    server: ServerKey,
    response: Message,
    retransmit: Retransmit,
    /// The other side's INVITE transaction that waits for this ACK, because its body is the
    /// answer to an offer in the 2xx (RFC 3261 section 13.2.1).
    ack_other: Option<u32>,
}

/// The ACK that was sent last: what it takes to send it again.
struct LastAck {
    cseq: u32,
    /// Type and content of its body, if it had one.
    body: Option<(Text, Bytes)>,
}

/// One side of a session.
pub struct Leg {
    /// Our tag on this side.
    pub tag: String,
    /// Our Call-ID on this side, or the caller's.
    pub call_id: String,
    /// The dialog, once there is one.
    pub dialog: Option<Dialog>,
    /// Where the party was last heard from, or is first called at.
    pub flow: Flow,
    /// Whether the party can only be reached by `flow`.
    pub pinned: bool,
    /// Whether its dialog began with our INVITE, so that the Call-ID is ours.
    pub called: bool,
    /// Whether this side's dialog is one of `sips:` (RFC 3261 section 12.1.1, RFC 5630 section 4).
    pub sips: bool,
    answer: Option<Box<Answer>>,
    /// Why the call has ended, while this side's ACK is waited for before it is sent a BYE: a callee
    /// must not send one earlier (RFC 3261 section 15).
    pub bye_after_ack: Option<EndCause>,
    /// A 2xx of this side to an INVITE of ours that we still owe an ACK, by its CSeq.
    pub owes_ack: Option<u32>,
    last_ack: Option<Box<LastAck>>,
    /// Until when the session has to be refreshed on this side.
    pub expiry: Option<super::SessionTimer>,
    /// Whether the party takes UPDATE.
    pub updates: bool,
    /// Where the name leads that its requests go to, if it is one.
    pub named: Named,
}

impl Leg {
    /// A leg without a dialog.
    pub fn new(tag: String, call_id: String, source: Source) -> Self {
        Self {
            tag,
            call_id,
            dialog: None,
            flow: source.flow,
            pinned: source.pinned,
            called: false,
            sips: false,
            answer: None,
            bye_after_ack: None,
            owes_ack: None,
            last_ack: None,
            expiry: None,
            updates: false,
            named: Named::default(),
        }
    }

    /// Our Contact on this side.
    pub fn contact(&self, cx: &mut Context<'_>) -> Text {
        let shown = cx.paths.sent_by(&self.flow);
        let (scheme, transport) = match (self.sips, self.flow.transport) {
            // `sips` says TLS by itself (RFC 5630 section 4).
            (true, Transport::Tls) => ("sips", ""),
            (true, Transport::Wss) => ("sips", transport_param(Transport::Wss)),
            (_, transport) => ("sip", transport_param(transport)),
        };
        Text::joined(&["<", scheme, ":", &self.tag, "@", &shown, transport, ">"])
    }

    /// The connection to this party went with another process. A party that names the very host
    /// that it spoke from can be connected to; any other must come by itself.
    pub fn lose_connection(&mut self) {
        let named = self.dialog.as_ref().and_then(next_hop);
        if named.is_some_and(|(_, address)| address.ip() == self.flow.remote.ip()) {
            self.pinned = false;
        }
    }

    /// Gives what names this party or its dialog: addresses, hosts, Call-ID and tags.
    pub fn names(&self, add: &mut impl FnMut(Text)) {
        add(Text::from(&Written(self.flow.remote.ip())));
        // A short word is found by chance in what has nothing to do with it.
        let mut word = |word: &str| {
            if rare(word) {
                add(word.into());
            }
        };
        word(&self.call_id);
        word(&self.tag);
        let Some(dialog) = &self.dialog else { return };
        word(&dialog.remote_tag);
        let routes = dialog.route_set.iter().filter_map(|route| {
            let route = NameAddr::parse(route).ok()?;
            Some(route.uri.host)
        });
        let target = Uri::parse(&dialog.remote_target).ok();
        let hosts = target.map(|uri| uri.host).into_iter().chain(routes);
        hosts.filter_map(name_of).for_each(add);
    }

    /// The flow for a new request to this side; none when it cannot be reached.
    pub fn reach(&mut self, cx: &mut Context<'_>) -> Option<Flow> {
        let next_hop = match &self.dialog {
            Some(dialog) if !self.pinned => next_hop(dialog),
            _ => None,
        };
        if let Some((transport, address)) = next_hop
            && let Some(flow) = cx.paths.flow_to(transport, address, cx.outputs)
        {
            return Some(flow);
        }
        let named = self.named_places(cx).and_then(|mut ways| ways.next(cx));
        if let Some((_, flow)) = named {
            return Some(flow);
        }
        cx.paths.is_alive(&self.flow).then_some(self.flow)
    }

    /// A request in this leg's dialog with our Contact; none before there is a dialog.
    pub fn request(&mut self, cx: &mut Context<'_>, method: Method) -> Option<Message> {
        let contact = self.contact(cx);
        let mut request = self.dialog.as_mut()?.request(method);
        request.headers.push(HeaderName::Contact, contact);
        Some(request)
    }

    /// Sends the ACK for a 2xx of this side, with the body of `body` if there is one.
    pub fn send_ack(&mut self, cx: &mut Context<'_>, cseq: u32, body: Option<&Message>) {
        self.owes_ack = None;
        let body = body.filter(|from| !from.body.is_empty()).map(|from| {
            let kind = from.headers.text(HeaderName::ContentType);
            (kind.cloned().unwrap_or_default(), from.body.clone())
        });
        self.last_ack = Some(Box::new(LastAck { cseq, body }));
        self.send_last_ack(cx, true);
    }

    /// Sends the last ACK once more: the party has not seen it.
    pub fn send_ack_again(&mut self, cx: &mut Context<'_>) {
        self.send_last_ack(cx, false);
    }

    fn send_last_ack(&mut self, cx: &mut Context<'_>, first: bool) {
        let Some(flow) = self.reach(cx) else { return };
        let (Some(dialog), Some(last)) = (&self.dialog, &self.last_ack) else {
            return;
        };
        let mut ack = dialog.ack(last.cseq);
        if let Some((kind, body)) = &last.body {
            ack.set_body(kind, body.clone());
        }
        // Nobody says whether it has arrived over TCP: sent again, it goes the usual way.
        let wide = first.then(|| by_tcp(cx, &ack, &flow, self.pinned));
        let flow = wide.flatten().map_or(flow, |(_, flow)| flow);
        let sent_by = cx.paths.sent_by(&flow);
        cx.layer.send_ack(ack, flow, &sent_by);
    }

    /// Sends a 2xx and keeps sending it until its ACK comes.
    pub fn answer(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerKey,
        response: Message,
        ack_other: Option<u32>,
    ) {
        // A failure means that the way back is gone: the missing ACK then ends the session.
        let _ = cx.layer.respond(server, response.clone(), cx.now.instant);
        self.answer = Some(Box::new(Answer {
            server,
            response,
            retransmit: Retransmit::new(&cx.config.timers, cx.now.instant),
            ack_other,
        }));
    }

    /// Whether no ACK is waited for, or owed.
    pub fn is_at_rest(&self) -> bool {
        self.answer.is_none() && self.owes_ack.is_none()
    }

    /// The INVITE whose 2xx has no ACK yet.
    pub fn unacknowledged(&self) -> Option<ServerKey> {
        self.answer.as_ref().map(|answer| answer.server)
    }

    /// The ACK came: says which INVITE of the other side it also answers.
    pub fn acknowledged(&mut self) -> Option<u32> {
        self.answer.take().and_then(|answer| answer.ack_other)
    }

    /// When [`Leg::wake`] wants to be called.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.answer
            .as_ref()
            .and_then(|a| a.retransmit.next_wakeup())
    }

    /// Sends an unacknowledged 2xx again; true when its time is over.
    pub fn wake(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(answer) = &mut self.answer else {
            return false;
        };
        match answer.retransmit.wake(cx.now.instant) {
            RetransmitStep::Resend => {
                let again = answer.response.clone();
                let _ = cx.layer.respond(answer.server, again, cx.now.instant);
                false
            }
            RetransmitStep::GaveUp => {
                self.answer = None;
                true
            }
            RetransmitStep::Idle => false,
        }
    }

    /// Forgets an unacknowledged answer: the session is over.
    pub fn forget_answer(&mut self) {
        self.answer = None;
    }
}

/// Whether a tag, host name or Call-ID is long enough to be looked for in what passes.
pub(super) fn rare(name: &str) -> bool {
    name.len() >= MIN_RARE_BYTES
}

/// Where the dialog's next request goes (RFC 3261 section 12.2.1.1), if it is named by address.
pub(super) fn next_hop(dialog: &Dialog) -> Option<(Transport, SocketAddr)> {
    match dialog.route_set.first() {
        Some(route) => NameAddr::parse(route)
            .ok()
            .and_then(|route| address_of(&route.uri)),
        None => Uri::parse(&dialog.remote_target)
            .ok()
            .and_then(|uri| address_of(&uri)),
    }
}

/// The transport and address of a URI whose host is an IP address.
pub fn address_of(uri: &Uri) -> Option<(Transport, SocketAddr)> {
    let ip: IpAddr = uri.host.ip()?;
    let transport = transport_of(uri)?;
    Some((
        transport,
        SocketAddr::new(ip, uri.port.unwrap_or(default_port(transport))),
    ))
}

/// The transport that a URI asks for; none if this host does not speak it. `sips` is TLS whatever
/// the parameter says of what is below it (RFC 3261 section 26.2.2, RFC 7118 section 5.2.2).
pub fn transport_of(uri: &Uri) -> Option<Transport> {
    let secure = match uri.scheme {
        Scheme::Sip => false,
        Scheme::Sips => true,
        _ => return None,
    };
    let named = uri.params.value("transport").map(str::to_ascii_lowercase);
    match (secure, named.as_deref()) {
        (false, None | Some("udp")) => Some(Transport::Udp),
        (false, Some("tcp")) => Some(Transport::Tcp),
        (true, None | Some("tcp")) | (_, Some("tls")) => Some(Transport::Tls),
        (false, Some("ws")) => Some(Transport::Ws),
        (true, Some("ws")) | (_, Some("wss")) => Some(Transport::Wss),
        _ => None,
    }
}

/// Whether a header's value names a `sips` URI.
pub fn is_sips(value: &str) -> bool {
    NameAddr::parse(value).is_ok_and(|named| named.uri.scheme == Scheme::Sips)
}

/// Copies body and Content-Type.
pub fn copy_body(from: &Message, to: &mut Message) {
    if from.body.is_empty() {
        return;
    }
    if let Some(kind) = from.headers.get(HeaderName::ContentType) {
        to.headers.set(HeaderName::ContentType, kind);
    }
    to.body = from.body.clone();
}
