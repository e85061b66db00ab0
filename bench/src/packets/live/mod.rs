//! Generator and sink in the kernel: XDP programs that make packets out of frames and check those
//! that come back, with no socket and no copy between, so that the relay is what costs.

mod device;
mod fire;
mod guests;
mod latency;
mod programs;
mod shares;
mod words;

use std::sync::Arc;
use std::time::Duration;

use super::BenchError;
use super::bed::Veth;
use super::vocabulary::{Counted, Generator, GuestCount, Guests, Load, SoFar, Way, Wrong};
use device::interface;
use programs::{Control, Gun, Sink};
use shares::{Salvo, Share, shares};

pub(super) use words::Shape;

/// Rounds over all ways before a run, until every way has passed a packet.
const WARM_UP_ROUNDS: usize = 8;
/// Least and most packets a second of such a round. Every relay carries the first; the second is for
/// so many ways that only relays without a socket for each have room for them.
const WARM_UP_RATES: [u64; 2] = [50_000, 100_000];
/// Packets a second from which generator and sink, who share a core, spare it: the sink's device is
/// looked at less often, and the latency is that of one packet in [`SAMPLED`].
const DENSE: u64 = 600_000;
/// Odd, so that it meets every place in a burst.
const SAMPLED: u64 = 7;
/// Packets of such a round that leave together: each time wakes the relay's core.
const WARM_UP_BURST: u32 = 8;
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
    /// Calls that come and go beside the next runs.
    guests: Option<Arc<Guests>>,
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
            guests: None,
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
        let places = ways + guests::PLACES;
        let mut gun = Gun::load(places, last_core.unwrap_or(0))?;
        // A device has one program at a time: the old ones have to go before the new ones come.
        self.programs = None;
        let mut sink = Sink::load(places, self.veth.cores().relay.len() as u32)?;
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

    fn longest_frame(&self) -> usize {
        let frames = self.ways.iter().zip(&self.shapes);
        frames
            .map(|(way, shape)| shape.frame(way))
            .max()
            .unwrap_or(64)
    }

    /// The cores' orders for a load, or for one packet of it by every way.
    fn orders(&self, load: &Load, round: bool) -> Vec<Control> {
        let salvo = Salvo {
            ifindex: self.ifindex,
            run: self.run,
            rate: load.packets_per_s,
            burst: load.at_once(),
            duration: load.duration,
            round,
        };
        salvo.orders(&self.shares)
    }

    fn next_run(&mut self) {
        self.run = self.run.checked_add(1).unwrap_or(1);
    }
}

/// The loaded programs.
struct Programs {
    gun: Gun,
    sink: Sink,
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

    fn warm_up(&mut self, progress: &mut dyn FnMut(SoFar)) -> Result<usize, BenchError> {
        let [least, most] = WARM_UP_RATES;
        let load = Load {
            packets_per_s: (self.ways.len() as u64).clamp(least, most),
            duration: Duration::from_secs(60),
            burst: WARM_UP_BURST,
            payload_bytes: 160,
            ptime: Duration::from_millis(20),
        };
        // One run for all rounds: a way that was open in one of them is open.
        self.next_run();
        self.shape(&load)?;
        let mut open = 0;
        for _ in 0..WARM_UP_ROUNDS {
            let orders = self.orders(&load, true);
            let outcome = self.fire(&orders, 1, None, progress)?;
            open += usize::try_from(outcome.found.open).unwrap_or(usize::MAX);
            if open >= self.ways.len() {
                break;
            }
        }
        Ok(open)
    }

    fn invite(&mut self, guests: Option<Arc<Guests>>) {
        self.guests = guests;
    }

    fn run(&mut self, load: &Load, progress: &mut dyn FnMut(SoFar)) -> Result<Counted, BenchError> {
        self.next_run();
        self.shape(load)?;
        let every = if load.packets_per_s < DENSE {
            1
        } else {
            SAMPLED
        };
        self.veth.moderate(load.packets_per_s >= DENSE)?;
        let orders = self.orders(load, false);
        let outcome = self.fire(&orders, every, Some(load), progress)?;
        let wanted = u128::from(load.packets_per_s) * outcome.elapsed.as_nanos() / 1_000_000_000;
        let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
        let found = outcome.found;
        Ok(Counted {
            elapsed: outcome.elapsed,
            sent: outcome.sent,
            not_sent: wanted
                .saturating_sub(outcome.sent + outcome.guests)
                .max(outcome.failed),
            delivered: found.delivered,
            open_ways: usize::try_from(found.open).unwrap_or(usize::MAX),
            wrong: Wrong {
                source: found.source,
                content: found.content,
                order: found.order,
            },
            latency: latency::histogram(&self.programs()?.sink.latency()?)?,
            latency_every: every,
            guests: GuestCount {
                sent: outcome.guests,
                delivered: found.guests,
                overtaken: found.guests_late,
            },
            lost: outcome.drops,
        })
    }
}

fn not_arranged() -> BenchError {
    BenchError::Args("no ways to send by".to_owned())
}

#[cfg(test)]
mod tests;
