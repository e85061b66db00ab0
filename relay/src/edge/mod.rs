//! The relay host's signalling as a core without I/O.
//!
//! [`Core`] takes bytes and the time and gives outputs. A message from the public side that
//! belongs to a session is re-addressed by the session; every other request goes to a control
//! node; an INVITE from control with an agent in its URI becomes a session.

mod arrivals;
mod carried;
pub mod counters;
pub mod flow_token;
mod handover;
pub mod overload;
pub mod paths;
mod proxy;
mod refusal;
mod stranded;
mod traced;
mod tunnels;
mod types;

pub use proxy::Waiting;
pub use refusal::Refusal;
pub use types::{Config, Gauges, Now, Occupancy, Output, TraceGauges};

use crate::engine::PairId;
use crate::locate::{Candidate, Inquiry, Places};
use crate::net::Ending;
use crate::session::{Context, Ids, Links, Media, SessionId, Sessions};
use carried::Envelopes;
use counters::{EdgeCounters, EdgeDrop};
use flow_token::FlowTokens;
use overload::Overload;
use patchbay_route::session::{EndCause, EndedBy, SessionView};
use patchbay_route::transfer::is_transfer;
use patchbay_sip::carried::is_envelope;
use patchbay_sip::transaction::{self, ClientKey, Failure, Flow, Layer, ServerKey};
use patchbay_sip::{Message, Method, Transport};
use patchbay_tls::CertificateDer;
use paths::Paths;
use proxy::{Passed, Proxy};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;
use stranded::Stranded;
use tunnels::{Tunnels, is_tunnel};

/// The signalling of one relay host.
pub struct Core {
    layer: Layer,
    media: Box<dyn Media>,
    paths: Paths,
    tokens: FlowTokens,
    config: Config,
    ids: Ids,
    links: Links,
    sessions: Sessions,
    proxy: Proxy,
    stranded: Stranded,
    control: Vec<Flow>,
    envelopes: Envelopes,
    tunnels: Tunnels,
    counters: EdgeCounters,
    outputs: VecDeque<Output>,
    places: Places,
    overload: Overload,
}

impl Core {
    /// A core with `seed` as the source of all its identifiers.
    pub fn new(config: Config, media: Box<dyn Media>, paths: Paths, seed: [u8; 32]) -> Self {
        let mut ids = Ids::new(seed);
        let overload = Overload::new(config.max_calls);
        let mut layer_seed = [0; 32];
        for chunk in layer_seed.chunks_exact_mut(8) {
            chunk.copy_from_slice(&ids.number().to_be_bytes());
        }
        Self {
            layer: Layer::new(config.timers.clone(), layer_seed),
            media,
            paths,
            tokens: FlowTokens::new(&config.secret),
            config,
            ids,
            links: Links::default(),
            sessions: Sessions::default(),
            proxy: Proxy::default(),
            stranded: Stranded::default(),
            control: Vec::new(),
            envelopes: Envelopes::default(),
            tunnels: Tunnels::default(),
            counters: EdgeCounters::default(),
            outputs: VecDeque::new(),
            places: Places::default(),
            overload,
        }
    }

    fn is_control(&self, flow: &Flow) -> bool {
        let carrying = flow.outside().unwrap_or(*flow).connection;
        let mut control = self.control.iter();
        is_tunnel(flow) || control.any(|control| control.connection == carrying)
    }

    /// A public connection was accepted; none if there are too many. `shown` is the certificate by
    /// which its peer has proved who it is.
    pub fn accepted(
        &mut self,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        shown: Option<CertificateDer<'static>>,
    ) -> Option<Flow> {
        let flow = self.paths.accepted(transport, local, remote, shown);
        if flow.is_none() {
            self.counters.drop(EdgeDrop::ConnectionsFull);
        }
        flow
    }

    /// A connection is gone, or could not be opened.
    pub fn closed(&mut self, connection: u64, ending: Ending, now: Now) {
        match ending {
            Ending::Gone => {}
            Ending::Cut => self.counters.drop(EdgeDrop::ConnectionCut),
            Ending::Idle => self.counters.drop(EdgeDrop::ConnectionIdle),
        }
        self.paths.closed(connection);
        if self.tunnel_closed(connection) {
            return self.run(now);
        }
        let mut control = self.control.iter();
        let at = control.position(|control| control.connection == connection);
        let was_control = at.is_some();
        if let Some(at) = at {
            let control = self.control.remove(at);
            self.layer
                .flow_failed(control.inside().connection, now.instant);
            let host = control.remote.ip();
            let lost = self.with_sessions(now, |sessions, cx| sessions.control_lost(cx, host));
            self.strand_standing(lost, now);
        }
        self.layer.flow_failed(connection, now.instant);
        self.run(now);
        if was_control {
            self.end_unheard(now);
        }
    }

