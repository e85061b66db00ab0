//! Generator and sink in the kernel: XDP programs that make packets out of frames and check those
//! that come back, with no socket and no copy between, so that the relay is what costs.

mod latency;
mod programs;
mod words;

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::BenchError;
use super::bed::{MACS, Veth, pin, urgent};
use super::vocabulary::{Counted, Generator, Kind, Load, RTCP_EVERY, SoFar, Way, Wrong};
use programs::{Control, Found, Gun, Sink};

pub(super) use words::Shape;

/// Lateness beyond this is given up: sending it all at once would overrun every buffer on the way,
/// and say nothing about the relay.
const FORGIVEN: Duration = Duration::from_millis(20);
/// Least and most frames for each call of the kernel. It cannot be stopped, and each call begins
/// with new frames, which takes time.
const FRAMES: [u32; 2] = [1 << 10, 1 << 23];
/// Frames of the first call, which tells how long one takes.
const FIRST_FRAMES: u32 = 1 << 13;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// How long packets may be under way after the last was sent.
const DRAIN: Duration = Duration::from_secs(2);
/// No packet for that long: none is under way any more.
const SILENCE: Duration = Duration::from_millis(100);
/// Rounds over all ways before a run, until every way has passed a packet.
const WARM_UP_ROUNDS: usize = 5;
/// Packets a second of such a round.
const WARM_UP_RATE: u64 = 50_000;
/// Longest frame: Ethernet's header and 1500 bytes.
const MAX_FRAME: usize = 1514;
/// Most ways: RTP and RTCP both ways of every call.
const MAX_WAYS: usize = 4 * super::MAX_CALLS;

/// The generator of a veth bed.
pub(super) struct Live<'a> {
    veth: &'a Veth,
    /// `None` until ways are arranged.
    programs: Option<Programs>,
    ifindex: u32,
    ways: Vec<Way>,
    /// What each of the generator's cores sends: one core for each queue of the relay's device.
    shares: Vec<Share>,
    /// Places at which the ways stand, by way.
    shapes: Vec<Shape>,
    run: u16,
}

impl<'a> Live<'a> {
    pub fn new(veth: &'a Veth) -> Self {
        Self {
            veth,
            programs: None,
            ifindex: 0,
            ways: Vec::new(),
            shares: Vec::new(),
            shapes: Vec::new(),
            run: 0,
        }
    }

    /// Whether the kernel takes the programs.
    pub fn probe() -> Result<(), BenchError> {
        Gun::load(1, 0)?;
        Sink::load(1, 1).map(|_| ())
    }

    /// Loads the programs with room for the ways, and puts the sink on the phones' device.
    fn load(&mut self) -> Result<(), BenchError> {
        self.shares = shares(&self.ways, &self.veth.cores().generator);
        let last_core = self.shares.iter().map(|share| share.core).max();
        let ways = self.ways.len() as u32;
        let mut gun = Gun::load(ways, last_core.unwrap_or(0))?;
        // A device has one program at a time: the old ones have to go before the new ones come.
        self.programs = None;
        let mut sink = Sink::load(ways, self.veth.cores().relay.len() as u32)?;
        let device = self.veth.phones_device();
        let attach = || {
            gun.keep("lo")?;
            sink.attach(device)?;
            interface(device).map_err(BenchError::system("finding the phones' device"))
        };
        self.ifindex = self.veth.phones_side().inside(&[], attach)??;
        self.programs = Some(Programs { gun, sink });
        self.veth.settle()
    }

    fn programs(&self) -> Result<&Programs, BenchError> {
        self.programs.as_ref().ok_or_else(not_arranged)
    }

