//! The generator for loopback: a socket for each phone, a thread that sends, one that receives.
//! The packets of a burst are sent back to back, a call of the kernel for each.
//!
//! On loopback the kernel's work for receiving a packet is done by who sends it, so that the
//! relay's share of CPU time includes its packets' delivery to the phones, and the generator's
//! share includes their delivery to the relay.

mod pace;
pub(in crate::packets) mod packet;
mod receive;
mod send;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::BenchError;
use super::bed::pin;
use super::live::Shape;
use super::vocabulary::{Counted, Generator, GuestCount, Kind, Load, SoFar, Way};
use crate::report::grouped;
use packet::Form;
use receive::{Arrived, Receiver};
use send::{Sender, Shared};

pub(in crate::packets) use pace::Pace;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// How long packets may be under way after the last was sent.
const DRAIN: Duration = Duration::from_secs(2);
/// No packet for that long: none is under way any more.
const SILENCE: Duration = Duration::from_millis(200);
/// Rounds over all ways before a run, until every way has passed a packet.
const WARM_UP_ROUNDS: usize = 5;
/// Packets a second of such a round.
const WARM_UP_RATE: u64 = 20_000;
/// Open files that the process needs beside the phones' sockets.
const OTHER_FILES: u64 = 256;

/// Phones with sockets.
#[derive(Debug)]
pub(super) struct Sockets {
    cores: Vec<usize>,
    streets: Vec<Street>,
    run: u16,
}

/// A way with its phones' sockets and how far it is.
#[derive(Debug)]
struct Street {
    way: Way,
    /// Socket of the phone that sends.
    from: Arc<UdpSocket>,
    /// Socket of the phone that hears.
    at: Arc<UdpSocket>,
    /// Place of the next packet.
    place: u64,
}

impl Sockets {
    /// Phones whose threads keep to those cores.
    pub fn new(cores: &[usize]) -> Self {
        Self {
            cores: cores.to_vec(),
            streets: Vec::new(),
            run: 0,
        }
    }

    fn fire(
        &mut self,
        load: &Load,
        rounds: bool,
        progress: &mut dyn FnMut(SoFar),
    ) -> Result<Fired, BenchError> {
        self.run = self.run.checked_add(1).unwrap_or(1);
        let shared = Shared::new();
        let forms: Vec<Form> = self
            .streets
            .iter()
            .map(|street| form(street.way.kind, load))
            .collect();
        let receiver = Receiver::new(&self.streets, &forms, self.run, &shared)
            .map_err(BenchError::system("epoll"))?;
        let mut sender = Sender::new(&self.streets, &forms, self.run, &shared);
        let (elapsed, places, arrived) =
            both(&self.cores, &shared, receiver, progress, move || {
                let start = Instant::now();
                match rounds {
                    true => sender.send_round(load.packets_per_s),
                    false => sender.send_for(load),
                }
                (start.elapsed(), sender.places())
            })?;
        for (street, place) in self.streets.iter_mut().zip(places) {
            street.place = place;
        }
        Ok(Fired {
            elapsed,
            arrived,
            sent: shared.sent.load(Relaxed),
            refused: shared.refused.load(Relaxed),
            not_sent: shared.not_sent.load(Relaxed),
            delivered: shared.delivered.load(Relaxed),
        })
    }
}

/// Sends and receives at once, each on a thread, until all that was sent has arrived or no more
/// comes. Returns for how long was sent, the ways' next places, and what arrived.
fn both(
    cores: &[usize],
    shared: &Shared,
    receiver: Receiver<'_>,
    progress: &mut dyn FnMut(SoFar),
    send: impl FnOnce() -> (Duration, Vec<u64>) + Send,
) -> Result<(Duration, Vec<u64>, Arrived), BenchError> {
    let died = |what| move |_| BenchError::system(what)(io::ErrorKind::Other.into());
    thread::scope(|scope| {
        let receiving = spawn(scope, "bench-receive", cores, || receiver.run())?;
        // Nobody else would end the receiver.
        let stop = |_: &BenchError| shared.stop.store(true, Relaxed);
        let sending = spawn(scope, "bench-send", cores, send).inspect_err(stop)?;
        while !sending.is_finished() {
            thread::sleep(TELL_EVERY);
            progress(shared.so_far());
        }
        let (elapsed, places) = sending.join().map_err(died("sending"))?;
        drain(shared);
        shared.stop.store(true, Relaxed);
        let arrived = receiving.join().map_err(died("receiving"))?;
        let arrived = arrived.map_err(BenchError::system("receiving"))?;
        Ok((elapsed, places, arrived))
    })
}