    /// A connection to a control node stands.
    pub fn control_up(&mut self, flow: Flow, now: Now) {
        self.control.push(flow);
        self.bring_stranded(now);
        self.run(now);
    }

    /// The answer to [`Output::Locate`]: the places, the best first; none if there are none.
    pub fn located(&mut self, inquiry: &Inquiry, places: Vec<Candidate>, now: Now) {
        self.places.answered();
        self.with_sessions(now, |sessions, cx| sessions.located(cx, inquiry, places));
        self.run(now);
    }

    /// Ends one session; false if it is not known.
    pub fn end_session(&mut self, id: SessionId, now: Now) -> bool {
        let known = self.with_sessions(now, |sessions, cx| {
            sessions.end(cx, id, EndedBy::Control, EndCause::Api)
        });
        self.run(now);
        known
    }

    /// Pairs died with their packet thread: the sessions that they belong to are ended.
    pub fn media_lost(&mut self, pairs: &[PairId], now: Now) {
        self.with_sessions(now, |sessions, cx| sessions.media_lost(cx, pairs));
        self.run(now);
    }

    /// A caller who waits has pressed a key.
    pub fn pressed(&mut self, session: SessionId, key: char, now: Now) {
        self.with_sessions(now, |sessions, cx| sessions.pressed(cx, session, key));
    }

    /// Refuses new calls from now on, or takes them again.
    pub fn set_draining(&mut self, draining: bool) {
        self.config.draining = draining;
    }

    /// Ends all sessions with a BYE to both sides, and tells callers who wait to try later.
    pub fn end_all(&mut self, now: Now) {
        self.with_sessions(now, Sessions::end_all);
        self.turn_away(now);
        self.run(now);
    }

    /// Whether anyone is in a call, or waits for one, or is still being said goodbye to.
    pub fn occupancy(&self) -> Occupancy {
        if self.sessions.live() > 0 || self.waiting_callers() > 0 {
            Occupancy::Calls
        } else if self.sessions.is_empty() {
            Occupancy::Empty
        } else {
            Occupancy::Goodbyes
        }
    }

    fn waiting_callers(&self) -> usize {
        self.proxy.waiting_callers() + self.stranded.len()
    }