    /// Gives the ways the shapes that a load wants.
    fn shape(&mut self, load: &Load) -> Result<(), BenchError> {
        let first = self.shapes.is_empty();
        let shapes: Vec<Shape> = self
            .ways
            .iter()
            .map(|way| Shape::of(way.kind, load))
            .collect();
        if shapes == self.shapes {
            return Ok(());
        }
        let frames = self.ways.iter().zip(&shapes);
        let longest = frames.map(|(way, shape)| shape.frame(way)).max();
        if longest.is_some_and(|longest| longest > MAX_FRAME) {
            return Err(BenchError::Args(format!(
                "payloads of {} bytes do not fit Ethernet with these headers",
                load.payload_bytes
            )));
        }
        let Programs { gun, sink } = self.programs.as_mut().ok_or_else(not_arranged)?;
        let flows = self.shares.iter().flat_map(|share| &share.ways);
        for (number, flow) in flows.enumerate() {
            let (Some(way), Some(shape)) = (self.ways.get(*flow), shapes.get(*flow)) else {
                continue;
            };
            let (number, flow) = (number as u32, *flow as u32);
            let place = if first {
                0
            } else {
                words::place(&gun.way(number)?)
            };
            gun.set_way(number, &words::way(way, flow, *shape, place))?;
            sink.expect(flow, &words::expected(way, *shape, place))?;
        }
        self.shapes = shapes;
        Ok(())
    }