/// What one firing did.
struct Fired {
    elapsed: Duration,
    arrived: Arrived,
    sent: u64,
    refused: u64,
    not_sent: u64,
    delivered: u64,
}

impl Generator for Sockets {
    fn name(&self) -> &'static str {
        "sends in bursts"
    }

    fn arrange(&mut self, ways: &[Way]) -> Result<(), BenchError> {
        if ways.is_empty() {
            return Err(BenchError::Args("no ways to send by".to_owned()));
        }
        let streams = ways.iter().filter(|way| way.kind != Kind::Rtcp);
        allow_files(streams.count() / 2, ways.len())?;
        // The old sockets' ports have to be free for the new ones.
        self.streets.clear();
        let mut sockets = HashMap::new();
        for way in ways {
            let from = socket(&mut sockets, way.from)?;
            let at = socket(&mut sockets, way.at)?;
            self.streets.push(Street {
                way: *way,
                from,
                at,
                place: 0,
            });
        }
        Ok(())
    }

    fn warm_up(&mut self, _: &mut dyn FnMut(SoFar)) -> Result<usize, BenchError> {
        let load = Load {
            packets_per_s: WARM_UP_RATE,
            duration: Duration::MAX,
            burst: 1,
            payload_bytes: 160,
            ptime: Duration::from_millis(20),
        };
        let mut open = 0;
        for _ in 0..WARM_UP_ROUNDS {
            open = self.fire(&load, true, &mut |_| ())?.arrived.open_ways;
            if open == self.streets.len() {
                break;
            }
        }
        Ok(open)
    }

    fn run(&mut self, load: &Load, progress: &mut dyn FnMut(SoFar)) -> Result<Counted, BenchError> {
        let fired = self.fire(load, false, progress)?;
        let refused = ("refused to the generator".to_owned(), fired.refused);
        Ok(Counted {
            elapsed: fired.elapsed,
            sent: fired.sent + fired.refused,
            not_sent: fired.not_sent,
            delivered: fired.delivered,
            open_ways: fired.arrived.open_ways,
            wrong: fired.arrived.wrong,
            latency: fired.arrived.latency,
            latency_every: 1,
            guests: GuestCount::default(),
            lost: BTreeMap::from([refused]),
        })
    }
}

fn form(kind: Kind, load: &Load) -> Form {
    let shape = Shape::of(kind, load);
    Form {
        kind,
        len: shape.payload,
        step: shape.step,
    }
}

fn socket(
    sockets: &mut HashMap<SocketAddr, Arc<UdpSocket>>,
    address: SocketAddr,
) -> Result<Arc<UdpSocket>, BenchError> {
    if let Some(socket) = sockets.get(&address) {
        return Ok(Arc::clone(socket));
    }
    let failed = BenchError::system("socket of a phone");
    let socket = UdpSocket::bind(address).map_err(&failed)?;
    socket.set_nonblocking(true).map_err(&failed)?;
    let socket = Arc::new(socket);
    sockets.insert(address, Arc::clone(&socket));
    Ok(socket)
}

/// Waits until all packets have arrived, or no more come.
fn drain(shared: &Shared) {
    let start = Instant::now();
    let mut last = (0, start);
    while start.elapsed() < DRAIN {
        let arrived = shared.arrived.load(Relaxed);
        let silent = arrived == last.0 && last.1.elapsed() > SILENCE;
        if arrived >= shared.sent.load(Relaxed) || silent {
            return;
        }
        if arrived != last.0 {
            last = (arrived, Instant::now());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a thread of the generator.
fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    cores: &'scope [usize],
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, BenchError> {
    let pinned = move || {
        pin(cores);
        work()
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn_scoped(scope, pinned)
        .map_err(BenchError::system("starting a thread"))
}

/// Raises the number of open files as far as needed and allowed.
fn allow_files(calls: usize, sockets: usize) -> Result<(), BenchError> {
    let needed = sockets as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        let _ = setrlimit(Resource::Nofile, raised);
    }
    match getrlimit(Resource::Nofile).current {
        Some(current) if current < needed => Err(BenchError::NoRoom {
            calls,
            limit: format!(
                "on loopback the generator needs {} open files and may have {}: raise \
                 RLIMIT_NOFILE (ulimit -n), or be root",
                grouped(needed),
                grouped(current)
            ),
        }),
        _ => Ok(()),
    }
}
