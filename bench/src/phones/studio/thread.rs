//! The studio's thread: takes orders, keeps the 20 ms beat, listens.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::UdpSocket;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::g711::Law;
use super::super::hear::{Heard, Listener};
use super::super::poller::{Poller, Ready};
use super::super::rtp::{read_report, read_rtp, write_report};
use super::super::talk::Talker;
use super::super::voice::mix;
use super::leg::{Leg, Remote, Stream};
use super::{AudioTotals, Command, LegId, MAX_LEGS, NoteSink, Role, StudioConfig};

/// Time between two packets of a leg.
const BEAT_NS: u64 = 20_000_000;
/// A leg that is later than this skips what it missed instead of sending a burst.
const CATCH_UP_NS: u64 = 100_000_000;
/// Datagrams read from one socket before the others have their turn.
const READS_PER_TURN: usize = 64;
/// Packets sent before sockets are read again.
const BEATS_PER_TURN: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tick {
    Speak(LegId),
    Report(LegId),
    Patience(LegId),
}

/// Everything that the thread owns.
pub(super) struct Floor {
    config: StudioConfig,
    epoch: Instant,
    unix_at_epoch_ns: u64,
    poller: Poller,
    pub(super) notes: NoteSink,
    pub(super) legs: HashMap<LegId, Leg>,
    pub(super) streams: HashMap<u32, Stream>,
    /// Voices whose leg has closed, oldest first.
    pub(super) closed: VecDeque<u32>,
    timers: BinaryHeap<Reverse<(u64, Tick)>>,
    pub(super) finishing: Vec<LegId>,
    pub(super) totals: AudioTotals,
    draws: u64,
}