    /// Sends what the orders say, and waits for the last packets.
    fn fire(
        &mut self,
        orders: &[Control],
        progress: &mut dyn FnMut(SoFar),
    ) -> Result<Outcome, BenchError> {
        let first = self.ways.iter().map(|way| way.at.port()).min();
        let last = self.ways.iter().map(|way| way.at.port()).max();
        let Programs { gun, sink } = self.programs.as_mut().ok_or_else(not_arranged)?;
        sink.order(&Found {
            ways: self.ways.len() as u64,
            run: u64::from(self.run),
            first_port: u64::from(first.unwrap_or(0)),
            last_port: u64::from(last.unwrap_or(0)),
            ..Found::default()
        })?;
        for (share, orders) in self.shares.iter().zip(orders) {
            gun.order(share.core, orders)?;
        }
        let frame = vec![0; self.longest_frame()];
        let before = self.device_drops()?;
        let this = &*self;
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (share, orders) in this.shares.iter().zip(orders) {
                let frame = frame.as_slice();
                let shoot = move || -> Result<(), BenchError> {
                    this.veth.phones_side().enter()?;
                    pin(&[share.core as usize]);
                    urgent();
                    let time = Duration::from_nanos(orders.time());
                    shoot(&this.programs()?.gun, share.core, frame, time)
                };
                let thread = thread::Builder::new()
                    .name(format!("bench-generate-{}", share.core))
                    .spawn_scoped(scope, shoot)
                    .map_err(BenchError::system("starting a thread"))?;
                threads.push(thread);
            }
            let started = Instant::now();
            while threads.iter().any(|thread| !thread.is_finished()) {
                thread::sleep(TELL_EVERY);
                progress(this.so_far(started.elapsed())?);
            }
            for thread in threads {
                let died = |_| BenchError::system("generating")(io::ErrorKind::Other.into());
                thread.join().map_err(died)??;
            }
            Ok::<(), BenchError>(())
        })?;
        self.drain()?;
        self.outcome(before)
    }

    fn longest_frame(&self) -> usize {
        let frames = self.ways.iter().zip(&self.shapes);
        frames
            .map(|(way, shape)| shape.frame(way))
            .max()
            .unwrap_or(64)
    }

    fn so_far(&self, elapsed: Duration) -> Result<SoFar, BenchError> {
        Ok(SoFar {
            elapsed,
            sent: self.sent()?,
            delivered: self.programs()?.sink.found()?.delivered,
        })
    }

    fn sent(&self) -> Result<u64, BenchError> {
        Ok(self.states()?.iter().map(|state| state.sent).sum())
    }

    /// How far the generator's cores are.
    fn states(&self) -> Result<Vec<Control>, BenchError> {
        let gun = &self.programs()?.gun;
        self.shares
            .iter()
            .map(|share| gun.state(share.core))
            .collect()
    }

    /// Waits until all packets have arrived, or no more come.
    fn drain(&self) -> Result<(), BenchError> {
        let sent = self.sent()?;
        let start = Instant::now();
        let mut last = (0, start);
        while start.elapsed() < DRAIN {
            let found = self.programs()?.sink.found()?;
            let all = found.delivered + found.source + found.content + found.order;
            if all >= sent || (all == last.0 && last.1.elapsed() > SILENCE) {
                break;
            }
            if all != last.0 {
                last = (all, Instant::now());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn outcome(&self, before: BTreeMap<String, u64>) -> Result<Outcome, BenchError> {
        let states = self.states()?;
        let mut drops = self.device_drops()?;
        for (place, count) in &mut drops {
            *count -= before.get(place).copied().unwrap_or(0).min(*count);
        }
        drops.retain(|_, count| *count > 0);
        let elapsed = states
            .iter()
            .map(|state| state.ended.saturating_sub(state.start));
        Ok(Outcome {
            elapsed: Duration::from_nanos(elapsed.max().unwrap_or(0)),
            sent: states.iter().map(|state| state.sent).sum(),
            failed: states.iter().map(|state| state.failed).sum(),
            found: self.programs()?.sink.found()?,
            drops,
        })
    }

    /// Packets that the pair of devices dropped since it exists, by place.
    fn device_drops(&self) -> Result<BTreeMap<String, u64>, BenchError> {
        let read = || std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
        let relay = self.veth.relay_side().inside(&[], read)?;
        let phones = self.veth.phones_side().inside(&[], read)?;
        let [phones_rx, phones_tx] = dropped(&phones, self.veth.phones_device());
        let [relay_rx, relay_tx] = dropped(&relay, self.veth.relay_device());
        // What the queue between the two has no room for is counted at both of its ends.
        let drops = [
            ("in the relay device's queue", phones_tx),
            ("by the relay's device", relay_rx.saturating_sub(phones_tx)),
            ("in the phones device's queue", relay_tx),
            ("by the phones' device", phones_rx.saturating_sub(relay_tx)),
        ];
        Ok(drops.map(|(place, count)| (place.to_owned(), count)).into())
    }

    fn next_run(&mut self) {
        self.run = self.run.checked_add(1).unwrap_or(1);
    }

    /// Orders for all cores; `rate` in packets a second is shared out by their ways.
    fn orders(&self, rate: u64, burst: u32, duration: Duration, rounds: bool) -> Vec<Control> {
        let all = self.ways.len().max(1) as u64;
        let mut first = 0;
        let order = |share: &Share| {
            let (ways, reports) = (share.ways.len() as u64, share.reports as u64);
            first += ways;
            let burst = u64::from(burst.max(1));
            let interval = u128::from(burst) * 1024 * 1_000_000_000 * u128::from(all)
                / (u128::from(rate.max(1)) * u128::from(ways.max(1)));
            Control {
                ethernet: ethernet(),
                ifindex: u64::from(self.ifindex),
                run: u64::from(self.run),
                first: first - ways,
                streams: if rounds { ways } else { ways - reports },
                reports: if rounds { 0 } else { reports },
                every: u64::from(RTCP_EVERY),
                interval: u64::try_from(interval).unwrap_or(u64::MAX),
                burst,
                duration: if ways == 0 { 0 } else { nanos(duration) },
                limit: if rounds { ways } else { u64::MAX },
                forgiven: nanos(FORGIVEN),
                ..Control::default()
            }
        };
        self.shares.iter().map(order).collect()
    }
}

/// The loaded programs.
struct Programs {
    gun: Gun,
    sink: Sink,
}

/// What one of the generator's cores sends.
#[derive(Debug, PartialEq, Eq)]
struct Share {
    core: u32,
    /// Numbers of its ways; those of RTCP are the last.
    ways: Vec<usize>,
    /// How many are of RTCP.
    reports: usize,
}

/// What one firing did.
#[derive(Debug)]
struct Outcome {
    elapsed: Duration,
    sent: u64,
    failed: u64,
    found: Found,
    drops: BTreeMap<String, u64>,
}

impl Generator for Live<'_> {
    fn name(&self) -> &'static str {
        "xdp live frames"
    }

    fn arrange(&mut self, ways: &[Way]) -> Result<(), BenchError> {
        if ways.is_empty() || ways.len() > MAX_WAYS {
            return Err(BenchError::Args(format!(
                "{} ways, allowed are 1 to {MAX_WAYS}",
                ways.len()
            )));
        }
        self.ways = ways.to_vec();
        self.shapes.clear();
        self.load()
    }

    fn warm_up(&mut self) -> Result<usize, BenchError> {
        let load = Load {
            packets_per_s: WARM_UP_RATE,
            duration: Duration::from_secs(60),
            burst: 1,
            payload_bytes: 160,
            ptime: Duration::from_millis(20),
        };
        let mut open = 0;
        for _ in 0..WARM_UP_ROUNDS {
            self.next_run();
            self.shape(&load)?;
            let orders = self.orders(WARM_UP_RATE, 1, load.duration, true);
            let outcome = self.fire(&orders, &mut |_| ())?;
            open = usize::try_from(outcome.found.open).unwrap_or(usize::MAX);
            if open == self.ways.len() {
                break;
            }
        }
        Ok(open)
    }

    fn run(&mut self, load: &Load, progress: &mut dyn FnMut(SoFar)) -> Result<Counted, BenchError> {
        self.next_run();
        self.shape(load)?;
        let orders = self.orders(load.packets_per_s, load.at_once(), load.duration, false);
        let outcome = self.fire(&orders, progress)?;
        let wanted = u128::from(load.packets_per_s) * outcome.elapsed.as_nanos() / 1_000_000_000;
        let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
        let found = outcome.found;
        Ok(Counted {
            elapsed: outcome.elapsed,
            sent: outcome.sent,
            not_sent: wanted.saturating_sub(outcome.sent).max(outcome.failed),
            delivered: found.delivered,
            open_ways: usize::try_from(found.open).unwrap_or(usize::MAX),
            wrong: Wrong {
                source: found.source,
                content: found.content,
                order: found.order,
            },
            latency: latency::histogram(&self.programs()?.sink.latency()?)?,
            lost: outcome.drops,
        })
    }
}

