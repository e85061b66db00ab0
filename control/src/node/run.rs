//! The node's one task: everything that happens goes through it, in order.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use patchbay_core::{Centre, ContactId, Input, Promised};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::action::{Action, Ending};
use super::asking::Asking;
use super::gauges::{self, GAUGE_EVERY, Gauges};
use super::handle::{Command, EndError, Published, Written};
use super::journal::{Entry, Journal};
use super::machine::Machine;
use super::metrics;
use super::programs::{ProgramAnswer, Requests};
use super::reported::{Report, ReportError};
use super::site_requests::{SiteNews, SiteRequests};
use super::tunnels::Tunnels;
use super::views::{Readiness, RelayView};
use super::waiters::{Waiter, Waiters};
use super::wire::{Connections, WireCounters, WireEvent};
use crate::link::{LinkReport, Place, RelayClient};
use crate::signalling::Moment;

/// How often readiness and metrics are published.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// Events of the wire, or reports of the relays, handled before the other inputs get their turn.
const WIRE_BATCH: usize = 64;

/// The node's task and all that it owns.
pub(super) struct Node {
    pub(super) machine: Machine,
    pub(super) connections: Connections,
    pub(super) tunnels: Tunnels,
    pub(super) asking: Asking,
    pub(super) answers: mpsc::Receiver<Input>,
    pub(super) programs: Requests,
    pub(super) replies: mpsc::Receiver<ProgramAnswer>,
    pub(super) sites: SiteRequests,
    pub(super) news: mpsc::Receiver<SiteNews>,
    pub(super) wire: mpsc::Receiver<WireEvent>,
    pub(super) wire_counters: Arc<WireCounters>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) reports: mpsc::Receiver<LinkReport>,
    pub(super) clients: Vec<RelayClient>,
    pub(super) relist: watch::Sender<u64>,
    pub(super) journal: Journal,
    pub(super) gauges: Arc<watch::Sender<Gauges>>,
    pub(super) centre: watch::Sender<Arc<Centre>>,
    pub(super) published: Arc<RwLock<Published>>,
    /// Who waits for the end; it is near when there is somebody.
    pub(super) stopping: Vec<oneshot::Sender<()>>,
    pub(super) waiters: Waiters,
}

/// Unix time in milliseconds.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

impl Node {
    fn now(&self) -> Moment {
        self.machine.moment(Instant::now().into_std(), unix_ms())
    }

