//! The one task that owns the signalling core and the sockets' ways out.

use super::leave::Leaving;
use super::names::{self, Names};
use super::sockets::Sockets;
use super::supervisor::SUPERVISE_EVERY;
use crate::api::Command;
use crate::edge::overload::Load;
use crate::edge::{Core, Gauges, Now, Output};
use crate::engine::Engine;
use crate::events::Events;
use crate::files::Journal;
use crate::net::{self, Connection, Door, Ending, Inbound, Opening, Patience, Wire};
use crate::player::Player;
use crate::trace::Tap;
use patchbay_route::session::{SessionEvent, SessionList};
use patchbay_route::trace::Way;
use patchbay_route::transfer::TUNNELS;
use patchbay_sip::transaction::Flow;
use patchbay_sip::{Handed, Transport};
use rustc_hash::FxHashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

/// Messages handled before timers and commands get their turn.
const MAX_BATCH: usize = 256;
/// How often a stopping host looks whether its sessions have ended.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// A relay host at work.
pub(super) struct Host {
    pub core: Core,
    pub engine: Engine,
    pub sockets: Sockets,
    /// What the public listeners share.
    pub door: Arc<Door>,
    pub inbound: mpsc::Sender<Inbound>,
    pub links: Vec<watch::Sender<u64>>,
    pub connections: FxHashMap<u64, Connection>,
    /// What is to be sent on connections that are being opened.
    pub waiting: FxHashMap<u64, (Flow, Vec<Handed>)>,
    pub events: Events,
    /// What callers hear who wait.
    pub player: Player,
    pub journal: Option<Journal>,
    /// Where calls are left for the next process.
    pub hand_over: Option<PathBuf>,
    pub instance: String,
    pub names: Arc<Names>,
    /// Sees every message for those who want to look.
    pub tap: Tap,
    /// Messages that waited when the last ones were handled.
    pub waiting_messages: usize,
}

/// The time, by both clocks.
pub(super) fn now() -> Now {
    now_and_us().0
}

/// The same, with the microseconds of Unix time.
pub(super) fn now_and_us() -> (Now, u64) {
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let us = u64::try_from(unix.as_micros()).unwrap_or(u64::MAX);
    let now = Now {
        instant: Instant::now(),
        unix_ms: us / 1000,
    };
    (now, us)
}

impl Host {
    /// Works until it is told to stop.
    pub async fn run(
        mut self,
        mut inbound: mpsc::Receiver<Inbound>,
        mut orders: mpsc::Receiver<Command>,
    ) {
        let mut leaving: Option<Leaving> = None;
        let mut batch = Vec::with_capacity(MAX_BATCH);
        let mut care = tokio::time::interval(SUPERVISE_EVERY);
        care.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What became of calls that were taken over is told before anybody asks.
        self.flush();
        loop {
            let wake = self.core.next_wakeup();
            let mut worked = None;
            let look = leaving.as_ref().map(|_| Instant::now() + DRAIN_LOOK);
            tokio::select! {
                biased;
                Some(command) = orders.recv() => {
                    if let Some(way) = self.command(command) {
                        leaving = Some(way);
                    }
                }
                _ = sleep_until(wake) => self.core.wake(now()),
                _ = care.tick() => self.supervise(),
                _ = inbound.recv_many(&mut batch, MAX_BATCH) => {
                    worked = Some((batch.len(), Instant::now()));
                    batch.drain(..).for_each(|message| self.take(message));
                }
                _ = sleep_until(look) => {}
            }
            self.flush();
            if let Some((handled, began)) = worked {
                self.worked(handled, began, inbound.len());
            }
            if let Some(leaving) = &mut leaving
                && self.has_left(leaving)
            {
                return;
            }
        }
    }

    /// Tells the core how busy this task is.
    fn worked(&mut self, handled: usize, began: Instant, waiting: usize) {
        let now = now();
        self.waiting_messages = waiting;
        let load = Load {
            handled,
            took: now.instant.saturating_duration_since(began),
            waiting,
            room: net::MAX_INBOUND,
            unread: self.sockets.wait(now.instant),
        };
        self.core.worked(load, now);
    }