impl Floor {
    pub fn new(config: StudioConfig, poller: Poller, notes: NoteSink) -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self {
            config,
            epoch: Instant::now(),
            unix_at_epoch_ns: u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX / 2),
            poller,
            notes,
            legs: HashMap::new(),
            streams: HashMap::new(),
            closed: VecDeque::new(),
            timers: BinaryHeap::new(),
            finishing: Vec::new(),
            totals: AudioTotals::new(),
            draws: 0,
        }
    }

    /// Runs until it is told to stop.
    pub fn run(mut self, inbox: &Receiver<Command>) {
        let mut ready: Vec<Ready> = Vec::new();
        let mut buffer = [0_u8; 2_048];
        loop {
            self.beat();
            let timeout = self.until_next();
            if self.poller.wait(timeout, &mut ready).is_err() {
                return;
            }
            for socket in ready.drain(..) {
                let leg = LegId(socket.key / 2);
                if socket.key % 2 == 0 {
                    self.hear(leg, &mut buffer);
                } else {
                    self.hear_report(leg, &mut buffer);
                }
            }
            while let Ok(command) = inbox.try_recv() {
                if matches!(command, Command::Stop) {
                    return;
                }
                self.obey(command);
            }
        }
    }

    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn draw(&mut self) -> u64 {
        self.draws += 1;
        mix(self.config.seed ^ mix(self.draws))
    }

    fn until_next(&self) -> Option<Duration> {
        let Reverse((due, _)) = self.timers.peek()?;
        Some(Duration::from_nanos(due.saturating_sub(self.now_ns())))
    }

    pub(super) fn at(&mut self, due_ns: u64, tick: Tick) {
        self.timers.push(Reverse((due_ns, tick)));
    }

    fn beat(&mut self) {
        for _ in 0..BEATS_PER_TURN {
            let now = self.now_ns();
            let Some(&Reverse((due, tick))) = self.timers.peek() else {
                return;
            };
            if due > now {
                return;
            }
            self.timers.pop();
            match tick {
                Tick::Speak(leg) => self.speak(leg, due, now),
                Tick::Report(leg) => self.send_report(leg, now),
                Tick::Patience(leg) => self.end_finishing(leg),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open {
                leg,
                role,
                rtp,
                rtcp,
                cname,
            } => self.open(leg, role, rtp, rtcp, cname),
            Command::Talk {
                leg,
                rtp,
                rtcp,
                law,
                talking,
            } => {
                self.talk(leg, Remote { rtp, rtcp, law }, talking);
            }
            Command::Finish(leg) => self.finish(leg),
            Command::Close(leg) => self.close(leg),
            Command::Totals(answer) => {
                let _ = answer.try_send(self.sums());
            }
            Command::Stop => {}
        }
    }

    fn open(&mut self, id: LegId, role: Role, rtp: UdpSocket, rtcp: UdpSocket, cname: String) {
        if self.legs.len() >= MAX_LEGS
            || self.poller.add(&rtp, id.0 * 2).is_err()
            || self.poller.add(&rtcp, id.0 * 2 + 1).is_err()
        {
            // The sockets close here; the call hears nothing and its report is missing.
            return;
        }
        let mut ssrc = self.draw() as u32;
        while self.streams.contains_key(&ssrc) {
            ssrc = self.draw() as u32;
        }
        let talker = Talker::new(ssrc, Law::Mu, self.draw());
        self.streams.insert(
            ssrc,
            Stream {
                talker,
                leg: id,
                heard_by: None,
                closed: false,
            },
        );
        let leg = Leg {
            role,
            rtp,
            rtcp,
            ssrc,
            cname,
            remote: None,
            talking: false,
            finished: false,
            paced: false,
            listener: Listener::default(),
            hears: None,
            reports_sent: 0,
            reports_heard: 0,
            last_report: None,
        };
        self.legs.insert(id, leg);
    }

    fn talk(&mut self, id: LegId, remote: Remote, talking: bool) {
        let phase = self.draw() % BEAT_NS;
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        leg.remote = Some(remote);
        leg.talking = talking;
        if let Some(stream) = self.streams.get_mut(&leg.ssrc) {
            stream.talker.choose(remote.law);
        }
        if leg.paced || leg.finished {
            return;
        }
        leg.paced = true;
        let now = self.now_ns();
        let interval = u64::try_from(self.config.report_interval.as_nanos()).unwrap_or(u64::MAX);
        self.at(now + phase, Tick::Speak(id));
        self.at(now.saturating_add(interval / 2), Tick::Report(id));
    }

    fn speak(&mut self, id: LegId, due: u64, now: u64) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if leg.finished {
            return;
        }
        let Some(stream) = self.streams.get_mut(&leg.ssrc) else {
            return;
        };
        match leg.remote.filter(|_| leg.talking) {
            Some(remote) => {
                let packet = stream.talker.packet();
                let sent_ns = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
                if leg.rtp.send_to(&packet, remote.rtp).is_ok() {
                    stream.talker.departed(sent_ns);
                } else {
                    self.totals.send_errors += 1;
                }
                self.totals.lateness.saturating_record(now - due);
            }
            None => stream.talker.silent(),
        }
        let next = (due + BEAT_NS).max(now.saturating_sub(CATCH_UP_NS));
        self.at(next, Tick::Speak(id));
    }

    fn send_report(&mut self, id: LegId, now: u64) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if leg.finished {
            return;
        }
        let Some(stream) = self.streams.get(&leg.ssrc) else {
            return;
        };
        if let Some(remote) = leg.remote {
            let unix_ns = self.unix_at_epoch_ns.saturating_add(now);
            let report = leg.report(&stream.talker, unix_ns, now);
            let packet = write_report(&report, &leg.cname);
            if leg.rtcp.send_to(&packet, remote.rtcp).is_ok() {
                leg.reports_sent += 1;
            }
        }
        let interval = u64::try_from(self.config.report_interval.as_nanos()).unwrap_or(u64::MAX);
        self.at(now.saturating_add(interval), Tick::Report(id));
    }

    pub(super) fn hear(&mut self, id: LegId, buffer: &mut [u8]) {
        let mut news = false;
        for _ in 0..READS_PER_TURN {
            let now = self.now_ns();
            let Some(leg) = self.legs.get_mut(&id) else {
                return;
            };
            let Ok((length, from)) = leg.rtp.recv_from(buffer) else {
                break;
            };
            if leg.remote.is_some_and(|remote| remote.rtp != from) {
                leg.listener.wrong_source();
            }
            let packet = buffer.get(..length).unwrap_or_default();
            news |= hear_packet(id, leg, &mut self.streams, &mut self.totals, packet, now);
        }
        if news && !self.finishing.is_empty() {
            self.check_finishing(id);
        }
    }

    pub(super) fn hear_report(&mut self, id: LegId, buffer: &mut [u8]) {
        let now = self.now_ns();
        for _ in 0..READS_PER_TURN {
            let Some(leg) = self.legs.get_mut(&id) else {
                return;
            };
            let Ok((length, _)) = leg.rtcp.recv_from(buffer) else {
                return;
            };
            let Some(report) = buffer.get(..length).and_then(read_report) else {
                leg.listener.foreign();
                continue;
            };
            // A report may come before the first packet of audio.
            let ours = leg.hears.map_or_else(
                || self.streams.contains_key(&report.ssrc),
                |ssrc| ssrc == report.ssrc,
            );
            if ours {
                leg.reports_heard += 1;
                leg.last_report = Some(((report.ntp >> 16) as u32, now));
            } else {
                leg.listener.foreign();
            }
        }
    }
}

/// Takes one datagram into a leg's listener; tells whether it was new audio of the call.
fn hear_packet(
    id: LegId,
    leg: &mut Leg,
    streams: &mut HashMap<u32, Stream>,
    totals: &mut AudioTotals,
    packet: &[u8],
    now_ns: u64,
) -> bool {
    let Some((header, payload)) = read_rtp(packet) else {
        leg.listener.foreign();
        return false;
    };
    let Some(stream) = streams.get_mut(&header.ssrc) else {
        leg.listener.foreign();
        return false;
    };
    // A voice is heard by one leg only: if a second one hears it, packets leak between calls.
    let known = leg.hears.is_none_or(|ssrc| ssrc == header.ssrc);
    if !known || stream.heard_by.is_some_and(|listener| listener != id) {
        leg.listener.foreign();
        return false;
    }
    match leg.listener.hear(&header, payload, &stream.talker, now_ns) {
        Heard::Exact { latency_ns } => {
            if let Some(latency_ns) = latency_ns {
                totals.latency(leg.role, latency_ns);
            }
        }
        Heard::Corrupted => {}
        Heard::Duplicate | Heard::Stale | Heard::Foreign => return false,
    }
    leg.hears = Some(header.ssrc);
    stream.heard_by = Some(id);
    true
}