    /// Runs until a shutdown is over or nobody can ask for one any more. Gives back what waits
    /// for the end.
    pub(super) async fn run(mut self) -> Vec<oneshot::Sender<()>> {
        let mut publish = tokio::time::interval(PUBLISH_EVERY);
        publish.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut gauge = tokio::time::interval(GAUGE_EVERY);
        gauge.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut wire = Vec::with_capacity(WIRE_BATCH);
        let mut reports = Vec::with_capacity(WIRE_BATCH);
        loop {
            self.act();
            if !self.stopping.is_empty() {
                break;
            }
            let wakeup = self.next_wakeup();
            tokio::select! {
                count = self.wire.recv_many(&mut wire, WIRE_BATCH) => {
                    if count == 0 {
                        break;
                    }
                    for event in wire.drain(..) {
                        self.on_wire(event);
                    }
                }
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => break,
                },
                _ = self.reports.recv_many(&mut reports, WIRE_BATCH) => {
                    let now = self.now();
                    for report in reports.drain(..) {
                        self.machine.link(report, now);
                    }
                }
                Some(learned) = self.answers.recv() => {
                    let now = self.now();
                    self.machine.learned(learned, now);
                }
                Some((offer, reply)) = self.replies.recv() => {
                    let now = self.now();
                    self.machine.program_answered(offer, reply, now);
                }
                Some(news) = self.news.recv() => {
                    let now = self.now();
                    if let Some(told) = self.sites.heard(news) {
                        self.machine.site_says(told, now);
                    }
                }
                () = tokio::time::sleep_until(wakeup) => {}
                _ = publish.tick() => self.publish(),
                _ = gauge.tick() => {
                    gauges::renew(&self.gauges, unix_ms(), || self.machine.distributor().gauges());
                }
            }
            let now = self.now();
            if self.machine.next_wakeup(now).is_some_and(|at| at <= now.at) {
                self.machine.wake(now);
            }
        }
        self.act();
        self.stopping
    }

    fn next_wakeup(&self) -> Instant {
        let now = self.now();
        let machine = self.machine.next_wakeup(now).map(Instant::from_std);
        let idle = Instant::from_std(now.at) + Duration::from_secs(3600);
        machine.unwrap_or(idle)
    }

    fn on_wire(&mut self, event: WireEvent) {
        let now = self.now();
        match event {
            WireEvent::Opened { flow, writer } => self.connections.opened(flow, writer),
            WireEvent::Message { flow, parsed } => self.machine.receive(*parsed, flow, now),
            WireEvent::Closed { flow } => {
                if self.connections.closed(flow.connection) || self.tunnels.close(flow) {
                    self.machine.flow_failed(flow, now);
                }
            }
        }
        self.act();
    }

    /// Does what the machine wants done.
    fn act(&mut self) {
        while let Some(action) = self.machine.poll() {
            match action {
                Action::Send { flow, message } => {
                    let ways = match self.tunnels.has(flow) {
                        true => self.tunnels.open(),
                        false => &mut self.connections,
                    };
                    if !ways.send(flow, message, &self.wire_counters) {
                        let now = self.now();
                        self.machine.flow_failed(flow, now);
                    }
                }
                Action::OpenTunnel { flow } => {
                    if !self.tunnels.begin(flow) {
                        let now = self.now();
                        self.machine.flow_failed(flow, now);
                    }
                }
                Action::CloseTunnel { flow } => {
                    self.tunnels.close(flow);
                }
                Action::Ask {
                    contact,
                    ask,
                    facts,
                } => self.asking.ask(contact, ask, facts),
                Action::LookUp { contact, from } => self.asking.look_up(contact, from),
                Action::SaveBinding(binding) => self.journal.keep(Entry::Save(binding)),
                Action::RemoveBinding(binding) => self.journal.keep(Entry::Remove(binding)),
                Action::Event(event) => self.journal.keep(Entry::Event(event)),
                Action::Routed(contact) => self.answer_waiters(contact),
                Action::KeepCarried(one) => self.journal.keep(Entry::KeepCarried(one)),
                Action::ForgetCarried(one) => self.journal.keep(Entry::ForgetCarried(one)),
                Action::KeepCallBack(promised) => self.keep_call_back(promised),
                Action::ForgetCallBack(one) => self.journal.keep(Entry::ForgetCallBack(one)),
                Action::TellProgram {
                    agent,
                    webhook,
                    told,
                } => self.programs.tell(&agent, webhook, told),
                Action::AskSite { contact, site, ask } => self.sites.ask(contact, site, &ask),
                Action::LeaveSite { contact, site } => self.sites.leave(contact, site),
                Action::Release { site, theirs } => self.sites.release(&site, theirs),
                Action::EndSession(place) => self.end_session(place, None),
                Action::ListSessions => self.relist.send_modify(|count| *count += 1),
            }
        }
    }

    /// Stores a promise. Its caller is let go when that is done.
    fn keep_call_back(&mut self, promised: Box<Promised>) {
        let contact = promised.contact;
        self.journal.keep(Entry::KeepCallBack(promised));
        let written = self.journal.written();
        self.asking
            .learn_after(written, Input::CallBackWritten { contact });
    }

    fn answer_waiters(&mut self, contact: ContactId) {
        let waiters = self.waiters.take(contact);
        if waiters.is_empty() {
            return;
        }
        let now = self.now();
        let routed = self.machine.routed(contact, now);
        for waiter in waiters {
            let _gone = waiter.send(routed.clone());
        }
    }

    /// Answers at once, or when the contact stands otherwise than one who asks has seen.
    fn await_routed(&mut self, contact: ContactId, seen: Option<u64>, reply: Waiter) {
        let now = self.now();
        let routed = self.machine.routed(contact, now);
        let same = routed.as_ref().is_some_and(|it| Some(it.revision) == seen);
        let answered = match same {
            true => self.waiters.wait(contact, reply),
            false => Some(reply),
        };
        if let Some(reply) = answered {
            let _gone = reply.send(routed);
        }
    }

    /// Takes a report. It is answered when what follows from it is in the store.
    fn report(
        &mut self,
        contact: ContactId,
        report: &Report,
        reply: oneshot::Sender<Result<Written, ReportError>>,
    ) {
        let now = self.now();
        let taken = self.machine.report(contact, report, now);
        self.act();
        let written = taken.map(|routed| {
            let written = self.journal.written();
            Written { routed, written }
        });
        let _gone = reply.send(written);
    }

    fn end_session(&self, place: Place, reply: Option<oneshot::Sender<Result<(), EndError>>>) {
        let Some(client) = self.clients.get(place.relay).cloned() else {
            return;
        };
        tokio::spawn(async move {
            let result = match client.end(&place.session).await {
                // A session that the relay does not know is over.
                Ok(_known) => Ok(()),
                Err(error) => {
                    warn!(relay = client.base(), session = place.session, %error, "not ended");
                    Err(EndError::Relay(error.to_string()))
                }
            };
            if let Some(reply) = reply {
                let _gone = reply.send(result);
            }
        });
    }

    fn on_command(&mut self, command: Command) {
        let now = self.now();
        // Who asked may have given up; the answer is then of no use.
        match command {
            Command::Configure {
                centre,
                version,
                done,
            } => {
                self.machine.configure(Arc::clone(&centre), version, now);
                self.asking.keep_only(&centre.asks);
                self.programs.keep_only(&centre);
                self.sites.keep_only(&centre);
                self.centre.send_replace(centre);
                let _gone = done.send(());
            }
            Command::Snapshot { reply } => {
                let _gone = reply.send(self.machine.snapshot(now));
            }
            Command::SetStatus {
                agent,
                status,
                reply,
            } => {
                let _gone = reply.send(self.machine.set_status(agent, status, now));
            }
            Command::Explain {
                facts,
                at_unix_ms,
                reply,
            } => {
                let _gone = reply.send(self.machine.explain(&facts, at_unix_ms, now));
            }
            Command::Tier { facts, reply } => {
                let _gone = reply.send(self.machine.tier(&facts, now));
            }
            Command::Bindings { agent, reply } => {
                let _gone = reply.send(self.machine.bindings(&agent, now));
            }
            Command::EndContact { contact, reply } => {
                let refused = match self.machine.end_contact(contact, now) {
                    Ending::Session(place) => return self.end_session(place, Some(reply)),
                    Ending::Refused => Ok(()),
                    Ending::Unknown => Err(EndError::UnknownContact(contact)),
                    Ending::Unlisted => {
                        Err(EndError::Relay("no relay lists the session yet".to_owned()))
                    }
                };
                let _gone = reply.send(refused);
            }
            Command::Route {
                facts,
                asked_by,
                reply,
            } => {
                let _gone = reply.send(self.machine.route(facts, asked_by, now));
            }
            Command::AwaitRouted {
                contact,
                seen,
                reply,
            } => self.await_routed(contact, seen, reply),
            Command::Report {
                contact,
                report,
                reply,
            } => self.report(contact, &report, reply),
            Command::Promises { reply } => {
                let _gone = reply.send(self.machine.promises());
            }
            Command::AllWritten { reply } => {
                let _gone = reply.send(self.journal.written());
            }
            Command::Relays { reply } => {
                let _gone = reply.send(self.relays());
            }
            Command::Shutdown { done } => self.shut_down(done),
        }
    }

    /// Callers who wait are left to their relays, which keep them for the next process.
    fn shut_down(&mut self, done: oneshot::Sender<()>) {
        let waiting = self.machine.signalling().open_calls();
        info!(waiting, "shutting down");
        self.stopping.push(done);
        self.publish();
    }

    fn relays(&self) -> Vec<RelayView> {
        let links: Vec<SocketAddr> = self.connections.remotes().collect();
        let of_host = |url: &str| -> Vec<String> {
            let ips = host_ips(url);
            let own = links
                .iter()
                .filter(|link| ips.contains(&link.ip().to_canonical()));
            own.map(ToString::to_string).collect()
        };
        let view = |relay: &crate::link::Relay| RelayView {
            url: relay.url.clone(),
            sip_links: of_host(&relay.url),
            events_up: relay.up,
            sessions: relay.sessions() as u64,
            capacity: relay
                .capacity
                .as_ref()
                .and_then(|c| serde_json::to_value(c).ok()),
            last_error: relay.last_error.clone(),
        };
        self.machine.book().relays().iter().map(view).collect()
    }

    fn publish(&self) {
        use std::sync::atomic::Ordering::Relaxed;
        let readiness = Readiness {
            sip: self.stopping.is_empty(),
            relay_link: !self.connections.is_empty(),
            store: !self.journal.counters.failing.load(Relaxed),
        };
        let counters = metrics::gather(
            &self.machine,
            &self.wire_counters,
            &self.journal.counters,
            self.programs.untold(),
        );
        if let Ok(mut published) = self.published.write() {
            *published = Published {
                readiness,
                counters,
            };
        }
    }
}

/// The addresses that a URL's host names without asking anybody.
pub(super) fn host_ips(url: &str) -> Vec<IpAddr> {
    let Ok(url) = reqwest::Url::parse(url) else {
        return Vec::new();
    };
    let host = url.host_str().unwrap_or_default();
    if host.eq_ignore_ascii_case("localhost") {
        return vec![
            IpAddr::from([127, 0, 0, 1]),
            IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ];
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse()
        .into_iter()
        .map(|ip: IpAddr| ip.to_canonical())
        .collect()
}