    /// The time that [`Core::wake`] wants to be called at.
    pub fn next_wakeup(&self) -> Option<Instant> {
        [
            self.layer.next_wakeup(),
            self.sessions.next_wakeup(),
            self.proxy.next_wakeup(),
            self.stranded.next_wakeup(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Runs the timers that are due.
    pub fn wake(&mut self, now: Now) {
        self.layer.wake(now.instant);
        self.proxy.wake(now.instant);
        self.wake_stranded(now);
        self.with_sessions(now, Sessions::wake);
        self.run(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Sessions that are not ending.
    pub fn live_sessions(&self) -> usize {
        self.sessions.live()
    }

    /// Sessions as the API shows them.
    pub fn session_views(&self) -> Vec<SessionView> {
        self.sessions.views(&*self.media)
    }

    /// Whether control is connected.
    pub fn has_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// Whether new calls are refused.
    pub fn is_draining(&self) -> bool {
        self.config.draining
    }

    /// Numbers for the API.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            sessions: self.sessions.live(),
            transactions: self.layer.len(),
            connections: self.paths.connections(),
            draining: self.config.draining,
            // What only the host around this core knows.
            waiting_messages: 0,
            opening: 0,
            longest_write_queue: 0,
            kept_events: 0,
            trace: TraceGauges::default(),
            referrals: self.links.referrals(),
            remembered_transfers: self.sessions.remembered(),
            cached_routes: self.paths.cached_routes(),
            control_links: self.control.len(),
            waiting_callers: self.waiting_callers(),
            refused_share: self.overload.share(),
            lookups: self.places.lookups(),
            avoided_places: self.places.avoided(),
            counters: self.counters.clone(),
            transaction_drops: transaction::DropReason::ALL
                .iter()
                .map(|reason| {
                    let count = self.layer.counters().dropped(*reason);
                    (reason.as_str().to_string(), count)
                })
                .collect(),
        }
    }

    fn with_sessions<T>(
        &mut self,
        now: Now,
        act: impl FnOnce(&mut Sessions, &mut Context<'_>) -> T,
    ) -> T {
        let mut cx = Context {
            layer: &mut self.layer,
            media: &mut *self.media,
            paths: &mut self.paths,
            tokens: &self.tokens,
            config: &self.config,
            ids: &mut self.ids,
            outputs: &mut self.outputs,
            counters: &mut self.counters,
            links: &mut self.links,
            places: &mut self.places,
            now,
        };
        act(&mut self.sessions, &mut cx)
    }

    /// Handles what the transaction layer has to say until it has no more.
    fn run(&mut self, now: Now) {
        while let Some(output) = self.layer.poll() {
            self.dispatch(output, now);
        }
        self.end_settled_tunnels();
    }

    fn dispatch(&mut self, output: transaction::Output, now: Now) {
        use transaction::Output as From;
        match output {
            From::Send { flow, message } => match flow.outside() {
                Some(outside) => self.carry(outside, message.bytes(), now),
                None => self.outputs.push_back(Output::Send { flow, message }),
            },
            From::Request {
                server,
                request,
                flow,
            } => self.request(server, request, flow, now),
            From::Ack { ack, .. } => {
                self.with_sessions(now, |sessions, cx| sessions.ack(cx, &ack));
            }
            From::Cancelled { server, .. } => self.cancelled(server, now),
            From::Response {
                client, response, ..
            } => self.response(client, response, now),
            From::Failed { client, why } => self.failed(client, why, now),
            From::ServerFailed { server, .. } => self.cancelled(server, now),
        }
    }

    fn request(&mut self, server: ServerKey, request: Message, flow: Flow, now: Now) {
        let from_control = self.is_control(&flow);
        self.paths.note_alias(&request, &flow);
        let transfer = request.uri().is_some_and(is_transfer);
        let in_dialog = request.to_tag().is_some();
        if is_tunnel(&flow) && !self.came_by_tunnel(server, &request, &flow) {
            return self.refuse(server, &request, Refusal::plain(400, "No Transfer"), now);
        }
        if is_envelope(&request) && self.opens(server, &request, flow, now) {
            return;
        }
        match (from_control, transfer, in_dialog) {
            (true, true, false) if request.method() == Some(&Method::Invite) => {
                self.with_sessions(now, |sessions, cx| {
                    sessions.transfer(cx, (server, flow), request)
                });
            }
            (false, true, _) => {
                self.refuse(server, &request, Refusal::forged(), now);
            }
            (_, _, true) => {
                let direct = (!from_control).then_some(flow);
                self.with_sessions(now, |sessions, cx| {
                    sessions.request(cx, server, request, direct);
                });
            }
            (true, _, false) => {
                self.refuse(server, &request, Refusal::plain(404, "Not Found"), now);
            }
            (false, false, false) => {
                if self.with_sessions(now, |sessions, cx| sessions.concerns(cx, &request)) {
                    let source = proxy::source_of(&request, flow);
                    return self.with_sessions(now, |sessions, cx| {
                        sessions.join(cx, server, request, source);
                    });
                }
                if request.method() == Some(&Method::Invite) {
                    self.overload.taken(now.instant);
                }
                self.forward(server, request, flow, now);
            }
        }
    }

    fn refuse(&mut self, server: ServerKey, request: &Message, refusal: Refusal, now: Now) {
        refusal.answer(&mut self.layer, &mut self.counters, server, request, now);
    }

    fn cancelled(&mut self, server: ServerKey, now: Now) {
        if !self.with_sessions(now, |sessions, cx| sessions.cancelled(cx, server))
            && !self.stranded_cancelled(server, now)
            && let Some(client) = self.proxy.gone(server)
        {
            self.layer.cancel(client, now.instant);
        }
    }

    fn response(&mut self, client: ClientKey, response: Message, now: Now) {
        if self.envelope_answered(client, &response) {
            return;
        }
        if self.with_sessions(now, |sessions, cx| sessions.response(cx, client, &response)) {
            return;
        }
        self.arrived_at_control(client, now);
        if self.brought_answered(client, &response, now) {
            return;
        }
        match self
            .proxy
            .response(&mut self.layer, client, response, now.instant)
        {
            Passed::Stray => self.counters.drop(EdgeDrop::StrayResponse),
            Passed::On => {}
            Passed::Answered(waiting, tag) => {
                self.with_sessions(now, |sessions, cx| sessions.keep_call(cx, &tag, waiting));
            }
        }
    }

    fn failed(&mut self, client: ClientKey, why: Failure, now: Now) {
        let status = match why {
            Failure::Timeout => 408,
            Failure::Transport => 503,
        };
        if self.envelope_failed(client) {
            return;
        }
        if self.with_sessions(now, |sessions, cx| sessions.failed(cx, client, status)) {
            return;
        }
        self.arrived_at_control(client, now);
        if self.brought_failed(client, now) {
            return;
        }
        if let Some((server, waiting)) = self.proxy.failed(client) {
            if why == Failure::Transport && waiting.may_go_on() {
                return self.strand(server, waiting, now);
            }
            let refusal = match waiting.gone {
                true => Refusal::plain(487, "Request Terminated"),
                false => Refusal::busy(EdgeDrop::NoControl, "Centre Unavailable", 5),
            };
            self.refuse(server, &waiting.request, refusal, now);
        }
    }
}