    fn take(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Message { message, flow } => {
                let (now, unix_us) = now_and_us();
                if self.tap.is_on() {
                    self.note(unix_us, Way::In, flow, &message.bytes());
                }
                self.core.receive(message, flow, now);
            }
            Inbound::Unframed { head, flow } => {
                let (now, unix_us) = now_and_us();
                if self.tap.is_on() {
                    self.note(unix_us, Way::In, flow, &head);
                }
                self.core.unframed(head, flow, now);
                // The end of the connection comes next, perhaps in the same batch.
                self.flush();
            }
            Inbound::Accepted {
                wire,
                transport,
                local,
                remote,
            } => {
                let shown = wire.certificate();
                if let Some(flow) = self.core.accepted(transport, local, remote, shown) {
                    self.serve(wire, flow, Patience::ACCEPTED);
                }
            }
            Inbound::Connected { connection, wire } => {
                let Some((flow, waiting)) = self.waiting.remove(&connection) else {
                    return;
                };
                self.serve(wire, flow, Patience::OPENED);
                for message in waiting {
                    self.send(flow, message);
                }
            }
            Inbound::ControlUp {
                connection,
                wire,
                local,
                remote,
            } => {
                let flow = Flow {
                    transport: Transport::Tcp,
                    local,
                    remote,
                    connection,
                };
                self.serve(wire, flow, Patience::CONTROL);
                self.core.control_up(flow, now());
            }
            Inbound::Pressed { session, key } => self.core.pressed(session, key, now()),
            Inbound::Located { inquiry, places } => self.core.located(&inquiry, places, now()),
            Inbound::Tunnel { flow, queue } => {
                let tunnel = Connection::to_queue(queue);
                self.connections.insert(flow.connection, tunnel);
            }
            Inbound::Closed { connection, ending } => {
                // What was said last has its answer before the tunnel ends.
                if TUNNELS.contains(&connection) {
                    self.flush();
                }
                self.closed(connection, ending);
            }
        }
    }

    fn serve(&mut self, wire: Wire, flow: Flow, patience: Patience) {
        let connection = Connection::serve(wire, flow, patience, self.inbound.clone());
        self.connections.insert(flow.connection, connection);
    }

    fn closed(&mut self, connection: u64, ending: Ending) {
        self.connections.remove(&connection);
        self.waiting.remove(&connection);
        self.core.closed(connection, ending, now());
        let link = net::link_of(connection, self.links.len());
        if let Some(link) = link.and_then(|link| self.links.get(link)) {
            // The follower is gone only when the whole host stops.
            let _ = link.send(connection);
        }
    }

    pub(super) fn flush(&mut self) {
        let traced_at = self.trace_flush();
        while let Some(output) = self.core.poll() {
            match output {
                Output::Send { flow, message } => {
                    if let Some(at) = traced_at {
                        self.note(at, Way::Out, flow, &message.bytes());
                    }
                    self.send(flow, message);
                }
                Output::Connect { flow, name } => {
                    self.waiting.insert(flow.connection, (flow, Vec::new()));
                    let opening = Opening { flow, name };
                    let (door, inbound) = (Arc::clone(&self.door), self.inbound.clone());
                    tokio::spawn(net::connect(opening, door, inbound));
                }
                Output::Locate(inquiry) => {
                    let (names, inbound) = (Arc::clone(&self.names), self.inbound.clone());
                    tokio::spawn(names::locate(names, inquiry, inbound));
                }
                Output::EndTunnel(connection) => {
                    self.connections.remove(&connection);
                }
                Output::Event(event) => self.event(event),
                Output::Play(order) => self.player.order(order),
            }
        }
    }

    fn send(&mut self, flow: Flow, message: Handed) {
        if flow.connection == 0 {
            return self.sockets.send(&flow, &message.bytes());
        }
        if let Some((_, waiting)) = self.waiting.get_mut(&flow.connection) {
            if waiting.len() < net::MAX_WRITE_QUEUE {
                waiting.push(message);
            }
            return;
        }
        let connection = self.connections.get(&flow.connection);
        if connection.is_some_and(|connection| !connection.send(message)) {
            self.closed(flow.connection, Ending::Cut);
        }
    }

    fn gauges(&self) -> Gauges {
        Gauges {
            waiting_messages: self.waiting_messages,
            opening: self.waiting.len(),
            longest_write_queue: self
                .connections
                .values()
                .map(Connection::queued)
                .max()
                .unwrap_or_default(),
            kept_events: self.events.kept(),
            trace: self.trace_gauges(),
            ..self.core.gauges()
        }
    }

    fn event(&mut self, event: SessionEvent) {
        let at = now().unix_ms;
        if let (SessionEvent::Ended(ended), Some(journal)) = (&event, &self.journal)
            && let Ok(line) = serde_json::to_vec(ended)
        {
            // A full journal must not stop calls: it counts its own losses.
            let _ = journal.append(line);
        }
        tracing::debug!(?event, "session");
        self.events.add(at, event);
    }

    /// Does what the API asks; how to leave when the host shall stop.
    fn command(&mut self, command: Command) -> Option<Leaving> {
        match command {
            Command::Sessions(answer) => {
                let list = SessionList {
                    instance: self.instance.clone(),
                    cursor: self.events.cursor(),
                    sessions: self.core.session_views(),
                };
                let _ = answer.send(list);
            }
            Command::End(id, answer) => {
                let _ = answer.send(self.core.end_session(id, now()));
            }
            Command::Trace(follow, answer) => {
                let _ = answer.send(self.open_trace(follow));
            }
            Command::Drain(draining) => self.core.set_draining(draining),
            Command::Gauges(answer) => {
                // While nothing comes, nothing else lets time pass for the share that is refused.
                self.worked(0, Instant::now(), self.waiting_messages);
                let _ = answer.send(self.gauges());
            }
            Command::Stop { drain } => {
                self.core.set_draining(true);
                return Some(Leaving::Draining(Instant::now() + drain));
            }
            Command::HandOver => return Some(self.begin_hand_over()),
        }
        None
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