/// Runs the gun on a core until it says that its orders are carried out.
fn shoot(gun: &Gun, core: u32, frame: &[u8], time: Duration) -> Result<(), BenchError> {
    let start = Instant::now();
    let (mut done, mut frames) = (0_u64, FIRST_FRAMES);
    while gun.state(core)?.ended == 0 {
        gun.run(frame, frames)?;
        done += u64::from(frames);
        let each = start.elapsed().as_nanos() / u128::from(done);
        let left = time.saturating_sub(start.elapsed()).as_nanos();
        let [least, most] = FRAMES;
        frames = u32::try_from(left / each.max(1)).map_or(most, |left| left.clamp(least, most));
    }
    Ok(())
}

/// Shares the ways out: both ways of a call to one core, RTCP last.
fn shares(ways: &[Way], cores: &[usize]) -> Vec<Share> {
    let share = |core: &usize| Share {
        core: *core as u32,
        ways: Vec::new(),
        reports: 0,
    };
    let mut shares: Vec<Share> = cores.iter().map(share).collect();
    for rtcp in [false, true] {
        let wanted = |(_, way): &(usize, &Way)| (way.kind == Kind::Rtcp) == rtcp;
        for (turn, (flow, _)) in ways.iter().enumerate().filter(wanted).enumerate() {
            if let Some(share) = shares.get_mut(turn / 2 % cores.len().max(1)) {
                share.ways.push(flow);
                share.reports += usize::from(rtcp);
            }
        }
    }
    shares
}

fn not_arranged() -> BenchError {
    BenchError::Args("no ways to send by".to_owned())
}

/// Number of a device of the calling thread's namespace.
fn interface(name: &str) -> io::Result<u32> {
    use rustix::net::{AddressFamily, SocketType, netdevice, socket};
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    Ok(netdevice::name_to_index(any, name)?)
}

/// Both hardware addresses as a frame from the phones to the relay begins.
fn ethernet() -> [u64; 2] {
    let [relay, phones] = MACS;
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&relay);
    bytes[6..12].copy_from_slice(&phones);
    let words = bytes.as_chunks::<8>().0;
    [0, 1].map(|word| words.get(word).copied().map_or(0, u64::from_le_bytes))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Packets that a device dropped when receiving and when sending, of `/proc/net/dev`.
fn dropped(text: &str, device: &str) -> [u64; 2] {
    let counts = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'));
    let column = |number| {
        let word = counts?.split_whitespace().nth(number)?;
        word.parse().ok()
    };
    [3, 11].map(|number| column(number).unwrap_or(0))
}

#[cfg(test)]
mod tests;
